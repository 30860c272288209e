/*
 * Whether a file or directory exists, as globus_ftp_client_exists() finds out: SIZE, MLST, STAT, and
 * then a list.  That function goes on when the server has gone, and then completes twice, when its
 * list fails before its buffer is registered, and frees what it has freed (GCT 6.2); it takes the
 * STAT of servers that agree to any path for a yes; and its list finds directories alone.  This one
 * asks the next only of a server that has answered, wants to see an entry from STAT, and tries to go
 * there (CWD), for not every server tells directories otherwise.  Of servers that know none of these
 * it has the names in the parent directory (NLST).
 */
#include "shim.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE, MLST, STAT, CWD, NLST };

/* Bytes of a buffer, and of the longest list that is looked through. */
enum { BLOCK = 65536, LONGEST = 64 << 20 };

typedef struct exists_request
{
    int                                   step;         /* what has been asked last */
    int                                   understood;   /* the server knows at least one of them */
    const char                           *url;          /* the caller's, as `attr` is */
    globus_ftp_client_operationattr_t    *attr;
    globus_ftp_client_complete_callback_t callback;
    void                                 *arg;
    int                                  *moved;
    globus_object_t                      *no;           /* what the best judge has said */
    globus_off_t                          size;
    globus_byte_t                        *text;
    globus_size_t                         length;

    pthread_mutex_t                       lock;         /* guards what follows, of the list */
    int                                   waiting;      /* for its end, and for that of its data */
    char                                 *parent, *name;
    size_t                                filled;       /* of `text` */
    globus_object_t                      *failure;
}
exists_request;

/* The server's reply behind an error; NULL: there is none. */
static globus_object_t *reply_of(globus_object_t *error)
{
    for (; error; error = globus_error_get_cause(error))
    {
        if (globus_object_type_match(globus_object_get_type(error), GLOBUS_ERROR_TYPE_FTP))
        {
            return error;
        }
    }
    return NULL;
}

/* Whether the server does not know the command.  GCT's says 500 of whatever went wrong, and what. */
static int is_unknown(globus_object_t *reply, int code)
{
    char *text;
    int failed;

    if (code != 500 && code != 502 && code != 504)
    {
        return 0;
    }
    text = globus_object_printable_to_string(reply);
    failed = text && (strstr(text, "Command failed") || strstr(text, "GlobusError")
                      || strstr(text, "GridFTP-Errno"));
    free(text);
    return !failed;
}

/* The library's own word for a server that has said it lacks what the command needs. */
static int is_lacking(globus_object_t *error)
{
    return error && globus_object_type_match(globus_object_get_type(error), GLOBUS_ERROR_TYPE_GLOBUS)
        && globus_error_get_type(error) == GLOBUS_FTP_CLIENT_ERROR_FEATURE;
}

int cog_ftp_is_unknown(globus_object_t *error)
{
    globus_object_t *reply = reply_of(error);

    return is_lacking(error) || (reply && is_unknown(reply, globus_error_ftp_error_get_code(reply)));
}

/* STAT has been agreed to, and no entry came with it. */
static int is_empty(const exists_request *self, globus_object_t *error)
{
    return self->step == STAT && error && !reply_of(error)
        && globus_object_type_match(globus_object_get_type(error), GLOBUS_ERROR_TYPE_GLOBUS)
        && globus_error_get_type(error) == GLOBUS_FTP_CLIENT_ERROR_PROTOCOL;
}

static void on_answer(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error);

static void finish(exists_request *self, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    self->callback(self->arg, handle, error);
    if (self->no)
    {
        globus_object_free(self->no);
    }
    if (self->failure)
    {
        globus_object_free(self->failure);
    }
    pthread_mutex_destroy(&self->lock);
    free(self->text);
    free(self->parent);
    free(self->name);
    free(self);
}

/* --- the list of the parent --------------------------------------------------------------------- */

/* Cuts the URL before its last component, which comes out unescaped. */
static int split(exists_request *self)
{
    const char *host = strstr(self->url, "://"), *slash = strrchr(self->url, '/'), *from;
    char *to, digits[3] = "";

    if (!host || !slash || slash < host + 3 || !slash[1])
    {
        return 0;
    }
    self->parent = strndup(self->url, (size_t) (slash + 1 - self->url));
    self->name = to = malloc(strlen(slash));
    if (!self->parent || !to)
    {
        return 0;
    }
    for (from = slash + 1; *from; from++)
    {
        if (*from == '%' && isxdigit((unsigned char) from[1]) && isxdigit((unsigned char) from[2]))
        {
            memcpy(digits, from + 1, 2);
            *to++ = (char) strtol(digits, NULL, 16);
            from += 2;
        }
        else
        {
            *to++ = *from;
        }
    }
    *to = '\0';
    return 1;
}

/* Whether a line of the list is the name, with or without a path before it. */
static int is_listed(const exists_request *self)
{
    const char *line = (const char *) self->text, *end = line + self->filled;
    size_t length = strlen(self->name);

    while (line < end)
    {
        const char *stop = line, *slash;

        while (stop < end && *stop != '\r' && *stop != '\n')
        {
            stop++;
        }
        slash = stop;
        while (slash > line && slash[-1] != '/')
        {
            slash--;
        }
        if ((size_t) (stop - slash) == length && !memcmp(slash, self->name, length))
        {
            return 1;
        }
        line = stop + 1;
    }
    return 0;
}

/* One of the two has ended: the list, or the reading of its data. */
static void end_part(exists_request *self, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    int left;

    pthread_mutex_lock(&self->lock);
    if (error && !self->failure)
    {
        self->failure = globus_object_copy(error);
    }
    left = --self->waiting;
    pthread_mutex_unlock(&self->lock);
    if (left)
    {
        return;
    }
    if (!self->failure && !is_listed(self))
    {
        self->failure = globus_error_construct_errno_error(GLOBUS_FTP_CLIENT_MODULE, NULL, ENOENT);
    }
    finish(self, handle, self->failure);
}

static void on_listed(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    end_part(arg, handle, error);
}

static globus_result_t read_on(exists_request *self, globus_ftp_client_handle_t *handle);

static void on_names(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    exists_request *self = arg;

    (void) buffer, (void) offset;       /* in stream mode it comes in order */
    self->filled += length;
    if (!error && !eof)
    {
        globus_result_t result = read_on(self, handle);

        if (result == GLOBUS_SUCCESS)
        {
            return;
        }
        globus_object_free(globus_error_get(result));   /* the end of the list says more */
    }
    end_part(self, handle, error);
}

static globus_result_t read_on(exists_request *self, globus_ftp_client_handle_t *handle)
{
    globus_byte_t *text = self->filled < LONGEST ? realloc(self->text, self->filled + BLOCK) : NULL;

    if (!text)
    {
        globus_ftp_client_abort(handle);
        return globus_error_put(GLOBUS_ERROR_NO_INFO);
    }
    self->text = text;
    return globus_ftp_client_register_read(
        handle, text + self->filled, BLOCK, on_names, self);
}

static globus_result_t list_parent(exists_request *self, globus_ftp_client_handle_t *handle)
{
    globus_result_t result;

    if (!split(self))
    {
        return globus_error_put(
            globus_error_construct_errno_error(GLOBUS_FTP_CLIENT_MODULE, NULL, ENOENT));
    }
    self->waiting = 2;
    result = globus_ftp_client_list(handle, self->parent, self->attr, on_listed, self);
    if (result == GLOBUS_SUCCESS && (result = read_on(self, handle)) != GLOBUS_SUCCESS)
    {
        /* refused: the list is over, and says why */
        globus_object_free(globus_error_get(result));
        end_part(self, handle, NULL);
        return GLOBUS_SUCCESS;
    }
    return result;
}

/* ------------------------------------------------------------------------------------------------ */

static globus_result_t ask(exists_request *self, globus_ftp_client_handle_t *handle)
{
    free(self->text);
    self->text = NULL;
    switch (self->step)
    {
        case SIZE:
            return globus_ftp_client_size(
                handle, self->url, self->attr, &self->size, on_answer, self);
        case MLST:
            return globus_ftp_client_mlst(
                handle, self->url, self->attr, &self->text, &self->length, on_answer, self);
        case STAT:
            return globus_ftp_client_stat(
                handle, self->url, self->attr, &self->text, &self->length, on_answer, self);
        case CWD:
            *self->moved = 1;
            return globus_ftp_client_cwd(
                handle, self->url, self->attr, &self->text, &self->length, on_answer, self);
        default:
            return list_parent(self, handle);
    }
}

enum { ASK_NEXT, IS_ABSENT, IS_ERROR };

/* What an answer other than yes means. */
static int judge(exists_request *self, globus_object_t *error)
{
    globus_object_t *reply = reply_of(error);
    int code = reply ? globus_error_ftp_error_get_code(reply) : 0;
    int unknown = cog_ftp_is_unknown(error);

    if (is_empty(self, error))
    {
        self->understood = 1;
    }
    else if (code < 500 && !unknown)
    {
        return IS_ERROR;
    }
    else if (!unknown)
    {
        /* a file is none that one can go to */
        self->understood |= self->step != CWD;
        if (self->no && self->step == MLST)
        {
            globus_object_free(self->no);
            self->no = NULL;
        }
        if (!self->no)
        {
            self->no = globus_object_copy(error);
        }
        if (self->step == MLST)
        {
            return IS_ABSENT;       /* nothing knows better */
        }
    }
    self->step++;
    return self->step < NLST || !self->understood ? ASK_NEXT : IS_ABSENT;
}

static void on_answer(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    exists_request *self = arg;
    globus_object_t *failure = NULL;
    int meaning = error ? judge(self, error) : 0;

    if (error && meaning == ASK_NEXT)
    {
        globus_result_t result = ask(self, handle);

        if (result == GLOBUS_SUCCESS)
        {
            return;
        }
        error = failure = globus_error_get(result);
    }
    else if (error && meaning == IS_ABSENT && self->no)
    {
        error = self->no;
    }
    finish(self, handle, error);
    if (failure)
    {
        globus_object_free(failure);
    }
}

globus_result_t cog_ftp_exists(
    globus_ftp_client_handle_t *handle, const char *url, globus_ftp_client_operationattr_t *attr,
    int *moved, globus_ftp_client_complete_callback_t callback, void *arg)
{
    exists_request *self = calloc(1, sizeof *self);
    globus_result_t result;

    if (!self)
    {
        return globus_error_put(GLOBUS_ERROR_NO_INFO);
    }
    pthread_mutex_init(&self->lock, NULL);
    self->url = url;
    self->attr = attr;
    self->moved = moved;
    self->callback = callback;
    self->arg = arg;
    result = ask(self, handle);
    if (result != GLOBUS_SUCCESS)
    {
        pthread_mutex_destroy(&self->lock);
        free(self);
    }
    return result;
}
