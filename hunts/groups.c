/* The machine group that a device had at its last sighting, for all results of a run at once. */
#include <inttypes.h>
#include <stdio.h>

#include "hunts/summary.h"
#include "store/array.h"

enum { FEW = 500 }; /* looked up one by one; how many are best found shows when they are known */

/* Sightings in one table: $1 and $2 of the statement, and whose they are. */
struct sightings {
    struct buf ids, times;
    struct summary **of;
    size_t count;
    int64_t from, to;
};

static void sightings_add(struct sightings *sightings, const struct summaries *table) {
    for (size_t i = 0; i < table->device_count; i++) {
        struct summary *total = &table->devices[i].total;
        if (total->machine_group.len || total->last < 0)
            continue;
        array_add(&sightings->ids, total->device_id);
        array_add_int(&sightings->times, total->last);
        sightings->from = total->last < sightings->from ? total->last : sightings->from;
        sightings->to = total->last > sightings->to ? total->last : sightings->to;
        sightings->of[sightings->count++] = total;
    }
}

/* The bounds leave out days. */
static bool table_read(struct sightings *sightings, struct arena *arena, const struct schema_table *table,
                       struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(4096);
    char from[24], to[24];
    snprintf(from, sizeof from, "%" PRId64, sightings->from);
    snprintf(to, sizeof to, "%" PRId64, sightings->to);
    struct str params[] = {buf_str(&sightings->ids), buf_str(&sightings->times), str_from(from), str_from(to)};
    buf_printf(
        &sql,
        "SELECT u.n - 1, max(h.machine_group) FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u "
        "(device_id, ts, n) JOIN dict.device d ON d.device_id = u.device_id JOIN data.%s t ON t.ts = u.ts AND "
        "t.device = d.id AND t.ts BETWEEN $3::bigint AND $4::bigint JOIN dict.host h ON h.id = t.host GROUP BY 1",
        table->sql);
    if (sightings->ids.failed || sightings->times.failed || !buf_cstr(&sql))
        return err_memory(err);
    DB_ROWS_AUTO *rows = sightings->count <= FEW ? db_query_repeated(conn, sql.ptr, params, 4, deadline_ms, err)
                                                 : db_query(conn, sql.ptr, params, 4, deadline_ms, err);
    for (size_t r = 0; r < db_count(rows); r++) {
        struct str *group = &sightings->of[db_int(rows, r, 0)]->machine_group;
        *group = arena_copy(arena, db_text(rows, r, 1));
        if (!group->ptr)
            return err_memory(err);
    }
    return rows != NULL;
}

bool results_groups(struct result *const *results, size_t count, struct db_conn *conn, int64_t deadline_ms,
                    struct err *err) {
    size_t devices = 0;
    struct arena *arena = NULL;
    for (size_t i = 0; i < count; i++)
        if (results[i]) {
            devices += results[i]->summaries.device_count;
            arena = results[i]->summaries.arena;
        }
    struct summary **of = devices ? arena_array(arena, devices, sizeof *of) : NULL;
    if (devices && !of)
        return err_memory(err);
    bool ok = true;
    for (size_t t = 0; ok && devices && t < SCHEMA_TABLES; t++) {
        struct sightings sightings = {
            .ids = BUF(64u << 20), .times = BUF(64u << 20), .of = of, .from = INT64_MAX, .to = -1};
        for (size_t i = 0; i < count; i++)
            if (results[i] && results[i]->context.program->tables >> t & 1)
                sightings_add(&sightings, &results[i]->summaries);
        array_end(&sightings.ids);
        array_end(&sightings.times);
        ok = !sightings.count || table_read(&sightings, arena, &schema_tables()[t], conn, deadline_ms, err);
        buf_free(&sightings.ids);
        buf_free(&sightings.times);
    }
    return ok;
}
