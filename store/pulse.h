/* Are answers that this process keeps still what the database would give? rmm.pulse holds a number that every transaction
 * raises which changes what results show (triggers of its migration). Here is what it was when last asked, and when: an
 * answer made from the same number is good for PULSE_FRESH_MS after the question. A keeper thread asks four times a second;
 * whoever reads results asks in the same statement. Any thread. */
#pragma once
#include "base/attr.h"
#include "store/db.h"

enum { PULSE_FRESH_MS = 1000 };

/* The moment before a question. */
struct pulse_look {
    int64_t begun_ms;
    unsigned changes;
};

/* What a database handle knows of the pulse; part of it. */
struct pulse;
void pulse_free(struct pulse *pulse);
OWNED_BY(pulse_free) struct pulse *pulse_new(void);

/* False: not known now, as nobody could ask lately or this process has changed something since. */
bool pulse_now(const struct db *db, int64_t *n);
struct pulse_look pulse_begin(const struct db *db);
/* The question begun there was answered with n. */
void pulse_learn(struct db *db, const struct pulse_look *look, int64_t n);
/* Around a COMMIT of this process that raises the number: in between nothing is known, and afterwards nothing that was
 * asked before counts. So whoever sees the change by any way gets no older answer from this process. */
void pulse_change_begin(struct db *db);
void pulse_change_end(struct db *db);
/* db_commit with both around it. */
bool pulse_commit(struct db_conn *conn, int64_t deadline_ms, struct err *err);
/* The same for a transaction that sees one moment, in which another's change of the number would be a conflict: it is
 * raised, when asked for, behind the commit. */
bool pulse_commit_behind(struct db_conn *conn, bool raise, int64_t deadline_ms, struct err *err);

struct pulse_keeper;
void pulse_keeper_stop(struct pulse_keeper *keeper); /* NULL is fine */
/* Asks until it is stopped, on a connection of its own. NULL with err when there is no thread. */
OWNED_BY(pulse_keeper_stop) struct pulse_keeper *pulse_keeper_start(struct db *db, struct err *err);
