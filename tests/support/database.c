#include "tests/support/database.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"

enum { LIMIT_MS = 60000, AGAIN_MS = 5 };

struct db *database_of(const struct server *server) {
    char conninfo[256];
    struct err err = {0};
    snprintf(conninfo, sizeof conninfo, "host=%s/run user=rmmhunt dbname=rmmhunt", server->data);
    struct db_options options = {conninfo, 2};
    struct db *db = db_open(&options, &err);
    if (!db)
        fail_msg("the server's database: %s", err.text);
    return db;
}

struct ingest *database_ingest(struct db *db) {
    struct err err = {0};
    struct ingest *ingest = ingest_open(db, &err);
    if (!ingest)
        fail_msg("ingest: %s", err.text);
    return ingest;
}

struct db_rows *database_rows(struct db *db, const char *sql) {
    struct err err = {0};
    struct db_conn *conn = db_take(db, mono_ms() + LIMIT_MS, &err);
    struct db_rows *rows = conn ? db_query(conn, sql, NULL, 0, mono_ms() + LIMIT_MS, &err) : NULL;
    db_give(conn);
    if (!rows)
        fail_msg("%s: %s", sql, err.text);
    return rows;
}

void database_do(struct db *db, const char *sql) {
    db_rows_free(database_rows(db, sql));
}

long long database_int(struct db *db, const char *sql) {
    DB_ROWS_AUTO *rows = database_rows(db, sql);
    return db_count(rows) ? db_int(rows, 0, 0) : -1;
}

void database_await(struct db *db, const char *sql, long long wanted, int limit_ms) {
    int64_t deadline = mono_ms() + limit_ms;
    long long got;
    while ((got = database_int(db, sql)) != wanted) {
        if (mono_ms() > deadline)
            fail_msg("%s gives %lld, not %lld", sql, got, wanted);
        sleep_ms(AGAIN_MS);
    }
}
