#include "store/compact.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kql/schema.h"
#include "store/array.h"
#include "store/internal.h"

enum {
    STEP_MS = 30000,
    BUILD_MS = 3 * 3600 * 1000, /* of one index; nobody waits for it */
    TURN_MS = 30000,  /* then it tells what it has done so far */
    PAUSE_MS = 20,
    NAME_ROOM = 128,
};

struct compaction {
    struct db *db;
    int64_t quiet;
    pthread_mutex_t lock;
    struct db_conn *conn; /* of the pass that runs; under the lock */
    bool cancelled;
};

static int64_t step_deadline(void) {
    return mono_ms() + STEP_MS;
}

void compaction_free(struct compaction *compaction) {
    if (!compaction)
        return;
    pthread_mutex_destroy(&compaction->lock);
    free(compaction);
}

struct compaction *compaction_new(struct db *db, int64_t quiet, struct err *err) {
    struct compaction *compaction = calloc(1, sizeof *compaction);
    if (!compaction) {
        err_memory(err);
        return NULL;
    }
    compaction->db = db;
    compaction->quiet = quiet;
    pthread_mutex_init(&compaction->lock, NULL);
    return compaction;
}

void compaction_cancel(struct compaction *compaction) {
    pthread_mutex_lock(&compaction->lock);
    compaction->cancelled = true;
    if (compaction->conn)
        db_cancel(compaction->conn);
    pthread_mutex_unlock(&compaction->lock);
}

static bool conn_set(struct compaction *compaction, struct db_conn *conn, struct err *err) {
    pthread_mutex_lock(&compaction->lock);
    bool cancelled = compaction->cancelled;
    compaction->conn = conn;
    pthread_mutex_unlock(&compaction->lock);
    return !cancelled || err_set(err, ERR_CANCELLED, "the server stops");
}

static struct db_rows *due_list(const struct compaction *compaction, struct db_conn *conn, struct err *err) {
    BUF_AUTO tables = BUF(4096);
    char quiet[24];
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        array_add(&tables, str_from(schema_tables()[t].sql));
    array_end(&tables);
    snprintf(quiet, sizeof quiet, "%" PRId64, compaction->quiet);
    struct str params[] = {str_from(quiet), buf_str(&tables)};
    if (!tables.failed)
        return db_query(conn, db_statement("compact_due"), params, 2, step_deadline(), err);
    err_memory(err);
    return NULL;
}

/* The session's, which ends with the pass: whose turn it is, one core, and how long others' old transactions are waited for. */
static bool turn_take(struct db_conn *conn, bool *ours, struct err *err) {
    DB_ROWS_AUTO *rows = db_query(conn, "SELECT set_config('max_parallel_maintenance_workers', '0', false), "
                                        "set_config('lock_timeout', '60s', false), pg_try_advisory_lock(7308327834650182)",
                                  NULL, 0, step_deadline(), err);
    *ours = rows && str_eq(db_text(rows, 0, 2), STR("t"));
    return rows != NULL;
}

/* Names are the catalogue's own, made of those of tables and columns: letters, digits and _. */
static bool broken_drop(struct db_conn *conn, struct err *err) {
    char sql[NAME_ROOM + 64];
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("compact_broken"), NULL, 0, step_deadline(), err);
    for (size_t r = 0; rows && r < db_count(rows); r++) {
        snprintf(sql, sizeof sql, "DROP INDEX CONCURRENTLY IF EXISTS data.%.*s", STR_ARG(db_text(rows, r, 0)));
        if (!db_exec(conn, sql, NULL, 0, mono_ms() + BUILD_MS, NULL, err))
            return false;
    }
    return rows != NULL;
}

/* Late rows into a full page split it; they are few by now. */
static bool index_build(struct db_conn *conn, struct str name, struct err *err) {
    char sql[NAME_ROOM + 64];
    snprintf(sql, sizeof sql, "ALTER INDEX data.%.*s SET (fillfactor = 100)", STR_ARG(name));
    if (!db_exec(conn, sql, NULL, 0, mono_ms() + BUILD_MS, NULL, err))
        return false;
    snprintf(sql, sizeof sql, "REINDEX INDEX CONCURRENTLY data.%.*s", STR_ARG(name));
    return db_exec(conn, sql, NULL, 0, mono_ms() + BUILD_MS, NULL, err);
}

/* As long as the index took: at most half of a core goes into this. */
static void rest(int64_t ms, const atomic_bool *stop) {
    for (int64_t until = mono_ms() + ms; ms_left(until) > 0 && !atomic_load(stop);)
        sleep_ms(PAUSE_MS);
}

static bool index_compact(struct db_conn *conn, const struct db_rows *due, size_t r, struct compact_report *report,
                          struct err *err) {
    int64_t begun = mono_ms();
    if (!index_build(conn, db_text(due, r, 0), err))
        return !strcmp(err->sqlstate, "42P01") || !strcmp(err->sqlstate, "42704"); /* its day was dropped meanwhile */
    struct str params[] = {db_text(due, r, 0), db_text(due, r, 2)};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("compact_done"), params, 2, step_deadline(), err);
    if (!rows)
        return false;
    report->indexes++;
    report->ms += mono_ms() - begun;
    report->freed_bytes += db_int(due, r, 1) - db_int(rows, 0, 0);
    return true;
}

static bool all_compact(const struct compaction *compaction, struct db_conn *conn, const atomic_bool *stop,
                        struct compact_report *report, struct err *err) {
    DB_ROWS_AUTO *due = broken_drop(conn, err) ? due_list(compaction, conn, err) : NULL;
    int64_t turn_end = mono_ms() + TURN_MS;
    bool ok = due != NULL;
    for (size_t r = 0; ok && r < db_count(due); r++) {
        struct err why = {0};
        int64_t before = report->ms;
        report->left = atomic_load(stop) || ms_left(turn_end) <= 0;
        if (report->left)
            break;
        ok = index_compact(conn, due, r, report, &why);
        if (!ok)
            *err = why;
        rest(report->ms - before, stop);
    }
    return ok;
}

/* What is due is looked up once more behind the lock: another server may have done it meanwhile. */
static bool turn_run(const struct compaction *compaction, struct db_conn *conn, const atomic_bool *stop,
                     struct compact_report *report, struct err *err) {
    bool ok = turn_take(conn, &report->ours, err) && (!report->ours || all_compact(compaction, conn, stop, report, err));
    conn_break(conn); /* the turn and the settings go with the session */
    return ok;
}

bool compaction_pass(struct compaction *compaction, const atomic_bool *stop, struct compact_report *report, struct err *err) {
    struct err ignored;
    *report = (struct compact_report){.ours = true};
    struct db_conn *conn = db_take(compaction->db, step_deadline(), err);
    if (!conn)
        return false;
    DB_ROWS_AUTO *due = conn_set(compaction, conn, err) ? due_list(compaction, conn, err) : NULL;
    bool ok = due && (!db_count(due) || turn_run(compaction, conn, stop, report, err));
    conn_set(compaction, NULL, &ignored);
    db_give(conn);
    return ok;
}
