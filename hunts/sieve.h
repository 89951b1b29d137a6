/* Which hunts of a run can find anything at all: one look a table for the dictionary values of all of them, so that a hunt
 * none of whose values occurs in the window isn't run, and the others look for values that are there. Changes no result. */
#pragma once
#include "store/verdict.h"

struct sieve {
    int64_t from, to;     /* ticks, both inclusive; -1: open: the widest window of the programs */
    int64_t arrived_from; /* arrival numbers from here on; 0: all */
};

/* Narrows verdicts[program][gate] to ids that occur; empty[program]: its result is empty. programs may hold NULLs. */
bool sieve_run(struct db_conn *conn, struct arena *arena, const struct sieve *sieve,
               const struct kql_program *const *programs, size_t count, struct verdict_ids **verdicts, bool *empty,
               int64_t deadline_ms, struct err *err);
