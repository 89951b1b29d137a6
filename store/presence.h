/* What came of a table: newest event and arrival, rows and devices of some days. Counts are those that ingest keeps beside
 * the events; how many devices reported is remembered as long as the days' rows don't change. Any thread. */
#pragma once
#include "store/db.h"

struct presence {
    int64_t newest_event, newest_arrival; /* ticks; -1: none */
    int64_t rows, devices;                /* of the days asked for */
};

/* Days whose events retention has deleted. */
struct presence_gone {
    int64_t from, to, days; /* ticks: starts of the first and the last; how many they are, 0: none */
};
/* table: place in the schema; days since 0001-01-01, both inclusive. */
bool presence_gone_read(struct db_conn *conn, size_t table, int64_t from_day, int64_t to_day,
                        struct presence_gone *gone, int64_t deadline_ms, struct err *err);

/* table: place in the schema; days since 0001-01-01, both inclusive. */
bool presence_read(struct db_conn *conn, size_t table, int64_t from_day, int64_t to_day, struct presence *presence,
                   int64_t deadline_ms, struct err *err);
