#include "store/collect.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kql/schema.h"

enum {
    LOOK_MS = 10 * 60 * 1000, /* time limit of a statement that looks through a table */
    HOLD_MS = 5000,           /* how long commits are kept out at most */
    MOST = 200000,            /* values of a dictionary in one turn */
    ARRIVAL_SHIFT = 20,
};

static bool is_collected(enum schema_dictionary_id dictionary) {
    return dictionary != DICT_device && dictionary != DICT_host;
}

static bool run(struct db_conn *conn, int64_t deadline_ms, struct err *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool run(struct db_conn *conn, int64_t deadline_ms, struct err *err, const char *format, ...) {
    char sql[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof sql)
        return err_set(err, ERR_INTERNAL, "a statement is too long");
    return db_exec(conn, sql, NULL, 0, deadline_ms, NULL, err);
}

/* Takes off the list what rows of the tables (bit n: the n-th) use that meet the condition. */
static bool used_strike(struct db_conn *conn, int64_t tables, const char *condition, int64_t deadline_ms,
                        struct err *err) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        for (size_t s = 0; s < schema_tables()[t].slot_count; s++) {
            const struct schema_slot *slot = &schema_tables()[t].slots[s];
            if ((tables >> t & 1) && is_collected(slot->dictionary) &&
                !run(conn, deadline_ms, err,
                     "DELETE FROM pg_temp.unused u WHERE u.dictionary = %d AND EXISTS (SELECT FROM data.%s e WHERE "
                     "e.%s = u.id%s)",
                     (int)slot->dictionary, schema_tables()[t].sql, slot->sql, condition))
                return false;
        }
    return true;
}

/* The list of what may go: all values that are there now, without those that events use. */
static bool unused_find(struct db_conn *conn, struct err *err) {
    if (!run(conn, mono_ms() + HOLD_MS, err, "CREATE TEMP TABLE unused (dictionary smallint, id integer)"))
        return false;
    for (int d = 0; d < DICT_COUNT; d++)
        if (is_collected((enum schema_dictionary_id)d) &&
            !run(conn, mono_ms() + LOOK_MS, err, "INSERT INTO pg_temp.unused SELECT %d, id FROM dict.%s WHERE id > 0", d,
                 schema_dictionary((enum schema_dictionary_id)d)->name))
            return false;
    return run(conn, mono_ms() + LOOK_MS, err, "ANALYZE pg_temp.unused") &&
           used_strike(conn, INT64_MAX, "", mono_ms() + LOOK_MS, err) &&
           run(conn, mono_ms() + LOOK_MS, err, "ANALYZE pg_temp.unused");
}

static bool commits_keep_out(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    return db_begin(conn, "", deadline_ms, err) && run(conn, deadline_ms, err, "SET LOCAL lock_timeout = '1s'") &&
           db_exec(conn, db_statement("collect_lock"), NULL, 0, deadline_ms, NULL, err);
}

/* The newest commit while none is under way: what comes later has a higher number. */
static bool newest_read(struct db_conn *conn, int64_t *batch, struct err *err) {
    int64_t deadline_ms = mono_ms() + HOLD_MS;
    bool unknown;
    if (!commits_keep_out(conn, deadline_ms, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("collect_batch"), NULL, 0, deadline_ms, err);
    *batch = rows ? db_int(rows, 0, 0) : 0;
    return rows && db_commit(conn, deadline_ms, &unknown, err);
}

/* Strikes what commits after that one use. */
static bool since_strike(struct db_conn *conn, int64_t batch, int64_t deadline_ms, struct err *err) {
    char number[24], condition[160];
    snprintf(number, sizeof number, "%" PRId64, batch);
    struct str param = str_from(number);
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("collect_since"), &param, 1, deadline_ms, err);
    if (!rows)
        return false;
    snprintf(condition, sizeof condition, " AND e.arrived >= %" PRId64 " AND e.ts BETWEEN %" PRId64 " AND %" PRId64,
             (batch + 1) << ARRIVAL_SHIFT, db_int(rows, 0, 1), db_int(rows, 0, 2));
    return used_strike(conn, db_int(rows, 0, 0), condition, deadline_ms, err);
}

static bool unused_delete(struct db_conn *conn, int64_t *collected, int64_t deadline_ms, struct err *err) {
    for (int d = 0; d < DICT_COUNT; d++) {
        char sql[256];
        int64_t count = 0;
        snprintf(sql, sizeof sql,
                 "DELETE FROM dict.%s WHERE id = ANY (ARRAY(SELECT id FROM pg_temp.unused WHERE dictionary = %d LIMIT %d))",
                 schema_dictionary((enum schema_dictionary_id)d)->name, d, MOST);
        if (is_collected((enum schema_dictionary_id)d) && !db_exec(conn, sql, NULL, 0, deadline_ms, &count, err))
            return false;
        *collected += count;
    }
    return true;
}

static bool collect(struct db_conn *conn, int64_t *collected, struct err *err) {
    int64_t batch, found = 0;
    bool unknown;
    if (!newest_read(conn, &batch, err) || !unused_find(conn, err))
        return false;
    DB_ROWS_AUTO *any = db_query(conn, "SELECT FROM pg_temp.unused LIMIT 1", NULL, 0, mono_ms() + HOLD_MS, err);
    if (!any || !db_count(any))
        return any != NULL;
    int64_t deadline_ms = mono_ms() + HOLD_MS;
    if (!commits_keep_out(conn, deadline_ms, err) || !since_strike(conn, batch, deadline_ms, err) ||
        !unused_delete(conn, &found, deadline_ms, err) ||
        !db_exec(conn, db_statement("collect_done"), NULL, 0, deadline_ms, NULL, err) ||
        !db_commit(conn, deadline_ms, &unknown, err))
        return false;
    *collected = found;
    return true;
}

bool dictionary_collect(struct db_conn *conn, int64_t *collected, struct err *err) {
    struct err ignored = {0};
    *collected = 0;
    bool ok = collect(conn, collected, err);
    db_rollback(conn);
    run(conn, mono_ms() + HOLD_MS, &ignored, "DROP TABLE IF EXISTS pg_temp.unused");
    return ok || err->code == ERR_DATABASE_RETRY || err->code == ERR_DEADLINE;
}
