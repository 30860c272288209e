/*
 * A file by http or https, between a GASS request and a descriptor, on a thread of ours.
 *
 * The requests of gass copy cannot be cancelled: it frees what their last callback still uses
 * (globus_l_gass_copy_generic_cancel).  This does the same with the calls of GASS transfer, one
 * block at a time.  Those cannot be cancelled either (globus_gass_transfer_fail: its http driver
 * meets its own assertions, or loses the connection).  What it does survive is a server that goes
 * away: so to stop a request, its connection is cut.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { REFERRALS = 5, CONNECTIONS = 4, MOST_SOCKETS = 4096, PATIENCE = 2000 /* ms for a request that is cut off */ };

struct cog_gass
{
    pthread_mutex_t  lock;
    pthread_cond_t   changed;
    int              refs;          /* under lock: the runner, and each callback under way */
    int              left;          /* under lock: the runner has gone */
    int              stopped;       /* under lock */
    int              came;          /* under lock: the callback that is waited for has come */
    int              status;        /* under lock: the request's, as the callback saw it */
    size_t           length;        /* under lock: bytes received */
    int              last;          /* under lock */
    int              connection[CONNECTIONS], connections;      /* under lock: our own handles */
    int              fd, stop_fd, put;
    int              port;          /* under lock: the server's */
    size_t           block, piece;
    globus_byte_t   *buffer;
    _Atomic int64_t  moved;
    globus_gass_transfer_request_t request;
};

cog_gass *cog_gass_new(int fd, int put, size_t block)
{
    cog_gass *gass = calloc(1, sizeof *gass);
    pthread_condattr_t attributes;
    struct stat is;

    if (!gass || !(gass->buffer = malloc(block)))
    {
        free(gass);
        return NULL;
    }
    gass->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gass->stop_fd < 0)
    {
        free(gass->buffer);
        free(gass);
        return NULL;
    }
    gass->fd = fd;
    gass->put = put;
    /* what a pipe that can block is sure to take at once */
    gass->block = block;
    gass->piece = fstat(fd, &is) == 0 && S_ISREG(is.st_mode) ? block : 4096;
    gass->refs = 1;
    pthread_mutex_init(&gass->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&gass->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return gass;
}

/* --- the connection -------------------------------------------------------------------------- */

/*
 * The library does not show its socket; but it makes it in the call that registers the request.
 * One request registers at a time, so that what comes up meanwhile is its own, or has nothing to do
 * with GASS and goes to another port.
 */
static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct { int fd; ino_t inode; } opened;

static int open_sockets(opened *found, int room)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    struct stat is;
    int count = 0;

    while (directory && count < room && (entry = readdir(directory)))
    {
        int fd = atoi(entry->d_name);
        if (fstat(fd, &is) == 0 && S_ISSOCK(is.st_mode))
        {
            found[count].fd = fd;
            found[count++].inode = is.st_ino;
        }
    }
    if (directory)
    {
        closedir(directory);
    }
    return count;
}

static void keep_connections(cog_gass *gass, const opened *before, int count)
{
    opened *after = calloc(MOST_SOCKETS, sizeof *after);
    int found = after ? open_sockets(after, MOST_SOCKETS) : 0, i, j;

    pthread_mutex_lock(&gass->lock);
    for (i = 0; i < found && gass->connections < CONNECTIONS; i++)
    {
        for (j = 0; j < count && before[j].inode != after[i].inode; j++)
        {
        }
        if (j == count)
        {
            int fd = fcntl(after[i].fd, F_DUPFD_CLOEXEC, 0);
            if (fd >= 0)
            {
                gass->connection[gass->connections++] = fd;
            }
        }
    }
    pthread_mutex_unlock(&gass->lock);
    free(after);
}

static void forget_connections(cog_gass *gass)
{
    while (gass->connections)
    {
        close(gass->connection[--gass->connections]);
    }
}

/* with the lock held */
static void cut(cog_gass *gass)
{
    int i;

    for (i = 0; i < gass->connections; i++)
    {
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        int port = 0;
        if (getpeername(gass->connection[i], (struct sockaddr *) &peer, &size) == 0)
        {
            port = peer.ss_family == AF_INET
                ? ntohs(((struct sockaddr_in *) &peer)->sin_port)
                : peer.ss_family == AF_INET6
                ? ntohs(((struct sockaddr_in6 *) &peer)->sin6_port) : -1;
        }
        /* one that is not connected yet has no peer to tell */
        if (port == gass->port || (port == 0 && gass->connections == 1))
        {
            shutdown(gass->connection[i], SHUT_RDWR);
        }
    }
}

static int port_of(const char *url)
{
    globus_url_t parsed;
    int port = 0;

    if (globus_url_parse(url, &parsed) == 0)
    {
        port = parsed.port ? parsed.port
            : parsed.scheme_type == GLOBUS_URL_SCHEME_HTTPS ? 443 : 80;
        globus_url_destroy(&parsed);
    }
    return port;
}

/* with the lock held, which it gives back */
static void release(cog_gass *gass)
{
    int last = --gass->refs == 0;

    pthread_mutex_unlock(&gass->lock);
    if (last)
    {
        forget_connections(gass);
        close(gass->stop_fd);
        free(gass->buffer);
        pthread_cond_destroy(&gass->changed);
        pthread_mutex_destroy(&gass->lock);
        free(gass);
    }
}

void cog_gass_free(cog_gass *gass)
{
    pthread_mutex_lock(&gass->lock);
    gass->left = 1;
    release(gass);
}

void cog_gass_stop(cog_gass *gass)
{
    uint64_t one = 1;
    ssize_t put = write(gass->stop_fd, &one, sizeof one);

    (void) put;
    pthread_mutex_lock(&gass->lock);
    gass->stopped = 1;
    cut(gass);
    pthread_cond_broadcast(&gass->changed);
    pthread_mutex_unlock(&gass->lock);
}

int64_t cog_gass_bytes(const cog_gass *gass)
{
    return atomic_load(&gass->moved);
}

/* --- callbacks ------------------------------------------------------------------------------- */

static void arrive(cog_gass *gass, globus_gass_transfer_request_t request, size_t length, int last)
{
    int status = globus_gass_transfer_request_get_status(request);

    pthread_mutex_lock(&gass->lock);
    gass->came = 1;
    gass->status = status;
    gass->length = length;
    gass->last = last;
    if (gass->left)
    {
        globus_gass_transfer_request_destroy(request);
    }
    pthread_cond_broadcast(&gass->changed);
    release(gass);
}

static void on_ready(void *arg, globus_gass_transfer_request_t request)
{
    arrive(arg, request, 0, 0);
}

static void on_bytes(
    void *arg, globus_gass_transfer_request_t request, globus_byte_t *bytes, globus_size_t length,
    globus_bool_t last)
{
    (void) bytes;
    arrive(arg, request, length, last);
}

/* --- the runner ------------------------------------------------------------------------------ */

static void expect(cog_gass *gass)
{
    pthread_mutex_lock(&gass->lock);
    gass->came = 0;
    gass->refs++;
    pthread_mutex_unlock(&gass->lock);
}

static int unexpect(cog_gass *gass, int result)
{
    pthread_mutex_lock(&gass->lock);
    gass->refs--;
    pthread_mutex_unlock(&gass->lock);
    return result;
}

/* Waits for the callback: 1 when it has come, 0 when stopped before. */
static int await(cog_gass *gass)
{
    int came;

    pthread_mutex_lock(&gass->lock);
    while (!gass->came && !gass->stopped)
    {
        pthread_cond_wait(&gass->changed, &gass->lock);
    }
    came = gass->came;
    pthread_mutex_unlock(&gass->lock);
    return came;
}

/* Waits for the callback of a request whose connection is cut; 1 when it has come. */
static int await_briefly(cog_gass *gass)
{
    struct timespec until;
    int came;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE / 1000;
    pthread_mutex_lock(&gass->lock);
    while (!gass->came
           && pthread_cond_timedwait(&gass->changed, &gass->lock, &until) != ETIMEDOUT)
    {
    }
    came = gass->came;
    gass->left |= !came;        /* whoever comes late destroys the request */
    pthread_mutex_unlock(&gass->lock);
    return came;
}

static int receive(cog_gass *gass)
{
    int status;

    expect(gass);
    status = globus_gass_transfer_receive_bytes(
        gass->request, gass->buffer, gass->block, gass->block, on_bytes, gass);
    return status ? unexpect(gass, status) : 0;
}

static int send_block(cog_gass *gass, size_t length, int last)
{
    int status;

    expect(gass);
    status = globus_gass_transfer_send_bytes(
        gass->request, gass->buffer, length, last, on_bytes, gass);
    return status ? unexpect(gass, status) : 0;
}

/* The request is of no more use, and nothing is under way. */
static void break_off(cog_gass *gass)
{
    int status;

    pthread_mutex_lock(&gass->lock);
    cut(gass);
    pthread_mutex_unlock(&gass->lock);
    status = gass->put ? send_block(gass, 1, 0) : receive(gass);
    if (status || await_briefly(gass))
    {
        globus_gass_transfer_request_destroy(gass->request);
    }
}

/* Whether the descriptor is ready, -1 when stopped. */
static int ready(cog_gass *gass, short events)
{
    struct pollfd polled[2] = { { .fd = gass->fd, .events = events },
                                { .fd = gass->stop_fd, .events = POLLIN } };

    while (poll(polled, 2, -1) < 0)
    {
        if (errno != EINTR)
        {
            return 1;       /* the next call tells what is wrong */
        }
    }
    return polled[1].revents ? -1 : 1;
}

/* 0, an errno, or -1 when stopped. */
static int write_all(cog_gass *gass, size_t length)
{
    size_t done = 0;

    while (done < length)
    {
        size_t most = length - done < gass->piece ? length - done : gass->piece;
        ssize_t put;

        if (ready(gass, POLLOUT) < 0)
        {
            return -1;
        }
        put = write(gass->fd, gass->buffer + done, most);
        if (put < 0 && errno != EAGAIN && errno != EINTR)
        {
            return errno;
        }
        if (put > 0)
        {
            done += (size_t) put;
            atomic_fetch_add(&gass->moved, put);
        }
    }
    return 0;
}

static int get_all(cog_gass *gass, cog_gass_outcome *outcome)
{
    int status, problem;

    for (;;)
    {
        if ((status = receive(gass)))
        {
            outcome->code = status;
            globus_gass_transfer_request_destroy(gass->request);
            return COG_GASS_FAILED;
        }
        if (!await(gass))
        {
            if (await_briefly(gass))
            {
                globus_gass_transfer_request_destroy(gass->request);
            }
            return COG_GASS_STOPPED;
        }
        if (gass->status != GLOBUS_GASS_TRANSFER_REQUEST_DONE
            && gass->status != GLOBUS_GASS_TRANSFER_REQUEST_PENDING)
        {
            outcome->code = gass->status;
            globus_gass_transfer_request_destroy(gass->request);
            return COG_GASS_FAILED;
        }
        problem = write_all(gass, gass->length);
        if (problem)
        {
            if (gass->last)
            {
                globus_gass_transfer_request_destroy(gass->request);
            }
            else
            {
                break_off(gass);
            }
            outcome->code = problem;
            return problem < 0 ? COG_GASS_STOPPED : COG_GASS_LOCAL;
        }
        if (gass->last)
        {
            size_t length = globus_gass_transfer_request_get_length(gass->request);
            globus_gass_transfer_request_destroy(gass->request);
            /* the library takes a connection that breaks before the announced end for that end */
            outcome->code = GLOBUS_GASS_TRANSFER_REQUEST_FAILED;
            return length && (int64_t) length != cog_gass_bytes(gass) ? COG_GASS_FAILED
                                                                     : COG_GASS_DONE;
        }
    }
}

static int put_all(cog_gass *gass, cog_gass_outcome *outcome)
{
    ssize_t got;
    int status;

    for (;;)
    {
        if (ready(gass, POLLIN) < 0)
        {
            break_off(gass);
            return COG_GASS_STOPPED;
        }
        got = read(gass->fd, gass->buffer, gass->block);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
        {
            continue;
        }
        if (got < 0)
        {
            outcome->code = errno;
            break_off(gass);
            return COG_GASS_LOCAL;
        }
        if ((status = send_block(gass, (size_t) got, got == 0)))
        {
            outcome->code = status;
            globus_gass_transfer_request_destroy(gass->request);
            return COG_GASS_FAILED;
        }
        if (!await(gass))
        {
            if (await_briefly(gass))
            {
                globus_gass_transfer_request_destroy(gass->request);
            }
            return COG_GASS_STOPPED;
        }
        if (gass->status != GLOBUS_GASS_TRANSFER_REQUEST_DONE
            && (gass->status != GLOBUS_GASS_TRANSFER_REQUEST_PENDING || gass->last))
        {
            outcome->code = gass->status;
            globus_gass_transfer_request_destroy(gass->request);
            return COG_GASS_FAILED;
        }
        atomic_fetch_add(&gass->moved, got);
        if (gass->last)
        {
            globus_gass_transfer_request_destroy(gass->request);
            return COG_GASS_DONE;
        }
    }
}

static int register_request(cog_gass *gass, globus_gass_transfer_requestattr_t *attr, char *url)
{
    opened *before = calloc(MOST_SOCKETS, sizeof *before);
    int count, status;

    if (!before)
    {
        return GLOBUS_GASS_TRANSFER_ERROR_MALLOC_FAILED;
    }
    pthread_mutex_lock(&gass->lock);
    forget_connections(gass);
    gass->port = port_of(url);
    pthread_mutex_unlock(&gass->lock);
    pthread_mutex_lock(&register_lock);
    count = open_sockets(before, MOST_SOCKETS);
    status = gass->put
        ? globus_gass_transfer_register_put(&gass->request, attr, url, 0, on_ready, gass)
        : globus_gass_transfer_register_get(&gass->request, attr, url, on_ready, gass);
    if (!status)
    {
        keep_connections(gass, before, count);
    }
    pthread_mutex_unlock(&register_lock);
    pthread_mutex_lock(&gass->lock);
    if (gass->stopped)
    {
        cut(gass);
    }
    pthread_mutex_unlock(&gass->lock);
    free(before);
    return status;
}

int cog_gass_run(
    cog_gass *gass, globus_gass_transfer_requestattr_t *attr, const char *url,
    cog_gass_outcome *outcome)
{
    globus_gass_transfer_referral_t referral;
    char *at = strdup(url);
    int status, referrals;

    for (referrals = 0; at && referrals <= REFERRALS; referrals++)
    {
        expect(gass);
        status = register_request(gass, attr, at);
        if (status)
        {
            outcome->code = unexpect(gass, status);
            break;
        }
        if (!await(gass))
        {
            free(at);
            if (await_briefly(gass))
            {
                globus_gass_transfer_request_destroy(gass->request);
            }
            return COG_GASS_STOPPED;
        }
        outcome->code = gass->status;
        switch (gass->status)
        {
        case GLOBUS_GASS_TRANSFER_REQUEST_PENDING:
            free(at);
            return gass->put ? put_all(gass, outcome) : get_all(gass, outcome);
        case GLOBUS_GASS_TRANSFER_REQUEST_DENIED:
            free(at);
            outcome->code = globus_gass_transfer_request_get_denial_reason(gass->request);
            outcome->message = globus_gass_transfer_request_get_denial_message(gass->request);
            globus_gass_transfer_request_destroy(gass->request);
            return COG_GASS_DENIED;
        case GLOBUS_GASS_TRANSFER_REQUEST_REFERRED:
            free(at);
            at = NULL;
            if (globus_gass_transfer_request_get_referral(gass->request, &referral) == 0)
            {
                const char *next = globus_gass_transfer_referral_get_url(&referral, 0);
                at = next ? strdup(next) : NULL;
                globus_gass_transfer_referral_destroy(&referral);
            }
            globus_gass_transfer_request_destroy(gass->request);
            continue;
        default:
            globus_gass_transfer_request_destroy(gass->request);
            free(at);
            return COG_GASS_FAILED;
        }
    }
    free(at);
    return COG_GASS_FAILED;
}
