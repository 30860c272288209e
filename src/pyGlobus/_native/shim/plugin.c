/*
 * One plugin for the GridFTP client, on the notification side of globus_ftp_client_plugin.h: it tells
 * Python what happens on a handle.  Only what is wanted is registered with Globus, each notification
 * copies what it was given into an event, and none of them ever acts on the operation.
 *
 * Globus copies a plugin for every set of attributes and every handle that it is added to.  Each copy
 * has an owner, a number that Python chooses for the handle, so that one plugin serves many handles.
 *
 * Secrets stay here: the password of a URL and the commands that carry one are masked while they are
 * copied.
 */
#define _GNU_SOURCE
#include "shim.h"
#include "spans.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct copy
{
    cog_token   token;
    uint64_t    wants;          /* bits: 1 << COG_PLUGIN_... */
    int64_t     interval;       /* microseconds between two reports */
    int64_t     owner;
    int         mask;
    char        name[40];

    pthread_mutex_t lock;       /* guards what follows: data callbacks come on several threads */
    int         by_data;        /* our own data tells the progress, not the server's markers, */
    int         marks_by_data;  /* and what has arrived: true of what comes, not of what leaves */
    int64_t     bytes;
    int64_t     last_bytes, last_marker;
    cog_spans   arrived;
}
copy;

static __thread int64_t owner_now;

void cog_plugin_set_owner(int64_t owner)
{
    owner_now = owner;
}

/* --- what is copied ---------------------------------------------------------------------------- */

/* What of a line may be shown: all, or as far as the word after which the secret begins. */
static size_t harmless(const char *line)
{
    static const char *const words[] = {
        "PASS ", "ACCT ", "ADAT ", "MIC ", "CONF ", "ENC ", "DCSC ", "SITE AUTHZ_ASSERT "
    };
    const char *data;
    size_t i;

    for (i = 0; i < sizeof words / sizeof *words; i++)
    {
        if (!strncasecmp(line, words[i], strlen(words[i])))
        {
            return strlen(words[i]);
        }
    }
    data = strcasestr(line, "ADAT=");
    return data ? (size_t) (data + 5 - line) : strlen(line);
}

/* URL RS text; either may be NULL.  RS occurs in neither, as both come from lines of text.
   Python hides passwords of URLs: no second function here decides what they are. */
static char *packed(const char *url, const char *text, int is_url)
{
    char *memory;
    size_t shown;

    url = url ? url : "";
    text = text ? text : "";
    shown = is_url ? strlen(text) : harmless(text);
    if (asprintf(&memory, "%s\x1e%.*s%s", url, (int) shown, text, text[shown] ? "..." : "") < 0)
    {
        memory = NULL;
    }
    return memory;
}

static void post(
    const copy *self, int code, char *text, globus_object_t *error,
    int64_t a, int64_t b, int flag)
{
    cog_event event = { .token = self->token, .kind = COG_EVENT_PLUGIN, .code = code, .a = a, .b = b,
                        .c = self->owner << 1 | (flag != 0), .text = text,
                        .object = error ? globus_object_copy(error) : NULL };

    cog_post(&event);
}

static int wants(const copy *self, int code)
{
    return (int) (self->wants >> code & 1);
}

static int wants_any(const copy *self, uint64_t bits)
{
    return (self->wants & bits) != 0;
}

#define BIT(code) ((uint64_t) 1 << COG_PLUGIN_##code)
#define FOLLOWED (BIT(PROGRESS) | BIT(PERFORMANCE) | BIT(MARKER))
#define STEPS (BIT(CONNECT) | BIT(AUTHENTICATE) | BIT(COMMAND) | BIT(RESPONSE) | BIT(FAULT) \
               | BIT(ABORT) | BIT(COMPLETE) | BIT(READ) | BIT(WRITE) | BIT(DATA))

/* --- progress and markers: summed up here, reported now and then ------------------------------- */

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void report_bytes(copy *self, int64_t moment)
{
    self->last_bytes = moment;
    post(self, COG_PLUGIN_PROGRESS, NULL, NULL, self->bytes, moment, 0);
}

static void report_marker(copy *self, int64_t moment)
{
    char *text = cog_spans_text(&self->arrived);

    self->last_marker = moment;
    if (text)
    {
        post(self, COG_PLUGIN_MARKER, text, NULL, 0, moment, 0);
    }
}

/* A transfer begins. */
static void begin(copy *self, int by_data, int marks_by_data)
{
    pthread_mutex_lock(&self->lock);
    self->by_data = by_data;
    self->marks_by_data = marks_by_data;
    self->bytes = 0;
    self->arrived.count = 0;
    self->last_bytes = self->last_marker = now();
    pthread_mutex_unlock(&self->lock);
}

/* The last block is not claimed to have arrived: it may be nobody's, see is_doubtful() in pump.c. */
static void moved(copy *self, int64_t length, int64_t offset, int last)
{
    int64_t moment;

    if (!self->by_data || length == 0 || !wants_any(self, FOLLOWED))
    {
        return;
    }
    moment = now();
    pthread_mutex_lock(&self->lock);
    self->bytes += length;
    if (wants(self, COG_PLUGIN_PROGRESS) && moment - self->last_bytes >= self->interval)
    {
        report_bytes(self, moment);
    }
    if (wants(self, COG_PLUGIN_MARKER) && self->marks_by_data && !last)
    {
        cog_spans_add(&self->arrived, offset, offset + length);
        if (moment - self->last_marker >= self->interval)
        {
            report_marker(self, moment);
        }
    }
    pthread_mutex_unlock(&self->lock);
}

/* 111 Range Marker START-STOP,START-STOP,... */
static void read_marker(copy *self, const char *reply)
{
    const char *p = strstr(reply, "Range Marker");
    char *end;

    pthread_mutex_lock(&self->lock);
    for (p = p ? p + strlen("Range Marker") : ""; *p; p = end + strspn(end, " ,"))
    {
        int64_t start = strtoll(p, &end, 10), stop;
        if (end == p || *end != '-')
        {
            break;
        }
        p = end + 1;
        stop = strtoll(p, &end, 10);
        if (end == p)
        {
            break;
        }
        cog_spans_add(&self->arrived, start, stop);
    }
    report_marker(self, now());
    pthread_mutex_unlock(&self->lock);
}

/* --- what Globus notifies of ------------------------------------------------------------------- */

#define NOTIFIED globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle
#define ATTR const globus_ftp_client_operationattr_t *

static void connects(NOTIFIED, const char *url)
{
    (void) plugin, (void) handle;
    post(specific, COG_PLUGIN_CONNECT, packed(url, NULL, 0), NULL, 0, 0, 0);
}

static void authenticates(NOTIFIED, const char *url, const globus_ftp_control_auth_info_t *auth)
{
    (void) plugin, (void) handle;
    post(specific, COG_PLUGIN_AUTHENTICATE, packed(url, auth ? auth->user : NULL, 0), NULL, 0, 0, 0);
}

static void commands(NOTIFIED, const char *url, const char *command)
{
    (void) plugin, (void) handle;
    post(specific, COG_PLUGIN_COMMAND, packed(url, command, 0), NULL, 0, 0, 0);
}

static void responds(
    NOTIFIED, const char *url, globus_object_t *error, const globus_ftp_control_response_t *response)
{
    copy *self = specific;
    const char *text = response && response->response_buffer
        ? (const char *) response->response_buffer : "";
    int code = response ? response->code : 0;

    (void) plugin, (void) handle;
    if (wants(self, COG_PLUGIN_RESPONSE))
    {
        post(self, COG_PLUGIN_RESPONSE, packed(url, text, 0), error, code, 0, 0);
    }
    if (code == 112 && wants(self, COG_PLUGIN_PERFORMANCE) && !self->by_data)
    {
        post(self, COG_PLUGIN_PERFORMANCE, packed(url, text, 0), NULL, 0, now(), 0);
    }
    if (code == 111 && wants(self, COG_PLUGIN_MARKER) && !self->marks_by_data)
    {
        read_marker(self, text);
    }
}

static void faults(NOTIFIED, const char *url, globus_object_t *error)
{
    (void) plugin, (void) handle;
    post(specific, COG_PLUGIN_FAULT, packed(url, NULL, 0), error, 0, 0, 0);
}

static void aborts(NOTIFIED)
{
    (void) plugin, (void) handle;
    post(specific, COG_PLUGIN_ABORT, NULL, NULL, 0, 0, 0);
}

/* The last figures come before the end, whatever the interval. */
static void completes(NOTIFIED)
{
    copy *self = specific;

    (void) plugin, (void) handle;
    pthread_mutex_lock(&self->lock);
    if (wants(self, COG_PLUGIN_PROGRESS) && self->bytes)
    {
        report_bytes(self, now());
    }
    if (wants(self, COG_PLUGIN_MARKER) && self->arrived.count)
    {
        report_marker(self, now());
    }
    self->by_data = self->marks_by_data = 0;
    self->bytes = 0;
    self->arrived.count = 0;
    pthread_mutex_unlock(&self->lock);
    if (wants(self, COG_PLUGIN_COMPLETE))
    {
        post(self, COG_PLUGIN_COMPLETE, NULL, NULL, 0, 0, 0);
    }
}

static void reads(NOTIFIED, const globus_byte_t *buffer, globus_size_t length)
{
    (void) plugin, (void) handle, (void) buffer;
    post(specific, COG_PLUGIN_READ, NULL, NULL, (int64_t) length, 0, 0);
}

static void writes(
    NOTIFIED, const globus_byte_t *buffer, globus_size_t length, globus_off_t offset,
    globus_bool_t eof)
{
    (void) plugin, (void) handle, (void) buffer;
    post(specific, COG_PLUGIN_WRITE, NULL, NULL, (int64_t) length, offset, eof);
}

static void data(
    NOTIFIED, globus_object_t *error, const globus_byte_t *buffer, globus_size_t length,
    globus_off_t offset, globus_bool_t eof)
{
    copy *self = specific;

    (void) plugin, (void) handle, (void) buffer;
    if (!error)
    {
        moved(self, (int64_t) length, offset, eof);
    }
    if (wants(self, COG_PLUGIN_DATA))
    {
        post(self, COG_PLUGIN_DATA, NULL, error, (int64_t) length, offset, eof);
    }
}

/* --- operations: Globus tells of the rest only to a plugin that also takes these ---------------- */

static void began(
    void *specific, int code, const char *url, const char *text, int64_t a, int64_t b, int restart,
    int is_url)
{
    if (wants(specific, code))
    {
        post(specific, code, packed(url, text, is_url), NULL, a, b, restart);
    }
}

#define OPERATION(name, code)                                                                      \
    static void name(NOTIFIED, const char *url, ATTR attr, globus_bool_t restart)                  \
    {                                                                                              \
        (void) plugin, (void) handle, (void) attr;                                                 \
        began(specific, code, url, NULL, 0, 0, restart, 0);                                         \
    }

OPERATION(deletes, COG_PLUGIN_DELETE)
OPERATION(probes, COG_PLUGIN_FEAT)
OPERATION(makes_directory, COG_PLUGIN_MKDIR)
OPERATION(removes_directory, COG_PLUGIN_RMDIR)
OPERATION(lists, COG_PLUGIN_LIST)
OPERATION(lists_verbosely, COG_PLUGIN_VERBOSE_LIST)
OPERATION(lists_for_machines, COG_PLUGIN_MACHINE_LIST)
OPERATION(lists_recursively, COG_PLUGIN_RECURSIVE_LIST)
OPERATION(asks_facts, COG_PLUGIN_MLST)
OPERATION(asks_status, COG_PLUGIN_STAT)
OPERATION(asks_time, COG_PLUGIN_MODIFICATION_TIME)
OPERATION(asks_size, COG_PLUGIN_SIZE)

static void gets(NOTIFIED, const char *url, ATTR attr, globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) attr;
    begin(specific, 1, 1);
    began(specific, COG_PLUGIN_GET, url, NULL, 0, 0, restart, 0);
}

static void puts_file(NOTIFIED, const char *url, ATTR attr, globus_bool_t restart)
{
    globus_ftp_control_mode_t mode = GLOBUS_FTP_CONTROL_MODE_STREAM;

    (void) plugin, (void) handle;
    if (attr && *attr && globus_ftp_client_operationattr_get_mode(attr, &mode) != GLOBUS_SUCCESS)
    {
        mode = GLOBUS_FTP_CONTROL_MODE_STREAM;
    }
    /* what has left us need not have arrived: in extended block mode the server tells */
    begin(specific, mode != GLOBUS_FTP_CONTROL_MODE_EXTENDED_BLOCK, 0);
    began(specific, COG_PLUGIN_PUT, url, NULL, 0, 0, restart, 0);
}

static void transfers(
    NOTIFIED, const char *source, ATTR source_attr, const char *dest, ATTR dest_attr,
    globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) source_attr, (void) dest_attr;
    begin(specific, 0, 0);
    began(specific, COG_PLUGIN_TRANSFER, source, dest, 0, 0, restart, 1);
}

static void moves(
    NOTIFIED, const char *source, const char *dest, ATTR attr, globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) attr;
    began(specific, COG_PLUGIN_MOVE, source, dest, 0, 0, restart, 1);
}

static void links(NOTIFIED, const char *url, const char *link, ATTR attr, globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) attr;
    began(specific, COG_PLUGIN_SYMLINK, url, link, 0, 0, restart, 1);
}

static void changes_mode(NOTIFIED, const char *url, int mode, ATTR attr, globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) attr;
    began(specific, COG_PLUGIN_CHMOD, url, NULL, mode, 0, restart, 0);
}

static void changes_group(
    NOTIFIED, const char *url, const char *group, ATTR attr, globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) attr;
    began(specific, COG_PLUGIN_CHGRP, url, group, 0, 0, restart, 0);
}

static void changes_time(
    NOTIFIED, const char *url, const struct tm *when, ATTR attr, globus_bool_t restart)
{
    struct tm time = *when;

    (void) plugin, (void) handle, (void) attr;
    began(specific, COG_PLUGIN_UTIME, url, NULL, timegm(&time), 0, restart, 0);
}

static void asks_checksum(
    NOTIFIED, const char *url, globus_off_t offset, globus_off_t length, const char *algorithm,
    ATTR attr, globus_bool_t restart)
{
    (void) plugin, (void) handle, (void) attr;
    began(specific, COG_PLUGIN_CKSM, url, algorithm, offset, length, restart, 0);
}

/* --- the plugin itself ------------------------------------------------------------------------- */

static globus_ftp_client_plugin_t *copies(globus_ftp_client_plugin_t *plugin, void *specific);

static void destroys(globus_ftp_client_plugin_t *plugin, void *specific)
{
    copy *self = specific;

    globus_ftp_client_plugin_destroy(plugin);
    free(plugin);
    pthread_mutex_destroy(&self->lock);
    cog_spans_clear(&self->arrived);
    free(self);
}

#define OF(code) (BIT(code) | STEPS)

static void register_functions(globus_ftp_client_plugin_t *plugin, const copy *self)
{
    if (wants_any(self, BIT(CONNECT)))
    {
        globus_ftp_client_plugin_set_connect_func(plugin, connects);
    }
    if (wants_any(self, BIT(AUTHENTICATE)))
    {
        globus_ftp_client_plugin_set_authenticate_func(plugin, authenticates);
    }
    if (wants_any(self, BIT(COMMAND)))
    {
        globus_ftp_client_plugin_set_command_func(plugin, commands);
    }
    if (wants_any(self, BIT(RESPONSE) | BIT(PERFORMANCE) | BIT(MARKER)))
    {
        globus_ftp_client_plugin_set_response_func(plugin, responds);
    }
    if (wants_any(self, BIT(FAULT)))
    {
        globus_ftp_client_plugin_set_fault_func(plugin, faults);
    }
    if (wants_any(self, BIT(ABORT)))
    {
        globus_ftp_client_plugin_set_abort_func(plugin, aborts);
    }
    if (wants_any(self, BIT(COMPLETE) | FOLLOWED))
    {
        globus_ftp_client_plugin_set_complete_func(plugin, completes);
    }
    if (wants_any(self, BIT(READ)))
    {
        globus_ftp_client_plugin_set_read_func(plugin, reads);
    }
    if (wants_any(self, BIT(WRITE)))
    {
        globus_ftp_client_plugin_set_write_func(plugin, writes);
    }
    if (wants_any(self, BIT(DATA) | BIT(PROGRESS) | BIT(MARKER)))
    {
        globus_ftp_client_plugin_set_data_func(plugin, data);
    }
    if (wants_any(self, OF(GET) | FOLLOWED))
    {
        globus_ftp_client_plugin_set_get_func(plugin, gets);
    }
    if (wants_any(self, OF(PUT) | FOLLOWED))
    {
        globus_ftp_client_plugin_set_put_func(plugin, puts_file);
    }
    if (wants_any(self, OF(TRANSFER) | FOLLOWED))
    {
        globus_ftp_client_plugin_set_third_party_transfer_func(plugin, transfers);
    }
    if (wants_any(self, OF(DELETE)))
    {
        globus_ftp_client_plugin_set_delete_func(plugin, deletes);
    }
    if (wants_any(self, OF(FEAT)))
    {
        globus_ftp_client_plugin_set_feat_func(plugin, probes);
    }
    if (wants_any(self, OF(MKDIR)))
    {
        globus_ftp_client_plugin_set_mkdir_func(plugin, makes_directory);
    }
    if (wants_any(self, OF(RMDIR)))
    {
        globus_ftp_client_plugin_set_rmdir_func(plugin, removes_directory);
    }
    if (wants_any(self, OF(LIST)))
    {
        globus_ftp_client_plugin_set_list_func(plugin, lists);
    }
    if (wants_any(self, OF(VERBOSE_LIST)))
    {
        globus_ftp_client_plugin_set_verbose_list_func(plugin, lists_verbosely);
    }
    if (wants_any(self, OF(MACHINE_LIST)))
    {
        globus_ftp_client_plugin_set_machine_list_func(plugin, lists_for_machines);
    }
    if (wants_any(self, OF(RECURSIVE_LIST)))
    {
        globus_ftp_client_plugin_set_recursive_list_func(plugin, lists_recursively);
    }
    if (wants_any(self, OF(MLST)))
    {
        globus_ftp_client_plugin_set_mlst_func(plugin, asks_facts);
    }
    if (wants_any(self, OF(STAT)))
    {
        globus_ftp_client_plugin_set_stat_func(plugin, asks_status);
    }
    if (wants_any(self, OF(MODIFICATION_TIME)))
    {
        globus_ftp_client_plugin_set_modification_time_func(plugin, asks_time);
    }
    if (wants_any(self, OF(SIZE)))
    {
        globus_ftp_client_plugin_set_size_func(plugin, asks_size);
    }
    if (wants_any(self, OF(MOVE)))
    {
        globus_ftp_client_plugin_set_move_func(plugin, moves);
    }
    if (wants_any(self, OF(SYMLINK)))
    {
        globus_ftp_client_plugin_set_symlink_func(plugin, links);
    }
    if (wants_any(self, OF(CHMOD)))
    {
        globus_ftp_client_plugin_set_chmod_func(plugin, changes_mode);
    }
    if (wants_any(self, OF(CHGRP)))
    {
        globus_ftp_client_plugin_set_chgrp_func(plugin, changes_group);
    }
    if (wants_any(self, OF(UTIME)))
    {
        globus_ftp_client_plugin_set_utime_func(plugin, changes_time);
    }
    if (wants_any(self, OF(CKSM)))
    {
        globus_ftp_client_plugin_set_cksm_func(plugin, asks_checksum);
    }
}

static globus_ftp_client_plugin_t *made(const copy *like, int64_t owner)
{
    globus_ftp_client_plugin_t *plugin = malloc(sizeof *plugin);
    copy *self = calloc(1, sizeof *self);
    globus_result_t result;

    if (!plugin || !self)
    {
        free(plugin);
        free(self);
        return NULL;
    }
    self->token = like->token;
    self->wants = like->wants;
    self->mask = like->mask;
    self->interval = like->interval;
    self->owner = owner;
    strcpy(self->name, like->name);
    result = globus_ftp_client_plugin_init(
        plugin, self->name, (globus_ftp_client_plugin_command_mask_t) self->mask, self);
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        free(plugin);
        free(self);
        return NULL;
    }
    pthread_mutex_init(&self->lock, NULL);
    globus_ftp_client_plugin_set_copy_func(plugin, copies);
    globus_ftp_client_plugin_set_destroy_func(plugin, destroys);
    register_functions(plugin, self);
    return plugin;
}

static globus_ftp_client_plugin_t *copies(globus_ftp_client_plugin_t *plugin, void *specific)
{
    /* where Python did not say whose handle it is, copies are told apart all the same */
    static _Atomic int64_t strangers;

    (void) plugin;
    return made(specific, owner_now ? owner_now : --strangers);
}

globus_ftp_client_plugin_t *cog_plugin_new(
    cog_token token, const char *name, uint64_t wanted, int mask, int64_t interval)
{
    copy like = { .token = token, .wants = wanted, .mask = mask, .interval = interval };

    snprintf(like.name, sizeof like.name, "%s", name);
    return made(&like, 0);
}

void cog_plugin_free(globus_ftp_client_plugin_t *plugin)
{
    void *specific = NULL;

    if (globus_ftp_client_plugin_get_plugin_specific(plugin, &specific) == GLOBUS_SUCCESS)
    {
        destroys(plugin, specific);
    }
}
