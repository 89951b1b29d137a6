/* Times: what is accepted, what is refused, and that 100 ns survive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void a_datetime_comes_back_with_seven_digits(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"2026-07-18T17:00:30.754549Z", "2026-07-18T17:00:30.7545490Z"},
        {"2026-07-18T17:00:30.7545491Z", "2026-07-18T17:00:30.7545491Z"},
        {"2026-07-18T17:00:30Z", "2026-07-18T17:00:30.0000000Z"},
        {"2026-07-18T19:00:30+02:00", "2026-07-18T17:00:30.0000000Z"},
        {"2024-02-29T23:59:59.9999999Z", "2024-02-29T23:59:59.9999999Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000Z"},
        {"9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"},
        {"2026-07-18T17:00:30.12345670000Z", "2026-07-18T17:00:30.1234567Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ticks;
        char text[TICKS_TEXT];
        assert_true(ticks_parse(str_from(cases[i].in), &ticks));
        ticks_print(ticks, text);
        assert_string_equal(text, cases[i].out);
    }
}

static void what_is_not_rfc_3339_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "", "now", "infinity", "02/03/2024", "2026-07-18", "2026-07-18T17:00:30", "2026-07-18T24:00:00Z",
        "2026-07-18T17:60:00Z", "2026-07-18T17:00:60Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-07-18T17:00:30.Z", "2026-07-18T17:00:30.12345678Z",
        "2026-07-18T17:00:30Zx", "2026-07-18T17:00:30+2:00", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ticks;
        assert_false(ticks_parse(str_from(cases[i]), &ticks));
    }
}

static void every_day_of_four_centuries_comes_back(void **state) {
    (void)state;
    int64_t first = days_from_civil(1899, 12, 31);
    for (int64_t day = first; day < first + 146097; day++) {
        int y, m, d;
        civil_from_days(day, &y, &m, &d);
        assert_int_equal(days_from_civil(y, m, d), day);
    }
    assert_int_equal(days_from_civil(1, 1, 1), 0);
    assert_int_equal(days_from_civil(1970, 1, 1) * TICKS_DAY, TICKS_UNIX);
}

static void timespans_are_read_in_both_writings(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ticks;
    } good[] = {{"5d", 5 * TICKS_DAY},     {"P5D", 5 * TICKS_DAY},       {"90m", 90 * TICKS_MINUTE},
                {"1.5h", 90 * TICKS_MINUTE}, {"PT15M", 15 * TICKS_MINUTE}, {"P1DT12H", 36 * TICKS_HOUR},
                {"2w", 14 * TICKS_DAY}};
    static const char *const bad[] = {"", "5", "d", "P", "5x", "-5d", "P5", "0d", "99999d", "P5M"};
    int64_t ticks;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(timespan_parse(str_from(good[i].text), &ticks));
        assert_int_equal(ticks, good[i].ticks);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(timespan_parse(str_from(bad[i]), &ticks));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datetime_comes_back_with_seven_digits),
        cmocka_unit_test(what_is_not_rfc_3339_is_refused),
        cmocka_unit_test(every_day_of_four_centuries_comes_back),
        cmocka_unit_test(timespans_are_read_in_both_writings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
