/* Brings a database to this binary's schema: the embedded migrations/NNNN_name.sql in order, each in its own
 * transaction and noted in rmm.migrations, then the event tables. Servers that start together wait for each other. */
#pragma once
#include "store/db.h"

/* ERR_CONFIG when an applied file changed or the database is newer than the binary. */
bool migrate(struct db *db, int64_t deadline_ms, struct err *err);
/* The highest number among this binary's migrations. */
int migrate_version(void);
