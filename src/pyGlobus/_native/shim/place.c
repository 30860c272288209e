#define _GNU_SOURCE
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef STREAM_ROOM
#define STREAM_ROOM (4 << 20)   /* bytes of a stream that are kept */
#endif
#define TERMINAL_ROOM 256       /* what a terminal takes that is ready (Linux) */
#define MOST_AT_ONCE (1 << 20)  /* what a pipe can hold, where that may be chosen */

struct cog_place
{
    int                  fd;        /* our own copy, or -1: memory */
    int                  is_stream, is_pipe, is_socket, is_terminal;
    const unsigned char *data;
    size_t               length;

    _Atomic int          users;     /* of the descriptor: whoever made the place, and transfers */
    _Atomic int          holders;   /* of the rest: the same, and blocks that are being sent */

    /* of a stream that is read: the ring has the bytes from `kept` up to `taken`, byte x of the
     * transfer at x modulo its size */
    unsigned char       *ring;
    int64_t              first, kept, taken;
    int                  begun, ended;
};

static cog_place *new_place(void)
{
    cog_place *place = calloc(1, sizeof *place);

    if (place)
    {
        place->fd = -1;
        place->users = place->holders = 1;
    }
    return place;
}

static cog_place *failed(cog_place *place, int reason)
{
    cog_place_close(place);
    errno = reason;
    return NULL;
}

cog_place *cog_place_open(int fd, int writing)
{
    cog_place *place = new_place();
    struct stat status;
    int flags;

    if (!place)
    {
        return NULL;
    }
    place->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (place->fd < 0 || fstat(place->fd, &status) || (flags = fcntl(place->fd, F_GETFL)) < 0)
    {
        return failed(place, errno);
    }
    if ((flags & O_ACCMODE) == (writing ? O_RDONLY : O_WRONLY))
    {
        return failed(place, EBADF);
    }
    if (S_ISDIR(status.st_mode))
    {
        return failed(place, EISDIR);
    }
    /* pwrite() to a file that was opened for appending appends all the same */
    place->is_stream = lseek(place->fd, 0, SEEK_CUR) < 0 || (writing && flags & O_APPEND);
    place->is_pipe = S_ISFIFO(status.st_mode);
    place->is_socket = S_ISSOCK(status.st_mode);
    place->is_terminal = S_ISCHR(status.st_mode) && place->is_stream;
    if (place->is_pipe)
    {
        fcntl(place->fd, F_SETPIPE_SZ, MOST_AT_ONCE);   /* fewer turns; where it is allowed */
    }
    return place;
}

cog_place *cog_place_memory(const void *data, size_t length)
{
    cog_place *place = new_place();

    if (place)
    {
        place->data = data ? data : (const unsigned char *) "";
        place->length = length;
    }
    return place;
}

void cog_place_use(cog_place *place)
{
    atomic_fetch_add(&place->users, 1);
    atomic_fetch_add(&place->holders, 1);
}

void cog_place_leave(cog_place *place)
{
    if (atomic_fetch_sub(&place->users, 1) == 1 && place->fd >= 0)
    {
        close(place->fd);
    }
}

void cog_place_forget(cog_place *place)
{
    if (atomic_fetch_sub(&place->holders, 1) == 1)
    {
        free(place->ring);
        free(place);
    }
}

void cog_place_close(cog_place *place)
{
    cog_place_leave(place);
    cog_place_forget(place);
}

int cog_place_is_stream(const cog_place *place)
{
    return place->is_stream;
}

int cog_place_can_begin(const cog_place *place, int64_t offset)
{
    return !place->is_stream || !place->begun
        || (place->kept <= offset && offset <= place->taken);
}

int64_t cog_place_taken(const cog_place *place)
{
    return place->taken - place->first;
}

/* --- files and memory ----------------------------------------------------------------------------- */

const unsigned char *cog_place_data(const cog_place *place, size_t *length)
{
    *length = place->length;
    return place->data;
}

ssize_t cog_place_read(cog_place *place, void *buffer, size_t size, int64_t position)
{
    size_t length = 0;

    while (length < size)
    {
        ssize_t got = pread(
            place->fd, (char *) buffer + length, size - length, position + (int64_t) length);

        if (got < 0 && errno == EINTR)
        {
            continue;
        }
        if (got < 0)
        {
            return -errno;
        }
        if (got == 0)
        {
            break;
        }
        length += (size_t) got;
    }
    return (ssize_t) length;
}

int cog_place_write(cog_place *place, const void *data, size_t length, int64_t position)
{
    const char *next = data;

    while (length)
    {
        ssize_t put = pwrite(place->fd, next, length, position);

        if (put < 0 && errno == EINTR)
        {
            continue;
        }
        if (put < 0)
        {
            return errno;
        }
        next += put;
        position += put;
        length -= (size_t) put;
    }
    return 0;
}

/* --- streams -------------------------------------------------------------------------------------- */

int cog_place_wait(cog_place *place, short events, int wake)
{
    struct pollfd polled[2] = {
        { .fd = wake, .events = POLLIN }, { .fd = events ? place->fd : -1, .events = events } };
    uint64_t woken;

    while (poll(polled, 2, -1) < 0 && errno == EINTR)
    {
    }
    if (polled[0].revents && read(wake, &woken, sizeof woken) < 0)
    {
        woken = 0;      /* somebody else has emptied it: nothing to do */
    }
    return polled[1].revents != 0;
}

/* How much a pipe that is ready takes without blocking: all it holds when it is empty, else a page. */
static size_t pipe_room(cog_place *place, size_t length)
{
    int unread = 1, size = PIPE_BUF;

    if (ioctl(place->fd, FIONREAD, &unread) == 0 && unread == 0)
    {
        size = fcntl(place->fd, F_GETPIPE_SZ);
        size = size < PIPE_BUF ? PIPE_BUF : size;
    }
    return length < (size_t) size ? length : (size_t) size;
}

static ssize_t moved(ssize_t count)
{
    return count >= 0 ? count : errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

/* The descriptor is the caller's, too, and so is whether it blocks: no call may ask for more than the
 * stream can do now. */
ssize_t cog_place_write_some(cog_place *place, const void *data, size_t length)
{
    if (place->is_socket)
    {
        return moved(send(place->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL));
    }
    if (place->is_pipe)
    {
        length = pipe_room(place, length);
    }
    if (place->is_terminal && length > TERMINAL_ROOM)
    {
        length = TERMINAL_ROOM;
    }
    return moved(write(place->fd, data, length));
}

int cog_place_begin(cog_place *place, int64_t offset)
{
    if (!cog_place_can_begin(place, offset))
    {
        return ESPIPE;
    }
    if (!place->begun)
    {
        place->ring = malloc(STREAM_ROOM + 1);
        if (!place->ring)
        {
            return ENOMEM;
        }
        place->first = place->kept = place->taken = offset;
        place->begun = 1;
    }
    return 0;
}

size_t cog_place_room(const cog_place *place, int64_t needed, int64_t end)
{
    int64_t room = STREAM_ROOM - (place->taken - needed);

    if (end >= 0 && room > end - place->taken)
    {
        room = end - place->taken;
    }
    return place->ended || room < 0 ? 0 : (size_t) room;
}

ssize_t cog_place_take(cog_place *place, int64_t needed, int64_t end)
{
    size_t room = cog_place_room(place, needed, end), start = (size_t) (place->taken % STREAM_ROOM);
    ssize_t got;

    if (room > STREAM_ROOM - start)
    {
        room = STREAM_ROOM - start;
    }
    if (room > MOST_AT_ONCE)
    {
        room = MOST_AT_ONCE;
    }
    got = place->is_socket ? recv(place->fd, place->ring + start, room, MSG_DONTWAIT)
        : read(place->fd, place->ring + start, room);
    if (got < 0)
    {
        return moved(got);
    }
    place->ended |= got == 0 && room;
    place->taken += got;
    if (place->kept < place->taken - STREAM_ROOM)
    {
        place->kept = place->taken - STREAM_ROOM;       /* what lay there has been written over */
    }
    return got;
}

int64_t cog_place_end(const cog_place *place)
{
    return place->taken;
}

int cog_place_has_ended(const cog_place *place, int64_t end)
{
    return place->ended || (end >= 0 && place->taken >= end);
}

unsigned char *cog_place_at(cog_place *place, int64_t offset, size_t *length)
{
    size_t start = (size_t) (offset % STREAM_ROOM), most = (size_t) (place->taken - offset);

    if (!*length)
    {
        return place->ring + STREAM_ROOM;       /* where nothing else lies: Globus goes by addresses */
    }
    most = most < STREAM_ROOM - start ? most : STREAM_ROOM - start;
    *length = *length < most ? *length : most;
    return place->ring + start;
}
