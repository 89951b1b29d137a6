/* mv-expand and mv-apply: a row for each item of the arrays, the arrays side by side, the shorter ones filled with null. */
#include "kql/internal.h"

enum { EXPANDED_MAX = 20 };

struct expansion {
    struct str calls;  /* kql.expand(…), … */
    struct str names;  /* v0, v1, … */
    struct deps deps;
    struct column *outputs;
    size_t count;
};

static size_t output_place(const struct expansion *expansion, struct str name) {
    size_t at = 0;
    while (at < expansion->count && (expansion->outputs[at].hidden || !str_eq(expansion->outputs[at].name, name)))
        at++;
    return at;
}

static bool expand_item(struct kql *kql, const struct stage *stage, struct scope *scope, size_t i, struct expansion *expansion) {
    const struct node *node = stage->items.items[i], *type = stage->types.items[i];
    struct expr array, item = {.type = KQL_DYNAMIC, .nullable = true, .low = -1, .high = -1};
    enum kql_type wanted = KQL_STRING;
    if (!bind_expression(kql, scope, node->kind == NODE_NAMED ? node->args[0] : node, &array))
        return false;
    if (array.type != KQL_DYNAMIC)
        return kql_fail(kql, node->offset, node->length, "%.*s takes a dynamic value; this is a %s: read it with parse_json()",
                        STR_ARG(stage->name), kql_type_name(array.type));
    struct str call = sql_print(kql, "kql.expand(%.*s, %s)", STR_ARG(sql_of(kql, &array)), stage->pairs ? "true" : "false");
    expansion->calls = sql_join(kql, expansion->calls, ", ", call);
    expansion->names = sql_join(kql, expansion->names, ", ", sql_print(kql, "v%zu", i));
    deps_add(&expansion->deps, &array.deps);
    item.sql = sql_print(kql, "e.v%zu", i);
    if (type->kind == NODE_LITERAL) {
        literal_type_find(type->literal.text, &wanted);
        expr_convert(kql, &item, wanted);
    }
    struct str name = node->kind == NODE_NAMED ? node->text : array.name;
    if (!name.len)
        name = column_name_free(kql, expansion->outputs, expansion->count, name);
    size_t at = output_place(expansion, name);
    expansion->count += at == expansion->count;
    column_from(&expansion->outputs[at], name, &item, kql);
    return true;
}

static bool expand_items(struct kql *kql, const struct stage *stage, struct scope *scope, struct expansion *expansion) {
    if (stage->items.count > EXPANDED_MAX)
        return kql_fail(kql, stage->offset, stage->length, "%.*s takes at most %d arrays", STR_ARG(stage->name), EXPANDED_MAX);
    for (size_t i = 0; i < stage->items.count; i++)
        if (!expand_item(kql, stage, scope, i, expansion))
            return false;
    if (!stage->index_name.len)
        return true;
    struct column *index = &expansion->outputs[expansion->count++];
    *index = (struct column){.name = stage->index_name, .type = KQL_LONG, .sql = STR("(e.place - 1)")};
    return true;
}

/* The rows of a scope that was just closed. */
static bool expand_rows(struct kql *kql, const struct stage *stage, struct scope *scope) {
    int64_t rows = -1;
    struct str limit = STR("");
    struct expansion expansion = {.count = scope->column_count};
    expansion.outputs = take(kql, scope->column_count + stage->items.count + 1, sizeof *expansion.outputs);
    if (!expansion.outputs)
        return false;
    mem_copy(expansion.outputs, scope->columns, scope->column_count * sizeof *expansion.outputs);
    if (!expand_items(kql, stage, scope, &expansion))
        return false;
    if (stage->by.count && !row_count_read(kql, stage, stage->by.items[0], &rows))
        return false;
    if (rows >= 0)
        limit = sql_print(kql, " LIMIT %lld", (long long)rows);
    scope->join = sql_print(kql, "q%u r CROSS JOIN LATERAL (SELECT * FROM ROWS FROM (%.*s) WITH ORDINALITY AS x(%.*s, place)%.*s) e",
                            scope->input->id, STR_ARG(expansion.calls), STR_ARG(expansion.names), STR_ARG(limit));
    scope->join_deps = expansion.deps;
    return scope_close(kql, scope, expansion.outputs, expansion.count, STR(""), NULL, false);
}

bool bind_expand(struct kql *kql, const struct stage *stage, struct scope *scope) {
    return scope_close(kql, scope, scope->columns, scope->column_count, STR(""), NULL, false) && expand_rows(kql, stage, scope);
}

/* Ends the SELECT with one more column, hidden: the row's number. */
static bool number_rows(struct kql *kql, struct scope *scope, size_t *number) {
    struct column *outputs = take(kql, scope->column_count + 1, sizeof *outputs);
    if (!outputs)
        return false;
    mem_copy(outputs, scope->columns, scope->column_count * sizeof *outputs);
    *number = scope->column_count;
    outputs[*number] = (struct column){.type = KQL_LONG, .hidden = true, .sql = STR("row_number() OVER ()")};
    return scope_close(kql, scope, outputs, *number + 1, STR(""), NULL, false);
}

/* Column i of the inner SELECT, beside the outer one of that width. */
static struct column inner_column(struct kql *kql, const struct scope *inner, size_t i, size_t width) {
    struct column column = inner->columns[i];
    column.sql = sql_print(kql, "s.c%zu", i);
    column.deps = (struct deps){0};
    column.deps.bits[(width + i) / 64] = UINT64_C(1) << ((width + i) % 64);
    column.timestamp = false;
    return column;
}

/* The outer columns, then those that the inner operators made; where both have a name, the inner one stands in its place. */
static size_t apply_columns(struct kql *kql, struct scope *outer, struct scope *inner, struct column *outputs) {
    size_t count = 0;
    for (size_t i = 0; i < outer->column_count; i++) {
        const struct column *column = scope_find(inner, outer->columns[i].name);
        bool order = (int)i == outer->order;
        if (outer->columns[i].hidden && !order)
            continue;
        outer->order = order ? (int)count : outer->order;
        outputs[count++] = column && !order ? inner_column(kql, inner, (size_t)(column - inner->columns), outer->column_count) : outer->columns[i];
    }
    for (size_t i = 0; i < inner->column_count; i++)
        if (!inner->columns[i].hidden && !scope_find(outer, inner->columns[i].name))
            outputs[count++] = inner_column(kql, inner, i, outer->column_count);
    return count;
}

/* mv-apply: operators over the expanded rows of each row by itself; what is left comes beside the row again. */
bool bind_apply(struct kql *kql, const struct stage *stage, struct scope *scope) {
    size_t number;
    if (!number_rows(kql, scope, &number))
        return false;
    struct scope outer = *scope, inner = *scope;
    inner.order = -1;
    inner.main = false;
    inner.part = (int)number + 1;
    if (!expand_rows(kql, stage, &inner))
        return false;
    for (size_t i = 0; i < stage->right->stage_count; i++)
        if (!bind_stage(kql, &stage->right->stages[i], &inner))
            return false;
    if (!scope_close(kql, &inner, inner.columns, inner.column_count, STR(""), NULL, false))
        return false;
    struct column *outputs = take(kql, outer.column_count + inner.column_count, sizeof *outputs);
    if (!outputs)
        return false;
    if (outer.column_count + inner.column_count > COLUMNS_MAX - 2)
        return kql_fail(kql, stage->offset, stage->name.len, "mv-apply has more than %d columns", COLUMNS_MAX - 2);
    size_t part = (size_t)inner.part - 1;
    struct column link = inner_column(kql, &inner, part, outer.column_count);
    size_t count = apply_columns(kql, &outer, &inner, outputs);
    *scope = (struct scope){.input = outer.input, .right = inner.input, .order = outer.order, .main = outer.main, .origin = outer.origin};
    scope->join = sql_print(kql, "q%u r JOIN q%u s ON %.*s = r.c%zu", outer.input->id, inner.input->id, STR_ARG(link.sql), number);
    scope->join_deps = link.deps;
    deps_add(&scope->join_deps, &outer.columns[number].deps);
    return scope_close(kql, scope, outputs, count, STR(""), NULL, false);
}
