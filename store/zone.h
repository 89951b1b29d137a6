/* A time zone as what it was from UTC over time, for times that were written down without saying so. The data is
 * PostgreSQL's. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "store/db.h"

struct zone_step {
    int64_t from; /* ticks of UTC; the first one counts before it too */
    int64_t east; /* ticks */
};

struct zone {
    const char *name; /* as it was given */
    const struct zone_step *steps;
    size_t count;
};

/* "Z", "+02:00" or a name such as "Europe/Berlin", which is looked up in the database (NULL: only
 * the former). The zone lives in the arena. False
 * with ERR_BAD_PARAMETER when there is no such zone. */
bool zone_find(struct db *db, struct str name, struct arena *arena, int64_t deadline_ms, struct zone *zone,
               struct err *err);
/* Local ticks as UTC's. A time that clocks showed twice is the earlier one; one that they left out counts on from before
 * the gap. */
int64_t zone_utc(const struct zone *zone, int64_t local);
