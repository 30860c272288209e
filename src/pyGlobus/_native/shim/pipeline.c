/*
 * Pipelining: the pairs of URLs with which a transfer between servers goes on.
 *
 * Globus asks for the next pair on a thread of its own while it holds the handle, so Python must not
 * be waited for there.  Python fills a store ahead of it; the callback takes from the store, and
 * when there is nothing for a moment, says that there is no more.  The operation then ends, and
 * Python begins another one with what has come meanwhile.
 *
 * A plugin counts the pairs that both servers have reported complete: Globus itself tells nothing
 * before the last one.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STORE 64                /* pairs that wait for Globus */
#define PATIENCE_NS 20000000    /* how long the callback waits for Python */

struct pair
{
    struct pair        *next;
    char               *source, *dest;
    int                 source_done, dest_done;
};

struct list
{
    struct pair        *first, **end;
    int                 count;
};

struct cog_pipeline
{
    cog_token           token;
    pthread_mutex_t     lock;           /* guards the rest */
    pthread_cond_t      changed;
    struct list         store;          /* wait for Globus */
    struct list         under_way;      /* Globus has them; in the order of the commands */
    int                 running, ended, stopped;
    int64_t             completed;
};

static void append(struct list *list, struct pair *pair)
{
    if (!list->first)
    {
        list->end = &list->first;
    }
    pair->next = NULL;
    *list->end = pair;
    list->end = &pair->next;
    list->count++;
}

static struct pair *remove_first(struct list *list)
{
    struct pair *pair = list->first;

    if (pair)
    {
        list->first = pair->next;
        list->count--;
    }
    return pair;
}

static void free_pair(struct pair *pair)
{
    if (pair)
    {
        free(pair->source);
        free(pair->dest);
        free(pair);
    }
}

static void clear(struct list *list)
{
    while (list->first)
    {
        free_pair(remove_first(list));
    }
}

cog_pipeline *cog_pipeline_new(cog_token token)
{
    cog_pipeline *pipeline = calloc(1, sizeof *pipeline);
    pthread_condattr_t attributes;

    if (pipeline)
    {
        pipeline->token = token;
        pthread_mutex_init(&pipeline->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);    /* the other one may be set */
        pthread_cond_init(&pipeline->changed, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    return pipeline;
}

void cog_pipeline_free(cog_pipeline *pipeline)
{
    if (pipeline)
    {
        clear(&pipeline->store);
        clear(&pipeline->under_way);
        pthread_cond_destroy(&pipeline->changed);
        pthread_mutex_destroy(&pipeline->lock);
        free(pipeline);
    }
}

/* --- for Python ------------------------------------------------------------------------------- */

void cog_pipeline_begin(cog_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    clear(&pipeline->store);
    clear(&pipeline->under_way);
    pipeline->ended = pipeline->stopped = pipeline->running = 0;
    pipeline->completed = 0;
    pthread_mutex_unlock(&pipeline->lock);
}

/* Waits for room as long as an operation runs that makes some.  0, or -errno; ECANCELED when it was
 * stopped. */
int cog_pipeline_push(cog_pipeline *pipeline, const char *source, const char *dest)
{
    struct pair *pair = calloc(1, sizeof *pair);
    int failed = 0;

    if (!pair || !(pair->source = strdup(source)) || !(pair->dest = strdup(dest)))
    {
        free_pair(pair);
        return -ENOMEM;
    }
    pthread_mutex_lock(&pipeline->lock);
    while (pipeline->store.count >= STORE && pipeline->running && !pipeline->stopped)
    {
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    }
    if (pipeline->stopped)
    {
        failed = -ECANCELED;
    }
    else
    {
        append(&pipeline->store, pair);
        pthread_cond_broadcast(&pipeline->changed);
    }
    pthread_mutex_unlock(&pipeline->lock);
    if (failed)
    {
        free_pair(pair);
    }
    return failed;
}

/* Takes the first pair of the store, for the operation that is about to begin.  The strings stay
 * until the pair is complete or the next cog_pipeline_begin().  0 when there is none. */
int cog_pipeline_take(cog_pipeline *pipeline, const char **source, const char **dest)
{
    struct pair *pair;

    pthread_mutex_lock(&pipeline->lock);
    pair = remove_first(&pipeline->store);
    if (pair)
    {
        append(&pipeline->under_way, pair);
        *source = pair->source;
        *dest = pair->dest;
        pipeline->running = 1;
    }
    pthread_mutex_unlock(&pipeline->lock);
    return pair != NULL;
}

/* The operation has ended. */
void cog_pipeline_rest(cog_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->running = 0;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
}

/* No more pairs will come. */
void cog_pipeline_end(cog_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->ended = 1;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
}

/* Begin no more of them, and wait for nobody. */
void cog_pipeline_stop(cog_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->stopped = 1;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
}

/* The operation has failed, and another one will do what it has left: that comes first. */
void cog_pipeline_again(cog_pipeline *pipeline)
{
    struct list left;
    struct pair *pair;

    pthread_mutex_lock(&pipeline->lock);
    left = pipeline->under_way;
    pipeline->under_way = (struct list) { NULL, NULL, 0 };
    for (pair = left.first; pair; pair = pair->next)
    {
        pair->source_done = pair->dest_done = 0;
    }
    while ((pair = remove_first(&pipeline->store)))
    {
        append(&left, pair);
    }
    pipeline->store = left;
    pthread_mutex_unlock(&pipeline->lock);
}

int cog_pipeline_under_way(cog_pipeline *pipeline)
{
    int count;

    pthread_mutex_lock(&pipeline->lock);
    count = pipeline->under_way.count;
    pthread_mutex_unlock(&pipeline->lock);
    return count;
}

/* --- for Globus ------------------------------------------------------------------------------- */

void cog_on_pipeline(
    globus_ftp_client_handle_t *handle, char **source_url, char **dest_url, void *arg)
{
    cog_pipeline *pipeline = arg;
    struct pair *pair = NULL;
    struct timespec limit;

    (void) handle;
    *source_url = *dest_url = NULL;
    pthread_mutex_lock(&pipeline->lock);
    if (pipeline->running && !pipeline->store.first && !pipeline->ended)
    {
        clock_gettime(CLOCK_MONOTONIC, &limit);
        limit.tv_nsec += PATIENCE_NS;
        limit.tv_sec += limit.tv_nsec / 1000000000;
        limit.tv_nsec %= 1000000000;
        while (!pipeline->store.first && !pipeline->ended && !pipeline->stopped &&
            pthread_cond_timedwait(&pipeline->changed, &pipeline->lock, &limit) == 0)
        {
        }
    }
    if (pipeline->running && !pipeline->stopped)
    {
        pair = remove_first(&pipeline->store);
    }
    if (pair)
    {
        append(&pipeline->under_way, pair);
        /* Globus copies them at once, and the pair cannot complete before it is sent */
        *source_url = pair->source;
        *dest_url = pair->dest;
        pthread_cond_broadcast(&pipeline->changed);
    }
    pthread_mutex_unlock(&pipeline->lock);
}

static globus_ftp_client_plugin_t *copy_plugin(globus_ftp_client_plugin_t *plugin, void *specific);

static void destroy_plugin(globus_ftp_client_plugin_t *plugin, void *specific)
{
    (void) specific;
    globus_ftp_client_plugin_destroy(plugin);
    globus_libc_free(plugin);
}

/* Globus tells a plugin of the replies only to what it has a function for. */
static void on_transfer(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle,
    const char *source_url, const globus_ftp_client_operationattr_t *source_attr,
    const char *dest_url, const globus_ftp_client_operationattr_t *dest_attr,
    globus_bool_t restart)
{
    (void) plugin;
    (void) specific;
    (void) handle;
    (void) source_url;
    (void) source_attr;
    (void) dest_url;
    (void) dest_attr;
    (void) restart;
}

/* A server has reported a file complete: which of the two, and which file, tells the URL. */
static void on_response(
    globus_ftp_client_plugin_t *plugin, void *specific, globus_ftp_client_handle_t *handle,
    const char *url, globus_object_t *error, const globus_ftp_control_response_t *response)
{
    cog_pipeline *pipeline = specific;
    struct pair *pair;
    cog_event event = { .kind = COG_EVENT_PIPELINE };
    int news = 0;

    (void) plugin;
    (void) handle;
    if (error || !url || !response ||
        response->response_class != GLOBUS_FTP_POSITIVE_COMPLETION_REPLY)
    {
        return;
    }
    pthread_mutex_lock(&pipeline->lock);
    for (pair = pipeline->under_way.first; pair; pair = pair->next)
    {
        if (!pair->source_done && !strcmp(pair->source, url))
        {
            pair->source_done = 1;
            break;
        }
        if (!pair->dest_done && !strcmp(pair->dest, url))
        {
            pair->dest_done = 1;
            break;
        }
    }
    while ((pair = pipeline->under_way.first) && pair->source_done && pair->dest_done)
    {
        free_pair(remove_first(&pipeline->under_way));
        pipeline->completed++;
        news = 1;
    }
    event.token = pipeline->token;
    event.a = pipeline->completed;
    pthread_mutex_unlock(&pipeline->lock);
    if (news)
    {
        cog_post(&event);
    }
}

/* A plugin for `pipeline`, in memory that destroy_plugin() frees. */
static globus_ftp_client_plugin_t *new_plugin(cog_pipeline *pipeline)
{
    globus_ftp_client_plugin_t *plugin = globus_libc_malloc(sizeof *plugin);

    if (plugin && globus_ftp_client_plugin_init(
        plugin, "cog_pipeline", GLOBUS_FTP_CLIENT_CMD_MASK_FILE_ACTIONS, pipeline))
    {
        globus_libc_free(plugin);
        plugin = NULL;
    }
    if (plugin)
    {
        globus_ftp_client_plugin_set_copy_func(plugin, copy_plugin);
        globus_ftp_client_plugin_set_destroy_func(plugin, destroy_plugin);
        globus_ftp_client_plugin_set_third_party_transfer_func(plugin, on_transfer);
        globus_ftp_client_plugin_set_response_func(plugin, on_response);
    }
    return plugin;
}

static globus_ftp_client_plugin_t *copy_plugin(globus_ftp_client_plugin_t *plugin, void *specific)
{
    (void) plugin;
    return new_plugin(specific);
}

/* Has a handle, which nothing uses yet, report to `pipeline`. */
globus_result_t cog_pipeline_watch(cog_pipeline *pipeline, globus_ftp_client_handle_t *handle)
{
    globus_ftp_client_plugin_t *plugin = new_plugin(pipeline);
    globus_result_t result;

    if (!plugin)
    {
        return globus_error_put(GLOBUS_ERROR_NO_INFO);
    }
    result = globus_ftp_client_handle_add_plugin(handle, plugin);   /* takes a copy */
    destroy_plugin(plugin, pipeline);
    return result;
}
