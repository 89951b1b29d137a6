/* For tests that need a database: one private cluster a test program, in a folder of its own under /tmp, with a migrated
 * template that each test gets a fresh copy of. No PostgreSQL on the machine is a failure. */
#pragma once
#include "store/db.h"

/* cmocka's group setup and teardown. */
int cluster_fixture_start(void **state);
int cluster_fixture_stop(void **state);

/* A fresh migrated database with a pool of that many connections; fails the test when it can't be had. */
struct db *cluster_fixture_database(unsigned connections);
/* Of the database made last, for a server under test; valid until the next one is made. */
const char *cluster_fixture_conninfo(void);
/* Closes the pool; the database goes with the cluster. */
void cluster_fixture_close(struct db *db);

/* A new empty folder under /tmp, into out; removed with all that is in it by folder_remove. */
bool folder_make_temporary(char out[64]);
void folder_remove(const char *path);
