/* The event reader: every shape that senders use, which table a record belongs to, and that one bad record costs no
 * other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/reader_fixture.h"

#define PROPERTIES(inside) "\"properties\":{" ROW inside "}"
#define RECORD(inside) "{\"category\":\"AdvancedHunting-DeviceProcessEvents\"," PROPERTIES(inside) "}"
#define FLAT(type) "{\"Type\":\"" type "\"," ROW "}"
/* The same record as JSON text within a JSON string. */
#define QUOTED                                                                                                         \
    "{\\\"category\\\":\\\"AdvancedHunting-DeviceEvents\\\",\\\"properties\\\":{"                                      \
    "\\\"Timestamp\\\":\\\"2026-07-18T17:00:30Z\\\",\\\"DeviceId\\\":\\\"d1\\\"}}"

/* The tables that the records of a body were put into, and that nothing was rejected. */
static void expect_tables(struct str body, const char *table, const char *const *wanted) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL};
    struct seen *seen = seen_read(body, &options);
    for (size_t i = 0; i < 2; i++) {
        if (!wanted[i])
            break;
        assert_int_equal(seen->verdicts[i], 'E');
        assert_string_equal(seen->events[i].table->name, wanted[i]);
    }
    reader_seen_free(seen);
}

static void every_body_shape_gives_its_records(void **state) {
    (void)state;
    const struct {
        struct str body;
        const char *table, *wanted;
    } rows[] = {
        {STR(""), NULL, ""},
        {STR(" \r\n\t"), NULL, ""},
        {STR("\v\f"), NULL, ""},
        {STR("{\"records\":[]}"), NULL, ""},
        {STR("{\"records\":[" RECORD("") "," RECORD(",\"ReportId\":1") "]}"), NULL, "EE"},
        {STR(RECORD("")), NULL, "E"},
        {STR(RECORD("") "\r\n" RECORD("") "\r\n"), NULL, "EE"},
        {STR(RECORD("") "\n\n\n" RECORD("")), NULL, "EE"},
        {STR(RECORD("") RECORD("")), NULL, "EE"},
        {STR("[" RECORD("") "," RECORD("") "]"), NULL, "EE"},
        {STR("[{\"records\":[" RECORD("") "]},{\"records\":[" FLAT("DeviceEvents") "," RECORD("") "]}]"), NULL, "EEE"},
        {STR("{\"records\":[" RECORD("") "]}{\"records\":[" RECORD("") "]}"), NULL, "EE"},
        {STR("{\"records\":[" FLAT("DeviceEvents") "," RECORD("") "]}"), NULL, "EE"},
        {STR("{\"Stats\":{},\"Schema\":[{\"Name\":\"Timestamp\",\"Type\":\"DateTime\"}],\"Results\":[{" ROW "},{" ROW
             "}]}"),
         "DeviceEvents", "EE"},
        {STR("{\"@odata.context\":\"x\",\"schema\":[],\"results\":[{" ROW "}]}"), "DeviceEvents", "E"},
        {STR("{\"schema\":[],\"results\":[{" ROW "}]}"), NULL, "R"},
        {STR("{\"Results\":[{" ROW "},{" ROW "}]}"), "DeviceEvents", "EE"},
        {STR("{" ROW ",\"Results\":[{\"a\":1}]}"), "DeviceEvents", "E"},
        {STR("{" ROW "}"), "DeviceEvents", "E"},
        {STR("{" ROW "}"), NULL, "R"},
        {STR(BOM RECORD("")), NULL, "E"},
        {STR(BOM "[" RECORD("") "]"), NULL, "E"},
        {STR("  {" STAMP ",\"DeviceId\":\"d1\"}"), "DeviceEvents", "E"},
        {STR("{\n \"category\" : \"AdvancedHunting-DeviceEvents\" ,\n \"properties\" :\n {" ROW "}\n}\n"), NULL, "E"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_verdicts(rows[i].body, rows[i].table, rows[i].wanted);
}

static void wrappers_are_taken_off_whatever_else_they_carry(void **state) {
    (void)state;
    expect_verdicts(STR("{\"message\":\"" QUOTED "\"}"), NULL, "E");
    expect_verdicts(STR("{\"@timestamp\":\"2026-07-18T17:00:30Z\",\"tags\":[\"x\"],\"message\":\"" QUOTED "\"}"), NULL,
                    "E");
    expect_verdicts(STR("{\"event\":" RECORD("") ",\"host\":{\"name\":\"h\"}}"), NULL, "E");
    expect_verdicts(STR("{\"date\":1784394150.1,\"value\":" RECORD("") "}"), NULL, "E");
    expect_verdicts(STR("{\"body\":" RECORD("") "}"), NULL, "E");
    expect_verdicts(STR("{\"body\":\"" QUOTED "\"}"), NULL, "E");
    expect_verdicts(STR("{\"value\":[" RECORD("") "," RECORD("") "]}"), NULL, "EE");
    expect_verdicts(STR("{\"message\":{\"records\":[" RECORD("") "," RECORD("") "]}}"), NULL, "EE");
    expect_verdicts(STR("[{\"message\":\"" QUOTED "\"},{\"event\":" FLAT("DeviceInfo") "}]"), NULL, "EE");
    expect_verdicts(STR("{\"body\":{" ROW "}}"), "DeviceEvents", "E");
    expect_verdicts(STR("{\"message\":\"it rained\"}"), NULL, "R");
    expect_verdicts(STR("{\"message\":\"{broken\"}" RECORD("")), NULL, "RE");
}

static void columns_named_like_wrappers_do_not_hide_a_record(void **state) {
    (void)state;
    expect_verdicts(STR("{" ROW ",\"event\":{\"a\":1},\"message\":\"{}\"}"), "DeviceEvents", "E");
    expect_verdicts(STR("{\"category\":\"AdvancedHunting-DeviceEvents\",\"value\":{}," PROPERTIES("") "}"), NULL, "E");
}

static void endless_wrapping_ends(void **state) {
    (void)state;
    BUF_AUTO body = BUF(1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_add_str(&body, STR("{\"event\":"));
    buf_add_str(&body, STR(RECORD("")));
    for (int i = 0; i < 1000; i++)
        buf_add_char(&body, '}');
    buf_add_str(&body, STR("\n" RECORD("")));
    expect_verdicts(buf_str(&body), NULL, "RE");
    body.len = 0;
    for (int i = 0; i < 1000; i++)
        buf_add_char(&body, '[');
    for (int i = 0; i < 1000; i++)
        buf_add_char(&body, ']');
    buf_add_str(&body, STR("\n" RECORD("")));
    expect_verdicts(buf_str(&body), NULL, "RE");
}

/* Wrapped so often, as "value" in one another. */
static void add_wrapped(struct buf *body, int times) {
    for (int i = 0; i < times; i++)
        buf_add_str(body, STR("{\"value\":"));
    buf_add_str(body, STR(RECORD("")));
    for (int i = 0; i < times; i++)
        buf_add_char(body, '}');
}

static void more_than_eight_wrappers_are_an_error_that_says_so(void **state) {
    struct reader_options options = {0};
    struct err err = {0};
    struct event event;
    struct str raw;
    size_t index;
    (void)state;
    BUF_AUTO seven = BUF(1 << 12), eight = BUF(1 << 12);
    add_wrapped(&seven, 7);
    expect_verdicts(buf_str(&seven), NULL, "E");
    add_wrapped(&eight, 8);
    struct reader *reader = reader_open(buf_str(&eight), &options, &err);
    assert_non_null(reader);
    assert_int_equal(reader_next(reader, &event, &raw, &index, &err), VERDICT_REJECTED);
    assert_string_equal(err_name(err.code), "too_deep");
    assert_non_null(strstr(err.text, "more than 8"));
    reader_free(reader);
}

static void a_record_is_measured_with_its_envelope(void **state) {
    (void)state;
    BUF_AUTO body = BUF(4 << 20);
    buf_add_str(&body, STR("{\"padding\":\""));
    for (int i = 0; i < (1 << 20); i++)
        buf_add_char(&body, 'x');
    buf_add_str(&body, STR("\"," "\"category\":\"AdvancedHunting-DeviceEvents\"," PROPERTIES("") "}\n" RECORD("")));
    expect_verdicts(buf_str(&body), NULL, "RE");
    expect_code(buf_str(&body), NULL, 0, ERR_RECORD_TOO_LARGE);
}

static void objects_of_more_than_512_members_are_refused(void **state) {
    (void)state;
    for (int nested = 0; nested < 2; nested++) {
        for (int count = 510; count < 514; count += 3) {
            BUF_AUTO body = BUF(1 << 16);
            buf_printf(&body, "{%s%s", ROW, nested ? ",\"New\":{\"0\":0,\"1\":1" : "");
            for (int i = 2; i < count; i++)
                buf_printf(&body, ",\"%d\":%d", i, i);
            buf_add_str(&body, nested ? STR("}}") : STR("}"));
            expect_verdicts(buf_str(&body), "DeviceEvents", count > 512 ? "R" : "E");
        }
    }
}

static void what_stands_beside_the_properties_must_be_valid_too(void **state) {
    (void)state;
    expect_code(STR("{\"junk\":{\"a\":\"\xff\"},\"category\":\"AdvancedHunting-DeviceEvents\"," PROPERTIES("") "}"), NULL,
                0, ERR_BAD_UTF8);
    expect_code(STR("{\"value\":[1 2],\"category\":\"AdvancedHunting-DeviceEvents\"," PROPERTIES("") "}"), NULL, 0,
                ERR_BAD_JSON);
}

static void of_unknown_columns_with_one_name_the_last_counts(void **state) {
    (void)state;
    struct reader_options options = {.table = schema_table_find(STR("DeviceEvents"))};
    struct seen *seen = seen_read(STR("{" ROW ",\"New\":1,\"Other\":[1, 2],\"New\":{\"a\": 2}}"), &options);
    assert_string_equal(seen->verdicts, "E");
    assert_true(str_eq(seen->events[0].extra, STR("{\"New\":{\"a\":2},\"Other\":[1,2]}")));
    reader_seen_free(seen);
    seen = seen_read(STR("Timestamp,DeviceId,New,New\n2026-07-18T17:00:30Z,d1,a,b\n"), &options);
    assert_string_equal(seen->verdicts, "E");
    assert_true(str_eq(seen->events[0].extra, STR("{\"New\":\"b\"}")));
    reader_seen_free(seen);
}

static void tables_that_are_not_kept_are_ignored(void **state) {
    (void)state;
    expect_verdicts(STR("{\"category\":\"AdvancedHunting-EmailEvents\",\"properties\":{}}"), NULL, "I");
    expect_verdicts(STR("{\"category\":\"AdvancedHunting-EmailEvents\",\"properties\":{}}"), "DeviceEvents", "I");
    expect_verdicts(
        STR("{\"records\":[" RECORD("") ",{\"category\":\"AdvancedHunting-X\",\"properties\":7}," RECORD("") "]}"),
        NULL, "EIE");
    expect_verdicts(STR("{\"Type\":\"SigninLogs\",\"TimeGenerated\":\"2026-07-18T17:00:30Z\"}"), NULL, "I");
}

static void a_table_comes_from_category_then_type_then_the_path(void **state) {
    (void)state;
    static const char *const process[] = {"DeviceProcessEvents", NULL}, *const events[] = {"DeviceEvents", NULL};
    static const char *const both[] = {"DeviceProcessEvents", "DeviceInfo"}, *const info[] = {"DeviceInfo", NULL};
    expect_tables(
        STR("{\"Type\":\"DeviceEvents\",\"category\":\"AdvancedHunting-DeviceProcessEvents\"," PROPERTIES("") "}"),
        "DeviceInfo", process);
    expect_tables(STR(FLAT("DeviceEvents")), "DeviceInfo", events);
    expect_tables(STR(FLAT("DeviceEvents_CL")), NULL, events);
    expect_tables(STR("{" ROW "}"), "DeviceInfo", info);
    expect_tables(STR("{\"category\":\"DeviceProcessEvents\"," PROPERTIES("") "}"), "DeviceInfo", process);
    expect_tables(STR("{\"category\":\"Administrative\"," ROW "}"), "DeviceInfo", info);
    expect_tables(STR("{\"Type\":\"Something\"," ROW "}"), "DeviceInfo", info);
    expect_tables(STR("{\"records\":[" RECORD("") ",{" ROW "}]}"), "DeviceInfo", both);
    expect_tables(STR("{\"properties\":{" ROW "},\"category\":\"AdvancedHunting-DeviceProcessEvents\"}"), NULL,
                  process);
}

static void the_envelopes_own_times_are_not_the_events(void **state) {
    (void)state;
    struct reader_options options = {0};
    int64_t wanted;
    struct seen *seen = seen_read(STR("{\"time\":\"2026-07-18T17:02:32.3990663Z\",\"tenantId\":\"t\",\"operationName\":\"Publish\","
            "\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"_TimeReceivedBySvc\":\"2026-07-18T17:00:39Z\","
            "\"Tenant\":\"DefaultTenant\"," PROPERTIES(",\"New\":{\"a\": 1}") "}"),
        &options);
    assert_string_equal(seen->verdicts, "E");
    assert_true(ticks_parse(STR("2026-07-18T17:00:30.754549Z"), &wanted));
    assert_int_equal(value_of(&seen->events[0], "Timestamp")->number, wanted);
    assert_true(str_eq(seen->events[0].extra, STR("{\"New\":{\"a\":1}}")));
    reader_seen_free(seen);
}

static void a_bad_record_is_rejected_alone(void **state) {
    (void)state;
    expect_verdicts(STR("{\"records\":[" RECORD("") "," RECORD(",\"FileName\":\"\\u0000\"") "," RECORD("") "]}"), NULL,
                    "ERE");
    expect_verdicts(STR("{\"records\":[" RECORD("") "," RECORD(",\"FileName\":\"\xff\"") "," RECORD("") "]}"), NULL,
                    "ERE");
    expect_verdicts(STR("{\"records\":[" RECORD(",\"ReportId\":1.5") "," RECORD("") ",7]}"), NULL, "RER");
    expect_verdicts(
        STR("[" RECORD("") ",{\"category\":\"AdvancedHunting-DeviceEvents\",\"properties\":{nonsense}}," RECORD(
            "") "]"),
        NULL, "ERE");
    expect_verdicts(STR("[" RECORD("") ",{\"a\" 1}," RECORD("") "]"), NULL, "ERE");
    expect_verdicts(STR("[{}," RECORD("") ",[],\"x\"]"), NULL, "RER");
}

static void garbage_lines_cost_no_other_line(void **state) {
    (void)state;
    expect_verdicts(STR(RECORD("") "\n{\"category\":\"Adv\n" RECORD("") "\n"), NULL, "ERE");
    expect_verdicts(STR("GET / HTTP/1.1\n" RECORD("") "\n"), NULL, "RE");
    expect_verdicts(STR(RECORD("") "\n{\n" RECORD("") "\n"), NULL, "ERE");
    expect_verdicts(STR(RECORD("") "\n}\n" RECORD("") "\n"), NULL, "ERE");
    expect_verdicts(STR(RECORD("") "\n[{\"a\":\n" RECORD("") "\n"), NULL, "ERE");
    expect_verdicts(STR("\xff\xfe\n" RECORD("") "\n"), NULL, "RE");
    expect_verdicts(STR(RECORD("") "\n{\"category\":\"AdvancedHunting-DeviceEv"), NULL, "ER");
}

static void what_is_wrong_with_a_record_has_a_code(void **state) {
    (void)state;
    expect_code(STR("{" ROW "}"), NULL, 0, ERR_UNKNOWN_TABLE);
    expect_code(STR("7"), "DeviceEvents", 0, ERR_BAD_RECORD);
    expect_code(STR("\xff"), "DeviceEvents", 0, ERR_BAD_UTF8);
    expect_code(STR("{\"a\""), "DeviceEvents", 0, ERR_BAD_JSON);
    expect_code(STR("{\"DeviceId\":\"d\"}"), "DeviceEvents", 0, ERR_BAD_TIMESTAMP);
    expect_code(STR("{" STAMP "}"), "DeviceEvents", 0, ERR_BAD_DEVICE_ID);
    expect_code(STR("{\"category\":\"AdvancedHunting-DeviceEvents\",\"properties\":7}"), NULL, 0, ERR_BAD_RECORD);
}

static void a_rejected_record_is_given_back_as_sent(void **state) {
    (void)state;
    struct reader_options options = {0};
    struct seen *seen = seen_read(STR("{\"records\":[" RECORD("") ", {\"Type\":\"DeviceEvents\",  \"x\":1} ," RECORD("") "]}"), &options);
    assert_string_equal(seen->verdicts, "ERE");
    assert_true(str_eq(seen->raws[1], STR("{\"Type\":\"DeviceEvents\",  \"x\":1}")));
    assert_true(str_eq(seen->raws[0], STR(RECORD(""))));
    reader_seen_free(seen);
    seen = seen_read(STR("{\"message\":\"{\\\"Type\\\":\\\"DeviceEvents\\\"}\"}"), &options);
    assert_true(str_eq(seen->raws[0], STR("{\"Type\":\"DeviceEvents\"}")));
    reader_seen_free(seen);
}

/* Each line opens a bracket that never closes: looking for its end again and again must not take the square of the
 * body. */
static void a_body_of_opening_brackets_is_read_in_linear_time(void **state) {
    (void)state;
    enum { LINES = 400000 };
    BUF_AUTO body = BUF(1 << 24);
    struct reader_options options = {0};
    struct err err = {0};
    struct event *event = test_malloc(sizeof *event);
    struct str raw;
    size_t index, rejected = 0;
    for (int i = 0; i < LINES; i++)
        buf_add_str(&body, i % 2 ? STR("{\n") : STR("[\n"));
    buf_add_str(&body, STR(RECORD("")));
    struct reader *reader = reader_open(buf_str(&body), &options, &err);
    clock_t start = clock();
    assert_non_null(reader);
    while (reader_next(reader, event, &raw, &index, &err) == VERDICT_REJECTED)
        rejected++;
    assert_int_equal(rejected, LINES);
    assert_non_null(event->table);
    assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
    reader_free(reader);
    test_free(event);
}

/* Files that people exported, where they are at hand; the shapes they taught are tested above in any case. */
static void expect_sample(const char *folder, const char *name, const char *table, const char *wanted) {
    BUF_AUTO path = BUF(4096);
    BUF_AUTO body = BUF(1 << 20);
    char piece[4096];
    buf_printf(&path, "%s/data/samples/%s", folder, name);
    FILE *file = fopen(buf_cstr(&path), "rb");
    assert_non_null(file);
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_add(&body, piece, got);
    fclose(file);
    expect_verdicts_zoned(buf_str(&body), table, "Z", wanted);
}

static void exported_samples_are_read_whole(void **state) {
    const char *folder = getenv("RMMHUNT_REFERENCE");
    (void)state;
    if (!folder || !*folder)
        return;
    expect_sample(folder, "sentinel-portal-export-deviceprocessevents.csv", NULL, "E");
    expect_sample(folder, "otrf-advancedhunting-api-deviceevents.ndjson", "DeviceEvents", "EEEEE");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_body_shape_gives_its_records),
        cmocka_unit_test(more_than_eight_wrappers_are_an_error_that_says_so),
        cmocka_unit_test(a_record_is_measured_with_its_envelope),
        cmocka_unit_test(objects_of_more_than_512_members_are_refused),
        cmocka_unit_test(what_stands_beside_the_properties_must_be_valid_too),
        cmocka_unit_test(of_unknown_columns_with_one_name_the_last_counts),
        cmocka_unit_test(wrappers_are_taken_off_whatever_else_they_carry),
        cmocka_unit_test(columns_named_like_wrappers_do_not_hide_a_record),
        cmocka_unit_test(endless_wrapping_ends),
        cmocka_unit_test(tables_that_are_not_kept_are_ignored),
        cmocka_unit_test(a_table_comes_from_category_then_type_then_the_path),
        cmocka_unit_test(the_envelopes_own_times_are_not_the_events),
        cmocka_unit_test(a_bad_record_is_rejected_alone),
        cmocka_unit_test(garbage_lines_cost_no_other_line),
        cmocka_unit_test(what_is_wrong_with_a_record_has_a_code),
        cmocka_unit_test(a_rejected_record_is_given_back_as_sent),
        cmocka_unit_test(a_body_of_opening_brackets_is_read_in_linear_time),
        cmocka_unit_test(exported_samples_are_read_whole),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
