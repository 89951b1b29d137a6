/* What a request that starts a run answers with: shared by /v1/runs and by schedules run by hand. Knows the HTTP side of
 * waiting (Prefer, RFC 7240) only; runs belong to hunts/runner. */
#pragma once
#include "handlers/request.h"

/* Waits as Prefer says: 201 with the results when the run is over by then, else 202 with its state. */
bool run_wait_reply(struct request *request, struct reply *reply, int64_t run_id, struct err *err);
