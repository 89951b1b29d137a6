#include "store/zone.h"

#include "base/clock.h"

enum { NAME_MAX_BYTES = 64 };

static bool zone_fixed(struct str name, struct zone_step *step) {
    *step = (struct zone_step){0};
    if (str_eq(name, STR("Z")))
        return true;
    if (name.len != 6 || (name.ptr[0] != '+' && name.ptr[0] != '-') || name.ptr[3] != ':')
        return false;
    for (size_t i = 1; i < 6; i++)
        if (i != 3 && (name.ptr[i] < '0' || name.ptr[i] > '9'))
            return false;
    int hours = (name.ptr[1] - '0') * 10 + name.ptr[2] - '0', minutes = (name.ptr[4] - '0') * 10 + name.ptr[5] - '0';
    step->east = (name.ptr[0] == '-' ? -1 : 1) * (hours * TICKS_HOUR + minutes * TICKS_MINUTE);
    return hours <= 18 && minutes < 60;
}

static bool steps_read(struct db *db, struct arena *arena, int64_t deadline_ms, struct zone *zone, struct err *err) {
    struct str param = str_from(zone->name);
    struct db_conn *conn = db_take(db, deadline_ms, err);
    DB_ROWS_AUTO *rows = conn ? db_query(conn, db_statement("zone_steps"), &param, 1, deadline_ms, err) : NULL;
    db_give(conn);
    struct zone_step *steps = rows ? arena_array(arena, db_count(rows) + 1, sizeof *steps) : NULL;
    if (!steps)
        return rows ? err_memory(err) : false;
    for (size_t i = 0; i < db_count(rows); i++)
        steps[i] = (struct zone_step){TICKS_UNIX + db_int(rows, i, 0) * TICKS_SECOND, db_int(rows, i, 1) * TICKS_SECOND};
    zone->steps = steps;
    zone->count = db_count(rows);
    return zone->count || err_set(err, ERR_BAD_PARAMETER,
                                  "tz: '%s' is no time zone; give a name such as Europe/Berlin, or an offset such as +02:00",
                                  zone->name);
}

bool zone_find(struct db *db, struct str name, struct arena *arena, int64_t deadline_ms, struct zone *zone,
               struct err *err) {
    struct zone_step *step = arena_take(arena, sizeof *step);
    struct str copy = arena_copy(arena, name.len > NAME_MAX_BYTES ? (struct str){name.ptr, NAME_MAX_BYTES} : name);
    if (!step || !copy.ptr)
        return err_memory(err);
    *zone = (struct zone){copy.ptr, step, 1};
    return zone_fixed(copy, step) || steps_read(db, arena, deadline_ms, zone, err);
}

int64_t zone_utc(const struct zone *zone, int64_t local) {
    size_t before = 0;
    for (size_t i = 0; i < zone->count; i++) {
        int64_t utc = local - zone->steps[i].east;
        if (i && utc < zone->steps[i].from)
            break;
        before = i;
        if (i + 1 < zone->count && utc < zone->steps[i + 1].from)
            break;
    }
    return local - zone->steps[before].east;
}
