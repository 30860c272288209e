/* Globus' callbacks: each copies what it was given into an event, posts it, and returns. */
#define _GNU_SOURCE
#include "shim.h"

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
