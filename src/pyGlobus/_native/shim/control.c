/*
 * The callbacks of one FTP control connection, one at a time and in order.
 *
 * libglobus_ftp_control (GCT 6.2) is not safe with two callback threads once commands are sent ahead
 * of the replies (pipelining).  The command's place in the queue of readers is made by the callback
 * of its write.  When the reply is read before that has run, the queue is empty, and what is left of
 * the reply is later copied from in front of a buffer (globus_l_ftp_control_read_cb); when it is read
 * while that runs, the place is freed under it, at times twice (globus_l_ftp_control_write_cb).
 *
 * So the library's calls for reading and writing come here first: this module is ahead of
 * libglobus_io where a library that was loaded with it looks for symbols.  What was read is passed
 * on when what was written has been told, and no two callbacks of a connection run at once.  Calls
 * for anything else are passed on as they are, and where libglobus_ftp_control was in the process
 * before, nothing of this happens.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <globus_ftp_control.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORTED __attribute__((visibility("default")))
#define BUCKETS 64

typedef globus_result_t (*read_function)(
    globus_io_handle_t *, globus_byte_t *, globus_size_t, globus_size_t, globus_io_read_callback_t,
    void *);
typedef globus_result_t (*write_function)(
    globus_io_handle_t *, globus_byte_t *, globus_size_t, globus_io_write_callback_t, void *);
typedef globus_result_t (*send_function)(
    globus_io_handle_t *, globus_byte_t *, globus_size_t, int, globus_io_write_callback_t, void *);

struct connection
{
    struct connection  *next;
    globus_io_handle_t *handle;
    int                 uses;           /* calls whose callbacks are to come */
    int                 writes;         /* those of them that write */
    struct call        *held;           /* what was read, until the writes have been told */
    pthread_mutex_t     turn;           /* held while a callback runs */
};

struct call
{
    struct connection  *connection;
    globus_io_read_callback_t read;
    globus_io_write_callback_t write;
    void               *arg;
    /* what `read` is to be called with */
    globus_io_handle_t *handle;
    globus_result_t     result;
    globus_byte_t      *buffer;
    globus_size_t       length;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static read_function real_read;
static write_function real_write;
static send_function real_send;

/* guards the connections, but not `turn` */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *connections[BUCKETS];

static void find(void)
{
    *(void **) &real_read = dlsym(RTLD_NEXT, "globus_io_register_read");
    *(void **) &real_write = dlsym(RTLD_NEXT, "globus_io_register_write");
    *(void **) &real_send = dlsym(RTLD_NEXT, "globus_io_register_send");
}

/* Find the library's own functions; that this is called has the linker take this file. */
void cog_control_find(void)
{
    pthread_once(&once, find);
}

static struct connection **place_of(const globus_io_handle_t *handle)
{
    struct connection **place = &connections[((uintptr_t) handle >> 4) % BUCKETS];

    while (*place && (*place)->handle != handle)
    {
        place = &(*place)->next;
    }
    return place;
}

/* For a control connection the library's callbacks get the handle that the connection is part of. */
static int is_control(const globus_io_handle_t *handle, const void *arg)
{
    return (uintptr_t) handle - (uintptr_t) arg ==
        offsetof(globus_ftp_control_handle_t, cc_handle.io_handle);
}

/* A call begins that reads or writes; NULL when it is none of ours, or there is no memory. */
static struct call *enter(
    globus_io_handle_t *handle, globus_io_read_callback_t read, globus_io_write_callback_t write,
    void *arg)
{
    struct call *call;
    struct connection **place, *connection;

    cog_control_find();
    if (!is_control(handle, arg) || !(call = calloc(1, sizeof *call)))
    {
        return NULL;
    }
    call->read = read;
    call->write = write;
    call->arg = arg;
    pthread_mutex_lock(&lock);
    place = place_of(handle);
    connection = *place;
    if (!connection && (connection = calloc(1, sizeof *connection)))
    {
        connection->handle = handle;
        pthread_mutex_init(&connection->turn, NULL);
        *place = connection;
    }
    if (connection)
    {
        connection->uses++;
        connection->writes += write != NULL;
    }
    pthread_mutex_unlock(&lock);
    if (!connection)
    {
        free(call);
        return NULL;
    }
    call->connection = connection;
    return call;
}

/* The call is over.  Returns what was read meanwhile, if that may be passed on now. */
static struct call *leave(struct call *call)
{
    struct connection *connection = call->connection, **place;
    struct call *held = NULL;

    pthread_mutex_lock(&lock);
    connection->writes -= call->write != NULL;
    if (connection->writes == 0)
    {
        held = connection->held;
        connection->held = NULL;
    }
    if (--connection->uses == 0)
    {
        place = place_of(connection->handle);
        *place = connection->next;
        pthread_mutex_destroy(&connection->turn);
        free(connection);
    }
    pthread_mutex_unlock(&lock);
    free(call);
    return held;
}

static void pass_on(void *arg)
{
    struct call *call = arg;

    pthread_mutex_lock(&call->connection->turn);
    call->read(call->arg, call->handle, call->result, call->buffer, call->length);
    pthread_mutex_unlock(&call->connection->turn);
    leave(call);
}

static void on_read(
    void *arg, globus_io_handle_t *handle, globus_result_t result, globus_byte_t *buffer,
    globus_size_t length)
{
    struct call *call = arg;
    int wait;

    call->handle = handle;
    call->result = result;
    call->buffer = buffer;
    call->length = length;
    pthread_mutex_lock(&lock);
    /* this thread may be the one that is to write: it must not wait here */
    wait = result == GLOBUS_SUCCESS && call->connection->writes && !call->connection->held;
    if (wait)
    {
        call->connection->held = call;
    }
    pthread_mutex_unlock(&lock);
    if (!wait)
    {
        pass_on(call);
    }
}

static void on_write(
    void *arg, globus_io_handle_t *handle, globus_result_t result, globus_byte_t *buffer,
    globus_size_t length)
{
    struct call *call = arg;

    pthread_mutex_lock(&call->connection->turn);
    call->write(call->arg, handle, result, buffer, length);
    pthread_mutex_unlock(&call->connection->turn);
    call = leave(call);
    if (call)
    {
        pass_on(call);
    }
}

/* The library's own function has returned; when it has failed, no callback comes. */
static globus_result_t begun(struct call *call, globus_result_t result)
{
    struct call *held = result == GLOBUS_SUCCESS ? NULL : leave(call);

    if (held)
    {
        /* not from here: whoever has called may hold locks of the library */
        globus_callback_register_oneshot(NULL, NULL, pass_on, held);
    }
    return result;
}

EXPORTED globus_result_t globus_io_register_read(
    globus_io_handle_t *handle, globus_byte_t *buffer, globus_size_t most, globus_size_t least,
    globus_io_read_callback_t callback, void *arg)
{
    struct call *call = enter(handle, callback, NULL, arg);

    return call ? begun(call, real_read(handle, buffer, most, least, on_read, call)) :
        real_read(handle, buffer, most, least, callback, arg);
}

EXPORTED globus_result_t globus_io_register_write(
    globus_io_handle_t *handle, globus_byte_t *buffer, globus_size_t length,
    globus_io_write_callback_t callback, void *arg)
{
    struct call *call = enter(handle, NULL, callback, arg);

    return call ? begun(call, real_write(handle, buffer, length, on_write, call)) :
        real_write(handle, buffer, length, callback, arg);
}

/* A command that had to wait for the one before it is sent by this. */
EXPORTED globus_result_t globus_io_register_send(
    globus_io_handle_t *handle, globus_byte_t *buffer, globus_size_t length, int flags,
    globus_io_write_callback_t callback, void *arg)
{
    struct call *call = enter(handle, NULL, callback, arg);

    return call ? begun(call, real_send(handle, buffer, length, flags, on_write, call)) :
        real_send(handle, buffer, length, flags, callback, arg);
}
