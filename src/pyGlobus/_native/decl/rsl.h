/* RSL: the language of job descriptions (globus_rsl.h) */

typedef ... globus_rsl_t;
typedef ... globus_rsl_value_t;

static globus_module_descriptor_t *const GLOBUS_RSL_MODULE;

#define GLOBUS_RSL_EQ ...
#define GLOBUS_RSL_NEQ ...
#define GLOBUS_RSL_GT ...
#define GLOBUS_RSL_GTEQ ...
#define GLOBUS_RSL_LT ...
#define GLOBUS_RSL_LTEQ ...
#define GLOBUS_RSL_AND ...
#define GLOBUS_RSL_OR ...
#define GLOBUS_RSL_MULTIREQ ...


/* parse, inspect, build, print */
int globus_rsl_is_relation(globus_rsl_t *ast);
int globus_rsl_is_boolean(globus_rsl_t *ast);
int globus_rsl_is_relation_eq(globus_rsl_t *ast);
int globus_rsl_is_relation_lessthan(globus_rsl_t *ast);
int globus_rsl_is_relation_attribute_equal(globus_rsl_t *ast, char *attribute);
int globus_rsl_is_boolean_and(globus_rsl_t *ast);
int globus_rsl_is_boolean_or(globus_rsl_t *ast);
int globus_rsl_is_boolean_multi(globus_rsl_t *ast);
int globus_rsl_value_is_literal(globus_rsl_value_t *ast);
int globus_rsl_value_is_sequence(globus_rsl_value_t *ast);
int globus_rsl_value_is_variable(globus_rsl_value_t *ast);
int globus_rsl_value_is_concatenation(globus_rsl_value_t *ast);
globus_rsl_t *globus_rsl_make_boolean(int my_operator, globus_list_t *children);
globus_rsl_t *globus_rsl_make_relation(
    int my_operator, char *attributename, globus_rsl_value_t *value_sequence);
globus_rsl_value_t *globus_rsl_value_make_literal(char *string);
globus_rsl_value_t *globus_rsl_value_make_sequence(globus_list_t *value_list);
globus_rsl_value_t *globus_rsl_value_make_variable(globus_rsl_value_t *sequence);
globus_rsl_value_t *globus_rsl_value_make_concatenation(
    globus_rsl_value_t *left_value, globus_rsl_value_t *right_value);
globus_rsl_t *globus_rsl_copy_recursive(globus_rsl_t *globus_rsl_ptr);
globus_rsl_value_t *globus_rsl_value_copy_recursive(globus_rsl_value_t *globus_rsl_value_ptr);
int globus_rsl_boolean_get_operator(globus_rsl_t *ast_node);
globus_list_t *globus_rsl_boolean_get_operand_list(globus_rsl_t *ast_node);
globus_list_t **globus_rsl_boolean_get_operand_list_ref(globus_rsl_t *boolean_node);
char *globus_rsl_relation_get_attribute(globus_rsl_t *ast_node);
int globus_rsl_relation_get_operator(globus_rsl_t *ast_node);
globus_rsl_value_t *globus_rsl_relation_get_value_sequence(globus_rsl_t *ast_node);
globus_rsl_value_t *globus_rsl_relation_get_single_value(globus_rsl_t *ast_node);
char *globus_rsl_value_literal_get_string(globus_rsl_value_t *literal_node);
globus_list_t *globus_rsl_value_sequence_get_value_list(globus_rsl_value_t *sequence_node);
globus_rsl_value_t *globus_rsl_value_variable_get_sequence(globus_rsl_value_t *variable_node);
char *globus_rsl_value_variable_get_name(globus_rsl_value_t *variable_node);
char *globus_rsl_value_variable_get_default(globus_rsl_value_t *variable_node);
globus_rsl_value_t *globus_rsl_value_concatenation_get_left(globus_rsl_value_t *concatenation_node);
globus_rsl_value_t *globus_rsl_value_concatenation_get_right(
    globus_rsl_value_t *concatenation_node);
globus_list_t **globus_rsl_value_sequence_get_list_ref(globus_rsl_value_t *sequence_node);
int globus_rsl_value_concatenation_set_left(
    globus_rsl_value_t *concatenate_node, globus_rsl_value_t *new_left_node);
int globus_rsl_value_concatenation_set_right(
    globus_rsl_value_t *concatenate_node, globus_rsl_value_t *new_right_node);
int globus_rsl_value_eval(
    globus_rsl_value_t *ast_node, globus_symboltable_t *symbol_table, char **string_value,
    int rsl_substitute_flag);
int globus_rsl_eval(globus_rsl_t *ast_node, globus_symboltable_t *symbol_table);
int globus_rsl_value_free(globus_rsl_value_t *val);
int globus_rsl_free(globus_rsl_t *ast_node);
int globus_rsl_value_free_recursive(globus_rsl_value_t *globus_rsl_value_ptr);
int globus_rsl_free_recursive(globus_rsl_t *ast_node);
int globus_rsl_value_print_recursive(globus_rsl_value_t *globus_rsl_value_ptr);
int globus_rsl_print_recursive(globus_rsl_t *ast_node);
int globus_rsl_value_variable_get_size(globus_rsl_value_t *variable_node);
int globus_rsl_value_list_literal_replace(globus_list_t *value_list, char *string_value);
int globus_rsl_value_list_param_get(
    globus_list_t *ast_node_list, int required_type, char ** *value, int *value_ctr);
int globus_rsl_param_get(globus_rsl_t *ast_node, int required_type, char *param, char ** *values);
globus_list_t *globus_rsl_param_get_values(globus_rsl_t *ast_node, char *param);
globus_rsl_t *globus_rsl_parse(char *rsl_spec);
char *globus_rsl_unparse(globus_rsl_t *rsl_spec);
char *globus_rsl_value_unparse(globus_rsl_value_t *rsl_value);

/* names (globus_rsl_assist.h) */
void globus_rsl_assist_string_canonicalize(char *ptr);
