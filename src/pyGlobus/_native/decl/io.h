/* I/O over XIO, as far as it is used: files for gass copy (globus_io.h) */

typedef ... *globus_io_handle_t;
typedef ... *globus_io_attr_t;
typedef int... globus_io_file_type_t;
typedef void (*globus_io_callback_t)(
    void *callback_arg, globus_io_handle_t *handle, globus_result_t result);

static globus_module_descriptor_t *const GLOBUS_IO_MODULE;

#define GLOBUS_IO_FILE_TYPE_TEXT ...
#define GLOBUS_IO_FILE_TYPE_BINARY ...


/* file attributes */
globus_result_t globus_io_fileattr_init(globus_io_attr_t *attr);
globus_result_t globus_io_fileattr_destroy(globus_io_attr_t *attr);
globus_result_t globus_io_attr_set_file_type(
    globus_io_attr_t *attr, globus_io_file_type_t file_type);
globus_result_t globus_io_attr_get_file_type(
    globus_io_attr_t *attr, globus_io_file_type_t *file_type);

/* handles */
globus_result_t globus_io_file_posix_convert(
    int fd, globus_io_attr_t *attr, globus_io_handle_t *handle);
globus_result_t globus_io_register_close(
    globus_io_handle_t *handle, globus_io_callback_t callback, void *callback_arg);
