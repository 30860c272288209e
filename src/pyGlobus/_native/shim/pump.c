/*
 * The pump: bulk data between a place on this machine and a GridFTP transfer, without Python per
 * block.  This file knows when it begins and when it is over.  The blocks are moved by file.c, in
 * Globus' callbacks, or by stream.c, on a thread of the pump's own: a pipe may keep one waiting.
 *
 * Whoever owns the pump (Python, or batch.c) starts the transfer with cog_on_pump_complete and the
 * pump as its argument, then calls cog_pump_start_get() or _put(); neither waits for anything.  From
 * then on each data callback moves a block and hands its buffer back to Globus.
 *
 *      new ---> running ---> completed ---> told ---> gone
 *                  |             ^
 *                  +--> failed --+
 *
 * running      until Globus calls the completion, however the transfer has ended.  Meanwhile
 * failed       the disk is full, the pipe is broken, ...: nothing more is moved, and the owner is
 *              asked to abort the transfer (it knows when that is safe), so that it completes.
 * completed    nothing more is begun.  The owner is told of the end, once, when
 *                - nobody is `inside`: the starter, callbacks, the thread of stream.c; and
 *                - no block is `lent`: Globus has given all of them back, or has lost them.
 * told         nobody uses the place any more.  The owner frees the pump; that is done when
 *              no block is lent and no timer runs, either.
 *
 * A block that is registered while Globus fails a put goes into a queue that is not looked at again
 * (GCT 6.2: globus_l_ftp_client_connection_error() empties it, then lets the callbacks of the blocks
 * under way end the transfer).  It never comes back, and is not touched either until another
 * operation begins on the handle, which after a failure is never.  So what is missing a second after
 * a transfer has failed no longer keeps the owner from being told; its memory is kept all the same.
 */
#define _GNU_SOURCE
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOST_AFTER 1    /* seconds */

/* --- memory ------------------------------------------------------------------------------------- */

/* The memory of the last pumps that ended, for the next ones: malloc would map and unmap it every
 * time (its adaptive threshold never learns from aligned blocks), which costs a small file a tenth
 * of its time. */
#define SPARES 4
#define SPARE_BYTES (8 << 20)       /* of them all */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { globus_byte_t *memory; size_t size; } spares[SPARES];     /* under spare_lock */
static size_t spare_bytes;                                                /* likewise */

static globus_byte_t *take_memory(size_t size)
{
    void *memory = NULL;

    pthread_mutex_lock(&spare_lock);
    for (int i = 0; i < SPARES && !memory; i++)
    {
        if (spares[i].memory && spares[i].size == size)
        {
            memory = spares[i].memory;
            spares[i].memory = NULL;
            spare_bytes -= size;
        }
    }
    pthread_mutex_unlock(&spare_lock);
    return memory || !posix_memalign(&memory, 4096, size) ? memory : NULL;
}

static void give_memory(globus_byte_t *memory, size_t size)
{
    pthread_mutex_lock(&spare_lock);
    for (int i = 0; i < SPARES && memory; i++)
    {
        if (!spares[i].memory && spare_bytes + size <= SPARE_BYTES)
        {
            spares[i].memory = memory;
            spares[i].size = size;
            spare_bytes += size;
            memory = NULL;
        }
    }
    pthread_mutex_unlock(&spare_lock);
    free(memory);
}

/* --- from the first to the last ----------------------------------------------------------------- */

/* A pump of Python's own posts events. */
static void post(void *owner, cog_pump *pump, int64_t number, const cog_event *event)
{
    cog_event posted = *event;

    (void) owner, (void) number;
    posted.token = event->kind == COG_EVENT_PUMP ? pump->token : pump->news;
    cog_post(&posted);
}

static cog_pump *no_room(cog_pump *pump, int reason)
{
    if (pump && pump->wake >= 0)
    {
        close(pump->wake);
    }
    free(pump);
    errno = reason;
    return NULL;
}

cog_pump *cog_pump_new(
    cog_token token, cog_token news, cog_place *place, int blocks, size_t block_size, int64_t base,
    int64_t lowest, int64_t first, int64_t end)
{
    cog_pump *pump = calloc(1, sizeof *pump);
    size_t length;

    if (!pump)
    {
        return no_room(pump, ENOMEM);
    }
    pump->report = post;
    pump->token = token;
    pump->news = news;
    pump->place = place;
    pump->is_stream = cog_place_is_stream(place);
    pump->blocks = blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS;
    pump->block_size = block_size;
    pump->base = base;
    pump->lowest = lowest;
    pump->first = pump->position = first;
    pump->end = end;
    pump->owned = 1;
    pump->inside = 1;           /* the starter */
    pump->wake = pump->is_stream ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (pump->is_stream && pump->wake < 0)
    {
        return no_room(pump, errno);
    }
    if (!pump->is_stream && !cog_place_data(place, &length))
    {
        pump->memory = take_memory((size_t) pump->blocks * block_size);
        if (!pump->memory)
        {
            return no_room(pump, ENOMEM);
        }
    }
    pthread_mutex_init(&pump->order, NULL);
    pthread_mutex_init(&pump->lock, NULL);
    cog_place_use(place);
    return pump;
}

static void destroy(cog_pump *pump)
{
    pthread_mutex_destroy(&pump->order);
    pthread_mutex_destroy(&pump->lock);
    if (pump->error)
    {
        globus_object_free(pump->error);
    }
    if (pump->wake >= 0)
    {
        close(pump->wake);
    }
    if (pump->memory)
    {
        give_memory(pump->memory, (size_t) pump->blocks * pump->block_size);
    }
    cog_spans_clear(&pump->written);
    cog_place_forget(pump->place);
    free(pump);
}

void cog_pump_report_to(cog_pump *pump, cog_pump_report report, void *owner, int64_t number)
{
    pump->report = report;
    pump->owner = owner;
    pump->number = number;
}

static int is_over_locked(const cog_pump *pump)
{
    return pump->completed && !pump->told && !pump->inside
        && (!pump->lent || (pump->error && pump->overdue));
}

static int is_gone_locked(const cog_pump *pump)
{
    return !pump->owned && !pump->inside && !pump->lent && !pump->timed;
}

/* Nobody else is inside, and nobody comes in any more. */
static void tell_the_end(cog_pump *pump)
{
    cog_event event = { .kind = COG_EVENT_PUMP };

    if (!pump->error)       /* it has succeeded, and every callback of it has returned */
    {
        cog_file_write_kept(pump);
    }
    event.code = atomic_load(&pump->local_errno);
    if (!pump->error && !event.code && pump->is_put && !atomic_load(&pump->eof))
    {
        event.code = COG_PUMP_UNFINISHED;
    }
    event.a = cog_pump_bytes(pump);
    event.object = pump->error;
    pump->error = NULL;
    cog_place_leave(pump->place);
    pump->report(pump->owner, pump, pump->number, &event);
}

/* Unlocks. */
static void look_for_the_end(cog_pump *pump)
{
    int over = is_over_locked(pump), gone;

    if (over)
    {
        pump->told = 1;
        pump->inside++;     /* until it has been told: it may be freed meanwhile */
        pthread_mutex_unlock(&pump->lock);
        tell_the_end(pump);
        pthread_mutex_lock(&pump->lock);
        pump->inside--;
    }
    gone = is_gone_locked(pump);
    pthread_mutex_unlock(&pump->lock);
    if (gone)
    {
        destroy(pump);
    }
}

void cog_pump_enter(cog_pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    pump->inside++;
    pthread_mutex_unlock(&pump->lock);
}

void cog_pump_leave(cog_pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    pump->inside--;
    if (pump->completed && pump->inside == 1)
    {
        cog_stream_wake(pump);      /* its thread may be who is left */
    }
    look_for_the_end(pump);
}

void cog_pump_free(cog_pump *pump)
{
    if (pump)
    {
        pthread_mutex_lock(&pump->lock);
        pump->owned = 0;
        if (!pump->completed)       /* it was never started: the starter's place is free, too */
        {
            pump->inside--;
            cog_place_leave(pump->place);
        }
        look_for_the_end(pump);
    }
}

void cog_pump_lend(cog_pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    pump->lent++;
    pthread_mutex_unlock(&pump->lock);
}

/* What Globus does not take belongs to a transfer that is over, and whose completion tells why. */
int cog_pump_taken(cog_pump *pump, globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        pthread_mutex_lock(&pump->lock);
        pump->lent--;
        pthread_mutex_unlock(&pump->lock);
    }
    return result == GLOBUS_SUCCESS;
}

int cog_pump_back(cog_pump *pump)
{
    int told;

    pthread_mutex_lock(&pump->lock);
    pump->lent--;
    pump->inside++;
    told = pump->told;
    pthread_mutex_unlock(&pump->lock);
    return !told;
}

static void on_overdue(void *arg)
{
    cog_pump *pump = arg;

    pthread_mutex_lock(&pump->lock);
    pump->timed = 0;
    pump->overdue = 1;
    look_for_the_end(pump);
}

/* The pump stays until the timer has run, whether or not the blocks come back. */
static void wait_for_lost_blocks(cog_pump *pump)
{
    globus_reltime_t soon;
    globus_result_t result;

    GlobusTimeReltimeSet(soon, LOST_AFTER, 0);
    result = globus_callback_register_oneshot(NULL, &soon, on_overdue, pump);
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        on_overdue(pump);
    }
}

void cog_on_pump_complete(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    cog_pump *pump = arg;
    globus_object_t *copy = error ? globus_object_copy(error) : NULL;
    int missing;

    (void) handle;
    pthread_mutex_lock(&pump->lock);
    pump->inside++;
    pump->completed = 1;
    pump->error = copy;
    missing = pump->timed = error && pump->lent;
    pthread_mutex_unlock(&pump->lock);
    if (missing)
    {
        wait_for_lost_blocks(pump);
    }
    cog_stream_wake(pump);
    cog_pump_leave(pump);
}

void cog_pump_fail(cog_pump *pump, int reason)
{
    cog_event event = { .kind = COG_EVENT_PUMP_FAILED, .code = reason };
    int none = 0, first;

    atomic_compare_exchange_strong(&pump->local_errno, &none, reason);
    pthread_mutex_lock(&pump->lock);
    first = !pump->complained && !pump->completed;
    pump->complained = 1;
    pthread_mutex_unlock(&pump->lock);
    if (first)
    {
        pump->report(pump->owner, pump, pump->number, &event);
    }
    cog_stream_wake(pump);
}

void cog_pump_stop(cog_pump *pump)
{
    atomic_store(&pump->stopped, 1);
    cog_stream_wake(pump);
}

/* --- what can be asked --------------------------------------------------------------------------- */

void cog_pump_note_written(cog_pump *pump, int64_t offset, size_t length)
{
    pthread_mutex_lock(&pump->lock);
    cog_spans_add(&pump->written, offset, offset + (int64_t) length);
    pthread_mutex_unlock(&pump->lock);
}

char *cog_pump_written(cog_pump *pump)
{
    char *text;

    pthread_mutex_lock(&pump->lock);
    text = cog_spans_text(&pump->written);
    pthread_mutex_unlock(&pump->lock);
    return text;
}

void cog_pump_count(cog_pump *pump, int64_t bytes)
{
    atomic_fetch_add_explicit(&pump->bytes, bytes, memory_order_relaxed);
}

int64_t cog_pump_bytes(const cog_pump *pump)
{
    return atomic_load_explicit(&pump->bytes, memory_order_relaxed);
}

int cog_pump_waits(const cog_pump *pump)
{
    return atomic_load(&pump->waiting);
}

/* --- the start ----------------------------------------------------------------------------------- */

void cog_pump_start_get(cog_pump *pump, globus_ftp_client_handle_t *handle)
{
    pump->handle = handle;
    if (pump->is_stream)
    {
        /* a stream takes blocks in their order only: one at a time */
        pump->blocks = 1;
        pump->memory = take_memory(pump->block_size);
    }
    if (pump->memory)
    {
        /* A file of one block is done with this one; the others would only come back empty, each by
         * a callback of its own.  They follow when this one has come back and there is more. */
        cog_file_read_next(pump, pump->memory);
    }
    else
    {
        cog_pump_fail(pump, ENOMEM);
    }
    cog_pump_leave(pump);       /* the starter */
}

void cog_pump_start_put(cog_pump *pump, globus_ftp_client_handle_t *handle)
{
    pump->handle = handle;
    pump->is_put = 1;
    if (pump->is_stream)
    {
        cog_stream_put(pump);
    }
    else
    {
        cog_file_put(pump);
    }
    cog_pump_leave(pump);       /* the starter */
}
