/* A time zone over a stretch of time, as its offsets from UTC; PostgreSQL's zone database tells them. Local time is ticks,
 * too: those that a UTC clock would show. */
#pragma once
#include "base/arena.h"
#include "store/db.h"

struct zone_span {
    int64_t from;   /* ticks UTC; the first one also counts before that, the last one for ever */
    int64_t offset; /* ticks that local time is ahead of UTC */
};

struct zone {
    const struct zone_span *spans; /* ascending; none: UTC */
    size_t count;
};

/* The zone from one time to another, in ticks. name: as zone_find gave it. */
bool zone_load(struct db_conn *conn, struct arena *arena, struct str name, int64_t from, int64_t to, struct zone *zone,
               struct err *err);
/* The IANA name as it is written; ERR_BAD_REQUEST when there is none of that name. */
bool zone_find(struct db_conn *conn, struct arena *arena, struct str name, struct str *found, struct err *err);
int64_t zone_local(const struct zone *zone, int64_t utc);
/* The first time that the zone's clocks show `local`; false when they never do, for they are put forward over it. */
bool zone_utc(const struct zone *zone, int64_t local, int64_t *utc);
