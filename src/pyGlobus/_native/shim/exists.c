/*
 * Whether a file or directory exists, as globus_ftp_client_exists() finds out: SIZE, MLST, STAT, and
 * then a list.  That function goes on when the server has gone, and then completes twice, when its
 * list fails before its buffer is registered, and frees what it has freed (GCT 6.2).  This one asks
 * the next only of a server that has answered; the list, of servers that know none of the three, is
 * left to that function.
 */
#include "shim.h"

#include <stdlib.h>

typedef struct question
{
    int                                   step;
    const char                           *url;      /* the caller's, as `attr` is */
    globus_ftp_client_operationattr_t    *attr;
    globus_ftp_client_complete_callback_t callback;
    void                                 *arg;
    globus_off_t                          size;
    globus_byte_t                        *text;
    globus_size_t                         length;
}
question;

/* The code of the server's reply behind an error; 0: there is none. */
static int reply_of(globus_object_t *error)
{
    for (; error; error = globus_error_get_cause(error))
    {
        if (globus_object_type_match(globus_object_get_type(error), GLOBUS_ERROR_TYPE_FTP))
        {
            return globus_error_ftp_error_get_code(error);
        }
    }
    return 0;
}

static void on_answer(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error);

static globus_result_t ask(question *self, globus_ftp_client_handle_t *handle)
{
    free(self->text);
    self->text = NULL;
    switch (self->step++)
    {
        case 0:
            return globus_ftp_client_size(
                handle, self->url, self->attr, &self->size, on_answer, self);
        case 1:
            return globus_ftp_client_mlst(
                handle, self->url, self->attr, &self->text, &self->length, on_answer, self);
        case 2:
            return globus_ftp_client_stat(
                handle, self->url, self->attr, &self->text, &self->length, on_answer, self);
        default:
            return globus_ftp_client_exists(handle, self->url, self->attr, on_answer, self);
    }
}

static void on_answer(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    question *self = arg;
    int code = error ? reply_of(error) : 0, goes_on;
    globus_object_t *failure = NULL;

    /* not a list as long as the server has understood the question */
    goes_on = self->step < 3 ? code >= 500 : self->step == 3 && (code == 502 || code == 504);
    if (goes_on)
    {
        globus_result_t result = ask(self, handle);

        if (result == GLOBUS_SUCCESS)
        {
            return;
        }
        error = failure = globus_error_get(result);
    }
    self->callback(self->arg, handle, error);
    if (failure)
    {
        globus_object_free(failure);
    }
    free(self->text);
    free(self);
}

globus_result_t cog_ftp_exists(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_complete_callback_t callback, void *arg)
{
    question *self = calloc(1, sizeof *self);
    globus_result_t result;

    if (!self)
    {
        return globus_error_put(GLOBUS_ERROR_NO_INFO);
    }
    self->url = url;
    self->attr = attr;
    self->callback = callback;
    self->arg = arg;
    result = ask(self, handle);
    if (result != GLOBUS_SUCCESS)
    {
        free(self);
    }
    return result;
}
