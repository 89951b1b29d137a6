/* Slots: what a look at schedules that came due does in the database. Many schedules are locked, worked out and settled in
 * one transaction, their runs made by one statement; one that can't be worked with is left aside and spoils none of the
 * others. A slot is a primary key and an unfinished one unique to its schedule, so any number of servers make one run a
 * slot. Knows nothing of threads. */
#pragma once
#include "hunts/schedule.h"

enum { SLOTS_LIMIT_MS = 10000 };

struct slots_taken {
    size_t settled;    /* schedules that were moved on; 0: there is nothing more to do now */
    int64_t *runs;     /* that were made; in the arena */
    size_t run_count;
};

/* In a transaction that a stopped process can't keep open for long. */
bool slots_begin(struct db_conn *conn, struct err *err);
/* Works at most that many schedules out, in the caller's transaction. After false nothing of it may be committed. */
bool slots_take(struct db_conn *conn, struct arena *arena, size_t most, struct slots_taken *taken, struct err *err);
/* A slot and its run. ERR_CONFLICT: the slot is there, or another one is under way. ERR_NOT_FOUND: a hunt isn't there. */
bool slot_open(struct db_conn *conn, struct arena *arena, const struct schedule *schedule, int64_t slot, bool by_hand,
               int64_t *run_id, struct err *err);
