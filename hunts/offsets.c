#include "hunts/offsets.h"

#include <inttypes.h>

#include "base/clock.h"

enum { LIMIT_MS = 10000 };

bool offsets_load(struct db_conn *conn, struct arena *arena, struct str name, int64_t from, int64_t to, struct offsets *zone,
               struct err *err) {
    struct str params[] = {name, arena_printf(arena, "%" PRId64, (from - TICKS_UNIX) / TICKS_SECOND),
                           arena_printf(arena, "%" PRId64, (to - TICKS_UNIX) / TICKS_SECOND)};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("zone_spans"), params, 3, mono_ms() + LIMIT_MS, err);
    if (!rows)
        return false;
    struct offset_span *spans = arena_array(arena, db_count(rows) + 1, sizeof *spans);
    if (!spans)
        return err_memory(err);
    for (size_t r = 0; r < db_count(rows); r++)
        spans[r] = (struct offset_span){db_int(rows, r, 0) * TICKS_SECOND + TICKS_UNIX, db_int(rows, r, 1) * TICKS_SECOND};
    *zone = (struct offsets){spans, db_count(rows)};
    return true;
}

/* Whole days, so that schedules which were settled a little earlier or later share a zone. */
bool offsets_keep(struct db_conn *conn, struct arena *arena, struct offsets_kept **kept, struct str name, int64_t from,
                  int64_t to, struct offsets *zone, struct err *err) {
    struct offsets_kept *at = *kept;
    while (at && !(str_eq(at->name, name) && at->from <= from && at->to >= to))
        at = at->next;
    if (at) {
        *zone = at->zone;
        return true;
    }
    at = arena_take(arena, sizeof *at);
    if (!at)
        return err_memory(err);
    *at = (struct offsets_kept){*kept, name, from - from % TICKS_DAY, to - to % TICKS_DAY + TICKS_DAY, {0}};
    if (!offsets_load(conn, arena, name, at->from, at->to, &at->zone, err))
        return false;
    *kept = at;
    *zone = at->zone;
    return true;
}

bool offsets_zone(struct db_conn *conn, struct arena *arena, struct str name, struct str *found, struct err *err) {
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("zone_find"), &name, 1, mono_ms() + LIMIT_MS, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_BAD_REQUEST, "time_zone: there is no zone '%.*s'; IANA names are such as Europe/Berlin",
                       name.len > 64 ? 64 : (int)name.len, name.ptr);
    *found = arena_copy(arena, db_text(rows, 0, 0));
    return found->ptr || err_memory(err);
}

int64_t offsets_local(const struct offsets *zone, int64_t utc) {
    size_t at = zone->count;
    while (at > 1 && zone->spans[at - 1].from > utc)
        at--;
    return at ? utc + zone->spans[at - 1].offset : utc;
}

bool offsets_utc(const struct offsets *zone, int64_t local, int64_t *utc) {
    if (!zone->count)
        *utc = local;
    for (size_t i = 0; i < zone->count; i++) {
        *utc = local - zone->spans[i].offset;
        if ((i == 0 || *utc >= zone->spans[i].from) && (i + 1 == zone->count || *utc < zone->spans[i + 1].from))
            return true;
    }
    return zone->count == 0;
}
