/* Partitions of the event tables: one a day of event time, made when the first event of that day comes. A process
 * remembers, for each pool, which ones exist. */
#pragma once
#include "kql/schema.h"
#include "store/db.h"

/* day: days since 0001-01-01 UTC. Outside a transaction only. Safe when several servers do it at the same time. */
bool partition_ensure(struct db_conn *conn, const struct schema_table *table, int64_t day, int64_t deadline_ms,
                      struct err *err);
/* Inside a transaction: drops a day's partition if it is there. Whoever waits for the table waits for the transaction, so
 * lock_timeout should be set. */
bool partition_drop(struct db_conn *conn, const struct schema_table *table, int64_t day, int64_t deadline_ms,
                    struct err *err);
/* Forgets what is known to exist, for all tables: after partitions were dropped, by us or by another server (an insert
 * fails with SQLSTATE 23514 then). */
void partition_forget(struct db_conn *conn);
