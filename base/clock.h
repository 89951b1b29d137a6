/* Times. A tick is 100 ns; a datetime counts ticks since 0001-01-01T00:00:00Z (Kusto's own, proleptic Gregorian),
 * a timespan counts ticks. Deadlines are on the monotonic clock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define TICKS_SECOND INT64_C(10000000)
#define TICKS_MINUTE (60 * TICKS_SECOND)
#define TICKS_HOUR (60 * TICKS_MINUTE)
#define TICKS_DAY (24 * TICKS_HOUR)
#define TICKS_UNIX INT64_C(621355968000000000) /* 1970-01-01 */
#define TICKS_MAX INT64_C(3155378975999999999) /* 9999-12-31T23:59:59.9999999Z */

enum { TICKS_TEXT = 29 }; /* "2026-07-18T17:00:30.7545490Z" and NUL */

int64_t ticks_now(void);
/* RFC 3339 only: date, T or t or one space, time with 0 to 7 (more: zeros only) fractional digits, Z or an offset.
 * False when it isn't one or is out of 0001..9999; a leap second :60 is refused. */
bool ticks_parse(struct str text, int64_t *ticks);
/* Seven digits and Z, always TICKS_TEXT - 1 characters. ticks: 0..TICKS_MAX. */
void ticks_print(int64_t ticks, char out[TICKS_TEXT]);
/* The same with a date only ("2026-07-18"): midnight UTC. For settings and parameters. */
bool ticks_parse_loose(struct str text, int64_t *ticks);
/* "5d", "90m", "1.5h", "P5D", "PT15M": a positive timespan of at most 3,650 days. */
bool timespan_parse(struct str text, int64_t *ticks);
/* Days since 0001-01-01 to year, month (1..12), day, and back. */
void civil_from_days(int64_t days, int *year, int *month, int *day);
int64_t days_from_civil(int year, int month, int day);

/* Milliseconds on the monotonic clock; a deadline is such a value. */
int64_t mono_ms(void);
int64_t mono_us(void); /* the same in microseconds */
/* Milliseconds left until the deadline, 0 when it is over, at most INT_MAX: fit for poll(). */
int ms_left(int64_t deadline_ms);
/* Sleep that long, or less when a signal comes. */
void sleep_ms(int ms);
void sleep_us(int64_t us);
