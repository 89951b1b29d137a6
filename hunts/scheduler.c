#include "hunts/scheduler.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "hunts/queue.h"
#include "hunts/registry.h"
#include "store/array.h"

enum { LIMIT_MS = 10000, POLL_MS = 250, ARENA = 16 << 20 };

struct scheduler {
    struct db *db;
    struct runner *runner;
    pthread_t thread;
    atomic_bool stopping;
};

/* A transaction that a stopped process can't keep open for long. */
static bool begin(struct db_conn *conn, struct err *err) {
    return db_begin(conn, "", mono_ms() + LIMIT_MS, err) &&
           db_exec(conn, "SET LOCAL idle_in_transaction_session_timeout = 1500", NULL, 0, mono_ms() + LIMIT_MS, NULL, err);
}

/* The slot and its run. ERR_CONFLICT: the slot is there, or another one is under way. */
static bool slot_open(struct db_conn *conn, struct arena *arena, const struct schedule *schedule, int64_t slot,
                      bool by_hand, int64_t *run_id, struct err *err) {
    struct run_request request = schedule->hunts;
    bool fresh;
    request.as_of = request.to = slot;
    request.from = schedule->look_back ? slot - schedule->look_back : -1;
    if (!queue_add(conn, arena, &request, run_id, &fresh, err))
        return false;
    struct str params[] = {schedule->id, arena_printf(arena, "%" PRId64, slot), arena_printf(arena, "%" PRId64, *run_id),
                           by_hand ? STR("t") : STR("f")};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("slot_open"), params, 4, mono_ms() + LIMIT_MS, err);
    return rows && (db_count(rows) || err_set(err, ERR_CONFLICT, "a run of schedule '%.*s' is under way",
                                              STR_ARG(schedule->id)));
}

/* A schedule that can't be run, as its hunts are gone, has failed slots that say so. */
static bool slot_open_or_fail(struct db_conn *conn, struct arena *arena, const struct schedule *schedule, int64_t slot,
                              int64_t *run_id, struct err *err) {
    BUF_AUTO error = BUF(64 * 1024);
    struct err why = {0};
    if (!db_exec(conn, "SAVEPOINT slot", NULL, 0, mono_ms() + LIMIT_MS, NULL, err))
        return false;
    if (slot_open(conn, arena, schedule, slot, false, run_id, &why))
        return true;
    *run_id = 0;
    if (why.code != ERR_NOT_FOUND)
        return *err = why, false;
    registry_add_error(&error, &why, STR(""));
    struct str params[] = {schedule->id, arena_printf(arena, "%" PRId64, slot), buf_str(&error)};
    return db_exec(conn, "ROLLBACK TO SAVEPOINT slot", NULL, 0, mono_ms() + LIMIT_MS, NULL, err) &&
           db_exec(conn, db_statement("slot_fail"), params, 3, mono_ms() + LIMIT_MS, NULL, err);
}

static bool slots_skip(struct db_conn *conn, const struct schedule *schedule, const struct schedule_due *due,
                       struct err *err) {
    BUF_AUTO slots = BUF(1u << 20);
    for (size_t i = 0; i < due->skipped_count; i++)
        array_add_int(&slots, due->skipped[i]);
    array_end(&slots);
    struct str params[] = {schedule->id, buf_str(&slots)};
    log_line(LOG_WARN, "schedule.skipped", "%.*s: %" PRId64 " missed slots are not caught up (catch_up %s)",
             STR_ARG(schedule->id), due->skipped_total, catch_up_name(schedule->catch_up));
    return db_exec(conn, db_statement("slots_skip"), params, 2, mono_ms() + LIMIT_MS, NULL, err);
}

/* What a schedule that is locked has to do now. *run_id 0: nothing to be run. */
static bool schedule_step(struct db_conn *conn, struct arena *arena, const struct schedule *schedule, int64_t *run_id,
                          struct err *err) {
    struct offsets zone;
    struct schedule_due due;
    int64_t next;
    if (!schedule_zone(conn, arena, schedule, schedule->settled, &zone, &next, err) ||
        !schedule_due(schedule, &zone, arena, &due, err))
        return false;
    if (due.skipped_count && !slots_skip(conn, schedule, &due, err))
        return false;
    if (due.slot >= 0 && !slot_open_or_fail(conn, arena, schedule, due.slot, run_id, err))
        return false;
    return schedule_zone(conn, arena, schedule, due.settled, &zone, &next, err) &&
           schedule_settle(conn, arena, schedule->id, due.settled, next, err);
}

/* A schedule that can't be worked with waits a minute, so that it doesn't stand in the others' way. */
static bool schedule_defer(struct db_conn *conn, struct arena *arena, const struct db_rows *rows, const struct err *why,
                           struct err *err) {
    log_line(LOG_ERROR, "schedule.deferred", "%.*s: %.400s", STR_ARG(db_text(rows, 0, 0)), why->text);
    return db_exec(conn, "ROLLBACK TO SAVEPOINT step", NULL, 0, mono_ms() + LIMIT_MS, NULL, err) &&
           schedule_settle(conn, arena, db_text(rows, 0, 0), db_int(rows, 0, 10), db_int(rows, 0, 11) + TICKS_MINUTE, err);
}

static bool step_or_defer(struct db_conn *conn, struct arena *arena, const struct db_rows *rows, int64_t *run_id,
                          struct err *err) {
    struct schedule schedule;
    struct err why = {0};
    if (!db_exec(conn, "SAVEPOINT step", NULL, 0, mono_ms() + LIMIT_MS, NULL, err))
        return false;
    if (schedule_read(arena, rows, &schedule, &why) && schedule_step(conn, arena, &schedule, run_id, &why))
        return true;
    *run_id = 0;
    if (err_status(why.code) == 503 || why.code == ERR_CONFLICT)
        return *err = why, false;
    return schedule_defer(conn, arena, rows, &why, err);
}

/* One schedule that came due; *found is false when there is none. */
static bool take_one(struct db_conn *conn, struct arena *arena, bool *found, int64_t *run_id, struct err *err) {
    bool unknown;
    *found = false;
    *run_id = 0;
    if (!begin(conn, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("schedule_take"), NULL, 0, mono_ms() + LIMIT_MS, err);
    if (!rows)
        return false;
    *found = db_count(rows) > 0;
    return (!*found || step_or_defer(conn, arena, rows, run_id, err)) &&
           db_commit(conn, mono_ms() + LIMIT_MS, &unknown, err);
}

/* Milliseconds until a look is worth it. */
static bool wait_time(struct db_conn *conn, int64_t *wait_ms, struct err *err) {
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("schedules_wait"), NULL, 0, mono_ms() + LIMIT_MS, err);
    if (!rows)
        return false;
    *wait_ms = db_is_null(rows, 0, 0) || db_int(rows, 0, 0) > POLL_MS ? POLL_MS : db_int(rows, 0, 0);
    return true;
}

/* All that is due. ERR_CONFLICT is another server's having been quicker. */
static bool look(struct scheduler *scheduler, int64_t *wait_ms, struct err *err) {
    bool found = true, ok = true;
    int64_t run_id = 0;
    struct db_conn *conn = db_take(scheduler->db, mono_ms() + LIMIT_MS, err);
    while (ok && conn && found) {
        struct arena *arena = arena_new(ARENA);
        ok = arena ? take_one(conn, arena, &found, &run_id, err) : err_memory(err);
        arena_free(arena);
        if (!ok)
            db_rollback(conn);
        else if (run_id)
            runner_hint(scheduler->runner, run_id);
    }
    ok = ok && conn && wait_time(conn, wait_ms, err);
    db_give(conn);
    return ok || err->code == ERR_CONFLICT;
}

static void *scheduler_thread(void *argument) {
    struct scheduler *scheduler = argument;
    bool failing = false; /* an outage is told once */
    while (!atomic_load(&scheduler->stopping)) {
        struct err err = {0};
        int64_t wait_ms = POLL_MS;
        unsigned seen = runner_changes(scheduler->runner);
        bool ok = look(scheduler, &wait_ms, &err);
        if (!ok && !failing)
            log_err("schedule.failed", "", &err);
        failing = !ok;
        runner_pause(scheduler->runner, seen, mono_ms() + wait_ms);
    }
    return NULL;
}

void scheduler_close(struct scheduler *scheduler) {
    if (!scheduler)
        return;
    atomic_store(&scheduler->stopping, true);
    pthread_join(scheduler->thread, NULL);
    free(scheduler);
}

struct scheduler *scheduler_open(struct db *db, struct runner *runner, struct err *err) {
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler) {
        err_memory(err);
        return NULL;
    }
    scheduler->db = db;
    scheduler->runner = runner;
    if (pthread_create(&scheduler->thread, NULL, scheduler_thread, scheduler) == 0)
        return scheduler;
    err_set(err, ERR_OUT_OF_MEMORY, "no thread for schedules");
    free(scheduler);
    return NULL;
}

static bool run_now(struct db_conn *conn, struct arena *arena, struct str id, int64_t *run_id, struct err *err) {
    struct schedule schedule;
    bool unknown;
    if (!begin(conn, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("schedule_load"), &id, 1, mono_ms() + LIMIT_MS, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "no schedule '%.*s'; GET /v1/schedules lists them", STR_ARG(id));
    return schedule_read(arena, rows, &schedule, err) &&
           slot_open(conn, arena, &schedule, schedule.now, true, run_id, err) &&
           db_commit(conn, mono_ms() + LIMIT_MS, &unknown, err);
}

bool scheduler_run_now(struct db *db, struct str id, int64_t *run_id, struct err *err) {
    struct arena *arena = arena_new(ARENA);
    struct db_conn *conn = arena ? db_take(db, mono_ms() + LIMIT_MS, err) : (err_memory(err), NULL);
    bool ok = conn && run_now(conn, arena, id, run_id, err);
    db_give(conn);
    arena_free(arena);
    return ok;
}
