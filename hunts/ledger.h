/* The ledger: what hunts ever found, kept beyond the events' retention. Fed by runs: each looks at the events that came
 * since the last one, whatever their time, so that late events count and none counts twice. Of hunts whose events can't be
 * told, it has what their results say (hunts/run_seen). Who writes it holds the
 * lock of rmm.ledger until the commit; so ids of changes are in commit order. */
#pragma once
#include "kql/kql.h"
#include "store/db.h"

struct ledger_run {
    int64_t run_id;
    int64_t as_of, from, to; /* ticks; -1: not given */
};

/* How a hunt's sightings come to be known. */
enum ledger_mode {
    LEDGER_EVENTS, /* event by event, whatever the window of a run */
    LEDGER_RUN,    /* the events that its runs count */
    LEDGER_RESULT, /* what its results say of each device: more than each event by itself decides */
    LEDGER_NONE,   /* not at all: nor do its rows name a device, or the query isn't right */
};
/* why: filled unless it is LEDGER_EVENTS. */
enum ledger_mode ledger_mode_of(struct arena *arena, struct str query, struct err *why);
/* The same of a query that was compiled for a result, with the same options: whether it is LEDGER_RESULT. */
bool ledger_is_by_result(struct arena *arena, struct str query, const struct kql_program *program,
                         const struct kql_options *options);

/* Brings the ledger up to what has arrived for the run's hunts, and tells of changes, in one transaction. May be run
 * again. deadline_ms: mono_ms() value. */
bool ledger_advance(struct db_conn *conn, const struct ledger_run *run, int64_t deadline_ms, struct err *err);
/* Sightings that results tell of. lists: parameters of ledger_results. conn: in the transaction that ends the run. */
enum { LEDGER_LISTS = 8 };
bool ledger_take(struct db_conn *conn, int64_t run_id, const struct str lists[LEDGER_LISTS], int64_t deadline_ms,
                 struct err *err);
/* Takes the ledger for the transaction. */
bool ledger_lock(struct db_conn *conn, int64_t deadline_ms, struct err *err);
/* A hunt has another tool or signal now; left: its number and those it had. What only it had found leaves them, and its next
 * run looks at all events again. conn: in the transaction that changed the hunt, under ledger_lock. */
bool ledger_retag(struct db_conn *conn, const struct str left[3], int64_t deadline_ms, struct err *err);
/* The days that states are told by, for all servers of the database; see rmm.ledger. */
bool ledger_configure(struct db *db, long long quiet_days, long long new_days, int64_t deadline_ms, struct err *err);
