/* Events that came after a run had answered for their time: which of them a run's results list, and that they did. Said
 * to the ledger in the transaction that ends the run, so that only a run that succeeds uses anything up. One thread. */
#pragma once
#include "hunts/result.h"

enum { LATE_WINDOWS = 3 };

struct late {
    struct buf windows[LATE_WINDOWS]; /* arrays side by side: hunt's number in the ledger, from, to */
    struct db_rows *rows;             /* of late_hits */
};

/* Nothing yet; late_free takes a zeroed one, too. */
void late_start(struct late *late);
void late_free(struct late *late);
/* A hunt of the run. */
void late_add(struct late *late, int64_t number, const struct result_context *context);
/* Ends the list of hunts, and reads what came late for them. conn: in the run's snapshot. */
bool late_read(struct late *late, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err);
/* What the results list isn't listed again by runs of this schedule, or by hand. conn: in the transaction that ends the
 * run, behind its results. */
bool late_tell(const struct late *late, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err);
/* From now on what comes for these windows is late. The same, behind late_tell and whatever else takes the ledger. */
bool late_answer(const struct late *late, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err);
