/* A thread that does the same thing again and again until it is stopped. Knows when; what a turn does and what becomes
 * of its failures are its caller's. The context is borrowed until worker_stop returns, and only turns may touch what
 * isn't locked in it. */
#pragma once
#include "base/attr.h"
#include "base/err.h"
#include <stdatomic.h>

struct worker;

/* Returns when the turn under way is over. NULL is fine. */
void worker_stop(struct worker *worker);
/* turn: gives the milliseconds until the next one; *stop is true when a long turn should end early. first_ms: until the
 * first. what: for the error, as in "no thread for <what>". */
OWNED_BY(worker_stop)
struct worker *worker_start(int (*turn)(void *context, const atomic_bool *stop), void *context, int first_ms,
                            const char *what, struct err *err);
