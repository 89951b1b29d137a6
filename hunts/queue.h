/* rmm.runs as a queue, by its statements: claimed under a lease by the database's clock and an attempt number that only the
 * latest holder knows. Any server of the database may take any run. */
#pragma once
#include "hunts/run.h"
#include "hunts/runner.h"

enum { QUEUE_LIMIT_MS = 10000 };

/* The run's row and its hunts, in the caller's transaction. *fresh is false when the idempotency key had made it before.
 * ERR_BAD_REQUEST names hunts or tools that don't exist, and the nearest that do. */
bool queue_add(struct db_conn *conn, struct arena *arena, const struct run_request *request, int64_t *run_id,
               bool *fresh, struct err *err);
/* ERR_BAD_REQUEST as above, nothing stored. */
bool queue_check_selection(struct db_conn *conn, struct arena *arena, const struct run_request *request,
                           struct err *err);
/* The next run that nobody holds; only: this one alone, 0: any. *attempt is NULL when there is none. */
bool queue_claim(struct db *db, int64_t only, struct run_attempt **attempt, struct err *err);
/* Frees the memory only: the run stays as the database has it. NULL is fine. */
void queue_attempt_free(struct run_attempt *attempt);
/* *over: the run is neither queued nor running. ERR_NOT_FOUND. */
bool queue_is_over(struct db *db, int64_t run_id, bool *over, struct err *err);
/* Asks for the run's end; one that waits is over at once. ERR_NOT_FOUND. */
bool queue_cancel(struct db *db, int64_t run_id, struct err *err);
