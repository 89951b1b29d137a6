#include "server/pace.h"

#include "base/clock.h"

enum { TURN_US = 1000 };

void pace_init(struct pace *pace, unsigned threads) {
    atomic_init(&pace->free_us, 0);
    pace->step_us = threads > 1 ? TURN_US * 13 / 20 / (threads / 2) : 0; /* turns overlap by a third */
}

/* Turns are taken by the clock, so that a thread which has nothing more to answer needn't say so. */
void pace_wait(struct pace *pace) {
    static _Thread_local int64_t until_us; /* the turn's end; a thread serves one port */
    int64_t now = mono_us(), start, free_us = atomic_load(&pace->free_us);
    if (now < until_us)
        return;
    do
        start = free_us > now ? free_us : now;
    while (!atomic_compare_exchange_weak(&pace->free_us, &free_us, start + pace->step_us));
    until_us = start + TURN_US;
    if (start > now)
        sleep_us(start - now);
}
