/* GridFTP client (globus_ftp_client.h), with what it takes from globus_ftp_control.h */


typedef struct { ...; } globus_ftp_client_restart_marker_t;
typedef ... *globus_ftp_client_handle_t;
typedef ... *globus_ftp_client_plugin_t;
typedef ... *globus_ftp_client_operationattr_t;
typedef ... *globus_ftp_client_handleattr_t;
typedef ... *globus_ftp_client_features_t;
typedef int... globus_ftp_client_restart_type_t;
typedef int... globus_ftp_client_tristate_t;
typedef int... globus_ftp_client_probed_feature_t;

typedef void (*globus_ftp_client_complete_callback_t)(
    void *user_arg, globus_ftp_client_handle_t *handle, globus_object_t *error);
typedef void (*globus_ftp_client_data_callback_t)(
    void *user_arg, globus_ftp_client_handle_t *handle, globus_object_t *error,
    globus_byte_t *buffer, globus_size_t length, globus_off_t offset, globus_bool_t eof);
typedef void (*globus_ftp_client_pipeline_callback_t)(
    globus_ftp_client_handle_t *handle, char **source_url, char **dest_url, void *user_arg);

typedef int... globus_ftp_control_type_t;
typedef int... globus_ftp_control_mode_t;
typedef int... globus_ftp_control_protection_t;
typedef int... globus_ftp_control_dcau_mode_t;
typedef int... globus_ftp_control_parallelism_mode_t;
typedef int... globus_ftp_control_tcpbuffer_mode_t;
typedef int... globus_ftp_control_striping_mode_t;

typedef struct { globus_ftp_control_dcau_mode_t mode; char *subject; ...; }
    globus_ftp_control_dcau_subject_t;
typedef union {
    globus_ftp_control_dcau_mode_t mode;
    globus_ftp_control_dcau_subject_t subject; ...;
} globus_ftp_control_dcau_t;
typedef struct { globus_ftp_control_parallelism_mode_t mode; globus_size_t size; ...; }
    globus_ftp_parallelism_fixed_t;
typedef union {
    globus_ftp_control_parallelism_mode_t mode;
    globus_ftp_parallelism_fixed_t fixed; ...;
} globus_ftp_control_parallelism_t;
typedef struct { globus_ftp_control_tcpbuffer_mode_t mode; int size; ...; }
    globus_ftp_control_tcpbuffer_fixed_t;
typedef struct {
    globus_ftp_control_tcpbuffer_mode_t mode;
    unsigned int initial_size; unsigned int minimum_size; unsigned int maximum_size; ...;
} globus_ftp_control_tcpbuffer_automatic_t;
typedef union {
    globus_ftp_control_tcpbuffer_mode_t mode;
    globus_ftp_control_tcpbuffer_fixed_t fixed;
    globus_ftp_control_tcpbuffer_automatic_t automatic; ...;
} globus_ftp_control_tcpbuffer_t;
typedef struct { globus_ftp_control_striping_mode_t mode; globus_size_t block_size; ...; }
    globus_ftp_control_round_robin_t;
typedef union {
    globus_ftp_control_striping_mode_t mode;
    globus_ftp_control_round_robin_t round_robin; ...;
} globus_ftp_control_layout_t;

#define GLOBUS_FTP_CONTROL_TYPE_ASCII ...
#define GLOBUS_FTP_CONTROL_TYPE_IMAGE ...
#define GLOBUS_FTP_CONTROL_MODE_STREAM ...
#define GLOBUS_FTP_CONTROL_MODE_EXTENDED_BLOCK ...
#define GLOBUS_FTP_CONTROL_PROTECTION_CLEAR ...
#define GLOBUS_FTP_CONTROL_PROTECTION_SAFE ...
#define GLOBUS_FTP_CONTROL_PROTECTION_CONFIDENTIAL ...
#define GLOBUS_FTP_CONTROL_PROTECTION_PRIVATE ...
#define GLOBUS_FTP_CONTROL_DCAU_NONE ...
#define GLOBUS_FTP_CONTROL_DCAU_SELF ...
#define GLOBUS_FTP_CONTROL_DCAU_SUBJECT ...
#define GLOBUS_FTP_CONTROL_DCAU_DEFAULT ...
#define GLOBUS_FTP_CONTROL_PARALLELISM_NONE ...
#define GLOBUS_FTP_CONTROL_PARALLELISM_FIXED ...
#define GLOBUS_FTP_CONTROL_TCPBUFFER_DEFAULT ...
#define GLOBUS_FTP_CONTROL_TCPBUFFER_FIXED ...
#define GLOBUS_FTP_CONTROL_TCPBUFFER_AUTOMATIC ...
#define GLOBUS_FTP_CONTROL_STRIPING_NONE ...
#define GLOBUS_FTP_CONTROL_STRIPING_PARTITIONED ...
#define GLOBUS_FTP_CONTROL_STRIPING_BLOCKED_ROUND_ROBIN ...

#define GLOBUS_FTP_CLIENT_MAYBE ...
#define GLOBUS_FTP_CLIENT_FEATURE_RETRBUFSIZE ...
#define GLOBUS_FTP_CLIENT_FEATURE_RBUFSZ ...
#define GLOBUS_FTP_CLIENT_FEATURE_RBUFSIZ ...
#define GLOBUS_FTP_CLIENT_FEATURE_STORBUFSIZE ...
#define GLOBUS_FTP_CLIENT_FEATURE_SBUSSZ ...
#define GLOBUS_FTP_CLIENT_FEATURE_SBUFSIZ ...
#define GLOBUS_FTP_CLIENT_FEATURE_BUFSIZE ...
#define GLOBUS_FTP_CLIENT_FEATURE_SBUF ...
#define GLOBUS_FTP_CLIENT_FEATURE_ABUF ...
#define GLOBUS_FTP_CLIENT_FEATURE_REST_STREAM ...
#define GLOBUS_FTP_CLIENT_FEATURE_PARALLELISM ...
#define GLOBUS_FTP_CLIENT_FEATURE_DCAU ...
#define GLOBUS_FTP_CLIENT_FEATURE_DCSC ...
#define GLOBUS_FTP_CLIENT_FEATURE_ESTO ...
#define GLOBUS_FTP_CLIENT_FEATURE_ERET ...
#define GLOBUS_FTP_CLIENT_FEATURE_SIZE ...
#define GLOBUS_FTP_CLIENT_FEATURE_CKSM ...
#define GLOBUS_FTP_CLIENT_FEATURE_CHMOD ...
#define GLOBUS_FTP_CLIENT_FEATURE_AUTHZ_ASSERT ...
#define GLOBUS_FTP_CLIENT_FEATURE_CLIENTINFO ...
#define GLOBUS_FTP_CLIENT_FEATURE_SITE_SETNETSTACK ...
#define GLOBUS_FTP_CLIENT_FEATURE_DELAYED_PASV ...
#define GLOBUS_FTP_CLIENT_FEATURE_GETPUT ...
#define GLOBUS_FTP_CLIENT_FEATURE_MLST ...
#define GLOBUS_FTP_CLIENT_FEATURE_CHGRP ...
#define GLOBUS_FTP_CLIENT_FEATURE_UTIME ...
#define GLOBUS_FTP_CLIENT_FEATURE_SYMLINK ...

#define GLOBUS_FTP_CLIENT_ERROR_PARAMETER ...
#define GLOBUS_FTP_CLIENT_ERROR_MEMORY ...
#define GLOBUS_FTP_CLIENT_ERROR_ABORTED ...
#define GLOBUS_FTP_CLIENT_ERROR_INTERNAL ...
#define GLOBUS_FTP_CLIENT_ERROR_IN_USE ...
#define GLOBUS_FTP_CLIENT_ERROR_NOT_IN_USE ...
#define GLOBUS_FTP_CLIENT_ERROR_COMPLETED ...
#define GLOBUS_FTP_CLIENT_ERROR_INVALID_OPERATION ...
#define GLOBUS_FTP_CLIENT_ERROR_UNEXPECTED_EOF ...
#define GLOBUS_FTP_CLIENT_ERROR_NO_SUCH_FILE ...
#define GLOBUS_FTP_CLIENT_ERROR_PROTOCOL ...
#define GLOBUS_FTP_CLIENT_ERROR_RESPONSE ...
#define GLOBUS_FTP_CLIENT_ERROR_FEATURE ...
#define GLOBUS_FTP_CLIENT_ERROR_NO_RESTART_MARKER ...

static globus_module_descriptor_t *const GLOBUS_FTP_CLIENT_MODULE;


/* functions */
globus_result_t globus_ftp_client_restart_marker_init(globus_ftp_client_restart_marker_t *marker);
globus_result_t globus_ftp_client_restart_marker_destroy(
    globus_ftp_client_restart_marker_t *marker);
globus_result_t globus_ftp_client_restart_marker_copy(
    globus_ftp_client_restart_marker_t *new_marker, globus_ftp_client_restart_marker_t *marker);
globus_result_t globus_ftp_client_restart_marker_insert_range(
    globus_ftp_client_restart_marker_t *marker, globus_off_t offset, globus_off_t end_offset);
globus_result_t globus_ftp_client_restart_marker_set_offset(
    globus_ftp_client_restart_marker_t *marker, globus_off_t offset);
globus_result_t globus_ftp_client_restart_marker_set_ascii_offset(
    globus_ftp_client_restart_marker_t *marker, globus_off_t offset, globus_off_t ascii_offset);
globus_result_t globus_ftp_client_restart_marker_get_total(
    globus_ftp_client_restart_marker_t *marker, globus_off_t *total_bytes);
globus_result_t globus_ftp_client_restart_marker_get_first_block(
    globus_ftp_client_restart_marker_t *marker, globus_off_t *offset, globus_off_t *end_offset);
globus_result_t globus_ftp_client_restart_marker_to_string(
    globus_ftp_client_restart_marker_t *marker, char **marker_string);
globus_result_t globus_ftp_client_restart_marker_from_string(
    globus_ftp_client_restart_marker_t *marker, const char *marker_string);
globus_result_t globus_ftp_client_handle_init(
    globus_ftp_client_handle_t *handle, globus_ftp_client_handleattr_t *attr);
globus_result_t globus_ftp_client_handle_destroy(globus_ftp_client_handle_t *handle);
globus_result_t globus_ftp_client_handle_borrow_connection(
    globus_ftp_client_handle_t *from_handle, globus_bool_t from_is_source,
    globus_ftp_client_handle_t *to_handle, globus_bool_t to_is_source);
globus_result_t globus_ftp_client_handle_cache_url_state(
    globus_ftp_client_handle_t *handle, const char *url);
globus_result_t globus_ftp_client_handle_flush_url_state(
    globus_ftp_client_handle_t *handle, const char *url);
globus_result_t globus_ftp_client_handle_set_user_pointer(
    globus_ftp_client_handle_t *handle, void *user_pointer);
globus_result_t globus_ftp_client_handle_get_user_pointer(
    const globus_ftp_client_handle_t *handle, void **user_pointer);
globus_result_t globus_ftp_client_handle_get_restart_marker(
    const globus_ftp_client_handle_t *handle, globus_ftp_client_restart_marker_t *marker);
globus_result_t globus_ftp_client_handle_add_plugin(
    globus_ftp_client_handle_t *handle, globus_ftp_client_plugin_t *plugin);
globus_result_t globus_ftp_client_handle_remove_plugin(
    globus_ftp_client_handle_t *handle, globus_ftp_client_plugin_t *plugin);
globus_result_t globus_ftp_client_handleattr_init(globus_ftp_client_handleattr_t *attr);
globus_result_t globus_ftp_client_handleattr_destroy(globus_ftp_client_handleattr_t *attr);
globus_result_t globus_ftp_client_handleattr_copy(
    globus_ftp_client_handleattr_t *dest, globus_ftp_client_handleattr_t *src);
globus_result_t globus_ftp_client_handleattr_add_cached_url(
    globus_ftp_client_handleattr_t *attr, const char *url);
globus_result_t globus_ftp_client_handleattr_remove_cached_url(
    globus_ftp_client_handleattr_t *attr, const char *url);
globus_result_t globus_ftp_client_handleattr_set_cache_all(
    globus_ftp_client_handleattr_t *attr, globus_bool_t cache_all);
globus_result_t globus_ftp_client_handleattr_get_cache_all(
    const globus_ftp_client_handleattr_t *attr, globus_bool_t *cache_all);
globus_result_t globus_ftp_client_handleattr_set_rfc1738_url(
    globus_ftp_client_handleattr_t *attr, globus_bool_t rfc1738_url);
globus_result_t globus_ftp_client_handleattr_get_rfc1738_url(
    const globus_ftp_client_handleattr_t *attr, globus_bool_t *rfc1738_url);
globus_result_t globus_ftp_client_handleattr_set_pipeline(
    globus_ftp_client_handleattr_t *attr, globus_size_t outstanding_commands,
    globus_ftp_client_pipeline_callback_t pipeline_callback, void *pipeline_arg);
globus_result_t globus_ftp_client_handleattr_get_pipeline(
    const globus_ftp_client_handleattr_t *attr, globus_size_t *outstanding_commands,
    globus_ftp_client_pipeline_callback_t *pipeline_callback, void **pipeline_arg);
globus_result_t globus_ftp_client_handleattr_set_gridftp2(
    globus_ftp_client_handleattr_t *attr, globus_bool_t gridftp2);
globus_result_t globus_ftp_client_handleattr_get_gridftp2(
    const globus_ftp_client_handleattr_t *attr, globus_bool_t *gridftp2);
globus_result_t globus_ftp_client_handleattr_set_clientinfo(
    globus_ftp_client_handleattr_t *attr, const char *app_name, const char *app_version,
    const char *other);
globus_result_t globus_ftp_client_handleattr_get_clientinfo(
    globus_ftp_client_handleattr_t *attr, char **app_name, char **app_version, char **other);
globus_result_t globus_ftp_client_handleattr_remove_plugin(
    globus_ftp_client_handleattr_t *attr, globus_ftp_client_plugin_t *plugin);
globus_result_t globus_ftp_client_handleattr_add_plugin(
    globus_ftp_client_handleattr_t *attr, globus_ftp_client_plugin_t *plugin);
globus_result_t globus_ftp_client_chmod(
    globus_ftp_client_handle_t *u_handle, const char *url, int mode,
    globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_chgrp(
    globus_ftp_client_handle_t *u_handle, const char *url, const char *group,
    globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_utime(
    globus_ftp_client_handle_t *u_handle, const char *url, const struct tm *utime_time,
    globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_symlink(
    globus_ftp_client_handle_t *u_handle, const char *url, const char *link_url,
    globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_cksm(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    char *cksm, globus_off_t offset, globus_off_t length, const char *algorithm,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_delete(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_mkdir(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_rmdir(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_list(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_verbose_list(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_machine_list(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_recursive_list(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_mlst(
    globus_ftp_client_handle_t *u_handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_byte_t **mlst_buffer,
    globus_size_t *mlst_buffer_length, globus_ftp_client_complete_callback_t complete_callback,
    void *callback_arg);
globus_result_t globus_ftp_client_cwd(
    globus_ftp_client_handle_t *u_handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_byte_t **cwd_buffer,
    globus_size_t *cwd_buffer_length, globus_ftp_client_complete_callback_t complete_callback,
    void *callback_arg);
globus_result_t globus_ftp_client_stat(
    globus_ftp_client_handle_t *u_handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_byte_t **stat_buffer,
    globus_size_t *stat_buffer_length, globus_ftp_client_complete_callback_t complete_callback,
    void *callback_arg);
globus_result_t globus_ftp_client_move(
    globus_ftp_client_handle_t *handle, const char *source_url, const char *dest_url,
    globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_get(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_put(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_third_party_transfer(
    globus_ftp_client_handle_t *handle, const char *source_url,
    globus_ftp_client_operationattr_t *source_attr, const char *dest_url,
    globus_ftp_client_operationattr_t *dest_attr, globus_ftp_client_restart_marker_t *restart,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_partial_get(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, globus_off_t partial_offset,
    globus_off_t partial_end_offset, globus_ftp_client_complete_callback_t complete_callback,
    void *callback_arg);
globus_result_t globus_ftp_client_partial_put(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, globus_off_t partial_offset,
    globus_off_t partial_end_offset, globus_ftp_client_complete_callback_t complete_callback,
    void *callback_arg);
globus_result_t globus_ftp_client_partial_third_party_transfer(
    globus_ftp_client_handle_t *handle, const char *source_url,
    globus_ftp_client_operationattr_t *source_attr, const char *dest_url,
    globus_ftp_client_operationattr_t *dest_attr, globus_ftp_client_restart_marker_t *restart,
    globus_off_t partial_offset, globus_off_t partial_end_offset,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_extended_get(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, const char *eret_alg_str,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_extended_put(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, const char *esto_alg_str,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_extended_third_party_transfer(
    globus_ftp_client_handle_t *handle, const char *source_url,
    globus_ftp_client_operationattr_t *source_attr, const char *eret_alg_str,
    const char *dest_url, globus_ftp_client_operationattr_t *dest_attr, const char *esto_alg_str,
    globus_ftp_client_restart_marker_t *restart,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_abort(globus_ftp_client_handle_t *handle);
globus_result_t globus_ftp_client_modification_time(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_abstime_t *modification_time, globus_ftp_client_complete_callback_t complete_callback,
    void *callback_arg);
globus_result_t globus_ftp_client_size(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_off_t *size, globus_ftp_client_complete_callback_t complete_callback,
    void *callback_arg);
globus_result_t globus_ftp_client_exists(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_operationattr_init(globus_ftp_client_operationattr_t *attr);
globus_result_t globus_ftp_client_operationattr_destroy(globus_ftp_client_operationattr_t *attr);
globus_result_t globus_ftp_client_operationattr_set_parallelism(
    globus_ftp_client_operationattr_t *attr,
    const globus_ftp_control_parallelism_t *parallelism);
globus_result_t globus_ftp_client_operationattr_get_parallelism(
    const globus_ftp_client_operationattr_t *attr,
    globus_ftp_control_parallelism_t *parallelism);
globus_result_t globus_ftp_client_operationattr_set_storage_module(
    globus_ftp_client_operationattr_t *attr, const char *module_name, const char *module_args);
globus_result_t globus_ftp_client_operationattr_get_storage_module(
    const globus_ftp_client_operationattr_t *attr, char **module_name, char **module_args);
globus_result_t globus_ftp_client_operationattr_set_net_stack(
    globus_ftp_client_operationattr_t *attr, const char *driver_list);
globus_result_t globus_ftp_client_operationattr_get_net_stack(
    const globus_ftp_client_operationattr_t *attr, char **driver_list);
globus_result_t globus_ftp_client_operationattr_set_disk_stack(
    globus_ftp_client_operationattr_t *attr, const char *driver_list);
globus_result_t globus_ftp_client_operationattr_get_disk_stack(
    const globus_ftp_client_operationattr_t *attr, char **driver_list);
globus_result_t globus_ftp_client_operationattr_set_authz_assert(
    globus_ftp_client_operationattr_t *attr, const char *authz_assert,
    globus_bool_t cache_authz_assert);
globus_result_t globus_ftp_client_operationattr_get_authz_assert(
    const globus_ftp_client_operationattr_t *attr, char **authz_assert,
    globus_bool_t *cache_authz_assert);
globus_result_t globus_ftp_client_operationattr_set_striped(
    globus_ftp_client_operationattr_t *attr, globus_bool_t striped);
globus_result_t globus_ftp_client_operationattr_get_striped(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t *striped);
globus_result_t globus_ftp_client_operationattr_set_layout(
    globus_ftp_client_operationattr_t *attr, const globus_ftp_control_layout_t *layout);
globus_result_t globus_ftp_client_operationattr_get_layout(
    const globus_ftp_client_operationattr_t *attr, globus_ftp_control_layout_t *layout);
globus_result_t globus_ftp_client_operationattr_set_tcp_buffer(
    globus_ftp_client_operationattr_t *attr, const globus_ftp_control_tcpbuffer_t *tcp_buffer);
globus_result_t globus_ftp_client_operationattr_get_tcp_buffer(
    const globus_ftp_client_operationattr_t *attr, globus_ftp_control_tcpbuffer_t *tcp_buffer);
globus_result_t globus_ftp_client_operationattr_set_type(
    globus_ftp_client_operationattr_t *attr, globus_ftp_control_type_t type);
globus_result_t globus_ftp_client_operationattr_get_type(
    const globus_ftp_client_operationattr_t *attr, globus_ftp_control_type_t *type);
globus_result_t globus_ftp_client_operationattr_set_mode(
    globus_ftp_client_operationattr_t *attr, globus_ftp_control_mode_t mode);
globus_result_t globus_ftp_client_operationattr_get_mode(
    const globus_ftp_client_operationattr_t *attr, globus_ftp_control_mode_t *mode);
globus_result_t globus_ftp_client_operationattr_set_list_uses_data_mode(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t list_uses_data_mode);
globus_result_t globus_ftp_client_operationattr_get_list_uses_data_mode(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t *list_uses_data_mode);
globus_result_t globus_ftp_client_operationattr_set_delayed_pasv(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t delayed_pasv);
globus_result_t globus_ftp_client_operationattr_get_delayed_pasv(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t *delayed_pasv);
globus_result_t globus_ftp_client_operationattr_set_dcau(
    globus_ftp_client_operationattr_t *attr, const globus_ftp_control_dcau_t *dcau);
globus_result_t globus_ftp_client_operationattr_get_dcau(
    const globus_ftp_client_operationattr_t *attr, globus_ftp_control_dcau_t *dcau);
globus_result_t globus_ftp_client_operationattr_set_data_protection(
    globus_ftp_client_operationattr_t *attr, globus_ftp_control_protection_t protection);
globus_result_t globus_ftp_client_operationattr_get_data_protection(
    const globus_ftp_client_operationattr_t *attr, globus_ftp_control_protection_t *protection);
globus_result_t globus_ftp_client_operationattr_set_control_protection(
    globus_ftp_client_operationattr_t *attr, globus_ftp_control_protection_t protection);
globus_result_t globus_ftp_client_operationattr_get_control_protection(
    const globus_ftp_client_operationattr_t *attr, globus_ftp_control_protection_t *protection);
globus_result_t globus_ftp_client_operationattr_set_data_security(
    globus_ftp_client_operationattr_t *attr, int type, void *credential);
globus_result_t globus_ftp_client_operationattr_get_data_security(
    const globus_ftp_client_operationattr_t *attr, int *type, void **credential);
globus_result_t globus_ftp_client_operationattr_set_resume_third_party_transfer(
    globus_ftp_client_operationattr_t *attr, globus_bool_t resume);
globus_result_t globus_ftp_client_operationattr_get_resume_third_party_transfer(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t *resume);
globus_result_t globus_ftp_client_operationattr_set_authorization(
    globus_ftp_client_operationattr_t *attr, gss_cred_id_t credential, const char *user,
    const char *password, const char *account, const char *subject);
globus_result_t globus_ftp_client_operationattr_get_authorization(
    const globus_ftp_client_operationattr_t *attr, gss_cred_id_t *credential, char **user,
    char **password, char **account, char **subject);
globus_result_t globus_ftp_client_operationattr_set_append(
    globus_ftp_client_operationattr_t *attr, globus_bool_t append);
globus_result_t globus_ftp_client_operationattr_get_append(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t *append);
globus_result_t globus_ftp_client_operationattr_set_read_all(
    globus_ftp_client_operationattr_t *attr, globus_bool_t read_all,
    globus_ftp_client_data_callback_t intermediate_callbacks, void *intermediate_callback_arg);
globus_result_t globus_ftp_client_operationattr_get_read_all(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t *read_all,
    globus_ftp_client_data_callback_t *intermediate_callbacks, void **intermediate_callback_arg);
globus_result_t globus_ftp_client_operationattr_set_allow_ipv6(
    globus_ftp_client_operationattr_t *attr, globus_bool_t allow);
globus_result_t globus_ftp_client_operationattr_get_allow_ipv6(
    const globus_ftp_client_operationattr_t *attr, globus_bool_t *allow);
globus_result_t globus_ftp_client_operationattr_set_allocate(
    globus_ftp_client_operationattr_t *attr, const globus_off_t allocated_size);
globus_result_t globus_ftp_client_operationattr_get_allocate(
    const globus_ftp_client_operationattr_t *attr, globus_off_t *allocated_size);
globus_result_t globus_ftp_client_operationattr_copy(
    globus_ftp_client_operationattr_t *dst, const globus_ftp_client_operationattr_t *src);
globus_result_t globus_ftp_client_register_read(
    globus_ftp_client_handle_t *handle, globus_byte_t *buffer, globus_size_t buffer_length,
    globus_ftp_client_data_callback_t callback, void *callback_arg);
globus_result_t globus_ftp_client_register_write(
    globus_ftp_client_handle_t *handle, globus_byte_t *buffer, globus_size_t buffer_length,
    globus_off_t offset, globus_bool_t eof, globus_ftp_client_data_callback_t callback,
    void *callback_arg);
globus_result_t globus_ftp_client_feat(
    globus_ftp_client_handle_t *u_handle, char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_features_t *u_features,
    globus_ftp_client_complete_callback_t complete_callback, void *callback_arg);
globus_result_t globus_ftp_client_is_feature_supported(
    const globus_ftp_client_features_t *u_features, globus_ftp_client_tristate_t *answer,
    const globus_ftp_client_probed_feature_t feature);
globus_result_t globus_ftp_client_features_init(globus_ftp_client_features_t *);
globus_result_t globus_ftp_client_features_destroy(globus_ftp_client_features_t *);
