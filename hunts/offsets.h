/* A time zone over a stretch of time, as its offsets from UTC; PostgreSQL's zone database tells them. Local time is ticks,
 * too: those that a UTC clock would show. */
#pragma once
#include "base/arena.h"
#include "store/db.h"

struct offset_span {
    int64_t from;   /* ticks UTC; the first one also counts before that, the last one for ever */
    int64_t offset; /* ticks that local time is ahead of UTC */
};

struct offsets {
    const struct offset_span *spans; /* ascending; none: UTC */
    size_t count;
};

/* The zone from one time to another, in ticks. name: as offsets_zone gave it. */
bool offsets_load(struct db_conn *conn, struct arena *arena, struct str name, int64_t from, int64_t to, struct offsets *zone,
               struct err *err);
/* Zones that were loaded, for many schedules of a few zones; NULL: none yet. */
struct offsets_kept {
    struct offsets_kept *next;
    struct str name;
    int64_t from, to;
    struct offsets zone;
};
/* The same out of *kept, which it is added to when it isn't there; all live in the arena. */
bool offsets_keep(struct db_conn *conn, struct arena *arena, struct offsets_kept **kept, struct str name, int64_t from,
                  int64_t to, struct offsets *zone, struct err *err);
/* The IANA name as it is written; ERR_BAD_REQUEST when there is none of that name. */
bool offsets_zone(struct db_conn *conn, struct arena *arena, struct str name, struct str *found, struct err *err);
/* What the zone's clocks show at that time. Both in ticks. */
int64_t offsets_local(const struct offsets *zone, int64_t utc);
/* The first time that the zone's clocks show `local`; false when they never do, for they are put forward over it. */
bool offsets_utc(const struct offsets *zone, int64_t local, int64_t *utc);
