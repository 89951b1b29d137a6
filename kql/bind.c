/* Scopes and pipelines: how operators chain into SELECTs. */
#include <stdarg.h>
#include <stdio.h>

#include "kql/internal.h"

void *take(struct kql *kql, size_t count, size_t size) {
    void *memory = arena_array(kql->arena, count ? count : 1, size);
    if (!memory) {
        kql->failed = true;
        err_memory(kql->err);
    }
    return memory;
}

void *grow(struct kql *kql, void *items, size_t count, size_t *room, size_t size) {
    void *grown = arena_grow(kql->arena, items, count, 1, room, size);
    if (!grown) {
        kql->failed = true;
        err_memory(kql->err);
    }
    return grown;
}

bool kql_fail(struct kql *kql, size_t offset, size_t length, const char *format, ...) {
    char text[400];
    va_list args;
    if (kql->failed) /* what looks like a mistake may come of names and texts that got no memory */
        return err_memory(kql->err);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(kql->err, ERR_BAD_QUERY, "%s", text);
    err_place(kql->err, kql->text, offset, length);
    return false;
}

void deps_add(struct deps *deps, const struct deps *more) {
    for (size_t i = 0; i < sizeof deps->bits / sizeof *deps->bits; i++)
        deps->bits[i] |= more->bits[i];
}

uint8_t scope_slot(const struct scope *scope, const struct deps *deps) {
    uint8_t slot = NO_SLOT;
    if (!scope || !scope->table)
        return NO_SLOT;
    for (size_t i = 0; i < scope->column_count; i++) {
        if (!(deps->bits[i / 64] >> (i % 64) & 1))
            continue;
        const struct schema_column *column = scope->columns[i].schema;
        if (!column || column->storage != STORED_TUPLE || (slot != NO_SLOT && slot != column->slot_index))
            return NO_SLOT;
        slot = column->slot_index;
    }
    return slot;
}

struct column *scope_find(struct scope *scope, struct str name) {
    for (size_t i = 0; scope && name.len && i < scope->column_count; i++)
        if (str_eq(scope->columns[i].name, name))
            return &scope->columns[i];
    return NULL;
}

bool condition_add(struct kql *kql, struct scope *scope, const struct expr *expr) {
    if (scope->condition_count == CONDITIONS_MAX)
        return kql_fail(kql, expr->offset, expr->length, "more than %d conditions", CONDITIONS_MAX);
    struct condition *grown =
        grow(kql, scope->conditions, scope->condition_count, &scope->condition_size, sizeof *grown);
    if (!grown)
        return false;
    scope->conditions = grown;
    uint8_t slot = expr->constant ? NO_SLOT : scope_slot(scope, &expr->deps);
    bool parts = slot == NO_SLOT && expr->condition.ptr;
    struct str sql = parts ? expr->condition : sql_of(kql, expr);
    scope->conditions[scope->condition_count++] =
        (struct condition){sql, parts ? expr->condition_deps : expr->deps, slot, expr->inner, expr->needles};
    return true;
}

void column_from(struct column *column, struct str name, struct expr *expr, struct kql *kql) {
    *column = (struct column){.name = name, .type = expr->type, .sql = sql_of(kql, expr), .deps = expr->deps};
    column->nullable = expr->constant ? expr->literal.null : expr->nullable;
    column->role = expr->role;
    column->timestamp = expr->timestamp;
}

struct str column_name_free(struct kql *kql, const struct column *columns, size_t count, struct str name) {
    struct str tried = name.len ? name : STR("Column1");
    for (unsigned n = name.len ? 1 : 2;; n++) {
        size_t i = 0;
        while (i < count && !str_eq(columns[i].name, tried))
            i++;
        if (i == count)
            return tried;
        tried = sql_print(kql, "%.*s%u", STR_ARG(name.len ? name : STR("Column")), n);
        if (!tried.ptr)
            return STR("");
    }
}

/* The same columns, read from the select that just was closed. */
static bool scope_reopen(struct kql *kql, struct scope *scope, struct select *select) {
    struct column *columns = take(kql, select->column_count, sizeof *columns);
    if (!columns)
        return false;
    for (size_t i = 0; i < select->column_count; i++) {
        columns[i] = select->columns[i];
        columns[i].sql = sql_print(kql, "r.c%zu", i);
        columns[i].deps = (struct deps){0};
        columns[i].deps.bits[i / 64] = UINT64_C(1) << (i % 64);
    }
    bool main = scope->main;
    int order = scope->order, part = scope->part;
    const struct schema_table *origin = scope->table ? scope->table : scope->origin;
    *scope = (struct scope){.input = select, .columns = columns, .column_count = select->column_count, .order = order, .main = main, .part = part,
                            .origin = origin};
    return true;
}

bool scope_close(struct kql *kql, struct scope *scope, struct column *outputs, size_t count, struct str suffix,
                 const struct deps *suffix_deps, bool distinct) {
    if (count > COLUMNS_MAX - 2)
        return err_set(kql->err, ERR_BAD_QUERY, "a step of the query has more than %d columns", COLUMNS_MAX - 2);
    if (kql->select_count == SELECTS_MAX)
        return err_set(kql->err, ERR_BAD_QUERY, "the query has more than %d steps", SELECTS_MAX);
    struct select *select = take(kql, 1, sizeof *select);
    if (!select)
        return false;
    *select = (struct select){.id = (unsigned)kql->select_count, .input = scope->input, .table = scope->table,
                              .raw = scope->raw, .conditions = scope->conditions,
                              .condition_count = scope->condition_count, .columns = outputs, .column_count = count,
                              .distinct = distinct, .suffix = suffix, .right = scope->right, .join = scope->join,
                              .suffix_deps = scope->join_deps, .main = scope->main};
    if (suffix_deps)
        deps_add(&select->suffix_deps, suffix_deps);
    kql->selects[kql->select_count++] = select;
    return scope_reopen(kql, scope, select);
}

const struct let *let_find(const struct kql *kql, struct str name) {
    for (size_t i = kql->let_limit; i-- > 0;)
        if (str_eq(kql->query.lets[i].name, name))
            return &kql->query.lets[i];
    return NULL;
}

/* Evidence: the keys of the events themselves, where the query would first fold them together. */
bool bind_evidence(struct kql *kql, struct scope *scope) {
    static const char *const keys[] = {"$time", "$arrived", "$table"};
    enum { KEYS = sizeof keys / sizeof *keys };
    struct column *device = scope_find(scope, STR("DeviceId")), *outputs = take(kql, KEYS, sizeof *outputs);
    if (!outputs)
        return false;
    if (!device || !device->schema)
        return err_set(kql->err, ERR_BAD_QUERY, "the query has no DeviceId where its events are folded together: there is no evidence to show");
    struct str id = sql_text(kql, kql->options->device);
    struct expr condition = {.type = KQL_BOOL, .sql = sql_print(kql, "%.*s = %.*s", STR_ARG(device->sql), STR_ARG(id)),
                             .deps = device->deps};
    if (!condition_add(kql, scope, &condition))
        return false;
    for (size_t i = 0; i < KEYS; i++) {
        const struct column *key = scope_find(scope, str_from(keys[i]));
        if (!key)
            return err_set(kql->err, ERR_BAD_QUERY, "the query's rows are no events of a table: there is no evidence to show");
        outputs[i] = *key;
        outputs[i].hidden = false;
    }
    scope->order = -1;
    kql->evidence_done = true;
    return scope_close(kql, scope, outputs, KEYS, STR(""), NULL, false);
}

static bool folds_events(enum stage_kind kind) {
    return kind == STAGE_SUMMARIZE || kind == STAGE_DISTINCT || kind == STAGE_PROJECT || kind == STAGE_COUNT ||
           kind == STAGE_PROJECT_AWAY || kind == STAGE_PROJECT_KEEP || kind == STAGE_PROJECT_RENAME ||
           kind == STAGE_PROJECT_REORDER || kind == STAGE_GETSCHEMA || kind == STAGE_JOIN || kind == STAGE_LOOKUP || kind == STAGE_UNION ||
           kind == STAGE_MV_EXPAND || kind == STAGE_INVOKE || kind == STAGE_MV_APPLY;
}

/* Hits: the stages up to the one that folds, then only a look at those behind it. */
static bool bind_hits(struct kql *kql, const struct stage *stage, struct scope *scope) {
    if (!hits_stage(kql, stage))
        return false;
    if (kql->evidence_done || stage->kind == STAGE_SORT)
        return true;
    return folds_events(stage->kind) ? hits_close(kql, scope) : bind_stage(kql, stage, scope);
}

/* Nothing in, nothing out. */
static bool keeps_empty(const struct stage *stage) {
    return stage->kind != STAGE_COUNT && stage->kind != STAGE_GETSCHEMA && stage->kind != STAGE_JOIN &&
           stage->kind != STAGE_LOOKUP && stage->kind != STAGE_UNION && (stage->kind != STAGE_SUMMARIZE || stage->has_by);
}

bool bind_pipeline(struct kql *kql, const struct pipeline *table, struct scope *out) {
    if (++kql->depth > PARSE_MAX_DEPTH)
        return kql_fail(kql, table->offset, table->length, "the query is nested too deeply");
    if (!bind_source(kql, table, out))
        return false;
    for (size_t i = 0; i < table->stage_count && (!kql->evidence_done || hits_wanted(kql)); i++) {
        bool evidence = kql->in_main && kql->options->device.ptr && folds_events(table->stages[i].kind);
        if (hits_wanted(kql) ? !bind_hits(kql, &table->stages[i], out)
                             : evidence ? !bind_evidence(kql, out) : !bind_stage(kql, &table->stages[i], out))
            return false;
        if (kql->in_main && !keeps_empty(&table->stages[i]))
            kql->empty_without_events = false;
    }
    kql->depth--;
    return true;
}

bool bind_subquery(struct kql *kql, const struct pipeline *table, struct str *sql, enum kql_type *type) {
    struct scope scope = {.order = -1};
    struct kql outer = *kql;
    kql->in_main = false;
    kql->aggregates = AGGREGATES_NONE;
    if (!bind_pipeline(kql, table, &scope))
        return false;
    kql->in_main = outer.in_main;
    kql->aggregates = outer.aggregates;
    size_t first = 0;
    while (first < scope.column_count && scope.columns[first].hidden)
        first++;
    if (first == scope.column_count)
        return kql_fail(kql, table->offset, table->length, "this table has no columns");
    struct column *output = take(kql, 1, sizeof *output);
    if (!output)
        return false;
    *output = scope.columns[first];
    *type = output->type;
    if (!scope_close(kql, &scope, output, 1, STR(""), NULL, false))
        return false;
    output->used = true;
    kql->subqueries++;
    *sql = sql_print(kql, "(SELECT s.c0 FROM q%u s)", scope.input->id);
    return true;
}

/* What a condition says of the main table's time. */
static void window_narrow(struct kql *kql, const struct expr *expr) {
    if (!expr->bounds)
        return;
    if (expr->low > kql->own_from)
        kql->own_from = expr->low;
    if (expr->low >= 0 && expr->low > kql->window_from)
        kql->window_from = expr->low;
    if (expr->high >= 0 && (kql->window_to < 0 || expr->high < kql->window_to))
        kql->window_to = expr->high;
}

static bool bind_where(struct kql *kql, const struct node *node, struct scope *scope) {
    if (node->kind == NODE_BINARY && str_eq(node->text, STR("and"))) {
        for (size_t i = 0; i < node->count; i++)
            if (!bind_where(kql, node->args[i], scope))
                return false;
        return true;
    }
    struct expr expr;
    if (!bind_expression(kql, scope, node, &expr))
        return false;
    if (!expr_convert(kql, &expr, KQL_BOOL))
        return kql_fail(kql, node->offset, node->length, "where needs a condition; this is a %s", kql_type_name(expr.type));
    if (scope->main && scope->table)
        window_narrow(kql, &expr);
    if (hits_moving(kql, node, scope, &expr))
        return true;
    return condition_add(kql, scope, &expr);
}

/* Set or add columns by name, at their place. */
static bool bind_extend(struct kql *kql, const struct stage *stage, struct scope *scope) {
    struct column *outputs = take(kql, scope->column_count + stage->items.count, sizeof *outputs);
    size_t count = scope->column_count;
    if (!outputs)
        return false;
    mem_copy(outputs, scope->columns, count * sizeof *outputs);
    for (size_t i = 0; i < stage->items.count; i++) {
        const struct node *node = stage->items.items[i];
        struct expr expr;
        if (!bind_expression(kql, scope, node->kind == NODE_NAMED ? node->args[0] : node, &expr))
            return false;
        struct str name = node->kind == NODE_NAMED ? node->text : expr.name;
        size_t at = 0;
        if (!name.len)
            name = column_name_free(kql, outputs, count, name);
        while (at < count && !str_eq(outputs[at].name, name))
            at++;
        count += at == count;
        column_from(&outputs[at], name, &expr, kql);
    }
    return scope_close(kql, scope, outputs, count, STR(""), NULL, false);
}

/* invoke f(…): f's first parameter is the table so far. */
static bool bind_invoke(struct kql *kql, const struct stage *stage, struct scope *scope) {
    const struct node *call = stage->items.items[0];
    if (call->kind != NODE_CALL)
        return kql_fail(kql, call->offset, call->length, "invoke needs a function call");
    if (!scope_close(kql, scope, scope->columns, scope->column_count, STR(""), NULL, false))
        return false;
    struct scope rows = *scope;
    return bind_function_rows(kql, call, &rows, scope);
}

/* What works on each outer row's rows by themselves. */
static bool stage_parts(enum stage_kind kind) {
    return kind == STAGE_WHERE || kind == STAGE_EXTEND || kind == STAGE_SUMMARIZE || kind == STAGE_PROJECT || kind == STAGE_PROJECT_AWAY ||
           kind == STAGE_PROJECT_KEEP || kind == STAGE_PROJECT_RENAME || kind == STAGE_PROJECT_REORDER || kind == STAGE_TOP ||
           kind == STAGE_SORT || kind == STAGE_TAKE;
}

bool bind_stage(struct kql *kql, const struct stage *stage, struct scope *scope) {
    if (scope->part && !stage_parts(stage->kind))
        return kql_fail(kql, stage->offset, stage->name.len, "%.*s isn't supported inside of mv-apply", STR_ARG(stage->name));
    if (stage->kind == STAGE_MV_APPLY)
        return bind_apply(kql, stage, scope);
    if (stage->kind == STAGE_WHERE)
        return bind_where(kql, stage->items.items[0], scope);
    if (stage->kind == STAGE_EXTEND)
        return bind_extend(kql, stage, scope);
    if (stage->kind == STAGE_SUMMARIZE)
        return bind_summarize(kql, stage, scope);
    if (stage->kind == STAGE_JOIN || stage->kind == STAGE_LOOKUP)
        return bind_join(kql, stage, scope);
    if (stage->kind == STAGE_UNION)
        return bind_union(kql, stage, scope, scope);
    if (stage->kind == STAGE_MV_EXPAND)
        return bind_expand(kql, stage, scope);
    if (stage->kind == STAGE_INVOKE)
        return bind_invoke(kql, stage, scope);
    if (stage->kind == STAGE_PARSE || stage->kind == STAGE_PARSE_WHERE)
        return bind_parse(kql, stage, scope);
    if (stage->kind == STAGE_PARSE_KV)
        return bind_pairs(kql, stage, scope);
    if (stage->kind == STAGE_RENDER || stage->kind == STAGE_AS)
        return true;
    return bind_shape(kql, stage, scope);
}
