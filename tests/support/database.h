/* Databases looked into and changed by a test itself, for what HTTP can't show or make: old rows, locks. A statement
 * that fails fails the test that runs. */
#pragma once
#include "store/db.h"
#include "store/ingest.h"
#include "tests/support/server_fixture.h"

/* The private database of a server under test: a pool of two connections; db_close it before the server stops. */
struct db *database_of(const struct server *server);
/* Ingest into it, in this process. */
struct ingest *database_ingest(struct db *db);
void database_do(struct db *db, const char *sql);
struct db_rows *database_rows(struct db *db, const char *sql);
/* The first cell of the first row, an integer; -1 without a row. */
long long database_int(struct db *db, const char *sql);
/* Waits until the statement gives that integer. */
void database_await(struct db *db, const char *sql, long long wanted, int limit_ms);
