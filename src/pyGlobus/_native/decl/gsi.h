/* GSI credentials and proxies (globus_gsi_credential.h, globus_gsi_proxy.h, globus_gsi_system_config.h, globus_gsi_cert_utils.h) */

typedef ... *globus_gsi_cred_handle_t;
typedef ... *globus_gsi_cred_handle_attrs_t;
typedef ... *globus_gsi_proxy_handle_t;
typedef ... *globus_gsi_proxy_handle_attrs_t;
typedef ... X509;
typedef ... X509_NAME;
typedef int... globus_gsi_cert_utils_cert_type_t;
typedef int... globus_gsi_proxy_file_type_t;

#define GLOBUS_GSI_CERT_UTILS_TYPE_EEC ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_CA ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_GSI_2 ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_GSI_3 ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_RFC ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_IMPERSONATION_PROXY ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_LIMITED_PROXY ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_RESTRICTED_PROXY ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_INDEPENDENT_PROXY ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_PROXY_MASK ...
#define GLOBUS_PROXY_FILE_INPUT ...
#define GLOBUS_PROXY_FILE_OUTPUT ...

#define GLOBUS_GSI_CRED_ERROR_LAST ...
#define GLOBUS_GSI_CRED_ERROR_KEY_IS_PASS_PROTECTED ...
#define GLOBUS_GSI_CRED_ERROR_NO_CRED_FOUND ...

static globus_module_descriptor_t *const GLOBUS_GSI_CREDENTIAL_MODULE;
static globus_module_descriptor_t *const GLOBUS_GSI_PROXY_MODULE;
static globus_module_descriptor_t *const GLOBUS_GSI_SYSCONFIG_MODULE;
static globus_module_descriptor_t *const GLOBUS_GSI_CERT_UTILS_MODULE;


/* credentials */
globus_result_t globus_gsi_cred_handle_init(
    globus_gsi_cred_handle_t *handle, globus_gsi_cred_handle_attrs_t handle_attrs);
globus_result_t globus_gsi_cred_handle_destroy(globus_gsi_cred_handle_t handle);
globus_result_t globus_gsi_cred_handle_copy(
    globus_gsi_cred_handle_t source, globus_gsi_cred_handle_t *dest);
globus_result_t globus_gsi_cred_handle_attrs_init(globus_gsi_cred_handle_attrs_t *handle_attrs);
globus_result_t globus_gsi_cred_read(
    globus_gsi_cred_handle_t handle, X509_NAME *desired_subject);
globus_result_t globus_gsi_cred_read_proxy(
    globus_gsi_cred_handle_t handle, const char *proxy_filename);
globus_result_t globus_gsi_cred_read_cert(
    globus_gsi_cred_handle_t handle, const char *cert_filename);
globus_result_t globus_gsi_cred_read_pkcs12(
    globus_gsi_cred_handle_t handle, const char *pkcs12_filename);
globus_result_t globus_gsi_cred_write_proxy(
    globus_gsi_cred_handle_t handle, const char *proxy_filename);
globus_result_t globus_gsi_cred_verify(globus_gsi_cred_handle_t handle);
globus_result_t globus_gsi_cred_get_subject_name(
    globus_gsi_cred_handle_t handle, char **subject_name);
globus_result_t globus_gsi_cred_get_issuer_name(
    globus_gsi_cred_handle_t handle, char **issuer_name);
globus_result_t globus_gsi_cred_get_identity_name(
    globus_gsi_cred_handle_t handle, char **identity_name);
globus_result_t globus_gsi_cred_get_lifetime(globus_gsi_cred_handle_t handle, time_t *lifetime);
globus_result_t globus_gsi_cred_get_goodtill(globus_gsi_cred_handle_t handle, time_t *goodtill);
globus_result_t globus_gsi_cred_get_cert_type(
    globus_gsi_cred_handle_t handle, globus_gsi_cert_utils_cert_type_t *type);
globus_result_t globus_gsi_cred_get_key_bits(globus_gsi_cred_handle_t handle, int *key_bits);

/* proxies */
globus_result_t globus_gsi_proxy_handle_init(
    globus_gsi_proxy_handle_t *handle, globus_gsi_proxy_handle_attrs_t handle_attrs);
globus_result_t globus_gsi_proxy_handle_destroy(globus_gsi_proxy_handle_t handle);
globus_result_t globus_gsi_proxy_handle_get_type(
    globus_gsi_proxy_handle_t handle, globus_gsi_cert_utils_cert_type_t *type);
globus_result_t globus_gsi_proxy_handle_set_type(
    globus_gsi_proxy_handle_t handle, globus_gsi_cert_utils_cert_type_t type);
globus_result_t globus_gsi_proxy_handle_get_time_valid(
    globus_gsi_proxy_handle_t handle, int *time_valid);
globus_result_t globus_gsi_proxy_handle_set_time_valid(
    globus_gsi_proxy_handle_t handle, int time_valid);
globus_result_t globus_gsi_proxy_handle_set_policy(
    globus_gsi_proxy_handle_t handle, const unsigned char *policy_data, int policy_length,
    int policy_NID);
globus_result_t globus_gsi_proxy_handle_get_policy(
    globus_gsi_proxy_handle_t handle, unsigned char **policy_data, int *policy_length,
    int *policy_NID);
globus_result_t globus_gsi_proxy_handle_set_pathlen(globus_gsi_proxy_handle_t handle, long pathlen);
globus_result_t globus_gsi_proxy_handle_get_pathlen(globus_gsi_proxy_handle_t handle, int *pathlen);
globus_result_t globus_gsi_proxy_handle_clear_cert_info(globus_gsi_proxy_handle_t handle);
globus_result_t globus_gsi_proxy_handle_get_common_name(
    globus_gsi_proxy_handle_t handle, char **common_name);
globus_result_t globus_gsi_proxy_handle_set_common_name(
    globus_gsi_proxy_handle_t handle, const char *common_name);
globus_result_t globus_gsi_proxy_is_limited(
    globus_gsi_proxy_handle_t handle, globus_bool_t *is_limited);
globus_result_t globus_gsi_proxy_handle_set_is_limited(
    globus_gsi_proxy_handle_t handle, globus_bool_t is_limited);
globus_result_t globus_gsi_proxy_handle_get_keybits(
    globus_gsi_proxy_handle_t handle, int *key_bits);
globus_result_t globus_gsi_proxy_handle_get_init_prime(
    globus_gsi_proxy_handle_t handle, int *init_prime);
globus_result_t globus_gsi_proxy_handle_get_clock_skew_allowable(
    globus_gsi_proxy_handle_t handle, int *skew);
globus_result_t globus_gsi_proxy_handle_attrs_init(globus_gsi_proxy_handle_attrs_t *handle_attrs);
globus_result_t globus_gsi_proxy_handle_attrs_destroy(globus_gsi_proxy_handle_attrs_t handle_attrs);
globus_result_t globus_gsi_proxy_handle_attrs_copy(
    globus_gsi_proxy_handle_attrs_t a, globus_gsi_proxy_handle_attrs_t *b);
globus_result_t globus_gsi_proxy_resign_cert(
    globus_gsi_proxy_handle_t handle, globus_gsi_cred_handle_t issuer_credential,
    globus_gsi_cred_handle_t peer_credential, globus_gsi_cred_handle_t *resigned_credential);
globus_result_t globus_gsi_proxy_create_signed(
    globus_gsi_proxy_handle_t handle, globus_gsi_cred_handle_t issuer,
    globus_gsi_cred_handle_t *proxy_credential);
globus_result_t globus_gsi_proxy_handle_attrs_set_keybits(
    globus_gsi_proxy_handle_attrs_t handle_attrs, int bits);
globus_result_t globus_gsi_proxy_handle_attrs_get_keybits(
    globus_gsi_proxy_handle_attrs_t handle_attrs, int *bits);
globus_result_t globus_gsi_proxy_handle_attrs_set_init_prime(
    globus_gsi_proxy_handle_attrs_t handle_attrs, int prime);
globus_result_t globus_gsi_proxy_handle_attrs_get_init_prime(
    globus_gsi_proxy_handle_attrs_t handle_attrs, int *prime);
globus_result_t globus_gsi_proxy_handle_attrs_set_clock_skew_allowable(
    globus_gsi_proxy_handle_attrs_t handle, int skew);
globus_result_t globus_gsi_proxy_handle_attrs_get_clock_skew_allowable(
    globus_gsi_proxy_handle_attrs_t handle, int *skew);

/* where GSI looks for its files */
globus_result_t globus_gsi_sysconfig_get_proxy_filename_unix(
    char **proxy_filename, globus_gsi_proxy_file_type_t proxy_file_type);
globus_result_t globus_gsi_sysconfig_get_user_cert_filename_unix(
    char **user_cert_filename, char **user_key_filename);
globus_result_t globus_gsi_sysconfig_get_cert_dir_unix(char **cert_dir);
globus_result_t globus_gsi_sysconfig_get_gridmap_filename_unix(char **filename);
