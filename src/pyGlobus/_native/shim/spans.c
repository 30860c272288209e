#include "spans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cog_spans_add(cog_spans *spans, int64_t first, int64_t end)
{
    size_t place = spans->count, last;

    if (first < 0 || first >= end)
    {
        return;
    }
    while (place > 0 && spans->list[place - 1].end >= first)        /* most come in order */
    {
        place--;
    }
    for (last = place; last < spans->count && spans->list[last].first <= end; last++)
    {
        first = spans->list[last].first < first ? spans->list[last].first : first;
        end = spans->list[last].end > end ? spans->list[last].end : end;
    }
    if (last == place && spans->count == spans->room)
    {
        size_t room = spans->room ? 2 * spans->room : 8;
        cog_span *more = realloc(spans->list, room * sizeof *more);

        if (!more)
        {
            return;
        }
        spans->list = more;
        spans->room = room;
    }
    /* the spans from `place` up to `last` touch the new one, and become one with it */
    memmove(spans->list + place + 1, spans->list + last, (spans->count - last) * sizeof *spans->list);
    spans->count = spans->count - (last - place) + 1;
    spans->list[place] = (cog_span) { .first = first, .end = end };
}

char *cog_spans_text(const cog_spans *spans)
{
    char *text = malloc(spans->count * 42 + 1), *write = text;

    if (text)
    {
        *write = '\0';
        for (size_t i = 0; i < spans->count; i++)
        {
            write += sprintf(write, "%s%" PRId64 "-%" PRId64,
                i ? "," : "", spans->list[i].first, spans->list[i].end);
        }
    }
    return text;
}

void cog_spans_clear(cog_spans *spans)
{
    free(spans->list);
    *spans = (cog_spans) { .list = NULL };
}
