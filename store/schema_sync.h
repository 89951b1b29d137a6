/* Brings the schemas dict, data and events to what kql/schema.def says: makes what is missing, adds columns, renews the
 * views. Never drops a table or a column. One query when the database is up to date already. */
#pragma once
#include "kql/schema.h"
#include "store/db.h"

/* Call with migrate's lock held and outside a transaction. */
bool schema_sync(struct db_conn *conn, int64_t deadline_ms, struct err *err);
/* Events are found by the slot's ids through an index. */
bool schema_slot_is_indexed(const struct schema_slot *slot);
