/* What came of a table: newest event and arrival, rows and devices of some days. Counts are those that ingest keeps beside
 * the events; how many devices reported is remembered as long as the days' rows don't change. Any thread. */
#pragma once
#include "store/db.h"

struct presence {
    int64_t newest_event, newest_arrival; /* ticks; -1: none */
    int64_t rows, devices;                /* of the days asked for */
};

/* table: place in the schema; days since 0001-01-01, both inclusive. */
bool presence_read(struct db_conn *conn, size_t table, int64_t from_day, int64_t to_day, struct presence *presence,
                   int64_t deadline_ms, struct err *err);
