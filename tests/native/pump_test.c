/*
 * Plays Globus against the pump.  The real library is slow to bring into the moments that matter;
 * this one has threads that call back at once, out of turn, while a block is still being handed
 * over, and that call the completion as soon as no buffer is out.  Meant for the sanitizers.
 */
#define _GNU_SOURCE
#include "check.h"
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_BUFFERS = 8, WORKERS = 4, BLOCK = 4096 };

/* --- Globus, as far as the pump knows it ----------------------------------------------------------- */

typedef struct
{
    globus_byte_t                    *data;
    globus_size_t                     length;
    globus_off_t                      offset;
    globus_bool_t                     eof;
    globus_ftp_client_data_callback_t callback;
    void                             *arg;
} buffer;

/* The server's side of one transfer.  `handle` comes first: the pump is given a pointer to it. */
typedef struct
{
    globus_ftp_client_handle_t handle;
    const unsigned char *content;       /* of a get: what the server sends */
    unsigned char       *received;      /* of a put: what it got */
    int64_t              size;          /* of content, or of what was received so far */
    int                  shuffle;       /* out of order, as the extended block mode may */
    int                  skip;          /* a get: begins with a later byte than it was asked for */
    int                  cancel;        /* the user gives up in the middle, */
    useconds_t           delay;         /* after so many microseconds */
    int64_t              fail_at;       /* the server gives up at this offset, -1: never */
    cog_pump            *pump;

    pthread_mutex_t      lock;
    pthread_cond_t       news;
    buffer               waiting[MOST_BUFFERS];
    int                  count;
    int64_t              next;          /* offset */
    int                  over;          /* the last block has been seen */
    int                  failed, completed;
    uint32_t             random;
} transfer;

static _Atomic uint64_t results_given, results_taken;

globus_object_t *globus_object_copy(const globus_object_t *object)
{
    (void) object;
    return object_new();
}

void globus_object_free(globus_object_t *object)
{
    object_free(object);
}

int globus_thread_blocking_space_will_block(globus_callback_space_t space)
{
    (void) space;
    return 0;
}

globus_object_t *globus_error_get(globus_result_t result)
{
    CHECK(result != GLOBUS_SUCCESS);
    atomic_fetch_add(&results_taken, 1);
    return object_new();
}

/* batch.c has a test of its own; no pump here reports to a batch */
void cog_batch_ended(
    cog_batch *batch, cog_pump *pump, int64_t number, int code, globus_object_t *error)
{
    (void) pump;
    (void) number;
    (void) code;
    (void) error;
    CHECK(!batch);
}

static globus_result_t refuse(void)
{
    atomic_fetch_add(&results_given, 1);
    return 1;
}

/* Another thread may run before the call returns: more often than in life. */
static void dawdle(uint32_t fate)
{
    if (fate % 4 == 0)
    {
        usleep(fate % 200);
    }
}

static globus_result_t take_buffer(transfer *server, buffer block)
{
    uint32_t fate;

    pthread_mutex_lock(&server->lock);
    if (server->over || server->failed)
    {
        pthread_mutex_unlock(&server->lock);
        return refuse();
    }
    if (server->received)
    {
        /* the order of the calls is the order of the bytes */
        CHECK(block.offset == server->size);
        memcpy(server->received + block.offset, block.data, block.length);
        server->size += (int64_t) block.length;
        server->over = block.eof;
        server->failed = server->fail_at >= 0 && server->size > server->fail_at;
    }
    CHECK(server->count < MOST_BUFFERS);
    server->waiting[server->count++] = block;
    fate = chance(&server->random, 1000);
    pthread_cond_broadcast(&server->news);
    pthread_mutex_unlock(&server->lock);
    dawdle(fate);
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_register_read(
    globus_ftp_client_handle_t *handle, globus_byte_t *data, globus_size_t length,
    globus_ftp_client_data_callback_t callback, void *arg)
{
    return take_buffer((transfer *) handle,
        (buffer) { .data = data, .length = length, .callback = callback, .arg = arg });
}

globus_result_t globus_ftp_client_register_write(
    globus_ftp_client_handle_t *handle, globus_byte_t *data, globus_size_t length,
    globus_off_t offset, globus_bool_t eof,
    globus_ftp_client_data_callback_t callback, void *arg)
{
    return take_buffer((transfer *) handle,
        (buffer) { .data = data, .length = length, .offset = offset, .eof = eof,
                   .callback = callback, .arg = arg });
}

/* Like the real one: the buffers come back with an error, and an idle handle refuses. */
globus_result_t globus_ftp_client_abort(globus_ftp_client_handle_t *handle)
{
    transfer *server = (transfer *) handle;
    int late;

    pthread_mutex_lock(&server->lock);
    late = server->completed;
    server->failed = 1;
    pthread_cond_broadcast(&server->news);
    pthread_mutex_unlock(&server->lock);
    return late ? refuse() : GLOBUS_SUCCESS;
}

/* Fills a block of a get with what comes next: at times less than the block has room for. */
static void send_block(transfer *server, buffer *block)
{
    int64_t left = server->size - server->next;
    globus_size_t length = block->length;

    if (length > 1 && chance(&server->random, 3) == 0)
    {
        length = 1 + chance(&server->random, (uint32_t) length);
    }
    if ((int64_t) length > left)
    {
        length = (globus_size_t) left;
    }
    block->length = length;
    block->offset = server->next;
    memcpy(block->data, server->content + server->next, length);
    server->next += (int64_t) length;
    /* the end comes with the last bytes, or by itself */
    block->eof = server->next == server->size && (!length || chance(&server->random, 2));
    server->over |= block->eof;
    server->failed |= server->fail_at >= 0 && server->next > server->fail_at;
}

/* One of Globus' threads: hands blocks back until the transfer is over.  The one that finds nothing
 * left reports the completion, at once: the callbacks of others may not have returned. */
static void *serve(void *arg)
{
    transfer *server = arg;
    globus_object_t *error = NULL;
    int is_get = !server->received, complete;

    pthread_mutex_lock(&server->lock);
    for (;;)
    {
        buffer block;
        int number;

        while (!server->count && !server->over && !server->failed)
        {
            pthread_cond_wait(&server->news, &server->lock);
        }
        if (!server->count)
        {
            break;
        }
        number = server->shuffle ? (int) chance(&server->random, (uint32_t) server->count) : 0;
        block = server->waiting[number];
        server->count--;
        memmove(&server->waiting[number], &server->waiting[number + 1],
            (size_t) (server->count - number) * sizeof block);
        error = server->failed ? object_new() : NULL;
        if (is_get && (server->over || error))
        {
            block.length = 0;
            block.eof = 1;
        }
        else if (is_get)
        {
            send_block(server, &block);
        }
        pthread_mutex_unlock(&server->lock);
        block.callback(block.arg, &server->handle, error, block.data, block.length, block.offset,
            block.eof);
        if (error)
        {
            object_free(error);
        }
        pthread_mutex_lock(&server->lock);
    }
    complete = !server->completed;
    server->completed = 1;
    error = complete && server->failed ? object_new() : NULL;
    pthread_cond_broadcast(&server->news);
    pthread_mutex_unlock(&server->lock);
    if (complete)
    {
        cog_on_pump_complete(server->pump, &server->handle, error);
    }
    if (error)
    {
        object_free(error);
    }
    return NULL;
}

/* --- one transfer ------------------------------------------------------------------------------------ */

static uint64_t transfers, moved;
static uint32_t fate = 99;

static void *cancel(void *arg)
{
    transfer *server = arg;

    usleep(server->delay);
    if (globus_ftp_client_abort(&server->handle) != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(1));
    }
    return NULL;
}

static void *start_get(void *arg)
{
    transfer *server = arg;
    cog_pump_start_get(server->pump, &server->handle);
    return NULL;
}

static void *start_put(void *arg)
{
    transfer *server = arg;
    cog_pump_start_put(server->pump, &server->handle);
    return NULL;
}

/* What Python does: start the transfer, start the pump, wait for the event, free the pump at once. */
static cog_event run(transfer *server, int fd, int blocks, int64_t base, int64_t first)
{
    pthread_t workers[WORKERS], starter, user;
    cog_event event = { 0 };
    cog_token token = cog_slot_new(COG_ONCE);
    int i;

    CHECK(token);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->news, NULL);
    server->random = 1 + chance(&fate, 1000000);
    server->delay = chance(&fate, 3000);
    server->next = server->content ? first + server->skip : 0;
    server->pump = cog_pump_new(token, fd, blocks, BLOCK, base, first, -1);
    CHECK(server->pump);
    for (i = 0; i < WORKERS; i++)
    {
        CHECK(!pthread_create(&workers[i], NULL, serve, server));
    }
    CHECK(!pthread_create(&starter, NULL, server->received ? start_put : start_get, server));
    if (server->cancel)
    {
        CHECK(!pthread_create(&user, NULL, cancel, server));
    }
    while (!cog_take(&event, 1))
    {
        cog_wait(-1);
    }
    CHECK(event.token == token && event.kind == COG_EVENT_PUMP);
    CHECK(cog_pump_bytes(server->pump) == event.a);
    cog_pump_free(server->pump);
    CHECK(!pthread_join(starter, NULL));
    if (server->cancel)
    {
        CHECK(!pthread_join(user, NULL));
    }
    for (i = 0; i < WORKERS; i++)
    {
        CHECK(!pthread_join(workers[i], NULL));
    }
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->news);
    transfers++;
    moved += (uint64_t) event.a;
    if (event.object)
    {
        object_free(event.object);
    }
    /* every error object and every refusal was picked up */
    CHECK(atomic_load(&objects_made) == atomic_load(&objects_freed));
    CHECK(atomic_load(&results_given) == atomic_load(&results_taken));
    CHECK(!cog_take(&(cog_event) { 0 }, 1));
    return event;
}

/* --- scenarios ---------------------------------------------------------------------------------------- */

enum { LARGEST = 40 * BLOCK };

static unsigned char content[LARGEST], copy[LARGEST + BLOCK];

static const int64_t sizes[] = { 0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 8 * BLOCK, 8 * BLOCK + 7, LARGEST };
enum { SIZES = sizeof sizes / sizeof *sizes };

static int new_file(const void *bytes, int64_t size)
{
    int fd = memfd_create("pump", MFD_CLOEXEC);

    CHECK(fd >= 0 && (!size || pwrite(fd, bytes, (size_t) size, 0) == size));
    return fd;
}

static void check_file(int fd, const void *bytes, int64_t size)
{
    CHECK(lseek(fd, 0, SEEK_END) == size);
    CHECK(pread(fd, copy, sizeof copy, 0) == size);
    CHECK(!memcmp(copy, bytes, (size_t) size));
    close(fd);
}

static void whole_files(int blocks)
{
    int i, fd;

    for (i = 0; i < SIZES; i++)
    {
        transfer get = { .content = content, .size = sizes[i], .shuffle = i % 2, .fail_at = -1 };
        transfer put = { .received = copy, .shuffle = i % 2, .fail_at = -1 };
        cog_event event;

        fd = new_file(NULL, 0);
        event = run(&get, fd, blocks, 0, 0);
        CHECK(!event.code && !event.object && event.a == sizes[i]);
        check_file(fd, content, sizes[i]);

        fd = new_file(content, sizes[i]);
        event = run(&put, fd, blocks, 0, 0);
        CHECK(!event.code && !event.object && event.a == sizes[i] && put.size == sizes[i]);
        CHECK(!memcmp(copy, content, (size_t) sizes[i]));
        close(fd);
    }
}

/* A transfer that goes on where an earlier one stopped, into the middle of a file. */
static void part_of_a_file(void)
{
    int64_t base = 100, first = 3 * BLOCK + 5, size = 9 * BLOCK;
    transfer get = { .content = content, .size = size, .fail_at = -1 };
    int fd = new_file(NULL, 0);
    cog_event event = run(&get, fd, 4, base, first);

    CHECK(!event.code && event.a == size - first);
    CHECK(pread(fd, copy, sizeof copy, 0) == base + size);
    CHECK(!memcmp(copy + base + first, content + first, (size_t) (size - first)));
    close(fd);
}

typedef struct
{
    int     fd;
    int64_t size;
} pipe_end;

static void *fill_pipe(void *arg)
{
    pipe_end *end = arg;
    int64_t done = 0;

    while (done < end->size)
    {
        ssize_t put = write(end->fd, content + done, (size_t) (end->size - done));
        CHECK(put > 0);
        done += put;
    }
    close(end->fd);
    return NULL;
}

static void *drain_pipe(void *arg)
{
    pipe_end *end = arg;
    ssize_t got;

    while ((got = read(end->fd, copy + end->size, sizeof copy - (size_t) end->size)) > 0)
    {
        end->size += got;
    }
    close(end->fd);
    return NULL;
}

static void pipes(void)
{
    static unsigned char received[LARGEST + BLOCK];
    int i, ends[2];

    for (i = 0; i < SIZES; i++)
    {
        transfer get = { .content = content, .size = sizes[i], .fail_at = -1 };
        transfer put = { .received = received, .fail_at = -1 };
        pthread_t other;
        pipe_end end;
        cog_event event;

        CHECK(!pipe(ends));
        end = (pipe_end) { .fd = ends[0] };
        CHECK(!pthread_create(&other, NULL, drain_pipe, &end));
        event = run(&get, ends[1], 4, 0, 0);
        close(ends[1]);
        CHECK(!pthread_join(other, NULL));
        CHECK(!event.code && event.a == sizes[i] && end.size == sizes[i]);
        CHECK(!memcmp(copy, content, (size_t) sizes[i]));

        CHECK(!pipe(ends));
        end = (pipe_end) { .fd = ends[1], .size = sizes[i] };
        CHECK(!pthread_create(&other, NULL, fill_pipe, &end));
        event = run(&put, ends[0], 4, 0, 0);
        close(ends[0]);
        CHECK(!pthread_join(other, NULL));
        CHECK(!event.code && event.a == sizes[i] && put.size == sizes[i]);
        CHECK(!memcmp(received, content, (size_t) sizes[i]));
    }
}

/* The local side fails: the transfer is aborted once, and the first errno is what is told. */
static void local_failures(int blocks)
{
    transfer full = { .content = content, .size = LARGEST, .fail_at = -1 };
    transfer nobody = { .content = content, .size = LARGEST, .fail_at = -1 };
    transfer directory = { .received = copy, .fail_at = -1 };
    /* the file's last block is also the moment at which the server is done */
    transfer last = { .content = content, .size = BLOCK, .fail_at = -1 };
    int ends[2], fd = open("/dev/full", O_WRONLY);
    cog_event event;

    event = run(&full, fd, blocks, 0, 0);
    CHECK(event.code == ENOSPC && event.object && event.a == 0);
    event = run(&last, fd, blocks, 0, 0);
    CHECK(event.code == ENOSPC && event.a == 0);
    close(fd);

    CHECK(!pipe(ends));
    close(ends[0]);
    event = run(&nobody, ends[1], blocks, 0, 0);
    CHECK(event.code == EPIPE && event.object);
    close(ends[1]);

    fd = open("/", O_RDONLY | O_DIRECTORY);
    event = run(&directory, fd, blocks, 0, 0);
    CHECK(event.code == EISDIR && event.object && event.a == 0);
    close(fd);
}

static void server_failures(int blocks)
{
    int64_t fail_at;

    for (fail_at = 0; fail_at < LARGEST; fail_at += 7 * BLOCK)
    {
        transfer get = { .content = content, .size = LARGEST, .fail_at = fail_at };
        transfer put = { .received = copy, .fail_at = fail_at };
        transfer refused = { .content = content, .size = LARGEST, .fail_at = -1, .failed = 1 };
        int fd = new_file(content, LARGEST);
        cog_event event;

        event = run(&get, fd, blocks, 0, 0);
        CHECK(!event.code && event.object);
        event = run(&put, fd, blocks, 0, 0);
        CHECK(!event.code && event.object);
        event = run(&refused, fd, blocks, 0, 0);
        CHECK(!event.code && event.object && event.a == 0);
        close(fd);
    }
}

/* The first block that comes is not the one the pipe begins with. */
static void a_pipe_cannot_seek(void)
{
    transfer get = { .content = content, .size = 2 * BLOCK, .skip = 1, .fail_at = -1 };
    int ends[2];
    cog_event event;

    CHECK(!pipe(ends));
    event = run(&get, ends[1], 4, 0, 0);
    CHECK(event.code == ESPIPE && event.object && event.a == 0);
    close(ends[0]);
    close(ends[1]);
}

/* The user's cancel comes from a thread of its own, at any moment; what had been done is told. */
static void cancelled(int blocks)
{
    transfer get = { .content = content, .size = LARGEST, .fail_at = -1, .cancel = 1 };
    transfer put = { .received = copy, .fail_at = -1, .cancel = 1 };
    int fd = new_file(content, LARGEST);
    cog_event event;

    event = run(&get, fd, blocks, 0, 0);
    CHECK(!event.code && (event.object || event.a == LARGEST));
    event = run(&put, fd, blocks, 0, 0);
    CHECK(!event.code && (event.object || event.a == LARGEST));
    close(fd);
}

int main(void)
{
    double started = seconds_now();
    int i;

    alarm(50);      /* a test that hangs is a test that failed */
    signal(SIGPIPE, SIG_IGN);       /* as Python does */
    CHECK(cog_queue_open(object_free) >= 0);
    for (i = 0; i < LARGEST; i++)
    {
        content[i] = (unsigned char) chance(&fate, 256);
    }
    for (i = 0; i < 12; i++)
    {
        whole_files(1 + i % 4 * 2);
        local_failures(1 + i % 4);
        server_failures(1 + i % 4);
        part_of_a_file();
        pipes();
        a_pipe_cannot_seek();
        cancelled(1 + i % 4);
    }
    printf("pump: %llu transfers by %d threads, %.1f MB moved: %.1f s\n",
        (unsigned long long) transfers, WORKERS, (double) moved / 1e6, seconds_now() - started);
    return 0;
}
