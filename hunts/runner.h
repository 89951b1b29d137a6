/* Runs: hunts x window x as_of, in the queue that rmm.runs is. A few threads of this process claim runs, whoever queued
 * them, and a heartbeat renews their leases and tells their progress. What dies or stops is taken over by another server of
 * the same database. Every hunt of a run sees one snapshot; results are stored as finished JSON. */
#pragma once
#include "base/attr.h"
#include "base/buf.h"
#include "hunts/hunt.h"
#include "hunts/result.h"
#include "store/db.h"

struct run_request {
    const struct str *hunts; /* ids or slugs */
    size_t hunt_count;
    struct str tool;         /* or every hunt of a tool */
    bool all;                /* or every hunt */
    bool without_missing;    /* hunts that aren't there are left out, as long as there is one */
    int64_t from, to, as_of; /* ticks; -1: not given. as_of defaults to `to`, then to now */
    struct str idempotency_key; /* ptr NULL: none */
};

struct runner;
/* Hands running runs back to the queue; no new ones are begun. Waits return. */
void runner_stop(struct runner *runner);
void runner_close(struct runner *runner); /* stops and waits for its threads */
/* own_only: takes no run but the one submitted here last; for commands beside a server. */
OWNED_BY(runner_close) struct runner *runner_open(struct db *db, bool own_only, struct err *err);
/* Says that this run was queued, so that it needn't wait for the next look into the queue. */
void runner_hint(struct runner *runner, int64_t run_id);
/* Creates the run and queues it. ERR_BAD_REQUEST names hunts or tools that don't exist. The same idempotency key gives the
 * run that was created with it. */
bool runner_submit(struct runner *runner, const struct run_request *request, int64_t *run_id, struct err *err);
/* True when the run is over by the deadline, whichever server has it. */
bool runner_wait(struct runner *runner, int64_t run_id, int64_t deadline_ms);
/* Counts the runs that this process took and left; and waits for the count to leave `seen`, or for the deadline. */
unsigned runner_changes(struct runner *runner);
void runner_pause(struct runner *runner, unsigned seen, int64_t deadline_ms);
/* Asks a run to stop, whichever server has it; ERR_NOT_FOUND. */
bool runner_cancel(struct runner *runner, int64_t run_id, struct err *err);
