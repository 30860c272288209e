#define _GNU_SOURCE
#include "passive.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

int cog_address_read(const char *text, cog_address *address)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (inet_pton(AF_INET, text, address->bytes + 12) == 1)
    {
        memcpy(address->bytes, mapped, sizeof mapped);
        return 1;
    }
    return inet_pton(AF_INET6, text, address->bytes) == 1;
}

void cog_address_write(const cog_address *address, char *text)
{
    inet_ntop(AF_INET6, address->bytes, text, INET6_ADDRSTRLEN);
    if (!strncmp(text, "::ffff:", 7) && strchr(text, '.'))
    {
        memmove(text, text + 7, strlen(text + 7) + 1);
    }
}

static int same(const cog_address *one, const cog_address *other, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return !memcmp(one->bytes, other->bytes, whole)
        && (!rest || (one->bytes[whole] ^ other->bytes[whole]) >> (8 - rest) == 0);
}

int cog_address_in(const cog_address *address, const char *list)
{
    char text[INET6_ADDRSTRLEN + 8], *slash;
    cog_address network;
    size_t length;
    unsigned bits;

    if (!strcmp(list, "*"))
    {
        return 1;
    }
    for (; *list; list += length + (list[length] == ','))
    {
        length = strcspn(list, ",");
        if (length >= sizeof text)
        {
            continue;
        }
        memcpy(text, list, length);
        text[length] = '\0';
        slash = strchr(text, '/');
        bits = 128;
        if (slash)
        {
            *slash = '\0';
            for (bits = 0; isdigit((unsigned char) slash[1]) && bits < 1000; slash++)
            {
                bits = bits * 10 + (unsigned) (slash[1] - '0');
            }
        }
        if (bits <= 128 && cog_address_read(text, &network) && same(address, &network, bits))
        {
            return 1;
        }
    }
    return 0;
}

static const char *after_blanks(const char *p)
{
    while (isspace((unsigned char) *p))
    {
        p++;
    }
    return p;
}

/* A number up to `most`, in at most five digits; -1: there is none.  Moves `p` behind it. */
static long number(const char **p, long most)
{
    const char *end = *p;
    long value = 0;

    while (isdigit((unsigned char) *end) && end - *p < 6)
    {
        value = value * 10 + (*end++ - '0');
    }
    if (end == *p || value > most)
    {
        return -1;
    }
    *p = end;
    return value;
}

/* h1,h2,h3,h4,p1,p2 */
static int read_commas(const char **p, cog_address *address)
{
    long part[6];
    int i;

    for (i = 0; i < 6; i++)
    {
        if ((i && *(*p)++ != ',') || (part[i] = number(p, 255)) < 0)
        {
            return COG_PASSIVE_MALFORMED;
        }
    }
    memset(address->bytes, 0, 10);
    address->bytes[10] = address->bytes[11] = 0xff;
    for (i = 0; i < 4; i++)
    {
        address->bytes[12 + i] = (uint8_t) part[i];
    }
    return part[4] || part[5] ? COG_PASSIVE_ADDRESS : COG_PASSIVE_MALFORMED;
}

/* |protocol|address|port|, whatever character it is that stands for "|" (RFC 2428, 3) */
static int read_fields(const char **p, cog_address *address)
{
    char text[INET6_ADDRSTRLEN];
    const char *q = *p, *end;
    char delimiter = *q++;
    int kind = COG_PASSIVE_SAME_HOST;

    if (delimiter < 33 || delimiter > 126)
    {
        return COG_PASSIVE_MALFORMED;
    }
    if (*q == '1' || *q == '2')
    {
        q++;
    }
    if (*q++ != delimiter)
    {
        return COG_PASSIVE_MALFORMED;
    }
    end = strchr(q, delimiter);
    if (!end || end - q >= (long) sizeof text)
    {
        return COG_PASSIVE_MALFORMED;
    }
    if (end > q)
    {
        memcpy(text, q, (size_t) (end - q));
        text[end - q] = '\0';
        if (!cog_address_read(text, address))
        {
            return COG_PASSIVE_MALFORMED;
        }
        kind = COG_PASSIVE_ADDRESS;
    }
    q = end + 1;
    if (number(&q, 65535) < 1 || *q++ != delimiter)
    {
        return COG_PASSIVE_MALFORMED;
    }
    *p = q;
    return kind;
}

void cog_passive_begin(cog_passive *passive, int code, const char *reply)
{
    const char *bracket = strchr(reply, '('), *line;

    passive->several = 0;
    if (bracket)
    {
        passive->next = bracket + 1;
    }
    else if (code == 229)
    {
        /* the lines between the first and the last */
        passive->several = 1;
        line = strchr(reply, '\n');
        passive->next = line ? line + 1 : "";
    }
    else
    {
        passive->next = strlen(reply) < 3 ? "" : after_blanks(reply + 3);
    }
}

int cog_passive_next(cog_passive *passive, cog_address *address)
{
    const char *p = passive->next;
    int found;

    if (!p)
    {
        return COG_PASSIVE_END;
    }
    if (passive->several)
    {
        p = after_blanks(p);
        if (!strncmp(p, "229 ", 4))
        {
            passive->next = NULL;
            return COG_PASSIVE_END;
        }
    }
    found = isdigit((unsigned char) *p) ? read_commas(&p, address) : read_fields(&p, address);
    if (passive->several && found != COG_PASSIVE_MALFORMED)
    {
        p += strspn(p, " \t\r");
        found = *p == '\n' && found == COG_PASSIVE_ADDRESS ? found : COG_PASSIVE_MALFORMED;
    }
    passive->next = passive->several && found != COG_PASSIVE_MALFORMED ? p + 1 : NULL;
    return found;
}
