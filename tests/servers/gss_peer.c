/* A side of a GSI context in C, as GCT's programs are: what pyGlobus.security.gss talks to in tests.
 *
 *   gss_peer accept            prints a port, takes one connection, prints who it is, gives every
 *                              message back; "delegate!" takes a proxy first and prints its name,
 *                              "give!" gives one
 *   gss_peer init PORT TARGET FLAGS MESSAGE...
 *                              sends each message and prints what comes back
 */
#include <arpa/inet.h>
#include <globus_gss_assist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static FILE *in, *out;

static void fail(const char *what, OM_uint32 major, OM_uint32 minor)
{
    char *text = NULL;

    globus_gss_assist_display_status_str(&text, (char *) what, major, minor, 0);
    fprintf(stderr, "%s\n", text ? text : what);
    exit(1);
}

static void take_proxy(gss_ctx_id_t context)
{
    gss_cred_id_t proxy = GSS_C_NO_CREDENTIAL;
    OM_uint32 major, minor, released;

    do
    {
        gss_buffer_desc got = GSS_C_EMPTY_BUFFER, give = GSS_C_EMPTY_BUFFER;
        if (globus_gss_assist_token_get_fd(in, &got.value, &got.length))
        {
            fail("no token", 0, 0);
        }
        major = gss_accept_delegation(&minor, context, GSS_C_NO_OID_SET, GSS_C_NO_BUFFER_SET, &got,
                                      0, 0, NULL, &proxy, NULL, &give);
        if (GSS_ERROR(major))
        {
            fail("accept_delegation", major, minor);
        }
        if (give.length)
        {
            globus_gss_assist_token_send_fd(out, give.value, give.length);
            fflush(out);
        }
        gss_release_buffer(&released, &give);
    } while (proxy == GSS_C_NO_CREDENTIAL);

    gss_name_t name;
    gss_buffer_desc text;
    gss_inquire_cred(&minor, proxy, &name, NULL, NULL, NULL);
    gss_display_name(&minor, name, &text, NULL);
    printf("proxy of %.*s\n", (int) text.length, (char *) text.value);
    fflush(stdout);
}

static void give_proxy(gss_ctx_id_t context)
{
    gss_buffer_desc got = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor;

    for (;;)
    {
        gss_buffer_desc give = GSS_C_EMPTY_BUFFER;
        major = gss_init_delegation(&minor, context, GSS_C_NO_CREDENTIAL, GSS_C_NO_OID,
                                    GSS_C_NO_OID_SET, GSS_C_NO_BUFFER_SET, &got, 0, 3600, &give);
        if (GSS_ERROR(major))
        {
            fail("init_delegation", major, minor);
        }
        if (give.length)
        {
            globus_gss_assist_token_send_fd(out, give.value, give.length);
            fflush(out);
        }
        if (!(major & GSS_S_CONTINUE_NEEDED))
        {
            return;
        }
        if (globus_gss_assist_token_get_fd(in, &got.value, &got.length))
        {
            fail("no token", 0, 0);
        }
    }
}

static int loopback(int port, struct sockaddr_in *address)
{
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons((unsigned short) port);
    return socket(AF_INET, SOCK_STREAM, 0);
}

static void send_message(gss_ctx_id_t context, char *data, size_t length)
{
    OM_uint32 major, minor;
    int status = 0;

    major = globus_gss_assist_wrap_send(&minor, context, data, length, &status,
                                        globus_gss_assist_token_send_fd, out, NULL);
    fflush(out);
    if (major != GSS_S_COMPLETE)
    {
        fail("wrap_send", major, minor);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_cred_id_t credential, delegated = GSS_C_NO_CREDENTIAL;
    OM_uint32 major, minor, flags = 0;
    int fd, status = 0, i, accepts = argc > 1 && !strcmp(argv[1], "accept");
    char *data, *name = NULL;
    size_t length;

    alarm(50);
    globus_module_activate(GLOBUS_GSI_GSS_ASSIST_MODULE);
    major = globus_gss_assist_acquire_cred(&minor, accepts ? GSS_C_ACCEPT : GSS_C_INITIATE,
                                           &credential);
    if (major != GSS_S_COMPLETE)
    {
        fail("acquire_cred", major, minor);
    }
    fd = loopback(accepts ? 0 : atoi(argv[2]), &address);
    if (accepts)
    {
        socklen_t size = sizeof address;
        if (bind(fd, (struct sockaddr *) &address, size) || listen(fd, 1)
            || getsockname(fd, (struct sockaddr *) &address, &size))
        {
            perror("listen");
            return 1;
        }
        printf("%d\n", ntohs(address.sin_port));
        fflush(stdout);
        fd = accept(fd, NULL, NULL);
    }
    else if (connect(fd, (struct sockaddr *) &address, sizeof address))
    {
        perror("connect");
        return 1;
    }
    in = fdopen(fd, "r");
    out = fdopen(dup(fd), "w");
    setvbuf(out, NULL, _IONBF, 0);
    if (accepts)
    {
        major = globus_gss_assist_accept_sec_context(
            &minor, &context, credential, &name, &flags, NULL, &status, &delegated,
            globus_gss_assist_token_get_fd, in, globus_gss_assist_token_send_fd, out);
    }
    else
    {
        major = globus_gss_assist_init_sec_context(
            &minor, credential, &context, argv[3], (OM_uint32) atoi(argv[4]), &flags, &status,
            globus_gss_assist_token_get_fd, in, globus_gss_assist_token_send_fd, out);
    }
    if (major != GSS_S_COMPLETE)
    {
        fail("context", major, minor);
    }
    if (accepts)
    {
        printf("%s%s\n", name, delegated != GSS_C_NO_CREDENTIAL ? " with a proxy" : "");
        fflush(stdout);
        for (;;)
        {
            major = globus_gss_assist_get_unwrap(&minor, context, &data, &length, &status,
                                                 globus_gss_assist_token_get_fd, in, NULL);
            if (status || (major == GSS_S_COMPLETE && !length))
            {
                return 0;
            }
            if (major != GSS_S_COMPLETE)
            {
                fail("get_unwrap", major, minor);
            }
            if (length == 9 && !memcmp(data, "delegate!", 9))
            {
                take_proxy(context);
            }
            else if (length == 5 && !memcmp(data, "give!", 5))
            {
                give_proxy(context);
            }
            else
            {
                send_message(context, data, length);
            }
        }
    }
    for (i = 5; i < argc; i++)
    {
        send_message(context, argv[i], strlen(argv[i]));
        if (!strcmp(argv[i], "delegate!"))
        {
            give_proxy(context);
            continue;
        }
        if (!strcmp(argv[i], "give!"))
        {
            take_proxy(context);
            continue;
        }
        major = globus_gss_assist_get_unwrap(&minor, context, &data, &length, &status,
                                             globus_gss_assist_token_get_fd, in, NULL);
        if (status || major != GSS_S_COMPLETE)
        {
            fail("get_unwrap", major, minor);
        }
        printf("%.*s\n", (int) length, data);
    }
    return 0;
}
