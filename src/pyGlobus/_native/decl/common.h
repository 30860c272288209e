/* globus_common: modules, objects, lists, hash tables, threads, environment (globus_common.h) */

typedef int globus_bool_t;
typedef int... globus_off_t;
typedef size_t globus_size_t;
typedef unsigned char globus_byte_t;
typedef int... globus_result_t;
typedef int... time_t;
typedef int globus_handle_t;
typedef ... globus_list_t;
typedef struct globus_symboltable_s *globus_symboltable_t;
typedef ... globus_fifo_t;
typedef struct { ...; } globus_hashtable_t;

struct timespec { long tv_sec; long tv_nsec; ...; };
typedef struct timespec globus_abstime_t;
struct tm {
    int tm_sec; int tm_min; int tm_hour; int tm_mday; int tm_mon; int tm_year;
    int tm_wday; int tm_yday; int tm_isdst; ...;
};

typedef struct { int major; int minor; unsigned long timestamp; int branch_id; } globus_version_t;
typedef struct { char *module_name; globus_version_t *version; ...; } globus_module_descriptor_t;
typedef ... globus_object_type_t;
typedef struct { const globus_object_type_t *type; ...; } globus_object_t;

static const globus_result_t GLOBUS_SUCCESS;
#define GLOBUS_TRUE ...
#define GLOBUS_FALSE ...

/* module descriptors: GLOBUS_<NAME>_MODULE in the C headers */
static globus_module_descriptor_t *const GLOBUS_COMMON_MODULE;


/* modules */
int globus_module_activate(globus_module_descriptor_t *module_descriptor);
int globus_module_deactivate(globus_module_descriptor_t *module_descriptor);
int globus_module_get_version(
    globus_module_descriptor_t *module_descriptor, globus_version_t *version);
int globus_thread_set_model(const char *model);
globus_bool_t globus_i_am_only_thread(void);
globus_result_t globus_eval_path(const char *path, char **bufp);
globus_result_t globus_location(char **bufp);
int globus_libc_gethostname(char *name, int len);

/* lists and hash tables */
int globus_list_empty(globus_list_t *head);
void *globus_list_first(globus_list_t *head);
globus_list_t *globus_list_rest(globus_list_t *head);
void globus_list_free(globus_list_t *head);
int globus_list_insert(globus_list_t *volatile *headp, void *datum);
int globus_hashtable_to_list(globus_hashtable_t *table, globus_list_t **list);
void *globus_hashtable_lookup(globus_hashtable_t *table, void *key);
int globus_hashtable_destroy(globus_hashtable_t *table);

/* symbol tables: names and values in nested scopes; the table keeps the pointers, not copies */
int globus_hashtable_string_hash(void *string, int limit);
int globus_hashtable_string_keyeq(void *string1, void *string2);
int globus_symboltable_init(
    globus_symboltable_t *table, int (*hash_func)(void *key, int limit),
    int (*keyeq_func)(void *key1, void *key2));
int globus_symboltable_insert(globus_symboltable_t *table, void *symbol, void *datum);
int globus_symboltable_create_scope(globus_symboltable_t *table);
int globus_symboltable_destroy(globus_symboltable_t *table);

/* C library: GCT hands out memory that its caller frees, and frees what it is handed */
void free(void *ptr);
char *strdup(const char *s);
