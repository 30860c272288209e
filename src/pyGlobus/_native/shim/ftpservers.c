#define _GNU_SOURCE
#include "ftpservers.h"

#include "peers.h"

#include <globus_common.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Milliseconds for the look-up of a server's name.  It is only looked up when the server's data is
 * elsewhere than its control connection, and other transfers wait meanwhile. */
enum { LOOK_UP = 5000 };

/* How long the part of a URL is that names the server. */
static size_t key_length(const char *url)
{
    const char *host = strstr(url, "://");
    size_t length;

    host = host ? host + 3 : url;
    length = (size_t) (host - url) + strcspn(host, "/");
    /* "host:21./x" is a relative path, see _core/ftpurls.py */
    return length && url[length - 1] == '.' && memrchr(url, ':', length) > (void *) host
        ? length - 1 : length;
}

cog_ftp_server *cog_ftp_server_of(cog_ftp_server **list, const char *url)
{
    size_t length = key_length(url);
    cog_ftp_server *one;

    for (one = *list; one; one = one->next)
    {
        if (!strncmp(one->key, url, length) && !one->key[length])
        {
            return one;
        }
    }
    if ((one = calloc(1, sizeof *one + length + 1)))
    {
        memcpy(one->key, url, length);
        one->mode = one->dcau = one->prot = '-';
        one->next = *list;
        *list = one;
    }
    return one;
}

/* The host of a URL, without the brackets of an IPv6 address, and its port; free it. */
static char *host_of(const char *url, unsigned *port)
{
    size_t length = key_length(url);
    const char *host = strstr(url, "://"), *end = url + length, *at, *colon;

    *port = !strncasecmp(url, "gsiftp:", 7) ? 2811 : 21;
    host = host ? host + 3 : url;
    at = memrchr(host, '@', (size_t) (end - host));
    host = at ? at + 1 : host;
    colon = memrchr(host, ':', (size_t) (end - host));
    if (*host == '[')
    {
        const char *bracket = memchr(host, ']', (size_t) (end - host));

        host++;
        colon = bracket && colon && colon > bracket ? colon : NULL;
        end = bracket ? bracket : end;
    }
    if (colon)
    {
        *port = (unsigned) strtoul(colon + 1, NULL, 10);
        end = colon < end ? colon : end;
    }
    return strndup(host, (size_t) (end - host));
}

int cog_ftp_server_has(const char *url, const cog_address *address)
{
    unsigned port;
    char *name = host_of(url, &port);
    cog_address its;
    int is;

    if (!name)
    {
        return 0;
    }
    is = (cog_address_read(name, &its) && !memcmp(&its, address, sizeof its))
        || (strncasecmp(url, "sshftp:", 7) && cog_is_peer(address, port));
    if (!is)
    {
        globus_thread_blocking_will_block();
        is = cog_name_has(name, address, LOOK_UP);
    }
    free(name);
    return is;
}

void cog_ftp_servers_free(cog_ftp_server **list)
{
    cog_ftp_server *one;

    while ((one = *list))
    {
        *list = one->next;
        free(one->features);
        free(one);
    }
}

void cog_ftp_server_reset(cog_ftp_server *server)
{
    server->mode = server->dcau = server->prot = '-';
    server->command[0] = '\0';
    free(server->features);
    server->features = NULL;
}

int cog_ftp_server_was_asked(const cog_ftp_server *server, const char *verb)
{
    return server && !strncasecmp(server->command, verb, strlen(verb));
}

int cog_ftp_server_transfers(const cog_ftp_server *server)
{
    static const char *const verbs[] = {
        "RETR ", "STOR ", "APPE ", "ERET ", "ESTO ", "GET ", "PUT ", "LIST ", "NLST ", "MLSD ",
        "MLSR "
    };
    size_t i;

    for (i = 0; i < sizeof verbs / sizeof *verbs; i++)
    {
        if (cog_ftp_server_was_asked(server, verbs[i]))
        {
            return 1;
        }
    }
    return 0;
}

void cog_ftp_server_note(cog_ftp_server *server, int code, const char *reply)
{
    if (code / 100 != 2)
    {
        return;
    }
    if (cog_ftp_server_was_asked(server, "MODE "))
    {
        server->mode = server->command[5];
    }
    else if (cog_ftp_server_was_asked(server, "DCAU "))
    {
        server->dcau = server->command[5];
    }
    else if (cog_ftp_server_was_asked(server, "PROT "))
    {
        server->prot = server->command[5];
    }
    else if (cog_ftp_server_was_asked(server, "FEAT"))
    {
        free(server->features);
        server->features = strdup(reply);
    }
}
