/* Cron expressions: which minutes they mean, in which zones, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hunts/schedule.h"

enum { MAX_SLOTS = 8 };

static int64_t ticks(const char *text) {
    int64_t value;
    if (!ticks_parse_loose(str_from(text), &value) && !ticks_parse(str_from(text), &value))
        fail_msg("%s is not a time", text);
    return value;
}

#define H TICKS_HOUR
#define M TICKS_MINUTE

struct slots_case {
    const char *cron, *after;
    const char *slots[MAX_SLOTS]; /* UTC, NULL behind the last one */
};

static void check_cases(const struct slots_case *cases, size_t count, const struct offsets *zone) {
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};
        struct schedule schedule = {0};
        if (!cron_parse(str_from(cases[i].cron), &schedule.rule, &err))
            fail_msg("%s: %s", cases[i].cron, err.text);
        int64_t at = ticks(cases[i].after);
        for (size_t s = 0; s < MAX_SLOTS && cases[i].slots[s]; s++) {
            char got[TICKS_TEXT];
            at = schedule_next(&schedule, zone, at);
            assert_true(at >= 0);
            ticks_print(at, got);
            if (at != ticks(cases[i].slots[s]))
                fail_msg("%s after %s: slot %zu is %s, not %s", cases[i].cron, cases[i].after, s, got, cases[i].slots[s]);
        }
    }
}

static void expressions_give_the_minutes_they_mean(void **state) {
    (void)state;
    static const struct slots_case cases[] = {
        {"*/15 * * * *", "2026-11-24T10:14:59Z", {"2026-11-24T10:15:00Z", "2026-11-24T10:30:00Z", "2026-11-24T10:45:00Z", "2026-11-24T11:00:00Z"}},
        {"*/15 * * * *", "2026-11-24T10:15:00Z", {"2026-11-24T10:30:00Z"}},
        {"0 6 * * *", "2026-12-31T06:00:00Z", {"2027-01-01T06:00:00Z", "2027-01-02T06:00:00Z"}},
        {"5,10-12,50-59/4 3 * * *", "2026-11-24T00:00:00Z", {"2026-11-24T03:05:00Z", "2026-11-24T03:10:00Z", "2026-11-24T03:11:00Z", "2026-11-24T03:12:00Z", "2026-11-24T03:50:00Z", "2026-11-24T03:54:00Z", "2026-11-24T03:58:00Z", "2026-11-25T03:05:00Z"}},
        {"30 8 * * MON-fri", "2026-11-27T09:00:00Z", {"2026-11-30T08:30:00Z", "2026-12-01T08:30:00Z"}},
        {"0 0 * * 7", "2026-11-24T00:00:00Z", {"2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z"}},
        {"0 0 * * 0", "2026-11-24T00:00:00Z", {"2026-11-29T00:00:00Z"}},
        {"0 0 * * SUN,wed", "2026-11-24T00:00:00Z", {"2026-11-25T00:00:00Z", "2026-11-29T00:00:00Z"}},
        {"0 0 * * 5-7", "2026-11-24T00:00:00Z", {"2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "2026-12-04T00:00:00Z"}},
        {"0 12 1 JAN,Jul *", "2026-01-01T12:00:00Z", {"2026-07-01T12:00:00Z", "2027-01-01T12:00:00Z"}},
        {"0 0 31 * *", "2026-01-31T00:00:00Z", {"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"}},
        {"0 0 29 2 *", "2026-01-01T00:00:00Z", {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
        {"0 0 29 2 *", "2096-02-29T00:00:00Z", {"2104-02-29T00:00:00Z"}},
        {" 0\t0  1 1 * ", "2026-01-01T00:00:00Z", {"2027-01-01T00:00:00Z"}},
    };
    check_cases(cases, sizeof cases / sizeof *cases, &(struct offsets){0});
}

/* crontab(5): both restricted, either one is enough; a field that begins with * restricts nothing by itself. */
static void the_two_days_are_either_or_unless_one_begins_with_a_star(void **state) {
    (void)state;
    static const struct slots_case cases[] = {
        {"0 0 13 * FRI", "2026-11-01T00:00:00Z", {"2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"}},
        {"0 0 13 * *", "2026-11-01T00:00:00Z", {"2026-11-13T00:00:00Z", "2026-12-13T00:00:00Z"}},
        {"0 0 */2 * FRI", "2026-11-01T00:00:00Z", {"2026-11-13T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-11T00:00:00Z"}},
        {"0 0 1-7 * */7", "2026-11-01T00:00:00Z", {"2026-12-06T00:00:00Z", "2027-01-03T00:00:00Z"}},
    };
    check_cases(cases, sizeof cases / sizeof *cases, &(struct offsets){0});
}

static struct offsets zone_of(struct offset_span spans[3], int64_t winter, int64_t summer, const char *spring,
                           const char *autumn) {
    spans[0] = (struct offset_span){0, winter};
    spans[1] = (struct offset_span){ticks(spring), summer};
    spans[2] = (struct offset_span){ticks(autumn), winter};
    return (struct offsets){spans, 3};
}

static void in_berlin_a_missing_hour_is_skipped_and_a_repeated_one_runs_once(void **state) {
    (void)state;
    static const struct slots_case cases[] = {
        {"30 2 * * *", "2026-03-27T12:00:00Z", {"2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"}},
        {"0 3 * * *", "2026-03-28T12:00:00Z", {"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
        {"0 * * * *", "2026-03-29T00:00:00Z", {"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
        {"*/30 1-3 * * *", "2026-03-28T23:30:00Z", {"2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T23:00:00Z"}},
        {"30 2 * * *", "2026-10-24T12:00:00Z", {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
        {"0 * * * *", "2026-10-24T23:00:00Z", {"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"}},
        {"15 2 * * *", "2026-10-25T01:20:00Z", {"2026-10-26T01:15:00Z"}},
    };
    struct offset_span spans[3];
    struct offsets zone = zone_of(spans, 1 * H, 2 * H, "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z");
    check_cases(cases, sizeof cases / sizeof *cases, &zone);
}

static void in_new_york_both_changes_are_kept(void **state) {
    (void)state;
    static const struct slots_case cases[] = {
        {"30 2 * * *", "2026-03-07T12:00:00Z", {"2026-03-09T06:30:00Z"}},
        {"30 2 * * SUN", "2026-03-02T12:00:00Z", {"2026-03-15T06:30:00Z"}},
        {"30 1 * * *", "2026-10-31T12:00:00Z", {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
        {"0 9 * * MON", "2026-10-26T13:00:00Z", {"2026-11-02T14:00:00Z", "2026-11-09T14:00:00Z"}},
    };
    struct offset_span spans[3];
    struct offsets zone = zone_of(spans, -5 * H, -4 * H, "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z");
    check_cases(cases, sizeof cases / sizeof *cases, &zone);
}

/* Half an hour only: 2:00 to 2:30 is missing in October, 1:30 to 2:00 comes twice in April. */
static void on_lord_howe_half_an_hour_is_missing_or_repeated(void **state) {
    (void)state;
    static const struct slots_case autumn[] = {
        {"*/15 1-2 * * *", "2026-04-04T14:00:00Z", {"2026-04-04T14:15:00Z", "2026-04-04T14:30:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:30:00Z", "2026-04-04T15:45:00Z"}},
    };
    static const struct slots_case spring[] = {
        {"*/15 2 * * *", "2026-10-03T12:00:00Z", {"2026-10-03T15:30:00Z", "2026-10-03T15:45:00Z", "2026-10-04T15:00:00Z"}},
    };
    struct offset_span spans[2] = {{0, 11 * H}, {ticks("2026-04-04T15:00:00Z"), 10 * H + 30 * M}};
    check_cases(autumn, 1, &(struct offsets){spans, 2});
    spans[0].offset = 10 * H + 30 * M;
    spans[1] = (struct offset_span){ticks("2026-10-03T15:30:00Z"), 11 * H};
    check_cases(spring, 1, &(struct offsets){spans, 2});
}

static void what_is_no_expression_is_refused_by_its_field(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "five fields"},
        {"* * * *", "five fields"},
        {"* * * * * *", "five fields"},
        {"@daily", "five fields"},
        {"60 * * * *", "minute '60'"},
        {"-1 * * * *", "minute '-1'"},
        {"*/0 * * * *", "minute '*/0'"},
        {"*/61 * * * *", "minute '*/61'"},
        {"0 */25 * * *", "hour '*/25'"},
        {"* * * * FRI-MON", "a range runs upwards"},
        {"5/15 * * * *", "minute '5/15'"},
        {"1,, * * * *", "minute '1,,'"},
        {"* 24 * * *", "hour '24'"},
        {"* 10-8 * * *", "hour '10-8'"},
        {"* * 0 * *", "day of month '0'"},
        {"* * 32 * *", "day of month '32'"},
        {"* * L * *", "day of month 'L'"},
        {"* * * 13 *", "month '13'"},
        {"* * * MONDAY *", "month 'MONDAY'"},
        {"* * * * 8", "day of week '8'"},
        {"* * * * MONDAY", "day of week 'MONDAY'"},
        {"* * * * FRI-MON", "day of week 'FRI-MON'"},
        {"0 0 30 2 *", "no date has day of month '30' in month '2'"},
        {"0 0 31 4,6,9,11 *", "no date has day of month '31'"},
        {"99999999999999999999 * * * *", "minute"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct cron cron;
        if (cron_parse(str_from(cases[i].text), &cron, &err))
            fail_msg("'%s' was taken", cases[i].text);
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        if (!strstr(err.text, cases[i].says))
            fail_msg("'%s' is refused with: %s", cases[i].text, err.text);
    }
}

static void every_minute_of_a_year_agrees_with_the_calendar(void **state) {
    (void)state;
    struct err err = {0};
    struct cron cron;
    assert_true(cron_parse(STR("*/7 */5 */3 * 1-5"), &cron, &err));
    int64_t at = days_from_civil(2027, 12, 31) * 1440 - 1, end = at + 366 * 1440, next = cron_next(&cron, at);
    for (int64_t minute = at + 1; minute < end; minute++) {
        int year, month, day;
        civil_from_days(minute / 1440, &year, &month, &day);
        int64_t weekday = (minute / 1440 + 1) % 7;
        bool fits = minute % 60 % 7 == 0 && minute / 60 % 24 % 5 == 0 && (day - 1) % 3 == 0 && weekday >= 1 && weekday <= 5;
        assert_int_equal(fits, minute == next);
        if (fits)
            next = cron_next(&cron, minute);
    }
}

static void periods_are_whole_multiples(void **state) {
    (void)state;
    struct schedule schedule = {.period = 15 * M};
    assert_int_equal(schedule_next(&schedule, NULL, ticks("2026-11-24T10:14:59.9999999Z")), ticks("2026-11-24T10:15:00Z"));
    assert_int_equal(schedule_next(&schedule, NULL, ticks("2026-11-24T10:15:00Z")), ticks("2026-11-24T10:30:00Z"));
    schedule.period = TICKS_DAY;
    assert_int_equal(schedule_next(&schedule, NULL, ticks("2026-11-24T10:15:00Z")), ticks("2026-11-25T00:00:00Z"));
}

struct due_case {
    enum catch_up policy;
    int64_t limit, late_minutes;        /* now is that long after 15:00, the last of twelve slots missed */
    int64_t slot_minutes, skipped;      /* the slot to be run, before 15:00, -1: none */
};

static void three_hours_down_leave_what_the_policy_says(void **state) {
    (void)state;
    static const struct due_case cases[] = {
        {CATCH_UP_LATEST, 100, 10, 0, 11}, {CATCH_UP_ALL, 100, 10, 165, 0}, {CATCH_UP_ALL, 4, 10, 45, 8},
        {CATCH_UP_NONE, 100, 10, -1, 12},  {CATCH_UP_NONE, 100, 1, 0, 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct due_case *c = &cases[i];
        struct err err = {0};
        struct schedule_due due;
        struct arena *arena = arena_new(1 << 20);
        int64_t last = ticks("2026-11-24T15:00:00Z");
        struct schedule schedule = {.period = 15 * M,
                                    .catch_up = c->policy,
                                    .catch_up_limit = c->limit,
                                    .settled = last - 3 * H,
                                    .now = last + c->late_minutes * M};
        assert_true(schedule_due(&schedule, &(struct offsets){0}, arena, &due, &err));
        assert_int_equal(due.slot, c->slot_minutes < 0 ? -1 : last - c->slot_minutes * M);
        assert_int_equal(due.skipped_count, c->skipped);
        assert_int_equal(due.skipped_total, c->skipped);
        for (int64_t s = 0; s < c->skipped; s++)
            assert_int_equal(due.skipped[s], schedule.settled + (s + 1) * 15 * M);
        assert_int_equal(due.settled, due.slot >= 0 ? due.slot : last);
        arena_free(arena);
    }
}

static void years_down_every_second_are_counted_and_the_newest_kept(void **state) {
    (void)state;
    struct err err = {0};
    struct schedule_due due;
    struct arena *arena = arena_new(1 << 20);
    int64_t now = ticks("2026-11-24T15:00:00.5Z");
    struct schedule schedule = {.period = TICKS_SECOND, .catch_up = CATCH_UP_ALL, .catch_up_limit = 10, .now = now,
                                .settled = now - 1000 * TICKS_DAY};
    assert_true(schedule_due(&schedule, &(struct offsets){0}, arena, &due, &err));
    assert_int_equal(due.slot, ticks("2026-11-24T14:59:51Z"));
    assert_int_equal(due.skipped_total, 1000 * 86400 - 10);
    assert_int_equal(due.skipped_count, SCHEDULE_SKIPS_KEPT);
    assert_int_equal(due.skipped[SCHEDULE_SKIPS_KEPT - 1], ticks("2026-11-24T14:59:50Z"));
    arena_free(arena);
}

static void nothing_due_is_nothing_to_do(void **state) {
    (void)state;
    struct err err = {0};
    struct schedule_due due;
    struct arena *arena = arena_new(1 << 20);
    int64_t now = ticks("2026-11-24T15:14:59.9999999Z");
    struct schedule schedule = {.period = 15 * M, .now = now, .settled = ticks("2026-11-24T15:00:00Z")};
    assert_true(schedule_due(&schedule, &(struct offsets){0}, arena, &due, &err));
    assert_int_equal(due.slot, -1);
    assert_int_equal(due.skipped_count, 0);
    assert_int_equal(due.settled, schedule.settled);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_give_the_minutes_they_mean),
        cmocka_unit_test(the_two_days_are_either_or_unless_one_begins_with_a_star),
        cmocka_unit_test(in_berlin_a_missing_hour_is_skipped_and_a_repeated_one_runs_once),
        cmocka_unit_test(in_new_york_both_changes_are_kept),
        cmocka_unit_test(on_lord_howe_half_an_hour_is_missing_or_repeated),
        cmocka_unit_test(what_is_no_expression_is_refused_by_its_field),
        cmocka_unit_test(every_minute_of_a_year_agrees_with_the_calendar),
        cmocka_unit_test(periods_are_whole_multiples),
        cmocka_unit_test(three_hours_down_leave_what_the_policy_says),
        cmocka_unit_test(years_down_every_second_are_counted_and_the_newest_kept),
        cmocka_unit_test(nothing_due_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
