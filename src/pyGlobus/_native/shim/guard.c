/*
 * A plugin that sits in every GridFTP handle of ours, and watches over three things.
 *
 * A server tells us where to connect to for the data.  One that names another host could use us to
 * reach what it cannot: unless that host is allowed, the operation is aborted before anything acts
 * on the reply.  So is it when the reply is malformed, for the library trusts what it reads.
 *
 * A transfer that a server says to be over before it has said that it begins is aborted too.  The
 * library would take the end for granted and send QUIT, and take the belated 1xx for the reply to
 * that; it frees what QUIT has registered at a reply of any kind, goes on to read after a 1xx, and
 * calls what it has freed (globus_l_ftp_control_send_cmd_cb).  An abort sends no QUIT.
 *
 * And of two servers it remembers at which one something failed.
 */
#define _GNU_SOURCE
#include "shim.h"

#include "passive.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A server's name and what it stands for; the list ends with the first that is not used. */
typedef struct host
{
    struct host *next;
    cog_address *addresses;
    size_t       count;
    char         name[];
}
host;

struct cog_guard
{
    pthread_mutex_t lock;
    int             references;     /* Python's, and one for each copy of the plugin */
    char           *allowed;        /* as cog_address_in() takes it */
    int             delayed;        /* 227 tells no address: 127 does, later */
    host           *hosts;
    char           *fault_url;
    char           *refused_url, *refused;
    char           *disordered_url;
    int             began;          /* a server has said that data may come */
};

/* What a plugin in one handle has: gass copy has two transfers under way, each in a handle. */
typedef struct watch
{
    cog_guard *guard;
    int        awaited;     /* a transfer with one server, which has not said that it begins */
}
watch;

/* --- the server's own addresses ---------------------------------------------------------------- */

/* The host of a URL, without the brackets of an IPv6 address; free it. */
static char *host_of(const char *url)
{
    const char *host = strstr(url, "://"), *end, *at;

    host = host ? host + 3 : url;
    end = host + strcspn(host, "/");
    at = memrchr(host, '@', (size_t) (end - host));
    host = at ? at + 1 : host;
    if (*host == '[')
    {
        host++;
        return strndup(host, strcspn(host, "]/"));
    }
    return strndup(host, strcspn(host, ":/"));
}

static void resolve(host *one)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL, *info;
    char text[NI_MAXHOST];
    size_t count = 0;

    free(one->addresses);
    one->addresses = NULL;
    one->count = 0;
    if (getaddrinfo(one->name, NULL, &hints, &list))
    {
        return;
    }
    for (info = list; info; info = info->ai_next)
    {
        count++;
    }
    one->addresses = calloc(count, sizeof *one->addresses);
    for (info = list; info && one->addresses; info = info->ai_next)
    {
        if (!getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
        {
            text[strcspn(text, "%")] = '\0';    /* an interface, of a link-local address */
            one->count += (size_t) cog_address_read(text, &one->addresses[one->count]);
        }
    }
    freeaddrinfo(list);
}

static int is_of(const host *one, const cog_address *address)
{
    size_t i;

    for (i = 0; i < one->count; i++)
    {
        if (!memcmp(&one->addresses[i], address, sizeof *address))
        {
            return 1;
        }
    }
    return 0;
}

/* Whether the host of `url` has this address; names are looked up once, and again before a no. */
static int is_host(cog_guard *guard, const char *url, const cog_address *address)
{
    char *name = host_of(url);
    host *one;

    for (one = guard->hosts; one && name && strcmp(one->name, name); one = one->next)
    {
    }
    if (!one && name && (one = calloc(1, sizeof *one + strlen(name) + 1)))
    {
        strcpy(one->name, name);
        one->next = guard->hosts;
        guard->hosts = one;
    }
    free(name);
    if (!one)
    {
        return 0;
    }
    if (is_of(one, address))
    {
        return 1;
    }
    resolve(one);
    return is_of(one, address);
}

/* --- what Globus notifies of ------------------------------------------------------------------- */

/* Whether the client may connect to where the reply says; tells what is wrong with it otherwise. */
static int is_harmless(cog_guard *guard, const char *url, int code, const char *reply)
{
    cog_passive passive;
    cog_address address;
    char text[64] = "";
    int found, count = 0;

    cog_passive_begin(&passive, code, reply);
    while ((found = cog_passive_next(&passive, &address)) != COG_PASSIVE_END)
    {
        count++;
        if (found == COG_PASSIVE_MALFORMED)
        {
            break;
        }
        if (found == COG_PASSIVE_ADDRESS && !(guard->allowed && cog_address_in(&address, guard->allowed))
            && !is_host(guard, url, &address))
        {
            cog_address_write(&address, text);
            break;
        }
    }
    if (found == COG_PASSIVE_END && count)
    {
        return 1;
    }
    free(guard->refused);
    free(guard->refused_url);
    guard->refused = strdup(text);
    guard->refused_url = strdup(url);
    return 0;
}

#define NOTIFIED globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle
#define ATTR const globus_ftp_client_operationattr_t *

/* Whether the reply cannot be what comes next in a transfer. */
static int is_disordered(watch *watch, const char *url, int code)
{
    cog_guard *guard = watch->guard;

    if (code / 100 == 1)
    {
        watch->awaited = 0;
        guard->began = 1;
    }
    if (!watch->awaited || (code != 226 && code != 250))
    {
        return 0;
    }
    free(guard->disordered_url);
    guard->disordered_url = strdup(url);
    return 1;
}

static void on_response(
    NOTIFIED, const char *url, globus_object_t *error, const globus_ftp_control_response_t *response)
{
    watch *watch = specific;
    cog_guard *guard = watch->guard;
    int code = response && !error ? response->code : 0, wrong;

    (void) plugin;
    url = url ? url : "";
    pthread_mutex_lock(&guard->lock);
    wrong = is_disordered(watch, url, code);
    if (code == 127 || code == 129 || ((code == 227 || code == 229) && !guard->delayed))
    {
        wrong = response->response_buffer
            && !is_harmless(guard, url, code, (const char *) response->response_buffer);
    }
    pthread_mutex_unlock(&guard->lock);
    if (wrong)
    {
        globus_result_t result = globus_ftp_client_plugin_abort(handle);

        if (result != GLOBUS_SUCCESS)       /* it is being aborted already */
        {
            globus_object_free(globus_error_get(result));
        }
    }
}

static void on_fault(NOTIFIED, const char *url, globus_object_t *error)
{
    cog_guard *guard = ((watch *) specific)->guard;

    (void) plugin, (void) handle, (void) error;
    pthread_mutex_lock(&guard->lock);
    if (url && !guard->fault_url)
    {
        guard->fault_url = strdup(url);
    }
    pthread_mutex_unlock(&guard->lock);
}

static void await(watch *watch, int single)
{
    pthread_mutex_lock(&watch->guard->lock);
    watch->awaited = single;
    pthread_mutex_unlock(&watch->guard->lock);
}

/* Globus tells a plugin of the replies only to what it has a function for. */
static void on_operation(NOTIFIED, const char *url, ATTR attr, globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) url, (void) attr, (void) restart;
    await(specific, 1);
}

/* Between two servers replies of both come by the same way, pipelined those to several files. */
static void on_transfer(
    NOTIFIED, const char *source, ATTR source_attr, const char *dest, ATTR dest_attr,
    globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) source, (void) source_attr, (void) dest, (void) dest_attr;
    (void) restart;
    await(specific, 0);
}

/* --- the plugin itself ------------------------------------------------------------------------- */

void cog_guard_free(cog_guard *guard)
{
    host *one;
    int left;

    pthread_mutex_lock(&guard->lock);
    left = --guard->references;
    pthread_mutex_unlock(&guard->lock);
    if (left)
    {
        return;
    }
    while ((one = guard->hosts))
    {
        guard->hosts = one->next;
        free(one->addresses);
        free(one);
    }
    free(guard->allowed);
    free(guard->fault_url);
    free(guard->refused_url);
    free(guard->refused);
    free(guard->disordered_url);
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

static globus_ftp_client_plugin_t *copy_plugin(globus_ftp_client_plugin_t *plugin, void *specific);

static void destroy_plugin(globus_ftp_client_plugin_t *plugin, void *specific)
{
    cog_guard *guard = ((watch *) specific)->guard;

    globus_ftp_client_plugin_destroy(plugin);
    free(plugin);
    free(specific);
    cog_guard_free(guard);
}

static globus_ftp_client_plugin_t *new_plugin(cog_guard *guard)
{
    globus_ftp_client_plugin_t *plugin = malloc(sizeof *plugin);
    watch *watch = calloc(1, sizeof *watch);
    globus_result_t result;

    if (!plugin || !watch)
    {
        free(plugin);
        free(watch);
        return NULL;
    }
    watch->guard = guard;
    /* 227 and 229 answer the one, 127 and 129 the other */
    result = globus_ftp_client_plugin_init(
        plugin, "cog_guard",
        GLOBUS_FTP_CLIENT_CMD_MASK_DATA_ESTABLISHMENT | GLOBUS_FTP_CLIENT_CMD_MASK_FILE_ACTIONS,
        watch);
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        free(plugin);
        free(watch);
        return NULL;
    }
    pthread_mutex_lock(&guard->lock);
    guard->references++;
    pthread_mutex_unlock(&guard->lock);
    globus_ftp_client_plugin_set_copy_func(plugin, copy_plugin);
    globus_ftp_client_plugin_set_destroy_func(plugin, destroy_plugin);
    globus_ftp_client_plugin_set_response_func(plugin, on_response);
    globus_ftp_client_plugin_set_fault_func(plugin, on_fault);
    globus_ftp_client_plugin_set_get_func(plugin, on_operation);
    globus_ftp_client_plugin_set_put_func(plugin, on_operation);
    globus_ftp_client_plugin_set_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_verbose_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_machine_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_recursive_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_third_party_transfer_func(plugin, on_transfer);
    return plugin;
}

static globus_ftp_client_plugin_t *copy_plugin(globus_ftp_client_plugin_t *plugin, void *specific)
{
    (void) plugin;
    return new_plugin(((watch *) specific)->guard);
}

cog_guard *cog_guard_new(void)
{
    cog_guard *guard = calloc(1, sizeof *guard);

    if (guard)
    {
        pthread_mutex_init(&guard->lock, NULL);
        guard->references = 1;
    }
    return guard;
}

globus_result_t cog_guard_watch(cog_guard *guard, globus_ftp_client_handle_t *handle)
{
    globus_ftp_client_plugin_t *plugin = new_plugin(guard);
    void *specific;
    globus_result_t result;

    if (!plugin)
    {
        return globus_error_put(GLOBUS_ERROR_NO_INFO);
    }
    result = globus_ftp_client_handle_add_plugin(handle, plugin);   /* takes a copy */
    globus_ftp_client_plugin_get_plugin_specific(plugin, &specific);
    destroy_plugin(plugin, specific);
    return result;
}

globus_result_t cog_guard_watch_copy(cog_guard *guard, globus_gass_copy_handle_t *handle)
{
    globus_result_t result = cog_guard_watch(guard, &handle->ftp_handle);

    return result == GLOBUS_SUCCESS ? cog_guard_watch(guard, &handle->ftp_handle_2) : result;
}

void cog_guard_begin(cog_guard *guard, const char *allowed, int delayed)
{
    pthread_mutex_lock(&guard->lock);
    if (!guard->allowed || strcmp(guard->allowed, allowed))
    {
        free(guard->allowed);
        guard->allowed = strdup(allowed);   /* without memory none is */
    }
    guard->delayed = delayed;
    guard->began = 0;
    free(guard->fault_url);
    free(guard->refused_url);
    free(guard->refused);
    free(guard->disordered_url);
    guard->fault_url = guard->refused_url = guard->refused = guard->disordered_url = NULL;
    pthread_mutex_unlock(&guard->lock);
}

int cog_guard_began(cog_guard *guard)
{
    int began;

    pthread_mutex_lock(&guard->lock);
    began = guard->began;
    pthread_mutex_unlock(&guard->lock);
    return began;
}

static char *copied(cog_guard *guard, char *const *text)
{
    char *copy;

    pthread_mutex_lock(&guard->lock);
    copy = *text ? strdup(*text) : NULL;
    pthread_mutex_unlock(&guard->lock);
    return copy;
}

char *cog_guard_fault(cog_guard *guard)
{
    return copied(guard, &guard->fault_url);
}

char *cog_guard_refused_url(cog_guard *guard)
{
    return copied(guard, &guard->refused_url);
}

char *cog_guard_refused(cog_guard *guard)
{
    return copied(guard, &guard->refused);
}

char *cog_guard_disordered_url(cog_guard *guard)
{
    return copied(guard, &guard->disordered_url);
}
