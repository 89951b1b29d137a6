/* A run's state and results, and a hunt's latest result: read from the database, and sent out of the cache. Shared by the
 * routes of runs, of hunts and of the pages that wait. What is made lives in the request's arena. */
#pragma once
#include "handlers/request.h"

/* /v1/runs/{id}: a positive number; ERR_NOT_FOUND. */
bool run_id_parameter(struct request *request, struct str *id, struct err *err);
/* A run's state as its row says: all of it, and the bare word. ERR_NOT_FOUND. */
bool run_state(struct request *request, struct str id, struct str *json, struct str *state, struct err *err);
/* Whether a run in that state (the bare word) changes no more. */
bool run_state_over(struct str state);
/* Answers a request for results out of the cache; false when it isn't one or its answer isn't kept. Never waits. */
bool results_kept(struct request *request, struct reply *reply);
/* The state's members, then the hunts' results: the one result alone when the run named one hunt. *pulse (may be NULL) is
 * the database's when they were read, 0 when there were none. */
bool results_body(struct request *request, struct str id, struct str json, struct str state, struct buf *out,
                  int64_t *pulse, struct err *err);
