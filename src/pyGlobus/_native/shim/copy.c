/* What gass copy needs: its callbacks, and a watch over its GridFTP handles. */
#define _GNU_SOURCE
#include "shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <globus_ftp_client_plugin.h>

static cog_token token_of(void *arg)
{
    return (cog_token) (uintptr_t) arg;
}

void cog_on_copy_complete(void *arg, globus_gass_copy_handle_t *handle, globus_object_t *error)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_COMPLETE,
                        .object = error ? globus_object_copy(error) : NULL };

    (void) handle;
    cog_post(&event);
}

void cog_on_copy_performance(
    void *arg, globus_gass_copy_handle_t *handle, globus_off_t total, float now, float average)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_PERFORMANCE, .a = total,
                        .b = (int64_t) now, .c = (int64_t) average };

    (void) handle;
    cog_post(&event);
}

void cog_on_io_closed(void *arg, globus_io_handle_t *handle, globus_result_t result)
{
    cog_event event = { .token = token_of(arg), .kind = COG_EVENT_COMPLETE };

    (void) handle;
    (void) result;
    cog_post(&event);
}

/*
 * The performance record of a copy handle, taken out of it: the library stops its timer without
 * waiting for it, so that the timer may still read the record when the handle is destroyed.
 */
void *cog_copy_take_performance(globus_gass_copy_handle_t *handle)
{
    void *taken = handle->performance;

    handle->performance = NULL;
    return taken;
}

void cog_copy_free_performance(void *taken)
{
    globus_gass_copy_handle_t handle = { .status = GLOBUS_GASS_COPY_STATUS_NONE,
                                         .performance = taken };

    globus_gass_copy_register_performance_cb(&handle, NULL, NULL);
}

/* Whether it has been destroyed; not while something runs in it. */
static int destroy_ftp(globus_ftp_client_handle_t *handle)
{
    globus_result_t result = *handle ? globus_ftp_client_handle_destroy(handle) : GLOBUS_SUCCESS;

    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
    return result == GLOBUS_SUCCESS;
}

/*
 * globus_gass_copy_handle_destroy(), but for the locks of the state, which need no destroying.  A copy
 * that failed may have left one held, and the library ends the process when it destroys that.
 */
int cog_copy_free(globus_gass_copy_handle_t *handle)
{
    if (!destroy_ftp(&handle->ftp_handle_2) || !destroy_ftp(&handle->ftp_handle))
    {
        return 0;
    }
    if (handle->err)
    {
        globus_object_free(handle->err);
        handle->err = NULL;
    }
    free(handle->state);
    handle->state = NULL;
    return 1;
}

/* --- the watch ------------------------------------------------------------------------------- */

/*
 * A GridFTP client plugin in both handles of a copy handle.  It counts the bytes as they move, for
 * the library reports none, or every few seconds; and it remembers the URL at which something failed.
 */
enum { STRIPES = 64 };

struct cog_copy_watch
{
    globus_gass_copy_handle_t *handle;
    _Atomic int64_t            moved;               /* by ftp_handle, in blocks */
    _Atomic int64_t            end;                 /* of the block furthest on */
    _Atomic int64_t            stripe[STRIPES];     /* told by the servers of a third-party copy */
    _Atomic int                copying;
    _Atomic int                starting;            /* the call that starts it has not returned */
    pthread_mutex_t            lock;
    char                      *fault_url;           /* under lock */
};

static void watch_data(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle,
    globus_object_t *error, const globus_byte_t *buffer, globus_size_t length, globus_off_t offset,
    globus_bool_t eof)
{
    cog_copy_watch *watch = specific;
    int64_t end = offset + (int64_t) length, seen;

    (void) plugin;
    (void) buffer;
    (void) eof;
    if (!atomic_load(&watch->copying))
    {
        return;
    }
    if (!error && *handle == watch->handle->ftp_handle)
    {
        atomic_fetch_add(&watch->moved, (int64_t) length);
        seen = atomic_load(&watch->end);
        while (seen < end && !atomic_compare_exchange_weak(&watch->end, &seen, end))
        {
        }
    }
}

static void watch_fault(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle,
    const char *url, globus_object_t *error)
{
    cog_copy_watch *watch = specific;

    (void) plugin;
    (void) handle;
    (void) error;
    pthread_mutex_lock(&watch->lock);
    if (!watch->fault_url && url)
    {
        watch->fault_url = strdup(url);
    }
    pthread_mutex_unlock(&watch->lock);
}

/*
 * The end of a GridFTP operation that comes before the call that started the copy has returned, as
 * when a connection is refused at once.  That call goes on to read, and holds a lock of the state in
 * doing so; the end frees the state with the lock, which ends the process (GCT 6.2:
 * globus_l_gass_copy_read_from_queue, globus_l_gass_copy_target_destroy).  So the end waits.  But not
 * where that call itself has failed: then it waits for the end, and has taken the callback back.
 */
static void wait_for_start(cog_copy_watch *watch)
{
    struct timespec look = { .tv_nsec = 50 * 1000 };
    int i;

    for (i = 0; atomic_load(&watch->starting) && watch->handle->user_callback; i++)
    {
        if (i == 200)   /* it looks up a name, perhaps */
        {
            globus_thread_blocking_will_block();
        }
        nanosleep(&look, NULL);
    }
}

/*
 * The end of a get into a file.  The library completes the copy twice, and crashes, when the last
 * write and the end of the get come at one time (globus_l_gass_copy_write_from_queue sets its mark
 * before it lets the other one look).  So the end is held back until that write is long through.
 */
static void watch_complete(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle)
{
    cog_copy_watch *watch = specific;
    struct timespec look = { .tv_nsec = 200 * 1000 }, through = { .tv_nsec = 1000 * 1000 };
    int i, failed;

    (void) plugin;
    (void) handle;
    wait_for_start(watch);
    pthread_mutex_lock(&watch->lock);
    failed = watch->fault_url != NULL;
    pthread_mutex_unlock(&watch->lock);
    if (failed || atomic_load(&watch->copying) != COG_COPY_TO_FILE)
    {
        return;
    }
    globus_thread_blocking_will_block();
    for (i = 0; i < 1000 && watch->handle->status < GLOBUS_GASS_COPY_STATUS_WRITE_COMPLETE; i++)
    {
        nanosleep(&look, NULL);
    }
    nanosleep(&through, NULL);
}

/* 112 Perf Marker, GFD.20 3.7: lines of " Stripe Index: n" and " Stripe Bytes Transferred: n" */
static void watch_response(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle,
    const char *url, globus_object_t *error, const globus_ftp_control_response_t *response)
{
    cog_copy_watch *watch = specific;
    const char *text, *found;
    unsigned index = 0;
    long long bytes;

    (void) plugin;
    (void) handle;
    (void) url;
    if (error || !response || response->code != 112 || !response->response_buffer)
    {
        return;
    }
    text = (const char *) response->response_buffer;
    if ((found = strstr(text, "Stripe Index:")))
    {
        sscanf(found, "Stripe Index: %u", &index);
    }
    if ((found = strstr(text, "Stripe Bytes Transferred:"))
        && sscanf(found, "Stripe Bytes Transferred: %lld", &bytes) == 1 && index < STRIPES)
    {
        atomic_store(&watch->stripe[index], bytes);
    }
}

/* A plugin hears of the operations that it has a function for. */
static void watch_one(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle,
    const char *url, const globus_ftp_client_operationattr_t *attr, globus_bool_t restart)
{
    (void) plugin;
    (void) specific;
    (void) handle;
    (void) url;
    (void) attr;
    (void) restart;
}

static void watch_third_party(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle,
    const char *source_url, const globus_ftp_client_operationattr_t *source_attr,
    const char *dest_url, const globus_ftp_client_operationattr_t *dest_attr, globus_bool_t restart)
{
    (void) source_attr;
    (void) dest_url;
    watch_one(plugin, specific, handle, source_url, dest_attr, restart);
}

static globus_ftp_client_plugin_t *watch_copy(globus_ftp_client_plugin_t *plugin, void *specific);

static void watch_destroy(globus_ftp_client_plugin_t *plugin, void *specific)
{
    (void) specific;
    globus_ftp_client_plugin_destroy(plugin);
    free(plugin);
}

static globus_result_t watch_init(globus_ftp_client_plugin_t *plugin, void *specific)
{
    globus_result_t result = globus_ftp_client_plugin_init(
        plugin, "pyglobus_copy_watch", GLOBUS_FTP_CLIENT_CMD_MASK_ALL, specific);

    if (result == GLOBUS_SUCCESS)
    {
        globus_ftp_client_plugin_set_copy_func(plugin, watch_copy);
        globus_ftp_client_plugin_set_destroy_func(plugin, watch_destroy);
        globus_ftp_client_plugin_set_get_func(plugin, watch_one);
        globus_ftp_client_plugin_set_put_func(plugin, watch_one);
        globus_ftp_client_plugin_set_third_party_transfer_func(plugin, watch_third_party);
        globus_ftp_client_plugin_set_data_func(plugin, watch_data);
        globus_ftp_client_plugin_set_complete_func(plugin, watch_complete);
        globus_ftp_client_plugin_set_fault_func(plugin, watch_fault);
        globus_ftp_client_plugin_set_response_func(plugin, watch_response);
    }
    return result;
}

static globus_ftp_client_plugin_t *watch_copy(globus_ftp_client_plugin_t *plugin, void *specific)
{
    globus_ftp_client_plugin_t *copy = malloc(sizeof *copy);

    (void) plugin;
    if (copy && watch_init(copy, specific) != GLOBUS_SUCCESS)
    {
        free(copy);
        copy = NULL;
    }
    return copy;
}

cog_copy_watch *cog_copy_watch_new(globus_gass_copy_handle_t *handle)
{
    cog_copy_watch *watch = calloc(1, sizeof *watch);
    globus_ftp_client_plugin_t plugin;
    int added;

    if (!watch)
    {
        return NULL;
    }
    watch->handle = handle;
    pthread_mutex_init(&watch->lock, NULL);
    added = watch_init(&plugin, watch) == GLOBUS_SUCCESS;
    if (added)
    {
        /* each handle makes its own copy */
        added = globus_ftp_client_handle_add_plugin(&handle->ftp_handle, &plugin)
                    == GLOBUS_SUCCESS
                && globus_ftp_client_handle_add_plugin(&handle->ftp_handle_2, &plugin)
                    == GLOBUS_SUCCESS;
        globus_ftp_client_plugin_destroy(&plugin);
    }
    if (!added)
    {
        watch = NULL;   /* what one handle may have of it goes on pointing there */
    }
    return watch;
}

void cog_copy_watch_begin(cog_copy_watch *watch, int copying)
{
    int i;

    atomic_store(&watch->moved, 0);
    atomic_store(&watch->end, 0);
    for (i = 0; i < STRIPES; i++)
    {
        atomic_store(&watch->stripe[i], 0);
    }
    pthread_mutex_lock(&watch->lock);
    free(watch->fault_url);
    watch->fault_url = NULL;
    pthread_mutex_unlock(&watch->lock);
    atomic_store(&watch->starting, copying != COG_COPY_NOTHING);
    atomic_store(&watch->copying, copying);
}

void cog_copy_watch_started(cog_copy_watch *watch)
{
    atomic_store(&watch->starting, 0);
}

int64_t cog_copy_watch_bytes(cog_copy_watch *watch)
{
    int64_t sum = atomic_load(&watch->moved);
    int i;

    if (sum == 0)
    {
        for (i = 0; i < STRIPES; i++)
        {
            sum += atomic_load(&watch->stripe[i]);
        }
    }
    return sum;
}

int64_t cog_copy_watch_end(cog_copy_watch *watch)
{
    return atomic_load(&watch->end);
}

char *cog_copy_watch_fault(cog_copy_watch *watch)
{
    char *url;

    pthread_mutex_lock(&watch->lock);
    url = watch->fault_url ? strdup(watch->fault_url) : NULL;
    pthread_mutex_unlock(&watch->lock);
    return url;
}

void cog_copy_watch_free(cog_copy_watch *watch)
{
    free(watch->fault_url);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
