/* SQL text of the closed SELECTs, written last to first by need, first to last in the text. */
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "kql/internal.h"

struct str sql_print(struct kql *kql, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct str text = arena_vprintf(kql->arena, format, args);
    va_end(args);
    if (!text.ptr)
        kql->failed = true;
    return text;
}

struct str sql_join(struct kql *kql, struct str left, const char *between, struct str right) {
    return left.len ? sql_print(kql, "%.*s%s%.*s", STR_ARG(left), between, STR_ARG(right)) : right;
}

static struct str sql_param(struct kql *kql, struct str value, const char *cast) {
    struct str *grown = grow(kql, kql->params, kql->param_count, &kql->param_size, sizeof *grown);
    if (!grown)
        return STR("NULL");
    kql->params = grown;
    kql->params[kql->param_count++] = value;
    return sql_print(kql, "\x01%zu\x02::%s", kql->param_count - 1, cast);
}

static const char *sql_type(enum kql_type type) {
    static const char *const names[] = {"text",   "bigint", "bigint",  "boolean", "bigint",
                                        "bigint", "float8", "numeric", "text",    "jsonb"};
    return names[type];
}

struct str sql_text(struct kql *kql, struct str text) {
    return sql_param(kql, text, "text");
}

static struct str real_text(struct kql *kql, double value) {
    if (value != value)
        return STR("NaN");
    if (value > 1e308 * 10 || value < -1e308 * 10)
        return value > 0 ? STR("Infinity") : STR("-Infinity");
    return sql_print(kql, "%.17g", value);
}

struct str sql_literal(struct kql *kql, const struct literal *literal) {
    if (literal->null)
        return sql_print(kql, "NULL::%s", sql_type(literal->type));
    struct str value = literal->text;
    if (literal->type == KQL_BOOL)
        return literal->number ? STR("true") : STR("false");
    if (literal->type == KQL_REAL)
        value = real_text(kql, literal->real);
    else if (literal->type != KQL_STRING && literal->type != KQL_GUID && literal->type != KQL_DECIMAL &&
             literal->type != KQL_DYNAMIC)
        value = sql_print(kql, "%lld", (long long)literal->number);
    if (!value.ptr)
        value = STR("");
    return sql_param(kql, value, sql_type(literal->type));
}

struct str sql_of(struct kql *kql, const struct expr *expr) {
    return expr->constant ? sql_literal(kql, &expr->literal) : expr->sql;
}

struct str sql_template(struct kql *kql, const char *template, const struct expr *args, size_t count) {
    struct str texts[9] = {0};
    BUF_AUTO out = BUF(QUERY_MAX_BYTES * 8);
    for (const char *c = template; *c; c++) {
        if (*c != '%' || c[1] < '1' || c[1] > '9') {
            buf_add_char(&out, *c);
            continue;
        }
        size_t i = (size_t)(*++c - '1');
        if (i >= count)
            continue;
        if (!texts[i].ptr)
            texts[i] = sql_of(kql, &args[i]);
        buf_add_str(&out, texts[i]);
    }
    struct str text = out.failed ? (struct str){0} : arena_copy(kql->arena, buf_str(&out));
    if (!text.ptr)
        kql->failed = true;
    return text;
}

static bool has_dep(const struct deps *deps, size_t i) {
    return deps->bits[i / 64] >> (i % 64) & 1;
}

/* Columns of the input that this SELECT reads. */
static struct deps select_needs(const struct select *select) {
    struct deps needs = select->suffix_deps;
    for (size_t i = 0; i < select->condition_count; i++)
        if (select->conditions[i].slot == NO_SLOT)
            deps_add(&needs, &select->conditions[i].deps);
    for (size_t i = 0; i < select->column_count; i++)
        if (select->columns[i].used)
            deps_add(&needs, &select->columns[i].deps);
    return needs;
}

static void select_mark(struct select *select) {
    if (select->distinct)
        for (size_t i = 0; i < select->column_count; i++)
            select->columns[i].used = true;
    select->base_used = select_needs(select);
    for (size_t i = 0; select->input && i < select->input->column_count; i++)
        if (has_dep(&select->base_used, i))
            select->input->columns[i].used = true;
    for (size_t i = 0; select->right && i < select->right->column_count; i++)
        if (has_dep(&select->base_used, select->input->column_count + i))
            select->right->columns[i].used = true;
}

static void write_from_table(struct buf *out, const struct select *select) {
    const struct schema_table *table = select->table;
    if (select->main)
        buf_printf(out, "\x04%zu\x02 t", schema_table_index(table));
    else
        buf_printf(out, "data.%s t", table->sql);
    for (size_t s = 0; s < table->slot_count; s++) {
        bool needed = false;
        for (size_t i = 0; i < table->column_count && !needed; i++)
            needed = table->columns[i].slot && strcmp(table->columns[i].slot, table->slots[s].sql) == 0 &&
                     has_dep(&select->base_used, i);
        for (size_t i = 0; i < s && needed; i++)
            needed = strcmp(table->slots[i].sql, table->slots[s].sql) != 0;
        if (needed)
            buf_printf(out, " JOIN dict.%s %s ON %s.id = t.%s", schema_dictionary(table->slots[s].dictionary)->name,
                       table->slots[s].sql, table->slots[s].sql, table->slots[s].sql);
    }
}

/* Conditions that one dictionary decides: its rows are looked at once, events come by the index on (slot, ts). */
static void write_slot_conditions(struct kql *kql, struct buf *out, const struct select *select, const char **word) {
    for (size_t s = 0; s < select->table->slot_count; s++) {
        struct condition all = {0};
        for (size_t i = 0; i < select->condition_count; i++) {
            const struct condition *one = &select->conditions[i];
            if (one->slot != s)
                continue;
            all.sql = sql_join(kql, all.sql, " AND ", one->sql);
            all.needles = needles_better(all.needles, one->needles);
            all.inner = all.inner || one->inner;
        }
        if (!all.sql.len)
            continue;
        struct str text = predicate_add(kql, select->table, &select->table->slots[s], &all, select->main);
        buf_add_str(out, str_from(*word));
        buf_add_str(out, text);
        *word = " AND ";
    }
}

static void write_conditions(struct kql *kql, struct buf *out, const struct select *select) {
    const char *word = " WHERE ";
    for (size_t i = 0; i < select->condition_count; i++) {
        if (select->conditions[i].slot != NO_SLOT)
            continue;
        buf_add_str(out, str_from(word));
        buf_add_str(out, select->conditions[i].sql);
        word = " AND ";
    }
    if (select->table)
        write_slot_conditions(kql, out, select, &word);
}

static void write_select(struct kql *kql, struct buf *out, const struct select *select) {
    const char *comma = "";
    buf_add_str(out, select->distinct ? STR("SELECT DISTINCT ") : STR("SELECT "));
    for (size_t i = 0; i < select->column_count; i++) {
        if (!select->columns[i].used)
            continue;
        buf_add_str(out, str_from(comma));
        buf_add_str(out, select->columns[i].sql);
        buf_printf(out, " AS c%zu", i);
        comma = ", ";
    }
    if (!*comma)
        buf_add_str(out, STR("1 AS one"));
    if (select->table || select->raw.ptr || select->input)
        buf_add_str(out, STR(" FROM "));
    if (select->table)
        write_from_table(out, select);
    else if (select->raw.ptr)
        buf_add_str(out, select->raw);
    else if (select->join.ptr)
        buf_add_str(out, select->join);
    else if (select->input)
        buf_printf(out, "q%u r", select->input->id);
    write_conditions(kql, out, select);
    buf_add_str(out, select->suffix);
}

/* How a value travels in the result: see kql.h. */
static void write_result_column(struct buf *out, const struct column *column, size_t i) {
    switch (column->type) {
    case KQL_DYNAMIC:
        buf_printf(out, "r.c%zu::text", i);
        return;
    case KQL_INT:
    case KQL_LONG:
    case KQL_DATETIME:
    case KQL_TIMESPAN:
        buf_printf(out, "r.c%zu::bigint", i);
        return;
    case KQL_STRING:
    case KQL_BOOL:
    case KQL_REAL:
    case KQL_DECIMAL:
    case KQL_GUID:
        break;
    }
    buf_printf(out, "r.c%zu", i);
}

static void write_statement(struct kql *kql, struct buf *out, const struct scope *scope) {
    const struct select *last = scope->input;
    const char *comma = "";
    for (size_t i = 0; i < kql->select_count; i++) {
        buf_printf(out, "%sq%u AS (", i ? ",\n" : "WITH ", kql->selects[i]->id);
        write_select(kql, out, kql->selects[i]);
        buf_add_char(out, ')');
    }
    buf_add_str(out, STR("\nSELECT "));
    for (size_t i = 0; i < last->column_count; i++) {
        if (last->columns[i].hidden)
            continue;
        buf_add_str(out, str_from(comma));
        write_result_column(out, &last->columns[i], i);
        buf_printf(out, " AS c%zu", i);
        comma = ", ";
    }
    buf_printf(out, " FROM q%u r", last->id);
    if (scope->order >= 0)
        buf_printf(out, " ORDER BY r.c%d", scope->order);
    if (kql->options->max_rows)
        buf_printf(out, " LIMIT %llu", (unsigned long long)kql->options->max_rows + 1);
}

static bool result_columns(struct kql *kql, const struct select *last, struct kql_program *program) {
    program->columns = take(kql, last->column_count + 1, sizeof *program->columns);
    if (!program->columns)
        return false;
    for (size_t i = 0; i < last->column_count; i++) {
        const struct column *column = &last->columns[i];
        if (!column->hidden)
            program->columns[program->column_count++] = (struct kql_column){column->name, column->type, column->role};
    }
    return true;
}

bool emit_program(struct kql *kql, struct scope *scope, struct kql_program *program) {
    BUF_AUTO raw = BUF(QUERY_MAX_BYTES * 16);
    struct select *last = scope->input;
    for (size_t i = 0; i < last->column_count; i++)
        last->columns[i].used = !last->columns[i].hidden || (int)i == scope->order;
    for (size_t i = kql->select_count; i-- > 0;)
        select_mark(kql->selects[i]);
    write_statement(kql, &raw, scope);
    if (raw.failed || kql->failed || !program_finish(kql, buf_str(&raw), program) || !result_columns(kql, last, program))
        return err_memory(kql->err);
    if (program->param_count > 60000)
        return err_set(kql->err, ERR_BAD_QUERY, "the query has more than 60000 literals");
    program->ordered = scope->order >= 0;
    return true;
}
