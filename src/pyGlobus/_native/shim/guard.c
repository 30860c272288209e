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
 * So is one between two servers which the one says to be over before the other has been asked.  The
 * library would tell of success, and free what the connection to the other still calls back to.
 *
 * And so is a checksum that no algorithm makes: the library copies it into the caller's memory as long
 * as it is (globus_l_ftp_client_parse_cksm).
 *
 * A rename ends when RNFR is refused.  The library sends RNTO all the same, which names a file that
 * an earlier RNFR may have meant, and tells only what the server says to that.
 *
 * Of each server it remembers what has been set there (MODE, DCAU, PROT), which the library does not
 * tell, and what it has said that it can (FEAT).  And of two servers at which something failed.
 */
#define _GNU_SOURCE
#include "shim.h"

#include "ftpservers.h"
#include "passive.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cog_guard
{
    pthread_mutex_t lock;
    int             references;     /* Python's, and one for each copy of the plugin */
    char           *allowed;        /* as cog_address_in() takes it */
    int             delayed;        /* 227 tells no address: 127 does, later */
    cog_ftp_server *servers;
    int             answered;       /* a server has replied, and not that it hangs up */
    char           *fault_url;
    char           *refused_url, *refused;
    char           *disordered_url;
    const char     *disorder;       /* what is wrong there */
    char           *rename_reply;   /* the refusal of RNFR */
    int             rename_code;
    int             began;          /* a server has said that data may come */
    int             operation;      /* the number of the one that runs */
};

/* What a plugin in one handle has: gass copy has two transfers under way, each in a handle. */
typedef struct watch
{
    cog_guard *guard;
    int        awaited;     /* a transfer with one server, which has not said that it begins */
    int        between;     /* the number of the operation that is one between two servers, or 0 */
    int        sent, got;   /* which of them have been asked: STOR, RETR and their like */
}
watch;

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
            && !cog_ftp_server_has(url, &address))
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

/* globus_l_ftp_client_parse_mdtm() looks for a digit, also behind the end of the reply. */
static int tells_no_time(const char *reply)
{
    const char *digits = reply + strnlen(reply, 4);

    return !digits[strcspn(digits, "0123456789")];
}

/* GASS copy gives the library room for the longest digest of OpenSSL, in hexadecimal. */
enum { LONGEST_CHECKSUM = 128 };

/* As sscanf() finds the word. */
static int is_long_checksum(const char *reply)
{
    const char *word = reply + strnlen(reply, 4);

    word += strspn(word, " \t\n\v\f\r");
    return strcspn(word, " \t\n\v\f\r") > LONGEST_CHECKSUM;
}

/* What cannot be what comes next; NULL: nothing is wrong.  Under lock. */
static const char *disorder(watch *watch, const cog_ftp_server *server, int code, const char *reply)
{
    if (code / 100 == 1)
    {
        watch->awaited = 0;
        watch->guard->began = 1;
    }
    /* what comes before the transfer ends with 250, too: CWD, SITE CLIENTINFO */
    if (watch->awaited && (code == 226 || code == 250) && cog_ftp_server_transfers(server))
    {
        return "are out of order: the transfer is over before it has begun (226 or 250 before 150)";
    }
    if (watch->between == watch->guard->operation && (code == 226 || (code == 250 && cog_ftp_server_transfers(server)))
        && !(watch->sent && watch->got))
    {
        return "are out of order: the transfer is over before the other server has been asked";
    }
    if (code == 213 && cog_ftp_server_was_asked(server, "CKSM ") && is_long_checksum(reply))
    {
        return "make no sense: 213 to CKSM with a checksum that is too long";
    }
    if (code == 213 && cog_ftp_server_was_asked(server, "MDTM") && tells_no_time(reply))
    {
        return "make no sense: 213 to MDTM without a time";
    }
    return NULL;
}

/* Whether the file to rename is refused, and RNTO must not follow.  Under lock. */
static int is_refused_rename(cog_guard *guard, const cog_ftp_server *server, int code, const char *reply)
{
    if (code < 400 || code == 421 || !cog_ftp_server_was_asked(server, "RNFR "))
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
    cog_ftp_server *server;

    (void) plugin, (void) handle;
    pthread_mutex_lock(&guard->lock);
    if ((server = cog_ftp_server_of(&guard->servers, url ? url : "")))
    {
        cog_ftp_server_reset(server);
    }
    pthread_mutex_unlock(&guard->lock);
}

static void on_command(NOTIFIED, const char *url, const char *command)
{
    watch *watch = specific;
    cog_guard *guard = watch->guard;
    cog_ftp_server *server;

    (void) plugin, (void) handle;
    pthread_mutex_lock(&guard->lock);
    if ((server = cog_ftp_server_of(&guard->servers, url ? url : "")))
    {
        snprintf(server->command, sizeof server->command, "%s", command ? command : "");
        watch->sent |= cog_ftp_server_was_asked(server, "STOR ") || cog_ftp_server_was_asked(server, "APPE ")
            || cog_ftp_server_was_asked(server, "ESTO ") || cog_ftp_server_was_asked(server, "PUT ");
        watch->got |= cog_ftp_server_was_asked(server, "RETR ") || cog_ftp_server_was_asked(server, "ERET ")
            || cog_ftp_server_was_asked(server, "GET ");
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
    cog_ftp_server *server;

    (void) plugin;
    url = url ? url : "";
    pthread_mutex_lock(&guard->lock);
    server = cog_ftp_server_of(&guard->servers, url);
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
        cog_ftp_server_note(server, code, reply);
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

static void begin_transfer(watch *watch, int single)
{
    pthread_mutex_lock(&watch->guard->lock);
    watch->awaited = single;
    if (single)
    {
        watch->between = 0;
    }
    else if (watch->between != watch->guard->operation)
    {
        /* else it is the next of several that are pipelined */
        watch->between = watch->guard->operation;
        watch->sent = watch->got = 0;
    }
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
    begin_transfer(specific, 1);
}

/* Between two servers replies of both come by the same way, pipelined those to several files. */
static void on_transfer(
    NOTIFIED, const char *source, ATTR source_attr, const char *dest, ATTR dest_attr,
    globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) source, (void) source_attr, (void) dest, (void) dest_attr;
    (void) restart;
    begin_transfer(specific, 0);
}

/* --- the plugin itself ------------------------------------------------------------------------- */

void cog_guard_free(cog_guard *guard)
{
    int left;

    pthread_mutex_lock(&guard->lock);
    left = --guard->references;
    pthread_mutex_unlock(&guard->lock);
    if (left)
    {
        return;
    }
    cog_ftp_servers_free(&guard->servers);
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
    guard->operation++;
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
    cog_ftp_server *server;
    char *copy;

    pthread_mutex_lock(&guard->lock);
    server = cog_ftp_server_of(&guard->servers, url);
    copy = server && server->features ? strdup(server->features) : NULL;
    pthread_mutex_unlock(&guard->lock);
    return copy;
}

void cog_guard_agreed(cog_guard *guard, const char *url, char *mode_dcau_prot)
{
    cog_ftp_server *server;

    pthread_mutex_lock(&guard->lock);
    server = cog_ftp_server_of(&guard->servers, url);
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
