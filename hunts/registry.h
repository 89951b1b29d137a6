/* The hunts that the database knows: the embedded catalogue and what users load. */
#pragma once
#include "base/buf.h"
#include "hunts/catalogue.h"
#include "store/db.h"

/* Stores a hunt under its id, with a new version when its query changed; state and errors come from compiling it.
 * ERR_CONFLICT when another hunt has the slug. */
bool registry_save(struct db_conn *conn, const struct hunt *hunt, const char *origin, const struct hunt_check *check,
                   int64_t deadline_ms, int *version, struct err *err);
/* Brings the database up to the embedded catalogue; cheap when nothing changed. */
bool registry_sync(struct db *db, int64_t deadline_ms, struct err *err);
/* {"code","message","line","column","excerpt"} of a query's error, as JSON. */
void registry_add_error(struct buf *out, const struct err *err, struct str query);
/* [{"line","column","message"},…] */
void registry_add_warnings(struct buf *out, const struct kql_program *program);
