/* What a server says where it listens for data, and who that is.  Knows nothing of Globus. */
#ifndef COG_PASSIVE_H
#define COG_PASSIVE_H

#include <stddef.h>
#include <stdint.h>

/* IPv4 as IPv6 does: ::ffff:a.b.c.d */
typedef struct cog_address
{
    uint8_t bytes[16];
}
cog_address;

enum { COG_PASSIVE_END, COG_PASSIVE_ADDRESS, COG_PASSIVE_SAME_HOST, COG_PASSIVE_MALFORMED };

typedef struct cog_passive
{
    const char *next;           /* NULL: at the end */
    int         several;
}
cog_passive;

/* Reads a reply 227, 229, 127 or 129 address by address, as globus_l_ftp_client_parse_pasv() does,
 * and takes nothing that makes that function read astray. */
void cog_passive_begin(cog_passive *passive, int code, const char *reply);
/* One of COG_PASSIVE_*; SAME_HOST is a port alone. */
int cog_passive_next(cog_passive *passive, cog_address *address);

/* 0 when the text is no address. */
int cog_address_read(const char *text, cog_address *address);
/* As people write it; `text` has room for 46 bytes. */
void cog_address_write(const cog_address *address, char *text);
/* Whether it is in a list "ADDRESS/BITS,ADDRESS/BITS" (bits of 128), or the list is "*". */
int cog_address_in(const cog_address *address, const char *list);

#endif
