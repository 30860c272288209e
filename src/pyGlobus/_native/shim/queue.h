/*
 * The completion queue: the only way by which news from Globus' threads reaches Python.
 *
 * A Globus callback posts an event and returns; it never blocks and never enters Python.  One
 * consumer (Python's callback thread) waits on an eventfd and takes events in the order of posting.
 *
 * An operation is known to C by a token, never by a pointer to a Python object.  The token names a
 * slot in a table that is never freed, and carries the slot's generation: a callback that comes
 * late, or twice, finds another generation and is dropped.
 *
 * Nothing here knows Globus, so that the C test can play Globus under the sanitizers.
 */
#ifndef COG_QUEUE_H
#define COG_QUEUE_H

#include <stdint.h>
#include <stddef.h>

typedef uint64_t cog_token;

typedef struct cog_event
{
    cog_token   token;
    int32_t     kind;       /* what happened; the numbers are COG_EVENT_* in shim.h */
    int32_t     code;       /* the library's own status, 0 for success */
    int64_t     a, b, c;    /* sizes, offsets, states: per kind */
    void       *object;     /* an error object that the receiver must free, or NULL */
    char       *text;       /* a malloc'ed string that the receiver must free, or NULL */
} cog_event;

enum
{
    COG_ONCE = 1,           /* one event, then the slot is free again: an operation */
    COG_MANY = 2            /* any number of events until cog_slot_close(): a subscription */
};

/* Makes the queue.  Returns the eventfd to wait on, or -errno.  `free_object` frees an event's
 * `object` when nobody is left to receive it. */
int cog_queue_open(void (*free_object)(void *));

/* A new token, or 0 when memory is short.  For COG_ONCE the record is allocated now, so that
 * posting cannot fail. */
cog_token cog_slot_new(int mode);

/* The registration failed and no callback will come (COG_ONCE), or the subscription is over
 * (COG_MANY): later posts are dropped. */
void cog_slot_close(cog_token token);

/* Hands an event over, with its object and text.  Returns 1 when queued; 0 when dropped (stale
 * token, dead queue, no memory for a COG_MANY event): object and text are then freed here. */
int cog_post(const cog_event *event);

/* Waits until there is something to take: 1 yes, 0 not within `milliseconds` (-1: for ever).  Meanwhile
 * the thread takes no signals. */
int cog_wait(int milliseconds);

/* Wakes cog_wait() without an event. */
void cog_wake(void);

/* Moves up to `most` events into `events`; returns how many.  One consumer only. */
size_t cog_take(cog_event *events, size_t most);

/* The dead switch: from now on every post is dropped and every rendezvous is refused. */
void cog_die(void);
/* The same in a child that was forked: takes no lock. */
void cog_die_in_child(void);
int cog_is_dead(void);

/* Figures for tests and `globusMod`: slots in use, events posted, events dropped because they came
 * too late, events lost to want of memory. */
typedef struct cog_figures
{
    uint64_t slots_in_use, posted, dropped, lost;
} cog_figures;
void cog_get_figures(cog_figures *figures);

/*
 * Rendezvous: for callbacks that must return an answer.  The C side posts a question and waits; the
 * answer is cog_answer()'s, or `refusal` when the deadline passes, the queue dies or cannot take it.
 * The event carries the question's number in `c`.  `answer_text`, where not NULL, receives a
 * malloc'ed copy of the text that came with the answer, or NULL.
 */
int cog_ask(const cog_event *question, int refusal, int milliseconds, char **answer_text);
/* Returns 1 when the asker was still waiting, 0 when the answer came too late. */
int cog_answer(int64_t question, int answer, const char *text);

#endif
