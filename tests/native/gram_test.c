/*
 * Plays GRAM's libraries, job managers and Python against the callbacks of requests and of listeners:
 * what is told comes through whole, whatever it looks like; who is not us is not heard; every message
 * is answered; the text of one error is not told for another.  Meant for the sanitizers.
 */
#define _GNU_SOURCE
#include "check.h"
#include "shim.h"

#include <pthread.h>
#include <string.h>

enum { MOST_FIELDS = 40, CODES = 200, THREADS = 4, MESSAGES = 20000 };

/* --- GRAM's libraries, as far as the shim knows them ------------------------------------------------ */

struct table
{
    globus_gram_protocol_extension_t fields[MOST_FIELDS];
    int                              count;
};

static _Atomic int tables, replies;
static int odd_context;                         /* 1: none is known, 2: GSS_C_NO_CONTEXT */
static int in_list;                             /* guarded by the library's lock */
static __thread char *long_text[CODES];
static globus_gram_protocol_callback_t told;
static void *told_arg;

globus_mutex_t globus_i_gram_protocol_mutex;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int locked;

int globus_mutex_lock(globus_mutex_t *mutex)
{
    CHECK(mutex == &globus_i_gram_protocol_mutex && !locked);
    locked = 1;
    return pthread_mutex_lock(&lock);
}

int globus_mutex_unlock(globus_mutex_t *mutex)
{
    CHECK(mutex == &globus_i_gram_protocol_mutex && locked);
    locked = 0;
    return pthread_mutex_unlock(&lock);
}

void *globus_list_first(globus_list_t *list)
{
    return list->datum;
}

globus_list_t *globus_list_rest(globus_list_t *list)
{
    return list->next;
}

static globus_module_descriptor_t module;
static int status;                              /* of the next activation */

int globus_module_activate(globus_module_descriptor_t *activated)
{
    const char *proxy = getenv("X509_USER_PROXY");

    CHECK(activated == &module && proxy && !strcmp(proxy, "/the/proxy"));
    return status;
}

int globus_list_empty(globus_list_t *list)
{
    return !list;
}

void globus_list_free(globus_list_t *list)
{
    while (list)
    {
        globus_list_t *next = list->next;
        free(list);
        list = next;
    }
}

void *globus_hashtable_lookup(globus_hashtable_t *extensions, void *name)
{
    struct table *table = (struct table *) *extensions;

    for (int i = 0; i < table->count; i++)
    {
        if (!strcmp(table->fields[i].attribute, name))
        {
            return &table->fields[i];
        }
    }
    return NULL;
}

int globus_hashtable_to_list(globus_hashtable_t *extensions, globus_list_t **list)
{
    struct table *table = (struct table *) *extensions;

    *list = NULL;
    for (int i = table->count - 1; i >= 0; i--)
    {
        globus_list_t *item = malloc(sizeof *item);
        CHECK(item);
        *item = (globus_list_t) { .datum = &table->fields[i], .next = *list };
        *list = item;
    }
    return 0;
}

void globus_gram_protocol_hash_destroy(globus_hashtable_t *extensions)
{
    struct table *table = (struct table *) *extensions;

    for (int i = 0; i < table->count; i++)
    {
        free(table->fields[i].attribute);
        free(table->fields[i].value);
    }
    free(table);
    tables--;
    *extensions = NULL;
}

static void set_text(int code, const char *text)
{
    free(long_text[code]);
    long_text[code] = text ? strdup(text) : NULL;
}

const char *globus_gram_protocol_error_string(int code)
{
    if (code < 0 || code >= CODES)
    {
        return code == 999 ? NULL : "Invalid error code";
    }
    return long_text[code] ? long_text[code] : "short";
}

void globus_gram_protocol_error_7_hack_replace_message(const char *text)
{
    set_text(7, text);
}

void globus_gram_protocol_error_10_hack_replace_message(const char *text)
{
    set_text(10, text);
}

int globus_gram_protocol_get_sec_context(
    globus_gram_protocol_handle_t handle, gss_ctx_id_t *context)
{
    CHECK(locked);                              /* the list is changed by other threads */
    in_list++;
    *context = odd_context == 2 ? GSS_C_NO_CONTEXT : (gss_ctx_id_t) (uintptr_t) handle;
    return odd_context == 1 ? GLOBUS_GRAM_PROTOCOL_ERROR_INVALID_REQUEST : GLOBUS_SUCCESS;
}

/* Odd handles are ours. */
globus_bool_t globus_gram_protocol_authorize_self(gss_ctx_id_t context)
{
    CHECK(!locked);
    return (uintptr_t) context % 2;
}

/* A message here is lines of "name=value". */
int globus_gram_protocol_unpack_status_update_message_with_extensions(
    const globus_byte_t *message, globus_size_t size, globus_hashtable_t *extensions)
{
    char *text = malloc(size + 1), *rest = text, *line;
    struct table *table = calloc(1, sizeof *table);

    CHECK(text && table);
    memcpy(text, message, size);
    text[size] = 0;
    *extensions = (globus_hashtable_t) table;
    tables++;
    while ((line = strsep(&rest, "\n")))
    {
        char *equals = strchr(line, '=');
        if (!equals)
        {
            globus_gram_protocol_hash_destroy(extensions);
            free(text);
            return GLOBUS_GRAM_PROTOCOL_ERROR_HTTP_UNPACK_FAILED;
        }
        CHECK(table->count < MOST_FIELDS);
        *equals = 0;
        table->fields[table->count].attribute = strdup(line);
        table->fields[table->count++].value = strdup(equals + 1);
    }
    free(text);
    return GLOBUS_SUCCESS;
}

int globus_gram_protocol_reply(
    globus_gram_protocol_handle_t handle, int code, globus_byte_t *message, globus_size_t size)
{
    (void) handle;
    CHECK(!locked && code == 200 && !message && !size);
    replies++;
    return GLOBUS_SUCCESS;
}

int globus_gram_protocol_allow_attach(
    char **url, globus_gram_protocol_callback_t callback, void *arg)
{
    *url = strdup("https://here:1/");
    told = callback;
    told_arg = arg;
    return GLOBUS_SUCCESS;
}

/* --- Python ---------------------------------------------------------------------------------------- */

/* The next event with its text as one would print it, "-" when there is none. */
static const char *taken(void)
{
    static char text[1 << 17];
    cog_event event;

    if (!cog_take(&event, 1))
    {
        return "-";
    }
    snprintf(text, sizeof text, "%d %d %d %d %s", (int) event.kind, (int) event.code, (int) event.a,
             (int) event.b, event.text ? event.text : "(null)");
    free(event.text);
    for (char *sign = text; *sign; sign++)
    {
        *sign = *sign == '\x1e' ? '|' : *sign == '\x1f' ? '=' : *sign;
    }
    return text;
}

#define TAKEN(expected) do { \
    const char *found = taken(); \
    if (strcmp(found, expected)) { fprintf(stderr, "%s\n", found); } \
    CHECK(!strcmp(found, expected)); } while (0)

static void say(int handle, const char *message, int failure)
{
    int before = replies;
    size_t size = strlen(message);
    globus_byte_t *exact = malloc(size ? size : 1);     /* not terminated, as it may come */

    CHECK(exact);
    memcpy(exact, message, size);
    told(told_arg, handle, exact, size, failure, NULL);
    free(exact);
    CHECK(replies == before + 1 && tables == 0);
}

static void *arg_of(cog_token token)
{
    return (void *) (uintptr_t) token;
}

/* --- what is told ----------------------------------------------------------------------------------- */

static void messages(void)
{
    char *contact = NULL, longest[70000];

    CHECK(cog_gram_listen(cog_slot_new(COG_MANY), &contact) == 0 && !strcmp(contact, "https://here:1/"));
    free(contact);

    say(1, "job-manager-url=https://a:1/2/3/\nstatus=8\nfailure-code=0\nexit-code=3", 0);
    TAKEN("5 0 8 0 https://a:1/2/3/||job-manager-url=https://a:1/2/3/|status=8|failure-code=0|exit-code=3");
    say(1, "status=4\nfailure-code=8", 0);      /* from a job manager with no contact of the job */
    TAKEN("5 8 4 0 |short|status=4|failure-code=8");
    say(1, "status=nonsense\nx=", 0);
    TAKEN("5 0 0 0 ||status=nonsense|x=");
    say(1, "job-manager-url=a\x1e" "b\nevil=1\x1e" "exit-code\x1f" "0", 0);
    TAKEN("5 0 0 0 a b||job-manager-url=a b|evil=1 exit-code 0");
    memset(longest, 'y', sizeof longest);
    memcpy(longest, "failure-code=-1\nl=", 18);
    longest[sizeof longest - 1] = '\0';
    say(1, longest, 0);
    CHECK(!strncmp(taken(), "5 -1 0 0 |Invalid error code|failure-code=-1|l=yyy", 50));

    /* not heard, but answered */
    say(2, "job-manager-url=https://a:1/2/3/\nstatus=8", 0);
    say(1, "no message", 0);
    say(1, "", 0);
    say(1, "status=8", GLOBUS_GRAM_PROTOCOL_ERROR_PROTOCOL_FAILED);
    odd_context = 1;
    say(1, "status=8", 0);
    odd_context = 2;
    say(1, "status=8", 0);
    odd_context = 0;
    TAKEN("-");
}

static void answers(void)
{
    globus_gram_client_job_info_t info = { .job_state = 2, .job_contact = (char *) "https://a:1/" };

    cog_on_gram_info(arg_of(cog_slot_new(COG_ONCE)), NULL, &info);
    TAKEN("6 0 2 0 https://a:1/|");
    info = (globus_gram_client_job_info_t) { .protocol_error_code = 999 };
    cog_on_gram_info(arg_of(cog_slot_new(COG_ONCE)), NULL, &info);
    TAKEN("6 999 0 0 |");
    cog_on_gram_reply(arg_of(cog_slot_new(COG_ONCE)), 0, "https://a:1/", 2, 0);
    TAKEN("4 0 2 0 https://a:1/|");
    cog_on_gram_reply(arg_of(cog_slot_new(COG_ONCE)), 12, NULL, 0, 3);
    TAKEN("4 12 0 3 |short");

    /* the text of one error is not that of the next, which has none */
    set_text(7, "connection refused");
    cog_on_gram_reply(arg_of(cog_slot_new(COG_ONCE)), 7, NULL, 0, 0);
    TAKEN("4 7 0 0 |connection refused");
    cog_on_gram_reply(arg_of(cog_slot_new(COG_ONCE)), 7, NULL, 0, 0);
    TAKEN("4 7 0 0 |short");
    set_text(10, "end of file");
    info.protocol_error_code = 10;
    cog_on_gram_info(arg_of(cog_slot_new(COG_ONCE)), NULL, &info);
    TAKEN("6 10 0 0 |end of file");
    cog_on_gram_info(arg_of(cog_slot_new(COG_ONCE)), NULL, &info);
    TAKEN("6 10 0 0 |short");

    /* too late: dropped with its text */
    cog_token token = cog_slot_new(COG_ONCE);
    cog_slot_close(token);
    cog_on_gram_reply(arg_of(token), 12, "https://a:1/", 0, 0);
    TAKEN("-");
}

/* --- a burst from many threads ---------------------------------------------------------------------- */

static void *burst(void *arg)
{
    uint32_t state = (uint32_t) (uintptr_t) arg;
    char message[200];

    for (int i = 0; i < MESSAGES; i++)
    {
        int size = snprintf(message, sizeof message, "job-manager-url=https://a:1/%u/\nstatus=%u",
                            chance(&state, 1000), chance(&state, 256));
        told(told_arg, 1 + (int) chance(&state, 2), (globus_byte_t *) message, (globus_size_t) size, 0, NULL);
    }
    return NULL;
}

static void bursts(void)
{
    pthread_t threads[THREADS];
    cog_event events[64];
    int before = replies, seen = in_list;
    size_t count, heard = 0;

    for (uintptr_t i = 0; i < THREADS; i++)
    {
        CHECK(!pthread_create(&threads[i], NULL, burst, (void *) (i + 1)));
    }
    while (replies < before + THREADS * MESSAGES)
    {
        cog_wait(10);
        for (count = cog_take(events, 64), heard += count; count; count--)
        {
            CHECK(!strncmp(events[count - 1].text, "https://a:1/", 12));
            free(events[count - 1].text);
        }
    }
    for (int i = 0; i < THREADS; i++)
    {
        CHECK(!pthread_join(threads[i], NULL));
    }
    while ((count = cog_take(events, 64)))
    {
        for (heard += count; count; count--)
        {
            free(events[count - 1].text);
        }
    }
    CHECK(in_list == seen + THREADS * MESSAGES && tables == 0);
    CHECK(heard > THREADS * MESSAGES / 3 && heard < THREADS * MESSAGES * 2 / 3);
}

/* The environment is as it was, whatever became of the activation. */
static void activation(void)
{
    for (status = 0; status < 2; status++)
    {
        unsetenv("X509_USER_PROXY");
        CHECK(cog_activate_with_proxy(&module, "/the/proxy") == status);
        CHECK(!getenv("X509_USER_PROXY"));
        setenv("X509_USER_PROXY", "/another", 1);
        CHECK(cog_activate_with_proxy(&module, "/the/proxy") == status);
        CHECK(!strcmp(getenv("X509_USER_PROXY"), "/another"));
    }
}

int main(void)
{
    CHECK(cog_queue_open(object_free) >= 0);
    activation();
    messages();
    answers();
    bursts();
    cog_die();
    say(1, "status=8", 0);
    puts("GRAM's callbacks: passed");
    return 0;
}
