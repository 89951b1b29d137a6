#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/reader.h"

#define ROW "\"Timestamp\":\"2026-07-18T17:00:30.754549Z\",\"DeviceId\":\"d1\""
#define RECORD(inside) "{\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"properties\":{" ROW inside "}}"

/* E event, I ignored, R rejected, in order. */
static void expect_verdicts(struct str body, const char *table, const char *wanted) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL};
    struct err err = {0};
    struct reader *reader = reader_open(body, &options, &err);
    struct event event;
    struct str raw;
    size_t index = 0, count = 0;
    char seen[32] = "";
    assert_non_null(reader);
    for (enum verdict v; (v = reader_next(reader, &event, &raw, &index, &err)) != VERDICT_END; count++) {
        assert_true(count < sizeof seen - 1);
        assert_int_equal(index, count);
        seen[count] = v == VERDICT_EVENT ? 'E' : v == VERDICT_IGNORED ? 'I' : 'R';
    }
    assert_string_equal(seen, wanted);
    reader_free(reader);
}

static void every_body_shape_gives_its_records(void **state) {
    (void)state;
    expect_verdicts(STR("{\"records\":[" RECORD("") "," RECORD(",\"ReportId\":1") "]}"), NULL, "EE");
    expect_verdicts(STR(RECORD("") "\r\n" RECORD("") "\r\n"), NULL, "EE");
    expect_verdicts(STR(RECORD("") RECORD("")), NULL, "EE");
    expect_verdicts(STR("[{\"records\":[" RECORD("") "]},{\"records\":[{\"Type\":\"DeviceEvents\"," ROW "}]}]"), NULL, "EE");
    expect_verdicts(STR("{\"Schema\":[],\"Results\":[{" ROW "}]}"), "DeviceEvents", "E");
    expect_verdicts(STR("{" ROW "}"), NULL, "R");
}

static void an_unknown_table_is_ignored(void **state) {
    (void)state;
    expect_verdicts(STR("{\"category\":\"AdvancedHunting-EmailEvents\",\"properties\":{}}"), NULL, "I");
}

static void a_bad_record_is_rejected_alone(void **state) {
    (void)state;
    expect_verdicts(STR("{\"records\":[" RECORD("") "," RECORD(",\"FileName\":\"\\u0000\"") "," RECORD("") "]}"), NULL, "ERE");
    expect_verdicts(STR("{\"records\":[" RECORD("") "," RECORD(",\"FileName\":\"\xff\"") "," RECORD("") "]}"), NULL, "ERE");
    expect_verdicts(STR("{\"records\":[" RECORD(",\"ReportId\":1.5") "," RECORD("") ",7]}"), NULL, "RER");
    expect_verdicts(STR(RECORD("") "\n{\"category\":\"Adv\n" RECORD("") "\n"), NULL, "ERE");
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
    size_t place = (size_t)(schema_column_find(options.table, STR("ProcessCommandLine")) - options.table->columns);
    assert_non_null(reader);
    for (; reader_next(reader, &event, &raw, &index, &err) == VERDICT_EVENT; rows++)
        assert_true(str_eq(event.values[place].text, STR("say \"hi\"")));
    assert_int_equal(rows, 20000);
    reader_free(reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_body_shape_gives_its_records),
        cmocka_unit_test(an_unknown_table_is_ignored),
        cmocka_unit_test(a_bad_record_is_rejected_alone),
        cmocka_unit_test(a_csv_of_many_quoted_fields_keeps_every_value),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
