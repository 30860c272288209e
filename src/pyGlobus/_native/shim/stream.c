/*
 * The pump's other half: streams, whose other end may be in no hurry.
 *
 * Whatever may wait is done by a thread of the pump's own, which is started when it is needed and
 * ends before the pump's owner is told of the end: a callback of Globus' only hands over what it has
 * got, and wakes it.
 *
 * put      the thread reads what is there, and hands it to Globus when it comes: a slow pipe's bytes
 *          go out at once, those of a quick one in whole blocks, as while some are on their way
 *          others gather.  They lie in the place, which keeps them for another attempt.
 * get      the callback gives its block to the thread, which writes it and gives it back to Globus.
 *
 * It leaves off at once when the transfer was stopped or has failed.  A stream has lost no byte then
 * that the place has not got, and has got none that has not been counted.
 */
#define _GNU_SOURCE
#include "pump.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

void cog_stream_wake(cog_pump *pump)
{
    uint64_t one = 1;

    if (pump->wake >= 0 && write(pump->wake, &one, sizeof one) < 0)
    {
        return;     /* full: it is awake */
    }
}

/* Whether nothing is left to do for the thread but to leave.  Of a get that has succeeded, the last
 * block may still have to be written. */
static int is_off(cog_pump *pump)
{
    int off;

    pthread_mutex_lock(&pump->lock);
    off = pump->completed && (pump->error || pump->is_put);
    pthread_mutex_unlock(&pump->lock);
    return off || atomic_load(&pump->stopped) || atomic_load(&pump->local_errno);
}

/* The thread is inside from now on.  No signal is for it: see docs/internals/threads.md. */
static int start_thread(cog_pump *pump, void *(*function)(void *))
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t blocked, before;
    int failed;

    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGTRAP);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    cog_pump_enter(pump);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    failed = pthread_create(&thread, &attributes, function, pump);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed)
    {
        cog_pump_fail(pump, failed);
        cog_pump_leave(pump);       /* another is inside: whoever wants the thread */
    }
    return !failed;
}

/* --- put ------------------------------------------------------------------------------------------ */

static void on_written(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    cog_pump *pump = arg;
    int i;

    (void) handle, (void) offset, (void) eof;
    if (cog_pump_back(pump) && !error)
    {
        cog_pump_count(pump, (int64_t) length);
        pthread_mutex_lock(&pump->lock);
        for (i = 0; i < pump->count; i++)
        {
            pump->sent[i].back |= pump->sent[i].buffer == buffer && pump->sent[i].length == length;
        }
        while (pump->count && pump->sent[0].back)
        {
            pump->acknowledged += (int64_t) pump->sent[0].length;
            memmove(pump->sent, pump->sent + 1, (size_t) --pump->count * sizeof *pump->sent);
        }
        pthread_mutex_unlock(&pump->lock);
        cog_stream_wake(pump);
    }
    cog_pump_leave(pump);
}

enum { SENT, NOTHING_TO_SEND, REFUSED };

/* Hands over what has been read, if Globus has not enough already. */
static int send_next(cog_pump *pump)
{
    block next = { .offset = pump->position };
    int waiting;

    pthread_mutex_lock(&pump->lock);
    waiting = pump->count;
    pthread_mutex_unlock(&pump->lock);
    next.length = (size_t) (cog_place_end(pump->place) - pump->position);
    next.length = next.length < pump->block_size ? next.length : pump->block_size;
    next.buffer = cog_place_at(pump->place, pump->position, &next.length);
    next.eof = cog_place_has_ended(pump->place, pump->end)
        && pump->position + (int64_t) next.length == cog_place_end(pump->place);
    if (waiting >= pump->blocks || !(next.length || next.eof))
    {
        return NOTHING_TO_SEND;
    }
    pump->position += (int64_t) next.length;
    atomic_store(&pump->eof, next.eof);
    pthread_mutex_lock(&pump->lock);
    pump->sent[pump->count++] = next;
    pump->lent++;
    pthread_mutex_unlock(&pump->lock);
    return cog_pump_taken(pump, globus_ftp_client_register_write(
        pump->handle, next.buffer, next.length, next.offset, next.eof, on_written, pump))
        ? SENT : REFUSED;
}

/* Reads what is there, or waits until something is, or until Globus wants more. */
static void read_more(cog_pump *pump)
{
    int64_t needed;
    int idle, ready;
    ssize_t got;
    short events;

    pthread_mutex_lock(&pump->lock);
    needed = pump->acknowledged;
    idle = !pump->count;
    pthread_mutex_unlock(&pump->lock);
    events = cog_place_room(pump->place, needed, pump->end) ? POLLIN : 0;
    atomic_store(&pump->waiting, events && idle);
    ready = cog_place_wait(pump->place, events, pump->wake);
    atomic_store(&pump->waiting, 0);
    if (ready && !is_off(pump))
    {
        got = cog_place_take(pump->place, needed, pump->end);
        if (got < 0)
        {
            cog_pump_fail(pump, (int) -got);
        }
    }
}

static void *put(void *arg)
{
    cog_pump *pump = arg;
    int sent = SENT;

    /* what Globus refuses belongs to a transfer that is over: take no more from the stream for it */
    while (!is_off(pump) && !atomic_load(&pump->eof) && sent != REFUSED)
    {
        sent = send_next(pump);
        if (sent == NOTHING_TO_SEND)
        {
            read_more(pump);
        }
    }
    cog_pump_leave(pump);
    return NULL;
}

void cog_stream_put(cog_pump *pump)
{
    int failed = cog_place_begin(pump->place, pump->first);

    pump->acknowledged = pump->first;
    if (failed)
    {
        cog_pump_fail(pump, failed);
    }
    else
    {
        start_thread(pump, put);
    }
}

/* --- get ------------------------------------------------------------------------------------------ */

/* Writes a block as far as it goes; each byte that went is counted.  How much was left. */
static size_t write_block(cog_pump *pump, const block *block)
{
    size_t length = block->length;
    const globus_byte_t *data = block->buffer;

    if (length && !cog_file_is_inside(pump, block->offset, length))
    {
        cog_pump_fail(pump, COG_PUMP_OUTSIDE);
    }
    else if (length && block->offset != pump->position)
    {
        cog_pump_fail(pump, ESPIPE);    /* blocks come out of order, and a stream cannot seek */
    }
    while (length && !is_off(pump))
    {
        ssize_t put = 0;

        if (cog_place_wait(pump->place, POLLOUT, pump->wake))
        {
            put = cog_place_write_some(pump->place, data, length);
        }
        if (put < 0)
        {
            cog_pump_fail(pump, (int) -put);
        }
        else if (put)
        {
            cog_pump_count(pump, put);
            cog_pump_note_written(pump, pump->position, (size_t) put);
            pump->position += put;
            data += put;
            length -= (size_t) put;
        }
    }
    return length;
}

/* The block that has arrived, if any; else, when the transfer has succeeded, the one that was kept.
 * `last`: no other will arrive, as nobody but this thread is inside. */
static int next_block(cog_pump *pump, block *next, int *last)
{
    pthread_mutex_lock(&pump->lock);
    *next = pump->arrived;
    pump->arrived.buffer = NULL;
    *last = !next->buffer && pump->completed && !pump->lent && pump->inside == 1;
    if (*last && !pump->error && pump->doubtful)
    {
        *next = (block) { .buffer = pump->doubtful, .length = pump->doubtful_length,
                          .offset = pump->doubtful_offset, .eof = 1 };
    }
    pthread_mutex_unlock(&pump->lock);
    return next->buffer != NULL;
}

static void *get(void *arg)
{
    cog_pump *pump = arg;
    block next;
    int last = 0, none = 0;
    size_t left = 0;

    while (!is_off(pump) && !last)
    {
        if (next_block(pump, &next, &last))
        {
            atomic_store(&pump->waiting, 1);
            left = write_block(pump, &next);
            atomic_store(&pump->waiting, 0);
            if (!next.eof && !is_off(pump))
            {
                cog_file_read_next(pump, next.buffer);
            }
        }
        else if (!last)
        {
            cog_place_wait(pump->place, 0, pump->wake);
        }
    }
    if (atomic_load(&pump->stopped) && (left || !last))
    {
        /* not all was written, although the transfer may have come to a good end */
        atomic_compare_exchange_strong(&pump->local_errno, &none, ECANCELED);
    }
    cog_pump_leave(pump);
    return NULL;
}

void cog_stream_write(cog_pump *pump, block arrived)
{
    int start;

    pthread_mutex_lock(&pump->lock);
    pump->arrived = arrived;
    start = !pump->working;
    pump->working = 1;
    pthread_mutex_unlock(&pump->lock);
    if (start)
    {
        start_thread(pump, get);
    }
    cog_stream_wake(pump);
}
