/*
 * A plugin that sits in every GridFTP handle of ours, and watches over what servers say.
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
 * A rename ends when RNFR is refused.  The library sends RNTO all the same, which names a file that
 * an earlier RNFR may have meant, and tells only what the server says to that.
 *
 * Of each server it remembers what has been set there (MODE, DCAU, PROT), which the library does not
 * tell, and what it has said that it can (FEAT).  And of two servers at which something failed.
 */
#define _GNU_SOURCE
#include "shim.h"

#include "passive.h"
#include "peers.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Milliseconds for the look-up of a server's name.  It is only looked up when the server's data is
 * elsewhere than its control connection, and other transfers wait meanwhile. */
enum { LOOK_UP = 5000 };

/* SCHEME://WHO@HOST:PORT, and what is known of it */
typedef struct server
{
    struct server *next;
    char           command[64];     /* the last one, or its beginning */
    char           mode, dcau, prot;    /* what it has agreed to; '-': nothing */
    char          *features;        /* its reply to FEAT */
    char           key[];
}
server;

struct cog_guard
{
    pthread_mutex_t lock;
    int             references;     /* Python's, and one for each copy of the plugin */
    char           *allowed;        /* as cog_address_in() takes it */
    int             delayed;        /* 227 tells no address: 127 does, later */
    server         *servers;
    int             answered;       /* a server has replied, and not that it hangs up */
    char           *fault_url;
    char           *refused_url, *refused;
    char           *disordered_url;
    const char     *disorder;       /* what is wrong there */
    char           *rename_reply;   /* the refusal of RNFR */
    int             rename_code;
    int             began;          /* a server has said that data may come */
};

/* What a plugin in one handle has: gass copy has two transfers under way, each in a handle. */
typedef struct watch
{
    cog_guard *guard;
    int        awaited;     /* a transfer with one server, which has not said that it begins */
}
watch;

/* --- the server of a URL ----------------------------------------------------------------------- */

/* How long the part of a URL is that names the server. */
static size_t key_length(const char *url)
{
    const char *host = strstr(url, "://");
    size_t length;

    host = host ? host + 3 : url;
    length = (size_t) (host - url) + strcspn(host, "/");
    /* "host:21./x" is a relative path, see _core/ftpurls.py */
    return length && url[length - 1] == '.' && memrchr(url, ':', length) > (void *) host
        ? length - 1 : length;
}

/* What is known of it, under lock; NULL: nothing, and no memory. */
static server *server_of(cog_guard *guard, const char *url)
{
    size_t length = key_length(url);
    server *one;

    for (one = guard->servers; one; one = one->next)
    {
        if (!strncmp(one->key, url, length) && !one->key[length])
        {
            return one;
        }
    }
    if ((one = calloc(1, sizeof *one + length + 1)))
    {
        memcpy(one->key, url, length);
        one->mode = one->dcau = one->prot = '-';
        one->next = guard->servers;
        guard->servers = one;
    }
    return one;
}

/* The host of a URL, without the brackets of an IPv6 address, and its port; free it. */
static char *host_of(const char *url, unsigned *port)
{
    size_t length = key_length(url);
    const char *host = strstr(url, "://"), *end = url + length, *at, *colon;

    *port = !strncasecmp(url, "gsiftp:", 7) ? 2811 : 21;
    host = host ? host + 3 : url;
    at = memrchr(host, '@', (size_t) (end - host));
    host = at ? at + 1 : host;
    colon = memrchr(host, ':', (size_t) (end - host));
    if (*host == '[')
    {
        const char *bracket = memchr(host, ']', (size_t) (end - host));

        host++;
        colon = bracket && colon && colon > bracket ? colon : NULL;
        end = bracket ? bracket : end;
    }
    if (colon)
    {
        *port = (unsigned) strtoul(colon + 1, NULL, 10);
        end = colon < end ? colon : end;
    }
    return strndup(host, (size_t) (end - host));
}

/* Whether it is an address of the server: that of the control connection, or one of its name's. */
static int is_server(const char *url, const cog_address *address)
{
    unsigned port;
    char *name = host_of(url, &port);
    cog_address its;
    int is;

    if (!name)
    {
        return 0;
    }
    is = (cog_address_read(name, &its) && !memcmp(&its, address, sizeof its))
        || (strncasecmp(url, "sshftp:", 7) && cog_is_peer(address, port));
    if (!is)
    {
        globus_thread_blocking_will_block();
        is = cog_name_has(name, address, LOOK_UP);
    }
    free(name);
    return is;
}

/* --- what Globus notifies of ------------------------------------------------------------------- */

#define NOTIFIED globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle
#define ATTR const globus_ftp_client_operationattr_t *

/* Whether the client may connect to where the reply says; tells what is wrong with it otherwise. */
static int is_harmless(cog_guard *guard, const char *url, int code, const char *reply)
{
    cog_passive passive;
    cog_address address;
    char text[64] = "", *allowed;
    int found, count = 0;

    pthread_mutex_lock(&guard->lock);
    allowed = guard->allowed ? strdup(guard->allowed) : NULL;
    pthread_mutex_unlock(&guard->lock);
    cog_passive_begin(&passive, code, reply);
    while ((found = cog_passive_next(&passive, &address)) != COG_PASSIVE_END)
    {
        count++;
        if (found == COG_PASSIVE_MALFORMED)
        {
            break;
        }
        if (found == COG_PASSIVE_ADDRESS && !(allowed && cog_address_in(&address, allowed))
            && !is_server(url, &address))
        {
            cog_address_write(&address, text);
            break;
        }
    }
    free(allowed);
    if (found == COG_PASSIVE_END && count)
    {
        return 1;
    }
    pthread_mutex_lock(&guard->lock);
    free(guard->refused);
    free(guard->refused_url);
    guard->refused = strdup(text);
    guard->refused_url = strdup(url);
    pthread_mutex_unlock(&guard->lock);
    return 0;
}

static int is_command(const server *server, const char *verb)
{
    return server && !strncasecmp(server->command, verb, strlen(verb));
}

static int is_transfer(const server *server)
{
    static const char *const verbs[] = {
        "RETR ", "STOR ", "APPE ", "ERET ", "ESTO ", "GET ", "PUT ", "LIST ", "NLST ", "MLSD ",
        "MLSR "
    };
    size_t i;

    for (i = 0; i < sizeof verbs / sizeof *verbs; i++)
    {
        if (is_command(server, verbs[i]))
        {
            return 1;
        }
    }
    return 0;
}

/* globus_l_ftp_client_parse_mdtm() looks for a digit, also behind the end of the reply. */
static int tells_no_time(const char *reply)
{
    const char *digits = reply + strnlen(reply, 4);

    return !digits[strcspn(digits, "0123456789")];
}

/* What cannot be what comes next; NULL: nothing is wrong.  Under lock. */
static const char *disorder(watch *watch, const server *server, int code, const char *reply)
{
    if (code / 100 == 1)
    {
        watch->awaited = 0;
        watch->guard->began = 1;
    }
    /* what comes before the transfer ends with 250, too: CWD, SITE CLIENTINFO */
    if (watch->awaited && (code == 226 || code == 250) && is_transfer(server))
    {
        return "are out of order: the transfer is over before it has begun (226 or 250 before 150)";
    }
    if (code == 213 && is_command(server, "MDTM") && tells_no_time(reply))
    {
        return "make no sense: 213 to MDTM without a time";
    }
    return NULL;
}

/* What the server has agreed to, or said; under lock. */
static void note(server *server, int code, const char *reply)
{
    if (code / 100 != 2)
    {
        return;
    }
    if (is_command(server, "MODE "))
    {
        server->mode = server->command[5];
    }
    else if (is_command(server, "DCAU "))
    {
        server->dcau = server->command[5];
    }
    else if (is_command(server, "PROT "))
    {
        server->prot = server->command[5];
    }
    else if (is_command(server, "FEAT"))
    {
        free(server->features);
        server->features = strdup(reply);
    }
}

/* Whether the file to rename is refused, and RNTO must not follow.  Under lock. */
static int is_refused_rename(cog_guard *guard, const server *server, int code, const char *reply)
{
    if (code < 400 || code == 421 || !is_command(server, "RNFR "))
    {
        return 0;
    }
    free(guard->rename_reply);
    guard->rename_reply = strdup(reply);
    guard->rename_code = code;
    /* who does not know it does not know RNTO, and keeps the session */
    return code != 500 && code != 502 && code != 504;
}

static void on_connect(NOTIFIED, const char *url)
{
    cog_guard *guard = ((watch *) specific)->guard;
    server *server;

    (void) plugin, (void) handle;
    pthread_mutex_lock(&guard->lock);
    if ((server = server_of(guard, url ? url : "")))
    {
        server->mode = server->dcau = server->prot = '-';
        server->command[0] = '\0';
        free(server->features);
        server->features = NULL;
    }
    pthread_mutex_unlock(&guard->lock);
}

static void on_command(NOTIFIED, const char *url, const char *command)
{
    cog_guard *guard = ((watch *) specific)->guard;
    server *server;

    (void) plugin, (void) handle;
    pthread_mutex_lock(&guard->lock);
    if ((server = server_of(guard, url ? url : "")))
    {
        snprintf(server->command, sizeof server->command, "%s", command ? command : "");
    }
    pthread_mutex_unlock(&guard->lock);
}

static void on_response(
    NOTIFIED, const char *url, globus_object_t *error, const globus_ftp_control_response_t *response)
{
    watch *watch = specific;
    cog_guard *guard = watch->guard;
    int code = response && !error ? response->code : 0, wrong = 0, delayed;
    const char *reply = response && response->response_buffer
        ? (const char *) response->response_buffer : "", *what;
    server *server;

    (void) plugin;
    url = url ? url : "";
    pthread_mutex_lock(&guard->lock);
    server = server_of(guard, url);
    guard->answered |= code && code != 421;
    if ((what = disorder(watch, server, code, reply)))
    {
        free(guard->disordered_url);
        guard->disordered_url = strdup(url);
        guard->disorder = what;
        wrong = 1;
    }
    else if (server)
    {
        note(server, code, reply);
        wrong = is_refused_rename(guard, server, code, reply);
    }
    delayed = guard->delayed;
    pthread_mutex_unlock(&guard->lock);
    if (code == 127 || code == 129 || ((code == 227 || code == 229) && !delayed))
    {
        wrong |= !is_harmless(guard, url, code, reply);
    }
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
#define HEARS_OF(name, ...)                                                                        \
    static void name(NOTIFIED, const char *url, __VA_ARGS__)                                       \
    {                                                                                              \
        (void) plugin, (void) handle, (void) specific, (void) url;                                 \
    }

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
HEARS_OF(on_command_of, ATTR attr, globus_bool_t restart)
HEARS_OF(on_chmod, int mode, ATTR attr, globus_bool_t restart)
HEARS_OF(on_chgrp, const char *group, ATTR attr, globus_bool_t restart)
HEARS_OF(on_utime, const struct tm *when, ATTR attr, globus_bool_t restart)
HEARS_OF(on_two_urls, const char *other, ATTR attr, globus_bool_t restart)
HEARS_OF(
    on_cksm, globus_off_t offset, globus_off_t length, const char *algorithm, ATTR attr,
    globus_bool_t restart)
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

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
    server *one;
    int left;

    pthread_mutex_lock(&guard->lock);
    left = --guard->references;
    pthread_mutex_unlock(&guard->lock);
    if (left)
    {
        return;
    }
    while ((one = guard->servers))
    {
        guard->servers = one->next;
        free(one->features);
        free(one);
    }
    free(guard->allowed);
    free(guard->fault_url);
    free(guard->refused_url);
    free(guard->refused);
    free(guard->disordered_url);
    free(guard->rename_reply);
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
    result = globus_ftp_client_plugin_init(
        plugin, "cog_guard", GLOBUS_FTP_CLIENT_CMD_MASK_ALL, watch);
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
    globus_ftp_client_plugin_set_connect_func(plugin, on_connect);
    globus_ftp_client_plugin_set_command_func(plugin, on_command);
    globus_ftp_client_plugin_set_response_func(plugin, on_response);
    globus_ftp_client_plugin_set_fault_func(plugin, on_fault);
    globus_ftp_client_plugin_set_get_func(plugin, on_operation);
    globus_ftp_client_plugin_set_put_func(plugin, on_operation);
    globus_ftp_client_plugin_set_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_verbose_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_machine_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_recursive_list_func(plugin, on_operation);
    globus_ftp_client_plugin_set_third_party_transfer_func(plugin, on_transfer);
    globus_ftp_client_plugin_set_delete_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_feat_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_mkdir_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_rmdir_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_mlst_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_stat_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_size_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_modification_time_func(plugin, on_command_of);
    globus_ftp_client_plugin_set_move_func(plugin, on_two_urls);
    globus_ftp_client_plugin_set_symlink_func(plugin, on_two_urls);
    globus_ftp_client_plugin_set_chmod_func(plugin, on_chmod);
    globus_ftp_client_plugin_set_chgrp_func(plugin, on_chgrp);
    globus_ftp_client_plugin_set_utime_func(plugin, on_utime);
    globus_ftp_client_plugin_set_cksm_func(plugin, on_cksm);
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
    guard->answered = 0;
    guard->began = 0;
    free(guard->fault_url);
    free(guard->refused_url);
    free(guard->refused);
    free(guard->disordered_url);
    free(guard->rename_reply);
    guard->rename_reply = NULL;
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

const char *cog_guard_disorder(cog_guard *guard)
{
    const char *what;

    pthread_mutex_lock(&guard->lock);
    what = guard->disorder;
    pthread_mutex_unlock(&guard->lock);
    return what;
}

char *cog_guard_features(cog_guard *guard, const char *url)
{
    server *server;
    char *copy;

    pthread_mutex_lock(&guard->lock);
    server = server_of(guard, url);
    copy = server && server->features ? strdup(server->features) : NULL;
    pthread_mutex_unlock(&guard->lock);
    return copy;
}

void cog_guard_agreed(cog_guard *guard, const char *url, char *mode_dcau_prot)
{
    server *server;

    pthread_mutex_lock(&guard->lock);
    server = server_of(guard, url);
    mode_dcau_prot[0] = server ? server->mode : '-';
    mode_dcau_prot[1] = server ? server->dcau : '-';
    mode_dcau_prot[2] = server ? server->prot : '-';
    pthread_mutex_unlock(&guard->lock);
}

int cog_guard_answered(cog_guard *guard)
{
    int answered;

    pthread_mutex_lock(&guard->lock);
    answered = guard->answered;
    pthread_mutex_unlock(&guard->lock);
    return answered;
}

char *cog_guard_rename_reply(cog_guard *guard, int *code)
{
    char *copy = copied(guard, &guard->rename_reply);

    *code = guard->rename_code;
    return copy;
}
