/* Modules of Globus come up with every signal held back, and with a credential of the caller's. */
#define _GNU_SOURCE
#include "shim.h"

#include "signals.h"

#include <stdlib.h>
#include <string.h>

int cog_activate(globus_module_descriptor_t *module)
{
    sigset_t before;
    int status;

    cog_signals_block(&before);
    status = globus_module_activate(module);
    cog_signals_restore(&before);
    return status;
}

/*
 * Activates a module with `proxy` where GSI looks for a credential; the library knows no other way to
 * name one then.  The environment is the process' own: so the caller must not let another thread
 * begin a program meanwhile, which would inherit it.
 */
int cog_activate_with_proxy(globus_module_descriptor_t *module, const char *proxy)
{
    static const char name[] = "X509_USER_PROXY";
    const char *found = getenv(name);
    char *before = found ? strdup(found) : NULL;
    int status;

    if ((found && !before) || setenv(name, proxy, 1) != 0)
    {
        free(before);
        return GLOBUS_FAILURE;
    }
    status = cog_activate(module);
    if (before)
    {
        setenv(name, before, 1);
    }
    else
    {
        unsetenv(name);
    }
    free(before);
    return status;
}
