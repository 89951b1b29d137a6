/* What a server that has just started would else do for its first answer, while somebody waits: which dictionary values the
 * hunts' conditions are true for, and PostgreSQL's own knowledge of the newest days' tables, which planning reads. No event is
 * read, and nothing is written. Again each hour: days and values come, and PostgreSQL may have been started anew. */
#pragma once
#include "base/attr.h"
#include <stdatomic.h>

#include "store/db.h"

struct warmer;

/* The first turn leaves out dictionaries that take seconds. */
struct warm_counts {
    atomic_llong turns, failures; /* to their end; those that broke off, of which the next goes on */
};

/* Cuts off what is under way. NULL is fine. */
void warmer_stop(struct warmer *warmer);
/* In a thread of its own, on a connection that is the pool's next one then. counts are borrowed until it is stopped. */
OWNED_BY(warmer_stop) struct warmer *warmer_start(struct db *db, struct warm_counts *counts, struct err *err);
