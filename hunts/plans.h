/* The hunts of one run: compiled together, decided together as far as dictionaries go, answered a few at a time. One thread;
 * all statements run on one connection, in one snapshot with a savepoint "hunts". */
#pragma once
#include <stdatomic.h>

#include "base/attr.h"
#include "hunts/late.h"
#include "hunts/result.h"
#include "hunts/run_seen.h"

/* What one hunt gave. */
struct answer {
    struct str hunt; /* id, in the work's rows */
    struct buf body, error;
    bool failed;
    bool cut; /* the run's window begins later than the hunt's own */
};

/* Frees its buffers; safe on a zeroed one. */
void answer_clear(struct answer *answer);

struct plans;
void plans_free(struct plans *plans);
/* work: rows of run_work; must outlive it, as seen, into which goes what the answers name. context: run_id, as_of, from
 * and to of the run. */
OWNED_BY(plans_free)
struct plans *plans_new(const struct db_rows *work, const struct result_context *context, struct run_seen *seen,
                        struct err *err);
/* What came late for the hunts' windows; it must outlive the plans, whose answers list it. */
bool plans_late(struct plans *plans, struct db_conn *conn, struct late *late, struct err *err);
/* What the dictionaries say, for all hunts at once. */
bool plans_decide(struct plans *plans, struct db_conn *conn, struct err *err);
/* Answers the next hunts, one at least while some are left; answers: zeroed room for all that are. *done counts hunts as they come.
 * stop: a flag that ends it before the next hunt. A hunt's fault is its own; false: the run itself can't go on. */
bool plans_answer(struct plans *plans, struct db_conn *conn, const atomic_bool *stop, atomic_llong *done,
                  struct answer *answers, size_t *count, struct err *err);
/* Ticks: between which times the hunts look; -1: open. */
void plans_window(const struct plans *plans, int64_t *from, int64_t *to);
