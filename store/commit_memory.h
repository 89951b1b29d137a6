/* What the committers of one database share, inside store/commit: what this process committed lately, and what it is
 * committing now. Events are only suspected to be there already: the database is asked. Presence is known: a key is the
 * whole fact. */
#pragma once
#include "store/commit.h"
#include "store/flight.h"
#include "store/recent.h"

struct commit_memory {
    struct recent *events, *presence;
    struct flights *flights;
};
