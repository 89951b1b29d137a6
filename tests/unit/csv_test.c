/* CSV as portals export it: headings, quotes, US dates, local times and their zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/reader_fixture.h"

static void expect_text(const struct event *event, const char *name, const char *wanted) {
    const struct value *value = value_of(event, name);
    assert_int_equal(value->kind, VALUE_TEXT);
    assert_int_equal(value->text.len, strlen(wanted));
    assert_memory_equal(value->text.ptr, wanted, value->text.len);
}

static void csv_rows_are_records(void **state) {
    (void)state;
    expect_verdicts(STR("Timestamp,DeviceId\n2026-07-18T17:00:30Z,d1\n"), "DeviceEvents", "E");
    expect_verdicts(STR("Timestamp,DeviceId\n2026-07-18T17:00:30Z,d1"), "DeviceEvents", "E");
    expect_verdicts(STR(BOM "Timestamp,DeviceId\r\n2026-07-18T17:00:30Z,d1\r\n\r\n"), "DeviceEvents", "E");
    expect_verdicts(
        STR("TimeGenerated,Type,DeviceId\n2026-07-18T17:00:30Z,DeviceInfo,d1\n2026-07-18T17:00:30Z,Heartbeat,d1\n"),
        NULL, "EI");
    expect_verdicts(STR("Timestamp,Type,DeviceId\n2026-07-18T17:00:30Z,Something,d1\n"), "DeviceEvents", "E");
    expect_verdicts(STR("TimeGenerated,Timestamp,DeviceId\n2026-07-18T17:00:30Z,,d1\n"), "DeviceEvents", "E");
    expect_verdicts(STR("Timestamp,DeviceId\n2026-07-18T17:00:30Z,d1\n"), NULL, "R");
    expect_verdicts(STR("Timestamp,DeviceId\nyesterday,d1\n2026-07-18T17:00:30Z,\n2026-07-18T17:00:30Z\n"
                   "2026-07-18T17:00:30Z,d1,more\n2026-07-18T17:00:30Z,\xff\n2026-07-18T17:00:30Z,d1\n"),
               "DeviceEvents", "RRRRRE");
    expect_verdicts(STR("Timestamp,DeviceId,New\n2026-07-18T17:00:30Z,d1,a\0b\n2026-07-18T17:00:30Z,d\0,a\n"),
               "DeviceEvents", "RR");
    expect_verdicts(STR("Timestamp,DeviceId,ReportId,FileSize\n2026-07-18T17:00:30Z,d1,x,\n2026-07-18T17:00:30Z,d1,,\n"),
               "DeviceEvents", "RE");
}

static void csv_of_the_portal_keeps_its_values(void **state) {
    (void)state;
    struct reader_options options = {.table = schema_table_find(STR("DeviceProcessEvents")), .zone = zone_fixed("+02:00")};
    int64_t wanted;
    struct seen *seen = seen_read(STR(BOM
            "\"Timestamp [UTC]\",\"ProcessCreationTime [Local Time]\",DeviceId,ReportId,FileName,ProcessCommandLine,"
            "IsProcessRemoteSession,New\r\n"
            "\"10/25/2023, 9:43:21.990 AM\",\"12/1/2023, 12:00:00.000 AM\",d1,639199803770463703,,"
            "\"say \"\"a, b\"\"\r\nand\",true,\"q\"\"\"\r\n"
            "\"10/25/2023, 12:43:21 PM\",,d1,7,a.exe,x,0,\r\n"),
        &options);
    assert_string_equal(seen->verdicts, "EE");
    const struct event *first = &seen->events[0], *second = &seen->events[1];
    assert_true(ticks_parse(STR("2023-10-25T09:43:21.99Z"), &wanted));
    assert_int_equal(value_of(first, "Timestamp")->number, wanted);
    assert_true(ticks_parse(STR("2023-11-30T22:00:00Z"), &wanted));
    assert_int_equal(value_of(first, "ProcessCreationTime")->number, wanted);
    assert_int_equal(value_of(first, "ReportId")->number, INT64_C(639199803770463703));
    assert_int_equal(value_of(first, "FileName")->kind, VALUE_NULL);
    expect_text(first, "ProcessCommandLine", "say \"a, b\"\r\nand");
    assert_int_equal(value_of(first, "IsProcessRemoteSession")->number, 1);
    assert_true(str_eq(first->extra, STR("{\"New\":\"q\\\"\"}")));
    assert_true(ticks_parse(STR("2023-10-25T12:43:21Z"), &wanted));
    assert_int_equal(value_of(second, "Timestamp")->number, wanted);
    assert_int_equal(value_of(second, "ProcessCreationTime")->kind, VALUE_NULL);
    assert_int_equal(value_of(second, "IsProcessRemoteSession")->number, 0);
    assert_int_equal(second->extra.len, 0);
    reader_seen_free(seen);
}

static void local_times_follow_the_zones_clock_changes(void **state) {
    static const struct zone_step steps[] = {{INT64_C(639103212000000000), TICKS_HOUR}, /* 2026-03-29 is the second's */
                                             {INT64_C(639103428000000000), 2 * TICKS_HOUR},
                                             {INT64_C(639284868000000000), TICKS_HOUR}};
    static const struct zone berlin = {"Europe/Berlin", steps, 3};
    static const struct {
        const char *local, *utc;
    } rows[] = {
        {"2026-03-29T01:59:59Z", "2026-03-29T00:59:59Z"}, {"2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z"},
        {"2026-03-29T02:30:00Z", "2026-03-29T01:30:00Z"}, /* clocks left it out */
        {"2026-07-01T12:00:00Z", "2026-07-01T10:00:00Z"}, {"2026-10-25T01:59:59Z", "2026-10-24T23:59:59Z"},
        {"2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z"}, /* twice: the earlier one */
        {"2026-10-25T03:00:00Z", "2026-10-25T02:00:00Z"}, {"2020-01-01T12:00:00Z", "2020-01-01T11:00:00Z"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t local = 0, utc = 0;
        assert_true(ticks_parse(str_from(rows[i].local), &local) && ticks_parse(str_from(rows[i].utc), &utc));
        if (zone_utc(&berlin, local) != utc)
            fail_msg("%s is not %s", rows[i].local, rows[i].utc);
    }
}

static void an_open_quote_costs_its_own_row_only(void **state) {
    (void)state;
#define HEADER "Timestamp,DeviceId,FileName\n"
#define GOOD "2026-07-18T17:00:30Z,d1,\"a, \"\"b\"\"\"\r\n"
    struct str bodies[] = {
        STR(HEADER GOOD "2026-07-18T17:00:30Z,d1,\"open\n" GOOD GOOD),
        STR(HEADER GOOD "2026-07-18T17:00:30Z,\"d1,open\r\n" GOOD GOOD),
        STR(HEADER GOOD "2026-07-18T17:00:30Z,d1,\"a\"b\n" GOOD GOOD),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        expect_verdicts(bodies[i], "DeviceEvents", "EREE");
        expect_code(bodies[i], "DeviceEvents", 1, ERR_BAD_RECORD);
    }
    expect_verdicts(STR(HEADER GOOD "2026-07-18T17:00:30Z,d1,\"open"), "DeviceEvents", "ER");
}

static void headings_say_the_zone_of_bare_times(void **state) {
    (void)state;
    expect_verdicts_zoned(STR("Timestamp [UTC],DeviceId\n2026-07-18T17:00:30,d1\n2026-07-18 17:00:30.1234567,d1\n"), "DeviceEvents",
               NULL, "EE");
    expect_verdicts(STR("Timestamp,DeviceId\n2026-07-18T17:00:30,d1\n"), "DeviceEvents", "R");
    expect_verdicts(STR("TimeGenerated [UTC],DeviceId\n\"7/18/2026, 5:00:30.000 PM\",d1\n"), "DeviceEvents", "E");
}

static void a_csv_without_a_time_column_is_refused(void **state) {
    struct reader_options options = {.format = READER_CSV};
    struct err err = {0};
    (void)state;
    assert_null(reader_open(STR("this is no record\n"), &options, &err));
    assert_int_equal(err.code, ERR_UNPROCESSABLE);
}

static void local_time_without_its_offset_is_refused(void **state) {
    (void)state;
    struct reader_options options = {.table = schema_table_find(STR("DeviceEvents"))};
    struct err err = {0};
    assert_null(reader_open(STR("Timestamp [Local Time],DeviceId\n"), &options, &err));
    assert_int_equal(err.code, ERR_UNPROCESSABLE);
    expect_verdicts_zoned(STR("Timestamp [Local Time],DeviceId\n\"1/2/2023, 3:04:05 AM\",d1\n"), "DeviceEvents", "Z", "E");
    expect_verdicts(
        STR("Timestamp [UTC],DeviceId\n\"13/2/2023, 3:04:05 AM\",d1\n\"1/2/2023, 13:04:05 AM\",d1\n\"1/2/2023\",d1\n"),
        "DeviceEvents", "RRR");
}

static void a_csv_of_many_quoted_fields_keeps_every_value(void **state) {
    (void)state;
    BUF_AUTO body = BUF(1 << 24);
    struct reader_options options = {.table = schema_table_find(STR("DeviceProcessEvents"))};
    struct err err = {0};
    struct event event;
    struct str raw;
    size_t index, rows = 0;
    buf_add_str(&body, STR("Timestamp [UTC],DeviceId,ProcessCommandLine\r\n"));
    for (int i = 0; i < 20000; i++)
        buf_add_str(&body, STR("\"10/25/2023, 9:43:21.990 AM\",\"d1\",\"say \"\"hi\"\"\"\r\n"));
    struct reader *reader = reader_open(buf_str(&body), &options, &err);
    assert_non_null(reader);
    for (; reader_next(reader, &event, &raw, &index, &err) == VERDICT_EVENT; rows++)
        assert_true(str_eq(value_of(&event, "ProcessCommandLine")->text, STR("say \"hi\"")));
    assert_int_equal(rows, 20000);
    reader_free(reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_rows_are_records),
        cmocka_unit_test(an_open_quote_costs_its_own_row_only),
        cmocka_unit_test(headings_say_the_zone_of_bare_times),
        cmocka_unit_test(a_csv_without_a_time_column_is_refused),
        cmocka_unit_test(csv_of_the_portal_keeps_its_values),
        cmocka_unit_test(local_time_without_its_offset_is_refused),
        cmocka_unit_test(local_times_follow_the_zones_clock_changes),
        cmocka_unit_test(a_csv_of_many_quoted_fields_keeps_every_value),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
