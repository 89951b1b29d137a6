/* What a run saw on which devices: collected hunt by hunt while the run looks, and told to the ledger in the transaction
 * that ends the run, so that an attempt which lost the run or failed tells nothing, and none tells it twice. Of most hunts
 * only that the run saw them: the ledger has their events. Of those whose events can't be told, all that the ledger gets. */
#pragma once
#include "hunts/ledger.h"
#include "hunts/result.h"

/* Arrays side by side, an element for each hunt and device that its result names. */
struct run_seen {
    struct buf counted[2];            /* $1… of ledger_runs */
    struct buf results[LEDGER_LISTS]; /* $1… of ledger_results */
    size_t count, result_count;
};

/* Nothing seen yet; run_seen_free gives back what comes, and takes a zeroed one, too. */
void run_seen_start(struct run_seen *seen);
void run_seen_free(struct run_seen *seen);
/* number: of the hunt, in the ledger. The result's groups are known. conn: in the run's snapshot, for devices of which the
 * rows have the name only. */
bool run_seen_add(struct run_seen *seen, int64_t number, const struct result *result, struct db_conn *conn,
              int64_t deadline_ms, struct err *err);
/* Ends the lists, feeds the ledger what only results know, and counts the run at each finding. conn: in the transaction
 * that ends the run. */
bool run_seen_tell(struct run_seen *seen, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err);
