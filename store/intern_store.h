/* The dictionaries' tables, for intern.c: looking values up and adding new ones. Each call takes sorted, distinct misses
 * of one dictionary, and sets the ids of those that it found or stored for good.
 * One writer at a time adds to a dictionary, in whichever way, so that ids come in the order of commits: "all up to this
 * id" is what verdict.c goes by. The lock is that of row 0, which is never deleted. */
#pragma once
#include "store/db.h"
#include "store/intern.h"

/* One index probe for each value that has no id yet. */
bool intern_look(struct db_conn *conn, const struct schema_dictionary *dictionary, struct intern_miss *misses, size_t count,
                 int64_t deadline_ms, struct err *err);
/* Those without an id by COPY, which costs about half of intern_insert. *repeat: one of them was there, and
 * nothing was stored. */
bool intern_copy(struct db_conn *conn, const struct schema_dictionary *dictionary, struct intern_miss *misses, size_t count,
                 bool *repeat, int64_t deadline_ms, struct err *err);
/* Those without an id that aren't there; whose id is still 0 then was there. */
bool intern_insert(struct db_conn *conn, const struct schema_dictionary *dictionary, struct intern_miss *misses,
                   size_t count, int64_t deadline_ms, struct err *err);
