/*
 * A place: where the bytes of a transfer come from, or go to, on this machine.
 *
 * - A file can be read and written anywhere.
 * - Memory of the caller's can be read anywhere.
 * - A stream (a pipe, a socket, a terminal, a file opened for appending) goes on only, and its other
 *   end may keep one waiting.  What has been read of it stays here as long as there is room, so that
 *   a transfer that failed can be begun again with the same bytes.
 *
 * A place serves one transfer after another: the attempts of one operation.  Nothing here knows
 * Globus, and nothing locks: all but the counts is used by one thread at a time.
 */
#ifndef COG_PLACE_H
#define COG_PLACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct cog_place cog_place;

/* A place of our own copy of the descriptor.  NULL and errno, EBADF also when it is not open in that
 * direction, EISDIR when it is a directory. */
cog_place *cog_place_open(int fd, int writing);

/* A place of `length` bytes that the caller leaves as they are until nothing uses the place. */
cog_place *cog_place_memory(const void *data, size_t length);

/* Whoever made the place needs it no longer. */
void cog_place_close(cog_place *place);

/* A transfer uses the place; it does so until cog_place_leave(), after which the descriptor may be
 * closed, and needs what was read until cog_place_forget(). */
void cog_place_use(cog_place *place);
void cog_place_leave(cog_place *place);
void cog_place_forget(cog_place *place);

int cog_place_is_stream(const cog_place *place);

/* Whether a put can begin with the byte at `offset` of the transfer: always but with a stream whose
 * bytes from there on have been read and are gone. */
int cog_place_can_begin(const cog_place *place, int64_t offset);

/* Bytes that have been read of a stream in all attempts; they are missing from it. */
int64_t cog_place_taken(const cog_place *place);

/* --- files and memory ----------------------------------------------------------------------------- */

/* The memory, or NULL. */
const unsigned char *cog_place_data(const cog_place *place, size_t *length);

/* Reads `size` bytes from `position` on unless the file ends before.  The length, or -errno. */
ssize_t cog_place_read(cog_place *place, void *buffer, size_t size, int64_t position);
/* Writes it all.  0 or errno. */
int cog_place_write(cog_place *place, const void *data, size_t length, int64_t position);

/* --- streams -------------------------------------------------------------------------------------- */

/* Waits until the stream is ready for `events` (poll(2); 0: not for the stream), or `wake`, an
 * eventfd, was written to, which is then empty again.  Whether the stream is ready. */
int cog_place_wait(cog_place *place, short events, int wake);

/* One write.  The bytes that went, 0 when the stream was not ready after all, or -errno. */
ssize_t cog_place_write_some(cog_place *place, const void *data, size_t length);

/* The stream is about to be read for a transfer that begins with `offset`: 0, or ESPIPE where
 * cog_place_can_begin() says no. */
int cog_place_begin(cog_place *place, int64_t offset);

/* How much can be read now and be kept beside what the transfer needs: from `needed` on; nothing
 * from offset `end` on (-1: no end), and at the end of the stream. */
size_t cog_place_room(const cog_place *place, int64_t needed, int64_t end);

/* One read, of no more than that.  The bytes that came, 0 when the stream was not ready after all or
 * has ended, or -errno. */
ssize_t cog_place_take(cog_place *place, int64_t needed, int64_t end);

/* Offset up to which the stream has been read, and whether nothing is behind that. */
int64_t cog_place_end(const cog_place *place);
int cog_place_has_ended(const cog_place *place, int64_t end);

/* What was read from `offset` on, as far as it lies in one piece; `length` is at most what it was. */
unsigned char *cog_place_at(cog_place *place, int64_t offset, size_t *length);

#endif
