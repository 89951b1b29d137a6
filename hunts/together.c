#include "hunts/together.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/log.h"
#include "hunts/query.h"
#include "store/array.h"
#include "store/schema_sync.h"

/* Beyond so many events planning is the smaller part, and they would be kept in memory for all. */
enum { EVENTS_MOST = 20000, IDS_MOST = 5000, PARTS_LEAST = 2, SQL_CAP = 16 << 20, LIST_CAP = 16 << 20 };

/* A hunt that takes part. */
struct part {
    size_t place;   /* among the programs */
    const struct schema_table *table;
    uint32_t gates; /* bit s: it finds its events by ids in the table's slot s */
    bool asked;     /* in the statement already */
};

struct bundle {
    struct arena *arena;
    const struct kql_program *const *programs;
    struct verdict_ids *const *verdicts;
    struct part *parts; /* of one table and window */
    size_t part_count, width; /* columns of the widest */
    struct str *params;
    size_t param_count, param_room;
};

void together_free(struct together *together) {
    for (size_t i = 0; i < together->count; i++)
        db_rows_free(together->rows[i]);
    for (size_t i = 0; i < together->whole_count; i++)
        db_rows_free(together->wholes[i]);
}

static bool params_add(struct bundle *bundle, const struct str *params, size_t count) {
    struct str *grown =
        arena_grow(bundle->arena, bundle->params, bundle->param_count, count, &bundle->param_room, sizeof *grown);
    if (!grown)
        return false;
    bundle->params = grown;
    for (size_t i = 0; i < count; i++)
        bundle->params[bundle->param_count++] = params[i];
    return true;
}

/* The slot among its table's when the predicate gives ids by which an index finds events; else SIZE_MAX. */
static size_t gate_slot(const struct kql_predicate *predicate, const struct verdict_ids *verdict) {
    bool found = predicate->gate && verdict->form == KQL_AMONG && verdict->count <= IDS_MOST &&
                 schema_slot_is_indexed(predicate->slot);
    return found ? (size_t)(predicate->slot - predicate->table->slots) : SIZE_MAX;
}

/* False: it can't take part. */
static bool part_make(struct part *part, size_t place, const struct kql_program *program, const struct verdict_ids *verdicts) {
    *part = (struct part){.place = place};
    if (program->sources != 1 || program->ordered || !program->empty_without_events)
        return false;
    for (size_t i = 0; i < program->predicate_count; i++) {
        size_t slot = gate_slot(&program->predicates[i], &verdicts[i]);
        if (slot == SIZE_MAX)
            continue;
        part->gates |= UINT32_C(1) << slot;
        part->table = program->predicates[i].table; /* of a gate: the main one */
    }
    return part->table != NULL;
}

/* What all hunts with these gates ask one of the slots for. */
static bool ids_add(struct bundle *bundle, uint32_t gates, size_t slot, struct buf *sql) {
    BUF_AUTO ids = BUF(LIST_CAP);
    for (size_t p = 0; p < bundle->part_count; p++) {
        const struct kql_program *program = bundle->programs[bundle->parts[p].place];
        const struct verdict_ids *verdicts = bundle->verdicts[bundle->parts[p].place];
        for (size_t i = 0; bundle->parts[p].gates == gates && i < program->predicate_count; i++)
            for (size_t v = 0; gate_slot(&program->predicates[i], &verdicts[i]) == slot && v < verdicts[i].count; v++)
                array_add_int(&ids, verdicts[i].ids[v]);
    }
    array_end(&ids);
    struct str param = ids.failed ? (struct str){0} : arena_copy(bundle->arena, buf_str(&ids));
    if (!param.ptr || !params_add(bundle, &param, 1))
        return false;
    buf_printf(sql, "t.%s = ANY($%zu::integer[])", bundle->parts[0].table->slots[slot].sql, bundle->param_count);
    return true;
}

/* Hunts that come to their events by the same slots are one alternative: what it gives too much each drops itself. */
static bool alternatives_add(struct bundle *bundle, struct buf *sql) {
    const char *before = "(";
    for (size_t p = 0; p < bundle->part_count; p++) {
        uint32_t gates = bundle->parts[p].gates;
        size_t first = 0;
        while (bundle->parts[first].gates != gates)
            first++;
        if (first < p)
            continue;
        buf_add_str(sql, str_from(before));
        for (size_t s = 0; s < bundle->parts[0].table->slot_count; s++) {
            if (!(gates >> s & 1))
                continue;
            buf_add_str(sql, gates & ((UINT32_C(1) << s) - 1) ? STR(" AND ") : STR("("));
            if (!ids_add(bundle, gates, s, sql))
                return false;
        }
        buf_add_char(sql, ')');
        before = " OR ";
    }
    buf_add_char(sql, ')');
    return true;
}

/* Whole days: each hunt has the exact bounds itself. */
static bool events_add(struct bundle *bundle, struct buf *sql) {
    const struct kql_program *program = bundle->programs[bundle->parts[0].place];
    buf_printf(sql, "WITH events AS MATERIALIZED (SELECT t.* FROM data.%s t WHERE ", bundle->parts[0].table->sql);
    if (!alternatives_add(bundle, sql))
        return false;
    query_add_days(sql, program->window_from, program->window_to);
    buf_printf(sql, " LIMIT %d)\nSELECT NULL, count(*)::text", EVENTS_MOST + 1);
    for (size_t c = 1; c < bundle->width; c++)
        buf_add_str(sql, STR(", NULL"));
    buf_add_str(sql, STR(" FROM events"));
    return true;
}

/* Texts as a result has them: a bool is "t" there, and "true" when it is cast. */
static bool part_add(struct bundle *bundle, const struct part *part, struct buf *sql, struct err *err) {
    const struct kql_program *program = bundle->programs[part->place];
    const struct kql_binding as = {.source = "events", .params_before = bundle->param_count};
    struct str select, *params;
    size_t count;
    if (!verdicts_bind_part(bundle->arena, program, bundle->verdicts[part->place], &as, &select, &params, &count, err))
        return false;
    buf_printf(sql, "\nUNION ALL (SELECT '%zu'", part->place);
    for (size_t c = 0; c < bundle->width; c++)
        if (c >= program->column_count)
            buf_add_str(sql, STR(", NULL"));
        else
            buf_printf(sql, program->columns[c].type == KQL_BOOL ? ", left(h.h%zu::text, 1)" : ", h.h%zu::text", c);
    buf_add_str(sql, STR(" FROM ("));
    buf_add_str(sql, select);
    buf_add_str(sql, STR(") h("));
    for (size_t c = 0; c < program->column_count; c++)
        buf_printf(sql, "%sh%zu", c ? ", " : "", c);
    buf_add_str(sql, STR("))"));
    return params_add(bundle, params, count) || err_memory(err);
}

/* The bundle's rows; NULL without a failure: too many. */
static struct db_rows *bundle_ask(struct bundle *bundle, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP);
    bool ok = events_add(bundle, &sql) || err_memory(err);
    for (size_t p = 0; ok && p < bundle->part_count; p++)
        ok = part_add(bundle, &bundle->parts[p], &sql, err);
    buf_printf(&sql, "\nLIMIT %d", EVENTS_MOST + 1);
    ok = ok && (buf_cstr(&sql) || err_memory(err));
    struct db_rows *rows =
        ok ? db_query_repeated(conn, sql.ptr, bundle->params, bundle->param_count, deadline_ms, err) : NULL;
    if (rows && (db_count(rows) > EVENTS_MOST || db_int(rows, 0, 1) > EVENTS_MOST)) {
        db_rows_free(rows);
        rows = NULL;
    }
    return rows;
}

/* Behind the row of the count, the hunts' rows, one hunt's after the other's as the statement has them. */
static bool rows_deal(const struct bundle *bundle, const struct db_rows *whole, struct together *together,
                      struct err *err) {
    size_t row = 1;
    for (size_t p = 0; p < bundle->part_count; p++) {
        size_t from = row, place = bundle->parts[p].place;
        while (row < db_count(whole) && db_int(whole, row, 0) == (int64_t)place)
            row++;
        together->rows[place] = db_rows_part(whole, from, row - from, 1, bundle->programs[place]->column_count);
        if (!together->rows[place])
            return err_memory(err);
    }
    return row == db_count(whole) ||
           err_set(err, ERR_INTERNAL, "rows of hunts that were read together came in no order");
}

/* Each with a deadline of its own, as hunts that go alone have. */
static bool bundle_run(struct bundle *bundle, struct db_conn *conn, struct together *together, struct err *err) {
    struct err failure = {0};
    struct db_rows *whole = bundle_ask(bundle, conn, query_deadline(), &failure);
    if (whole) {
        together->wholes[together->whole_count++] = whole;
        return rows_deal(bundle, whole, together, err);
    }
    if (failure.code == ERR_NONE)
        return true;
    if (err_status(failure.code) >= 500)
        log_err("hunts.together", "", &failure);
    return db_exec(conn, "ROLLBACK TO SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err);
}

static bool is_alike(const struct bundle *bundle, const struct part *part, const struct part *other) {
    const struct kql_program *a = bundle->programs[part->place], *b = bundle->programs[other->place];
    return part->table == other->table && a->window_from == b->window_from && a->window_to == b->window_to;
}

/* Those of the hunts from `first` on that are like it and not asked yet. */
static bool bundle_gather(struct bundle *bundle, struct part *all, size_t first, size_t count) {
    bundle->parts = arena_array(bundle->arena, count - first, sizeof *bundle->parts);
    for (size_t p = first; bundle->parts && p < count; p++) {
        const struct kql_program *program = bundle->programs[all[p].place];
        if (all[p].asked || !is_alike(bundle, &all[first], &all[p]))
            continue;
        all[p].asked = true;
        bundle->parts[bundle->part_count++] = all[p];
        bundle->width = program->column_count > bundle->width ? program->column_count : bundle->width;
    }
    return bundle->parts != NULL;
}

bool together_run(struct db_conn *conn, struct arena *arena, const struct kql_program *const *programs, size_t count,
                  struct verdict_ids *const *verdicts, const bool *empty, struct together *together, struct err *err) {
    struct part *all = arena_array(arena, count + 1, sizeof *all);
    size_t part_count = 0;
    *together = (struct together){.rows = arena_array(arena, count + 1, sizeof *together->rows),
                                  .wholes = arena_array(arena, count + 1, sizeof *together->wholes)};
    if (!all || !together->rows || !together->wholes)
        return err_memory(err);
    together->count = count;
    for (size_t p = 0; p < count; p++)
        part_count += programs[p] && !empty[p] && part_make(&all[part_count], p, programs[p], verdicts[p]);
    for (size_t p = 0; p < part_count; p++) {
        struct bundle bundle = {.arena = arena, .programs = programs, .verdicts = verdicts};
        if (all[p].asked)
            continue;
        if (!bundle_gather(&bundle, all, p, part_count))
            return err_memory(err);
        if (bundle.part_count >= PARTS_LEAST && !bundle_run(&bundle, conn, together, err))
            return false;
    }
    return true;
}
