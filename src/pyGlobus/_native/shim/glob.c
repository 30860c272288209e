/* Wildcards for gass copy: the library's entries of a URL, and the text of a server's list. */
#define _GNU_SOURCE
#include "shim.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- entries --------------------------------------------------------------------------------- */

/*
 * The library calls back for each entry, on the thread that called it.  Entries are put together
 * into batches; a batch is handed over by a rendezvous, so that a slow consumer holds the list up
 * rather than have it pile up.
 */
enum { BATCH = 32 * 1024 };

/* How often a list is begun that fails before the library looks at it, see expand(). */
enum { TRIES = 5 };

struct glob
{
    cog_token token;
    int       told, stopped;
    size_t    length, room;
    char     *text;
};

static void flush_entries(struct glob *glob)
{
    cog_event event = { .token = glob->token, .kind = COG_EVENT_QUESTION,
                        .a = (int64_t) glob->length, .text = glob->text };

    if (glob->length)
    {
        glob->text = NULL;      /* the event's from here on */
        glob->length = glob->room = 0;
        if (!glob->stopped && !cog_ask(&event, 0, INT_MAX, NULL))
        {
            glob->stopped = 1;
        }
        else if (glob->stopped)
        {
            free(event.text);
        }
    }
}

/* url NUL unique id NUL symlink target NUL "type size mode mtime" NUL */
static void on_entry(const char *url, const globus_gass_copy_glob_stat_t *entry, void *arg)
{
    struct glob *glob = arg;
    const char *unique = entry->unique_id ? entry->unique_id : "";
    const char *target = entry->symlink_target ? entry->symlink_target : "";
    char numbers[100], *end;
    size_t size;

    if (glob->stopped)
    {
        return;
    }
    glob->told = 1;
    snprintf(numbers, sizeof numbers, "%d %lld %d %d", (int) entry->type,
             (long long) entry->size, entry->mode, entry->mdtm);
    size = strlen(url) + strlen(unique) + strlen(target) + strlen(numbers) + 4;
    if (glob->length + size > glob->room)
    {
        size_t room = size > BATCH ? size : BATCH;
        flush_entries(glob);
        if (glob->stopped || !(glob->text = malloc(room)))
        {
            glob->stopped = 1;
            return;
        }
        glob->room = room;
    }
    end = glob->text + glob->length;
    end = stpcpy(end, url) + 1;
    end = stpcpy(end, unique) + 1;
    end = stpcpy(end, target) + 1;
    strcpy(end, numbers);
    glob->length += size;
}

static int is_too_late(globus_result_t result)
{
    char *text = result == GLOBUS_SUCCESS ? NULL :
        globus_error_print_chain(globus_error_peek(result));
    int is = text && strstr(text, "GLOBUS_FTP_CLIENT_IDLE not allowed here");

    free(text);
    return is;
}

globus_result_t cog_glob_expand(
    cog_token token, globus_gass_copy_handle_t *handle, char *url, globus_gass_copy_attr_t *attr)
{
    struct glob glob = { .token = token };
    globus_result_t result = globus_gass_copy_glob_expand_url(handle, url, attr, on_entry, &glob);

    /* When the server's refusal comes before the library asks for the list's data, the library tells
     * of that instead. */
    for (int i = 1; i < TRIES && !glob.told && is_too_late(result); i++)
    {
        globus_object_free(globus_error_get(result));
        result = globus_gass_copy_glob_expand_url(handle, url, attr, on_entry, &glob);
    }
    flush_entries(&glob);
    free(glob.text);
    return result;
}

/* --- a directory of a server ------------------------------------------------------------------ */

/*
 * The library lists one into memory, and copies the names in it to where they may not fit
 * (globus_l_gass_copy_glob_parse_ftp_list: 4096 bytes for a URL, whatever a server sends).  So the
 * text of the list is handed over as it comes, piece by piece, for Python to read.
 */
typedef struct listing
{
    pthread_mutex_t  lock;
    pthread_cond_t   changed;
    int              done, came;    /* the list has ended; a block is there */
    int              last;          /* and no other follows */
    size_t           length;
    globus_object_t *error;
}
listing;

static void on_list_end(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    listing *list = arg;

    (void) handle;
    pthread_mutex_lock(&list->lock);
    list->error = error ? globus_object_copy(error) : NULL;
    list->done = 1;
    pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
}

static void on_list_block(
    void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    listing *list = arg;

    (void) handle, (void) buffer, (void) offset;    /* one at a time, in stream mode */
    pthread_mutex_lock(&list->lock);
    list->length = error ? 0 : length;
    list->last = error || eof;
    list->came = 1;
    pthread_cond_signal(&list->changed);
    pthread_mutex_unlock(&list->lock);
}

static void wait_until(listing *list, const int *happened)
{
    pthread_mutex_lock(&list->lock);
    while (!*happened)
    {
        pthread_cond_wait(&list->changed, &list->lock);
    }
    pthread_mutex_unlock(&list->lock);
}

/* Takes a block and hands it over; whether another one follows. */
static int take_block(
    listing *list, struct glob *glob, globus_ftp_client_handle_t *handle, int form)
{
    cog_event event = { .token = glob->token, .kind = COG_EVENT_QUESTION, .b = form,
                        .text = malloc(BATCH) };
    globus_result_t result;

    if (!event.text)
    {
        globus_ftp_client_abort(handle);
        return 0;
    }
    list->came = 0;
    result = globus_ftp_client_register_read(
        handle, (globus_byte_t *) event.text, BATCH, on_list_block, list);
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));   /* the end of the list tells why */
        free(event.text);
        return 0;
    }
    wait_until(list, &list->came);
    event.a = (int64_t) list->length;
    if (!list->length || glob->stopped)
    {
        free(event.text);
    }
    else if (!cog_ask(&event, 0, INT_MAX, NULL))
    {
        glob->stopped = 1;
    }
    return !list->last;
}

static globus_object_t *list_by(
    struct glob *glob, globus_ftp_client_handle_t *handle, const char *url,
    globus_ftp_client_operationattr_t *attr, int form)
{
    listing list = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    globus_result_t result = form == COG_LIST_FACTS
        ? globus_ftp_client_machine_list(handle, url, attr, on_list_end, &list)
        : globus_ftp_client_verbose_list(handle, url, attr, on_list_end, &list);

    if (result != GLOBUS_SUCCESS)
    {
        return globus_error_get(result);
    }
    while (take_block(&list, glob, handle, form))
    {
    }
    wait_until(&list, &list.done);
    return list.error;
}

globus_result_t cog_glob_list(
    cog_token token, globus_gass_copy_handle_t *handle, const char *url, globus_gass_copy_attr_t *attr)
{
    struct glob glob = { .token = token };
    globus_object_t *error = list_by(
        &glob, &handle->ftp_handle, url, attr->ftp_attr, COG_LIST_FACTS);

    if (error && cog_ftp_is_unknown(error))
    {
        globus_object_free(error);
        error = list_by(&glob, &handle->ftp_handle, url, attr->ftp_attr, COG_LIST_LONG);
    }
    return error ? globus_error_put(error) : GLOBUS_SUCCESS;
}
