#include "hunts/sieve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "hunts/query.h"
#include "store/array.h"
#include "store/schema_sync.h"

enum { SQL_CAP = 4096, IDS_MOST = 200000, IDS_FEW = 2000 /* looked up one by one */ };

/* One look: the values that programs ask a table's slot for. */
struct look {
    const struct schema_table *table;
    const struct schema_slot *slot;
    int32_t *ids; /* ascending, distinct */
    size_t count;
};

static bool is_gate(const struct kql_program *program, size_t i, const struct verdict_ids *verdict) {
    return program->empty_without_events && program->predicates[i].gate && verdict->form == KQL_AMONG;
}

static bool is_mine(const struct look *look, const struct kql_predicate *predicate) {
    return predicate->table == look->table && predicate->slot == look->slot;
}

static int compare_ids(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* All programs' ids for the look; false when memory is out. More than IDS_MOST: none, and the look is left out. */
static bool ids_gather(struct look *look, struct arena *arena, const struct kql_program *const *programs, size_t count,
                       struct verdict_ids *const *verdicts) {
    size_t total = 0, kept = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t p = 0; p < count; p++)
            for (size_t i = 0; programs[p] && i < programs[p]->predicate_count; i++) {
                const struct verdict_ids *verdict = &verdicts[p][i];
                if (!is_mine(look, &programs[p]->predicates[i]) || !is_gate(programs[p], i, verdict))
                    continue;
                if (pass)
                    mem_copy(look->ids + look->count, verdict->ids, verdict->count * sizeof *look->ids);
                *(pass ? &look->count : &total) += verdict->count;
            }
        if (!pass && (!total || total > IDS_MOST))
            return true;
        if (!pass && !(look->ids = arena_array(arena, total, sizeof *look->ids)))
            return false;
    }
    mem_sort(look->ids, look->count, sizeof *look->ids, compare_ids);
    for (size_t i = 0; i < look->count; i++)
        if (!kept || look->ids[kept - 1] != look->ids[i])
            look->ids[kept++] = look->ids[i];
    look->count = kept;
    return true;
}

/* Whole days: a value that occurs a little outside is only looked for in vain. */
static void look_sql(struct buf *sql, const struct look *look, const struct sieve *sieve) {
    buf_printf(sql, "SELECT v FROM unnest($1::integer[]) v WHERE EXISTS (SELECT FROM data.%s t WHERE t.%s = v",
               look->table->sql, look->slot->sql);
    query_add_days(sql, sieve->from, sieve->to);
    buf_add_str(sql, STR(" AND t.arrived >= $2::bigint) ORDER BY v"));
}

/* Few values are looked up one by one; how many are best found shows when they are known. */
static struct db_rows *look_ask(const struct look *look, struct db_conn *conn, const struct sieve *sieve,
                                struct str ids, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP);
    char arrived[24];
    snprintf(arrived, sizeof arrived, "%" PRId64, sieve->arrived_from);
    struct str params[] = {ids, str_from(arrived)};
    look_sql(&sql, look, sieve);
    if (!buf_cstr(&sql)) {
        err_memory(err);
        return NULL;
    }
    return look->count <= IDS_FEW ? db_query_repeated(conn, sql.ptr, params, 2, deadline_ms, err)
                                  : db_query(conn, sql.ptr, params, 2, deadline_ms, err);
}

/* Keeps the ids that occur. */
static bool look_run(struct look *look, struct db_conn *conn, const struct sieve *sieve, int64_t deadline_ms,
                     struct err *err) {
    BUF_AUTO ids = BUF(16u << 20);
    for (size_t i = 0; i < look->count; i++)
        array_add_int(&ids, look->ids[i]);
    array_end(&ids);
    if (ids.failed)
        return err_memory(err);
    DB_ROWS_AUTO *rows = look_ask(look, conn, sieve, buf_str(&ids), deadline_ms, err);
    if (!rows)
        return false;
    look->count = db_count(rows);
    for (size_t i = 0; i < look->count; i++)
        look->ids[i] = (int32_t)db_int(rows, i, 0);
    return true;
}

static bool verdict_narrow(struct arena *arena, const struct look *look, struct verdict_ids *verdict) {
    int32_t *ids = arena_array(arena, verdict->count + 1, sizeof *ids);
    size_t kept = 0;
    if (!ids)
        return false;
    for (size_t i = 0; i < verdict->count; i++)
        if (mem_search(&verdict->ids[i], look->ids, look->count, sizeof *ids, compare_ids))
            ids[kept++] = verdict->ids[i];
    verdict->ids = ids;
    verdict->count = kept;
    return true;
}

static bool slot_sieve(struct look *look, struct db_conn *conn, struct arena *arena, const struct sieve *sieve,
                       const struct kql_program *const *programs, size_t count, struct verdict_ids **verdicts, bool *empty,
                       int64_t deadline_ms, struct err *err) {
    if (!ids_gather(look, arena, programs, count, verdicts))
        return err_memory(err);
    if (look->count && !look_run(look, conn, sieve, deadline_ms, err))
        return false;
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; programs[p] && i < programs[p]->predicate_count; i++) {
            struct verdict_ids *verdict = &verdicts[p][i];
            if (!is_mine(look, &programs[p]->predicates[i]) || !is_gate(programs[p], i, verdict))
                continue;
            if (look->ids && !verdict_narrow(arena, look, verdict))
                return err_memory(err);
            empty[p] = empty[p] || !verdict->count;
        }
    return true;
}

bool sieve_run(struct db_conn *conn, struct arena *arena, const struct sieve *sieve,
               const struct kql_program *const *programs, size_t count, struct verdict_ids **verdicts, bool *empty,
               int64_t deadline_ms, struct err *err) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        const struct schema_table *table = &schema_tables()[t];
        for (size_t s = 0; s < table->slot_count; s++) {
            struct look look = {.table = table, .slot = &table->slots[s]};
            if (schema_slot_is_indexed(look.slot) &&
                !slot_sieve(&look, conn, arena, sieve, programs, count, verdicts, empty, deadline_ms, err))
                return false;
        }
    }
    return true;
}
