/* When: slots of a rule, and which of those that came due are run. Pure. */
#include "base/clock.h"
#include "hunts/schedule.h"

/* Local times that fit are tried in turn: one that is skipped by the clocks gives no slot, one that they show twice gives
 * its first. */
static int64_t cron_slot(const struct cron *cron, const struct offsets *zone, int64_t after) {
    int64_t minute = offsets_local(zone, after) / TICKS_MINUTE, slot;
    while ((minute = cron_next(cron, minute)) >= 0)
        if (offsets_utc(zone, minute * TICKS_MINUTE, &slot) && slot > after)
            return slot;
    return -1;
}

int64_t schedule_next(const struct schedule *schedule, const struct offsets *zone, int64_t after) {
    if (schedule->period)
        return (after / schedule->period + 1) * schedule->period;
    return cron_slot(&schedule->rule, zone, after);
}

/* Of the slots that came due, the newest `keep` in a ring; *count: all of them. */
static void newest(const struct schedule *schedule, const struct offsets *zone, int64_t *ring, int64_t keep,
                   int64_t *count) {
    int64_t slot = schedule->settled, first;
    if (schedule->period && (first = schedule->now / schedule->period - keep) > slot / schedule->period) {
        *count = first - slot / schedule->period;
        slot = first * schedule->period;
    }
    while ((slot = schedule_next(schedule, zone, slot)) >= 0 && slot <= schedule->now)
        ring[(*count)++ % keep] = slot;
}

/* How many of the due slots, counted from the newest, are still to be run. */
static int64_t wanted(const struct schedule *schedule, int64_t last) {
    switch (schedule->catch_up) {
    case CATCH_UP_ALL: return schedule->catch_up_limit;
    case CATCH_UP_LATEST: return 1;
    case CATCH_UP_NONE: return schedule->now - last <= SCHEDULE_GRACE_SECONDS * TICKS_SECOND;
    default: return 0;
    }
}

bool schedule_due(const struct schedule *schedule, const struct offsets *zone, struct arena *arena,
                  struct schedule_due *due, struct err *err) {
    enum { KEEP = SCHEDULE_SKIPS_KEPT + SCHEDULE_CATCH_UP_MAX };
    int64_t *ring = arena_array(arena, KEEP, sizeof *ring), count = 0;
    *due = (struct schedule_due){.slot = -1, .settled = schedule->settled};
    due->skipped = arena_array(arena, SCHEDULE_SKIPS_KEPT, sizeof *due->skipped);
    if (!ring || !due->skipped)
        return err_memory(err);
    newest(schedule, zone, ring, KEEP, &count);
    if (!count)
        return true;
    int64_t run = wanted(schedule, ring[(count - 1) % KEEP]);
    due->skipped_total = count > run ? count - run : 0;
    for (int64_t i = due->skipped_total > SCHEDULE_SKIPS_KEPT ? due->skipped_total - SCHEDULE_SKIPS_KEPT : 0;
         i < due->skipped_total; i++)
        due->skipped[due->skipped_count++] = due->settled = ring[i % KEEP];
    if (run)
        due->slot = due->settled = ring[due->skipped_total % KEEP];
    return true;
}
