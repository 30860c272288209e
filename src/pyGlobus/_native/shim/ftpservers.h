/* The servers of a client: what each has agreed to and said that it can, and which addresses are its
 * own.  The lists are guarded by whoever has them. */
#ifndef COG_FTPSERVERS_H
#define COG_FTPSERVERS_H

#include "passive.h"

/* SCHEME://WHO@HOST:PORT, and what is known of it */
typedef struct cog_ftp_server
{
    struct cog_ftp_server *next;
    char                   command[64];     /* the last one, or its beginning */
    char                   mode, dcau, prot;    /* what it has agreed to; '-': nothing */
    char                  *features;        /* its reply to FEAT */
    char                   key[];
}
cog_ftp_server;

/* The one of a URL; NULL: no memory. */
cog_ftp_server *cog_ftp_server_of(cog_ftp_server **list, const char *url);
void cog_ftp_servers_free(cog_ftp_server **list);
/* A new session begins. */
void cog_ftp_server_reset(cog_ftp_server *server);
/* Whether the last command begins so, and whether it transfers. */
int cog_ftp_server_was_asked(const cog_ftp_server *server, const char *verb);
int cog_ftp_server_transfers(const cog_ftp_server *server);
/* Takes its reply to the last command. */
void cog_ftp_server_note(cog_ftp_server *server, int code, const char *reply);

/* Whether an address is one of the server's: that of the control connection, or of its name.  May
 * wait for the resolver, for some seconds. */
int cog_ftp_server_has(const char *url, const cog_address *address);

#endif
