/* the shim: queue, callbacks, pump (shim/queue.h, shim/shim.h) */
typedef uint64_t cog_token;
typedef struct {
    cog_token token; int32_t kind; int32_t code; int64_t a; int64_t b; int64_t c;
    void *object; char *text;
} cog_event;
typedef struct { uint64_t slots_in_use; uint64_t posted; uint64_t dropped; uint64_t lost; } cog_figures;

#define COG_ONCE ...
#define COG_MANY ...
#define COG_EVENT_COMPLETE ...
#define COG_EVENT_DATA ...
#define COG_EVENT_PUMP ...
#define COG_EVENT_GRAM_REPLY ...
#define COG_EVENT_GRAM_STATE ...
#define COG_EVENT_GRAM_INFO ...
#define COG_EVENT_BATCH ...
#define COG_EVENT_BATCH_END ...
#define COG_EVENT_PIPELINE ...
#define COG_EVENT_PLUGIN ...
#define COG_EVENT_QUESTION ...
#define COG_EVENT_PERFORMANCE ...
#define COG_EVENT_PUMP_FAILED ...
#define COG_EVENT_BATCH_FAILED ...

/* queue */
cog_token cog_slot_new(int mode);
void cog_slot_close(cog_token token);
int cog_post(const cog_event *event);
int cog_wait(int milliseconds);
void cog_wake(void);
size_t cog_take(cog_event *events, size_t most);
void cog_die(void);
int cog_is_dead(void);
void cog_get_figures(cog_figures *figures);
int cog_ask(const cog_event *question, int refusal, int milliseconds, char **answer_text);
int cog_answer(int64_t question, int answer, const char *text);

/* start and end */
char *cog_check_thread_plugin(void);
const char *cog_gss_library(void);
int cog_start(void);
int cog_activate(globus_module_descriptor_t *module);
void cog_refuse_signals(void);
void cog_guard_exit(void);
void cog_forked(void);

/* callbacks: their addresses are given to Globus, with a token as the argument */
void cog_on_ftp_complete(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error);
void cog_on_ftp_data(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof);
void cog_on_gram_reply(
    void *arg, globus_gram_protocol_error_t failure, const char *contact,
    globus_gram_protocol_job_state_t state, globus_gram_protocol_error_t job_failure);
int cog_gram_listen(cog_token token, char **contact);
void cog_on_gram_info(void *arg, const char *contact, globus_gram_client_job_info_t *info);
int cog_activate_with_proxy(globus_module_descriptor_t *module, const char *proxy);

/* credentials */
typedef struct {
    int64_t not_before; int64_t not_after; long path_length; char policy_language[80];
    char key_type[16]; char signature[48]; int chain_length; int key_belongs;
} cog_cred_details;
enum {
    COG_PKCS12_READ, COG_PKCS12_OTHER, COG_PKCS12_WRONG_PASSPHRASE, COG_PKCS12_UNSUPPORTED,
    COG_PKCS12_INCOMPLETE
};
int cog_cred_read_pkcs12(
    globus_gsi_cred_handle_t handle, const unsigned char *data, size_t length,
    const char *passphrase);
const char *cog_cred_tls_refusal(globus_gsi_cred_handle_t handle, int *place);
globus_result_t cog_cred_read_key(
    globus_gsi_cred_handle_t handle, const char *file, const char *passphrase, size_t length);
int cog_cred_get_details(globus_gsi_cred_handle_t handle, cog_cred_details *details);
OM_uint32 cog_cred_to_gss(
    globus_gsi_cred_handle_t handle, OM_uint32 *minor, gss_cred_id_t *credential);
int cog_cred_write_fd(globus_gsi_cred_handle_t handle, int fd);
globus_result_t cog_cred_verify(globus_gsi_cred_handle_t handle, char *certificate_directory);
char *cog_cred_certificates(globus_gsi_cred_handle_t handle);
globus_result_t cog_proxy_set_policy(
    globus_gsi_proxy_handle_t handle, const char *oid, const unsigned char *policy, int length);

/* GSS-API */
gss_OID cog_gss_nt_host_ip(void);
OM_uint32 cog_gss_to_cred(
    gss_cred_id_t credential, OM_uint32 *minor, globus_gsi_cred_handle_t *handle);
void cog_gss_release_secret(gss_buffer_t buffer);
int cog_cred_holds(globus_gsi_cred_handle_t handle);
globus_result_t cog_cred_read_pem(
    const char *pem, size_t length, globus_gsi_cred_handle_t *handle);
globus_result_t cog_request_new(
    int bits, globus_gsi_proxy_handle_t *handle, gss_buffer_t request);
globus_result_t cog_request_sign(
    globus_gsi_cred_handle_t issuer, const unsigned char *request, size_t length, int limited,
    const char *language, const unsigned char *policy, int policy_length, long path_length,
    int minutes, gss_buffer_t answer);
globus_result_t cog_request_assemble(
    globus_gsi_proxy_handle_t handle, const unsigned char *answer, size_t length,
    globus_gsi_cred_handle_t *credential);
int cog_register_oid(const char *oid);
const char *cog_gss_alert(gss_ctx_id_t context, gss_buffer_t token);
int cog_certificate_key_bits(const unsigned char *der, size_t length);
typedef struct
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

/* place */
typedef ... cog_place;
cog_place *cog_place_open(int fd, int writing);
cog_place *cog_place_memory(const void *data, size_t length);
void cog_place_use(cog_place *place);
void cog_place_close(cog_place *place);
int cog_place_is_stream(const cog_place *place);
int cog_place_can_begin(const cog_place *place, int64_t offset);
int64_t cog_place_taken(const cog_place *place);

/* pump */
#define COG_PUMP_OUTSIDE ...
#define COG_PUMP_UNFINISHED ...
typedef ... cog_pump;
cog_pump *cog_pump_new(
    cog_token token, cog_token news, cog_place *place, int blocks, size_t block_size, int64_t base,
    int64_t lowest, int64_t first, int64_t end);
void cog_pump_free(cog_pump *pump);
int64_t cog_pump_bytes(const cog_pump *pump);
char *cog_pump_written(cog_pump *pump);
int cog_pump_waits(const cog_pump *pump);
void cog_pump_stop(cog_pump *pump);
void cog_pump_start_get(cog_pump *pump, globus_ftp_client_handle_t *handle);
void cog_pump_start_put(cog_pump *pump, globus_ftp_client_handle_t *handle);
void cog_on_pump_complete(void *pump, globus_ftp_client_handle_t *handle, globus_object_t *error);

/* batch */
#define COG_WAITS_FOR_NOTHING ...
#define COG_WAITS_FOR_SERVER ...
#define COG_WAITS_FOR_PLACE ...
typedef ... cog_batch;
cog_batch *cog_batch_new(
    cog_token token, cog_token end_token, int is_put, int blocks, size_t block_size,
    globus_ftp_client_handle_t *handle, globus_ftp_client_operationattr_t *attr);
void cog_batch_free(cog_batch *batch);
int cog_batch_push(cog_batch *batch, int64_t number, const char *url, int fd, cog_place *place);
void cog_batch_end(cog_batch *batch);
void cog_batch_stop(cog_batch *batch);
int64_t cog_batch_bytes(cog_batch *batch);
int cog_batch_waits_for(cog_batch *batch, int64_t *number);

/* pipeline */
typedef ... cog_pipeline;
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

/* abort */
void cog_abort_ftp(cog_token token, globus_ftp_client_handle_t *handle);
void cog_abort_copy(cog_token token, globus_gass_copy_handle_t *handle);
void cog_abort_copy_command(cog_token token, globus_gass_copy_handle_t *handle);

/* copy */
#define COG_COPY_NOTHING ...
#define COG_COPY_ELSEWHERE ...
#define COG_COPY_TO_FILE ...
typedef ... cog_copy_watch;
void cog_on_copy_complete(void *arg, globus_gass_copy_handle_t *handle, globus_object_t *error);
void cog_on_copy_performance(
    void *arg, globus_gass_copy_handle_t *handle, globus_off_t total, float now, float average);
void cog_on_io_closed(void *arg, globus_io_handle_t *handle, globus_result_t result);
void *cog_copy_take_performance(globus_gass_copy_handle_t *handle);
void cog_copy_free_performance(void *taken);
int cog_copy_free(globus_gass_copy_handle_t *handle);
cog_copy_watch *cog_copy_watch_new(globus_gass_copy_handle_t *handle);
void cog_copy_watch_free(cog_copy_watch *watch);
void cog_copy_watch_begin(cog_copy_watch *watch, int copying);
void cog_copy_watch_started(cog_copy_watch *watch);
int64_t cog_copy_watch_bytes(cog_copy_watch *watch);
int64_t cog_copy_watch_end(cog_copy_watch *watch);
char *cog_copy_watch_fault(cog_copy_watch *watch);
enum { COG_LIST_ENTRIES, COG_LIST_FACTS, COG_LIST_LONG };
globus_result_t cog_glob_list(
    cog_token token, globus_gass_copy_handle_t *handle, const char *url,
    globus_gass_copy_attr_t *attr);
int fnmatch(const char *pattern, const char *string, int flags);
globus_result_t cog_glob_expand(
    cog_token token, globus_gass_copy_handle_t *handle, char *url, globus_gass_copy_attr_t *attr);

/* guard */
int cog_name_families(const char *name, int milliseconds);
typedef ... cog_guard;
cog_guard *cog_guard_new(void);
void cog_guard_free(cog_guard *guard);
globus_result_t cog_guard_watch(cog_guard *guard, globus_ftp_client_handle_t *handle);
globus_result_t cog_guard_watch_copy(cog_guard *guard, globus_gass_copy_handle_t *handle);
void cog_guard_begin(cog_guard *guard, const char *allowed, int delayed);
char *cog_guard_fault(cog_guard *guard);
char *cog_guard_refused_url(cog_guard *guard);
char *cog_guard_refused(cog_guard *guard);
char *cog_guard_disordered_url(cog_guard *guard);
const char *cog_guard_disorder(cog_guard *guard);
char *cog_guard_features(cog_guard *guard, const char *url);
char *cog_guard_rename_reply(cog_guard *guard, int *code);
int cog_guard_answered(cog_guard *guard);
void cog_guard_agreed(cog_guard *guard, const char *url, char *mode_dcau_prot);
int cog_guard_began(cog_guard *guard);

/* exists */
globus_result_t cog_ftp_exists(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    int *moved,
    globus_ftp_client_complete_callback_t callback, void *arg);
