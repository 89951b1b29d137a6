/* Functions that a query defines: a call binds its arguments where it stands, then the body among the lets that the
 * function could see. */
#include "kql/internal.h"

/* What is put away while a body is bound. */
struct caller {
    struct let *lets;
    size_t let_count, let_limit;
};

static void caller_leave(struct kql *kql, const struct caller *caller) {
    kql->query.lets = caller->lets;
    kql->query.let_count = caller->let_count;
    kql->let_limit = caller->let_limit;
}

const struct let *function_find(const struct kql *kql, struct str name) {
    const struct let *let = let_find(kql, name);
    return let && let->function ? let : NULL;
}

/* An argument that is a table: a name or a pipeline. */
static bool argument_rows(struct kql *kql, const struct node *node, struct scope *rows) {
    struct pipeline named = {.source = SOURCE_NAME, .name = node->text, .offset = node->offset, .length = node->length};
    bool in_main = kql->in_main;
    if (node->kind != NODE_NAME && node->kind != NODE_TABLE)
        return kql_fail(kql, node->offset, node->length, "a table is needed here");
    kql->in_main = false;
    if (!bind_pipeline(kql, node->kind == NODE_TABLE ? node->table : &named, rows))
        return false;
    kql->in_main = in_main;
    return scope_close(kql, rows, rows->columns, rows->column_count, STR(""), NULL, false);
}

static bool argument_value(struct kql *kql, struct scope *scope, const struct node *param, const struct node *node, struct expr *value) {
    const struct node *type = param->args[0];
    enum kql_type wanted = KQL_STRING;
    if (!literal_type_find(type->text, &wanted) && !str_eq(type->text, STR("string")))
        return kql_fail(kql, type->offset, type->length, "%.*s is not a type", STR_ARG(type->text));
    if (!bind_expression(kql, scope, node, value))
        return false;
    bool whole = value->type == KQL_LONG && wanted == KQL_INT;
    value->role = ROLE_NONE;
    value->bounds = false;
    return whole || (wanted == KQL_DYNAMIC && (expr_to_dynamic(kql, value), true)) || expr_convert(kql, value, wanted) ||
           kql_fail(kql, node->offset, node->length, "%.*s takes a %s; this is a %s", STR_ARG(param->text), kql_type_name(wanted),
                    kql_type_name(value->type));
}

/* The node given for a parameter: by name, by place, or its default. NULL: none. */
static const struct node *argument_find(const struct node *param, size_t place, const struct nodes *given) {
    for (size_t i = 0; i < given->count; i++)
        if (given->items[i]->kind == NODE_NAMED && str_eq(given->items[i]->text, param->text))
            return given->items[i]->args[0];
    if (place < given->count && given->items[place]->kind != NODE_NAMED)
        return given->items[place];
    return param->count > 1 ? param->args[1] : NULL;
}

/* One parameter as a let; rows: the table that invoke hands to the first. */
static bool parameter_bind(struct kql *kql, struct scope *scope, const struct node *param, const struct node *node, const struct scope *rows,
                           struct let *out) {
    struct expr *value = take(kql, 1, sizeof *value);
    struct scope *table = take(kql, 1, sizeof *table);
    if (!value || !table)
        return false;
    *table = (struct scope){.order = -1};
    *out = (struct let){.name = param->text, .offset = param->offset, .length = param->length};
    out->rows = rows;
    if (rows)
        return true;
    if (param->args[0]->kind == NODE_STAR) {
        out->rows = table;
        return argument_rows(kql, node, table);
    }
    out->bound = value;
    return argument_value(kql, scope, param, node, value);
}

/* The lets that the body sees: those before the function, its parameters, its own. */
static bool function_enter(struct kql *kql, struct scope *scope, const struct node *call, const struct nodes *given, const struct scope *rows,
                           const struct let *let) {
    const struct function *function = let->function;
    size_t before = (size_t)(let - kql->query.lets), count = before + function->params.count;
    struct let *lets = take(kql, count + function->let_count, sizeof *lets);
    size_t shift = rows ? 1 : 0;
    if (!lets)
        return false;
    if (given->count + shift > function->params.count)
        return kql_fail(kql, call->offset, call->length, "%.*s takes %zu arguments", STR_ARG(let->name), function->params.count);
    mem_copy(lets, kql->query.lets, before * sizeof *lets);
    for (size_t i = 0; i < function->params.count; i++) {
        const struct node *param = function->params.items[i];
        const struct node *node = rows && i == 0 ? NULL : argument_find(param, i - shift, given);
        if (!node && !(rows && i == 0))
            return kql_fail(kql, call->offset, call->length, "%.*s needs its argument %.*s", STR_ARG(let->name), STR_ARG(param->text));
        if (!parameter_bind(kql, scope, param, node, rows && i == 0 ? rows : NULL, &lets[before + i]))
            return false;
    }
    mem_copy(lets + count, function->lets, function->let_count * sizeof *lets);
    kql->query.lets = lets;
    kql->query.let_count = kql->let_limit = count + function->let_count;
    return true;
}

static bool depth_enter(struct kql *kql, const struct node *call) {
    return ++kql->depth <= PARSE_MAX_DEPTH || kql_fail(kql, call->offset, call->length, "the query is nested too deeply");
}

bool bind_function(struct kql *kql, struct scope *scope, const struct node *call, struct expr *out) {
    const struct let *let = function_find(kql, call->text);
    struct caller caller = {kql->query.lets, kql->query.let_count, kql->let_limit};
    struct nodes given = {.items = call->args, .count = call->count};
    if (!depth_enter(kql, call) || !function_enter(kql, scope, call, &given, NULL, let))
        return false;
    const struct function *function = let->function;
    if (!function->value || function->table)
        return kql_fail(kql, call->offset, call->length, "%.*s gives a table, not a value", STR_ARG(let->name));
    bool good = bind_expression(kql, NULL, function->value, out);
    caller_leave(kql, &caller);
    kql->depth--;
    out->offset = call->offset;
    out->length = call->length;
    out->name = (struct str){0};
    return good;
}

bool bind_function_rows(struct kql *kql, const struct node *call, const struct scope *rows, struct scope *out) {
    const struct let *let = function_find(kql, call->text);
    struct caller caller = {kql->query.lets, kql->query.let_count, kql->let_limit};
    struct nodes given = {.items = call->args, .count = call->count};
    if (!let)
        return kql_fail(kql, call->offset, call->text.len, "%.*s() isn't a function of this query", STR_ARG(call->text));
    if (!depth_enter(kql, call) || !function_enter(kql, NULL, call, &given, rows, let))
        return false;
    const struct function *function = let->function;
    struct pipeline named = {.source = SOURCE_NAME, .offset = call->offset, .length = call->length};
    const struct pipeline *table = function->table ? function->table : &named;
    if (!function->table && function->value->kind == NODE_NAME)
        named.name = function->value->text;
    else if (!function->table)
        return kql_fail(kql, call->offset, call->length, "%.*s gives a value, not a table", STR_ARG(let->name));
    bool good = bind_pipeline(kql, table, out);
    caller_leave(kql, &caller);
    kql->depth--;
    return good;
}
