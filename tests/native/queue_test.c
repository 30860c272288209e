/*
 * Plays Globus against the completion queue: threads that call back in storms, late, twice, while
 * their operation is closed, and after the shutdown.  Meant for the sanitizers (see Makefile).
 *
 *   queue_test          every scenario; one closing line, exit code 1 at the first thing amiss
 *   queue_test bench    nanoseconds for one event, posted and taken
 */
#define _GNU_SOURCE
#include "check.h"
#include "queue.h"

#include <pthread.h>
#include <string.h>

enum { PRODUCERS = 6, ROUNDS = 60000, ASKERS = 4, QUESTIONS = 400, TAKE = 64 };

enum { KIND_ONCE = 1, KIND_MANY, KIND_QUESTION };
enum { REFUSED = -7 };

/* --- memory that can run out: queue.c is compiled with these names (see Makefile) -------------- */

static _Atomic int memory_is_short;

void *cog_test_malloc(size_t size);
void *cog_test_calloc(size_t count, size_t size);

void *cog_test_malloc(size_t size)
{
    return atomic_load(&memory_is_short) ? NULL : malloc(size);
}

void *cog_test_calloc(size_t count, size_t size)
{
    return atomic_load(&memory_is_short) ? NULL : calloc(count, size);
}

/* --- the consumer -------------------------------------------------------------------------------- */

typedef struct
{
    _Atomic int    stop;
    uint64_t       once, many, questions;
    int            left_count;
    int64_t        left[ASKERS * QUESTIONS];    /* questions left to their deadline */
    int64_t        last[PRODUCERS];     /* the last sequence number of each producer */
    uint32_t       highest_slot;
    uint32_t       random;
} consumer;

static uint32_t slot_number(cog_token token)
{
    return (uint32_t) token - 1;
}

/* The answer is the question's own `a`, doubled, and its text comes back.  One question in eight is
 * left until its deadline is long over, see answer_late(). */
static void answer(consumer *self, const cog_event *event)
{
    self->questions++;
    if (chance(&self->random, 8) || self->left_count == ASKERS * QUESTIONS)
    {
        cog_answer(event->c, (int) event->a * 2, event->text);
    }
    else
    {
        self->left[self->left_count++] = event->c;
    }
    CHECK(!cog_answer(-1, 1, "nobody asked this"));
}

static void answer_late(const consumer *self)
{
    int i;

    for (i = 0; i < self->left_count; i++)
    {
        CHECK(!cog_answer(self->left[i], 1, "too late"));
    }
}

static void receive(consumer *self, cog_event *event)
{
    if (slot_number(event->token) > self->highest_slot)
    {
        self->highest_slot = slot_number(event->token);
    }
    switch (event->kind)
    {
    case KIND_ONCE:
        self->once++;
        CHECK(event->object);
        break;
    case KIND_MANY:
        self->many++;
        CHECK(event->b >= 0 && event->b < PRODUCERS);
        CHECK(event->a == self->last[event->b] + 1);    /* in the order of posting */
        self->last[event->b] = event->a;
        break;
    case KIND_QUESTION:
        answer(self, event);
        break;
    default:
        CHECK(!"a kind of event that nobody posted");
    }
    if (event->object)
    {
        object_free(event->object);
    }
    free(event->text);
}

static size_t take_some(consumer *self)
{
    cog_event events[TAKE];
    size_t i, count = cog_take(events, 1 + chance(&self->random, TAKE));

    for (i = 0; i < count; i++)
    {
        receive(self, &events[i]);
    }
    return count;
}

static void *consume(void *arg)
{
    consumer *self = arg;

    while (!atomic_load(&self->stop))
    {
        if (cog_wait(-1))
        {
            take_some(self);
        }
    }
    while (take_some(self))
    {
    }
    return NULL;
}

static void start_consumer(consumer *self, pthread_t *thread)
{
    memset(self, 0, sizeof *self);
    self->random = 4711;
    CHECK(!pthread_create(thread, NULL, consume, self));
}

static void stop_consumer(consumer *self, pthread_t thread)
{
    atomic_store(&self->stop, 1);
    cog_wake();
    CHECK(!pthread_join(thread, NULL));
}

/* --- the storm ------------------------------------------------------------------------------------ */

/* Where one producer leaves a token for its neighbour, who calls back too, or closes it. */
static _Atomic cog_token shared[PRODUCERS];

typedef struct
{
    int       number;
    int       until_dead;       /* go on until the queue is dead, and a while after */
    uint64_t  registered, once, many, dropped;
} producer;

static int post(producer *self, cog_token token, int kind, int64_t sequence)
{
    cog_event event = { .token = token, .kind = kind, .a = sequence, .b = self->number };
    int queued;

    if (kind == KIND_ONCE || sequence % 7 == 0)
    {
        event.object = object_new();
    }
    if (sequence % 5 == 0)
    {
        event.text = strdup("what the server said");
    }
    queued = cog_post(&event);
    self->dropped += !queued;
    return queued;
}

/* One operation: registered here, called back by this thread and by its neighbour, perhaps closed
 * in between.  However they meet, one event comes at most. */
static void once(producer *self, uint32_t *random, int64_t sequence)
{
    cog_token theirs, token = cog_slot_new(COG_ONCE);

    if (!token)
    {
        CHECK(cog_is_dead());
        return;
    }
    self->registered++;
    theirs = atomic_exchange(&shared[self->number], token);
    switch (chance(random, 4))
    {
    case 0:
        cog_slot_close(token);
        self->once += (uint64_t) post(self, token, KIND_ONCE, sequence);
        break;
    case 1:
        sched_yield();
        /* fall through */
    default:
        self->once += (uint64_t) post(self, token, KIND_ONCE, sequence);
        self->once += (uint64_t) post(self, token, KIND_ONCE, sequence);    /* twice */
    }
    if (theirs)
    {
        self->once += (uint64_t) post(self, theirs, KIND_ONCE, sequence);   /* late */
    }
    theirs = atomic_load(&shared[(self->number + 1) % PRODUCERS]);
    if (theirs)
    {
        self->once += (uint64_t) post(self, theirs, KIND_ONCE, sequence);   /* against its owner */
        cog_slot_close(theirs);
    }
}

static void *produce(void *arg)
{
    producer *self = arg;
    uint32_t random = 1 + (uint32_t) self->number;
    cog_token many = cog_slot_new(COG_MANY);
    int64_t i, sequence = 0, after_death = 0;

    CHECK(many);
    for (i = 0; self->until_dead ? after_death < 2000 : i < ROUNDS; i++)
    {
        if (post(self, many, KIND_MANY, sequence + 1))
        {
            sequence++;
            self->many++;
        }
        else
        {
            CHECK(cog_is_dead());
        }
        once(self, &random, i);
        after_death += cog_is_dead();
    }
    cog_slot_close(many);
    CHECK(!post(self, many, KIND_MANY, sequence + 1));
    return NULL;
}

static void run_producers(producer *producers, pthread_t *threads, int until_dead)
{
    int i;

    memset(producers, 0, PRODUCERS * sizeof *producers);
    for (i = 0; i < PRODUCERS; i++)
    {
        atomic_store(&shared[i], 0);
        producers[i].number = i;
        producers[i].until_dead = until_dead;
        CHECK(!pthread_create(&threads[i], NULL, produce, &producers[i]));
    }
}

static producer join_producers(producer *producers, pthread_t *threads)
{
    producer sum = { 0 };
    int i;

    for (i = 0; i < PRODUCERS; i++)
    {
        CHECK(!pthread_join(threads[i], NULL));
        sum.registered += producers[i].registered;
        sum.once += producers[i].once;
        sum.many += producers[i].many;
        sum.dropped += producers[i].dropped;
    }
    return sum;
}

static producer storm(void)
{
    producer producers[PRODUCERS], sum;
    pthread_t threads[PRODUCERS], consumer_thread;
    cog_figures before, after;
    consumer news;

    cog_get_figures(&before);
    start_consumer(&news, &consumer_thread);
    run_producers(producers, threads, 0);
    sum = join_producers(producers, threads);
    stop_consumer(&news, consumer_thread);

    cog_get_figures(&after);
    CHECK(sum.registered == (uint64_t) PRODUCERS * ROUNDS);
    CHECK(news.once == sum.once);
    CHECK(news.many == sum.many);
    CHECK(sum.many == (uint64_t) PRODUCERS * ROUNDS);
    CHECK(after.posted - before.posted == sum.once + sum.many);
    CHECK(after.dropped - before.dropped == sum.dropped);
    CHECK(after.lost == before.lost);
    CHECK(after.slots_in_use == 0);
    CHECK(atomic_load(&objects_made) == atomic_load(&objects_freed));
    return sum;
}

/* The dead switch in the middle of a storm: everybody comes back, nobody gets through, and what was
 * queued before can still be taken. */
static void shutdown_in_a_storm(void)
{
    producer producers[PRODUCERS], sum;
    pthread_t threads[PRODUCERS], consumer_thread;
    cog_figures figures;
    consumer news;

    start_consumer(&news, &consumer_thread);
    run_producers(producers, threads, 1);
    usleep(30000);
    cog_die();
    CHECK(cog_is_dead());
    CHECK(!cog_slot_new(COG_ONCE));
    sum = join_producers(producers, threads);
    stop_consumer(&news, consumer_thread);
    CHECK(news.once == sum.once && news.many == sum.many);
    cog_get_figures(&figures);
    CHECK(atomic_load(&objects_made) == atomic_load(&objects_freed));
}

/* --- one thread at a time: what the storm leaves to chance --------------------------------------- */

static void reuse_leaves_the_table_as_it_is(void)
{
    cog_event event = { .kind = KIND_ONCE };
    uint32_t highest = 0;
    int i;

    for (i = 0; i < 1200000; i++)
    {
        cog_token stale, token = cog_slot_new(COG_ONCE);

        CHECK(token);
        stale = event.token;
        CHECK(token != stale);
        event.token = token;
        highest = slot_number(token) > highest ? slot_number(token) : highest;
        CHECK(cog_post(&event));
        CHECK(cog_take(&event, 1) == 1 && event.token == token);
        if (i % 1000 == 0)
        {
            event.token = stale;
            CHECK(i == 0 || !cog_post(&event));
            event.token = token;
        }
    }
    CHECK(highest < 1024);      /* the first chunk of the table has done for all of them */
}

static void waits_and_wakes(void)
{
    cog_event event = { .kind = KIND_ONCE }, taken;
    double started;

    while (cog_wait(0))
    {
        CHECK(cog_take(&taken, 1) == 1);
    }
    cog_wait(0);                                /* a wake left over from before */
    started = seconds_now();
    CHECK(!cog_wait(20));
    CHECK(seconds_now() - started > 0.015);
    cog_wake();
    CHECK(!cog_wait(-1));                       /* woken, without an event */
    event.token = cog_slot_new(COG_ONCE);
    CHECK(cog_post(&event));
    CHECK(cog_wait(-1));
    CHECK(cog_take(&taken, 1) == 1 && taken.token == event.token);
    CHECK(cog_take(&taken, 1) == 0);
}

static void tokens_that_never_were(void)
{
    static const cog_token tokens[] = { 0, 1, UINT32_MAX, UINT64_MAX, (cog_token) 1 << 32,
                                        (cog_token) 7 << 32 | 4000000 };
    size_t i;

    for (i = 0; i < sizeof tokens / sizeof *tokens; i++)
    {
        cog_event event = { .token = tokens[i], .object = object_new(), .text = strdup("x") };

        CHECK(!cog_post(&event));
        cog_slot_close(tokens[i]);
    }
    CHECK(atomic_load(&objects_made) == atomic_load(&objects_freed));
}

/* An operation's record exists before it starts: its event gets through without memory.  A
 * subscription's is lost, counted, and its object freed. */
static void want_of_memory(void)
{
    cog_event once_event = { .token = cog_slot_new(COG_ONCE), .kind = KIND_ONCE }, taken;
    cog_event many_event = { .token = cog_slot_new(COG_MANY), .kind = KIND_MANY };
    cog_figures before, after;

    cog_get_figures(&before);
    once_event.object = object_new();
    many_event.object = object_new();
    atomic_store(&memory_is_short, 1);
    CHECK(cog_post(&once_event));
    CHECK(!cog_post(&many_event));
    atomic_store(&memory_is_short, 0);
    cog_get_figures(&after);
    CHECK(after.lost == before.lost + 1);
    CHECK(cog_take(&taken, 1) == 1 && taken.object == once_event.object);
    object_free(taken.object);
    cog_slot_close(many_event.token);
    CHECK(atomic_load(&objects_made) == atomic_load(&objects_freed));
}

/* --- rendezvous ------------------------------------------------------------------------------------- */

typedef struct
{
    cog_token token;
    int       until_dead;
    uint64_t  answered, refused;
} asker;

static void *ask(void *arg)
{
    asker *self = arg;
    int i;

    for (i = 0; self->until_dead ? !cog_is_dead() : i < QUESTIONS; i++)
    {
        cog_event event = { .token = self->token, .kind = KIND_QUESTION, .a = i };
        char *text = NULL;
        int answer;

        event.text = i % 2 ? strdup("may I?") : NULL;
        answer = cog_ask(&event, REFUSED, self->until_dead ? 60000 : 10, i % 3 ? &text : NULL);
        if (answer == REFUSED)
        {
            CHECK(!text);
            self->refused++;
        }
        else
        {
            CHECK(answer == i * 2);
            CHECK(!text || !strcmp(text, "may I?"));
            self->answered++;
        }
        free(text);
    }
    return NULL;
}

static asker questions(int until_dead)
{
    asker askers[ASKERS], sum = { 0 };
    pthread_t threads[ASKERS], consumer_thread;
    consumer news;
    double died;
    int i;

    start_consumer(&news, &consumer_thread);
    for (i = 0; i < ASKERS; i++)
    {
        askers[i] = (asker) { .token = cog_slot_new(COG_MANY), .until_dead = until_dead };
        CHECK(!pthread_create(&threads[i], NULL, ask, &askers[i]));
    }
    if (until_dead)
    {
        usleep(20000);
        stop_consumer(&news, consumer_thread);      /* from here on they wait for their deadline */
        usleep(20000);
    }
    died = seconds_now();
    if (until_dead)
    {
        cog_die();
    }
    for (i = 0; i < ASKERS; i++)
    {
        CHECK(!pthread_join(threads[i], NULL));
        sum.answered += askers[i].answered;
        sum.refused += askers[i].refused;
        cog_slot_close(askers[i].token);
    }
    if (until_dead)
    {
        CHECK(seconds_now() - died < 10);           /* and not the minute of the deadline */
        CHECK(sum.refused >= 1);
        while (take_some(&news))
        {
        }
    }
    else
    {
        stop_consumer(&news, consumer_thread);
        answer_late(&news);
        CHECK(sum.answered > 0 && sum.refused >= (uint64_t) news.left_count && news.left_count > 0);
        CHECK(sum.answered + sum.refused == (uint64_t) ASKERS * QUESTIONS);
    }
    return sum;
}

/* ----------------------------------------------------------------------------------------------------- */

static void bench(void)
{
    enum { EVENTS = 2000000 };
    cog_event events[TAKE];
    double started = seconds_now();
    int i, j;

    for (i = 0; i < EVENTS; i += TAKE)
    {
        for (j = 0; j < TAKE; j++)
        {
            cog_event event = { .token = cog_slot_new(COG_ONCE), .kind = KIND_ONCE };
            CHECK(cog_post(&event));
        }
        CHECK(cog_wait(-1) && cog_take(events, TAKE) == TAKE);
    }
    printf("queue: %.0f ns an event (registered, posted, taken)\n",
        (seconds_now() - started) * 1e9 / EVENTS);
}

int main(int count, char **arguments)
{
    double started = seconds_now();
    producer stormed;
    asker asked;

    alarm(50);      /* a test that hangs is a test that failed */
    CHECK(cog_is_dead() && !cog_slot_new(COG_ONCE));
    CHECK(cog_queue_open(object_free) >= 0);
    if (count > 1 && !strcmp(arguments[1], "bench"))
    {
        bench();
        return 0;
    }
    tokens_that_never_were();
    reuse_leaves_the_table_as_it_is();
    waits_and_wakes();
    want_of_memory();
    stormed = storm();
    asked = questions(0);
    shutdown_in_a_storm();
    CHECK(cog_queue_open(object_free) >= 0);
    questions(1);
    printf("queue: %llu operations and %llu notices from %d threads, %llu late or double callbacks "
           "dropped, %llu questions (%llu refused), shut down twice in mid-storm: %.1f s\n",
        (unsigned long long) stormed.registered, (unsigned long long) stormed.many, PRODUCERS,
        (unsigned long long) stormed.dropped,
        (unsigned long long) (asked.answered + asked.refused), (unsigned long long) asked.refused,
        seconds_now() - started);
    return 0;
}
