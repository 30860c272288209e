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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { MOST_BUFFERS = 8, WORKERS = 4, BLOCK = 4096 };
enum { DIE = 1, STOP };

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
    int                  cancel;        /* the user gives up in the middle, or the connection dies, */
    useconds_t           delay;         /* after so many microseconds */
    int64_t              fail_at;       /* the server gives up at this offset, -1: never */
    int                  lose;          /* a block that is registered meanwhile comes back too late */
    int                  premature;     /* and calls that a success */
    int64_t              misplace;      /* of a get: added to every offset but the first one */
    cog_pump            *pump;

    pthread_mutex_t      lock;
    pthread_cond_t       news;
    buffer               waiting[MOST_BUFFERS];
    int                  count;
    int64_t              next;          /* offset */
    int                  over;          /* the last block has been seen */
    int                  failed, completed;
    buffer               lost;
    _Atomic int64_t      arrived;       /* of a put */
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

/* What is to be called later is, much sooner, by a thread of its own. */
struct later { globus_callback_func_t function; void *arg; };

static _Atomic int laters;

static void *call_later(void *arg)
{
    struct later later = *(struct later *) arg;

    free(arg);
    usleep(20000);
    later.function(later.arg);
    atomic_fetch_sub(&laters, 1);
    return NULL;
}

globus_result_t globus_callback_space_register_oneshot(
    globus_callback_handle_t *handle, const globus_reltime_t *delay,
    globus_callback_func_t function, void *arg, globus_callback_space_t space)
{
    struct later *later = malloc(sizeof *later);
    pthread_t thread;

    (void) handle, (void) space;
    CHECK(delay->tv_sec == 1 && later);
    *later = (struct later) { .function = function, .arg = arg };
    atomic_fetch_add(&laters, 1);
    CHECK(!pthread_create(&thread, NULL, call_later, later));
    pthread_detach(thread);
    return GLOBUS_SUCCESS;
}

globus_object_t *globus_error_get(globus_result_t result)
{
    CHECK(result != GLOBUS_SUCCESS);
    atomic_fetch_add(&results_taken, 1);
    return object_new();
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
    if (server->failed && server->lose && !server->lost.data && !server->completed)
    {
        server->lost = block;
        pthread_mutex_unlock(&server->lock);
        return GLOBUS_SUCCESS;
    }
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
        atomic_store(&server->arrived, server->size);
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
    block->offset = server->next + (server->next ? server->misplace : 0);
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
        error = server->failed && !server->premature ? object_new() : NULL;
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
    error = complete && server->failed && !server->premature ? object_new() : NULL;
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

static void *stop(void *arg)
{
    transfer *server = arg;

    usleep(server->delay);
    cog_pump_stop(server->pump);
    return cancel(arg);
}

/* Whether nothing is left that was made for the transfers before. */
static void check_that_all_is_back(void)
{
    double deadline = seconds_now() + 10;

    while (atomic_load(&laters))
    {
        CHECK(seconds_now() < deadline);
        usleep(100);
    }
    CHECK(atomic_load(&objects_made) == atomic_load(&objects_freed));
    CHECK(atomic_load(&results_given) == atomic_load(&results_taken));
}

/* What Python does: start the transfer, start the pump, abort the transfer when it is asked to, wait
 * for the end, free the pump at once. */
static cog_event run_part(
    transfer *server, cog_place *place, int blocks, int64_t base, int64_t lowest, int64_t first,
    int64_t end)
{
    pthread_t workers[WORKERS], starter, user;
    cog_event event = { 0 };
    cog_token token = cog_slot_new(COG_ONCE), news = cog_slot_new(COG_MANY);
    int i;

    CHECK(token && news && place);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->news, NULL);
    server->random = 1 + chance(&fate, 1000000);
    server->delay = chance(&fate, 3000);
    server->next = server->content ? first + server->skip : 0;
    server->pump = cog_pump_new(token, news, place, blocks, BLOCK, base, lowest, first, end);
    CHECK(server->pump);
    for (i = 0; i < WORKERS; i++)
    {
        CHECK(!pthread_create(&workers[i], NULL, serve, server));
    }
    CHECK(!pthread_create(&starter, NULL, server->received ? start_put : start_get, server));
    if (server->cancel)
    {
        CHECK(!pthread_create(&user, NULL, server->cancel == STOP ? stop : cancel, server));
    }
    while (event.kind != COG_EVENT_PUMP)
    {
        if (!cog_take(&event, 1))
        {
            cog_wait(-1);
        }
        else if (event.kind == COG_EVENT_PUMP_FAILED)
        {
            CHECK(event.token == news && event.code);
            if (globus_ftp_client_abort(&server->handle) != GLOBUS_SUCCESS)
            {
                globus_object_free(globus_error_get(1));
            }
        }
    }
    CHECK(event.token == token);
    CHECK(cog_pump_bytes(server->pump) == event.a);
    if (server->cancel)
    {
        CHECK(!pthread_join(user, NULL));
    }
    cog_pump_free(server->pump);
    cog_slot_close(news);
    CHECK(!pthread_join(starter, NULL));
    for (i = 0; i < WORKERS; i++)
    {
        CHECK(!pthread_join(workers[i], NULL));
    }
    if (server->lost.data)
    {
        cog_event none = { 0 };
        globus_object_t *error = object_new();

        server->lost.callback(server->lost.arg, &server->handle, chance(&fate, 2) ? error : NULL,
            server->lost.data, 0, 0, chance(&fate, 2));
        object_free(error);
        CHECK(!cog_take(&none, 1));
    }
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->news);
    transfers++;
    moved += (uint64_t) event.a;
    if (event.object)
    {
        object_free(event.object);
    }
    check_that_all_is_back();
    CHECK(!cog_take(&(cog_event) { 0 }, 1));
    return event;
}

static cog_event run(transfer *server, int fd, int blocks, int64_t base, int64_t first)
{
    cog_place *place = cog_place_open(fd, !server->received);
    cog_event event = run_part(server, place, blocks, base, 0, first, -1);

    cog_place_close(place);
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

        if (put < 0)
        {
            CHECK(errno == EPIPE);      /* the transfer has failed, and the pipe was closed */
            break;
        }
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

static unsigned char received[LARGEST + BLOCK];

static void pipes(void)
{
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
    transfer unreadable = { .received = copy, .fail_at = -1 };
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
    CHECK(!cog_place_open(fd, 0) && errno == EISDIR);
    close(fd);
    CHECK(!cog_place_open(fd, 0) && errno == EBADF);
    fd = open("/dev/null", O_RDONLY);
    CHECK(!cog_place_open(fd, 1) && errno == EBADF);
    close(fd);
    /* of these only reading fails */
    fd = open("/proc/self/mem", O_RDONLY);
    event = run(&unreadable, fd, blocks, 0, 0);
    CHECK(event.code == EIO && event.object && event.a == 0);
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
    transfer get = { .content = content, .size = LARGEST, .fail_at = -1, .cancel = STOP };
    transfer put = { .received = copy, .fail_at = -1, .cancel = STOP };
    int fd = new_file(content, LARGEST);
    cog_event event;

    event = run(&get, fd, blocks, 0, 0);
    CHECK(!event.code && (event.object || event.a == LARGEST));
    event = run(&put, fd, blocks, 0, 0);
    CHECK(!event.code && (event.object || event.a == LARGEST));
    close(fd);
}

/* --- streams --------------------------------------------------------------------------------------- */

typedef struct
{
    int         fd;
    transfer   *server;
} feeder;

/* Each byte has arrived before the next is written. */
static void *one_by_one(void *arg)
{
    feeder *self = arg;
    double deadline = seconds_now() + 20;
    int i;

    for (i = 0; i < 20; i++)
    {
        CHECK(write(self->fd, content + i, 1) == 1);
        while (atomic_load(&self->server->arrived) != i + 1)
        {
            CHECK(seconds_now() < deadline);
            usleep(100);
        }
    }
    close(self->fd);
    return NULL;
}

static void what_comes_goes_out(void)
{
    transfer put = { .received = received, .fail_at = -1 };
    feeder self = { .server = &put };
    pthread_t other;
    cog_event event;
    int ends[2];

    CHECK(!pipe(ends));
    self.fd = ends[1];
    CHECK(!pthread_create(&other, NULL, one_by_one, &self));
    event = run(&put, ends[0], 4, 0, 0);
    CHECK(!pthread_join(other, NULL));
    CHECK(!event.code && event.a == 20 && put.size == 20 && !memcmp(received, content, 20));
    close(ends[0]);
}

/* The other end says nothing, and never will. */
static void silent_pipes(void)
{
    transfer refused = { .received = received, .fail_at = -1, .failed = 1 };
    transfer given_up = { .received = received, .fail_at = -1, .cancel = STOP };
    transfer premature = { .received = received, .fail_at = -1, .failed = 1, .premature = 1 };
    int ends[2], unread;
    cog_event event;

    CHECK(!pipe(ends));
    event = run(&refused, ends[0], 4, 0, 0);
    CHECK(!event.code && event.object && event.a == 0);
    event = run(&given_up, ends[0], 4, 0, 0);
    CHECK(event.object && event.a == 0);
    event = run(&premature, ends[0], 4, 0, 0);
    CHECK(event.code == COG_PUMP_UNFINISHED && event.a == 0);
    /* nobody is left who would take what comes now */
    CHECK(write(ends[1], "x", 1) == 1);
    usleep(1000);
    CHECK(ioctl(ends[0], FIONREAD, &unread) == 0 && unread == 1);
    close(ends[0]);
    close(ends[1]);
}

/* Begun again until it is right, or until what was read is no longer there. */
static void begun_again(int64_t size, int64_t fail_at)
{
    pipe_end end = { .size = size };
    int ends[2], attempts = 0;
    pthread_t other;
    cog_place *place;
    cog_event event;

    CHECK(!pipe(ends));
    end.fd = ends[1];
    signal(SIGPIPE, SIG_IGN);
    CHECK(!pthread_create(&other, NULL, fill_pipe, &end));
    place = cog_place_open(ends[0], 0);
    close(ends[0]);
    CHECK(cog_place_can_begin(place, 0) && cog_place_can_begin(place, 99));
    do
    {
        transfer put = { .received = received, .fail_at = attempts++ < 2 ? fail_at : -1 };

        memset(received, 0, sizeof received);
        event = run_part(&put, place, 4, 0, 0, 0, -1);
        CHECK(!event.code && put.size <= size && !memcmp(received, content, (size_t) put.size));
        CHECK(event.object || put.size == size);
        CHECK(cog_place_taken(place) <= STREAM_ROOM || !cog_place_can_begin(place, 0));
    }
    while (event.object && cog_place_can_begin(place, 0));
    CHECK(!event.object || cog_place_taken(place) > STREAM_ROOM);
    CHECK(!event.object || size > STREAM_ROOM);
    if (event.object)       /* whoever tries it all the same is told */
    {
        transfer put = { .received = received, .fail_at = -1 };

        event = run_part(&put, place, 4, 0, 0, 0, -1);
        CHECK(event.code == ESPIPE && event.a == 0);
    }
    cog_place_close(place);
    CHECK(!pthread_join(other, NULL));
}

/* Only a part of a pipe is taken; the rest stays in it. */
static void a_part_of_a_pipe(void)
{
    transfer put = { .received = received, .fail_at = -1 };
    char rest[8];
    int ends[2];
    cog_place *place;
    cog_event event;

    CHECK(!pipe(ends) && write(ends[1], "0123456789", 10) == 10);
    place = cog_place_open(ends[0], 0);
    event = run_part(&put, place, 4, 0, 0, 0, 7);
    cog_place_close(place);
    CHECK(!event.code && !event.object && event.a == 7 && !memcmp(received, "0123456", 7));
    CHECK(read(ends[0], rest, sizeof rest) == 3 && !memcmp(rest, "789", 3));
    close(ends[0]);
    close(ends[1]);
}

/* A get into a socket that nobody reads: given up, it tells exactly what has gone there. */
static void a_full_socket(void)
{
    transfer get = { .content = content, .size = LARGEST, .fail_at = -1, .cancel = STOP };
    transfer dies = { .content = content, .size = LARGEST, .fail_at = -1, .cancel = DIE };
    transfer *gets[] = { &get, &dies };
    int ends[2], i, unread, small = 4096;
    cog_event event;

    for (i = 0; i < 2; i++)
    {
        CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
        event = run(gets[i], ends[1], 4, 0, 0);
        CHECK(event.object && (!event.code || (event.code == ECANCELED && !i)));
        CHECK(ioctl(ends[0], FIONREAD, &unread) == 0 && unread == event.a && unread < LARGEST);
        close(ends[0]);
        close(ends[1]);
    }
}

static void memory(int blocks)
{
    int i;

    for (i = 0; i < SIZES; i++)
    {
        transfer put = { .received = received, .shuffle = 1, .fail_at = -1 };
        transfer part = { .received = received, .shuffle = 1, .fail_at = -1 };
        cog_place *place = cog_place_memory(content, (size_t) sizes[i]);
        cog_event event = run_part(&put, place, blocks, 0, 0, 0, -1);

        CHECK(!event.code && !event.object && event.a == sizes[i] && put.size == sizes[i]);
        CHECK(!memcmp(received, content, (size_t) sizes[i]));
        CHECK(cog_place_can_begin(place, 0));
        event = run_part(&part, place, blocks, sizes[i] + 9, 0, 0, -1);
        CHECK(!event.code && !event.object && event.a == 0);    /* it begins behind the end */
        cog_place_close(place);
    }
}

/* --- what the server should not have done ------------------------------------------------------------ */

/* A block of a put is registered in the moment in which it fails, and comes back when nobody expects
 * it any more. */
static void lost_blocks(int blocks)
{
    int64_t fail_at;
    int fd = new_file(content, LARGEST), ends[2];

    for (fail_at = 0; fail_at < LARGEST; fail_at += 9 * BLOCK)
    {
        transfer put = { .received = copy, .fail_at = fail_at, .lose = 1 };
        transfer piped = { .received = received, .fail_at = fail_at, .lose = 1 };
        pipe_end end = { .size = LARGEST };
        pthread_t other;
        cog_event event = run(&put, fd, blocks, 0, 0);

        CHECK(!event.code && event.object);
        CHECK(!pipe(ends));
        end.fd = ends[1];
        CHECK(!pthread_create(&other, NULL, fill_pipe, &end));
        event = run(&piped, ends[0], blocks, 0, 0);
        CHECK(!event.code && event.object);
        close(ends[0]);
        CHECK(!pthread_join(other, NULL));
    }
    close(fd);
}

/* Nothing is written but what was asked for. */
static void outside_of_the_part(int blocks)
{
    static const int64_t wrong[] = { -10 * LARGEST, INT64_MAX / 2, INT64_MIN / 2, 2 * BLOCK };
    int64_t base = 3, lowest = BLOCK, end = 6 * BLOCK;
    int i, ends[2];

    for (i = 0; i < 4; i++)
    {
        transfer get = { .content = content, .size = end, .fail_at = -1, .misplace = wrong[i] };
        transfer piped = get;
        int fd = new_file(NULL, 0);
        cog_place *place = cog_place_open(fd, 1);
        cog_event event = run_part(&get, place, blocks, base, lowest, lowest, end);

        cog_place_close(place);
        CHECK(event.code == COG_PUMP_OUTSIDE);
        CHECK(lseek(fd, 0, SEEK_END) <= base + end);
        CHECK(pread(fd, copy, (size_t) (base + lowest), 0) <= base + lowest);
        close(fd);
        CHECK(!pipe(ends));
        place = cog_place_open(ends[1], 1);
        event = run_part(&piped, place, blocks, 0, lowest, lowest, end);
        cog_place_close(place);
        CHECK(event.code == COG_PUMP_OUTSIDE || event.code == ESPIPE);
        close(ends[0]);
        close(ends[1]);
    }
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
        what_comes_goes_out();
        silent_pipes();
        begun_again(100, 0);
        begun_again(LARGEST, 0);
        begun_again(STREAM_ROOM - 1, STREAM_ROOM / 2);
        begun_again(LARGEST, STREAM_ROOM);
        a_part_of_a_pipe();
        a_full_socket();
        memory(1 + i % 4);
        lost_blocks(1 + i % 4);
        outside_of_the_part(1 + i % 4);
    }
    printf("pump: %llu transfers by %d threads, %.1f MB moved: %.1f s\n",
        (unsigned long long) transfers, WORKERS, (double) moved / 1e6, seconds_now() - started);
    return 0;
}
