/* GRAM client: submit and control jobs (globus_gram_client.h) */

typedef void *globus_gram_client_attr_t;
typedef int... globus_io_secure_delegation_mode_t;
typedef struct {
    globus_hashtable_t extensions;
    char *job_contact;
    int job_state;
    int protocol_error_code;
} globus_gram_client_job_info_t;
typedef void (*globus_gram_client_callback_func_t)(
    void *user_callback_arg, char *job_contact, int state, int errorcode);
typedef void (*globus_gram_client_info_callback_func_t)(
    void *user_callback_arg, const char *job_contact, globus_gram_client_job_info_t *job_info);
typedef void (*globus_gram_client_nonblocking_func_t)(
    void *user_callback_arg, globus_gram_protocol_error_t operation_failure_code,
    const char *job_contact, globus_gram_protocol_job_state_t job_state,
    globus_gram_protocol_error_t job_failure_code);

#define GLOBUS_IO_SECURE_DELEGATION_MODE_NONE ...
#define GLOBUS_IO_SECURE_DELEGATION_MODE_LIMITED_PROXY ...
#define GLOBUS_IO_SECURE_DELEGATION_MODE_FULL_PROXY ...

static globus_module_descriptor_t *const GLOBUS_GRAM_CLIENT_MODULE;


/* requests */
int globus_gram_client_callback_allow(
    globus_gram_client_callback_func_t callback_func, void *user_callback_arg,
    char **callback_contact);
int globus_gram_client_info_callback_allow(
    globus_gram_client_info_callback_func_t callback_func, void *user_callback_arg,
    char **callback_contact);
int globus_gram_client_register_job_request(
    const char *resource_manager_contact, const char *description, int job_state_mask,
    const char *callback_contact, globus_gram_client_attr_t attr,
    globus_gram_client_nonblocking_func_t register_callback, void *register_callback_arg);
int globus_gram_client_job_request(
    const char *resource_manager_contact, const char *description, int job_state_mask,
    const char *callback_contact, char **job_contact);
int globus_gram_client_register_job_request_with_info(
    const char *resource_manager_contact, const char *description, int job_state_mask,
    const char *callback_contact, globus_gram_client_attr_t attr,
    globus_gram_client_info_callback_func_t callback, void *callback_arg);
int globus_gram_client_job_request_with_info(
    const char *resource_manager_contact, const char *description, int job_state_mask,
    const char *callback_contact, char **job_contact, globus_gram_client_job_info_t *info);
int globus_gram_client_register_job_cancel(
    const char *job_contact, globus_gram_client_attr_t attr,
    globus_gram_client_nonblocking_func_t register_callback, void *register_callback_arg);
int globus_gram_client_job_cancel(const char *job_contact);
int globus_gram_client_register_job_status(
    const char *job_contact, globus_gram_client_attr_t attr,
    globus_gram_client_nonblocking_func_t register_callback, void *register_callback_arg);
int globus_gram_client_register_job_status_with_info(
    const char *job_contact, globus_gram_client_attr_t attr,
    globus_gram_client_info_callback_func_t info_callback, void *callback_arg);
int globus_gram_client_job_refresh_credentials(char *job_contact, gss_cred_id_t creds);
int globus_gram_client_register_job_refresh_credentials(
    char *job_contact, gss_cred_id_t creds, globus_gram_client_attr_t attr,
    globus_gram_client_nonblocking_func_t register_callback, void *register_callback_arg);
int globus_gram_client_job_status(const char *job_contact, int *job_status, int *failure_code);
int globus_gram_client_job_status_with_info(
    const char *job_contact, globus_gram_client_job_info_t *job_info);
int globus_gram_client_register_job_signal(
    const char *job_contact, globus_gram_protocol_job_signal_t signal, const char *signal_arg,
    globus_gram_client_attr_t attr, globus_gram_client_nonblocking_func_t register_callback,
    void *register_callback_arg);
int globus_gram_client_job_signal(
    const char *job_contact, globus_gram_protocol_job_signal_t signal, const char *signal_arg,
    int *job_status, int *failure_code);
int globus_gram_client_register_job_callback_registration(
    const char *job_contact, int job_state_mask, const char *callback_contact,
    globus_gram_client_attr_t attr, globus_gram_client_nonblocking_func_t register_callback,
    void *register_callback_arg);
int globus_gram_client_job_callback_register(
    const char *job_contact, int job_state_mask, const char *callback_contact, int *job_status,
    int *failure_code);
int globus_gram_client_register_job_callback_unregistration(
    const char *job_contact, const char *callback_contact, globus_gram_client_attr_t attr,
    globus_gram_client_nonblocking_func_t register_callback, void *register_callback_arg);
int globus_gram_client_job_callback_unregister(
    const char *job_contact, const char *callback_contact, int *job_status, int *failure_code);
int globus_gram_client_callback_disallow(char *callback_contact);
int globus_gram_client_job_contact_free(char *job_contact);
const char *globus_gram_client_error_string(int error_code);
int globus_gram_client_version(void);
int globus_gram_client_set_credentials(gss_cred_id_t new_credentials);
int globus_gram_client_ping(const char *resource_manager_contact);
int globus_gram_client_register_ping(
    const char *resource_manager_contact, globus_gram_client_attr_t attr,
    globus_gram_client_nonblocking_func_t register_callback, void *register_callback_arg);
int globus_gram_client_get_jobmanager_version(
    const char *resource_manager_contact, globus_hashtable_t *extensions);
int globus_gram_client_register_get_jobmanager_version(
    const char *resource_manager_contact, globus_gram_client_attr_t attr,
    globus_gram_client_info_callback_func_t info_callback, void *callback_arg);
void globus_gram_client_debug(void);
int globus_gram_client_attr_init(globus_gram_client_attr_t *attr);
int globus_gram_client_attr_destroy(globus_gram_client_attr_t *attr);
int globus_gram_client_attr_set_credential(
    globus_gram_client_attr_t attr, gss_cred_id_t credential);
int globus_gram_client_attr_get_credential(
    globus_gram_client_attr_t attr, gss_cred_id_t *credential);
int globus_gram_client_attr_set_delegation_mode(
    globus_gram_client_attr_t attr, globus_io_secure_delegation_mode_t mode);
int globus_gram_client_attr_get_delegation_mode(
    globus_gram_client_attr_t attr, globus_io_secure_delegation_mode_t *mode);
void globus_gram_client_job_info_destroy(globus_gram_client_job_info_t *info);
