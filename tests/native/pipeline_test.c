/*
 * Plays Globus, two servers and Python against the pipeline.  Globus asks for pairs on its own
 * thread; each server reports its files complete on a thread of its own, at its own pace; Python
 * fills the store, begins operation after operation, and stops at any moment.  Meant for the
 * sanitizers.
 */
#define _GNU_SOURCE
#include "check.h"
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { MOST = 400, OUTSTANDING = 16 };

/* --- Globus, as far as the pipeline knows it -------------------------------------------------------- */

globus_object_t GLOBUS_ERROR_BASE_STATIC_PROTOTYPE;

static struct
{
    globus_ftp_client_plugin_copy_t     copy;
    globus_ftp_client_plugin_destroy_t  destroy;
    globus_ftp_client_plugin_response_t response;
    globus_ftp_client_plugin_third_party_transfer_t transfer;
    void                               *specific;
    globus_ftp_client_plugin_t         *watcher;    /* the copy that the handle has */
    int                                 inits, destroys;
} globus;

globus_result_t globus_error_put(globus_object_t *error)
{
    (void) error;
    return 1;
}

globus_result_t globus_ftp_client_plugin_init(
    globus_ftp_client_plugin_t *plugin, const char *name,
    globus_ftp_client_plugin_command_mask_t mask, void *specific)
{
    CHECK(plugin && name && mask == GLOBUS_FTP_CLIENT_CMD_MASK_FILE_ACTIONS);
    globus.specific = specific;
    globus.inits++;
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_plugin_destroy(globus_ftp_client_plugin_t *plugin)
{
    CHECK(plugin);
    globus.destroys++;
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_plugin_set_copy_func(
    globus_ftp_client_plugin_t *plugin, globus_ftp_client_plugin_copy_t function)
{
    (void) plugin;
    globus.copy = function;
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_plugin_set_destroy_func(
    globus_ftp_client_plugin_t *plugin, globus_ftp_client_plugin_destroy_t function)
{
    (void) plugin;
    globus.destroy = function;
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_plugin_set_response_func(
    globus_ftp_client_plugin_t *plugin, globus_ftp_client_plugin_response_t function)
{
    (void) plugin;
    globus.response = function;
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_plugin_set_third_party_transfer_func(
    globus_ftp_client_plugin_t *plugin, globus_ftp_client_plugin_third_party_transfer_t function)
{
    (void) plugin;
    globus.transfer = function;
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_handle_add_plugin(
    globus_ftp_client_handle_t *handle, globus_ftp_client_plugin_t *plugin)
{
    CHECK(handle);
    globus.watcher = globus.copy(plugin, globus.specific);
    CHECK(globus.watcher);
    return GLOBUS_SUCCESS;
}

/* The clock that says what time it is was an hour fast, and is set right whenever somebody has read it;
 * nobody sets the other one. */
#undef clock_gettime
extern int clock_gettime(clockid_t clock, struct timespec *now);

int cog_test_clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = clock_gettime(clock, now);

    now->tv_sec += clock == CLOCK_REALTIME ? 3600 : 0;
    return failed;
}

/* --- an operation: the pairs that Globus was given, and the servers that work on them --------------- */

typedef struct
{
    pthread_mutex_t lock;
    pthread_cond_t  news;
    char            urls[MOST][2][32];
    int             given;
    int             done[2];        /* files that each server has reported */
    int             closed;         /* no more pairs will be given */
} operation;

typedef struct
{
    operation      *operation;
    cog_pipeline   *pipeline;
    int             side;
    uint32_t        random;
} server;

static globus_ftp_client_handle_t handle;

static void *serve(void *arg)
{
    server *self = arg;
    operation *op = self->operation;
    globus_ftp_control_response_t reply = { 0 };

    pthread_mutex_lock(&op->lock);
    for (;;)
    {
        int number = op->done[self->side], left = op->given - number;
        char url[32];

        if (number == op->given)
        {
            if (op->closed)
            {
                break;
            }
            pthread_cond_wait(&op->news, &op->lock);
            continue;
        }
        memcpy(url, op->urls[number][self->side], sizeof url);
        pthread_mutex_unlock(&op->lock);
        if (chance(&self->random, 8) == 0)
        {
            usleep(chance(&self->random, 50));
        }
        reply.response_class = GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY;
        globus.response(globus.watcher, globus.specific, &handle, url, NULL, &reply);
        /* what one server has not reported is not complete, whatever the other says */
        CHECK(cog_pipeline_under_way(self->pipeline) >= left);
        reply.response_class = GLOBUS_FTP_POSITIVE_COMPLETION_REPLY;
        globus.response(globus.watcher, globus.specific, &handle, url, NULL, &reply);
        pthread_mutex_lock(&op->lock);
        op->done[self->side]++;
        pthread_cond_broadcast(&op->news);
    }
    pthread_mutex_unlock(&op->lock);
    return NULL;
}

static void give(operation *op, const char *source, const char *dest)
{
    pthread_mutex_lock(&op->lock);
    CHECK(op->given < MOST);
    snprintf(op->urls[op->given][0], 32, "%s", source);
    snprintf(op->urls[op->given][1], 32, "%s", dest);
    op->given++;
    pthread_cond_broadcast(&op->news);
    pthread_mutex_unlock(&op->lock);
}

/* From the first pair, which Python took, until the pipeline says that there is no more. */
static void transfer(cog_pipeline *pipeline, const char *source, const char *dest, uint32_t random)
{
    operation op = { .given = 0 };
    server servers[2];
    pthread_t threads[2];
    int i, behind;

    pthread_mutex_init(&op.lock, NULL);
    pthread_cond_init(&op.news, NULL);
    for (i = 0; i < 2; i++)
    {
        servers[i] = (server) { .operation = &op, .pipeline = pipeline, .side = i,
                                 .random = random + (uint32_t) i };
        CHECK(!pthread_create(&threads[i], NULL, serve, &servers[i]));
    }
    for (;;)
    {
        char *next_source, *next_dest;

        give(&op, source, dest);
        pthread_mutex_lock(&op.lock);
        do
        {
            behind = op.given - (op.done[0] < op.done[1] ? op.done[0] : op.done[1]);
        }
        while (behind >= OUTSTANDING && !pthread_cond_wait(&op.news, &op.lock));
        pthread_mutex_unlock(&op.lock);
        cog_on_pipeline(&handle, &next_source, &next_dest, pipeline);
        CHECK(!next_source == !next_dest);
        if (!next_source)
        {
            break;
        }
        source = next_source;
        dest = next_dest;
    }
    pthread_mutex_lock(&op.lock);
    op.closed = 1;
    pthread_cond_broadcast(&op.news);
    pthread_mutex_unlock(&op.lock);
    for (i = 0; i < 2; i++)
    {
        CHECK(!pthread_join(threads[i], NULL));
    }
    pthread_mutex_destroy(&op.lock);
    pthread_cond_destroy(&op.news);
}

/* --- Python --------------------------------------------------------------------------------------------- */

typedef struct
{
    cog_pipeline   *pipeline;
    char            source[32], dest[32];
    uint32_t        random;
    _Atomic int     over;
    useconds_t      delay;
} program;

static uint64_t runs, operations, pairs;

static void *operate(void *arg)
{
    program *self = arg;

    transfer(self->pipeline, self->source, self->dest, self->random);
    cog_pipeline_rest(self->pipeline);
    atomic_store(&self->over, 1);
    return NULL;
}

static void *give_up(void *arg)
{
    program *self = arg;

    usleep(self->delay);
    cog_pipeline_stop(self->pipeline);
    return NULL;
}

/* Begins an operation if none runs and there is a pair. */
static int keep_running(program *self, pthread_t *thread, int running)
{
    const char *source, *dest;

    if (running && !atomic_load(&self->over))
    {
        return 1;
    }
    if (running)
    {
        CHECK(!pthread_join(*thread, NULL));
    }
    if (!cog_pipeline_take(self->pipeline, &source, &dest))
    {
        return 0;
    }
    snprintf(self->source, sizeof self->source, "%s", source);
    snprintf(self->dest, sizeof self->dest, "%s", dest);
    atomic_store(&self->over, 0);
    self->random++;
    CHECK(!pthread_create(thread, NULL, operate, self));
    operations++;
    return 1;
}

static int64_t take_events(cog_token token, int64_t completed)
{
    cog_event event;

    while (cog_take(&event, 1))
    {
        CHECK(event.token == token && event.kind == COG_EVENT_PIPELINE && !event.object);
        completed = event.a > completed ? event.a : completed;
    }
    return completed;
}

/* `same`: every pair has the same URLs, as when one file is sent again and again. */
static void run(cog_pipeline *pipeline, cog_token token, int count, int same, int slow, int stopped)
{
    static uint32_t fate = 5;
    program self = { .pipeline = pipeline, .random = 1 + chance(&fate, 1000),
                     .delay = chance(&fate, 3000) };
    pthread_t thread, user;
    int number, running = 0, failed = 0;
    int64_t completed;

    cog_pipeline_begin(pipeline);
    if (stopped)
    {
        CHECK(!pthread_create(&user, NULL, give_up, &self));
    }
    for (number = 0; number < count && !failed; number++)
    {
        char source[32], dest[32];

        snprintf(source, sizeof source, "gsiftp://one/%d", same ? 0 : number);
        snprintf(dest, sizeof dest, "gsiftp://two/%d", same ? 0 : number);
        failed = cog_pipeline_push(pipeline, source, dest);
        CHECK(!failed || (stopped && failed == -ECANCELED));
        running = failed ? running : keep_running(&self, &thread, running);
        if (slow && number % 10 == 0)
        {
            usleep(25000);      /* longer than Globus is kept waiting */
        }
    }
    cog_pipeline_end(pipeline);
    while (running)
    {
        CHECK(!pthread_join(thread, NULL));
        atomic_store(&self.over, 0);
        running = !failed && keep_running(&self, &thread, 0);
    }
    if (stopped)
    {
        CHECK(!pthread_join(user, NULL));
    }
    completed = take_events(token, 0);
    CHECK(cog_pipeline_under_way(pipeline) == 0);
    CHECK(stopped ? completed <= count : completed == count);
    runs++;
    pairs += (uint64_t) completed;
}

/* Globus, which holds the handle, is not kept waiting for pairs that do not come. */
static void nothing_comes(cog_pipeline *pipeline)
{
    double started = seconds_now();
    const char *first, *second;
    char *source, *dest;

    cog_pipeline_begin(pipeline);
    CHECK(!cog_pipeline_push(pipeline, "gsiftp://one/1", "gsiftp://two/1"));
    CHECK(cog_pipeline_take(pipeline, &first, &second));
    cog_on_pipeline(&handle, &source, &dest, pipeline);
    CHECK(!source && !dest && seconds_now() - started < 20);
    cog_pipeline_rest(pipeline);
}

int main(void)
{
    double started = seconds_now();
    cog_pipeline *pipeline;
    cog_token token;
    int round;

    alarm(50);      /* a test that hangs is a test that failed */
    CHECK(cog_queue_open(object_free) >= 0);
    token = cog_slot_new(COG_MANY);
    pipeline = cog_pipeline_new(token);
    CHECK(token && pipeline && cog_pipeline_watch(pipeline, &handle) == GLOBUS_SUCCESS);
    CHECK(globus.transfer && globus.specific == pipeline);
    nothing_comes(pipeline);
    for (round = 0; round < 20; round++)
    {
        run(pipeline, token, 0, 0, 0, 0);
        run(pipeline, token, 1, 0, 0, 0);
        run(pipeline, token, MOST, 0, 0, 0);
        run(pipeline, token, MOST, 1, 0, 0);
        run(pipeline, token, 30, 0, 1, 0);
        run(pipeline, token, MOST, 0, 0, 1);
    }
    globus.destroy(globus.watcher, globus.specific);
    CHECK(globus.inits == 2 && globus.destroys == 2);
    cog_pipeline_free(pipeline);
    cog_slot_close(token);
    printf("pipeline: %llu runs, %llu operations, %llu pairs: %.1f s\n", (unsigned long long) runs,
        (unsigned long long) operations, (unsigned long long) pairs, seconds_now() - started);
    return 0;
}
