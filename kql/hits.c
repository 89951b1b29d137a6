/* The events that a query counts: for a memory of sightings that doesn't depend on when the query was run. */
#include "kql/internal.h"

/* Columns of data.<table> under names that no query can write. */
static const struct {
    const char *name, *sql;
} hit_columns[] = {{"\001ts", "t.ts"},
                   {"\001device", "t.device::bigint"},
                   {"\001report", "t.report_id"},
                   {"\001digest", "t.digest"},
                   {"\001arrived", "t.arrived"}};
enum { HIT_COLUMNS = sizeof hit_columns / sizeof *hit_columns };

bool hits_wanted(const struct kql *kql) {
    return kql->in_main && kql->options->hits != HITS_NONE;
}

/* What a stage may do to events one by one. The stages that fold events together end it; behind them, only the shape of
 * the result may change. */
enum { ALONE_BEFORE = 1, ALONE_BEHIND = 2, ALONE = 3 };
static const unsigned char alone[STAGE_COUNT_OF] = {
    [STAGE_WHERE] = ALONE_BEFORE,     [STAGE_SUMMARIZE] = ALONE_BEFORE,   [STAGE_DISTINCT] = ALONE_BEFORE,
    [STAGE_EXTEND] = ALONE,           [STAGE_SORT] = ALONE,               [STAGE_RENDER] = ALONE,
    [STAGE_AS] = ALONE,               [STAGE_PROJECT] = ALONE,            [STAGE_PROJECT_AWAY] = ALONE,
    [STAGE_PROJECT_KEEP] = ALONE,     [STAGE_PROJECT_RENAME] = ALONE,     [STAGE_PROJECT_REORDER] = ALONE,
};

bool hits_stage(struct kql *kql, const struct stage *stage) {
    unsigned place = kql->evidence_done ? ALONE_BEHIND : ALONE_BEFORE;
    return alone[stage->kind] & place ||
           kql_fail(kql, stage->offset, stage->length,
                    "%.*s looks at more than each event by itself, so that sightings can't be told event by event",
                    STR_ARG(stage->name));
}

/* The same condition a day later tells whether its bounds move: let-bound times that the query names stay. */
bool hits_moving(struct kql *kql, const struct node *node, struct scope *scope, const struct expr *expr) {
    if (!kql->in_main || kql->options->hits != HITS_EVER || !scope->main || !expr->bounds)
        return false;
    const struct kql_options *options = kql->options;
    struct kql_options later = *options;
    struct expr shifted;
    later.now += INT64_C(864000000000);
    kql->options = &later;
    bool bound = bind_expression(kql, scope, node, &shifted);
    kql->options = options;
    bool low = expr->low < 0 || shifted.low != expr->low, high = expr->high < 0 || shifted.high != expr->high;
    return bound && low && high;
}

bool hits_columns(struct kql *kql, const struct schema_table *table, struct scope *scope) {
    size_t n = scope->column_count;
    struct column *columns = take(kql, n + HIT_COLUMNS, sizeof *columns);
    if (!columns)
        return false;
    mem_copy(columns, scope->columns, n * sizeof *columns);
    for (size_t i = 0; i < HIT_COLUMNS; i++) {
        columns[n + i] = (struct column){.name = str_from(hit_columns[i].name), .type = KQL_LONG, .hidden = true,
                                         .nullable = true, .sql = str_from(hit_columns[i].sql)};
        columns[n + i].deps.bits[(n + i) / 64] = UINT64_C(1) << ((n + i) % 64);
    }
    scope->columns = columns;
    scope->column_count = n + HIT_COLUMNS;
    struct literal from = {.type = KQL_LONG, .number = kql->options->arrived_from};
    struct str value = sql_literal(kql, &from);
    struct expr arrived = {.type = KQL_BOOL, .sql = sql_print(kql, "t.arrived >= %.*s", STR_ARG(value))};
    kql->hit_table = table;
    return condition_add(kql, scope, &arrived);
}

bool hits_close(struct kql *kql, struct scope *scope) {
    struct column *outputs = take(kql, HIT_COLUMNS, sizeof *outputs);
    if (!outputs)
        return false;
    for (size_t i = 0; i < HIT_COLUMNS; i++) {
        const struct column *column = scope_find(scope, str_from(hit_columns[i].name));
        if (!column)
            return err_set(kql->err, ERR_BAD_QUERY, "the query's events don't come from one event table");
        outputs[i] = *column;
        outputs[i].hidden = false;
    }
    scope->order = -1;
    kql->evidence_done = true;
    return scope_close(kql, scope, outputs, HIT_COLUMNS, STR(""), NULL, false);
}

bool hits_check(struct kql *kql) {
    if (kql->aside && kql->options->hits == HITS_EVER)
        return err_set(kql->err, ERR_BAD_QUERY,
                       "the query reads another event table beside its own, so that sightings can't be told event by event");
    return true;
}
