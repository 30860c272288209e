#define _GNU_SOURCE
#include "signals.h"

#include <pthread.h>
#include <stddef.h>

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
enum { FAULTS = sizeof faults / sizeof *faults };

static void fill(sigset_t *set)
{
    int i;

    sigfillset(set);
    for (i = 0; i < FAULTS; i++)
    {
        sigdelset(set, faults[i]);
    }
}

void cog_signals_block(sigset_t *before)
{
    sigset_t set;

    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

void cog_signals_restore(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static sigset_t for_children;

/* Only fork() comes by here.  What Python starts by vfork() gets the mask of the thread that starts
 * it, which is a normal one wherever a callback runs. */
static void in_child(void)
{
    sigset_t now, ours;
    int number;

    pthread_sigmask(SIG_BLOCK, NULL, &now);
    fill(&ours);
    sigdelset(&ours, SIGKILL);      /* cannot be blocked */
    sigdelset(&ours, SIGSTOP);
    for (number = 1; number < NSIG; number++)
    {
        if (sigismember(&ours, number) != sigismember(&now, number))
        {
            return;     /* a mask of the program's own */
        }
    }
    pthread_sigmask(SIG_SETMASK, &for_children, NULL);
}

void cog_signals_for_children(void)
{
    pthread_sigmask(SIG_BLOCK, NULL, &for_children);
    pthread_atfork(NULL, NULL, in_child);
}
