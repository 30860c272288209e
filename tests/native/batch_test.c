/*
 * Plays the pump, Globus and Python against the batch.  Each file has a fate: it goes well, at once
 * or later, on this thread or another; it fails on either side, or must be aborted first; it is
 * refused.  Python pushes, looks, aborts, stops and frees as it does in life.  Meant for the
 * sanitizers.
 */
#define _GNU_SOURCE
#include "check.h"
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { MOST = 200, SIZE = 1000 };

enum fate { WELL, FAILS, LOCALLY, REFUSED, NO_PLACE, NO_PUMP, ASKS };

/* --- the pump and Globus, as far as the batch knows them ------------------------------------------- */

struct cog_place
{
    _Atomic int     users;
    int             fd;
};

struct cog_pump
{
    cog_pump_report report;
    void           *batch;
    cog_place      *place;
    int64_t         number, bytes;
    enum fate       fate;
    int             stopped;
};

/* The session: one transfer at a time, whose end is told by a thread of its own. */
static struct
{
    pthread_mutex_t lock;
    pthread_cond_t  news;
    cog_pump       *pump;           /* of the transfer that runs */
    int             started;        /* its pump has been */
    int             aborted, quit;
    uint32_t        random;
} session;

static enum fate fates[MOST];
static _Atomic uint64_t pumps_made, pumps_freed, places_made, places_freed, results_given, results_taken, batches, files;

/* One thread of Globus' own for what is to be called later; it lives as long as the test. */
struct later { globus_callback_func_t function; void *arg; };
static struct later waiting[64];
static unsigned int waiting_first, waiting_end;
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t waiting_news = PTHREAD_COND_INITIALIZER;

static void *call_later(void *arg)
{
    (void) arg;
    pthread_mutex_lock(&waiting_lock);
    for (;;)
    {
        struct later later;

        while (waiting_first == waiting_end)
        {
            pthread_cond_wait(&waiting_news, &waiting_lock);
        }
        later = waiting[waiting_first++ % 64];
        pthread_mutex_unlock(&waiting_lock);
        later.function(later.arg);
        pthread_mutex_lock(&waiting_lock);
    }
    return NULL;
}

static void start_caller(void)
{
    pthread_t thread;

    CHECK(!pthread_create(&thread, NULL, call_later, NULL));
    pthread_detach(thread);
}

globus_result_t globus_callback_space_register_oneshot(
    globus_callback_handle_t *handle, const globus_reltime_t *delay,
    globus_callback_func_t function, void *arg, globus_callback_space_t space)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) handle, (void) space;
    CHECK(delay->tv_sec == 0);
    pthread_once(&once, start_caller);
    pthread_mutex_lock(&waiting_lock);
    CHECK(waiting_end - waiting_first < 64);
    waiting[waiting_end++ % 64] = (struct later) { .function = function, .arg = arg };
    pthread_cond_signal(&waiting_news);
    pthread_mutex_unlock(&waiting_lock);
    return GLOBUS_SUCCESS;
}

globus_object_t *globus_error_get(globus_result_t result)
{
    CHECK(result != GLOBUS_SUCCESS);
    atomic_fetch_add(&results_taken, 1);
    return object_new();
}

void globus_object_free(globus_object_t *object)
{
    object_free(object);
}

static globus_result_t refuse(void)
{
    atomic_fetch_add(&results_given, 1);
    return 1;
}

/* the descriptor of a job is its number, here */
cog_place *cog_place_open(int fd, int writing)
{
    cog_place *place;

    (void) writing;
    if (fates[fd] == NO_PLACE)
    {
        errno = EMFILE;
        return NULL;
    }
    place = calloc(1, sizeof *place);
    CHECK(place);
    place->fd = fd;
    place->users = 1;
    atomic_fetch_add(&places_made, 1);
    return place;
}

void cog_place_use(cog_place *place)
{
    atomic_fetch_add(&place->users, 1);
}

void cog_place_close(cog_place *place)
{
    if (atomic_fetch_sub(&place->users, 1) == 1)
    {
        atomic_fetch_add(&places_freed, 1);
        free(place);
    }
}

cog_pump *cog_pump_new(
    cog_token token, cog_token news, cog_place *place, int blocks, size_t block_size, int64_t base,
    int64_t lowest, int64_t first, int64_t end)
{
    cog_pump *pump;

    CHECK(!token && !news && blocks == 4 && block_size == 4096);
    CHECK(!base && !lowest && !first && end == -1);
    if (fates[place->fd] == NO_PUMP)
    {
        errno = EMFILE;
        return NULL;
    }
    pump = calloc(1, sizeof *pump);
    CHECK(pump);
    pump->fate = fates[place->fd];
    pump->place = place;
    cog_place_use(place);
    atomic_fetch_add(&pumps_made, 1);
    return pump;
}

void cog_pump_free(cog_pump *pump)
{
    atomic_fetch_add(&pumps_freed, 1);
    cog_place_close(pump->place);
    free(pump);
}

void cog_pump_report_to(cog_pump *pump, cog_pump_report report, void *owner, int64_t number)
{
    pump->report = report;
    pump->batch = owner;
    pump->number = number;
}

int64_t cog_pump_bytes(const cog_pump *pump)
{
    return __atomic_load_n(&pump->bytes, __ATOMIC_RELAXED);
}

int cog_pump_waits(const cog_pump *pump)
{
    return __atomic_load_n(&pump->stopped, __ATOMIC_RELAXED);
}

void cog_pump_stop(cog_pump *pump)
{
    __atomic_store_n(&pump->stopped, 1, __ATOMIC_RELAXED);
}

/* Tells of its end, like the pump, and not twice: whoever takes it out of the session does so. */
static int take_over(cog_pump *pump)
{
    int ours;

    pthread_mutex_lock(&session.lock);
    ours = session.pump == pump && session.started;
    if (ours)
    {
        session.pump = NULL;
    }
    pthread_cond_broadcast(&session.news);
    pthread_mutex_unlock(&session.lock);
    return ours;
}

static void end_transfer(cog_pump *pump, int aborted)
{
    cog_event event = { .kind = COG_EVENT_PUMP };

    if (!aborted && pump->fate == WELL)
    {
        __atomic_store_n(&pump->bytes, SIZE + pump->number, __ATOMIC_RELAXED);
    }
    event.code = pump->fate == ASKS || (!aborted && pump->fate == LOCALLY) ? ENOSPC : 0;
    event.object = aborted || pump->fate != WELL ? object_new() : NULL;
    pump->report(pump->batch, pump, pump->number, &event);
}

static globus_result_t start(const char *url, cog_pump *pump)
{
    CHECK(!strncmp(url, "gsiftp://", 9) && pump->number == atoi(url + 9));
    if (pump->fate == REFUSED)
    {
        return refuse();
    }
    pthread_mutex_lock(&session.lock);
    CHECK(!session.pump);           /* one at a time */
    session.pump = pump;
    session.started = session.aborted = 0;
    pthread_mutex_unlock(&session.lock);
    return GLOBUS_SUCCESS;
}

globus_result_t globus_ftp_client_get(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, globus_ftp_client_complete_callback_t complete,
    void *arg)
{
    CHECK(handle && !attr && !restart && complete == cog_on_pump_complete);
    return start(url, arg);
}

globus_result_t globus_ftp_client_put(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, globus_ftp_client_complete_callback_t complete,
    void *arg)
{
    CHECK(handle && !attr && !restart && complete == cog_on_pump_complete);
    return start(url, arg);
}

/* The batch hands it over, and never calls it. */
void cog_on_pump_complete(void *pump, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    (void) pump;
    (void) handle;
    (void) error;
    CHECK(0);
}

/* A transfer may be over before the call that starts the pump has returned, and on its thread. */
static void start_pump(cog_pump *pump)
{
    cog_event failed = { .kind = COG_EVENT_PUMP_FAILED, .code = ENOSPC };
    int at_once;

    if (pump->fate == ASKS)
    {
        pump->report(pump->batch, pump, pump->number, &failed);
    }
    pthread_mutex_lock(&session.lock);
    session.started = 1;
    at_once = pump->fate != ASKS && chance(&session.random, 3) == 0;
    pthread_cond_broadcast(&session.news);
    pthread_mutex_unlock(&session.lock);
    if (at_once && take_over(pump))
    {
        end_transfer(pump, 0);
    }
}

void cog_pump_start_get(cog_pump *pump, globus_ftp_client_handle_t *handle)
{
    CHECK(handle);
    start_pump(pump);
}

void cog_pump_start_put(cog_pump *pump, globus_ftp_client_handle_t *handle)
{
    CHECK(handle);
    start_pump(pump);
}

globus_result_t globus_ftp_client_abort(globus_ftp_client_handle_t *handle)
{
    int late;

    CHECK(handle);
    pthread_mutex_lock(&session.lock);
    late = !session.pump;
    session.aborted = 1;
    pthread_cond_broadcast(&session.news);
    pthread_mutex_unlock(&session.lock);
    return late ? refuse() : GLOBUS_SUCCESS;
}

/* One of Globus' threads: ends the transfer that runs. */
static void *serve(void *arg)
{
    (void) arg;
    pthread_mutex_lock(&session.lock);
    while (!session.quit)
    {
        cog_pump *pump = session.pump;
        int aborted = session.aborted;

        if (!pump || !session.started || (pump->fate == ASKS && !aborted))
        {
            pthread_cond_wait(&session.news, &session.lock);
            continue;
        }
        session.pump = NULL;
        pthread_mutex_unlock(&session.lock);
        end_transfer(pump, aborted);
        pthread_mutex_lock(&session.lock);
    }
    pthread_mutex_unlock(&session.lock);
    return NULL;
}

/* --- Python -------------------------------------------------------------------------------------------- */

typedef struct
{
    cog_batch                  *batch;
    int                         count, pushed;
    int                         users;      /* the thread that pushes, and the one that takes events */
    useconds_t                  delay;      /* until the user gives up */
    globus_ftp_client_handle_t  handle;
    pthread_mutex_t             lock;       /* the batch may be freed but while this is held */
} program;

static void leave(program *self)
{
    pthread_mutex_lock(&self->lock);
    if (--self->users == 0)
    {
        cog_batch_free(self->batch);
        self->batch = NULL;
    }
    pthread_mutex_unlock(&self->lock);
}

static void *feed(void *arg)
{
    program *self = arg;
    uint32_t random = 7;
    char url[32];
    int number, failed = 0;
    cog_place *place;

    for (number = 0; number < self->count && !failed; number++)
    {
        snprintf(url, sizeof url, "gsiftp://%d", number);
        place = number % 3 == 1 && fates[number] != NO_PLACE ? cog_place_open(number, 0) : NULL;
        failed = cog_batch_push(self->batch, number, url, place ? -1 : number, place);
        if (place)
        {
            cog_place_close(place);
        }
        CHECK(!failed || failed == -ECANCELED);
        self->pushed += !failed;
        if (chance(&random, 20) == 0)
        {
            usleep(chance(&random, 100));
        }
    }
    cog_batch_end(self->batch);
    leave(self);
    return NULL;
}

static void *give_up(void *arg)
{
    program *self = arg;

    usleep(self->delay);
    pthread_mutex_lock(&self->lock);
    if (self->batch)
    {
        cog_batch_stop(self->batch);
        if (globus_ftp_client_abort(&self->handle) != GLOBUS_SUCCESS)
        {
            globus_object_free(globus_error_get(1));
        }
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* Runs `count` files, of which `bad` has another fate than to go well (-1: none).  What is told must
 * be the files in their order, up to the first that fails, then the end, then nothing. */
static void run(int is_put, int count, int bad, enum fate fate, int stopped)
{
    static uint32_t delays = 3;
    pthread_t feeder, user, server[2];
    program self = { .count = count, .users = 2, .delay = chance(&delays, 1500) };
    cog_token token = cog_slot_new(COG_MANY), end_token = cog_slot_new(COG_ONCE);
    cog_event event;
    int64_t bytes = 0, number = 0;
    int told = 0, failed = 0, over = 0, i;

    for (i = 0; i < count; i++)
    {
        fates[i] = i == bad ? fate : WELL;
    }
    session.pump = NULL;
    session.quit = session.aborted = session.started = 0;
    session.random = 1 + chance(&delays, 100000);
    pthread_mutex_init(&self.lock, NULL);
    self.batch = cog_batch_new(token, end_token, is_put, 4, 4096, &self.handle, NULL);
    CHECK(token && end_token && self.batch);
    for (i = 0; i < 2; i++)
    {
        CHECK(!pthread_create(&server[i], NULL, serve, NULL));
    }
    CHECK(!pthread_create(&feeder, NULL, feed, &self));
    if (stopped)
    {
        CHECK(!pthread_create(&user, NULL, give_up, &self));
    }
    while (!over)
    {
        while (cog_take(&event, 1))
        {
            CHECK(!over && !event.text);
            if (event.kind == COG_EVENT_BATCH_END)
            {
                CHECK(event.token == end_token);
                over = 1;
                continue;
            }
            CHECK(event.token == token);
            if (event.kind == COG_EVENT_BATCH_FAILED)       /* perhaps the user was quicker */
            {
                CHECK(event.code == (event.b == bad && fate == ASKS ? ENOSPC : ECANCELED) || stopped);
                if (globus_ftp_client_abort(&self.handle) != GLOBUS_SUCCESS)
                {
                    globus_object_free(globus_error_get(1));
                }
                continue;
            }
            CHECK(event.kind == COG_EVENT_BATCH);
            CHECK(!failed && event.b == told);
            told++;
            failed = event.code || event.object;
            CHECK(failed || event.a == SIZE + event.b);
            CHECK(!event.code || event.code ==
                (fate == NO_PUMP || fate == NO_PLACE ? EMFILE : ENOSPC));
            bytes += event.a;
            if (event.object)
            {
                object_free(event.object);
            }
        }
        if (!over)
        {
            CHECK(cog_batch_waits_for(self.batch, &number) == COG_WAITS_FOR_NOTHING ||
                (number >= told && number < count));
            cog_batch_bytes(self.batch);
            usleep(20);
        }
    }
    CHECK(cog_batch_bytes(self.batch) == bytes);
    leave(&self);
    CHECK(!pthread_join(feeder, NULL));
    if (stopped)
    {
        CHECK(!pthread_join(user, NULL));
    }
    pthread_mutex_lock(&session.lock);
    session.quit = 1;
    pthread_cond_broadcast(&session.news);
    pthread_mutex_unlock(&session.lock);
    for (i = 0; i < 2; i++)
    {
        CHECK(!pthread_join(server[i], NULL));
    }
    pthread_mutex_destroy(&self.lock);
    cog_slot_close(token);
    CHECK(!self.batch && told <= self.pushed);
    if (!stopped)
    {
        CHECK(bad < 0 ? told == count && !failed : told == bad + 1 && failed);
    }
    CHECK(!cog_take(&event, 1));
    CHECK(atomic_load(&pumps_made) == atomic_load(&pumps_freed));
    CHECK(atomic_load(&places_made) == atomic_load(&places_freed));
    CHECK(atomic_load(&objects_made) == atomic_load(&objects_freed));
    CHECK(atomic_load(&results_given) == atomic_load(&results_taken));
    batches++;
    files += (uint64_t) told;
}

int main(void)
{
    static const enum fate bad_ones[] = { FAILS, LOCALLY, REFUSED, NO_PLACE, NO_PUMP, ASKS };
    double started = seconds_now();
    int round, i;

    alarm(50);      /* a test that hangs is a test that failed */
    CHECK(cog_queue_open(object_free) >= 0);
    pthread_mutex_init(&session.lock, NULL);
    pthread_cond_init(&session.news, NULL);
    for (round = 0; round < 20; round++)
    {
        int is_put = round % 2;

        run(is_put, 0, -1, WELL, 0);
        run(is_put, 1, -1, WELL, 0);
        run(is_put, MOST, -1, WELL, 0);
        run(is_put, MOST, -1, WELL, 1);
        for (i = 0; i < (int) (sizeof bad_ones / sizeof *bad_ones); i++)
        {
            run(is_put, MOST, 0, bad_ones[i], 0);
            run(is_put, MOST, 100, bad_ones[i], 0);
            run(is_put, MOST, MOST - 1, bad_ones[i], 0);
            run(is_put, MOST, 30, bad_ones[i], 1);
        }
    }
    printf("batch: %llu batches, %llu files: %.1f s\n", (unsigned long long) batches,
        (unsigned long long) files, seconds_now() - started);
    return 0;
}
