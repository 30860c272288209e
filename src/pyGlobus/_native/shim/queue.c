#define _GNU_SOURCE
#include "queue.h"

#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

typedef struct cog_record
{
    struct cog_record *next;
    cog_event          event;
    int                in_slot;     /* part of a slot: not to be freed */
} cog_record;

/* A slot's life: free -> armed -> (posted ->) free.  `state` packs the generation and the phase
 * into one word, so that "is this token still good?" and "it is mine now" are one step. */
enum { PHASE_FREE = 0, PHASE_ARMED = 1, PHASE_POSTED = 2 };

typedef struct cog_slot
{
    _Atomic uint64_t state;         /* generation << 8 | mode << 4 | phase */
    uint32_t         index;
    uint32_t         next_free;     /* under table_lock */
    cog_record       record;
} cog_slot;

/* The table grows by chunks that stay where they are: a late callback may look at a slot at any
 * time, even after the dead switch. */
enum { CHUNK = 1024, CHUNKS = 4096 };
static _Atomic(cog_slot *) chunks[CHUNKS];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t table_size;                 /* under table_lock */
static uint32_t free_head = UINT32_MAX;     /* under table_lock */

static _Atomic(cog_record *) posted_head;   /* newest first: producers push, the consumer takes all */
static cog_record *pending;                 /* oldest first: the consumer's own */
static _Atomic int dead = 1;                /* until opened */
static int event_fd = -1;
static void (*free_object_func)(void *);
static _Atomic uint64_t figure_used, figure_posted, figure_dropped, figure_lost;

static uint64_t pack(uint64_t generation, int mode, int phase)
{
    return generation << 8 | (uint64_t) mode << 4 | (uint64_t) phase;
}

static int phase_of(uint64_t state) { return (int) (state & 15); }
static int mode_of(uint64_t state) { return (int) (state >> 4 & 15); }
static uint64_t generation_of(uint64_t state) { return state >> 8; }

/* token = generation << 32 | index + 1, so that 0 is never a token */
static cog_token token_of(const cog_slot *slot, uint64_t generation)
{
    return generation << 32 | (slot->index + 1);
}

static cog_slot *slot_of(cog_token token)
{
    uint32_t index = (uint32_t) token - 1;
    cog_slot *chunk;

    if ((uint32_t) token == 0 || index >= (uint32_t) CHUNK * CHUNKS)
    {
        return NULL;
    }
    chunk = atomic_load_explicit(&chunks[index / CHUNK], memory_order_acquire);
    return chunk ? &chunk[index % CHUNK] : NULL;
}

int cog_queue_open(void (*free_object)(void *))
{
    if (event_fd < 0)
    {
        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (event_fd < 0)
        {
            return -errno;
        }
    }
    free_object_func = free_object;
    atomic_store(&dead, 0);
    return event_fd;
}

static int grow_locked(void)
{
    cog_slot *chunk;
    uint32_t i, number = table_size / CHUNK;

    if (number == CHUNKS || !(chunk = calloc(CHUNK, sizeof *chunk)))
    {
        return 0;
    }
    for (i = 0; i < CHUNK; i++)
    {
        chunk[i].index = table_size + i;
        chunk[i].next_free = i + 1 < CHUNK ? table_size + i + 1 : free_head;
        chunk[i].record.in_slot = 1;
        atomic_init(&chunk[i].state, pack(1, 0, PHASE_FREE));
    }
    free_head = table_size;
    table_size += CHUNK;
    atomic_store_explicit(&chunks[number], chunk, memory_order_release);
    return 1;
}

cog_token cog_slot_new(int mode)
{
    cog_slot *slot = NULL;
    uint64_t generation = 0;

    if (atomic_load(&dead))
    {
        return 0;
    }
    pthread_mutex_lock(&table_lock);
    if (free_head != UINT32_MAX || grow_locked())
    {
        slot = slot_of((cog_token) free_head + 1);
        free_head = slot->next_free;
    }
    pthread_mutex_unlock(&table_lock);
    if (!slot)
    {
        return 0;
    }
    generation = generation_of(atomic_load(&slot->state));
    atomic_store(&slot->state, pack(generation, mode, PHASE_ARMED));
    atomic_fetch_add(&figure_used, 1);
    return token_of(slot, generation);
}

/* Back to the free list, under the next generation (32 bits of it fit into a token; 0 is skipped). */
static void slot_free(cog_slot *slot, uint64_t generation)
{
    uint64_t next = (generation + 1) & UINT32_MAX;

    atomic_store(&slot->state, pack(next ? next : 1, 0, PHASE_FREE));
    atomic_fetch_sub(&figure_used, 1);
    pthread_mutex_lock(&table_lock);
    slot->next_free = free_head;
    free_head = slot->index;
    pthread_mutex_unlock(&table_lock);
}

void cog_slot_close(cog_token token)
{
    cog_slot *slot = slot_of(token);
    uint64_t generation = token >> 32, state;

    if (!slot)
    {
        return;
    }
    state = atomic_load(&slot->state);
    /* whoever wins this step frees the slot: the closer here, or the consumer of a posted event */
    while (generation_of(state) == generation && phase_of(state) == PHASE_ARMED)
    {
        if (atomic_compare_exchange_weak(
                &slot->state, &state, pack(generation, mode_of(state), PHASE_FREE)))
        {
            slot_free(slot, generation);
            return;
        }
    }
}

static void discard(const cog_event *event)
{
    if (event->object && free_object_func)
    {
        free_object_func(event->object);
    }
    free(event->text);
}

static void push(cog_record *record)
{
    cog_record *head = atomic_load_explicit(&posted_head, memory_order_relaxed);

    do
    {
        record->next = head;
    }
    while (!atomic_compare_exchange_weak_explicit(
        &posted_head, &head, record, memory_order_release, memory_order_relaxed));
    atomic_fetch_add_explicit(&figure_posted, 1, memory_order_relaxed);
    if (!head)
    {
        cog_wake();     /* the list was empty: the consumer may be asleep */
    }
}

int cog_post(const cog_event *event)
{
    cog_slot *slot = slot_of(event->token);
    uint64_t generation = event->token >> 32, state;
    cog_record *record;

    state = slot ? atomic_load(&slot->state) : 0;
    if (!slot || atomic_load(&dead) || generation_of(state) != generation
        || phase_of(state) != PHASE_ARMED)
    {
        goto drop;
    }
    if (mode_of(state) == COG_ONCE)
    {
        if (!atomic_compare_exchange_strong(
                &slot->state, &state, pack(generation, COG_ONCE, PHASE_POSTED)))
        {
            goto drop;
        }
        slot->record.event = *event;
        push(&slot->record);
        return 1;
    }
    record = malloc(sizeof *record);
    if (!record)
    {
        atomic_fetch_add(&figure_lost, 1);
        discard(event);
        return 0;
    }
    record->event = *event;
    record->in_slot = 0;
    push(record);
    return 1;

drop:
    atomic_fetch_add(&figure_dropped, 1);
    discard(event);
    return 0;
}

int cog_wait(int milliseconds)
{
    struct pollfd poll_fd = { .fd = event_fd, .events = POLLIN };
    sigset_t before;
    uint64_t count;
    ssize_t got;

    if (pending || atomic_load(&posted_head))
    {
        return 1;
    }
    cog_signals_block(&before);
    if (poll(&poll_fd, 1, milliseconds) > 0)
    {
        got = read(event_fd, &count, sizeof count);     /* resets it; EAGAIN does no harm */
        (void) got;
    }
    cog_signals_restore(&before);
    return atomic_load(&posted_head) != NULL;
}

void cog_wake(void)
{
    uint64_t one = 1;
    int saved = errno;
    ssize_t put = write(event_fd, &one, sizeof one);    /* fails only when it is set already */

    (void) put;
    errno = saved;
}

size_t cog_take(cog_event *events, size_t most)
{
    size_t count = 0;
    cog_record *record, *next;

    while (count < most)
    {
        if (!pending)
        {
            record = atomic_exchange_explicit(&posted_head, NULL, memory_order_acquire);
            for (; record; record = next)       /* newest first -> oldest first */
            {
                next = record->next;
                record->next = pending;
                pending = record;
            }
            if (!pending)
            {
                break;
            }
        }
        record = pending;
        pending = record->next;
        events[count++] = record->event;
        if (record->in_slot)
        {
            cog_slot *slot = slot_of(record->event.token);
            slot_free(slot, record->event.token >> 32);
        }
        else
        {
            free(record);
        }
    }
    return count;
}

int cog_is_dead(void)
{
    return atomic_load(&dead);
}

void cog_get_figures(cog_figures *figures)
{
    figures->slots_in_use = atomic_load(&figure_used);
    figures->posted = atomic_load(&figure_posted);
    figures->dropped = atomic_load(&figure_dropped);
    figures->lost = atomic_load(&figure_lost);
}

/* --- rendezvous ------------------------------------------------------------------------------ */

typedef struct rendezvous
{
    struct rendezvous *next;
    int64_t          number;
    int              answered;
    int              answer;
    char            *text;
    pthread_cond_t   condition;
} rendezvous;

static pthread_mutex_t ask_lock = PTHREAD_MUTEX_INITIALIZER;
static rendezvous *waiting;          /* under ask_lock; each lives on its asker's stack */
static int64_t next_number = 1;   /* under ask_lock */

int cog_ask(const cog_event *asked, int refusal, int milliseconds, char **answer_text)
{
    rendezvous mine = { .answer = refusal }, **link;
    cog_event event = *asked;
    pthread_condattr_t attributes;
    struct timespec until;

    if (answer_text)
    {
        *answer_text = NULL;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long) (milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000)
    {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mine.condition, &attributes);
    pthread_condattr_destroy(&attributes);

    pthread_mutex_lock(&ask_lock);
    mine.number = event.c = next_number++;
    mine.next = waiting;
    waiting = &mine;
    if (cog_post(&event))
    {
        while (!mine.answered && !atomic_load(&dead)
               && pthread_cond_timedwait(&mine.condition, &ask_lock, &until) != ETIMEDOUT)
        {
        }
    }
    for (link = &waiting; *link != &mine; link = &(*link)->next)
    {
    }
    *link = mine.next;
    pthread_mutex_unlock(&ask_lock);

    pthread_cond_destroy(&mine.condition);
    if (answer_text && mine.answered)
    {
        *answer_text = mine.text;
    }
    else
    {
        free(mine.text);
    }
    return mine.answer;
}

int cog_answer(int64_t number, int answer, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    rendezvous *asked;
    int found = 0;

    pthread_mutex_lock(&ask_lock);
    for (asked = waiting; asked; asked = asked->next)
    {
        if (asked->number == number && !asked->answered && (copy || !text))
        {
            asked->answered = found = 1;
            asked->answer = answer;
            asked->text = copy;
            pthread_cond_signal(&asked->condition);
            break;
        }
    }
    pthread_mutex_unlock(&ask_lock);
    if (!found)
    {
        free(copy);
    }
    return found;
}

void cog_die_in_child(void)
{
    /* whoever held a lock at the fork holds it for ever */
    atomic_store(&dead, 1);
}

void cog_die(void)
{
    rendezvous *asked;

    atomic_store(&dead, 1);
    pthread_mutex_lock(&ask_lock);
    for (asked = waiting; asked; asked = asked->next)
    {
        pthread_cond_signal(&asked->condition);     /* refuse everybody who still waits */
    }
    pthread_mutex_unlock(&ask_lock);
    if (event_fd >= 0)
    {
        cog_wake();
    }
}
