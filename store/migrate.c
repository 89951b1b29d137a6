#include "store/migrate.h"

#include <stdio.h>

#include "base/embed.h"
#include "base/log.h"
#include "store/internal.h"
#include "store/schema_sync.h"

#define FOLDER "migrations/"
/* Any number that no other program takes; the same in every version. */
#define LOCK_KEY "7308327834650181"

static bool is_migration(const struct embedded_file *file) {
    return !strncmp(file->name, FOLDER, sizeof FOLDER - 1);
}

/* The four digits of NNNN_name.sql; 0 when they aren't. */
static int number_of(const struct embedded_file *file) {
    const char *name = file->name + sizeof FOLDER - 1;
    int number = 0;
    for (int i = 0; i < 4; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (name[i] - '0');
    }
    return number;
}

static bool ledger_make(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    static const char sql[] =
        "CREATE SCHEMA IF NOT EXISTS rmm;"
        "CREATE TABLE IF NOT EXISTS rmm.migrations (number integer PRIMARY KEY, name text NOT NULL, "
        "digest bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp());"
        "COMMENT ON TABLE rmm.migrations IS 'migration files that were applied';"
        "COMMENT ON COLUMN rmm.migrations.digest IS 'SHA-256 of the file'";
    DB_ROWS_AUTO *rows = db_query(conn, "SELECT to_regclass('rmm.migrations') IS NOT NULL", NULL, 0, deadline_ms, err);
    if (!rows)
        return false;
    return str_eq(db_text(rows, 0, 0), STR("t")) || conn_script(conn, sql, deadline_ms, err);
}

int migrate_version(void) {
    int newest = 0;
    for (const struct embedded_file *file = embedded_files; file->name; file++)
        if (is_migration(file) && number_of(file) > newest)
            newest = number_of(file);
    return newest;
}

static bool newer_refuse(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    int newest = migrate_version();
    DB_ROWS_AUTO *rows =
        db_query(conn, "SELECT coalesce(max(number), 0) FROM rmm.migrations", NULL, 0, deadline_ms, err);
    if (!rows)
        return false;
    if (db_int(rows, 0, 0) <= newest)
        return true;
    return err_set(err, ERR_CONFIG,
                   "the database is at migration %lld, this rmmhunt knows only %d: run the newer rmmhunt that made it",
                   (long long)db_int(rows, 0, 0), newest);
}

static bool apply(struct db_conn *conn, const struct embedded_file *file, const struct str params[3],
                  int64_t deadline_ms, struct err *err) {
    static const char note[] = "INSERT INTO rmm.migrations (number, name, digest) "
                               "VALUES ($1::integer, $3::text, sha256(convert_to($2::text, 'UTF8')))";
    bool unknown;
    bool ok = db_begin(conn, "", deadline_ms, err) && conn_script(conn, params[1].ptr, deadline_ms, err) &&
              db_exec(conn, note, params, 3, deadline_ms, NULL, err) && db_commit(conn, deadline_ms, &unknown, err);
    if (ok) {
        log_line(LOG_INFO, "database.migrated", "applied %s", file->name);
        return true;
    }
    struct err cause = *err;
    db_rollback(conn);
    err_set(err, cause.code, "%s: %.300s", file->name, cause.text);
    memcpy(err->sqlstate, cause.sqlstate, sizeof err->sqlstate);
    return false;
}

/* Applies the file, or checks that it is the one that was applied. */
static bool file_settle(struct db_conn *conn, const struct embedded_file *file, int64_t deadline_ms, struct err *err) {
    static const char check[] = "SELECT digest = sha256(convert_to($2::text, 'UTF8')) FROM rmm.migrations "
                                "WHERE number = $1::integer";
    char number[16];
    snprintf(number, sizeof number, "%d", number_of(file));
    struct str params[] = {str_from(number), {(const char *)file->bytes, file->length},
                           str_from(file->name + sizeof FOLDER - 1)};
    if (!number_of(file))
        return err_set(err, ERR_INTERNAL, "%s: the name doesn't start with a number of four digits", file->name);
    DB_ROWS_AUTO *rows = db_query(conn, check, params, 2, deadline_ms, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return apply(conn, file, params, deadline_ms, err);
    return str_eq(db_text(rows, 0, 0), STR("t")) ||
           err_set(err, ERR_CONFIG,
                   "%s is not the file that this database was made with: run the rmmhunt that made it, or one newer",
                   file->name);
}

static bool migrate_locked(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    if (!ledger_make(conn, deadline_ms, err) || !newer_refuse(conn, deadline_ms, err))
        return false;
    for (const struct embedded_file *file = embedded_files; file->name; file++)
        if (is_migration(file) && !file_settle(conn, file, deadline_ms, err))
            return false;
    return schema_sync(conn, deadline_ms, err);
}

bool migrate(struct db *db, int64_t deadline_ms, struct err *err) {
    struct db_conn *conn = db_take(db, deadline_ms, err);
    if (!conn)
        return false;
    bool ok = db_exec(conn, "SELECT pg_advisory_lock(" LOCK_KEY ")", NULL, 0, deadline_ms, NULL, err) &&
              migrate_locked(conn, deadline_ms, err) &&
              db_exec(conn, "SELECT pg_advisory_unlock(" LOCK_KEY ")", NULL, 0, deadline_ms, NULL, err);
    if (!ok)
        conn_break(conn); /* the lock goes with the session */
    db_give(conn);
    return ok;
}
