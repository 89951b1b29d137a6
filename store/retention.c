#include "store/retention.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "kql/schema.h"
#include "store/array.h"
#include "store/collect.h"
#include "store/partition.h"

enum {
    STEP_MS = 30000,     /* time limit of one transaction */
    DROP_TRIES = 4,
    PAUSE_MS = 150,      /* between tries, and between drops, so that ingest finds its way in between */
    CHUNK = 2000,        /* rows of a delete */
    CHUNKS = 100,        /* deletes of a kind in one turn */
    BATCH_MARGIN_DAYS = 30,
};

struct pass {
    struct db *db;
    struct db_conn *conn;
    const struct retention *retention;
    const atomic_bool *stop;
    struct retention_report *report;
};

const char *retention_name(enum retention_kind kind) {
    static const char *const names[] = {
#define RETENTION(kind, name) name,
        RETENTION_KINDS
#undef RETENTION
    };
    return names[kind];
}

static int64_t step_deadline(void) {
    return mono_ms() + STEP_MS;
}

bool retention_set(struct db *db, const struct retention *retention, struct err *err) {
    char ticks[24];
    snprintf(ticks, sizeof ticks, "%" PRId64, retention->events);
    struct str param = str_from(ticks);
    DB_ROWS_AUTO *rows = db_query_alone(db, "retention_set", &param, 1, STEP_MS, err);
    return rows != NULL;
}

/* table NULL: all partitions that are to go; else that one, if it still is. */
static struct db_rows *expired_list(struct pass *pass, const struct schema_table *table, int64_t day,
                                    struct err *err) {
    BUF_AUTO names = BUF(4096);
    char keep[24], number[24];
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        array_add(&names, str_from(schema_tables()[t].sql));
    array_end(&names);
    snprintf(keep, sizeof keep, "%" PRId64, pass->retention->events);
    snprintf(number, sizeof number, "%" PRId64, day);
    struct str params[] = {str_from(keep), table ? str_from(table->sql) : (struct str){0},
                           table ? str_from(number) : (struct str){0}, buf_str(&names)};
    if (!names.failed)
        return db_query(pass->conn, db_statement("retention_expired"), params, 4, step_deadline(), err);
    err_memory(err);
    return NULL;
}

static bool day_lock(struct pass *pass, const struct schema_table *table, struct err *err) {
    char sql[128];
    snprintf(sql, sizeof sql, "LOCK TABLE ONLY data.%s IN ACCESS EXCLUSIVE MODE", table->sql);
    return db_exec(pass->conn, "SET LOCAL lock_timeout = '250ms'", NULL, 0, step_deadline(), NULL, err) &&
           db_exec(pass->conn, sql, NULL, 0, step_deadline(), NULL, err);
}

/* Behind the lock nothing is being stored: what came for the day up to now is seen, and nothing comes until the end. */
static bool day_drop_locked(struct pass *pass, const struct schema_table *table, int64_t day, int64_t *events,
                            bool *dropped, struct err *err) {
    char place[24], number[24];
    bool unknown;
    snprintf(place, sizeof place, "%zu", schema_table_index(table));
    snprintf(number, sizeof number, "%" PRId64, day);
    struct str params[] = {str_from(place), str_from(number)};
    DB_ROWS_AUTO *still = expired_list(pass, table, day, err);
    if (!still || !db_count(still)) {
        db_rollback(pass->conn);
        return still != NULL;
    }
    if (!partition_drop(pass->conn, table, day, step_deadline(), err))
        return false;
    DB_ROWS_AUTO *rows =
        db_query(pass->conn, db_statement("retention_forget_day"), params, 2, step_deadline(), err);
    *events = rows ? db_int(rows, 0, 0) : 0;
    *dropped = rows && db_commit(pass->conn, step_deadline(), &unknown, err);
    return *dropped;
}

/* Ingest finds out by itself: storing fails, and it forgets what it knew of partitions and of who reports on which day. */
static bool day_drop(struct pass *pass, const struct schema_table *table, int64_t day, struct err *err) {
    for (int try = 0; try < DROP_TRIES && !atomic_load(pass->stop); try++) {
        int64_t events = 0;
        bool dropped = false;
        bool ok = db_begin(pass->conn, "", step_deadline(), err) && day_lock(pass, table, err) &&
                  day_drop_locked(pass, table, day, &events, &dropped, err);
        if (ok) {
            pass->report->dropped[RETENTION_PARTITIONS] += dropped;
            pass->report->dropped[RETENTION_EVENTS] += events;
            return true;
        }
        db_rollback(pass->conn);
        if (err->code != ERR_DATABASE_RETRY)
            return false;
        sleep_ms(PAUSE_MS);
    }
    pass->report->busy = true; /* someone reads or writes the table for long: the next turn tries again */
    return true;
}

static bool partitions_drop(struct pass *pass, struct err *err) {
    DB_ROWS_AUTO *rows = expired_list(pass, NULL, 0, err);
    for (size_t r = 0; rows && r < db_count(rows) && !atomic_load(pass->stop); r++) {
        const struct schema_table *table = NULL;
        for (size_t t = 0; t < SCHEMA_TABLES; t++)
            if (str_eq(db_text(rows, r, 0), str_from(schema_tables()[t].sql)))
                table = &schema_tables()[t];
        if (table && !day_drop(pass, table, db_int(rows, r, 1), err))
            return false;
        sleep_ms(PAUSE_MS);
    }
    return rows != NULL;
}

/* Runs a statement that takes at most CHUNK rows and says how many it took, until it takes fewer. */
static bool chunks_run(struct pass *pass, const char *sql, int64_t keep, int64_t *total, struct err *err) {
    char ticks[24], chunk[24];
    snprintf(ticks, sizeof ticks, "%" PRId64, keep);
    snprintf(chunk, sizeof chunk, "%d", CHUNK);
    struct str params[] = {str_from(ticks), str_from(chunk)};
    for (int i = 0; i < CHUNKS && !atomic_load(pass->stop); i++) {
        DB_ROWS_AUTO *rows = db_query(pass->conn, sql, params, 2, step_deadline(), err);
        if (!rows)
            return false;
        *total += db_int(rows, 0, 0);
        if (db_int(rows, 0, 0) < CHUNK)
            return true;
    }
    pass->report->busy = true;
    return true;
}

/* Runs a statement that sums up about so many of what commits noted, until nothing is left. */
static bool sum(struct pass *pass, const char *statement, int64_t most, struct err *err) {
    char number[24];
    int64_t moved = most;
    snprintf(number, sizeof number, "%" PRId64, most);
    struct str param = str_from(number);
    for (int i = 0; i < CHUNKS && moved > 0 && !atomic_load(pass->stop); i++) {
        DB_ROWS_AUTO *rows = db_query(pass->conn, db_statement(statement), &param, 1, step_deadline(), err);
        if (!rows)
            return false;
        moved = db_int(rows, 0, 0);
    }
    return true;
}

static bool counts_sum(struct pass *pass, struct err *err) {
    return sum(pass, "retention_present", 1000000, err) && sum(pass, "retention_count", 20000, err);
}

static bool rows_delete(struct pass *pass, struct err *err) {
    const struct retention *retention = pass->retention;
    const struct {
        const char *statement;
        int64_t keep;
        enum retention_kind kind;
    } steps[] = {
        {"retention_batches", retention->events + BATCH_MARGIN_DAYS * TICKS_DAY, RETENTION_BATCHES},
        {"retention_results", retention->runs, RETENTION_RESULTS},
        {"retention_runs", retention->runs, RETENTION_RUNS},
        {"retention_changes", retention->changes, RETENTION_CHANGES},
        {"retention_rejected", retention->rejected, RETENTION_REJECTED},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct err why = {0};
        if (!chunks_run(pass, db_statement(steps[i].statement), steps[i].keep, &pass->report->dropped[steps[i].kind],
                        &why)) {
            *err = ok ? why : *err;
            ok = false;
        }
    }
    return ok;
}

/* Values went with the partitions that used them. */
static bool values_collect(struct pass *pass, struct err *err) {
    return !pass->report->dropped[RETENTION_PARTITIONS] ||
           dictionary_collect(pass->conn, &pass->report->dropped[RETENTION_VALUES], err);
}

static bool turn_take(struct pass *pass, struct err *err) {
    struct str param = str_from(db_name(pass->db));
    DB_ROWS_AUTO *rows = db_query(pass->conn, db_statement("retention_take"), &param, 1, step_deadline(), err);
    pass->report->ours = rows && db_count(rows);
    pass->report->busy = !pass->report->ours;
    return rows != NULL;
}

static bool turn_give(struct pass *pass, struct err *err) {
    struct str param = str_from(db_name(pass->db));
    return db_exec(pass->conn, db_statement("retention_give"), &param, 1, step_deadline(), NULL, err);
}

bool retention_pass(struct db *db, const struct retention *retention, const atomic_bool *stop,
                    struct retention_report *report, struct err *err) {
    static bool (*const steps[])(struct pass *, struct err *) = {counts_sum, partitions_drop, rows_delete,
                                                                 values_collect, turn_give};
    struct pass pass = {.db = db, .retention = retention, .stop = stop, .report = report};
    *report = (struct retention_report){0};
    pass.conn = db_take(db, step_deadline(), err);
    bool ok = pass.conn && turn_take(&pass, err);
    for (size_t i = 0; ok && report->ours && i < sizeof steps / sizeof *steps; i++) {
        struct err why = {0};
        if (steps[i](&pass, &why))
            continue;
        *err = err->code == ERR_NONE ? why : *err;
        db_rollback(pass.conn);
    }
    db_give(pass.conn);
    return ok && err->code == ERR_NONE;
}
