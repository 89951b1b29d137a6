/* The scheduler: a thread in every server that makes a run of each slot that comes due, by the database's clock. The
 * schedule's row is locked meanwhile and the slot is a primary key, so any number of servers make one run a slot. */
#pragma once
#include "base/attr.h"
#include "hunts/schedule.h"

struct scheduler;
void scheduler_close(struct scheduler *scheduler); /* NULL is fine */
/* runner: told of the runs that are made. */
OWNED_BY(scheduler_close) struct scheduler *scheduler_open(struct db *db, struct runner *runner, struct err *err);
/* A slot now, outside of the schedule's times. ERR_CONFLICT while another one is under way. */
bool scheduler_run_now(struct db *db, struct str id, int64_t *run_id, struct err *err);
