/*
 * Parts of a file: spans of bytes, in order, that neither overlap nor touch.
 *
 * Globus' own restart markers join ranges that are one byte apart, and lose that byte.
 */
#ifndef COG_SPANS_H
#define COG_SPANS_H

#include <stddef.h>
#include <stdint.h>

typedef struct cog_span { int64_t first, end; } cog_span;

/* All zero: none. */
typedef struct cog_spans
{
    cog_span   *list;
    size_t      count, room;
} cog_spans;

/* Adds the bytes `first` up to, not including, `end`.  Without memory they are left out: what is not
 * known to be there is sent again. */
void cog_spans_add(cog_spans *spans, int64_t first, int64_t end);
/* FIRST-END,FIRST-END,... as in a restart marker; free it.  NULL without memory. */
char *cog_spans_text(const cog_spans *spans);
void cog_spans_clear(cog_spans *spans);

#endif
