/*
 * Plays libglobus_ftp_control, and the threads that tell it of reads and writes, against what keeps
 * a control connection's callbacks in order.  Meant for the sanitizers.
 */
#define _GNU_SOURCE
#include "check.h"
#include "shim.h"

#include "control_io.h"
#include <globus_ftp_control.h>
#include <pthread.h>
#include <string.h>

enum { ROUNDS = 20000 };

static globus_ftp_control_handle_t control;
static globus_byte_t buffer[8];
static char told[16];           /* r and w, in the order of the callbacks */
static _Atomic int running, oneshots;

static void note(char what)
{
    size_t length = strlen(told);

    CHECK(atomic_fetch_add(&running, 1) == 0);
    if (length < sizeof told - 1)
    {
        told[length] = what;
    }
    atomic_fetch_sub(&running, 1);
}

static void read_callback(
    void *arg, globus_io_handle_t *handle, globus_result_t result, globus_byte_t *data,
    globus_size_t length)
{
    CHECK(arg == &control && handle == &control.cc_handle.io_handle && data == buffer);
    CHECK(result != GLOBUS_SUCCESS || length == 3);
    note('r');
}

static void write_callback(
    void *arg, globus_io_handle_t *handle, globus_result_t result, globus_byte_t *data,
    globus_size_t length)
{
    (void) length;
    (void) result;
    CHECK(arg == &control && handle == &control.cc_handle.io_handle && data == buffer);
    note('w');
}

/* What cannot be passed on at once is given to Globus to be called later. */
globus_result_t globus_callback_space_register_oneshot(
    globus_callback_handle_t *handle, const globus_reltime_t *delay,
    globus_callback_func_t function, void *arg, globus_callback_space_t space)
{
    CHECK(!handle && !delay);
    (void) space;
    oneshots++;
    function(arg);
    return GLOBUS_SUCCESS;
}

static struct registered begin_read(void)
{
    CHECK(globus_io_register_read(&control.cc_handle.io_handle, buffer, 1000, 1, read_callback,
        &control) == GLOBUS_SUCCESS);
    return last_read;
}

static struct registered begin_write(void)
{
    CHECK(globus_io_register_write(&control.cc_handle.io_handle, buffer, 3, write_callback,
        &control) == GLOBUS_SUCCESS);
    return last_write;
}

static struct registered begin_send(void)
{
    CHECK(globus_io_register_send(&control.cc_handle.io_handle, buffer, 3, 0, write_callback,
        &control) == GLOBUS_SUCCESS);
    return last_write;
}

static void tell(struct registered call, globus_result_t result)
{
    call.callback(call.arg, call.handle, result, call.buffer, 3);
}

static void expect(const char *order)
{
    CHECK(strcmp(told, order) == 0);
    memset(told, 0, sizeof told);
}

static void test_what_is_read_waits_for_the_writes_before_it(void)
{
    struct registered read = begin_read(), write, send;

    tell(read, GLOBUS_SUCCESS);
    expect("r");
    read = begin_read();
    write = begin_write();
    send = begin_send();
    tell(read, GLOBUS_SUCCESS);
    expect("");
    tell(write, GLOBUS_SUCCESS);
    expect("w");
    tell(send, GLOBUS_SUCCESS);
    expect("wr");
}

static void test_the_end_of_a_connection_waits_for_nothing(void)
{
    struct registered read = begin_read(), write = begin_write();

    tell(read, 1);
    expect("r");
    tell(write, 1);
    expect("w");
}

static void test_a_write_that_is_refused_holds_nothing_up(void)
{
    struct registered read = begin_read(), write = begin_write();

    refuse = 7;
    CHECK(globus_io_register_read(&control.cc_handle.io_handle, buffer, 1000, 1, read_callback,
        &control) == 7);
    refuse = 0;
    tell(read, GLOBUS_SUCCESS);
    expect("");
    refuse = 7;
    CHECK(globus_io_register_write(&control.cc_handle.io_handle, buffer, 3, write_callback,
        &control) == 7);
    CHECK(oneshots == 0);
    refuse = 0;
    tell(write, GLOBUS_SUCCESS);
    expect("wr");
}

static void test_other_connections_are_left_alone(void)
{
    globus_io_handle_t other;

    CHECK(globus_io_register_read(&other, buffer, 1000, 1, read_callback, &control) == 0);
    CHECK(last_read.callback == read_callback && last_read.arg == &control);
    CHECK(globus_io_register_write(&other, buffer, 3, write_callback, NULL) == 0);
    CHECK(last_write.callback == write_callback && !last_write.arg);
}

static void *tell_write(void *call)
{
    tell(*(struct registered *) call, GLOBUS_SUCCESS);
    return NULL;
}

static void test_two_threads_never_tell_at_once(void)
{
    pthread_t thread;
    int round;

    for (round = 0; round < ROUNDS; round++)
    {
        struct registered read = begin_read(), write = begin_write();

        CHECK(pthread_create(&thread, NULL, tell_write, &write) == 0);
        tell(read, GLOBUS_SUCCESS);
        pthread_join(thread, NULL);
        expect("wr");
    }
}

int main(void)
{
    test_what_is_read_waits_for_the_writes_before_it();
    test_the_end_of_a_connection_waits_for_nothing();
    test_a_write_that_is_refused_holds_nothing_up();
    test_other_connections_are_left_alone();
    test_two_threads_never_tell_at_once();
    puts("control connections: passed");
    return 0;
}
