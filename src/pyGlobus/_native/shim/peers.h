/* Whether an address is that of a host by name, or of one that we are connected to.  Knows nothing
 * of Globus. */
#ifndef COG_PEERS_H
#define COG_PEERS_H

#include "passive.h"

/* Whether this process has a TCP connection to that port of this address. */
int cog_is_peer(const cog_address *address, unsigned port);

/* Whether the host has this address.  The name is looked up on a thread of its own, at most once a
 * minute; an answer that does not come in time is a no. */
int cog_name_has(const char *name, const cog_address *address, int milliseconds);

/* The families of its addresses, as bits: 1 for IPv4, 2 for IPv6; 0: none, or the answer did not come
 * in time. */
int cog_name_families(const char *name, int milliseconds);

#endif
