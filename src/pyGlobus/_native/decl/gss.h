/* GSS-API of GSI (gssapi.h) and its helpers (globus_gss_assist.h) */

typedef ... *gss_cred_id_t;
typedef ... *gss_ctx_id_t;
typedef ... *gss_name_t;
typedef int... gss_cred_usage_t;
typedef int... gss_qop_t;
typedef struct { OM_uint32 length; void *elements; ...; } gss_OID_desc;
typedef gss_OID_desc *gss_OID;
typedef struct { size_t count; gss_OID elements; ...; } gss_OID_set_desc;
typedef gss_OID_set_desc *gss_OID_set;
typedef struct { size_t length; void *value; } gss_buffer_desc;
typedef gss_buffer_desc *gss_buffer_t;
typedef struct { size_t count; gss_buffer_t elements; } gss_buffer_set_desc;
typedef gss_buffer_set_desc *gss_buffer_set_t;
typedef ... *gss_channel_bindings_t;

#define GSS_S_COMPLETE ...
#define GSS_C_BOTH ...
#define GSS_C_INITIATE ...
#define GSS_C_ACCEPT ...
#define GSS_C_GSS_CODE ...
#define GSS_C_MECH_CODE ...
#define GSS_C_INDEFINITE ...
#define GSS_S_CREDENTIALS_EXPIRED ...
#define GSS_S_NO_CRED ...
#define GSS_S_DEFECTIVE_CREDENTIAL ...
#define GSS_S_CONTINUE_NEEDED ...
#define GSS_C_MUTUAL_FLAG ...
#define GSS_C_CONF_FLAG ...
#define GSS_C_GLOBUS_SSL_COMPATIBLE ...
#define GSS_C_QOP_DEFAULT ...

extern gss_OID GSS_C_NT_USER_NAME;
extern gss_OID GSS_C_NT_MACHINE_UID_NAME;
extern gss_OID GSS_C_NT_STRING_UID_NAME;
extern gss_OID GSS_C_NT_HOSTBASED_SERVICE_X;
extern gss_OID GSS_C_NT_HOSTBASED_SERVICE;
extern gss_OID GSS_C_NT_ANONYMOUS;
extern gss_OID GSS_C_NT_EXPORT_NAME;
extern const gss_OID_desc *const GSS_DISALLOW_ENCRYPTION;
extern const gss_OID_desc *const GSS_PROTECTION_FAIL_ON_CONTEXT_EXPIRATION;
extern const gss_OID_desc *const GSS_APPLICATION_WILL_HANDLE_EXTENSIONS;

static globus_module_descriptor_t *const GLOBUS_GSI_GSSAPI_MODULE;
static globus_module_descriptor_t *const GLOBUS_GSI_GSS_ASSIST_MODULE;


/* gssapi.h */
OM_uint32 gss_acquire_cred(
    OM_uint32 *minor_status, const gss_name_t desired_name, OM_uint32 time_req,
    const gss_OID_set desired_mechs, gss_cred_usage_t cred_usage,
    gss_cred_id_t *output_cred_handle, gss_OID_set *actual_mechs, OM_uint32 *time_rec);
OM_uint32 gss_import_cred(
    OM_uint32 *minor_status, gss_cred_id_t *output_cred_handle, const gss_OID desired_mech,
    OM_uint32 option_req, const gss_buffer_t import_buffer, OM_uint32 time_req,
    OM_uint32 *time_rec);
OM_uint32 gss_export_cred(
    OM_uint32 *minor_status, const gss_cred_id_t cred_handle, const gss_OID desired_mech,
    OM_uint32 option_req, gss_buffer_t export_buffer);
OM_uint32 gss_inquire_cred(
    OM_uint32 *minor_status, const gss_cred_id_t cred_handle, gss_name_t *name,
    OM_uint32 *lifetime, gss_cred_usage_t *cred_usage, gss_OID_set *mechanisms);
OM_uint32 gss_release_cred(OM_uint32 *minor_status, gss_cred_id_t *cred_handle);
OM_uint32 gss_display_name(
    OM_uint32 *minor_status, const gss_name_t input_name, gss_buffer_t output_name_buffer,
    gss_OID *output_name_type);
OM_uint32 gss_release_name(OM_uint32 *minor_status, gss_name_t *input_name);
OM_uint32 gss_import_name(
    OM_uint32 *minor_status, const gss_buffer_t input_name_buffer, const gss_OID input_name_type,
    gss_name_t *output_name);
OM_uint32 gss_compare_name(
    OM_uint32 *minor_status, const gss_name_t name1, const gss_name_t name2, int *name_equal);
OM_uint32 gss_init_sec_context(
    OM_uint32 *minor_status, const gss_cred_id_t initiator_cred_handle,
    gss_ctx_id_t *context_handle, const gss_name_t target_name, const gss_OID mech_type,
    OM_uint32 req_flags, OM_uint32 time_req, const gss_channel_bindings_t input_chan_bindings,
    const gss_buffer_t input_token, gss_OID *actual_mech_type, gss_buffer_t output_token,
    OM_uint32 *ret_flags, OM_uint32 *time_rec);
OM_uint32 gss_accept_sec_context(
    OM_uint32 *minor_status, gss_ctx_id_t *context_handle,
    const gss_cred_id_t acceptor_cred_handle, const gss_buffer_t input_token_buffer,
    const gss_channel_bindings_t input_chan_bindings, gss_name_t *src_name, gss_OID *mech_type,
    gss_buffer_t output_token, OM_uint32 *ret_flags, OM_uint32 *time_rec,
    gss_cred_id_t *delegated_cred_handle);
OM_uint32 gss_inquire_context(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle, gss_name_t *src_name,
    gss_name_t *targ_name, OM_uint32 *lifetime_rec, gss_OID *mech_type, OM_uint32 *ctx_flags,
    int *locally_initiated, int *open);
OM_uint32 gss_wrap(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle, int conf_req_flag,
    gss_qop_t qop_req, const gss_buffer_t input_message_buffer, int *conf_state,
    gss_buffer_t output_message_buffer);
OM_uint32 gss_unwrap(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle,
    const gss_buffer_t input_message_buffer, gss_buffer_t output_message_buffer, int *conf_state,
    gss_qop_t *qop_state);
OM_uint32 gss_delete_sec_context(
    OM_uint32 *minor_status, gss_ctx_id_t *context_handle, gss_buffer_t output_token);
OM_uint32 gss_release_buffer(OM_uint32 *minor_status, gss_buffer_t buffer);
OM_uint32 gss_display_status(
    OM_uint32 *minor_status, OM_uint32 status_value, int status_type, const gss_OID mech_type,
    OM_uint32 *message_context, gss_buffer_t status_string);
OM_uint32 gss_export_name(
    OM_uint32 *minor_status, const gss_name_t input_name, gss_buffer_t exported_name);
OM_uint32 gss_duplicate_name(
    OM_uint32 *minor_status, const gss_name_t src_name, gss_name_t *dest_name);
OM_uint32 gss_indicate_mechs(OM_uint32 *minor_status, gss_OID_set *mech_set);
OM_uint32 gss_inquire_names_for_mech(
    OM_uint32 *minor_status, const gss_OID mechanism, gss_OID_set *name_types);
OM_uint32 gss_release_oid_set(OM_uint32 *minor_status, gss_OID_set *set);
OM_uint32 gss_release_buffer_set(OM_uint32 *minor_status, gss_buffer_set_t *buffer_set);
OM_uint32 gss_inquire_cred_by_oid(
    OM_uint32 *minor_status, const gss_cred_id_t cred_handle, const gss_OID desired_object,
    gss_buffer_set_t *data_set);
OM_uint32 gss_process_context_token(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle, const gss_buffer_t token_buffer);
OM_uint32 gss_inquire_sec_context_by_oid(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle, const gss_OID desired_object,
    gss_buffer_set_t *data_set);
OM_uint32 gss_set_sec_context_option(
    OM_uint32 *minor_status, gss_ctx_id_t *context_handle, const gss_OID option,
    const gss_buffer_t value);
OM_uint32 gss_get_mic(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle, gss_qop_t qop_req,
    const gss_buffer_t message_buffer, gss_buffer_t message_token);
OM_uint32 gss_verify_mic(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle, const gss_buffer_t message_buffer,
    const gss_buffer_t token_buffer, gss_qop_t *qop_state);
OM_uint32 gss_wrap_size_limit(
    OM_uint32 *minor_status, const gss_ctx_id_t context_handle, int conf_req_flag,
    gss_qop_t qop_req, OM_uint32 req_output_size, OM_uint32 *max_input_size);
OM_uint32 gss_export_sec_context(
    OM_uint32 *minor_status, gss_ctx_id_t *context_handle, gss_buffer_t interprocess_token);
OM_uint32 gss_import_sec_context(
    OM_uint32 *minor_status, const gss_buffer_t interprocess_token, gss_ctx_id_t *context_handle);

/* globus_gss_assist.h */
OM_uint32 globus_gss_assist_read_vhost_cred_dir(
    OM_uint32 *minor_status, const char *dir, gss_cred_id_t **output_credentials_array,
    size_t *output_credentials_array_size);
globus_result_t globus_gss_assist_authorization_host_name(
    char *hostname, gss_name_t *authorization_hostname);
globus_result_t globus_gss_assist_map_and_authorize(
    gss_ctx_id_t context, char *service, char *desired_identity, char *identity_buffer,
    unsigned int identity_buffer_length);
globus_result_t globus_gss_assist_map_and_authorize_sharing(
    char *shared_user_certificate, gss_ctx_id_t context, char *desired_identity,
    char *identity_buffer, unsigned int identity_buffer_length);
int globus_gss_assist_gridmap(char *globusidp, char **useridp);
int globus_gss_assist_userok(char *globusid, char *userid);
int globus_gss_assist_map_local_user(char *local_user, char **globusidp);
globus_result_t globus_gss_assist_lookup_all_globusid(char *username, char ***dns, int *dn_count);
