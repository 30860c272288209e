/* GASS copy: between any two URLs (globus_gass_copy.h) */

typedef ... globus_gass_copy_perf_info_t;
typedef int... globus_gass_copy_status_t;
typedef struct {
    globus_gass_copy_status_t status;
    globus_gass_copy_perf_info_t *performance;
    globus_bool_t external_third_party;
    globus_ftp_client_handle_t ftp_handle;
    globus_ftp_client_handle_t ftp_handle_2;
    globus_off_t partial_bytes_remaining;
    ...;
} globus_gass_copy_handle_t;
typedef struct { ...; } globus_gass_copy_attr_t;
typedef struct { ...; } globus_gass_copy_handleattr_t;
typedef int... globus_gass_copy_url_mode_t;
typedef int... globus_gass_copy_glob_entry_t;
typedef struct {
    globus_gass_copy_glob_entry_t type;
    char *unique_id; char *symlink_target; int mode; int mdtm; globus_off_t size;
} globus_gass_copy_glob_stat_t;
typedef void (*globus_gass_copy_performance_cb_t)(
    void *user_arg, globus_gass_copy_handle_t *handle, globus_off_t total_bytes,
    float instantaneous_throughput, float avg_throughput);
typedef void (*globus_gass_copy_callback_t)(
    void *callback_arg, globus_gass_copy_handle_t *handle, globus_object_t *error);
typedef void (*globus_gass_copy_glob_entry_cb_t)(
    const char *url, const globus_gass_copy_glob_stat_t *info_stat, void *user_arg);

static globus_module_descriptor_t *const GLOBUS_GASS_COPY_MODULE;

#define CKSM_SIZE ...
#define GLOBUS_GASS_COPY_STATUS_NONE ...
#define GLOBUS_GASS_COPY_STATUS_PENDING ...
#define GLOBUS_GASS_COPY_STATUS_INITIAL ...
#define GLOBUS_GASS_COPY_STATUS_SOURCE_READY ...
#define GLOBUS_GASS_COPY_STATUS_TRANSFER_IN_PROGRESS ...
#define GLOBUS_GASS_COPY_STATUS_READ_COMPLETE ...
#define GLOBUS_GASS_COPY_STATUS_WRITE_COMPLETE ...
#define GLOBUS_GASS_COPY_STATUS_DONE ...
#define GLOBUS_GASS_COPY_STATUS_FAILURE ...
#define GLOBUS_GASS_COPY_STATUS_CANCEL ...
#define GLOBUS_GASS_COPY_STATUS_DONE_SUCCESS ...
#define GLOBUS_GASS_COPY_STATUS_DONE_FAILURE ...
#define GLOBUS_GASS_COPY_STATUS_DONE_CANCELLED ...
#define GLOBUS_GASS_COPY_URL_MODE_UNSUPPORTED ...
#define GLOBUS_GASS_COPY_URL_MODE_FTP ...
#define GLOBUS_GASS_COPY_URL_MODE_GASS ...
#define GLOBUS_GASS_COPY_URL_MODE_IO ...
#define GLOBUS_GASS_COPY_GLOB_ENTRY_UNKNOWN ...
#define GLOBUS_GASS_COPY_GLOB_ENTRY_FILE ...
#define GLOBUS_GASS_COPY_GLOB_ENTRY_DIR ...
#define GLOBUS_GASS_COPY_GLOB_ENTRY_OTHER ...


/* functions */
globus_result_t globus_gass_copy_handle_init(
    globus_gass_copy_handle_t *handle, globus_gass_copy_handleattr_t *handle_attr);
globus_result_t globus_gass_copy_handle_destroy(globus_gass_copy_handle_t *handle);
globus_result_t globus_gass_copy_handleattr_init(globus_gass_copy_handleattr_t *handle_attr);
globus_result_t globus_gass_copy_handleattr_destroy(globus_gass_copy_handleattr_t *handle_attr);
globus_result_t globus_gass_copy_handleattr_set_ftp_attr(
    globus_gass_copy_handleattr_t *handle_attr, globus_ftp_client_handleattr_t *ftp_attr);
globus_result_t globus_gass_copy_set_buffer_length(globus_gass_copy_handle_t *handle, int length);
globus_result_t globus_gass_copy_get_buffer_length(globus_gass_copy_handle_t *handle, int *length);
globus_result_t globus_gass_copy_set_no_third_party_transfers(
    globus_gass_copy_handle_t *handle, globus_bool_t no_third_party_transfers);
globus_result_t globus_gass_copy_get_no_third_party_transfers(
    globus_gass_copy_handle_t *handle, globus_bool_t *no_third_party_transfers);
globus_result_t globus_gass_copy_get_partial_offsets(
    globus_gass_copy_handle_t *handle, globus_off_t *offset, globus_off_t *end_offset);
globus_result_t globus_gass_copy_set_partial_offsets(
    globus_gass_copy_handle_t *handle, globus_off_t offset, globus_off_t end_offset);
globus_result_t globus_gass_copy_set_allocate(
    globus_gass_copy_handle_t *handle, globus_bool_t send_allo);
globus_result_t globus_gass_copy_set_stat_on_expand(
    globus_gass_copy_handle_t *handle, globus_bool_t always_stat);
globus_result_t globus_gass_copy_set_checksum_algo(
    globus_gass_copy_handle_t *handle, char *algo, globus_gass_copy_handle_t *cksm_handle);
globus_result_t globus_gass_copy_set_checksum(globus_gass_copy_handle_t *handle, char *cksm);
globus_result_t globus_gass_copy_get_url_mode(char *url, globus_gass_copy_url_mode_t *mode);
globus_result_t globus_gass_copy_get_ftp_handle(
    globus_gass_copy_handle_t *handle, globus_ftp_client_handle_t *ftp_handle);
globus_result_t globus_gass_copy_attr_init(globus_gass_copy_attr_t *attr);
globus_result_t globus_gass_copy_attr_set_ftp(
    globus_gass_copy_attr_t *attr, globus_ftp_client_operationattr_t *ftp_attr);
globus_result_t globus_gass_copy_attr_set_io(
    globus_gass_copy_attr_t *attr, globus_io_attr_t *io_attr);
globus_result_t globus_gass_copy_attr_set_gass(
    globus_gass_copy_attr_t *attr, globus_gass_transfer_requestattr_t *gass_attr);
globus_result_t globus_gass_copy_url_to_url(
    globus_gass_copy_handle_t *handle, char *source_url, globus_gass_copy_attr_t *source_attr,
    char *dest_url, globus_gass_copy_attr_t *dest_attr);
globus_result_t globus_gass_copy_url_to_handle(
    globus_gass_copy_handle_t *handle, char *source_url, globus_gass_copy_attr_t *source_attr,
    globus_io_handle_t *dest_handle);
globus_result_t globus_gass_copy_handle_to_url(
    globus_gass_copy_handle_t *handle, globus_io_handle_t *source_handle, char *dest_url,
    globus_gass_copy_attr_t *dest_attr);
globus_result_t globus_gass_copy_register_url_to_url(
    globus_gass_copy_handle_t *handle, char *source_url, globus_gass_copy_attr_t *source_attr,
    char *dest_url, globus_gass_copy_attr_t *dest_attr,
    globus_gass_copy_callback_t callback_func, void *callback_arg);
globus_result_t globus_gass_copy_register_url_to_handle(
    globus_gass_copy_handle_t *handle, char *source_url, globus_gass_copy_attr_t *source_attr,
    globus_io_handle_t *dest_handle, globus_gass_copy_callback_t callback_func,
    void *callback_arg);
globus_result_t globus_gass_copy_register_handle_to_url(
    globus_gass_copy_handle_t *handle, globus_io_handle_t *source_handle, char *dest_url,
    globus_gass_copy_attr_t *dest_attr, globus_gass_copy_callback_t callback_func,
    void *callback_arg);
globus_result_t globus_gass_copy_get_status(
    globus_gass_copy_handle_t *handle, globus_gass_copy_status_t *status);
const char *globus_gass_copy_get_status_string(globus_gass_copy_handle_t *handle);
globus_result_t globus_gass_copy_cancel(
    globus_gass_copy_handle_t *handle, globus_gass_copy_callback_t cancel_callback,
    void *cancel_callback_arg);
globus_result_t globus_gass_copy_cache_url_state(globus_gass_copy_handle_t *handle, char *url);
globus_result_t globus_gass_copy_flush_url_state(globus_gass_copy_handle_t *handle, char *url);
globus_result_t globus_gass_copy_set_user_pointer(
    globus_gass_copy_handle_t *handle, void *user_data);
globus_result_t globus_gass_copy_get_user_pointer(
    globus_gass_copy_handle_t *handle, void **user_data);
globus_result_t globus_gass_copy_register_performance_cb(
    globus_gass_copy_handle_t *handle, globus_gass_copy_performance_cb_t callback,
    void *user_arg);
globus_result_t globus_gass_copy_glob_expand_url(
    globus_gass_copy_handle_t *handle, const char *url, globus_gass_copy_attr_t *attr,
    globus_gass_copy_glob_entry_cb_t entry_cb, void *user_arg);
globus_result_t globus_gass_copy_mkdir(
    globus_gass_copy_handle_t *handle, char *url, globus_gass_copy_attr_t *attr);
globus_result_t globus_gass_copy_cksm(
    globus_gass_copy_handle_t *handle, char *url, globus_gass_copy_attr_t *attr,
    globus_off_t offset, globus_off_t length, const char *algorithm, char *cksm);
globus_result_t globus_gass_copy_cksm_async(
    globus_gass_copy_handle_t *handle, char *url, globus_gass_copy_attr_t *attr,
    globus_off_t offset, globus_off_t length, const char *algorithm, char *cksm,
    globus_gass_copy_callback_t callback, void *callback_arg);
globus_result_t globus_gass_copy_stat(
    globus_gass_copy_handle_t *handle, char *url, globus_gass_copy_attr_t *attr,
    globus_gass_copy_glob_stat_t *stat_info);
