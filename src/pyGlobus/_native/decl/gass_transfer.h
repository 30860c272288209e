/* GASS transfer, client and server (globus_gass_transfer.h) */

typedef globus_handle_t globus_gass_transfer_request_t;
typedef globus_handle_t globus_gass_transfer_listener_t;
typedef globus_object_t *globus_gass_transfer_requestattr_t;
typedef globus_object_t *globus_gass_transfer_listenerattr_t;
typedef int... globus_gass_transfer_request_type_t;
typedef int... globus_gass_transfer_request_status_t;
typedef int... globus_gass_transfer_file_mode_t;
typedef int... globus_gass_transfer_authorization_t;
typedef void (*globus_gass_transfer_callback_t)(void *arg, globus_gass_transfer_request_t request);
typedef void (*globus_gass_transfer_close_callback_t)(
    void *callback_arg, globus_gass_transfer_listener_t listener);
typedef void (*globus_gass_transfer_listen_callback_t)(
    void *callback_arg, globus_gass_transfer_listener_t listener);
typedef void (*globus_gass_transfer_bytes_callback_t)(
    void *arg, globus_gass_transfer_request_t request, globus_byte_t *bytes,
    globus_size_t length, globus_bool_t last_data);

static globus_module_descriptor_t *const GLOBUS_GASS_TRANSFER_MODULE;

#define GLOBUS_GASS_TRANSFER_FILE_MODE_BINARY ...
#define GLOBUS_GASS_TRANSFER_FILE_MODE_TEXT ...
#define GLOBUS_GASS_TRANSFER_AUTHORIZE_SELF ...
#define GLOBUS_GASS_TRANSFER_AUTHORIZE_HOST ...
#define GLOBUS_GASS_TRANSFER_AUTHORIZE_SUBJECT ...


/* functions */
int globus_gass_transfer_register_get(
    globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr, char *url,
    globus_gass_transfer_callback_t callback, void *user_arg);
int globus_gass_transfer_get(
    globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr,
    char *url);
int globus_gass_transfer_register_put(
    globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr, char *url,
    globus_size_t length, globus_gass_transfer_callback_t callback, void *user_arg);
int globus_gass_transfer_put(
    globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr, char *url,
    globus_size_t length);
int globus_gass_transfer_register_append(
    globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr, char *url,
    globus_size_t length, globus_gass_transfer_callback_t callback, void *user_arg);
int globus_gass_transfer_append(
    globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr, char *url,
    globus_size_t length);
int globus_gass_transfer_create_listener(
    globus_gass_transfer_listener_t *listener, globus_gass_transfer_listenerattr_t *attr,
    char *scheme);
int globus_gass_transfer_close_listener(
    globus_gass_transfer_listener_t listener, globus_gass_transfer_close_callback_t callback,
    void *user_arg);
int globus_gass_transfer_register_listen(
    globus_gass_transfer_listener_t listener, globus_gass_transfer_listen_callback_t callback,
    void *user_arg);
int globus_gass_transfer_register_accept(
    globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr,
    globus_gass_transfer_listener_t listener, globus_gass_transfer_callback_t callback,
    void *user_arg);
int globus_gass_transfer_refer(
    globus_gass_transfer_request_t request, char **urls, globus_size_t num_urls);
int globus_gass_transfer_authorize(
    globus_gass_transfer_request_t request, globus_size_t total_length);
int globus_gass_transfer_deny(globus_gass_transfer_request_t request, int reason, char *message);
char *globus_gass_transfer_listener_get_base_url(globus_gass_transfer_listener_t listener);
void *globus_gass_transfer_listener_get_user_pointer(globus_gass_transfer_listener_t listener);
int globus_gass_transfer_listener_set_user_pointer(
    globus_gass_transfer_listener_t listener, void *user_pointer);
int globus_gass_transfer_send_bytes(
    globus_gass_transfer_request_t request, globus_byte_t *bytes, globus_size_t send_length,
    globus_bool_t last_data, globus_gass_transfer_bytes_callback_t callback, void *user_arg);
int globus_gass_transfer_receive_bytes(
    globus_gass_transfer_request_t request, globus_byte_t *bytes, globus_size_t max_length,
    globus_size_t wait_for_length, globus_gass_transfer_bytes_callback_t callback,
    void *user_arg);
int globus_gass_transfer_fail(
    globus_gass_transfer_request_t request, globus_gass_transfer_callback_t callback,
    void *user_arg);
globus_gass_transfer_request_type_t globus_gass_transfer_request_get_type(
    globus_gass_transfer_request_t request);
globus_gass_transfer_request_status_t globus_gass_transfer_request_get_status(
    globus_gass_transfer_request_t request);
char *globus_gass_transfer_request_get_subject(globus_gass_transfer_request_t request);
int globus_gass_transfer_request_set_subject(globus_gass_transfer_request_t request, char *subject);
char *globus_gass_transfer_request_get_url(globus_gass_transfer_request_t request);
int globus_gass_transfer_request_set_url(globus_gass_transfer_request_t request, char *url);
globus_size_t globus_gass_transfer_request_get_length(globus_gass_transfer_request_t request);
int globus_gass_transfer_request_get_denial_reason(globus_gass_transfer_request_t request);
char *globus_gass_transfer_request_get_denial_message(globus_gass_transfer_request_t request);
void *globus_gass_transfer_request_get_user_pointer(globus_gass_transfer_request_t request);
int globus_gass_transfer_request_set_user_pointer(
    globus_gass_transfer_request_t request, void *user_pointer);
int globus_gass_transfer_request_destroy(globus_gass_transfer_request_t request);
int globus_gass_transfer_request_set_type(
    globus_gass_transfer_request_t request, globus_gass_transfer_request_type_t type);
int globus_gass_transfer_requestattr_init(
    globus_gass_transfer_requestattr_t *attr, char *url_scheme);
int globus_gass_transfer_requestattr_destroy(globus_gass_transfer_requestattr_t *attr);
int globus_gass_transfer_listenerattr_init(
    globus_gass_transfer_listenerattr_t *attr, char *url_scheme);
int globus_gass_transfer_requestattr_set_proxy_url(
    globus_gass_transfer_requestattr_t *attr, char *proxy_url);
int globus_gass_transfer_requestattr_get_proxy_url(
    globus_gass_transfer_requestattr_t *attr, char **proxy_url);
int globus_gass_transfer_requestattr_set_block_size(
    globus_gass_transfer_requestattr_t *attr, globus_size_t block_size);
int globus_gass_transfer_requestattr_get_block_size(
    globus_gass_transfer_requestattr_t *attr, globus_size_t *block_size);
int globus_gass_transfer_requestattr_set_file_mode(
    globus_gass_transfer_requestattr_t *attr, globus_gass_transfer_file_mode_t file_mode);
int globus_gass_transfer_requestattr_get_file_mode(
    globus_gass_transfer_requestattr_t *attr, globus_gass_transfer_file_mode_t *file_mode);
int globus_gass_transfer_requestattr_set_connection_reuse(
    globus_gass_transfer_requestattr_t *attr, globus_bool_t connection_reuse);
int globus_gass_transfer_requestattr_get_connection_reuse(
    globus_gass_transfer_requestattr_t *attr, globus_bool_t *connection_reuse);
int globus_gass_transfer_requestattr_set_socket_sndbuf(
    globus_gass_transfer_requestattr_t *attr, int sndbuf);
int globus_gass_transfer_requestattr_get_socket_sndbuf(
    globus_gass_transfer_requestattr_t *attr, int *sndbuf);
int globus_gass_transfer_requestattr_set_socket_rcvbuf(
    globus_gass_transfer_requestattr_t *attr, int rcvbuf);
int globus_gass_transfer_requestattr_get_socket_rcvbuf(
    globus_gass_transfer_requestattr_t *attr, int *rcvbuf);
int globus_gass_transfer_requestattr_set_socket_nodelay(
    globus_gass_transfer_requestattr_t *attr, globus_bool_t nodelay);
int globus_gass_transfer_requestattr_get_socket_nodelay(
    globus_gass_transfer_requestattr_t *attr, globus_bool_t *nodelay);
int globus_gass_transfer_secure_requestattr_set_authorization(
    globus_gass_transfer_requestattr_t *attr, globus_gass_transfer_authorization_t mode,
    char *subject);
int globus_gass_transfer_secure_requestattr_get_authorization(
    globus_gass_transfer_requestattr_t *attr, globus_gass_transfer_authorization_t *mode,
    char **subject);
int globus_gass_transfer_listenerattr_set_backlog(
    globus_gass_transfer_listenerattr_t *attr, int backlog);
int globus_gass_transfer_listenerattr_get_backlog(
    globus_gass_transfer_listenerattr_t *attr, int *backlog);
int globus_gass_transfer_listenerattr_set_port(
    globus_gass_transfer_listenerattr_t *attr, unsigned short port);
int globus_gass_transfer_listenerattr_get_port(
    globus_gass_transfer_listenerattr_t *attr, unsigned short *port);
