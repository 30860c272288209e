/*
 * Many files one after another over one handle, without Python in between.
 *
 * Python opens the files and pushes jobs ahead; when a transfer has ended, the thread of Globus'
 * that tells so begins the next one.  Each file's end is an event, which Python takes when it comes
 * to it.  The first failure halts the batch: the handle is then Python's to replace.  Python also is
 * who aborts a transfer, when it is asked to (COG_EVENT_BATCH_FAILED): it knows when that is safe.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORE 64                /* jobs that wait */
#define LET_GO_US 150           /* microseconds; the thread needs a few, unless it is preempted */

struct job
{
    int64_t             number;
    char               *url;
    int                 fd;
    cog_place          *place;          /* or NULL: `fd` */
};

struct cog_batch
{
    cog_token                           token, end_token;
    int                                 blocks;
    size_t                              block_size;
    int                                 is_put;
    globus_ftp_client_handle_t         *handle;
    globus_ftp_client_operationattr_t  *attr;

    _Atomic int64_t     bytes;          /* of the files that have ended */
    pthread_mutex_t     lock;           /* guards the rest; never held across a Globus call */
    pthread_cond_t      changed;
    struct job          jobs[STORE];
    int                 first, count;
    int                 busy;           /* a transfer runs, is being begun, or its end is being told */
    int                 beginning;      /* a thread is in begin_next() */
    int                 ended, stopped, halted, told;
    cog_pump           *pump;           /* of the transfer that runs */
    int64_t             number;         /* of its job */
};

cog_batch *cog_batch_new(
    cog_token token, cog_token end_token, int is_put, int blocks, size_t block_size,
    globus_ftp_client_handle_t *handle, globus_ftp_client_operationattr_t *attr)
{
    cog_batch *batch = calloc(1, sizeof *batch);

    if (batch)
    {
        batch->token = token;
        batch->end_token = end_token;
        batch->is_put = is_put;
        batch->blocks = blocks;
        batch->block_size = block_size;
        batch->handle = handle;
        batch->attr = attr;
        pthread_mutex_init(&batch->lock, NULL);
        pthread_cond_init(&batch->changed, NULL);
    }
    return batch;
}

static void free_job(struct job *job)
{
    free(job->url);
    if (job->place)
    {
        cog_place_close(job->place);
    }
}

void cog_batch_free(cog_batch *batch)
{
    if (batch)
    {
        for (; batch->count; batch->count--, batch->first = (batch->first + 1) % STORE)
        {
            free_job(&batch->jobs[batch->first]);
        }
        pthread_cond_destroy(&batch->changed);
        pthread_mutex_destroy(&batch->lock);
        free(batch);
    }
}

static void begin_next(cog_batch *batch, int idle);

/* Waits for room.  The file is a place, or else a descriptor, which stays the caller's, and must stay
 * open until the job's event or the batch's end.  0, or -errno; ECANCELED when the batch has halted or
 * was stopped. */
int cog_batch_push(cog_batch *batch, int64_t number, const char *url, int fd, cog_place *place)
{
    char *copy = strdup(url);
    int over;

    if (!copy)
    {
        return -ENOMEM;
    }
    pthread_mutex_lock(&batch->lock);
    while (batch->count == STORE && !batch->stopped && !batch->halted)
    {
        pthread_cond_wait(&batch->changed, &batch->lock);
    }
    over = batch->stopped || batch->halted;
    if (!over)
    {
        batch->jobs[(batch->first + batch->count++) % STORE] =
            (struct job) { .number = number, .url = copy, .fd = fd, .place = place };
        if (place)
        {
            cog_place_use(place);
        }
    }
    pthread_mutex_unlock(&batch->lock);
    if (over)
    {
        free(copy);
        return -ECANCELED;
    }
    begin_next(batch, 0);
    return 0;
}

/* No more jobs will come: the last event, COG_EVENT_BATCH_END, follows the last of them. */
void cog_batch_end(cog_batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    batch->ended = 1;
    pthread_mutex_unlock(&batch->lock);
    begin_next(batch, 0);
}

/* Begin no other transfer; the one that runs is the caller's to abort. */
void cog_batch_stop(cog_batch *batch)
{
    pthread_mutex_lock(&batch->lock);
    batch->stopped = 1;
    if (batch->pump)
    {
        cog_pump_stop(batch->pump);
    }
    pthread_cond_broadcast(&batch->changed);
    pthread_mutex_unlock(&batch->lock);
    begin_next(batch, 0);
}

int64_t cog_batch_bytes(cog_batch *batch)
{
    int64_t bytes;

    pthread_mutex_lock(&batch->lock);
    bytes = atomic_load(&batch->bytes) + (batch->pump ? cog_pump_bytes(batch->pump) : 0);
    pthread_mutex_unlock(&batch->lock);
    return bytes;
}

int cog_batch_waits_for(cog_batch *batch, int64_t *number)
{
    int what = COG_WAITS_FOR_NOTHING;

    pthread_mutex_lock(&batch->lock);
    if (batch->pump)
    {
        what = cog_pump_waits(batch->pump) ? COG_WAITS_FOR_PLACE : COG_WAITS_FOR_SERVER;
        *number = batch->number;
    }
    pthread_mutex_unlock(&batch->lock);
    return what;
}

/* The file of job `number` has ended, well or not; `error` becomes the receiver's. */
static void tell(cog_batch *batch, int64_t number, int code, int64_t bytes, globus_object_t *error)
{
    cog_event event = { .token = batch->token, .kind = COG_EVENT_BATCH, .code = code, .a = bytes,
                        .b = number, .object = error };

    cog_post(&event);
}

static void begin_later(void *batch)
{
    begin_next(batch, 1);
}

/* The transfer that runs is to be aborted. */
static void ask_for_abort(cog_batch *batch, int64_t number, int code)
{
    cog_event event = {
        .token = batch->token, .kind = COG_EVENT_BATCH_FAILED, .code = code, .b = number };

    cog_post(&event);
}

/* A transfer has ended, and Globus holds nothing of it any more.  The batch stays busy until that has
 * been told: events come in the order of the files, and the batch cannot end meanwhile. */
static void ended(
    cog_batch *batch, cog_pump *pump, int64_t number, int code, globus_object_t *error)
{
    int64_t bytes = cog_pump_bytes(pump);
    globus_reltime_t soon;
    globus_result_t result;

    pthread_mutex_lock(&batch->lock);
    batch->pump = NULL;
    batch->halted |= code || error;
    atomic_fetch_add(&batch->bytes, bytes);
    pthread_cond_broadcast(&batch->changed);
    pthread_mutex_unlock(&batch->lock);
    cog_pump_free(pump);
    tell(batch, number, code, bytes, error);
    /* Whoever called us is one of Globus' threads that still has to let go of the data connection
     * (GCT 6.2: globus_l_ftp_eb_read_callback() and globus_l_ftp_stream_write_eof_callback() change
     * the state of the connection, or take it down, after they have told its end).  A transfer that
     * begins before that meets the same. */
    GlobusTimeReltimeSet(soon, 0, LET_GO_US);
    result = globus_callback_register_oneshot(NULL, &soon, begin_later, batch);
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        begin_next(batch, 1);
    }
}

/* The pump's cog_pump_report. */
static void on_pump(void *owner, cog_pump *pump, int64_t number, const cog_event *event)
{
    if (event->kind == COG_EVENT_PUMP)
    {
        ended(owner, pump, number, event->code, event->object);
    }
    else
    {
        ask_for_abort(owner, number, event->code);
    }
}

/* A pump for the job's own place, or for one of its descriptor; the pump then keeps that. */
static cog_pump *new_pump(cog_batch *batch, const struct job *job)
{
    cog_place *place = job->place ? job->place : cog_place_open(job->fd, !batch->is_put);
    cog_pump *pump = place
        ? cog_pump_new(0, 0, place, batch->blocks, batch->block_size, 0, 0, 0, -1) : NULL;
    int reason = errno;

    if (place && place != job->place)
    {
        cog_place_close(place);
    }
    errno = reason;
    return pump;
}

/* Begins a transfer.  Whatever goes wrong is told like any other end of it. */
static void begin(cog_batch *batch, const struct job *job)
{
    globus_result_t result;
    int late;
    cog_pump *pump = new_pump(batch, job);

    if (!pump)
    {
        int reason = errno;

        pthread_mutex_lock(&batch->lock);
        batch->busy = 0;
        batch->halted = 1;
        pthread_cond_broadcast(&batch->changed);
        pthread_mutex_unlock(&batch->lock);
        tell(batch, job->number, reason, 0, NULL);
        return;
    }
    cog_pump_report_to(pump, on_pump, batch, job->number);
    pthread_mutex_lock(&batch->lock);
    batch->pump = pump;
    batch->number = job->number;
    pthread_mutex_unlock(&batch->lock);
    result = batch->is_put
        ? globus_ftp_client_put(batch->handle, job->url, batch->attr, NULL, cog_on_pump_complete, pump)
        : globus_ftp_client_get(batch->handle, job->url, batch->attr, NULL, cog_on_pump_complete, pump);
    if (result != GLOBUS_SUCCESS)
    {
        ended(batch, pump, job->number, 0, globus_error_get(result));
    }
    else if (batch->is_put)
    {
        cog_pump_start_put(pump, batch->handle);
    }
    else
    {
        cog_pump_start_get(pump, batch->handle);
    }
    pthread_mutex_lock(&batch->lock);
    late = batch->stopped && batch->busy;
    pthread_mutex_unlock(&batch->lock);
    if (late)       /* stopped while this one was begun: whoever stopped it could not abort it yet */
    {
        ask_for_abort(batch, job->number, ECANCELED);
    }
}

/* Begins the next transfer if none runs, on whatever thread; `idle`: the end of the last one has been
 * told.  A transfer may end before the call that began it has returned: its end then leaves the next
 * one to that caller, so that nothing recurses. */
static void begin_next(cog_batch *batch, int idle)
{
    struct job job = { .url = NULL };
    cog_event event = { .token = batch->end_token, .kind = COG_EVENT_BATCH_END };
    int over = 0;

    pthread_mutex_lock(&batch->lock);
    batch->busy &= !idle;
    if (batch->beginning)
    {
        pthread_mutex_unlock(&batch->lock);
        return;
    }
    batch->beginning = 1;
    while (!batch->busy && !batch->stopped && !batch->halted && batch->count)
    {
        job = batch->jobs[batch->first];
        batch->first = (batch->first + 1) % STORE;
        batch->count--;
        batch->busy = 1;
        pthread_cond_broadcast(&batch->changed);
        pthread_mutex_unlock(&batch->lock);
        begin(batch, &job);
        free_job(&job);
        pthread_mutex_lock(&batch->lock);
    }
    batch->beginning = 0;
    if (!batch->busy && !batch->told &&
        (batch->stopped || batch->halted || (batch->ended && !batch->count)))
    {
        batch->told = over = 1;
    }
    pthread_mutex_unlock(&batch->lock);
    if (over)
    {
        cog_post(&event);       /* Python may free the batch, and must not wait for this thread */
    }
}
