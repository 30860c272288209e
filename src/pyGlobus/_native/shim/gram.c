/*
 * GRAM: answers to requests, and the messages by which job managers tell of their jobs.
 *
 * The client library has callbacks for the latter, too, but not safe ones (GCT 6.2): the one with
 * extensions reads memory that nobody has set when a message is not what it should be, and both free
 * what a message under way still uses when they are disallowed.  Here the argument of a listener is
 * a token, and needs no freeing.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#define RECORD '\x1e'
#define UNIT   '\x1f'

/* The library's own lock.  No header has it, so it may be missing in another version. */
extern globus_mutex_t globus_i_gram_protocol_mutex __attribute__((weak));

static cog_token token_of(void *arg)
{
    return (cog_token) (uintptr_t) arg;
}

/*
 * GRAM keeps the long text of an error with the thread that met it, so it must be asked for here.  It
 * is valid until forget_messages().
 */
static const char *message_of(int failure)
{
    const char *message = failure ? globus_gram_protocol_error_string(failure) : NULL;

    return message ? message : "";
}

/*
 * The thread would give the long text of this error for the next one with the same code, too, of
 * which there may be none: for a gatekeeper that refuses us, say.  (Of the other codes with a long
 * text each error has its own.)
 */
static void forget_messages(void)
{
    globus_gram_protocol_error_7_hack_replace_message(NULL);
    globus_gram_protocol_error_10_hack_replace_message(NULL);
}

/* Copy a field; what it has of our separators becomes blanks. */
static char *packed_field(char *end, const char *field)
{
    for (; *field; field++)
    {
        *end++ = *field == RECORD || *field == UNIT ? ' ' : *field;
    }
    *end = '\0';
    return end;
}

/* contact RS message */
static char *packed_reply(const char *contact, const char *message)
{
    char *text = malloc(strlen(contact) + strlen(message) + 2), *end;

    if (text)
    {
        end = packed_field(text, contact);
        *end++ = RECORD;
        packed_field(end, message);
    }
    return text;
}

void cog_on_gram_reply(
    void *arg, globus_gram_protocol_error_t failure, const char *contact,
    globus_gram_protocol_job_state_t state, globus_gram_protocol_error_t job_failure)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_GRAM_REPLY, .code = failure,
                        .a = state, .b = job_failure };

    event.text = packed_reply(contact ? contact : "", message_of(failure));
    forget_messages();
    cog_post(&event);
}

/* contact RS message RS name US value RS name US value ... */
static char *packed_info(const char *contact, const char *message, globus_hashtable_t *extensions)
{
    globus_list_t *list = NULL, *item;
    size_t size = strlen(contact) + strlen(message) + 2;
    char *text, *end;

    if (*extensions)
    {
        globus_hashtable_to_list(extensions, &list);
    }
    for (item = list; !globus_list_empty(item); item = globus_list_rest(item))
    {
        globus_gram_protocol_extension_t *entry = globus_list_first(item);
        size += strlen(entry->attribute) + strlen(entry->value) + 2;
    }
    text = malloc(size);
    if (text)
    {
        end = packed_field(text, contact);
        *end++ = RECORD;
        end = packed_field(end, message);
        for (item = list; !globus_list_empty(item); item = globus_list_rest(item))
        {
            globus_gram_protocol_extension_t *entry = globus_list_first(item);
            *end++ = RECORD;
            end = packed_field(end, entry->attribute);
            *end++ = UNIT;
            end = packed_field(end, entry->value);
        }
    }
    globus_list_free(list);
    return text;
}

void cog_on_gram_info(void *arg, const char *contact, globus_gram_client_job_info_t *info)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_GRAM_INFO,
                        .code = info->protocol_error_code, .a = info->job_state };

    if (!contact)
    {
        contact = info->job_contact ? info->job_contact : "";
    }
    event.text = packed_info(contact, message_of(event.code), &info->extensions);
    forget_messages();
    cog_post(&event);
}

static int number(globus_hashtable_t *extensions, const char *name)
{
    globus_gram_protocol_extension_t *entry = globus_hashtable_lookup(extensions, (void *) name);

    return entry && entry->value ? atoi(entry->value) : 0;
}

/*
 * Whether the sender has our own identity: the connection is encrypted, but anybody may connect.  The
 * library looks for the connection in a list that other threads change, and does not lock it.
 */
static int is_ours(globus_gram_protocol_handle_t handle)
{
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    int failure;

    if (&globus_i_gram_protocol_mutex)
    {
        globus_mutex_lock(&globus_i_gram_protocol_mutex);
    }
    failure = globus_gram_protocol_get_sec_context(handle, &context);
    if (&globus_i_gram_protocol_mutex)
    {
        globus_mutex_unlock(&globus_i_gram_protocol_mutex);
    }
    return failure == GLOBUS_SUCCESS && context != GSS_C_NO_CONTEXT
        && globus_gram_protocol_authorize_self(context);
}

/* A job manager tells of a job. */
static void on_update(
    void *arg, globus_gram_protocol_handle_t handle, globus_byte_t *message, globus_size_t size,
    int failure, char *uri)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_GRAM_STATE };
    globus_hashtable_t extensions = NULL;

    (void) uri;
    if (!failure && size && is_ours(handle)
        && globus_gram_protocol_unpack_status_update_message_with_extensions(
               message, size, &extensions) == GLOBUS_SUCCESS)
    {
        globus_gram_protocol_extension_t *contact =
            globus_hashtable_lookup(&extensions, (void *) "job-manager-url");

        event.a = number(&extensions, "status");
        event.code = number(&extensions, "failure-code");
        event.text = packed_info(
            contact && contact->value ? contact->value : "", message_of(event.code), &extensions);
        forget_messages();
        cog_post(&event);
        globus_gram_protocol_hash_destroy(&extensions);
    }
    globus_gram_protocol_reply(handle, 200, NULL, 0);
}

int cog_gram_listen(cog_token token, char **contact)
{
    *contact = NULL;
    return globus_gram_protocol_allow_attach(contact, on_update, (void *) (uintptr_t) token);
}
