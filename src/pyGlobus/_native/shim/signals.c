#define _GNU_SOURCE
#include "signals.h"

#include <pthread.h>
#include <stddef.h>

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
enum { FAULTS = sizeof faults / sizeof *faults };

void cog_signals_block(sigset_t *before)
{
    sigset_t set;
    int i;

    sigfillset(&set);
    for (i = 0; i < FAULTS; i++)
    {
        sigdelset(&set, faults[i]);
    }
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
    static const int asking[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGCHLD };
    sigset_t now;
    size_t i;

    /* Ours and Globus' own block what asks a program for something, and no fault; a program that has
     * blocked all, as some do around fork(), has blocked the faults too. */
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    for (i = 0; i < sizeof asking / sizeof *asking; i++)
    {
        if (!sigismember(&now, asking[i]))
        {
            return;
        }
    }
    for (i = 0; i < FAULTS; i++)
    {
        if (sigismember(&now, faults[i]))
        {
            return;
        }
    }
    pthread_sigmask(SIG_SETMASK, &for_children, NULL);
}

void cog_signals_for_children(void)
{
    pthread_sigmask(SIG_BLOCK, NULL, &for_children);
    pthread_atfork(NULL, NULL, in_child);
}
