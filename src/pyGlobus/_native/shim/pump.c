/*
 * The pump: bulk data between a file descriptor and a GridFTP transfer, without Python per block.
 *
 * Python starts the transfer with cog_on_pump_complete and the pump as its argument, then calls
 * cog_pump_start_get() or _put().  From then on each data callback moves a block and hands its
 * buffer back to Globus.  One event, COG_EVENT_PUMP, tells that the transfer is complete *and*
 * that Globus holds none of our buffers any more; then Python frees the pump.
 */
#define _GNU_SOURCE
#include "shim.h"
#include "spans.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct cog_pump
{
    cog_token           token;
    cog_batch          *batch;          /* that is told of the end, instead of Python */
    int64_t             number;         /* what the batch calls it */
    int                 fd;             /* our own copy of the descriptor */
    int                 seekable, is_pipe;
    int                 blocks;
    size_t              block_size;
    int64_t             base;           /* of the file: where offset 0 of the transfer lies */
    int64_t             first;          /* where the transfer begins */
    int64_t             end;            /* of a put: the offset to stop before, or -1 */
    globus_byte_t      *memory;

    pthread_mutex_t     order;          /* held while a block is read and handed over */
    int64_t             position;       /* the next offset: of a put, or of a get into a pipe */

    pthread_mutex_t     lock;           /* guards what follows; never held across a Globus call */
    int                 holds;          /* buffers that Globus has, and our own while we start */
    int                 completed, finished, aborted;
    struct timespec     ended;          /* when it was completed */
    globus_object_t    *error;
    globus_byte_t      *doubtful;       /* of a get: a block that may be nobody's, see is_doubtful() */
    size_t              doubtful_length;
    int64_t             doubtful_offset;
    cog_spans           written;        /* of a get: what is in the file */

    _Atomic int         all_out;        /* of a get: every block has been given to Globus once */
    _Atomic int         stopped;
    _Atomic int         waiting;        /* for the other end of a pipe */
    _Atomic int         eof;
    _Atomic int         local_errno;
    _Atomic int64_t     bytes;
};

/* How long a callback waits for a pipe before it lets others go on, in milliseconds. */
#define PATIENCE 2

/* The memory of the last pumps that ended, for the next ones: malloc would map and unmap it every
 * time (its adaptive threshold never learns from aligned blocks), which costs a small file a tenth
 * of its time. */
#define SPARES 4
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { globus_byte_t *memory; size_t size; } spares[SPARES];     /* under spare_lock */

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
        if (!spares[i].memory)
        {
            spares[i].memory = memory;
            spares[i].size = size;
            memory = NULL;
        }
    }
    pthread_mutex_unlock(&spare_lock);
    free(memory);
}

cog_pump *cog_pump_new(
    cog_token token, int fd, int blocks, size_t block_size, int64_t base, int64_t first,
    int64_t end)
{
    cog_pump *pump = calloc(1, sizeof *pump);
    struct stat status;
    int saved;

    if (!pump)
    {
        return NULL;
    }
    pump->token = token;
    pump->block_size = block_size;
    pump->base = base;
    pump->first = first;
    pump->end = end;
    pump->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (pump->fd < 0)
    {
        saved = errno;
        free(pump);
        errno = saved;
        return NULL;
    }
    pump->seekable = lseek(pump->fd, 0, SEEK_CUR) >= 0;
    pump->is_pipe = fstat(pump->fd, &status) == 0 && S_ISFIFO(status.st_mode);
    if (pump->is_pipe)
    {
        fcntl(pump->fd, F_SETPIPE_SZ, 1 << 20);     /* fewer turns; where it is allowed */
    }
    /* a pipe takes blocks in their order only: one at a time */
    pump->blocks = pump->seekable ? blocks : 1;
    pump->memory = take_memory((size_t) pump->blocks * block_size);
    if (!pump->memory)
    {
        close(pump->fd);
        free(pump);
        errno = ENOMEM;
        return NULL;
    }
    pump->position = first;
    pump->holds = 1;            /* the starter's own, until all is given out */
    pthread_mutex_init(&pump->order, NULL);
    pthread_mutex_init(&pump->lock, NULL);
    return pump;
}

void cog_pump_free(cog_pump *pump)
{
    if (pump)
    {
        close(pump->fd);
        pthread_mutex_destroy(&pump->order);
        pthread_mutex_destroy(&pump->lock);
        if (pump->error)
        {
            globus_object_free(pump->error);
        }
        give_memory(pump->memory, (size_t) pump->blocks * pump->block_size);
        cog_spans_clear(&pump->written);
        free(pump);
    }
}

static void note_written(cog_pump *pump, int64_t first, int64_t end)
{
    pthread_mutex_lock(&pump->lock);
    cog_spans_add(&pump->written, first, end);
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

int64_t cog_pump_bytes(const cog_pump *pump)
{
    return atomic_load_explicit(&pump->bytes, memory_order_relaxed);
}

void cog_pump_report_to(cog_pump *pump, cog_batch *batch, int64_t number)
{
    pump->batch = batch;
    pump->number = number;
}

static void finish_locked(cog_pump *pump, cog_event *event)
{
    pump->finished = 1;
    event->code = atomic_load(&pump->local_errno);
    event->a = cog_pump_bytes(pump);
    event->object = pump->error;
    pump->error = NULL;
}

/* The pump may be freed as soon as this is called. */
static void tell(cog_pump *pump, const cog_event *event)
{
    if (pump->batch)
    {
        cog_batch_ended(pump->batch, pump, pump->number, event->code, event->object);
    }
    else
    {
        cog_post(event);
    }
}

static void write_doubtful(cog_pump *pump);

/* Posts the one event when the transfer is complete and no buffer is out any more.  The pump may
 * be freed as soon as this has posted. */
static void settle(cog_pump *pump, int released, int completed, globus_object_t *error)
{
    cog_event event = { .token = pump->token, .kind = COG_EVENT_PUMP };
    int done;

    pthread_mutex_lock(&pump->lock);
    pump->holds -= released;
    if (completed)
    {
        pump->completed = 1;
        clock_gettime(CLOCK_MONOTONIC, &pump->ended);
        pump->error = error ? globus_object_copy(error) : NULL;
    }
    done = pump->completed && pump->holds == 0 && !pump->finished;
    if (done)
    {
        finish_locked(pump, &event);
    }
    pthread_mutex_unlock(&pump->lock);
    if (done)
    {
        if (!event.object)      /* it has succeeded, and every callback of it has returned */
        {
            write_doubtful(pump);
            event.code = atomic_load(&pump->local_errno);
            event.a = cog_pump_bytes(pump);
        }
        tell(pump, &event);
    }
}

/*
 * A block that is registered while Globus fails a put goes into a queue that is not looked at again
 * (GCT 6.2: globus_l_ftp_client_connection_error() empties it, then lets the callbacks of the blocks
 * under way end the transfer).  It never comes back, but is not touched either until another
 * operation begins on the handle, which after a failure is never.  So what is still missing a while
 * after the transfer has ended is given up.
 */
#define LOST_AFTER 1    /* seconds */


int cog_pump_is_lost(cog_pump *pump, cog_event *event)
{
    struct timespec now;
    int done;

    pthread_mutex_lock(&pump->lock);
    clock_gettime(CLOCK_MONOTONIC, &now);
    done = pump->completed && pump->error && !pump->finished &&
        now.tv_sec - pump->ended.tv_sec > LOST_AFTER;
    if (done)
    {
        finish_locked(pump, event);
    }
    pthread_mutex_unlock(&pump->lock);
    return done;
}

void cog_pump_look(cog_pump *pump)
{
    cog_event event = { .token = pump->token, .kind = COG_EVENT_PUMP };

    if (cog_pump_is_lost(pump, &event))
    {
        cog_post(&event);
    }
}

/* Each buffer holds the pump from before Globus gets it until its callback is about to return.  A
 * callback that hands the buffer on takes another hold for that: the next callback may come, and
 * the transfer end, while the call that handed it over has not returned yet. */
static void hold(cog_pump *pump)
{
    pthread_mutex_lock(&pump->lock);
    pump->holds++;
    pthread_mutex_unlock(&pump->lock);
}

static void release(cog_pump *pump)
{
    settle(pump, 1, 0, NULL);
}

void cog_on_pump_complete(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    (void) handle;
    settle(arg, 0, 1, error);
}

/* Ends the hold of a buffer that Globus did not take: the transfer is over, and its completion tells
 * why.  The caller has a hold of its own. */
static void unless_taken(cog_pump *pump, globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        release(pump);
    }
}

/* The local side failed: keep the first reason and tell Globus to stop, once. */
static void give_up(cog_pump *pump, globus_ftp_client_handle_t *handle, int reason)
{
    int none = 0, abort_now;
    globus_result_t result;

    atomic_compare_exchange_strong(&pump->local_errno, &none, reason);
    pthread_mutex_lock(&pump->lock);
    abort_now = !pump->aborted && !pump->completed;
    pump->aborted = 1;
    pthread_mutex_unlock(&pump->lock);
    if (abort_now)
    {
        result = globus_ftp_client_abort(handle);
        if (result != GLOBUS_SUCCESS)       /* it completed in this moment */
        {
            globus_object_free(globus_error_get(result));
        }
    }
}

static globus_byte_t *block(cog_pump *pump, int number)
{
    return pump->memory + (size_t) number * pump->block_size;
}

int cog_pump_waits(const cog_pump *pump)
{
    return atomic_load(&pump->waiting);
}

void cog_pump_stop(cog_pump *pump)
{
    atomic_store(&pump->stopped, 1);
}

/* Waits until a pipe, a terminal or a socket can go on; its other end may be in no hurry, and the
 * transfer be stopped meanwhile. */
static int wait_for(cog_pump *pump, short events)
{
    struct pollfd poll_fd = { .fd = pump->fd, .events = events };

    int ready = poll(&poll_fd, 1, PATIENCE) > 0;

    if (!ready)
    {
        /* other callbacks need not wait, too: Globus has another thread go on with them */
        globus_thread_blocking_will_block();
    }
    atomic_store(&pump->waiting, !ready);
    while (!ready && !atomic_load(&pump->stopped) && !atomic_load(&pump->local_errno))
    {
        ready = poll(&poll_fd, 1, 200) > 0;
    }
    atomic_store(&pump->waiting, 0);
    return ready ? 0 : ECANCELED;
}

/* How much a pipe that is ready takes without blocking: all it holds when it is empty, else a page. */
static size_t pipe_room(cog_pump *pump, size_t length)
{
    int unread = 1, size = PIPE_BUF;

    if (ioctl(pump->fd, FIONREAD, &unread) == 0 && unread == 0)
    {
        size = fcntl(pump->fd, F_GETPIPE_SZ);
        size = size < PIPE_BUF ? PIPE_BUF : size;
    }
    return length < (size_t) size ? length : (size_t) size;
}

/* --- get: from the server to the descriptor -------------------------------------------------- */

static int write_block(cog_pump *pump, const globus_byte_t *data, size_t length, int64_t offset)
{
    while (length)
    {
        ssize_t put;
        int failed = pump->seekable ? 0 : wait_for(pump, POLLOUT);

        if (failed)
        {
            return failed;
        }
        put = pump->seekable
            ? pwrite(pump->fd, data, length, pump->base + offset)
            : write(pump->fd, data, pump->is_pipe ? pipe_room(pump, length) : length);
        if (put < 0 && (errno == EINTR || (errno == EAGAIN && !pump->seekable)))
        {
            continue;
        }
        if (put < 0)
        {
            return errno;
        }
        data += put;
        offset += put;
        length -= (size_t) put;
    }
    return 0;
}

/*
 * While Globus closes a failed transfer in extended block mode, it gives back what was just read as
 * if it lay at the beginning, with the end of the file and without an error (GCT 6.2:
 * globus_l_ftp_eb_read_callback(), state CLOSING).  A file of one block looks just the same, so such
 * a block is kept until the transfer is known to have succeeded.
 */
static int is_doubtful(
    const cog_pump *pump, globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    return eof && length && (offset == 0 || offset == pump->first);
}

/* One is enough: a transfer that gives several does not succeed. */
static void keep_doubtful(
    cog_pump *pump, globus_byte_t *buffer, globus_size_t length, globus_off_t offset)
{
    pthread_mutex_lock(&pump->lock);
    if (!pump->doubtful)
    {
        pump->doubtful = buffer;
        pump->doubtful_length = length;
        pump->doubtful_offset = offset;
    }
    pthread_mutex_unlock(&pump->lock);
}

static int write_here(cog_pump *pump, const globus_byte_t *data, size_t length, int64_t offset)
{
    /* blocks come out of order, and a pipe cannot seek */
    int failed = !pump->seekable && offset != pump->position
        ? ESPIPE : write_block(pump, data, length, offset);

    if (!failed)
    {
        atomic_fetch_add_explicit(&pump->bytes, (int64_t) length, memory_order_relaxed);
        note_written(pump, offset, offset + (int64_t) length);
    }
    return failed;
}

/* On whatever thread finds the end; nobody else uses the pump any more. */
static void write_doubtful(cog_pump *pump)
{
    int none = 0, failed;

    if (pump->doubtful && !atomic_load(&pump->local_errno))
    {
        failed = write_here(pump, pump->doubtful, pump->doubtful_length, pump->doubtful_offset);
        if (failed)
        {
            atomic_compare_exchange_strong(&pump->local_errno, &none, failed);
        }
    }
}

static void read_next(cog_pump *pump, globus_ftp_client_handle_t *handle, globus_byte_t *buffer);

static void on_read(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    cog_pump *pump = arg;
    int failed = 0;

    if (!error && is_doubtful(pump, length, offset, eof))
    {
        keep_doubtful(pump, buffer, length, offset);
    }
    else if (!error && length && !atomic_load(&pump->local_errno))
    {
        failed = write_here(pump, buffer, length, offset);
        if (failed)
        {
            give_up(pump, handle, failed);
        }
    }
    if (!pump->seekable && !pump->doubtful)
    {
        pump->position = offset + (int64_t) length;     /* one block, so nobody else is here */
    }
    if (eof)
    {
        atomic_store(&pump->eof, 1);
    }
    if (!error && !atomic_load(&pump->eof) && !atomic_load(&pump->local_errno))
    {
        if (!atomic_exchange(&pump->all_out, 1))
        {
            for (int i = 1; i < pump->blocks; i++)
            {
                read_next(pump, handle, block(pump, i));
            }
        }
        read_next(pump, handle, buffer);
    }
    release(pump);
}

static void read_next(cog_pump *pump, globus_ftp_client_handle_t *handle, globus_byte_t *buffer)
{
    hold(pump);
    unless_taken(pump, globus_ftp_client_register_read(
        handle, buffer, pump->block_size, on_read, pump));
}

void cog_pump_start_get(cog_pump *pump, globus_ftp_client_handle_t *handle)
{
    if (fcntl(pump->fd, F_GETFL) & O_APPEND)
    {
        pump->seekable = 0;     /* pwrite() would append all the same, in whatever order */
        pump->blocks = 1;
    }
    /* A file of one block is done with this one; the others would only come back empty, each by a
     * callback of its own.  They follow when this one has come back and there is more. */
    read_next(pump, handle, block(pump, 0));
    release(pump);      /* the starter's own hold */
}

/* --- put: from the descriptor to the server -------------------------------------------------- */

/* How much the next block takes: less than a whole one at the end of a part. */
static size_t next_size(const cog_pump *pump)
{
    int64_t left = pump->end - pump->position;

    return pump->end < 0 || left >= (int64_t) pump->block_size ? pump->block_size
         : left > 0 ? (size_t) left : 0;
}

/* Fills `size` bytes unless the file ends.  Returns the length, or -errno. */
static ssize_t read_block(cog_pump *pump, globus_byte_t *buffer, size_t size)
{
    size_t length = 0;

    while (length < size)
    {
        ssize_t got;
        int failed = pump->seekable ? 0 : wait_for(pump, POLLIN);

        if (failed)
        {
            return -failed;
        }
        got = pump->seekable
            ? pread(pump->fd, buffer + length, size - length,
                    pump->base + pump->position + (int64_t) length)
            : read(pump->fd, buffer + length, size - length);
        if (got < 0 && (errno == EINTR || (errno == EAGAIN && !pump->seekable)))
        {
            continue;
        }
        if (got < 0)
        {
            return -errno;
        }
        if (got == 0)
        {
            break;
        }
        length += (size_t) got;
    }
    return (ssize_t) length;
}

static void write_next(cog_pump *pump, globus_ftp_client_handle_t *handle, globus_byte_t *buffer);

static void on_written(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    cog_pump *pump = arg;

    (void) offset;
    if (!error)
    {
        atomic_fetch_add_explicit(&pump->bytes, (int64_t) length, memory_order_relaxed);
    }
    if (!error && !eof)
    {
        write_next(pump, handle, buffer);
    }
    release(pump);
}

static void write_next(cog_pump *pump, globus_ftp_client_handle_t *handle, globus_byte_t *buffer)
{
    ssize_t length = 0;

    /* In stream mode the order of the calls is the order of the bytes: read and hand over as one
     * step, whichever of Globus' threads does it. */
    pthread_mutex_lock(&pump->order);
    if (!atomic_load(&pump->eof) && !atomic_load(&pump->local_errno))
    {
        length = read_block(pump, buffer, next_size(pump));
        if (length >= 0)
        {
            int64_t offset = pump->position;
            int eof = (size_t) length < pump->block_size;

            pump->position += length;
            atomic_store(&pump->eof, eof);
            hold(pump);
            unless_taken(pump, globus_ftp_client_register_write(
                handle, buffer, (globus_size_t) length, offset, eof, on_written, pump));
        }
    }
    pthread_mutex_unlock(&pump->order);
    if (length < 0)
    {
        give_up(pump, handle, (int) -length);
    }
}

void cog_pump_start_put(cog_pump *pump, globus_ftp_client_handle_t *handle)
{
    for (int i = 0; i < pump->blocks; i++)
    {
        write_next(pump, handle, block(pump, i));
    }
    release(pump);      /* the starter's own hold */
}
