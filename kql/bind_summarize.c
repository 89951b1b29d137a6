/* summarize and distinct: group keys by value, aggregates from the table. */
#include <stdio.h>

#include "kql/internal.h"

/* %9 of a template; see aggregates.def */
enum { AGGREGATE_ARGUMENTS = 4, ORDER_ARGUMENT = 8 };

static const struct aggregate {
    const char *name, *types, *result, *prefix, *template;
} aggregates[] = {
#define AGGREGATE(name, types, result, prefix, template) {name, types, result, prefix, template},
#include "kql/aggregates.def"
#undef AGGREGATE
};

bool aggregate_known(struct str name) {
    for (size_t i = 0; i < sizeof aggregates / sizeof *aggregates; i++)
        if (str_eq(name, str_from(aggregates[i].name)))
            return true;
    return false;
}

static bool letter_take(struct kql *kql, char letter, struct expr *arg, bool convert) {
    static const char letters[] = "slbdtrjD";
    static const enum kql_type types[] = {KQL_STRING, KQL_LONG, KQL_BOOL, KQL_DATETIME, KQL_TIMESPAN, KQL_REAL, KQL_DYNAMIC, KQL_DECIMAL};
    const char *at = memchr(letters, letter, sizeof letters - 1);
    if (letter == 'x' || letter == 'R')
        return letter == 'x' || arg->type == KQL_REAL;
    if (letter == 'J') {
        if (convert)
            expr_to_dynamic(kql, arg);
        return true;
    }
    if (!at)
        return false;
    enum kql_type type = types[at - letters];
    bool whole = arg->type == KQL_INT || arg->type == KQL_LONG;
    bool fits = arg->type == type || (type == KQL_LONG && whole) || (type == KQL_REAL && type_is_number(arg->type)) ||
                (arg->type == KQL_DYNAMIC && (type == KQL_REAL || type == KQL_BOOL));
    return fits && (!convert || whole == (type == KQL_LONG) ? fits : expr_convert(kql, arg, type));
}

static const struct aggregate *aggregate_find(struct kql *kql, struct str name, struct expr *args, size_t count) {
    for (size_t i = 0; i < sizeof aggregates / sizeof *aggregates; i++) {
        const struct aggregate *row = &aggregates[i];
        bool fits = str_eq(name, str_from(row->name)) && strlen(row->types) == count;
        for (size_t a = 0; a < count && fits; a++)
            fits = letter_take(kql, row->types[a], &args[a], false);
        if (!fits)
            continue;
        for (size_t a = 0; a < count; a++)
            letter_take(kql, row->types[a], &args[a], true);
        return row;
    }
    return NULL;
}

static enum kql_role aggregate_role(struct str name, const struct expr *args, size_t count) {
    if (str_eq(name, STR("count")))
        return ROLE_COUNT;
    if (!count)
        return ROLE_NONE;
    enum kql_role role = args[0].role;
    if (str_eq(name, STR("min")) && (role == ROLE_TIMESTAMP || role == ROLE_FIRST))
        return ROLE_FIRST;
    if (str_eq(name, STR("max")) && (role == ROLE_TIMESTAMP || role == ROLE_LAST))
        return ROLE_LAST;
    return str_eq(name, STR("make_set")) && role == ROLE_REPORT ? ROLE_REPORTS : ROLE_NONE;
}

static enum kql_type aggregate_type(const struct aggregate *row, const struct expr *args) {
    static const char letters[] = "slibdtrjD";
    static const enum kql_type types[] = {KQL_STRING, KQL_LONG, KQL_INT, KQL_BOOL, KQL_DATETIME, KQL_TIMESPAN, KQL_REAL, KQL_DYNAMIC, KQL_DECIMAL};
    const char *at = memchr(letters, row->result[0], sizeof letters - 1);
    return at ? types[at - letters] : args[0].type;
}

/* The aggregate's SQL; where the template asks for it, its items keep the order that a sort before it gave the rows. */
static struct str aggregate_sql(struct kql *kql, const struct scope *scope, const struct aggregate *row,
                                const struct expr args[AGGREGATE_ARGUMENTS], struct expr *out) {
    struct expr all[ORDER_ARGUMENT + 1] = {0};
    memcpy(all, args, AGGREGATE_ARGUMENTS * sizeof *args);
    all[ORDER_ARGUMENT].sql = STR("");
    if (scope->order >= 0 && strstr(row->template, "%9")) {
        const struct column *order = &scope->columns[scope->order];
        all[ORDER_ARGUMENT].sql = sql_print(kql, " ORDER BY %.*s", STR_ARG(order->sql));
        deps_add(&out->deps, &order->deps);
    }
    return sql_template(kql, row->template, all, ORDER_ARGUMENT + 1);
}

static bool aggregate_arguments(struct kql *kql, struct scope *scope, const struct node *node, struct expr *args) {
    if (node->count > AGGREGATE_ARGUMENTS)
        return kql_fail(kql, node->offset, node->length, "too many arguments");
    kql->aggregates = AGGREGATES_INSIDE;
    for (size_t i = 0; i < node->count; i++)
        if (!bind_expression(kql, scope, node->args[i], &args[i]))
            return false;
    kql->aggregates = AGGREGATES_AROUND;
    return true;
}

bool bind_aggregate(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct expr args[AGGREGATE_ARGUMENTS] = {0};
    if (!aggregate_arguments(kql, scope, node, args))
        return false;
    const struct aggregate *row = aggregate_find(kql, node->text, args, node->count);
    if (!row)
        return kql_fail(kql, node->offset, node->length, "%.*s can't take these arguments", STR_ARG(node->text));
    *out = (struct expr){.type = aggregate_type(row, args), .low = -1, .high = -1};
    for (size_t i = 0; i < node->count; i++)
        expr_merge(out, &args[i]);
    out->sql = aggregate_sql(kql, scope, row, args, out);
    bool text = out->type == KQL_STRING && row->result[0] == '1';
    if (text)
        out->sql = sql_print(kql, "coalesce(%.*s, '')", STR_ARG(out->sql));
    out->nullable = out->type != KQL_STRING && row->result[1] != '!';
    out->role = aggregate_role(node->text, args, node->count);
    out->offset = node->offset;
    out->length = node->length;
    if (!node->count || args[0].name.len || !*row->prefix)
        out->name = sql_print(kql, "%s%.*s", row->prefix, STR_ARG(args[0].name));
    else
        out->name = str_from(row->prefix);
    if (str_starts(str_from(row->types), STR("rr")) && args[1].name.len)
        out->name = sql_print(kql, "%.*s_%.*s", STR_ARG(out->name), STR_ARG(args[1].name));
    return true;
}

static bool holds_aggregate(const struct node *node) {
    if (node->kind == NODE_CALL && aggregate_known(node->text) && !str_eq(node->text, STR("range")))
        return true;
    for (size_t i = 0; i < node->count; i++)
        if (node->args[i]->kind != NODE_TABLE && holds_aggregate(node->args[i]))
            return true;
    return false;
}

struct group {
    struct column *columns;
    size_t count;
    struct str keys;
    struct deps deps;
};

static bool group_key(struct kql *kql, struct scope *scope, const struct node *node, struct group *group) {
    struct expr expr;
    const struct node *value = node->kind == NODE_NAMED ? node->args[0] : node;
    if (holds_aggregate(value))
        return kql_fail(kql, value->offset, value->length, "an aggregate can't be a key");
    if (!bind_expression(kql, scope, value, &expr) || !key_check(kql, &expr))
        return false;
    struct str name = node->kind == NODE_NAMED ? node->text
                      : column_name_free(kql, group->columns, group->count, expr.name);
    if (expr.role != ROLE_DEVICE_ID && expr.role != ROLE_DEVICE_NAME)
        expr.role = ROLE_KEY;
    struct column *column = &group->columns[group->count++];
    column_from(column, name, &expr, kql);
    column->timestamp = false;
    group->keys = sql_join(kql, group->keys, ", ", column->sql);
    deps_add(&group->deps, &expr.deps);
    return true;
}

/* One column of arg_max or arg_min: the value at the row where the first argument is extreme. */
static void extreme_column(struct kql *kql, struct group *group, const struct expr *by, struct expr value, bool max, struct str name) {
    const char *collate = by->type == KQL_STRING ? " COLLATE \"C\"" : "";
    struct expr args[2] = {value, *by};
    struct str template = sql_print(kql, "(array_agg(%%1 ORDER BY %%2%s %s NULLS LAST))[1]", collate, max ? "DESC" : "ASC");
    if (!template.ptr)
        return;
    value.sql = sql_template(kql, template.ptr, args, 2);
    if (value.type == KQL_STRING)
        value.sql = sql_print(kql, "coalesce(%.*s, '')", STR_ARG(value.sql));
    value.constant = value.timestamp = false;
    value.nullable = value.type != KQL_STRING;
    expr_merge(&value, by);
    column_from(&group->columns[group->count], column_name_free(kql, group->columns, group->count, name), &value, kql);
    group->count++;
}

/* arg_max(x, …) and arg_min: x first, then the others; * is all columns but x and the keys. */
static bool group_extreme(struct kql *kql, struct scope *scope, const struct node *node, const struct node *call,
                          struct group *group) {
    struct expr by, value;
    bool max = str_eq(call->text, STR("arg_max"));
    size_t keys = group->count;
    if (call->count < 2 || call->count > 50)
        return kql_fail(kql, call->offset, call->length, "%.*s needs a value and what to return with it", STR_ARG(call->text));
    if (!bind_expression(kql, scope, call->args[0], &by))
        return false;
    extreme_column(kql, group, &by, by, max, node->kind == NODE_NAMED ? node->text : by.name);
    for (size_t i = 1; i < call->count; i++) {
        if (call->args[i]->kind != NODE_STAR) {
            if (!bind_expression(kql, scope, call->args[i], &value))
                return false;
            extreme_column(kql, group, &by, value, max, value.name);
            continue;
        }
        for (size_t c = 0; c < scope->column_count; c++) {
            struct node name = {.kind = NODE_NAME, .text = scope->columns[c].name, .offset = call->offset, .length = call->length};
            bool skip = scope->columns[c].hidden || str_eq(name.text, by.name);
            for (size_t k = 0; k < keys && !skip; k++)
                skip = str_eq(group->columns[k].name, name.text);
            if (skip)
                continue;
            if (!bind_name(kql, scope, &name, &value))
                return false;
            extreme_column(kql, group, &by, value, max, name.text);
        }
    }
    return true;
}

/* take_any(a, …): the columns of one row, under their own names; * is all but the keys. */
static bool group_any(struct kql *kql, struct scope *scope, const struct node *call, struct group *group) {
    size_t keys = group->count;
    for (size_t c = 0; c < (call->args[0]->kind == NODE_STAR ? scope->column_count : call->count); c++) {
        struct node name = {.kind = NODE_NAME, .offset = call->offset, .length = call->length};
        struct node *argument = call->args[0]->kind == NODE_STAR ? &name : call->args[c];
        struct node taken = {.kind = NODE_CALL, .text = STR("take_any"), .args = &argument, .count = 1, .offset = call->offset, .length = call->length};
        struct expr value;
        bool skip = false;
        if (argument == &name) {
            name.text = scope->columns[c].name;
            skip = scope->columns[c].hidden;
            for (size_t k = 0; k < keys && !skip; k++)
                skip = str_eq(group->columns[k].name, name.text);
        }
        if (skip)
            continue;
        if (!bind_aggregate(kql, scope, &taken, &value))
            return false;
        column_from(&group->columns[group->count], column_name_free(kql, group->columns, group->count, value.name), &value, kql);
        group->count++;
    }
    return true;
}

/* A constant percentage of percentile() and its kin, 0 to 100. */
static bool percent_read(struct kql *kql, const struct node *node, double *percent) {
    struct expr expr;
    if (!bind_expression(kql, NULL, node, &expr))
        return false;
    *percent = expr.type == KQL_REAL ? expr.literal.real : (double)expr.literal.number;
    if (expr.constant && !expr.literal.null && type_is_number(expr.type) && *percent >= 0 && *percent <= 100)
        return true;
    return kql_fail(kql, node->offset, node->length, "a percentage from 0 to 100 is needed here");
}

/* The value by nearest rank; with weights, of rows that stand for as many as their weight says. */
static struct str percentile_sql(struct kql *kql, const struct expr *value, const struct expr *weight, double percent) {
    struct expr args[3] = {*value, expr_constant(NULL, (struct literal){.type = KQL_REAL, .real = percent / 100})};
    if (!weight)
        return sql_template(kql, "percentile_disc(%2) WITHIN GROUP (ORDER BY %1)", args, 2);
    args[2] = *weight;
    return sql_template(kql, "kql.percentile_weighted(array_agg(%1 ORDER BY %1), array_agg((%3)::bigint ORDER BY %1), %2)", args, 3);
}

static struct str percentile_name(struct kql *kql, struct str value, double percent) {
    char text[32];
    snprintf(text, sizeof text, "%.15g", percent);
    if (strchr(text, '.'))
        *strchr(text, '.') = '_';
    return sql_print(kql, "percentile_%.*s_%s", STR_ARG(value), text);
}

/* percentile, percentiles, percentiles_array, and their forms with weights: percentilew, percentilesw, percentilesw_array. */
static bool group_percentiles(struct kql *kql, struct scope *scope, const struct node *node, const struct node *call, struct group *group) {
    struct expr value, weight, list;
    bool weighted = str_starts(call->text, STR("percentilesw")) || str_starts(call->text, STR("percentilew"));
    bool array = str_ends(call->text, STR("_array"));
    size_t first = weighted ? 2 : 1;
    struct str items = {0};
    if (call->count <= first || call->count > 20)
        return kql_fail(kql, call->offset, call->length, "%.*s needs a value%s and percentages", STR_ARG(call->text), weighted ? ", a weight" : "");
    if (!bind_expression(kql, scope, call->args[0], &value) || (weighted && !bind_expression(kql, scope, call->args[1], &weight)))
        return false;
    for (size_t i = first; i < call->count; i++) {
        double percent;
        if (!percent_read(kql, call->args[i], &percent))
            return false;
        struct expr one = {.type = value.type, .nullable = true, .low = -1, .high = -1};
        expr_merge(&one, &value);
        if (weighted)
            expr_merge(&one, &weight);
        one.sql = percentile_sql(kql, &value, weighted ? &weight : NULL, percent);
        struct str name = node->kind == NODE_NAMED && call->count == first + 1 ? node->text : percentile_name(kql, value.name, percent);
        if (!array)
            column_from(&group->columns[group->count], column_name_free(kql, group->columns, group->count, name), &one, kql);
        list = one;
        expr_to_dynamic(kql, &one);
        items = sql_join(kql, items, ", ", one.sql);
        group->count += !array;
    }
    if (!array)
        return true;
    list.type = KQL_DYNAMIC;
    list.sql = sql_print(kql, "jsonb_build_array(%.*s)", STR_ARG(items));
    struct str name = node->kind == NODE_NAMED ? node->text : sql_print(kql, "percentiles_%.*s", STR_ARG(value.name));
    column_from(&group->columns[group->count], column_name_free(kql, group->columns, group->count, name), &list, kql);
    group->count++;
    return true;
}

static bool aggregate_unknown(struct kql *kql, const struct node *value) {
    if (value->kind != NODE_CALL)
        return kql_fail(kql, value->offset, value->length, "an aggregate is needed here");
    for (size_t i = 0; i < sizeof aggregates / sizeof *aggregates; i++)
        if (str_distance(value->text, str_from(aggregates[i].name)) <= 1 + value->text.len / 5)
            return kql_fail(kql, value->offset, value->text.len,
                            "%.*s isn't an aggregate that is supported here; did you mean %s?", STR_ARG(value->text),
                            aggregates[i].name);
    return kql_fail(kql, value->offset, value->text.len, "%.*s isn't an aggregate that is supported here", STR_ARG(value->text));
}

/* An aggregate, or an expression over some. */
static bool group_value(struct kql *kql, struct scope *scope, const struct node *node, struct group *group) {
    struct expr expr;
    const struct node *value = node->kind == NODE_NAMED ? node->args[0] : node;
    bool call = value->kind == NODE_CALL;
    if (call && (str_eq(value->text, STR("arg_max")) || str_eq(value->text, STR("arg_min"))))
        return group_extreme(kql, scope, node, value, group);
    if (call && str_starts(value->text, STR("percentile")))
        return group_percentiles(kql, scope, node, value, group);
    if (call && str_eq(value->text, STR("take_any")) && value->count && (value->count > 1 || value->args[0]->kind == NODE_STAR))
        return group_any(kql, scope, value, group);
    if (!holds_aggregate(value))
        return aggregate_unknown(kql, value);
    kql->aggregates = AGGREGATES_AROUND;
    if (!bind_expression(kql, scope, value, &expr))
        return false;
    kql->aggregates = AGGREGATES_NONE;
    struct str name = node->kind == NODE_NAMED ? node->text : column_name_free(kql, group->columns, group->count, expr.name);
    column_from(&group->columns[group->count++], name, &expr, kql);
    return true;
}

/* Inside of mv-apply each outer row has groups of its own. */
static void group_part(struct kql *kql, struct scope *scope, struct group *group) {
    struct column *column = &group->columns[group->count++];
    *column = scope->columns[scope->part - 1];
    group->keys = sql_join(kql, group->keys, ", ", column->sql);
    deps_add(&group->deps, &column->deps);
    scope->part = (int)group->count;
}

bool bind_summarize(struct kql *kql, const struct stage *stage, struct scope *scope) {
    size_t total = stage->by.count + stage->items.count;
    size_t room = total + 2 + stage->items.count * (scope->column_count + 50); /* arg_max makes many */
    struct group group = {.columns = take(kql, room, sizeof *group.columns)};
    if (!group.columns)
        return false;
    if (scope->part)
        group_part(kql, scope, &group);
    for (size_t i = 0; i < stage->by.count; i++)
        if (!group_key(kql, scope, stage->by.items[i], &group))
            return false;
    for (size_t i = 0; i < stage->items.count; i++)
        if (!group_value(kql, scope, stage->items.items[i], &group))
            return false;
    for (size_t i = 0; i < group.count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(group.columns[i].name, group.columns[k].name))
                return kql_fail(kql, stage->offset, stage->length, "two columns would be named %.*s", STR_ARG(group.columns[i].name));
    struct str suffix = group.keys.len ? sql_print(kql, " GROUP BY %.*s", STR_ARG(group.keys)) : STR("");
    scope->order = -1;
    return scope_close(kql, scope, group.columns, group.count, suffix, &group.deps, false);
}
