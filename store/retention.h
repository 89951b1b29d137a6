/* Drops what is older than its setting, by the database's clock: event partitions by day, what is known of them, commits,
 * runs, changes, dead letters. Any of several servers on one database does it; a lease says whose turn it is, and a turn
 * taken twice does no harm. Waits for locks a fraction of a second at a time, so that neither ingest nor hunts stand
 * behind it. */
#pragma once
#include <stdatomic.h>

#include "store/db.h"

struct retention {
    int64_t events, runs, changes, rejected; /* ticks */
};

/* RETENTION(KIND, "name"): what is dropped, as the log and the metrics call it. */
#define RETENTION_KINDS                                                                                                \
    RETENTION(PARTITIONS, "partitions")                                                                                \
    RETENTION(EVENTS, "events")                                                                                        \
    RETENTION(BATCHES, "batches")                                                                                      \
    RETENTION(RESULTS, "results")                                                                                      \
    RETENTION(RUNS, "runs")                                                                                            \
    RETENTION(CHANGES, "changes")                                                                                      \
    RETENTION(REJECTED, "rejected")                                                                                    \
    RETENTION(VALUES, "values")
enum retention_kind {
#define RETENTION(kind, name) RETENTION_##kind,
    RETENTION_KINDS
#undef RETENTION
    RETENTION_COUNT
};

struct retention_report {
    bool ours;                        /* it was this server's turn */
    bool busy;                        /* something couldn't be locked or is left over: come again soon */
    int64_t dropped[RETENTION_COUNT];
};

/* "partitions", "events", … */
const char *retention_name(enum retention_kind kind);
/* Tells the database how long events are kept; before the first event is taken. */
bool retention_set(struct db *db, const struct retention *retention, struct err *err);
/* One turn. What fails is left for the next one and the rest still done; err then holds the first failure. *stop ends it
 * early. */
bool retention_pass(struct db *db, const struct retention *retention, const atomic_bool *stop,
                    struct retention_report *report, struct err *err);
