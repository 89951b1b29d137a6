/* Cron's five fields: minute, hour, day of month, month, day of week. Pure: local minutes in, local minutes out; zones are
 * hunts/offsets's. Lists, ranges, steps, and names of months and days in any case; 0 and 7 are Sunday. Where both days are
 * restricted (neither field begins with *), either one is enough, as in crontab(5). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct cron {
    uint64_t minutes, hours, days, months, weekdays; /* bit n: n is in */
    bool either_day;
};

/* ERR_BAD_REQUEST names the field, and what it may hold; so does an expression that no date fits. */
bool cron_parse(struct str text, struct cron *cron, struct err *err);
/* The first minute behind `minute` that fits (minutes since 0001-01-01T00:00 local); -1: none within 40 years. */
int64_t cron_next(const struct cron *cron, int64_t minute);
