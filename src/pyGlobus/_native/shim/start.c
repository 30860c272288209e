/* Coming up and going down. */
#define _GNU_SOURCE
#include "shim.h"

#include "signals.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * globus_module_activate() dlopens the thread plugin and calls exit(1) when that fails.  Try it
 * first, where Globus will look for it, so that Python can raise instead.
 */
char *cog_check_thread_plugin(void)
{
    static const char name[] = "libglobus_thread_pthread.so";
    char path[4096], *directory = NULL, *why = NULL;
    void *plugin = NULL;

    if (globus_eval_path("${libdir}", &directory) == GLOBUS_SUCCESS && directory)
    {
        snprintf(path, sizeof path, "%s/%s", directory, name);
        plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    if (!plugin)
    {
        plugin = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    if (!plugin)
    {
        const char *reason = dlerror();
        why = strdup(reason ? reason : "dlopen failed");
    }
    /* stays loaded: Globus opens it again at once */
    free(directory);
    return why;
}

const char *cog_gss_library(void)
{
    Dl_info info;

    return dladdr((void *) (uintptr_t) gss_acquire_cred, &info) && info.dli_fname ? info.dli_fname : "";
}

static void free_error(void *object)
{
    globus_object_free(object);
}

/*
 * One thread runs callbacks, not two (Globus' default): its FTP libraries race with themselves when
 * the callbacks of one connection run at once (docs/internals/threads.md).  A callback that has to
 * wait says so, and Globus starts another thread meanwhile.
 */
int cog_start(void)
{
    static int started;

    if (!started)
    {
        started = 1;
        cog_signals_for_children();
    }
    globus_module_setenv("GLOBUS_CALLBACK_POLLING_THREADS", "1");
    return cog_queue_open(free_error);
}

void cog_refuse_signals(void)
{
    cog_signals_block(NULL);
}

static int forked;

void cog_forked(void)
{
    forked = 1;
    cog_die_in_child();
}

/*
 * Globus' threads are detached and run for ever, and OpenSSL takes its tables down in an atexit
 * handler: a thread that is in a handshake at that moment crashes the process.  Python is finalised
 * by the time this handler runs, and handlers run last come, first served: what was registered
 * before Globus came up is all that is left out.  A forked child has none of the threads that
 * Globus' own handlers would wait for, and leaves in the same way.
 */
static void leave(int status, void *unused)
{
    (void) unused;
    if (!forked)
    {
        cog_die();
    }
    fflush(NULL);
    _exit(status);
}

void cog_guard_exit(void)
{
    static int guarded;

    if (!guarded)
    {
        guarded = on_exit(leave, NULL) == 0;
    }
}
