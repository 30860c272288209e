/* globus_error: the error objects of every library (globus_error*.h, globus_object.h) */

typedef int... OM_uint32;

static const globus_object_type_t *const GLOBUS_ERROR_TYPE_GLOBUS;
static const globus_object_type_t *const GLOBUS_ERROR_TYPE_ERRNO;
static const globus_object_type_t *const GLOBUS_ERROR_TYPE_GSSAPI;
static const globus_object_type_t *const GLOBUS_ERROR_TYPE_OPENSSL;
static const globus_object_type_t *const GLOBUS_ERROR_TYPE_MULTIPLE;
static const globus_object_type_t *const GLOBUS_ERROR_TYPE_FTP;


/* objects */
globus_object_t *globus_object_copy(const globus_object_t *object);
void globus_object_free(globus_object_t *object);
const globus_object_type_t *globus_object_get_type(const globus_object_t *object);
globus_bool_t globus_object_type_match(
    const globus_object_type_t *subtype, const globus_object_type_t *supertype);
char *globus_object_printable_to_string(globus_object_t *object);

/* errors */
globus_object_t *globus_error_get(globus_result_t result);
globus_module_descriptor_t *globus_error_get_source(globus_object_t *error);
globus_object_t *globus_error_get_cause(globus_object_t *error);
int globus_error_get_type(globus_object_t *error);
char *globus_error_get_short_desc(globus_object_t *error);
char *globus_error_get_long_desc(globus_object_t *error);
int globus_error_errno_get_errno(globus_object_t *error);
OM_uint32 globus_error_gssapi_get_major_status(globus_object_t *error);
OM_uint32 globus_error_gssapi_get_minor_status(globus_object_t *error);
const char *globus_error_openssl_error_get_reason(globus_object_t *error);
const char *globus_error_openssl_error_get_library(globus_object_t *error);
int globus_error_ftp_error_get_code(globus_object_t *error);
globus_object_t *globus_error_multiple_remove_chain(globus_object_t *multiple_error);
char *globus_error_print_chain(globus_object_t *error);
