/* union: every leg gives all columns of all legs, by name; what a leg lacks is null. A name that has two types becomes
 * one column for each, as x_long and x_string. */
#include "kql/internal.h"

enum { LEGS_MAX = 40 };

struct united {
    struct str name;
    enum kql_type type;
    bool clash;
};

struct uniting {
    struct scope legs[LEGS_MAX];
    struct str names[LEGS_MAX]; /* of views; len 0: none */
    size_t leg_count;
    struct united columns[COLUMNS_MAX];
    size_t count;
};

static bool united_add(struct kql *kql, const struct stage *stage, struct uniting *all, const struct column *column) {
    bool clash = false;
    for (size_t i = 0; i < all->count; i++) {
        struct united *other = &all->columns[i];
        if (!str_eq(other->name, column->name))
            continue;
        if (other->type == column->type)
            return true;
        clash = other->clash = true;
    }
    if (all->count == COLUMNS_MAX - 4)
        return kql_fail(kql, stage->offset, stage->length, "the union has more than %d columns", COLUMNS_MAX - 4);
    all->columns[all->count++] = (struct united){column->name, column->type, clash};
    return true;
}

static struct column *leg_column(struct scope *leg, const struct united *wanted) {
    for (size_t i = 0; i < leg->column_count; i++)
        if (!leg->columns[i].hidden && leg->columns[i].type == wanted->type && str_eq(leg->columns[i].name, wanted->name))
            return &leg->columns[i];
    return NULL;
}

static struct str leg_name(struct kql *kql, const struct uniting *all, size_t place) {
    const struct scope *leg = &all->legs[place];
    if (all->names[place].len)
        return all->names[place];
    if (leg->table)
        return str_from(leg->table->name);
    return sql_print(kql, "union_arg%zu", place);
}

/* Closes the leg with the columns of the whole, in their order. */
static bool leg_close(struct kql *kql, const struct stage *stage, struct uniting *all, size_t place) {
    struct scope *leg = &all->legs[place];
    struct column *outputs = take(kql, all->count + 1, sizeof *outputs);
    size_t count = 0;
    if (!outputs)
        return false;
    if (stage->with_source.len)
        outputs[count++] = (struct column){.name = stage->with_source, .type = KQL_STRING, .used = true,
                                           .sql = sql_text(kql, leg_name(kql, all, place))};
    for (size_t i = 0; i < all->count; i++) {
        const struct column *column = leg_column(leg, &all->columns[i]);
        struct literal null = {.type = all->columns[i].type, .null = all->columns[i].type != KQL_STRING};
        if (column)
            outputs[count] = *column;
        else
            outputs[count] = (struct column){.type = null.type, .sql = sql_literal(kql, &null)};
        outputs[count++].used = true;
    }
    return scope_close(kql, leg, outputs, count, STR(""), NULL, false);
}

static bool leg_bind(struct kql *kql, const struct stage *stage, const struct pipeline *table, struct uniting *all) {
    if (all->leg_count == LEGS_MAX)
        return kql_fail(kql, stage->offset, stage->length, "the union has more than %d tables", LEGS_MAX);
    const struct let *let = table->source == SOURCE_NAME ? function_find(kql, table->name) : NULL;
    struct scope *leg = &all->legs[all->leg_count];
    *leg = (struct scope){.order = -1};
    all->names[all->leg_count++] = let && let->function->view ? let->name : (struct str){0};
    return bind_pipeline(kql, table, leg);
}

/* Device*: the event tables and the views whose names fit. */
static bool pattern_bind(struct kql *kql, const struct stage *stage, const struct pipeline *pattern, struct uniting *all) {
    struct pipeline table = {.source = SOURCE_NAME, .offset = pattern->offset, .length = pattern->length};
    size_t before = all->leg_count;
    for (size_t i = 0; i < SCHEMA_TABLES; i++) {
        table.name = str_from(schema_tables()[i].name);
        if (pattern_matches(pattern->name, table.name) && !leg_bind(kql, stage, &table, all))
            return false;
    }
    for (size_t i = 0; i < kql->let_limit; i++) {
        const struct let *let = &kql->query.lets[i];
        table.name = let->name;
        if (let->function && let->function->view && pattern_matches(pattern->name, let->name) && !leg_bind(kql, stage, &table, all))
            return false;
    }
    return all->leg_count > before || stage->fuzzy ||
           kql_fail(kql, pattern->offset, pattern->length, "no table's name fits %.*s", STR_ARG(pattern->name));
}

static bool legs_bind(struct kql *kql, const struct stage *stage, struct scope *scope, struct uniting *all) {
    if (stage->legs.count + 1 > LEGS_MAX)
        return kql_fail(kql, stage->offset, stage->length, "the union has more than %d tables", LEGS_MAX - 1);
    if (scope)
        all->legs[all->leg_count++] = *scope;
    bool in_main = kql->in_main;
    kql->in_main = false;
    for (size_t i = 0; i < stage->legs.count; i++) {
        const struct pipeline *table = stage->legs.items[i]->table;
        bool pattern = table->source == SOURCE_NAME && str_find(table->name, '*');
        if (pattern ? !pattern_bind(kql, stage, table, all) : !leg_bind(kql, stage, table, all))
            return false;
    }
    kql->in_main = in_main;
    if (!all->leg_count)
        return kql_fail(kql, stage->offset, stage->length, "the union has no tables");
    for (size_t i = 0; i < all->leg_count; i++)
        for (size_t c = 0; c < all->legs[i].column_count; c++)
            if (!all->legs[i].columns[c].hidden && !united_add(kql, stage, all, &all->legs[i].columns[c]))
                return false;
    return true;
}

/* kind=inner: what a leg lacks goes. */
static void united_common(struct uniting *all) {
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        bool common = true;
        for (size_t l = 0; l < all->leg_count && common; l++)
            common = leg_column(&all->legs[l], &all->columns[i]) != NULL;
        if (common)
            all->columns[kept++] = all->columns[i];
    }
    all->count = kept;
}

static struct str legs_text(struct kql *kql, const struct uniting *all) {
    struct str text = {0};
    for (size_t i = 0; i < all->leg_count; i++)
        text = sql_join(kql, text, " UNION ALL ", sql_print(kql, "SELECT * FROM q%u", all->legs[i].input->id));
    return sql_print(kql, "(%.*s) r", STR_ARG(text));
}

static void united_column(struct kql *kql, const struct uniting *all, size_t i, size_t place, struct column *column) {
    const struct united *from = &all->columns[i];
    *column = (struct column){.name = from->name, .type = from->type, .nullable = from->type != KQL_STRING};
    for (size_t l = 0; l < all->leg_count; l++)
        for (size_t c = 0; c < all->legs[l].column_count; c++)
            if (str_eq(all->legs[l].columns[c].name, from->name) && all->legs[l].columns[c].type == from->type)
                column->role = all->legs[l].columns[c].role;
    if (from->clash)
        column->name = sql_print(kql, "%.*s_%s", STR_ARG(from->name), kql_type_name(from->type));
    column->sql = sql_print(kql, "r.c%zu", place);
    column->deps.bits[place / 64] = UINT64_C(1) << (place % 64);
}

bool bind_union(struct kql *kql, const struct stage *stage, struct scope *scope, struct scope *out) {
    struct uniting *all = take(kql, 1, sizeof *all);
    if (!all || !legs_bind(kql, stage, scope, all))
        return false;
    if (stage->inner)
        united_common(all);
    size_t shift = stage->with_source.len != 0;
    struct column *columns = take(kql, all->count + shift, sizeof *columns);
    if (!columns)
        return false;
    if (shift)
        columns[0] = (struct column){.name = stage->with_source, .type = KQL_STRING, .sql = STR("r.c0"), .deps = {{1}}};
    for (size_t i = 0; i < all->count; i++)
        united_column(kql, all, i, i + shift, &columns[i + shift]);
    for (size_t i = 0; i < all->leg_count; i++)
        if (!leg_close(kql, stage, all, i))
            return false;
    *out = (struct scope){.columns = columns, .column_count = all->count + shift, .order = -1, .raw = legs_text(kql, all)};
    return true;
}
