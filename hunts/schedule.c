#include "hunts/schedule.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "hunts/queue.h"
#include "hunts/selection.h"
#include "store/array.h"

enum { LIMIT_MS = 10000, MAX_ID = 64, MAX_NAME = 200, MAX_DAYS = 366, AHEAD_DAYS = 40, SLOTS_CAP = 1 << 20 };

static const char *const policies[] = {[CATCH_UP_LATEST] = "latest", [CATCH_UP_ALL] = "all", [CATCH_UP_NONE] = "none"};

const char *catch_up_name(enum catch_up policy) {
    return policies[policy];
}

bool catch_up_parse(struct str text, enum catch_up *policy, struct err *err) {
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (str_eq(text, str_from(policies[i]))) {
            *policy = (enum catch_up)i;
            return true;
        }
    return err_set(err, ERR_BAD_REQUEST,
                   "catch_up must be \"latest\" (the newest slot missed), \"all\" (up to catch_up_limit) or \"none\"");
}

static bool id_fits(struct str id) {
    bool ok = id.len > 0 && id.len <= MAX_ID;
    for (size_t i = 0; ok && i < id.len; i++) {
        char c = id.ptr[i];
        ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (i && (c == '-' || c == '_' || c == '.'));
    }
    return ok;
}

static bool check_every(struct schedule *schedule, struct err *err) {
    if (schedule->time_zone.ptr && !str_eq_nocase(schedule->time_zone, STR("UTC")))
        return err_set(err, ERR_BAD_REQUEST, "time_zone goes with cron; the slots of every are whole multiples in UTC");
    schedule->time_zone = (struct str){0};
    if (timespan_parse(schedule->every, &schedule->period) && schedule->period % TICKS_SECOND == 0 &&
        schedule->period <= MAX_DAYS * TICKS_DAY)
        return true;
    return err_set(err, ERR_BAD_REQUEST, "every must be whole seconds from 1s to 366d, such as 15m, 1h or P1D");
}

static bool check_when(struct schedule *schedule, const char **field, struct err *err) {
    schedule->period = 0;
    *field = "cron";
    if (!schedule->cron.ptr == !schedule->every.ptr)
        return err_set(err, ERR_BAD_REQUEST,
                       "say when: one of \"cron\":\"30 6 * * MON-FRI\" (with a time_zone) or \"every\":\"15m\"");
    if (schedule->cron.ptr) {
        if (!schedule->time_zone.ptr)
            schedule->time_zone = STR("UTC");
        return cron_parse(schedule->cron, &schedule->rule, err);
    }
    *field = schedule->time_zone.ptr && !str_eq_nocase(schedule->time_zone, STR("UTC")) ? "time_zone" : "every";
    return check_every(schedule, err);
}

bool schedule_check(struct schedule *schedule, const char **field, struct err *err) {
    *field = "id";
    if (!id_fits(schedule->id))
        return err_set(err, ERR_BAD_REQUEST,
                       "id must be 1 to 64 of a-z, 0-9, '-', '_' and '.', a letter or digit first, such as nightly");
    if (!schedule->name.len)
        schedule->name = schedule->id;
    *field = "name";
    if (schedule->name.len > MAX_NAME || str_find(schedule->name, '\0'))
        return err_set(err, ERR_BAD_REQUEST, "name must have at most %d bytes", MAX_NAME);
    if (!check_when(schedule, field, err))
        return false;
    *field = "window";
    schedule->look_back = 0;
    if (schedule->window.ptr && !timespan_parse(schedule->window, &schedule->look_back))
        return err_set(err, ERR_BAD_REQUEST,
                       "window must be a timespan of at most 3650 days, such as \"P5D\", \"5d\" or \"12h\"");
    *field = "catch_up_limit";
    return (schedule->catch_up_limit >= 1 && schedule->catch_up_limit <= SCHEDULE_CATCH_UP_MAX) ||
           err_set(err, ERR_BAD_REQUEST, "catch_up_limit must be 1 to %d", SCHEDULE_CATCH_UP_MAX);
}

static struct str text_or_null(struct arena *arena, const struct db_rows *rows, size_t row, size_t column) {
    return db_is_null(rows, row, column) ? (struct str){0} : arena_copy(arena, db_text(rows, row, column));
}

bool schedule_read(struct arena *arena, const struct db_rows *rows, size_t row, struct schedule *schedule,
                   struct err *err) {
    const char *field;
    struct str selection = db_text(rows, row, 6);
    *schedule = (struct schedule){.id = text_or_null(arena, rows, row, 0),
                                  .name = text_or_null(arena, rows, row, 1),
                                  .cron = text_or_null(arena, rows, row, 2),
                                  .time_zone = text_or_null(arena, rows, row, 3),
                                  .every = text_or_null(arena, rows, row, 4),
                                  .window = text_or_null(arena, rows, row, 5),
                                  .hunts = {.from = -1, .to = -1, .as_of = -1},
                                  .enabled = str_eq(db_text(rows, row, 7), STR("t")),
                                  .catch_up_limit = db_int(rows, row, 9),
                                  .settled = db_int(rows, row, 10),
                                  .now = db_int(rows, row, 11)};
    json_auto_t *root = json_loadb(selection.ptr, selection.len, 0, NULL);
    return catch_up_parse(db_text(rows, row, 8), &schedule->catch_up, err) &&
           selection_parse(arena, root, &schedule->hunts, &field, err) && schedule_check(schedule, &field, err);
}

bool schedule_load(struct db *db, struct arena *arena, struct str id, struct schedule *schedule, struct err *err) {
    DB_ROWS_AUTO *rows = db_query_alone(db, "schedule_load", &id, 1, LIMIT_MS, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "no schedule '%.*s'; GET /v1/schedules lists them", STR_ARG(id));
    return schedule_read(arena, rows, 0, schedule, err);
}

bool schedule_delete(struct db *db, struct str id, struct err *err) {
    DB_ROWS_AUTO *rows = db_query_alone(db, "schedule_delete", &id, 1, LIMIT_MS, err);
    return rows && (db_count(rows) || err_set(err, ERR_NOT_FOUND, "no schedule '%.*s'; GET /v1/schedules lists them",
                                              STR_ARG(id)));
}

bool schedule_zone(struct db_conn *conn, struct arena *arena, const struct schedule *schedule, struct offsets_kept **kept,
                   struct offsets *zone, struct err *err) {
    int64_t end = schedule->now + AHEAD_DAYS * TICKS_DAY;
    *zone = (struct offsets){0};
    return schedule->period ||
           offsets_keep(conn, arena, kept, schedule->time_zone, schedule->settled - TICKS_DAY, end, zone, err);
}

/* Far slots are worked out again with the zone around them. */
bool schedule_following(struct db_conn *conn, struct arena *arena, const struct schedule *schedule,
                        const struct offsets *zone, int64_t after, int64_t *next, struct err *err) {
    *next = schedule_next(schedule, zone, after);
    if (schedule->period || *next < schedule->now + AHEAD_DAYS * TICKS_DAY)
        return true;
    struct offsets far;
    if (!offsets_load(conn, arena, schedule->time_zone, *next - 2 * TICKS_DAY, *next + 2 * TICKS_DAY, &far, err))
        return false;
    *next = schedule_next(schedule, &far, *next - 3 * TICKS_HOUR);
    return true;
}

bool schedules_settle(struct db_conn *conn, const struct settlement *settlements, size_t count, struct err *err) {
    BUF_AUTO ids = BUF(1u << 20);
    BUF_AUTO settled = BUF(1u << 20);
    BUF_AUTO next = BUF(1u << 20);
    for (size_t i = 0; i < count; i++) {
        array_add(&ids, settlements[i].id);
        array_add_int(&settled, settlements[i].settled);
        array_add_int(&next, settlements[i].next);
    }
    array_end(&ids);
    array_end(&settled);
    array_end(&next);
    if (ids.failed || settled.failed || next.failed)
        return err_memory(err);
    struct str params[] = {buf_str(&ids), buf_str(&settled), buf_str(&next)};
    return db_exec(conn, db_statement("schedules_settle"), params, 3, mono_ms() + LIMIT_MS, NULL, err);
}

bool schedule_skip(struct db_conn *conn, struct str id, const struct schedule_due *due, const char *why,
                   struct err *err) {
    BUF_AUTO slots = BUF(SLOTS_CAP);
    if (!due->skipped_count)
        return true;
    for (size_t i = 0; i < due->skipped_count; i++)
        array_add_int(&slots, due->skipped[i]);
    array_end(&slots);
    struct str params[] = {id, buf_str(&slots)};
    log_line(LOG_WARN, "schedule.skipped", "%.*s: %" PRId64 " missed slots are not caught up (catch_up %s)",
             STR_ARG(id), due->skipped_total, why);
    return slots.failed ? err_memory(err)
                        : db_exec(conn, db_statement("slots_skip"), params, 2, mono_ms() + LIMIT_MS, NULL, err);
}

/* What came due before the pause isn't lost without a word. */
static bool backlog_skip(struct db_conn *conn, struct arena *arena, struct schedule *schedule,
                         const struct offsets *zone, struct err *err) {
    struct schedule none = *schedule;
    struct schedule_due due;
    none.catch_up = CATCH_UP_ALL;
    none.catch_up_limit = 0;
    if (!schedule_due(&none, zone, arena, &due, err))
        return false;
    schedule->settled = due.settled;
    return schedule_skip(conn, schedule->id, &due, "paused", err);
}

/* *paused: it was enabled before. */
static bool save_row(struct db_conn *conn, struct arena *arena, struct schedule *schedule, bool create, bool *created,
                     bool *paused, struct err *err) {
    BUF_AUTO selection = BUF(1u << 20);
    selection_add(&selection, &schedule->hunts);
    if (selection.failed)
        return err_memory(err);
    struct str params[] = {schedule->id,
                           schedule->name,
                           schedule->cron,
                           schedule->time_zone,
                           schedule->every,
                           schedule->window,
                           buf_str(&selection),
                           schedule->enabled ? STR("t") : STR("f"),
                           str_from(catch_up_name(schedule->catch_up)),
                           arena_printf(arena, "%" PRId64, schedule->catch_up_limit),
                           create ? STR("t") : STR("f")};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("schedule_save"), params, 11, mono_ms() + LIMIT_MS, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_CONFLICT, "there is a schedule '%.*s' already; PUT replaces it", STR_ARG(schedule->id));
    schedule->settled = db_int(rows, 0, 0);
    schedule->now = db_int(rows, 0, 1);
    *created = str_eq(db_text(rows, 0, 2), STR("t"));
    *paused = str_eq(db_text(rows, 0, 3), STR("t"));
    return true;
}

static bool save_all(struct db_conn *conn, struct arena *arena, struct schedule *schedule, bool create, bool *created,
                     const char **field, struct err *err) {
    struct offsets_kept *kept = NULL;
    struct offsets zone;
    struct settlement start;
    bool unknown, paused;
    if (!db_begin(conn, "", mono_ms() + LIMIT_MS, err))
        return false;
    *field = "time_zone";
    if (schedule->cron.ptr && !offsets_zone(conn, arena, schedule->time_zone, &schedule->time_zone, err))
        return false;
    *field = schedule->hunts.hunt_count ? "hunts" : schedule->hunts.tool.len ? "tool" : "all";
    if (!queue_check_selection(conn, arena, &schedule->hunts, err))
        return false;
    *field = "id";
    if (!save_row(conn, arena, schedule, create, created, &paused, err) ||
        !schedule_zone(conn, arena, schedule, &kept, &zone, err) ||
        (paused && !backlog_skip(conn, arena, schedule, &zone, err)))
        return false;
    start = (struct settlement){.id = schedule->id, .settled = schedule->settled};
    return schedule_following(conn, arena, schedule, &zone, start.settled, &start.next, err) &&
           schedules_settle(conn, &start, 1, err) && db_commit(conn, mono_ms() + LIMIT_MS, &unknown, err);
}

bool schedule_save(struct db *db, struct arena *arena, struct schedule *schedule, bool create, bool *created,
                   const char **field, struct err *err) {
    struct db_conn *conn = db_take(db, mono_ms() + LIMIT_MS, err);
    bool ok = conn && save_all(conn, arena, schedule, create, created, field, err);
    db_give(conn);
    return ok;
}
