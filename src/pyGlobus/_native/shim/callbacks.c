/* Globus' callbacks: each copies what it was given into an event, posts it, and returns. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(void *) >= sizeof(cog_token), "a token must fit into Globus' user_arg");

static cog_token token_of(void *arg)
{
    return (cog_token) (uintptr_t) arg;
}

/* Globus takes its error back when the callback returns: keep a copy of the whole chain. */
static void *kept(globus_object_t *error)
{
    return error ? globus_object_copy(error) : NULL;
}

void cog_on_ftp_complete(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_COMPLETE, .object = kept(error) };

    (void) handle;
    cog_post(&event);
}

void cog_on_ftp_data(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_DATA, .object = kept(error),
                        .a = (int64_t) length, .b = offset, .c = eof };

    (void) handle;
    (void) buffer;      /* the caller's own: Python keeps it until this event arrives */
    cog_post(&event);
}

void cog_on_listener_closed(void *arg, globus_gass_transfer_listener_t listener)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_LISTENER_CLOSED };

    (void) listener;
    cog_post(&event);
}

/* The descriptors under our streams for GASS server EZ. */
static int under[2] = { -1, -1 };

/* How long a callback waits for a reader before it lets others go on, in milliseconds. */
enum { PATIENCE = 2 };

/* Returns how much went through; less than `size` is an error. */
static ssize_t write_under(void *fd, const char *data, size_t size)
{
    struct pollfd poll_fd = { .fd = *(int *) fd, .events = POLLOUT };
    size_t done = 0;

    while (done < size)
    {
        /* a pipe that is ready takes so much without blocking */
        size_t piece = size - done < PIPE_BUF ? size - done : PIPE_BUF;
        ssize_t put;

        if (poll(&poll_fd, 1, PATIENCE) == 0)
        {
            globus_thread_blocking_will_block();
        }
        put = write(poll_fd.fd, data + done, piece);
        if (put >= 0)
        {
            done += (size_t) put;
        }
        else if (errno == EAGAIN)
        {
            poll(&poll_fd, 1, -1);
        }
        else if (errno != EINTR)
        {
            break;
        }
    }
    return (ssize_t) done;
}

/*
 * GASS server EZ writes by C's stdout and stderr, which glibc lets a program replace.  Ours live for
 * ever and stay in place: a request that is under way keeps the stream it began with, and closes it
 * at its end if it is not stdout or stderr then.  Where they lead is the descriptor under them; -1
 * leads to the process' own.
 */
int cog_gass_streams(int out, int err, int by_lines)
{
    static FILE *own[2];
    int target[2] = { out, err }, i;

    if (!own[0])
    {
        fflush(stdout);
        for (i = 0; i < 2; i++)
        {
            if (under[i] < 0)
            {
                under[i] = open("/dev/null", O_WRONLY | O_CLOEXEC);
            }
            if (under[i] < 0 || !(own[i] = fopencookie(
                &under[i], "w", (cookie_io_functions_t) { .write = write_under })))
            {
                own[0] = NULL;
                return -errno;
            }
        }
        stdout = own[0];
        stderr = own[1];
    }
    for (i = 0; i < 2; i++)
    {
        fflush(own[i]);
        /* a process may have been started without a descriptor 1 or 2 */
        if (dup3(target[i] < 0 ? i + 1 : target[i], under[i], O_CLOEXEC) < 0 && target[i] >= 0)
        {
            return -errno;
        }
        /* a pipe would keep what it gets */
        setvbuf(own[i], NULL, by_lines ? _IOLBF : _IONBF, 0);
    }
    return 0;
}

static _Atomic cog_token gass_shutdown_token;

void cog_set_gass_shutdown_token(cog_token token)
{
    atomic_store(&gass_shutdown_token, token);
}

void cog_on_gass_shutdown(void)
{
    cog_event event = { .token = atomic_load(&gass_shutdown_token),
                        .kind = COG_EVENT_SHUTDOWN_ASKED };

    cog_post(&event);
}
