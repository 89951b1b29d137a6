#include "hunts/slots.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "hunts/queue.h"
#include "hunts/registry.h"
#include "store/array.h"

enum { PARAMETER_CAP = 1 << 20 };

/* A schedule that is locked. */
struct item {
    struct schedule schedule;
    struct schedule_due due;
    int64_t next;   /* slot; -1: none */
    int64_t run_id; /* 0: none was made */
    bool put_off;   /* it can't be worked with for now */
    bool left;      /* as it is: somebody else was quicker */
};

struct look {
    struct db_conn *conn;
    struct arena *arena;
    struct item *items;
    size_t count;
    struct offsets_kept *zones;
};

static bool command(struct db_conn *conn, const char *sql, struct err *err) {
    return db_exec(conn, sql, NULL, 0, mono_ms() + SLOTS_LIMIT_MS, NULL, err);
}

bool slots_begin(struct db_conn *conn, struct err *err) {
    return db_begin(conn, "", mono_ms() + SLOTS_LIMIT_MS, err) &&
           command(conn, "SET LOCAL idle_in_transaction_session_timeout = 1500", err);
}

/* Whether it is the world's fault, so that nothing can be said about the schedule. */
static bool is_outage(const struct err *why) {
    return err_status(why->code) == 503;
}

/* The end of a try behind SAVEPOINT one: kept, or undone. */
static bool try_end(struct db_conn *conn, bool ok, struct err *err) {
    return (ok || command(conn, "ROLLBACK TO SAVEPOINT one", err)) && command(conn, "RELEASE SAVEPOINT one", err);
}

bool slot_open(struct db_conn *conn, struct arena *arena, const struct schedule *schedule, int64_t slot, bool by_hand,
               int64_t *run_id, struct err *err) {
    struct run_request request = schedule->hunts;
    bool fresh;
    request.without_missing = true;
    request.as_of = request.to = slot;
    request.from = schedule->look_back ? slot - schedule->look_back : -1;
    if (!queue_add(conn, arena, &request, run_id, &fresh, err))
        return false;
    struct str params[] = {schedule->id, arena_printf(arena, "%" PRId64, slot), arena_printf(arena, "%" PRId64, *run_id),
                           by_hand ? STR("t") : STR("f")};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("slot_open"), params, 4, mono_ms() + SLOTS_LIMIT_MS, err);
    return rows && (db_count(rows) || err_set(err, ERR_CONFLICT, "a run of schedule '%.*s' is under way",
                                              STR_ARG(schedule->id)));
}

/* Tried again in a minute, so that it doesn't stand in the others' way. */
static void item_put_off(struct item *item, struct str id, const struct err *why) {
    log_line(LOG_ERROR, "schedule.deferred", "%.*s: %.400s", STR_ARG(id), why->text);
    item->put_off = true;
    item->due.slot = -1;
    item->due.skipped_count = 0;
}

static bool item_work_out(struct look *look, struct item *item, struct err *err) {
    const struct schedule *schedule = &item->schedule;
    struct offsets zone;
    return schedule_zone(look->conn, look->arena, schedule, &look->zones, &zone, err) &&
           schedule_due(schedule, &zone, look->arena, &item->due, err) &&
           schedule_following(look->conn, look->arena, schedule, &zone, item->due.settled, &item->next, err);
}

/* What a schedule has to do now. Only those with a zone need the database for it. */
static bool item_read(struct look *look, const struct db_rows *rows, size_t row, struct err *err) {
    struct item *item = &look->items[row];
    struct err why = {0};
    bool ok = schedule_read(look->arena, rows, row, &item->schedule, &why), zoned = ok && !item->schedule.period;
    if (zoned && !command(look->conn, "SAVEPOINT one", err))
        return false;
    ok = ok && item_work_out(look, item, &why);
    if (!ok && is_outage(&why))
        return *err = why, false;
    if (!ok)
        item_put_off(item, db_text(rows, row, 0), &why);
    return !zoned || try_end(look->conn, ok, err);
}

static bool items_read(struct look *look, const struct db_rows *rows, struct err *err) {
    look->count = db_count(rows);
    look->items = arena_array(look->arena, look->count + 1, sizeof *look->items);
    if (!look->items)
        return err_memory(err);
    for (size_t r = 0; r < look->count; r++)
        if (!item_read(look, rows, r, err))
            return false;
    return true;
}

static bool items_skip(struct look *look, struct err *err) {
    for (size_t i = 0; i < look->count; i++) {
        const struct item *item = &look->items[i];
        if (!schedule_skip(look->conn, item->schedule.id, &item->due, catch_up_name(item->schedule.catch_up), err))
            return false;
    }
    return true;
}

static void missing_log(const struct item *item, struct str missing) {
    if (missing.len)
        log_line(LOG_WARN, "schedule.missing", "%.*s: runs without hunts that are gone: %.*s",
                 STR_ARG(item->schedule.id), STR_ARG(missing));
}

/* Slots that were opened, by their schedules. */
static void items_opened(struct look *look, const struct db_rows *rows) {
    for (size_t r = 0; r < db_count(rows); r++)
        for (size_t i = 0; i < look->count; i++)
            if (str_eq(look->items[i].schedule.id, db_text(rows, r, 0))) {
                look->items[i].run_id = db_int(rows, r, 1);
                missing_log(&look->items[i], db_text(rows, r, 2));
            }
}

static bool open_together(struct look *look, struct err *err) {
    BUF_AUTO ids = BUF(PARAMETER_CAP);
    BUF_AUTO slots = BUF(PARAMETER_CAP);
    BUF_AUTO from = BUF(PARAMETER_CAP);
    for (size_t i = 0; i < look->count; i++) {
        const struct item *item = &look->items[i];
        if (item->due.slot < 0)
            continue;
        array_add(&ids, item->schedule.id);
        array_add_int(&slots, item->due.slot);
        array_add_int(&from, item->schedule.look_back ? item->due.slot - item->schedule.look_back : -1);
    }
    array_end(&ids);
    array_end(&slots);
    array_end(&from);
    if (ids.failed || slots.failed || from.failed)
        return err_memory(err);
    struct str params[] = {buf_str(&ids), buf_str(&slots), buf_str(&from)};
    DB_ROWS_AUTO *rows = db_query(look->conn, db_statement("slots_open"), params, 3, mono_ms() + SLOTS_LIMIT_MS, err);
    items_opened(look, rows);
    return rows != NULL;
}

/* A fault that isn't an outage leaves all of them to be opened one by one. */
static bool items_open(struct look *look, struct err *err) {
    struct err why = {0};
    if (!command(look->conn, "SAVEPOINT one", err))
        return false;
    bool ok = open_together(look, &why);
    if (!ok && is_outage(&why))
        return *err = why, false;
    if (!ok)
        log_err("schedule.batch", "", &why);
    return try_end(look->conn, ok, err);
}

/* A schedule that can't be run, as its hunts are gone, has failed slots that say so. */
static bool slot_fail(struct look *look, const struct item *item, const struct err *why, struct err *err) {
    BUF_AUTO error = BUF(64 * 1024);
    registry_add_error(&error, why, STR(""));
    struct str params[] = {item->schedule.id, arena_printf(look->arena, "%" PRId64, item->due.slot), buf_str(&error)};
    return db_exec(look->conn, db_statement("slot_fail"), params, 3, mono_ms() + SLOTS_LIMIT_MS, NULL, err);
}

static bool item_open(struct look *look, struct item *item, struct err *err) {
    struct err why = {0};
    if (!command(look->conn, "SAVEPOINT one", err))
        return false;
    bool ok = slot_open(look->conn, look->arena, &item->schedule, item->due.slot, false, &item->run_id, &why);
    if (!ok && is_outage(&why))
        return *err = why, false;
    if (!try_end(look->conn, ok, err))
        return false;
    if (ok)
        return true;
    item->run_id = 0;
    item->left = why.code == ERR_CONFLICT;
    if (why.code == ERR_BAD_REQUEST)
        return slot_fail(look, item, &why, err);
    if (!item->left)
        item_put_off(item, item->schedule.id, &why);
    return true;
}

/* Those that were left out say by themselves why. */
static bool items_open_rest(struct look *look, struct err *err) {
    for (size_t i = 0; i < look->count; i++)
        if (look->items[i].due.slot >= 0 && !look->items[i].run_id && !item_open(look, &look->items[i], err))
            return false;
    return true;
}

static bool items_settle(struct look *look, const struct db_rows *rows, struct slots_taken *taken, struct err *err) {
    struct settlement *settlements = arena_array(look->arena, look->count, sizeof *settlements);
    taken->runs = arena_array(look->arena, look->count, sizeof *taken->runs);
    if (!settlements || !taken->runs)
        return err_memory(err);
    for (size_t i = 0; i < look->count; i++) {
        const struct item *item = &look->items[i];
        struct settlement settlement = {db_text(rows, i, 0), item->due.settled, item->next};
        if (item->put_off)
            settlement = (struct settlement){db_text(rows, i, 0), db_int(rows, i, 10), db_int(rows, i, 11) + TICKS_MINUTE};
        if (!item->left)
            settlements[taken->settled++] = settlement;
        if (item->run_id)
            taken->runs[taken->run_count++] = item->run_id;
    }
    return schedules_settle(look->conn, settlements, taken->settled, err);
}

bool slots_take(struct db_conn *conn, struct arena *arena, size_t most, struct slots_taken *taken, struct err *err) {
    struct look look = {.conn = conn, .arena = arena};
    struct str limit = arena_printf(arena, "%zu", most);
    *taken = (struct slots_taken){0};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("schedules_take"), &limit, 1, mono_ms() + SLOTS_LIMIT_MS, err);
    if (!rows || !db_count(rows))
        return rows != NULL;
    return items_read(&look, rows, err) && items_skip(&look, err) && items_open(&look, err) &&
           items_open_rest(&look, err) && items_settle(&look, rows, taken, err);
}
