/* What a run saw on which devices: collected hunt by hunt while the run looks, and told to the ledger in the transaction
 * that ends the run, so that an attempt which lost the run or failed tells nothing, and none tells it twice. */
#pragma once
#include "base/buf.h"
#include "hunts/result.h"

/* Arrays, for each hunt and device that its result names. */
struct seen {
    struct buf hunts, devices;
    size_t count;
};

void seen_start(struct seen *seen);
void seen_free(struct seen *seen);
/* number: of the hunt, in the ledger. The result's groups are known. False: memory or size. */
bool seen_add(struct seen *seen, int64_t number, const struct result *result);
/* Ends the lists and counts the run at each finding. conn: in the transaction that ends the run. */
bool seen_count(struct seen *seen, struct db_conn *conn, int64_t deadline_ms, struct err *err);
