/* What the benchmark's programs share: the made-up estate that is measured, and a stopwatch. The estate's bytes are the
 * same for the same figures, so that results of two days can be compared. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "hunts/estate.h"

enum { BENCH_DAYS = 30, BENCH_BODY = 1000, BENCH_REPEATS = 3 /* in 100 */ };

/* The same bytes for the same figures. Ends at 2026-07-20T00:00:00Z, so that hunts run as of that moment. */
static inline struct estate *bench_estate(const struct schema_table *table, uint64_t rows, double repeat_rate) {
    struct estate_options options = {.seed = 7 + (uint64_t)(repeat_rate * 1000),
                                     .devices = rows >= 1000000 ? 50000 : 2000,
                                     .days = BENCH_DAYS,
                                     .repeat_rate = repeat_rate,
                                     .late_rate = 0.01};
    if (rows >= 1000000) {
        options.distinct_signers = 18000;
        options.distinct_images = 750000;
    }
    if (!ticks_parse(STR("2026-07-20T00:00:00Z"), &options.end))
        return NULL;
    options.rows[schema_table_index(table)] = rows;
    return estate_new(&options);
}

static inline double bench_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
