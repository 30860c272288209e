/* Plays libglobus_io: a library of its own, as the shim looks for the next one that has its calls. */
#include "control_io.h"

struct registered last_read, last_write;
int refuse;

globus_result_t globus_io_register_read(
    globus_io_handle_t *handle, globus_byte_t *buffer, globus_size_t most, globus_size_t least,
    globus_io_read_callback_t callback, void *arg)
{
    (void) most;
    (void) least;
    last_read = (struct registered) { handle, callback, arg, buffer };
    return (globus_result_t) refuse;
}

globus_result_t globus_io_register_write(
    globus_io_handle_t *handle, globus_byte_t *buffer, globus_size_t length,
    globus_io_write_callback_t callback, void *arg)
{
    (void) length;
    last_write = (struct registered) { handle, callback, arg, buffer };
    return (globus_result_t) refuse;
}

globus_result_t globus_io_register_send(
    globus_io_handle_t *handle, globus_byte_t *buffer, globus_size_t length, int flags,
    globus_io_write_callback_t callback, void *arg)
{
    (void) flags;
    return globus_io_register_write(handle, buffer, length, callback, arg);
}
