/* Builds the indexes of days that have come to rest anew, which makes them a fifth to a third smaller: rows came in no
 * order of devices or certificates. One index at a time and by one server at a time, resting as long as it took; neither
 * ingest nor hunts wait for it (REINDEX CONCURRENTLY). What a killed server left half built is dropped by the next turn
 * of any. */
#pragma once
#include "base/attr.h"
#include <stdatomic.h>

#include "store/db.h"

struct compaction;

struct compact_report {
    bool ours;                        /* nothing was to be done, or it was this server's turn */
    bool left;                        /* more is due: come again soon */
    int64_t indexes, freed_bytes, ms; /* built anew; how much smaller they are; time it took */
};

void compaction_free(struct compaction *compaction);
/* quiet: ticks without an arrival, after its end, from which on a day is at rest. */
OWNED_BY(compaction_free) struct compaction *compaction_new(struct db *db, int64_t quiet, struct err *err);
/* What is due, for about half a minute. *stop ends it behind the index under way. */
bool compaction_pass(struct compaction *compaction, const atomic_bool *stop, struct compact_report *report, struct err *err);
/* From another thread, for good: breaks off the pass that runs, and each later one fails. */
void compaction_cancel(struct compaction *compaction);
