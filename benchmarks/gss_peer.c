/* What benchmarks/gss.py has Python do, in C: both sides in one process, tokens in memory.
 *
 *   gss_peer contexts COUNT          establishes so many contexts
 *   gss_peer messages COUNT SIZE     wraps and unwraps so many messages over one
 *
 * Prints the seconds that it took, without the time to start. */
#include <gssapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static gss_cred_id_t credential;

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double) at.tv_sec + (double) at.tv_nsec / 1e9;
}

static void must(OM_uint32 major)
{
    if (GSS_ERROR(major))
    {
        fprintf(stderr, "GSS error %08x\n", (unsigned) major);
        exit(1);
    }
}

static void establish(gss_ctx_id_t *client, gss_ctx_id_t *server)
{
    gss_buffer_desc to_server = GSS_C_EMPTY_BUFFER, to_client = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, flags, mine = GSS_S_CONTINUE_NEEDED, theirs = GSS_S_CONTINUE_NEEDED;

    *client = *server = GSS_C_NO_CONTEXT;
    while (mine & GSS_S_CONTINUE_NEEDED)
    {
        mine = gss_init_sec_context(
            &minor, credential, client, GSS_C_NO_NAME, GSS_C_NO_OID,
            GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_CONF_FLAG
                | GSS_C_INTEG_FLAG,
            0, GSS_C_NO_CHANNEL_BINDINGS, &to_client, NULL, &to_server, &flags, NULL);
        must(mine);
        gss_release_buffer(&minor, &to_client);
        if (to_server.length && (theirs & GSS_S_CONTINUE_NEEDED))
        {
            flags = 0;
            theirs = gss_accept_sec_context(&minor, server, credential, &to_server,
                                            GSS_C_NO_CHANNEL_BINDINGS, NULL, NULL, &to_client,
                                            &flags, NULL, NULL);
            must(theirs);
        }
        gss_release_buffer(&minor, &to_server);
    }
}

int main(int argc, char **argv)
{
    gss_ctx_id_t client, server;
    OM_uint32 minor;
    int count = argc > 2 ? atoi(argv[2]) : 1, i;
    double began;

    globus_module_activate(GLOBUS_GSI_GSSAPI_MODULE);
    must(gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET, GSS_C_BOTH,
                          &credential, NULL, NULL));
    establish(&client, &server);
    began = now();
    if (argc > 1 && !strcmp(argv[1], "contexts"))
    {
        for (i = 0; i < count; i++)
        {
            gss_delete_sec_context(&minor, &client, GSS_C_NO_BUFFER);
            gss_delete_sec_context(&minor, &server, GSS_C_NO_BUFFER);
            establish(&client, &server);
        }
    }
    else
    {
        gss_buffer_desc message = {(size_t) atol(argv[3]), NULL};
        message.value = calloc(1, message.length);
        for (i = 0; i < count; i++)
        {
            gss_buffer_desc sealed, opened;
            int state;
            must(gss_wrap(&minor, client, 1, GSS_C_QOP_DEFAULT, &message, &state, &sealed));
            must(gss_unwrap(&minor, server, &sealed, &opened, &state, NULL));
            gss_release_buffer(&minor, &sealed);
            gss_release_buffer(&minor, &opened);
        }
    }
    printf("%.6f\n", now() - began);
    return 0;
}
