/*
 * Ends an operation from Globus' own callback thread.
 *
 * From any other thread an abort may meet a connection that is just being refused.  While globus_io
 * tells globus_ftp_control so, the connection is neither open nor closed: the abort declares the
 * control handle unconnected, the refusal then frees it, and goes on to lock it.  That ends the
 * process (GCT 6.2: globus_ftp_control_force_close, globus_l_io_bounce_authz_cb,
 * globus_l_ftp_control_connect_cb).  The other states of a connection have fewer such moments, but
 * some: between two servers the abort goes away with the lock of the handle when one of the two
 * connections has just failed.  One thread runs callbacks (start.c), so that in a callback of ours
 * none of theirs is half done.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <stdlib.h>

typedef struct request
{
    /* a copy: Python's own variable may be gone when the interpreter is */
    globus_ftp_client_handle_t ftp;
    globus_gass_copy_handle_t *copy;        /* NULL: only `ftp` is to be aborted */
    void                     (*done)(void *, globus_object_t *);
    void                      *arg;
}
request;

static void run(void *arg)
{
    request *asked = arg;
    globus_result_t result = GLOBUS_SUCCESS;

    if (!cog_is_dead())
    {
        result = asked->copy ? globus_gass_copy_cancel(asked->copy, NULL, NULL)
                             : globus_ftp_client_abort(&asked->ftp);
    }
    asked->done(asked->arg, result == GLOBUS_SUCCESS ? NULL : globus_error_get(result));
    free(asked);
}

/* Without memory nothing is aborted: deadlines still hold. */
static void ask(request copied)
{
    globus_reltime_t at_once;
    globus_result_t result;
    request *asked = malloc(sizeof *asked);

    if (!asked)
    {
        copied.done(copied.arg, globus_error_construct_string(NULL, NULL, "no memory to abort"));
        return;
    }
    *asked = copied;
    GlobusTimeReltimeSet(at_once, 0, 0);
    result = globus_callback_register_oneshot(NULL, &at_once, run, asked);
    if (result != GLOBUS_SUCCESS)
    {
        asked->done(asked->arg, globus_error_get(result));
        free(asked);
    }
}

void cog_abort_ftp_then(
    globus_ftp_client_handle_t *handle, void (*done)(void *, globus_object_t *), void *arg)
{
    ask((request) { .ftp = *handle, .done = done, .arg = arg });
}

static void tell(void *arg, globus_object_t *error)
{
    cog_event event = { .token = (cog_token) (uintptr_t) arg, .kind = COG_EVENT_COMPLETE,
                        .object = error };

    cog_post(&event);
}

void cog_abort_ftp(cog_token token, globus_ftp_client_handle_t *handle)
{
    cog_abort_ftp_then(handle, tell, (void *) (uintptr_t) token);
}

void cog_abort_copy(cog_token token, globus_gass_copy_handle_t *handle)
{
    ask((request) { .copy = handle, .done = tell, .arg = (void *) (uintptr_t) token });
}

void cog_abort_copy_command(cog_token token, globus_gass_copy_handle_t *handle)
{
    cog_abort_ftp(token, &handle->ftp_handle);
}
