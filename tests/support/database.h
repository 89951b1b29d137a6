/* The private database of a server under test, for what HTTP can't show or make: old rows, locks. Fails the test that runs
 * when a statement does. */
#pragma once
#include "store/db.h"
#include "tests/support/server_fixture.h"

/* A pool of two connections; db_close it before the server stops. */
struct db *database_of(const struct server *server);
void database_do(struct db *db, const char *sql);
/* The first cell of the first row, an integer. */
long long database_int(struct db *db, const char *sql);
