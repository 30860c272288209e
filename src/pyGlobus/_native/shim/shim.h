/*
 * What the border adds to Globus: callbacks that post to the completion queue, the pump between a
 * file descriptor and a GridFTP transfer, and what only C can do about faults of Globus.
 */
#ifndef COG_SHIM_H
#define COG_SHIM_H

#include <fnmatch.h>
#include <globus_common.h>
#include <globus_error_gssapi.h>
#include <globus_error_openssl.h>
#include <globus_ftp_client.h>
#include <globus_ftp_client_plugin.h>
#include <globus_gass_copy.h>
#include <globus_gass_server_ez.h>
#include <globus_gass_transfer.h>
#include <globus_gram_client.h>
#include <globus_gram_protocol.h>
#include <globus_rsl.h>
#include <globus_rsl_assist.h>
#include <globus_gsi_callback.h>
#include <globus_gsi_cert_utils.h>
#include <globus_gsi_credential.h>
#include <globus_gsi_proxy.h>
#include <globus_gsi_system_config.h>
#include <globus_gss_assist.h>
#include <globus_io.h>
#include <gssapi.h>

#include "place.h"
#include "queue.h"

/* The kinds of event, and what their fields carry. */
enum
{
    COG_EVENT_COMPLETE = 1,     /* object: error */
    COG_EVENT_DATA,             /* a: length, b: offset, c: end of file, object: error */
    COG_EVENT_PUMP,             /* a: bytes moved, code: errno of the local side, object: error */
    COG_EVENT_GRAM_REPLY,       /* code: of the request, a: job state, b: of the job, text: contact
                                   and the error's message */
    COG_EVENT_GRAM_STATE,       /* a job manager tells: as the next */
    COG_EVENT_GRAM_INFO,        /* code: of the job or request, a: job state, text: contact, the
                                   error's message, and extensions */
    COG_EVENT_BATCH,            /* code: errno here, a: bytes, b: number of the file, and its error */
    COG_EVENT_BATCH_END,
    COG_EVENT_PIPELINE,         /* a: pairs of URLs that are complete */
    COG_EVENT_PLUGIN,           /* code: COG_PLUGIN_*, c: owner << 1 | flag, text: URL and text; a,
                                   b, object: per notification */
    COG_EVENT_QUESTION,         /* c: number, for cog_answer(); a, b, text: what is asked */
    COG_EVENT_PERFORMANCE,      /* a: bytes moved, b: bytes/s now, c: bytes/s on average */
    COG_EVENT_PUMP_FAILED,      /* the transfer is to be aborted; code: errno here, COG_PUMP_* */
    COG_EVENT_BATCH_FAILED      /* likewise, of file b */
};

/* Callbacks for Globus; `arg` is a cog_token. */
void cog_on_ftp_complete(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error);
void cog_on_ftp_data(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof);
void cog_on_gram_reply(
    void *arg, globus_gram_protocol_error_t failure, const char *contact,
    globus_gram_protocol_job_state_t state, globus_gram_protocol_error_t job_failure);
void cog_on_gram_info(void *arg, const char *contact, globus_gram_client_job_info_t *info);
/* Listens for what job managers tell: events of kind COG_EVENT_GRAM_STATE for `token`.  `contact`
 * is for free(), and for globus_gram_protocol_callback_disallow().  Returns GRAM's error code. */
int cog_gram_listen(cog_token token, char **contact);
/* Returns the module's status; see gram.c before using it. */
int cog_activate_with_proxy(globus_module_descriptor_t *module, const char *proxy);

/* start.c */
char *cog_check_thread_plugin(void);            /* NULL, or why it will not load (free it) */
const char *cog_gss_library(void);              /* the file that our gss_* calls resolve to */
int cog_start(void);                            /* opens the queue; -errno on failure */
int cog_activate(globus_module_descriptor_t *module);    /* its threads take no signals */
/* Returns the module's status; see start.c before using it. */
int cog_activate_with_proxy(globus_module_descriptor_t *module, const char *proxy);
void cog_refuse_signals(void);                  /* in this thread, from now on */
void cog_guard_exit(void);                      /* after the modules are activated */
void cog_forked(void);                          /* in a child: nothing is used any more */

/* credential.c */
globus_result_t cog_cred_read_key(
    globus_gsi_cred_handle_t handle, const char *file, const char *passphrase, size_t length);
typedef struct cog_cred_details
{
    int64_t not_before, not_after;              /* seconds since 1970, of the first certificate */
    long path_length;                           /* -1: no limit, or no proxy */
    char policy_language[80];                   /* the OID in dots, "" when not an RFC 3820 proxy */
    char key_type[16];                          /* "RSA", "EC", ... */
    char signature[48];                         /* its algorithm, such as sha256WithRSAEncryption */
    int chain_length;                           /* certificates behind the first one */
    int key_belongs;                            /* 1: to the certificate; 0: not; -1: there is none */
} cog_cred_details;
enum
{
    COG_PKCS12_READ,
    COG_PKCS12_OTHER,                           /* no such file */
    COG_PKCS12_WRONG_PASSPHRASE,
    COG_PKCS12_UNSUPPORTED,                     /* encrypted in a way that OpenSSL does not take */
    COG_PKCS12_INCOMPLETE                       /* without certificate or key */
};
/* Reads what a file holds; no passphrase: NULL. */
int cog_cred_read_pkcs12(
    globus_gsi_cred_handle_t handle, const unsigned char *data, size_t length,
    const char *passphrase);
/* Why TLS does not take certificate (place 0), chain (1, ...) or key (-1): OpenSSL's reason; NULL
   when it does. */
const char *cog_cred_tls_refusal(globus_gsi_cred_handle_t handle, int *place);
int cog_cred_get_details(globus_gsi_cred_handle_t handle, cog_cred_details *details);
OM_uint32 cog_cred_to_gss(
    globus_gsi_cred_handle_t handle, OM_uint32 *minor, gss_cred_id_t *credential);
/* Writes certificate, key and chain as PEM; 1 on success.  The descriptor stays open. */
int cog_cred_write_fd(globus_gsi_cred_handle_t handle, int fd);
/* Checks the chain against the trusted certificates, as the other side would. */
globus_result_t cog_cred_verify(globus_gsi_cred_handle_t handle, char *certificate_directory);
char *cog_cred_certificates(globus_gsi_cred_handle_t handle);       /* PEM without the key; free it */
globus_result_t cog_proxy_set_policy(
    globus_gsi_proxy_handle_t handle, const char *oid, const unsigned char *policy, int length);

/* gss.c */
gss_OID cog_gss_nt_host_ip(void);               /* GLOBUS_GSS_C_NT_HOST_IP, whose header is private */
/* The credential behind a GSS credential, as a handle of its own. */
OM_uint32 cog_gss_to_cred(
    gss_cred_id_t credential, OM_uint32 *minor, globus_gsi_cred_handle_t *handle);
void cog_gss_release_secret(gss_buffer_t buffer);       /* overwrites it before */
/* 1: the key belongs to the certificate; 2: whose it is can be told, from the certificate or the
 * chain: GSI reads what is not there otherwise.  3 is good. */
int cog_cred_holds(globus_gsi_cred_handle_t handle);
/* Certificate, key and chain from PEM. */
globus_result_t cog_cred_read_pem(
    const char *pem, size_t length, globus_gsi_cred_handle_t *handle);
/* A delegation by hand: a key and a request for a proxy, in DER; ... */
globus_result_t cog_request_new(
    int bits, globus_gsi_proxy_handle_t *handle, gss_buffer_t request);
/* ... the answer of who delegates: the proxy, its issuer and the chain, in DER.  `policy` is for
 * a restricted proxy, `language` NULL for none, `path_length` negative for none; ... */
globus_result_t cog_request_sign(
    globus_gsi_cred_handle_t issuer, const unsigned char *request, size_t length, int limited,
    const char *language, const unsigned char *policy, int policy_length, long path_length,
    int minutes, gss_buffer_t answer);
/* ... and the credential from the answer. */
globus_result_t cog_request_assemble(
    globus_gsi_proxy_handle_t handle, const unsigned char *answer, size_t length,
    globus_gsi_cred_handle_t *credential);
/* Makes OpenSSL know an OID, so that it can be told from others; 0: not an OID. */
int cog_register_oid(const char *oid);
/* OpenSSL's word for an alert, which gss_unwrap() takes for the end of the stream; NULL: none. */
const char *cog_gss_alert(gss_ctx_id_t context, gss_buffer_t token);
/* Bits of the key of a certificate in DER; negative when it is no RSA key, 0: not a certificate. */
int cog_certificate_key_bits(const unsigned char *der, size_t length);
/* When a certificate in DER ends, in seconds since 1970; 0: it is none. */
/* gss_wrap() and gss_unwrap() with what goes in and comes out in one structure: quick to call.
 * `out` is for free(), after a success. */
typedef struct cog_message
{
    OM_uint32 minor;
    int encrypted;
    OM_uint32 qop;
    size_t length;
    char *out;
} cog_message;
OM_uint32 cog_gss_wrap(
    gss_ctx_id_t context, int encrypt, const char *data, size_t length, cog_message *message);
OM_uint32 cog_gss_unwrap(
    gss_ctx_id_t context, const char *data, size_t length, cog_message *message);
int64_t cog_certificate_not_after(const unsigned char *der, size_t length);

/* place.c: where bytes come from or go to on this machine (place.h) */

/* pump.c */
typedef struct cog_pump cog_pump;
/* What has gone wrong where there is no errno for it. */
enum
{
    COG_PUMP_OUTSIDE = -1,      /* the server sent bytes outside of the part that was asked for */
    COG_PUMP_UNFINISHED = -2    /* the server took a put for complete that was not */
};
/* How its owner is told: COG_EVENT_PUMP_FAILED, perhaps, then COG_EVENT_PUMP.  The event's object is
 * the owner's. */
typedef void (*cog_pump_report)(void *owner, cog_pump *pump, int64_t number, const cog_event *event);

/* Moves what is asked of `place`, which the pump uses until the end is told.  Offset x of the transfer
 * is byte `base` + x of a file; it may move those from `lowest` up to `end` (-1: no end), and begins
 * with `first`.  The end is posted to `token`, a failure here to `news`.  NULL and errno. */
cog_pump *cog_pump_new(
    cog_token token, cog_token news, cog_place *place, int blocks, size_t block_size, int64_t base,
    int64_t lowest, int64_t first, int64_t end);
/* Instead of posting; before the start. */
void cog_pump_report_to(cog_pump *pump, cog_pump_report report, void *owner, int64_t number);
/* The end has been told, or the transfer was never begun. */
void cog_pump_free(cog_pump *pump);
int64_t cog_pump_bytes(const cog_pump *pump);
/* Of a get: what is in the file, as the text of a restart marker; free it. */
char *cog_pump_written(cog_pump *pump);
/* Whether it waits for the other end of a stream, rather than for the server. */
int cog_pump_waits(const cog_pump *pump);
/* The transfer is being aborted: do not wait for a stream's other end any more. */
void cog_pump_stop(cog_pump *pump);
void cog_pump_start_get(cog_pump *pump, globus_ftp_client_handle_t *handle);
void cog_pump_start_put(cog_pump *pump, globus_ftp_client_handle_t *handle);
void cog_on_pump_complete(
    void *pump, globus_ftp_client_handle_t *handle, globus_object_t *error);

/* batch.c: COG_EVENT_BATCH is posted to `token` for every file, COG_EVENT_BATCH_END to
 * `end_token` at the end. */
typedef struct cog_batch cog_batch;
cog_batch *cog_batch_new(
    cog_token token, cog_token end_token, int is_put, int blocks, size_t block_size,
    globus_ftp_client_handle_t *handle, globus_ftp_client_operationattr_t *attr);
void cog_batch_free(cog_batch *batch);
int cog_batch_push(cog_batch *batch, int64_t number, const char *url, int fd, cog_place *place);
void cog_batch_end(cog_batch *batch);
void cog_batch_stop(cog_batch *batch);
int64_t cog_batch_bytes(cog_batch *batch);
/* What the transfer that runs waits for, and which it is. */
enum { COG_WAITS_FOR_NOTHING, COG_WAITS_FOR_SERVER, COG_WAITS_FOR_PLACE };
int cog_batch_waits_for(cog_batch *batch, int64_t *number);

/* pipeline.c */
typedef struct cog_pipeline cog_pipeline;
/* COG_EVENT_PIPELINE is posted to `token` for every pair that is complete. */
cog_pipeline *cog_pipeline_new(cog_token token);
void cog_pipeline_free(cog_pipeline *pipeline);
void cog_pipeline_begin(cog_pipeline *pipeline);
int cog_pipeline_push(cog_pipeline *pipeline, const char *source, const char *dest);
int cog_pipeline_take(cog_pipeline *pipeline, const char **source, const char **dest);
void cog_pipeline_rest(cog_pipeline *pipeline);
void cog_pipeline_end(cog_pipeline *pipeline);
void cog_pipeline_stop(cog_pipeline *pipeline);
void cog_pipeline_again(cog_pipeline *pipeline);
int cog_pipeline_under_way(cog_pipeline *pipeline);
globus_result_t cog_pipeline_watch(cog_pipeline *pipeline, globus_ftp_client_handle_t *handle);
void cog_on_pipeline(
    globus_ftp_client_handle_t *handle, char **source_url, char **dest_url, void *arg);

/* copy.c */
void cog_on_copy_complete(void *arg, globus_gass_copy_handle_t *handle, globus_object_t *error);
void cog_on_copy_performance(
    void *arg, globus_gass_copy_handle_t *handle, globus_off_t total, float now, float average);
void cog_on_io_closed(void *arg, globus_io_handle_t *handle, globus_result_t result);
/* The performance record of a handle that is about to be destroyed, to be freed some time later. */
void *cog_copy_take_performance(globus_gass_copy_handle_t *handle);
void cog_copy_free_performance(void *taken);
/* Instead of globus_gass_copy_handle_destroy(); 0: something still runs in it, try again. */
int cog_copy_free(globus_gass_copy_handle_t *handle);
/* Sits in both GridFTP handles of a copy handle, and outlives it. */
typedef struct cog_copy_watch cog_copy_watch;
cog_copy_watch *cog_copy_watch_new(globus_gass_copy_handle_t *handle);
void cog_copy_watch_free(cog_copy_watch *watch);
/* What is begun: no copy, one whose end needs no care, or a get into a file. */
enum { COG_COPY_NOTHING, COG_COPY_ELSEWHERE, COG_COPY_TO_FILE };
void cog_copy_watch_begin(cog_copy_watch *watch, int copying);
/* The call that starts it has returned. */
void cog_copy_watch_started(cog_copy_watch *watch);
int64_t cog_copy_watch_bytes(cog_copy_watch *watch);
int64_t cog_copy_watch_end(cog_copy_watch *watch);
char *cog_copy_watch_fault(cog_copy_watch *watch);      /* the URL that failed, or NULL; free it */
/* Batches of entries, each handed over as a question: `text` of `a` bytes; the answer 0 stops. */
/* The text of a directory's list, piece by piece, each as a question (a: bytes, b: COG_LIST_...). */
enum { COG_LIST_ENTRIES, COG_LIST_FACTS, COG_LIST_LONG };
globus_result_t cog_glob_list(
    cog_token token, globus_gass_copy_handle_t *handle, const char *url,
    globus_gass_copy_attr_t *attr);
globus_result_t cog_glob_expand(
    cog_token token, globus_gass_copy_handle_t *handle, char *url, globus_gass_copy_attr_t *attr);

/* abort.c: on Globus' callback thread, where no callback of the library is half done.  The handle must
 * live until COG_EVENT_COMPLETE comes to `token`, or `done` is called: then the abort is through, or
 * has failed with the error (to be freed), as when the operation has just ended. */
void cog_abort_ftp(cog_token token, globus_ftp_client_handle_t *handle);
void cog_abort_copy(cog_token token, globus_gass_copy_handle_t *handle);
/* mkdir, stat and their like: commands of the GridFTP handle, for which gass copy waits. */
void cog_abort_copy_command(cog_token token, globus_gass_copy_handle_t *handle);
void cog_abort_ftp_then(
    globus_ftp_client_handle_t *handle, void (*done)(void *arg, globus_object_t *error), void *arg);

/* exists.c: whether the server does not know the command (or has said beforehand that it lacks it) */
int cog_ftp_is_unknown(globus_object_t *error);
/* globus_ftp_client_exists(), without its crash; `moved` tells whether the session may be
 * in another directory now, and lives until the callback. */
globus_result_t cog_ftp_exists(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    int *moved,
    globus_ftp_client_complete_callback_t callback, void *arg);

/* guard.c: a plugin that aborts an operation whose server sends us to another host for data, says
 * what makes no sense, or ends a transfer before it begins; `allowed` are further hosts, as cog_address_in() takes them. */
typedef struct cog_guard cog_guard;
cog_guard *cog_guard_new(void);
/* The handles that have it may outlive this. */
void cog_guard_free(cog_guard *guard);
globus_result_t cog_guard_watch(cog_guard *guard, globus_ftp_client_handle_t *handle);
globus_result_t cog_guard_watch_copy(cog_guard *guard, globus_gass_copy_handle_t *handle);
/* An operation begins; `delayed`: the server tells its address after it has seen the path. */
void cog_guard_begin(cog_guard *guard, const char *allowed, int delayed);
/* peers.c: bits of the families of a host's addresses, see peers.h */
int cog_name_families(const char *name, int milliseconds);
/* Of the operation: the URL at which something failed first; which server was refused, and the
 * address it named ("" when its reply was malformed); which ended before it began.  NULL, or free
 * it. */
char *cog_guard_fault(cog_guard *guard);
char *cog_guard_refused_url(cog_guard *guard);
char *cog_guard_refused(cog_guard *guard);
char *cog_guard_disordered_url(cog_guard *guard);
/* What is wrong with the replies of that server; a literal. */
const char *cog_guard_disorder(cog_guard *guard);
/* Its refusal of RNFR; NULL, or free it. */
char *cog_guard_rename_reply(cog_guard *guard, int *code);
/* Whether a server has replied anything in this operation, but 421: that it hangs up. */
int cog_guard_answered(cog_guard *guard);
/* Of the server of a URL: its reply to FEAT (NULL, or free it); and the letters of MODE, DCAU and
 * PROT that it has agreed to, '-' for what has not been sent in this session. */
char *cog_guard_features(cog_guard *guard, const char *url);
void cog_guard_agreed(cog_guard *guard, const char *url, char *mode_dcau_prot);
/* Whether a server has said in the operation that data may come (1xx). */
int cog_guard_began(cog_guard *guard);

/* plugin.c */
/* What a plugin can be told of.  The flag is `restart` of an operation, `eof` of data. */
enum
{
    COG_PLUGIN_CONNECT,
    COG_PLUGIN_AUTHENTICATE,    /* text: user */
    COG_PLUGIN_COMMAND,         /* text: command */
    COG_PLUGIN_RESPONSE,        /* a: code, text: reply, object: error */
    COG_PLUGIN_FAULT,           /* object: error */
    COG_PLUGIN_ABORT,
    COG_PLUGIN_COMPLETE,
    COG_PLUGIN_READ,            /* a: length */
    COG_PLUGIN_WRITE,           /* a: length, b: offset */
    COG_PLUGIN_DATA,            /* a: length, b: offset, object: error */
    COG_PLUGIN_GET,
    COG_PLUGIN_PUT,
    COG_PLUGIN_TRANSFER,        /* text: destination */
    COG_PLUGIN_DELETE,
    COG_PLUGIN_FEAT,
    COG_PLUGIN_MKDIR,
    COG_PLUGIN_RMDIR,
    COG_PLUGIN_LIST,
    COG_PLUGIN_VERBOSE_LIST,
    COG_PLUGIN_MACHINE_LIST,
    COG_PLUGIN_RECURSIVE_LIST,
    COG_PLUGIN_MLST,
    COG_PLUGIN_STAT,
    COG_PLUGIN_MODIFICATION_TIME,
    COG_PLUGIN_SIZE,
    COG_PLUGIN_MOVE,            /* text: destination */
    COG_PLUGIN_SYMLINK,         /* text: link */
    COG_PLUGIN_CHMOD,           /* a: mode */
    COG_PLUGIN_CHGRP,           /* text: group */
    COG_PLUGIN_UTIME,           /* a: seconds since 1970 */
    COG_PLUGIN_CKSM,            /* a: offset, b: length, text: algorithm */
    /* not Globus' own: summed up in the plugin, at most once in an interval, and at the end */
    COG_PLUGIN_PROGRESS,        /* a: bytes, b: microseconds since 1970; by our own data */
    COG_PLUGIN_PERFORMANCE,     /* b: microseconds since 1970, text: the server's reply (112) */
    COG_PLUGIN_MARKER           /* b: microseconds since 1970, text: START-STOP,... and no URL */
};

/* A plugin that posts what is `wanted` (bits 1 << COG_PLUGIN_*).  `name` must be unique: Globus
 * takes a plugin once for a handle, by its name.  `mask` are GLOBUS_FTP_CLIENT_CMD_MASK_*, for
 * commands and responses; `interval` microseconds.  NULL without memory. */
globus_ftp_client_plugin_t *cog_plugin_new(
    cog_token token, const char *name, uint64_t wanted, int mask, int64_t interval);
void cog_plugin_free(globus_ftp_client_plugin_t *plugin);
/* The owner of the copies that this thread has Globus make from now on. */
void cog_plugin_set_owner(int64_t owner);

#endif
