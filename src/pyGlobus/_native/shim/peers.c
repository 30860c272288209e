#define _GNU_SOURCE
#include "peers.h"

#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { FRESH = 60, MOST_NAMES = 256 };  /* seconds; names that are remembered */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static int read_socket_address(const struct sockaddr *from, cog_address *address, unsigned *port)
{
    if (from->sa_family == AF_INET)
    {
        const struct sockaddr_in *four = (const void *) from;

        memcpy(address->bytes, mapped, sizeof mapped);
        memcpy(address->bytes + 12, &four->sin_addr, 4);
        *port = ntohs(four->sin_port);
        return 1;
    }
    if (from->sa_family == AF_INET6)
    {
        const struct sockaddr_in6 *six = (const void *) from;

        memcpy(address->bytes, &six->sin6_addr, 16);
        *port = ntohs(six->sin6_port);
        return 1;
    }
    return 0;
}

int cog_is_peer(const cog_address *address, unsigned port)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    int found = 0;

    while (directory && !found && (entry = readdir(directory)))
    {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        cog_address its;
        unsigned its_port;

        found = entry->d_name[0] != '.'
            && !getpeername(atoi(entry->d_name), (struct sockaddr *) &peer, &length)
            && read_socket_address((struct sockaddr *) &peer, &its, &its_port)
            && its_port == port && !memcmp(&its, address, sizeof its);
    }
    if (directory)
    {
        closedir(directory);
    }
    return found;
}

/* --- names ------------------------------------------------------------------------------------- */

typedef struct name
{
    struct name    *next;
    int             pending;        /* a thread is looking it up */
    struct timespec asked;
    cog_address    *addresses;
    size_t          count;
    char            text[];
}
name;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered;     /* its clock is monotonic */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static name *names;

static void begin(void)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&answered, &attr);
    pthread_condattr_destroy(&attr);
}

static void *look_up(void *arg)
{
    name *one = arg;        /* not removed while it is pending */
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL, *info;
    cog_address *addresses = NULL;
    size_t count = 0;
    unsigned port;

    if (!getaddrinfo(one->text, NULL, &hints, &list))
    {
        for (info = list; info; info = info->ai_next)
        {
            count++;
        }
        addresses = calloc(count, sizeof *addresses);
        count = 0;
        for (info = list; info && addresses; info = info->ai_next)
        {
            count += (size_t) read_socket_address(info->ai_addr, &addresses[count], &port);
        }
        freeaddrinfo(list);
    }
    pthread_mutex_lock(&lock);
    free(one->addresses);
    one->addresses = addresses;
    one->count = count;
    one->pending = 0;
    pthread_cond_broadcast(&answered);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* New ones come in front: the last that nobody looks up is the oldest. */
static void forget_oldest(void)
{
    name **place, **oldest = NULL, *one;
    size_t count = 0;

    for (place = &names; *place; place = &(*place)->next)
    {
        count++;
        oldest = (*place)->pending ? oldest : place;
    }
    if (count >= MOST_NAMES && oldest)
    {
        one = *oldest;
        *oldest = one->next;
        free(one->addresses);
        free(one);
    }
}

static name *find(const char *text)
{
    name *one;

    for (one = names; one && strcmp(one->text, text); one = one->next)
    {
    }
    return one;
}

/* Has a thread look it up, if it is due. */
static name *ask(const char *text, const struct timespec *now)
{
    name *one = find(text);
    pthread_t thread;

    if (!one)
    {
        forget_oldest();
        if (!(one = calloc(1, sizeof *one + strlen(text) + 1)))
        {
            return NULL;
        }
        strcpy(one->text, text);
        one->asked.tv_sec = now->tv_sec - FRESH;
        one->next = names;
        names = one;
    }
    if (!one->pending && now->tv_sec - one->asked.tv_sec >= FRESH)
    {
        sigset_t all, before;

        one->asked = *now;
        sigfillset(&all);       /* signals are for Python's threads */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        one->pending = !pthread_create(&thread, NULL, look_up, one);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (one->pending)
        {
            pthread_detach(thread);
        }
    }
    return one;
}

static int has(const name *one, const cog_address *address)
{
    size_t i;

    for (i = 0; one && i < one->count; i++)
    {
        if (!memcmp(&one->addresses[i], address, sizeof *address))
        {
            return 1;
        }
    }
    return 0;
}

static struct timespec after(const struct timespec *now, int milliseconds)
{
    struct timespec end = *now;

    end.tv_sec += milliseconds / 1000;
    end.tv_nsec += milliseconds % 1000 * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return end;
}

int cog_name_has(const char *text, const cog_address *address, int milliseconds)
{
    struct timespec now, end;
    name *one;
    int found;

    pthread_once(&once, begin);
    clock_gettime(CLOCK_MONOTONIC, &now);
    end = after(&now, milliseconds);
    pthread_mutex_lock(&lock);
    one = ask(text, &now);
    while (!has(one, address) && one && one->pending
           && !pthread_cond_timedwait(&answered, &lock, &end))
    {
        one = find(text);
    }
    found = has(one, address);
    pthread_mutex_unlock(&lock);
    return found;
}

int cog_name_families(const char *text, int milliseconds)
{
    struct timespec now, end;
    name *one;
    int families = 0;
    size_t i;

    pthread_once(&once, begin);
    clock_gettime(CLOCK_MONOTONIC, &now);
    end = after(&now, milliseconds);
    pthread_mutex_lock(&lock);
    one = ask(text, &now);
    while (one && one->pending && milliseconds && !pthread_cond_timedwait(&answered, &lock, &end))
    {
        one = find(text);
    }
    for (i = 0; one && i < one->count; i++)
    {
        families |= memcmp(one->addresses[i].bytes, mapped, sizeof mapped) ? 2 : 1;
    }
    pthread_mutex_unlock(&lock);
    return families;
}
