/* A share of the processors for those who store: while bodies are under way, the threads that serve sockets give
 * answers from memory in turns, three in four of them at a time. Else polls that come as fast as they can take every
 * processor, and each of the many hand-overs of a commit (worker, committing thread, PostgreSQL and back) waits behind
 * them. Any thread. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

struct pace {
    _Atomic int64_t free_us; /* when the next turn may begin */
    int64_t step_us;         /* from one turn's beginning to the next one's */
};

/* threads: that serve sockets. */
void pace_init(struct pace *pace, unsigned threads);
/* Waits, a few milliseconds at most, for a turn of the calling thread, unless it has one. */
void pace_wait(struct pace *pace);
