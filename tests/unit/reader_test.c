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
#include "store/reader.h"

#define STAMP "\"Timestamp\":\"2026-07-18T17:00:30.754549Z\""
#define ROW STAMP ",\"DeviceId\":\"d1\""
#define PROPERTIES(inside) "\"properties\":{" ROW inside "}"
#define RECORD(inside) "{\"category\":\"AdvancedHunting-DeviceProcessEvents\"," PROPERTIES(inside) "}"
#define FLAT(type) "{\"Type\":\"" type "\"," ROW "}"
#define BOM "\xEF\xBB\xBF"
/* The same record as JSON text within a JSON string. */
#define QUOTED                                                                                                         \
    "{\\\"category\\\":\\\"AdvancedHunting-DeviceEvents\\\",\\\"properties\\\":{"                                      \
    "\\\"Timestamp\\\":\\\"2026-07-18T17:00:30Z\\\",\\\"DeviceId\\\":\\\"d1\\\"}}"

enum { MOST = 64 };

struct seen {
    char verdicts[MOST]; /* E event, I ignored, R rejected, in order */
    enum err_code codes[MOST];
    struct event events[MOST];
    struct str raws[MOST];
    struct reader *reader;
};

static void see(struct seen *seen, struct str body, const struct reader_options *options) {
    struct err err = {0};
    size_t count = 0, index;
    *seen = (struct seen){.reader = reader_open(body, options, &err)};
    assert_non_null(seen->reader);
    for (enum verdict v;; count++) {
        assert_true(count < MOST - 1);
        v = reader_next(seen->reader, &seen->events[count], &seen->raws[count], &index, &err);
        if (v == VERDICT_END)
            break;
        assert_int_equal(index, count);
        seen->verdicts[count] = v == VERDICT_EVENT ? 'E' : v == VERDICT_IGNORED ? 'I' : 'R';
        seen->codes[count] = err.code;
        assert_int_equal(v == VERDICT_REJECTED, err.code != ERR_NONE);
    }
}

static void expect_verdicts(struct str body, const char *table, const char *wanted) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL};
    struct seen *seen = test_malloc(sizeof *seen);
    see(seen, body, &options);
    if (strcmp(seen->verdicts, wanted))
        fail_msg("%s, not %s, for %.*s", seen->verdicts, wanted, STR_ARG(body));
    reader_free(seen->reader);
    test_free(seen);
}

/* The tables that the records of a body were put into, and that nothing was rejected. */
static void expect_tables(struct str body, const char *table, const char *const *wanted) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL};
    struct seen *seen = test_malloc(sizeof *seen);
    see(seen, body, &options);
    for (size_t i = 0; i < 2; i++) {
        if (!wanted[i])
            break;
        assert_int_equal(seen->verdicts[i], 'E');
        assert_string_equal(seen->events[i].table->name, wanted[i]);
    }
    reader_free(seen->reader);
    test_free(seen);
}

static void expect_code(struct str body, const char *table, size_t at, enum err_code code) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL};
    struct seen *seen = test_malloc(sizeof *seen);
    see(seen, body, &options);
    assert_int_equal(seen->verdicts[at], 'R');
    assert_string_equal(err_name(seen->codes[at]), err_name(code));
    reader_free(seen->reader);
    test_free(seen);
}

static const struct value *value_of(const struct event *event, const char *name) {
    return &event->values[schema_column_find(event->table, str_from(name)) - event->table->columns];
}

static void expect_text(const struct event *event, const char *name, const char *wanted) {
    const struct value *value = value_of(event, name);
    assert_int_equal(value->kind, VALUE_TEXT);
    assert_int_equal(value->text.len, strlen(wanted));
    assert_memory_equal(value->text.ptr, wanted, value->text.len);
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
    struct seen *seen = test_malloc(sizeof *seen);
    see(seen, STR("{" ROW ",\"New\":1,\"Other\":[1, 2],\"New\":{\"a\": 2}}"), &options);
    assert_string_equal(seen->verdicts, "E");
    assert_true(str_eq(seen->events[0].extra, STR("{\"New\":{\"a\":2},\"Other\":[1,2]}")));
    reader_free(seen->reader);
    see(seen, STR("Timestamp,DeviceId,New,New\n2026-07-18T17:00:30Z,d1,a,b\n"), &options);
    assert_string_equal(seen->verdicts, "E");
    assert_true(str_eq(seen->events[0].extra, STR("{\"New\":\"b\"}")));
    reader_free(seen->reader);
    test_free(seen);
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
    struct seen *seen = test_malloc(sizeof *seen);
    int64_t wanted;
    see(seen,
        STR("{\"time\":\"2026-07-18T17:02:32.3990663Z\",\"tenantId\":\"t\",\"operationName\":\"Publish\","
            "\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"_TimeReceivedBySvc\":\"2026-07-18T17:00:39Z\","
            "\"Tenant\":\"DefaultTenant\"," PROPERTIES(",\"New\":{\"a\": 1}") "}"),
        &options);
    assert_string_equal(seen->verdicts, "E");
    assert_true(ticks_parse(STR("2026-07-18T17:00:30.754549Z"), &wanted));
    assert_int_equal(value_of(&seen->events[0], "Timestamp")->number, wanted);
    assert_true(str_eq(seen->events[0].extra, STR("{\"New\":{\"a\":1}}")));
    reader_free(seen->reader);
    test_free(seen);
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
    struct seen *seen = test_malloc(sizeof *seen);
    see(seen, STR("{\"records\":[" RECORD("") ", {\"Type\":\"DeviceEvents\",  \"x\":1} ," RECORD("") "]}"), &options);
    assert_string_equal(seen->verdicts, "ERE");
    assert_true(str_eq(seen->raws[1], STR("{\"Type\":\"DeviceEvents\",  \"x\":1}")));
    assert_true(str_eq(seen->raws[0], STR(RECORD(""))));
    reader_free(seen->reader);
    see(seen, STR("{\"message\":\"{\\\"Type\\\":\\\"DeviceEvents\\\"}\"}"), &options);
    assert_true(str_eq(seen->raws[0], STR("{\"Type\":\"DeviceEvents\"}")));
    reader_free(seen->reader);
    test_free(seen);
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

/* A zone of one offset, or none. */
static const struct zone *offset(const char *hours) {
    static const struct zone_step steps[] = {{0, 0}, {0, 2 * TICKS_HOUR}};
    static const struct zone utc = {"Z", steps, 1}, east = {"+02:00", steps + 1, 1};
    return !hours ? NULL : *hours == 'Z' ? &utc : &east;
}

static void expect_csv(struct str body, const char *table, const char *tz, const char *wanted) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL, .zone = offset(tz)};
    struct seen *seen = test_malloc(sizeof *seen);
    see(seen, body, &options);
    if (strcmp(seen->verdicts, wanted))
        fail_msg("%s, not %s, for %.*s", seen->verdicts, wanted, STR_ARG(body));
    reader_free(seen->reader);
    test_free(seen);
}

static void csv_rows_are_records(void **state) {
    (void)state;
    expect_csv(STR("Timestamp,DeviceId\n2026-07-18T17:00:30Z,d1\n"), "DeviceEvents", NULL, "E");
    expect_csv(STR("Timestamp,DeviceId\n2026-07-18T17:00:30Z,d1"), "DeviceEvents", NULL, "E");
    expect_csv(STR(BOM "Timestamp,DeviceId\r\n2026-07-18T17:00:30Z,d1\r\n\r\n"), "DeviceEvents", NULL, "E");
    expect_csv(
        STR("TimeGenerated,Type,DeviceId\n2026-07-18T17:00:30Z,DeviceInfo,d1\n2026-07-18T17:00:30Z,Heartbeat,d1\n"),
        NULL, NULL, "EI");
    expect_csv(STR("Timestamp,Type,DeviceId\n2026-07-18T17:00:30Z,Something,d1\n"), "DeviceEvents", NULL, "E");
    expect_csv(STR("TimeGenerated,Timestamp,DeviceId\n2026-07-18T17:00:30Z,,d1\n"), "DeviceEvents", NULL, "E");
    expect_csv(STR("Timestamp,DeviceId\n2026-07-18T17:00:30Z,d1\n"), NULL, NULL, "R");
    expect_csv(STR("Timestamp,DeviceId\nyesterday,d1\n2026-07-18T17:00:30Z,\n2026-07-18T17:00:30Z\n"
                   "2026-07-18T17:00:30Z,d1,more\n2026-07-18T17:00:30Z,\xff\n2026-07-18T17:00:30Z,d1\n"),
               "DeviceEvents", NULL, "RRRRRE");
    expect_csv(STR("Timestamp,DeviceId,New\n2026-07-18T17:00:30Z,d1,a\0b\n2026-07-18T17:00:30Z,d\0,a\n"),
               "DeviceEvents", NULL, "RR");
    expect_csv(STR("Timestamp,DeviceId,ReportId,FileSize\n2026-07-18T17:00:30Z,d1,x,\n2026-07-18T17:00:30Z,d1,,\n"),
               "DeviceEvents", NULL, "RE");
}

static void csv_of_the_portal_keeps_its_values(void **state) {
    (void)state;
    struct reader_options options = {.table = schema_table_find(STR("DeviceProcessEvents")), .zone = offset("+02:00")};
    struct seen *seen = test_malloc(sizeof *seen);
    int64_t wanted;
    see(seen,
        STR(BOM
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
    reader_free(seen->reader);
    test_free(seen);
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
        expect_csv(bodies[i], "DeviceEvents", NULL, "EREE");
        expect_code(bodies[i], "DeviceEvents", 1, ERR_BAD_RECORD);
    }
    expect_csv(STR(HEADER GOOD "2026-07-18T17:00:30Z,d1,\"open"), "DeviceEvents", NULL, "ER");
}

static void headings_say_the_zone_of_bare_times(void **state) {
    (void)state;
    expect_csv(STR("Timestamp [UTC],DeviceId\n2026-07-18T17:00:30,d1\n2026-07-18 17:00:30.1234567,d1\n"), "DeviceEvents",
               NULL, "EE");
    expect_csv(STR("Timestamp,DeviceId\n2026-07-18T17:00:30,d1\n"), "DeviceEvents", NULL, "R");
    expect_csv(STR("TimeGenerated [UTC],DeviceId\n\"7/18/2026, 5:00:30.000 PM\",d1\n"), "DeviceEvents", NULL, "E");
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
    expect_csv(STR("Timestamp [Local Time],DeviceId\n\"1/2/2023, 3:04:05 AM\",d1\n"), "DeviceEvents", "Z", "E");
    expect_csv(
        STR("Timestamp [UTC],DeviceId\n\"13/2/2023, 3:04:05 AM\",d1\n\"1/2/2023, 13:04:05 AM\",d1\n\"1/2/2023\",d1\n"),
        "DeviceEvents", NULL, "RRR");
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
    expect_csv(buf_str(&body), table, "Z", wanted);
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
        cmocka_unit_test(csv_rows_are_records),
        cmocka_unit_test(local_times_follow_the_zones_clock_changes),
        cmocka_unit_test(an_open_quote_costs_its_own_row_only),
        cmocka_unit_test(headings_say_the_zone_of_bare_times),
        cmocka_unit_test(a_csv_without_a_time_column_is_refused),
        cmocka_unit_test(csv_of_the_portal_keeps_its_values),
        cmocka_unit_test(local_time_without_its_offset_is_refused),
        cmocka_unit_test(a_csv_of_many_quoted_fields_keeps_every_value),
        cmocka_unit_test(exported_samples_are_read_whole),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
