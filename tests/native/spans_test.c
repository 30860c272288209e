/* Spans against a map of bits, with spans in any order. */
#include "spans.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 400

static void against_a_map(unsigned int *random)
{
    char map[SIZE + 1] = { 0 }, *text, *p, *end;
    cog_spans spans = { .list = NULL };
    int64_t last = -1;
    int i;

    for (i = 0; i < 60; i++)
    {
        int64_t first = (int64_t) (rand_r(random) % SIZE), length = (int64_t) (rand_r(random) % 25);

        length = first + length > SIZE ? SIZE - first : length;
        cog_spans_add(&spans, first, first + length);
        memset(map + first, 1, (size_t) length);
    }
    cog_spans_add(&spans, -5, 10);
    cog_spans_add(&spans, 10, 10);
    CHECK((text = cog_spans_text(&spans)));
    for (p = text; *p; p = *end ? end + 1 : end)
    {
        int64_t first = strtoll(p, &end, 10), stop;

        CHECK(*end == '-');
        stop = strtoll(end + 1, &end, 10);
        CHECK(*end == ',' || *end == '\0');
        CHECK(first > last && first < stop);        /* in order, and a byte between them */
        for (; first < stop; first++)
        {
            CHECK(map[first] == 1);
            map[first] = 2;
        }
        last = stop;
    }
    for (i = 0; i < SIZE; i++)
    {
        CHECK(map[i] != 1);
    }
    free(text);
    cog_spans_clear(&spans);
    CHECK(spans.count == 0);
}

int main(void)
{
    unsigned int random = 7;
    int i;

    for (i = 0; i < 3000; i++)
    {
        against_a_map(&random);
    }
    printf("spans: %d times 60\n", i);
    return 0;
}
