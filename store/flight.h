/* Commits under way in this process. A row that two of them bring at once would make the second wait inside PostgreSQL
 * for the first and then fail as a repeat: so the second waits here, before it begins, and finds the row stored. Commits
 * without a common row run beside each other. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct flights;
void flights_free(struct flights *flights); /* none is under way any more */
OWNED_BY(flights_free) struct flights *flights_new(struct err *err);

struct flight;
/* Takes it off the board and frees it; NULL is allowed. */
void flight_end(struct flights *flights, struct flight *flight);
/* One that brings up to `count` keys. Whoever has it ends it. */
struct flight *flight_new(size_t count, struct err *err);
/* key: not 0; equal keys are equal rows. */
void flight_add(struct flight *flight, uint64_t key);
/* Puts it on the board, then waits until none that was there before has a key of its own, at most until the deadline
 * (mono_ms): what is common then is the database's to sort out. */
void flight_start(struct flights *flights, struct flight *flight, int64_t deadline_ms);
