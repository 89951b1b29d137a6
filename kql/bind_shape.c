/* Operators that choose, name, order or cut: project and its kin, distinct, sort, top, take, count, getschema. */
#include <stdio.h>

#include "kql/internal.h"

/* The hidden columns that follow rows along: the outer row inside of mv-apply, the row order. */
static size_t carry_order(struct scope *scope, struct column *outputs, size_t count) {
    if (scope->part) {
        outputs[count] = scope->columns[scope->part - 1];
        scope->part = (int)++count;
    }
    if (scope->order < 0)
        return count;
    outputs[count] = scope->columns[scope->order];
    outputs[count].hidden = true;
    outputs[count].name = (struct str){0};
    scope->order = (int)count;
    return count + 1;
}

static bool bind_project(struct kql *kql, const struct stage *stage, struct scope *scope, bool distinct) {
    struct column *outputs = take(kql, scope->column_count + stage->items.count + 2, sizeof *outputs);
    size_t count = 0;
    if (!outputs)
        return false;
    for (size_t i = 0; i < stage->items.count; i++) {
        const struct node *node = stage->items.items[i];
        struct expr expr;
        if (node->kind == NODE_STAR && distinct && stage->items.count == 1) {
            for (size_t c = 0; c < scope->column_count; c++)
                if (!scope->columns[c].hidden)
                    outputs[count++] = scope->columns[c];
            break;
        }
        if (!bind_expression(kql, scope, node->kind == NODE_NAMED ? node->args[0] : node, &expr) || (distinct && !key_check(kql, &expr)))
            return false;
        bool plain = node->kind == NODE_NAMED || node->kind == NODE_NAME;
        struct str name = node->kind == NODE_NAMED ? node->text : expr.name;
        if (!plain)
            name = column_name_free(kql, outputs, count, name);
        for (size_t c = 0; c < count; c++)
            if (str_eq(outputs[c].name, name))
                return kql_fail(kql, node->offset, node->length, "two columns would be named %.*s", STR_ARG(name));
        column_from(&outputs[count++], name, &expr, kql);
    }
    if (distinct)
        scope->order = -1;
    count = carry_order(scope, outputs, count);
    return scope_close(kql, scope, outputs, count, STR(""), NULL, distinct);
}

bool pattern_matches(struct str pattern, struct str name) {
    size_t p = 0, n = 0, star = SIZE_MAX, mark = 0;
    while (n < name.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = n;
        } else if (p < pattern.len && pattern.ptr[p] == name.ptr[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* Columns that a pattern chose, by name. */
static void places_sort(const struct scope *scope, size_t *places, size_t count, bool ascending) {
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0; k--) {
            int order = str_cmp(scope->columns[places[k - 1]].name, scope->columns[places[k]].name);
            if (ascending ? order <= 0 : order >= 0)
                break;
            size_t place = places[k];
            places[k] = places[k - 1];
            places[k - 1] = place;
        }
}

/* Marks the columns that the patterns name, in *place their order; false when a plain name is none of them. */
static bool patterns_apply(struct kql *kql, const struct stage *stage, struct scope *scope, size_t *order, size_t *count) {
    bool taken[COLUMNS_MAX] = {false};
    for (size_t i = 0; i < stage->items.count; i++) {
        const struct node *node = stage->items.items[i];
        struct expr expr;
        size_t before = *count;
        if (node->kind == NODE_NAME && !scope_find(scope, node->text) && !bind_name(kql, scope, node, &expr))
            return false;
        for (size_t c = 0; c < scope->column_count; c++) {
            const struct column *column = &scope->columns[c];
            bool hit = node->kind == NODE_STAR ? pattern_matches(node->text, column->name)
                                               : str_eq(column->name, node->text) || str_eq_nocase(column->name, node->text);
            if (!hit || column->hidden || taken[c])
                continue;
            taken[c] = true;
            order[(*count)++] = c;
        }
        if (node->sorted)
            places_sort(scope, order + before, *count - before, node->ascending);
    }
    return true;
}

static bool bind_choose(struct kql *kql, const struct stage *stage, struct scope *scope) {
    size_t order[COLUMNS_MAX], named = 0, count = 0;
    bool chosen[COLUMNS_MAX] = {false};
    struct column *outputs = take(kql, scope->column_count + 1, sizeof *outputs);
    if (!outputs || !patterns_apply(kql, stage, scope, order, &named))
        return false;
    for (size_t i = 0; i < named; i++) {
        chosen[order[i]] = true;
        if (stage->kind == STAGE_PROJECT_REORDER)
            outputs[count++] = scope->columns[order[i]];
    }
    for (size_t c = 0; c < scope->column_count; c++)
        if (!scope->columns[c].hidden && chosen[c] == (stage->kind == STAGE_PROJECT_KEEP))
            outputs[count++] = scope->columns[c];
    count = carry_order(scope, outputs, count);
    return scope_close(kql, scope, outputs, count, STR(""), NULL, false);
}

static bool bind_rename(struct kql *kql, const struct stage *stage, struct scope *scope) {
    struct column *outputs = take(kql, scope->column_count, sizeof *outputs);
    if (!outputs)
        return false;
    mem_copy(outputs, scope->columns, scope->column_count * sizeof *outputs);
    for (size_t i = 0; i < stage->items.count; i++) {
        const struct node *node = stage->items.items[i];
        if (node->kind != NODE_NAMED || node->args[0]->kind != NODE_NAME)
            return kql_fail(kql, node->offset, node->length, "project-rename takes New = Old");
        struct column *column = scope_find(scope, node->args[0]->text);
        struct expr expr;
        if (!column)
            return bind_name(kql, scope, node->args[0], &expr) && kql_fail(kql, node->offset, node->length, "no such column");
        outputs[column - scope->columns].name = node->text;
    }
    return scope_close(kql, scope, outputs, scope->column_count, STR(""), NULL, false);
}

static bool order_text(struct kql *kql, const struct stage *stage, struct scope *scope, struct str *text, struct deps *deps) {
    *text = (struct str){0};
    for (size_t i = 0; i < stage->by.count; i++) {
        const struct node *node = stage->by.items[i];
        const struct node *value = node->args[0]->kind == NODE_NAMED ? node->args[0]->args[0] : node->args[0];
        struct expr expr;
        if (!bind_expression(kql, scope, value, &expr) || !key_check(kql, &expr))
            return false;
        bool first = node->nulls_given ? node->nulls_first : node->ascending;
        struct str part = sql_print(kql, "%.*s%s %s NULLS %s", STR_ARG(sql_of(kql, &expr)),
                                    expr.type == KQL_STRING ? " COLLATE \"C\"" : "", node->ascending ? "ASC" : "DESC",
                                    first ? "FIRST" : "LAST");
        *text = sql_join(kql, *text, ", ", part);
        deps_add(deps, &expr.deps);
    }
    return true;
}

bool row_count_read(struct kql *kql, const struct stage *stage, const struct node *node, int64_t *count) {
    struct expr expr;
    if (!bind_expression(kql, NULL, node, &expr))
        return false;
    if (!expr.constant || (expr.type != KQL_LONG && expr.type != KQL_INT) || expr.literal.null || expr.literal.number < 0)
        return kql_fail(kql, expr.offset, expr.length, "%.*s needs a number of rows", STR_ARG(stage->name));
    *count = expr.literal.number;
    return true;
}

/* row_number() over the rows, or over those of each outer row of mv-apply. */
static struct str row_place(struct kql *kql, const struct scope *scope, struct str order, struct deps *deps) {
    struct str by = order.len ? sql_print(kql, "ORDER BY %.*s", STR_ARG(order)) : STR("");
    if (!scope->part)
        return sql_print(kql, "row_number() OVER (%.*s)", STR_ARG(by));
    const struct column *part = &scope->columns[scope->part - 1];
    deps_add(deps, &part->deps);
    return sql_print(kql, "row_number() OVER (PARTITION BY %.*s %.*s)", STR_ARG(part->sql), STR_ARG(by));
}

/* The rows whose place in the hidden column is within the number. */
static bool rows_cut(struct kql *kql, struct scope *scope, size_t place, int64_t rows) {
    const struct column *column = &scope->columns[place];
    struct expr within = {.type = KQL_BOOL, .deps = column->deps, .sql = sql_print(kql, "%.*s <= %lld", STR_ARG(column->sql), (long long)rows)};
    return condition_add(kql, scope, &within);
}

/* sort and top put the row's place into a hidden column, which later steps carry along. */
static bool bind_sort(struct kql *kql, const struct stage *stage, struct scope *scope) {
    struct column *outputs = take(kql, scope->column_count + 1, sizeof *outputs);
    struct str text, suffix = STR("");
    struct deps deps = {0};
    int64_t rows = 0;
    size_t count = 0;
    int part = 0;
    bool top = stage->kind == STAGE_TOP;
    if (!outputs || !order_text(kql, stage, scope, &text, &deps) || (top && !row_count_read(kql, stage, stage->items.items[0], &rows)))
        return false;
    struct str place = row_place(kql, scope, text, &deps);
    for (size_t i = 0; i < scope->column_count; i++)
        if ((int)i != scope->order) {
            part = (int)i == scope->part - 1 ? (int)count + 1 : part;
            outputs[count++] = scope->columns[i];
        }
    outputs[count] = (struct column){.type = KQL_LONG, .hidden = true, .deps = deps, .sql = place};
    scope->order = (int)count++;
    scope->part = part;
    if (top && !part)
        suffix = sql_print(kql, " ORDER BY %.*s LIMIT %lld", STR_ARG(text), (long long)rows);
    return scope_close(kql, scope, outputs, count, suffix, &deps, false) && (!top || !part || rows_cut(kql, scope, count - 1, rows));
}

static bool take_each(struct kql *kql, struct scope *scope, int64_t rows) {
    struct column *outputs = take(kql, scope->column_count + 1, sizeof *outputs);
    size_t count = scope->column_count;
    struct str order = STR("");
    struct deps deps = {0};
    if (!outputs)
        return false;
    if (scope->order >= 0) {
        order = scope->columns[scope->order].sql;
        deps = scope->columns[scope->order].deps;
    }
    mem_copy(outputs, scope->columns, count * sizeof *outputs);
    struct str place = row_place(kql, scope, order, &deps);
    outputs[count] = (struct column){.type = KQL_LONG, .hidden = true, .deps = deps, .sql = place};
    return scope_close(kql, scope, outputs, count + 1, STR(""), NULL, false) && rows_cut(kql, scope, count, rows);
}

static bool bind_take(struct kql *kql, const struct stage *stage, struct scope *scope) {
    int64_t rows;
    struct str suffix;
    struct deps deps = {0};
    if (!row_count_read(kql, stage, stage->items.items[0], &rows))
        return false;
    if (scope->part)
        return take_each(kql, scope, rows);
    if (scope->order >= 0) {
        const struct column *column = &scope->columns[scope->order];
        suffix = sql_print(kql, " ORDER BY %.*s LIMIT %lld", STR_ARG(column->sql), (long long)rows);
        deps = column->deps;
    } else {
        suffix = sql_print(kql, " LIMIT %lld", (long long)rows);
    }
    return scope_close(kql, scope, scope->columns, scope->column_count, suffix, &deps, false);
}

static bool bind_count(struct kql *kql, struct scope *scope) {
    struct column *output = take(kql, 1, sizeof *output);
    if (!output)
        return false;
    *output = (struct column){.name = STR("Count"), .type = KQL_LONG, .sql = STR("count(*)"), .role = ROLE_COUNT};
    scope->order = -1;
    return scope_close(kql, scope, output, 1, STR(""), NULL, false);
}

static const char *clr_type(enum kql_type type) {
    static const char *const names[] = {"System.String",   "System.Int64",  "System.Int32",
                                        "System.SByte",    "System.DateTime", "System.TimeSpan",
                                        "System.Double",   "System.Data.SqlTypes.SqlDecimal", "System.Guid",
                                        "System.Object"};
    return names[type];
}

static bool bind_getschema(struct kql *kql, struct scope *scope) {
    static const char *const names[] = {"ColumnName", "ColumnOrdinal", "DataType", "ColumnType"};
    struct str rows = {0};
    int place = 0;
    for (size_t i = 0; i < scope->column_count; i++) {
        const struct column *column = &scope->columns[i];
        if (column->hidden)
            continue;
        struct str row = sql_print(kql, "(%.*s, %d::bigint, '%s'::text, '%s'::text)", STR_ARG(sql_text(kql, column->name)), place++,
                                   clr_type(column->type), kql_type_name(column->type));
        rows = sql_join(kql, rows, ", ", row);
    }
    struct column *columns = take(kql, 4, sizeof *columns);
    if (!columns)
        return false;
    for (size_t i = 0; i < 4; i++) {
        columns[i] = (struct column){.name = str_from(names[i]), .type = i == 1 ? KQL_LONG : KQL_STRING};
        columns[i].sql = sql_print(kql, "r.c%zu", i);
        columns[i].deps.bits[0] = UINT64_C(1) << i;
    }
    if (!rows.len)
        return err_set(kql->err, ERR_BAD_QUERY, "the table has no columns");
    *scope = (struct scope){.columns = columns, .column_count = 4, .order = -1};
    scope->raw = sql_print(kql, "(VALUES %.*s) r(c0, c1, c2, c3)", STR_ARG(rows));
    return true;
}

bool bind_shape(struct kql *kql, const struct stage *stage, struct scope *scope) {
    switch (stage->kind) {
    case STAGE_PROJECT:
        return bind_project(kql, stage, scope, false);
    case STAGE_DISTINCT:
        return bind_project(kql, stage, scope, true);
    case STAGE_PROJECT_AWAY:
    case STAGE_PROJECT_KEEP:
    case STAGE_PROJECT_REORDER:
        return bind_choose(kql, stage, scope);
    case STAGE_PROJECT_RENAME:
        return bind_rename(kql, stage, scope);
    case STAGE_SORT:
    case STAGE_TOP:
        return bind_sort(kql, stage, scope);
    case STAGE_TAKE:
        return bind_take(kql, stage, scope);
    case STAGE_COUNT:
        return bind_count(kql, scope);
    case STAGE_GETSCHEMA:
        return bind_getschema(kql, scope);
    case STAGE_WHERE:
    case STAGE_SUMMARIZE:
    case STAGE_EXTEND:
    case STAGE_JOIN:
    case STAGE_LOOKUP:
    case STAGE_UNION:
    case STAGE_MV_EXPAND:
    case STAGE_PARSE:
    case STAGE_PARSE_WHERE:
    case STAGE_PARSE_KV:
    case STAGE_INVOKE:
    case STAGE_MV_APPLY:
    case STAGE_RENDER:
    case STAGE_AS:
    case STAGE_COUNT_OF:
        break;
    }
    return kql_fail(kql, stage->offset, stage->length, "%.*s isn't supported here", STR_ARG(stage->name));
}
