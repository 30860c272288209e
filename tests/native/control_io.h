#include <globus_io.h>

/* A call whose callback is to come; reads and writes have callbacks of one type. */
struct registered
{
    globus_io_handle_t *handle;
    globus_io_read_callback_t callback;
    void *arg;
    globus_byte_t *buffer;
};

extern struct registered last_read, last_write;
extern int refuse;      /* the result of every call */
