#include "hunts/scheduler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "hunts/slots.h"

enum { TOGETHER = 100, POLL_MS = 250, ARENA = 64 << 20 };

struct scheduler {
    struct db *db;
    struct runner *runner;
    size_t most; /* schedules in one transaction */
    pthread_t thread;
    atomic_bool stopping;
};

/* Milliseconds until a schedule comes due; at most until the next poll. */
static bool wait_time(struct db_conn *conn, int64_t *wait_ms, struct err *err) {
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("schedules_wait"), NULL, 0, mono_ms() + SLOTS_LIMIT_MS, err);
    if (!rows)
        return false;
    *wait_ms = !db_count(rows) || db_int(rows, 0, 0) > POLL_MS ? POLL_MS : db_int(rows, 0, 0);
    return true;
}

/* One transaction's worth of schedules that came due; *some is false when none could be moved on. */
static bool take_some(struct scheduler *scheduler, struct db_conn *conn, struct arena *arena, bool *some,
                      struct err *err) {
    struct slots_taken taken;
    bool unknown;
    if (!slots_begin(conn, err) || !slots_take(conn, arena, scheduler->most, &taken, err) ||
        !db_commit(conn, mono_ms() + SLOTS_LIMIT_MS, &unknown, err))
        return false;
    for (size_t i = 0; i < taken.run_count; i++)
        runner_hint(scheduler->runner, taken.runs[i]);
    *some = taken.settled > 0;
    return true;
}

/* What was too much, for the time or memory there is, is tried in smaller pieces. */
static void pieces_fit(struct scheduler *scheduler, bool ok) {
    size_t most = ok ? scheduler->most * 2 : scheduler->most / 4;
    scheduler->most = most < 1 ? 1 : most > TOGETHER ? TOGETHER : most;
}

/* All that is due, and how long nothing will be. */
static bool look(struct scheduler *scheduler, struct db_conn *conn, int64_t *wait_ms, struct err *err) {
    bool some = true, ok = wait_time(conn, wait_ms, err);
    while (ok && *wait_ms == 0 && some && !atomic_load(&scheduler->stopping)) {
        struct arena *arena = arena_new(ARENA);
        ok = arena ? take_some(scheduler, conn, arena, &some, err) : err_memory(err);
        arena_free(arena);
        pieces_fit(scheduler, ok);
        ok = ok && wait_time(conn, wait_ms, err);
    }
    *wait_ms = some ? *wait_ms : POLL_MS;
    return ok;
}

static void *scheduler_thread(void *argument) {
    struct scheduler *scheduler = argument;
    bool failing = false; /* an outage is told once */
    while (!atomic_load(&scheduler->stopping)) {
        struct err err = {0};
        int64_t wait_ms = POLL_MS;
        unsigned seen = runner_changes(scheduler->runner);
        struct db_conn *conn = db_take(scheduler->db, mono_ms() + SLOTS_LIMIT_MS, &err);
        bool ok = conn && look(scheduler, conn, &wait_ms, &err);
        db_give(conn);
        if (!ok && !failing)
            log_err("schedule.failed", "", &err);
        failing = !ok;
        runner_pause(scheduler->runner, seen, mono_ms() + (ok ? wait_ms : POLL_MS));
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
    scheduler->most = TOGETHER;
    if (pthread_create(&scheduler->thread, NULL, scheduler_thread, scheduler) == 0)
        return scheduler;
    err_set(err, ERR_OUT_OF_MEMORY, "no thread for schedules");
    free(scheduler);
    return NULL;
}

static bool run_now(struct db_conn *conn, struct arena *arena, struct str id, int64_t *run_id, struct err *err) {
    struct schedule schedule;
    bool unknown;
    if (!slots_begin(conn, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("schedule_load"), &id, 1, mono_ms() + SLOTS_LIMIT_MS, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "no schedule '%.*s'; GET /v1/schedules lists them", STR_ARG(id));
    return schedule_read(arena, rows, 0, &schedule, err) &&
           slot_open(conn, arena, &schedule, schedule.now, true, run_id, err) &&
           db_commit(conn, mono_ms() + SLOTS_LIMIT_MS, &unknown, err);
}

bool scheduler_run_now(struct db *db, struct str id, int64_t *run_id, struct err *err) {
    struct arena *arena = arena_new(ARENA);
    struct db_conn *conn = arena ? db_take(db, mono_ms() + SLOTS_LIMIT_MS, err) : (err_memory(err), NULL);
    bool ok = conn && run_now(conn, arena, id, run_id, err);
    db_give(conn);
    arena_free(arena);
    return ok;
}
