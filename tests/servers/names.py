"""Names of hosts as a test likes them: for a process of its own, by LD_PRELOAD.

::

    names = Names(tmp_path, {"both.test": "::1,127.0.0.1"})
    names.run("...", *arguments)

A name may take its time: ``s2.5,127.0.0.1`` answers after 2.5 s.  And whoever asks for IPv4 alone,
as Globus does by default, may be answered otherwise than others: ``127.0.0.1,/,127.0.0.2``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* NAMES: "name=word,word,...;name=..." */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    lookup *real = (lookup *) dlsym(RTLD_NEXT, "getaddrinfo");
    char *names = strdup(getenv("NAMES") ? getenv("NAMES") : ""), *rest, *one, *words, *word;
    struct addrinfo *first = NULL, **end = &first;
    int known = 0, turn;

    for (rest = names; node && (one = strsep(&rest, ";"));)
    {
        words = strchr(one, '=');
        if (!words || strncmp(one, node, (size_t) (words - one)) || node[words - one])
        {
            continue;
        }
        known = 1;
        words++;
        turn = strchr(words, '/') && !(hints && hints->ai_family == AF_INET);
        while ((word = strsep(&words, ",")))
        {
            struct addrinfo exact = hints ? *hints : (struct addrinfo) { 0 }, *its = NULL;

            if (!strcmp(word, "/"))
            {
                turn--;
            }
            else if (turn == 0 && *word == 's')
            {
                usleep((useconds_t) (atof(word + 1) * 1e6));
            }
            else if (turn == 0)
            {
                exact.ai_flags |= AI_NUMERICHOST;
                if (!real(word, service, &exact, &its))
                {
                    for (*end = its; *end; end = &(*end)->ai_next)
                    {
                    }
                }
            }
        }
    }
    free(names);
    if (!known)
    {
        return real(node, service, hints, found);
    }
    *found = first;
    return first ? 0 : EAI_ADDRFAMILY;
}
"""


class Names:
    """A library that answers for some names, and processes that use it."""

    def __init__(self, folder: Path, names: dict[str, str]) -> None:
        self._library = folder / "names.so"
        source = folder / "names.c"
        source.write_text(_SOURCE)
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", self._library, source, "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        self._names = ";".join(f"{name}={answer}" for name, answer in names.items())

    def run(self, program: str, *arguments: str, seconds: float = 50) -> str:
        """What a Python program prints."""
        ran = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "LD_PRELOAD": str(self._library), "NAMES": self._names},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()
