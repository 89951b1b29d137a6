/* Runs: hunts x window x as_of. Requests are queued and run by a few threads of this process; every hunt of a run sees one
 * snapshot. Results are stored as finished JSON. */
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
    int64_t from, to, as_of; /* ticks; -1: not given. as_of defaults to `to`, then to now */
    struct str idempotency_key; /* ptr NULL: none */
};

struct runner;
void runner_close(struct runner *runner); /* cancels what runs and waits */
OWNED_BY(runner_close) struct runner *runner_open(struct db *db, struct err *err);
/* Fails the runs that a server which is gone left unfinished; for the start of a server that owns its database. */
bool runner_recover(struct db *db, struct err *err);
/* Creates the run and queues it. ERR_NOT_FOUND names hunts or tools that don't exist. The same idempotency key gives the
 * run that was created with it. */
bool runner_submit(struct runner *runner, const struct run_request *request, int64_t *run_id, struct err *err);
/* True when the run isn't queued or running here any more by the deadline. */
bool runner_wait(struct runner *runner, int64_t run_id, int64_t deadline_ms);
/* Asks a run to stop; ERR_NOT_FOUND. */
bool runner_cancel(struct runner *runner, int64_t run_id, struct err *err);

/* options->max_rows: more rows than that are ERR_LIMIT.
 * One query against the database in its own read-only snapshot: columns and rows as JSON members into out. */
bool query_run(struct db *db, struct arena *arena, struct str query, const struct kql_options *options,
               int64_t deadline_ms, struct buf *out, struct kql_program **program, struct err *err);
