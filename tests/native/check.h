/* What both test programs share: a check that ends the program, chance that can be repeated, and
 * error objects that are counted. */
#ifndef COG_CHECK_H
#define COG_CHECK_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) \
    do \
    { \
        if (!(condition)) \
        { \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            _exit(1); \
        } \
    } \
    while (0)

/* xorshift: every thread has its own state, so that chance needs no lock */
static inline uint32_t chance(uint32_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

/* An object that is freed twice is the sanitizer's to find; one never freed shows in the counts. */
static _Atomic uint64_t objects_made, objects_freed;

static inline void *object_new(void)
{
    void *object = malloc(16);

    CHECK(object);
    atomic_fetch_add(&objects_made, 1);
    return object;
}

static inline void object_free(void *object)
{
    atomic_fetch_add(&objects_freed, 1);
    free(object);
}

static inline double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

#endif
