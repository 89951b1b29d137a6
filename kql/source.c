/* Where rows come from: event tables, let tables, datatable, print, range. */
#include <stdio.h>

#include "kql/internal.h"

static struct str base_sql(struct kql *kql, const struct schema_column *column) {
    bool whole = column->type == KQL_LONG || column->type == KQL_INT;
    const char *cast = whole ? "::bigint" : column->type == KQL_DYNAMIC ? "::jsonb" : "";
    if (column->storage == STORED_TUPLE)
        return sql_print(kql, "%s.%s%s", column->slot, column->sql, cast);
    if (column->storage == STORED_COMMAND)
        return sql_print(kql, "(%s.program || coalesce(t.%s, ''))", column->slot, column->sql);
    if (column->storage == STORED_PLAIN && (column->type == KQL_STRING || column->type == KQL_GUID))
        return sql_print(kql, "coalesce(t.%s, '')", column->sql);
    return sql_print(kql, "t.%s%s", column->sql, column->storage == STORED_PLAIN ? cast : "");
}

static enum kql_role base_role(const struct schema_column *column) {
    struct str name = str_from(column->name);
    if (column->storage == STORED_TS)
        return ROLE_TIMESTAMP;
    if (column->storage == STORED_REPORT)
        return ROLE_REPORT;
    if (str_eq(name, STR("DeviceId")))
        return ROLE_DEVICE_ID;
    return str_eq(name, STR("DeviceName")) ? ROLE_DEVICE_NAME : ROLE_NONE;
}

static void base_column(struct kql *kql, const struct schema_column *schema, size_t i, struct column *column) {
    *column = (struct column){.name = str_from(schema->name), .type = schema->type, .sql = base_sql(kql, schema),
                              .nullable = schema->storage != STORED_TS && schema->type != KQL_STRING,
                              .timestamp = schema->storage == STORED_TS, .role = base_role(schema), .schema = schema};
    column->deps.bits[i / 64] = UINT64_C(1) << (i % 64);
}

static void hidden_column(struct column *column, size_t i, struct str name, enum kql_type type, struct str sql) {
    *column = (struct column){.name = name, .type = type, .sql = sql, .nullable = type != KQL_STRING, .hidden = true};
    column->deps.bits[i / 64] = UINT64_C(1) << (i % 64);
}

static bool base_bounds(struct kql *kql, struct scope *scope) {
    struct expr expr = {.type = KQL_BOOL};
    struct literal from = {.type = KQL_DATETIME, .number = kql->options->from};
    struct literal to = {.type = KQL_DATETIME, .number = kql->options->to};
    if (from.number >= 0) {
        struct str value = sql_literal(kql, &from);
        expr.sql = sql_print(kql, "t.ts >= %.*s", STR_ARG(value));
        if (!condition_add(kql, scope, &expr))
            return false;
    }
    if (to.number >= 0) {
        struct str value = sql_literal(kql, &to);
        expr.sql = sql_print(kql, "t.ts <= %.*s", STR_ARG(value));
        if (!condition_add(kql, scope, &expr))
            return false;
    }
    return true;
}

static bool base_open(struct kql *kql, const struct schema_table *table, struct scope *scope) {
    size_t n = table->column_count;
    struct column *columns = take(kql, n + 8, sizeof *columns);
    if (!columns)
        return false;
    for (size_t i = 0; i < n; i++)
        base_column(kql, &table->columns[i], i, &columns[i]);
    columns[n] = columns[0];
    columns[n].name = STR("TimeGenerated");
    columns[n].hidden = true;
    hidden_column(&columns[n + 1], n + 1, STR("AdditionalColumns"), KQL_DYNAMIC, STR("t.extra::jsonb"));
    struct str type = sql_text(kql, str_from(table->name));
    hidden_column(&columns[n + 2], n + 2, STR("Type"), KQL_STRING, type);
    hidden_column(&columns[n + 3], n + 3, STR("TenantId"), KQL_STRING,
                  STR("(SELECT tenant.tenant_id FROM dict.host tenant WHERE tenant.id = t.host)"));
    /* What evidence is found by; Kusto gives no column such a name. */
    hidden_column(&columns[n + 4], n + 4, STR("$table"), KQL_STRING, type);
    hidden_column(&columns[n + 5], n + 5, STR("$time"), KQL_DATETIME, STR("t.ts"));
    hidden_column(&columns[n + 6], n + 6, STR("$arrived"), KQL_LONG, STR("t.arrived"));
    hidden_column(&columns[n + 7], n + 7, STR("$unknown"), KQL_STRING, STR("coalesce(t.extra, '')"));
    *scope = (struct scope){.table = table, .columns = columns, .column_count = n + 8, .order = -1, .main = kql->in_main};
    kql->tables |= UINT32_C(1) << schema_table_index(table);
    if (scope->main) {
        kql->empty_without_events = true;
        kql->window_from = kql->options->from;
        kql->window_to = kql->options->to;
        kql->own_from = -1;
    }
    kql->aside = kql->aside || !kql->in_main;
    return base_bounds(kql, scope) && (!hits_wanted(kql) || hits_columns(kql, table, scope));
}

/* A table that was bound before: each reader has columns of its own. */
static bool rows_open(struct kql *kql, const struct scope *rows, struct scope *scope) {
    *scope = *rows;
    scope->columns = take(kql, rows->column_count, sizeof *scope->columns);
    if (!scope->columns)
        return false;
    mem_copy(scope->columns, rows->columns, rows->column_count * sizeof *scope->columns);
    return true;
}

static bool let_open(struct kql *kql, const struct let *let, const struct pipeline *use, struct scope *scope) {
    size_t limit = kql->let_limit;
    struct pipeline named = {.source = SOURCE_NAME, .offset = use->offset, .length = use->length};
    const struct pipeline *table = let->table;
    if (let->rows)
        return rows_open(kql, let->rows, scope);
    if (let->function) {
        struct node call = {.kind = NODE_CALL, .text = use->name, .offset = use->offset, .length = use->length};
        return bind_function_rows(kql, &call, NULL, scope);
    }
    if (!table && let->value && let->value->kind == NODE_NAME) {
        named.name = let->value->text;
        table = &named;
    }
    if (!table)
        return kql_fail(kql, use->offset, use->length, "%.*s is a value, not a table", STR_ARG(use->name));
    kql->let_limit = (size_t)(let - kql->query.lets);
    bool good = bind_pipeline(kql, table, scope);
    kql->let_limit = limit;
    return good;
}

static bool table_unknown(struct kql *kql, const struct pipeline *use) {
    const char *best = NULL;
    unsigned least = 6;
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        const char *name = schema_tables()[t].name;
        unsigned distance = str_eq_nocase(use->name, str_from(name)) ? 0 : str_distance(use->name, str_from(name));
        if (distance < least) {
            least = distance;
            best = name;
        }
    }
    if (best)
        return kql_fail(kql, use->offset, use->length, "%.*s is not a table that is kept here; did you mean %s?",
                        STR_ARG(use->name), best);
    return kql_fail(kql, use->offset, use->length, "%.*s is not a table that is kept here", STR_ARG(use->name));
}

static bool name_open(struct kql *kql, const struct pipeline *use, struct scope *scope) {
    const struct let *let = let_find(kql, use->name);
    if (let)
        return let_open(kql, let, use, scope);
    const struct schema_table *table = schema_table_find(use->name);
    return table ? base_open(kql, table, scope) : table_unknown(kql, use);
}

static bool datatable_column(struct kql *kql, const struct node *node, struct column *column) {
    const struct node *type = node->args[0];
    enum kql_type found = KQL_STRING;
    if (!str_eq(type->text, STR("string")) && !literal_type_find(type->text, &found))
        return kql_fail(kql, type->offset, type->length, "%.*s is not a type", STR_ARG(type->text));
    *column = (struct column){.name = node->text, .type = found, .nullable = found != KQL_STRING};
    return true;
}

static bool datatable_value(struct kql *kql, const struct node *node, const struct column *column, struct str *sql) {
    struct expr expr;
    if (!bind_expression(kql, NULL, node, &expr))
        return false;
    if (!expr.constant)
        return kql_fail(kql, node->offset, node->length, "datatable takes literals only");
    if (expr.literal.null)
        expr.literal.type = expr.type = column->type;
    if (expr.type == KQL_LONG && (column->type == KQL_DATETIME || column->type == KQL_TIMESPAN || column->type == KQL_BOOL))
        expr.literal.type = expr.type = column->type;
    if (expr.type == KQL_STRING && column->type == KQL_DATETIME && literal_datetime(expr.literal.text, &expr.literal.number))
        expr.literal.type = expr.type = KQL_DATETIME;
    if (column->type == KQL_INT && expr.type == KQL_LONG)
        expr.type = expr.literal.type = KQL_INT;
    if (column->type == KQL_DYNAMIC && expr.type != KQL_DYNAMIC) {
        expr.sql = sql_print(kql, "to_jsonb(%.*s)", STR_ARG(sql_of(kql, &expr)));
        expr.constant = false;
        expr.type = KQL_DYNAMIC;
    }
    if (column->type == KQL_STRING && expr.type == KQL_STRING && expr.literal.null)
        expr.literal.null = false;
    if (!expr_convert(kql, &expr, column->type))
        return kql_fail(kql, node->offset, node->length, "a %s doesn't fit the column %.*s, a %s", kql_type_name(expr.type),
                        STR_ARG(column->name), kql_type_name(column->type));
    *sql = sql_of(kql, &expr);
    return true;
}

/* (VALUES (…), …) d(c0, …), or no rows at all. */
static bool datatable_rows(struct kql *kql, const struct pipeline *table, struct column *columns, struct str *raw) {
    size_t width = table->columns.count;
    BUF_AUTO out = BUF(QUERY_MAX_BYTES * 4);
    buf_add_str(&out, STR("(VALUES "));
    for (size_t i = 0; i < table->items.count; i++) {
        struct str sql;
        if (!datatable_value(kql, table->items.items[i], &columns[i % width], &sql))
            return false;
        buf_add_str(&out, i == 0 ? STR("(") : i % width == 0 ? STR("), (") : STR(", "));
        buf_add_str(&out, sql);
    }
    if (!table->items.count)
        for (size_t i = 0; i < width; i++) {
            struct literal null = {.type = columns[i].type, .null = true};
            buf_add_str(&out, i ? STR(", ") : STR("("));
            buf_add_str(&out, sql_literal(kql, &null));
        }
    buf_add_str(&out, STR(")) r("));
    for (size_t i = 0; i < width; i++)
        buf_printf(&out, "%sc%zu", i ? ", " : "", i);
    buf_add_str(&out, STR(")"));
    *raw = out.failed ? (struct str){0} : arena_copy(kql->arena, buf_str(&out));
    return raw->ptr || err_memory(kql->err);
}

static bool datatable_open(struct kql *kql, const struct pipeline *table, struct scope *scope) {
    size_t width = table->columns.count;
    struct column *columns = take(kql, width, sizeof *columns);
    if (!columns)
        return false;
    if (width > 100 || table->items.count % width)
        return kql_fail(kql, table->offset, table->length, "the number of values isn't a multiple of the number of columns");
    for (size_t i = 0; i < width; i++) {
        if (!datatable_column(kql, table->columns.items[i], &columns[i]))
            return false;
        columns[i].sql = sql_print(kql, "r.c%zu", i);
        columns[i].deps.bits[i / 64] = UINT64_C(1) << (i % 64);
    }
    *scope = (struct scope){.columns = columns, .column_count = width, .order = -1};
    if (!datatable_rows(kql, table, columns, &scope->raw))
        return false;
    struct expr never = {.type = KQL_BOOL, .sql = STR("false")};
    return table->items.count || condition_add(kql, scope, &never);
}

static bool print_open(struct kql *kql, const struct pipeline *table, struct scope *scope) {
    size_t count = table->items.count;
    struct column *columns = take(kql, count, sizeof *columns);
    if (!columns)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct node *node = table->items.items[i];
        struct expr expr;
        if (!bind_expression(kql, NULL, node->kind == NODE_NAMED ? node->args[0] : node, &expr))
            return false;
        struct str name = node->kind == NODE_NAMED ? node->text : sql_print(kql, "print_%zu", i);
        column_from(&columns[i], name, &expr, kql);
    }
    *scope = (struct scope){.raw = STR("(VALUES (1)) r(one)"), .order = -1};
    return scope_close(kql, scope, columns, count, STR(""), NULL, false);
}

static bool range_value(struct kql *kql, const struct node *node, struct expr *expr) {
    if (!bind_expression(kql, NULL, node, expr))
        return false;
    if (expr->constant && expr->literal.null)
        return kql_fail(kql, node->offset, node->length, "range takes values that aren't null");
    return true;
}

static bool range_open(struct kql *kql, const struct pipeline *table, struct scope *scope) {
    struct expr args[3];
    for (size_t i = 0; i < 3; i++)
        if (!range_value(kql, table->items.items[i], &args[i]))
            return false;
    enum kql_type type = args[0].type == KQL_INT ? KQL_LONG : args[0].type;
    if (type == KQL_LONG && (args[1].type == KQL_REAL || args[2].type == KQL_REAL))
        type = KQL_REAL;
    bool real = type == KQL_REAL;
    bool time = type == KQL_DATETIME || type == KQL_TIMESPAN;
    for (size_t i = 0; i < 3; i++)
        if (!expr_convert(kql, &args[i], time && i == 2 ? KQL_TIMESPAN : type))
            return kql_fail(kql, args[i].offset, args[i].length, "range can't mix these types");
    if (!real && type != KQL_LONG && !time)
        return kql_fail(kql, table->offset, table->length, "range needs numbers or times");
    if (args[2].constant && (real ? args[2].literal.real == 0 : args[2].literal.number == 0))
        return kql_fail(kql, args[2].offset, args[2].length, "range needs a step that isn't 0");
    struct column *column = take(kql, 1, sizeof *column);
    if (!column)
        return false;
    *column = (struct column){.name = table->name, .type = type, .sql = real ? STR("r.c0::float8") : STR("r.c0")};
    column->deps.bits[0] = 1;
    *scope = (struct scope){.columns = column, .column_count = 1, .order = -1};
    scope->raw = sql_template(kql, real ? "(SELECT generate_series(%1::numeric, %2::numeric, %3::numeric)) r(c0)" : "(SELECT generate_series(%1, %2, %3)) r(c0)", args, 3);
    return true;
}

bool bind_source(struct kql *kql, const struct pipeline *table, struct scope *scope) {
    struct node call = {.kind = NODE_CALL, .text = table->name, .offset = table->offset, .length = table->length,
                        .args = table->items.items, .count = table->items.count};
    switch (table->source) {
    case SOURCE_CALL:
        return bind_function_rows(kql, &call, NULL, scope);
    case SOURCE_NAME:
        return name_open(kql, table, scope);
    case SOURCE_PAREN:
        return bind_pipeline(kql, table->inner, scope);
    case SOURCE_DATATABLE:
        return datatable_open(kql, table, scope);
    case SOURCE_PRINT:
        return print_open(kql, table, scope);
    case SOURCE_UNION:
        return bind_union(kql, table->legs, NULL, scope);
    case SOURCE_RANGE:
        return range_open(kql, table, scope);
    }
    return false;
}
