/* Counters for Prometheus: what happened since the start, by any thread. Every series is there at 0 from the start, so
 * that a rate can be taken of the first event. Gauges are read when they are asked for, elsewhere. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>

#include "base/buf.h"
#include "hunts/warm.h"
#include "store/retention.h"

struct ingest_result;
struct service;

enum { METRICS_MAX_ROUTES = 128, METRICS_STATUSES = 20 };

struct metrics {
    atomic_llong requests[METRICS_MAX_ROUTES][METRICS_STATUSES]; /* the row behind the last route: no route */
    atomic_llong received, stored, duplicate, ignored, rejected;
    atomic_llong dropped[RETENTION_COUNT]; /* for their age */
    atomic_llong retention_turns, retention_failures;
    atomic_llong compacted, compact_freed, compact_ms, compact_turns, compact_failures; /* indexes of past days */
    struct warm_counts prepared;
    atomic_llong refused_bodies; /* 429 over the byte budget */
    atomic_llong cut_connections; /* past a time limit */
    atomic_llong guarded;        /* refused by the guard */
    atomic_llong seconds_ms;     /* time spent in handlers */
};

/* route: its place in the table, routes_count() for none. */
void metrics_request(struct metrics *metrics, size_t route, int status);
/* The counts of one stored body. */
void metrics_ingest(struct metrics *metrics, const struct ingest_result *result);
