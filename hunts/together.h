/* Hunts of one run that look into the same table through the same window, answered by one statement: the events with any of
 * their values are read once, and each hunt's own SQL goes over those, so that days are planned and read once instead of once
 * a hunt. Changes no row. What can't be told that way is left to a statement of its own: a hunt that sorts or that no
 * dictionary value leads to its events, all of them when they find much, and all when the common statement fails. */
#pragma once
#include "store/verdict.h"

struct together {
    struct db_rows **rows; /* by program, views of wholes; NULL: left out. Who takes one sets it NULL, and frees it
                              before together_free */
    size_t count;
    struct db_rows **wholes;
    size_t whole_count;
};

void together_free(struct together *together);
/* programs may hold NULLs; empty[program]: not to be looked for. conn: in a snapshot with a savepoint "hunts", to which it
 * goes back when a statement fails. Arrays live in the arena. False: the connection or memory is at fault. */
bool together_run(struct db_conn *conn, struct arena *arena, const struct kql_program *const *programs, size_t count,
                  struct verdict_ids *const *verdicts, const bool *empty, struct together *together, struct err *err);
