/*
 * Threads that take no signals.  Python acts on a signal in its main thread, which a signal wakes
 * from a system call only when it is delivered there; and a thread that nobody knows of must not take
 * one that the program waits for (sigwait).  Knows nothing of Globus.
 */
#ifndef COG_SIGNALS_H
#define COG_SIGNALS_H

#include <signal.h>

/* Blocks all signals in this thread, but those of its own faults; `before` may be NULL. */
void cog_signals_block(sigset_t *before);
void cog_signals_restore(const sigset_t *before);

/* From now on a child that a thread with blocked signals forks gets those of this thread back: a mask
 * survives exec(), and a program with blocked signals can be neither interrupted nor terminated. */
void cog_signals_for_children(void);

#endif
