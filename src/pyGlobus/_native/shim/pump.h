/* What the parts of the pump share: pump.c, when it begins and ends; file.c and stream.c, which move
 * the blocks. */
#ifndef COG_PUMP_H
#define COG_PUMP_H

#include "place.h"
#include "shim.h"
#include "spans.h"

#include <pthread.h>
#include <stdatomic.h>

#define MOST_BLOCKS 8

/* A block that Globus has, or, of a get into a stream, had. */
typedef struct block
{
    globus_byte_t      *buffer;
    size_t              length;
    int64_t             offset;
    int                 eof, back;
}
block;

struct cog_pump
{
    cog_pump_report     report;         /* told of the end, and of a failure here */
    void               *owner;          /* the first argument of that */
    int64_t             number;         /* what a batch calls it */
    cog_token           token, news;    /* what a pump of Python's own posts to */
    globus_ftp_client_handle_t *handle;

    cog_place          *place;
    int                 is_stream, is_put;
    int                 blocks;
    size_t              block_size;
    int64_t             base;           /* of a file: where offset 0 of the transfer lies */
    int64_t             lowest, end;    /* the part that was asked for; `end` -1: no end */
    int64_t             first;          /* where this attempt begins */
    globus_byte_t      *memory;         /* NULL where the blocks lie in the place */

    pthread_mutex_t     order;          /* held while a block of a file is read and handed over */
    int64_t             position;       /* the next offset: of a put, or of a get into a stream */

    pthread_mutex_t     lock;           /* guards what follows; never held across a Globus call */
    int                 inside;         /* threads of ours or callbacks that use the pump now */
    int                 lent;           /* blocks that Globus has */
    int                 owned, timed;   /* whoever made it, and a timer, will come back to it */
    int                 completed, overdue, told, complained;
    globus_object_t    *error;
    globus_byte_t      *doubtful;       /* of a get: a block that may be nobody's, see is_doubtful() */
    size_t              doubtful_length;
    int64_t             doubtful_offset;
    cog_spans           written;        /* of a get: what is in the file */

    _Atomic int         all_out;        /* of a get: every block has been given to Globus once */
    _Atomic int         stopped;
    _Atomic int         eof;
    _Atomic int         local_errno;    /* or COG_PUMP_OUTSIDE */
    _Atomic int64_t     bytes;

    /* stream.c */
    int                 wake;           /* an eventfd, or -1 */
    int                 working;        /* its thread has been started; under `lock` */
    _Atomic int         waiting;        /* for the other end of the stream */
    block               arrived;        /* of a get: for the thread to write; under `lock` */
    block               sent[MOST_BLOCKS];      /* of a put, in their order; under `lock` */
    int                 count;
    int64_t             acknowledged;   /* of a put: up to there Globus has sent it; under `lock` */
};

/* A thread of ours comes in, and leaves; the pump may be freed when it has left. */
void cog_pump_enter(cog_pump *pump);
void cog_pump_leave(cog_pump *pump);
/* Before a block is registered, and after the call: takes it back if Globus would not have it. */
void cog_pump_lend(cog_pump *pump);
int cog_pump_taken(cog_pump *pump, globus_result_t result);
/* In a callback: the block is back, and the callback is inside until cog_pump_leave().  Whether the
 * transfer still runs: what was given up for lost may come back all the same. */
int cog_pump_back(cog_pump *pump);
/* This side failed: nothing more is moved, and the owner is asked to abort the transfer. */
void cog_pump_fail(cog_pump *pump, int reason);
void cog_pump_note_written(cog_pump *pump, int64_t offset, size_t length);
void cog_pump_count(cog_pump *pump, int64_t bytes);

/* file.c */
/* Of a get, from a stream's thread, too: gives the block to Globus. */
void cog_file_read_next(cog_pump *pump, globus_byte_t *buffer);
/* Whether all of it lies in the part that was asked for. */
int cog_file_is_inside(const cog_pump *pump, int64_t offset, size_t length);
/* A get has succeeded: the block that was kept until then. */
void cog_file_write_kept(cog_pump *pump);
void cog_file_put(cog_pump *pump);

/* stream.c: begins a put from a stream. */
void cog_stream_put(cog_pump *pump);
/* A block has come for a stream: that is the end of it for the callback. */
void cog_stream_write(cog_pump *pump, block block);
/* Something has changed that its thread may wait for. */
void cog_stream_wake(cog_pump *pump);

#endif
