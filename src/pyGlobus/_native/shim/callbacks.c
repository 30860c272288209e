/* Globus' callbacks: each copies what it was given into an event, posts it, and returns. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
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

/*
 * GASS server EZ writes by C's stdout and stderr, which glibc lets a program replace.  Our streams
 * live for ever, since a request that is under way keeps the one it began with; where they lead is
 * the descriptor under them.  -1 leads back to the process' own streams.
 */
int cog_gass_streams(int out, int err, int by_lines)
{
    static FILE *own[2], *process[2];
    int target[2] = { out, err }, i;

    if (!own[0])
    {
        process[0] = stdout;
        process[1] = stderr;
        for (i = 0; i < 2; i++)
        {
            int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
            if (null < 0 || !(own[i] = fdopen(null, "w")))
            {
                return -errno;
            }
        }
    }
    for (i = 0; i < 2; i++)
    {
        int null = -1, from = target[i];
        if (from < 0)
        {
            from = null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        }
        fflush(own[i]);
        if (dup3(from, fileno(own[i]), O_CLOEXEC) < 0)
        {
            return -errno;
        }
        if (null >= 0)
        {
            close(null);
        }
        setvbuf(own[i], NULL, by_lines ? _IOLBF : _IONBF, 0);
    }
    stdout = out < 0 ? process[0] : own[0];
    stderr = err < 0 ? process[1] : own[1];
    if (!by_lines)
    {
        /* a pipe would keep what it gets */
        setvbuf(stdout, NULL, _IONBF, 0);
        setvbuf(stderr, NULL, _IONBF, 0);
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
