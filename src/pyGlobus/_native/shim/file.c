/* The pump's one half: files and memory, in Globus' callbacks. */
#include "pump.h"

/* --- get: from the server to the place ------------------------------------------------------------ */

static globus_byte_t *block_memory(cog_pump *pump, int number)
{
    return pump->memory + (size_t) number * pump->block_size;
}

/* Offsets are what the server says. */
int cog_file_is_inside(const cog_pump *pump, int64_t offset, size_t length)
{
    int64_t most = INT64_MAX - (int64_t) length;

    return offset >= pump->lowest && offset <= most && pump->base <= most - offset
        && (pump->end < 0 || offset + (int64_t) length <= pump->end);
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

static int write_file(cog_pump *pump, const globus_byte_t *data, size_t length, int64_t offset)
{
    int failed = cog_file_is_inside(pump, offset, length)
        ? cog_place_write(pump->place, data, length, pump->base + offset) : COG_PUMP_OUTSIDE;

    if (!failed)
    {
        cog_pump_count(pump, (int64_t) length);
        cog_pump_note_written(pump, offset, length);
    }
    return failed;
}

/* What a stream gets, its thread has written. */
void cog_file_write_kept(cog_pump *pump)
{
    int none = 0, failed;

    if (pump->doubtful && !pump->is_stream && !atomic_load(&pump->local_errno))
    {
        failed = write_file(pump, pump->doubtful, pump->doubtful_length, pump->doubtful_offset);
        if (failed)
        {
            atomic_compare_exchange_strong(&pump->local_errno, &none, failed);
        }
    }
}

static void write_and_go_on(
    cog_pump *pump, globus_byte_t *buffer, globus_size_t length, globus_off_t offset)
{
    int failed = length && !atomic_load(&pump->local_errno)
        ? write_file(pump, buffer, length, offset) : 0;

    if (failed)
    {
        cog_pump_fail(pump, failed);
    }
    if (atomic_load(&pump->eof) || atomic_load(&pump->local_errno))
    {
        return;
    }
    if (!atomic_exchange(&pump->all_out, 1))
    {
        for (int i = 1; i < pump->blocks; i++)
        {
            cog_file_read_next(pump, block_memory(pump, i));
        }
    }
    cog_file_read_next(pump, buffer);
}

static void on_read(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    cog_pump *pump = arg;
    int runs = cog_pump_back(pump);

    (void) handle;
    if (eof)
    {
        atomic_store(&pump->eof, 1);
    }
    if (runs && !error && is_doubtful(pump, length, offset, eof))
    {
        keep_doubtful(pump, buffer, length, offset);
        length = 0;
    }
    if (runs && !error && pump->is_stream)
    {
        cog_stream_write(pump, (block) {
            .buffer = buffer, .length = length, .offset = offset, .eof = eof });
    }
    else if (runs && !error)
    {
        write_and_go_on(pump, buffer, length, offset);
    }
    cog_pump_leave(pump);
}

void cog_file_read_next(cog_pump *pump, globus_byte_t *buffer)
{
    cog_pump_lend(pump);
    cog_pump_taken(pump, globus_ftp_client_register_read(
        pump->handle, buffer, pump->block_size, on_read, pump));
}

/* --- put: from a file or from memory to the server ------------------------------------------------ */

/* How much the next block takes: less than a whole one at the end of a part. */
static size_t next_size(const cog_pump *pump)
{
    int64_t left = pump->end - pump->position;

    return pump->end < 0 || left >= (int64_t) pump->block_size ? pump->block_size
         : left > 0 ? (size_t) left : 0;
}

/* The next block: memory is sent from where it lies. */
static ssize_t next_block(cog_pump *pump, globus_byte_t **buffer)
{
    size_t size = next_size(pump), total;
    int64_t position = pump->base + pump->position;
    const unsigned char *data = cog_place_data(pump->place, &total);

    if (!data)
    {
        return cog_place_read(pump->place, *buffer, size, position);
    }
    position = position < (int64_t) total ? position : (int64_t) total;
    size = size < total - (size_t) position ? size : total - (size_t) position;
    *buffer = (globus_byte_t *) (uintptr_t) (data + position);      /* Globus only reads it */
    return (ssize_t) size;
}

static void write_next(cog_pump *pump, globus_byte_t *buffer);

static void on_written(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    cog_pump *pump = arg;

    (void) handle, (void) offset;
    if (cog_pump_back(pump) && !error)
    {
        cog_pump_count(pump, (int64_t) length);
        if (!eof)
        {
            write_next(pump, buffer);
        }
    }
    cog_pump_leave(pump);
}

static void write_next(cog_pump *pump, globus_byte_t *buffer)
{
    ssize_t length = 0;

    /* In stream mode the order of the calls is the order of the bytes: read and hand over as one
     * step, whichever of Globus' threads does it. */
    pthread_mutex_lock(&pump->order);
    if (!atomic_load(&pump->eof) && !atomic_load(&pump->local_errno))
    {
        length = next_block(pump, &buffer);
        if (length >= 0)
        {
            int64_t offset = pump->position;
            int eof = (size_t) length < pump->block_size;

            pump->position += length;
            atomic_store(&pump->eof, eof);
            cog_pump_lend(pump);
            cog_pump_taken(pump, globus_ftp_client_register_write(
                pump->handle, buffer, (globus_size_t) length, offset, eof, on_written, pump));
        }
    }
    pthread_mutex_unlock(&pump->order);
    if (length < 0)
    {
        cog_pump_fail(pump, (int) -length);
    }
}

void cog_file_put(cog_pump *pump)
{
    for (int i = 0; i < pump->blocks; i++)
    {
        write_next(pump, pump->memory ? block_memory(pump, i) : NULL);
    }
}
