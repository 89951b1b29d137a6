/* Values of records as senders write them, what is refused and with which code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/decode.h"

#define ROW "\"Timestamp\":\"2026-07-18T17:00:30.754549Z\",\"DeviceId\":\"d1\""

static const struct schema_table *process;

static const struct schema_column *column(const char *name) {
    const struct schema_column *found = schema_column_find(process, str_from(name));
    assert_non_null(found);
    return found;
}

static const struct value *value_of(const struct event *event, const char *name) {
    return &event->values[column(name) - process->columns];
}

/* A good record with one member more; `json` is that member's value, NULL for none. */
static bool decode_with(struct arena *arena, const char *name, const char *json, struct event *event, struct err *err) {
    struct str object = arena_printf(arena, json ? "{" ROW ",\"%s\":%s}" : "{" ROW "}", name, json);
    *err = (struct err){0};
    return event_decode(process, object, arena, event, err);
}

static const struct {
    const char *name, *json;
    enum value_kind kind;
    int64_t number;
    const char *text;
} readable[] = {
    {"ReportId", "45720", VALUE_NUMBER, 45720, NULL},
    {"ReportId", "639199803770463703", VALUE_NUMBER, INT64_C(639199803770463703), NULL},
    {"ReportId", "\"639199803770463703\"", VALUE_NUMBER, INT64_C(639199803770463703), NULL},
    {"ReportId", "9223372036854775807", VALUE_NUMBER, INT64_MAX, NULL},
    {"ReportId", "-9223372036854775808", VALUE_NUMBER, INT64_MIN, NULL},
    {"ReportId", "12.0", VALUE_NUMBER, 12, NULL},
    {"ReportId", "-0", VALUE_NUMBER, 0, NULL},
    {"ReportId", "null", VALUE_NULL, 0, NULL},
    {"ReportId", "\"\"", VALUE_NULL, 0, NULL},
    {"ReportId", NULL, VALUE_NULL, 0, NULL},
    {"FileSize", "9007199254740993", VALUE_NUMBER, INT64_C(9007199254740993), NULL},
    {"FileName", "\"a\\u00e9\\ud83d\\ude00\\n\\/\\\"\"", VALUE_TEXT, 0, "a\xC3\xA9\xF0\x9F\x98\x80\n/\""},
    {"FileName", "\"\"", VALUE_NULL, 0, NULL},
    {"FileName", "null", VALUE_NULL, 0, NULL},
    {"FileName", NULL, VALUE_NULL, 0, NULL},
    {"FileName", "7.50", VALUE_TEXT, 0, "7.50"},
    {"FileName", "true", VALUE_TEXT, 0, "true"},
    {"IsProcessRemoteSession", "true", VALUE_NUMBER, 1, NULL},
    {"IsProcessRemoteSession", "false", VALUE_NUMBER, 0, NULL},
    {"IsProcessRemoteSession", "1", VALUE_NUMBER, 1, NULL},
    {"IsProcessRemoteSession", "0", VALUE_NUMBER, 0, NULL},
    {"IsProcessRemoteSession", "\"true\"", VALUE_NUMBER, 1, NULL},
    {"IsProcessRemoteSession", "\"False\"", VALUE_NUMBER, 0, NULL},
    {"IsProcessRemoteSession", "\"1\"", VALUE_NUMBER, 1, NULL},
    {"IsProcessRemoteSession", "null", VALUE_NULL, 0, NULL},
    {"ProcessCreationTime", "\"1970-01-01T00:00:00Z\"", VALUE_NUMBER, TICKS_UNIX, NULL},
    {"ProcessCreationTime", "\"1970-01-01T00:00:00.0000001Z\"", VALUE_NUMBER, TICKS_UNIX + 1, NULL},
    {"ProcessCreationTime", "\"1970-01-01T02:00:00.5+02:00\"", VALUE_NUMBER, TICKS_UNIX + TICKS_SECOND / 2, NULL},
    {"ProcessCreationTime", "null", VALUE_NULL, 0, NULL},
    {"ProcessCreationTime", "\"\"", VALUE_NULL, 0, NULL},
    {"ProcessCreationTime", "{}", VALUE_NULL, 0, NULL},
    {"ProcessCreationTime", "{ }", VALUE_NULL, 0, NULL},
    {"AdditionalFields", "\"{\\\"a\\\":1}\"", VALUE_TEXT, 0, "{\"a\":1}"},
    {"AdditionalFields", "{ \"a\" : [ 1 , \" x \\\" \" ] }", VALUE_TEXT, 0, "{\"a\":[1,\" x \\\" \"]}"},
    {"AdditionalFields", "[1, 2]", VALUE_TEXT, 0, "[1,2]"},
    {"AdditionalFields", "null", VALUE_NULL, 0, NULL},
};

static void every_value_is_read_as_senders_write_it(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++) {
        struct arena *arena = arena_new(1 << 20);
        struct event event;
        struct err err;
        if (!decode_with(arena, readable[i].name, readable[i].json, &event, &err))
            fail_msg("row %zu: %s", i, err.text);
        const struct value *value = value_of(&event, readable[i].name);
        if (value->kind != readable[i].kind || (value->kind == VALUE_NUMBER && value->number != readable[i].number) ||
            (value->kind == VALUE_TEXT && !str_eq(value->text, str_from(readable[i].text))))
            fail_msg("row %zu: %s from %s", i, readable[i].name, readable[i].json ? readable[i].json : "nothing");
        assert_int_equal(event.extra.len, 0);
        arena_free(arena);
    }
}

static const struct {
    const char *name, *json;
    enum err_code code;
} refused[] = {
    {"ReportId", "1.5", ERR_BAD_REPORT_ID},
    {"ReportId", "1e3", ERR_BAD_REPORT_ID},
    {"ReportId", "9223372036854775808", ERR_BAD_REPORT_ID},
    {"ReportId", "-9223372036854775809", ERR_BAD_REPORT_ID},
    {"ReportId", "\"x\"", ERR_BAD_REPORT_ID},
    {"ReportId", "\" 1\"", ERR_BAD_REPORT_ID},
    {"ReportId", "true", ERR_BAD_REPORT_ID},
    {"ReportId", "[]", ERR_BAD_REPORT_ID},
    {"FileSize", "\"12 KB\"", ERR_BAD_VALUE},
    {"FileSize", "18446744073709551616", ERR_BAD_VALUE},
    {"FileSize", "{\"a\":1}", ERR_BAD_VALUE},
    {"IsProcessRemoteSession", "2", ERR_BAD_VALUE},
    {"IsProcessRemoteSession", "\"yes\"", ERR_BAD_VALUE},
    {"ProcessCreationTime", "\"now\"", ERR_BAD_VALUE},
    {"ProcessCreationTime", "\"infinity\"", ERR_BAD_VALUE},
    {"ProcessCreationTime", "\"02/03/2024\"", ERR_BAD_VALUE},
    {"ProcessCreationTime", "1784394150", ERR_BAD_VALUE},
    {"ProcessCreationTime", "[]", ERR_BAD_VALUE},
    {"Timestamp", "\"2026-02-30T00:00:00Z\"", ERR_BAD_TIMESTAMP},
    {"Timestamp", "\"2026-07-18T17:00:30.12345678Z\"", ERR_BAD_TIMESTAMP},
    {"Timestamp", "\"2026-07-18T17:00:30\"", ERR_BAD_TIMESTAMP},
    {"DeviceId", "\"\"", ERR_BAD_DEVICE_ID},
    {"DeviceId", "null", ERR_BAD_DEVICE_ID},
    {"DeviceId", "\"  \"", ERR_BAD_DEVICE_ID},
    {"DeviceId", "{}", ERR_BAD_DEVICE_ID},
    {"DeviceId", "[\"d1\"]", ERR_BAD_DEVICE_ID},
    {"FileName", "\"\\u0000\"", ERR_BAD_JSON},
    {"FileName", "\"\\ud83d\"", ERR_BAD_JSON},
    {"FileName", "\"\\ude00\\ud83d\"", ERR_BAD_JSON},
    {"FileName", "\"\\x41\"", ERR_BAD_JSON},
    {"FileName", "\"a\tb\"", ERR_BAD_JSON},
    {"FileName", "\"\xFF\"", ERR_BAD_UTF8},
    {"FileName", "\"\xC0\x80\"", ERR_BAD_UTF8},
    {"FileName", "\"\xED\xA0\x80\"", ERR_BAD_UTF8},
    {"FileName", "01", ERR_BAD_JSON},
    {"FileName", "NaN", ERR_BAD_JSON},
    {"FileName", "'a'", ERR_BAD_JSON},
    {"FileName", "", ERR_BAD_JSON},
    {"FileName", "\"a\",", ERR_BAD_JSON},
    {"FileName", "[1,]", ERR_BAD_JSON},
    {"FileName", "{\"a\"}", ERR_BAD_JSON},
    {"Unknown", "\"\xFF\"", ERR_BAD_UTF8},
    {"Unknown", "{\"a\":\"\\u0000\"}", ERR_BAD_JSON},
};

static void a_value_that_does_not_fit_is_refused_with_its_code(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct arena *arena = arena_new(1 << 20);
        struct event event;
        struct err err;
        if (decode_with(arena, refused[i].name, refused[i].json, &event, &err) || err.code != refused[i].code)
            fail_msg("row %zu: %s from %s gave %s", i, refused[i].name, refused[i].json, err_name(err.code));
        arena_free(arena);
    }
}

static void a_record_without_its_time_or_device_is_refused(void **state) {
    struct arena *arena = arena_new(1 << 20);
    struct event event;
    struct err err = {0};
    (void)state;
    static const char *const timeless[] = {"{\"DeviceId\":\"d\"}", "{\"DeviceId\":\"d\",\"Timestamp\":null}",
                                           "{\"DeviceId\":\"d\",\"Timestamp\":\"\"}",
                                           "{\"DeviceId\":\"d\",\"Timestamp\":{}}"};
    for (size_t i = 0; i < sizeof timeless / sizeof *timeless; i++) {
        assert_false(event_decode(process, str_from(timeless[i]), arena, &event, &err));
        assert_int_equal(err.code, ERR_BAD_TIMESTAMP);
    }
    assert_false(event_decode(process, STR("{\"Timestamp\":\"2026-07-18T17:00:30Z\"}"), arena, &event, &err));
    assert_int_equal(err.code, ERR_BAD_DEVICE_ID);
    assert_true(event_decode(process, STR("{\"TimeGenerated\":\"2026-07-18T17:00:30Z\",\"DeviceId\":\"d\"}"), arena,
                             &event, &err));
    assert_false(event_decode(process, STR("[]"), arena, &event, &err));
    assert_int_equal(err.code, ERR_BAD_RECORD);
    assert_false(event_decode(process, STR("{" ROW "} x"), arena, &event, &err));
    assert_int_equal(err.code, ERR_BAD_JSON);
    arena_free(arena);
}

static void timestamp_goes_before_time_generated_whatever_their_order(void **state) {
    static const char *const bodies[] = {
        "{\"TimeGenerated\":\"2026-07-18T17:00:31Z\",\"Timestamp\":\"2026-07-18T17:00:30Z\",\"DeviceId\":\"d\"}",
        "{\"Timestamp\":\"2026-07-18T17:00:30Z\",\"TimeGenerated\":\"2026-07-18T17:00:31Z\",\"DeviceId\":\"d\"}",
        "{\"Timestamp\":null,\"TimeGenerated\":\"2026-07-18T17:00:30Z\",\"DeviceId\":\"d\"}",
        "{\"TimeGenerated\":\"2026-07-18T17:00:30Z\",\"Timestamp\":null,\"DeviceId\":\"d\"}",
    };
    struct arena *arena = arena_new(1 << 20);
    struct event event;
    struct err err = {0};
    int64_t wanted;
    (void)state;
    assert_true(ticks_parse(STR("2026-07-18T17:00:30Z"), &wanted));
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_true(event_decode(process, str_from(bodies[i]), arena, &event, &err));
        assert_int_equal(event.values[0].number, wanted);
    }
    arena_free(arena);
}

static void unknown_columns_are_kept_as_json(void **state) {
    struct arena *arena = arena_new(1 << 20);
    struct event event;
    struct err err = {0};
    (void)state;
    assert_true(
        event_decode(process,
                     STR("{" ROW ",\"New\" : { \"a\" : 1e400 },\"N\\\"2\":\"x\\u00e9\",\"Big\":18446744073709551616,"
                         "\"Empty\":\"\",\"Null\":null,\"Type\":\"x\",\"@version\":\"1\",\"ReportId_long\":7}"),
                     arena, &event, &err));
    assert_true(
        str_eq(event.extra, STR("{\"New\":{\"a\":1e400},\"N\\\"2\":\"x\\u00e9\",\"Big\":18446744073709551616}")));
    assert_int_equal(value_of(&event, "ReportId")->number, 7);
    arena_free(arena);
}

/* Strings are read several bytes at a time: whatever ends or bends one is found at each place of such a step. */
static void what_is_special_in_a_string_is_found_wherever_it_stands(void **state) {
    static const struct {
        const char *json, *text; /* NULL: refused */
    } specials[] = {{"\\\\", "\\"}, {"\\\"", "\""}, {"\\u00e9", "\xc3\xa9"}, {"\xc3\xa9", "\xc3\xa9"},
                    {"\xc3", NULL},  {"\x1f", NULL},   {"\\x", NULL},           {"\n", NULL},
                    {"\\u0000", NULL}, {"\x7f", "\x7f"}, {"", ""}};
    struct arena *arena = arena_new(4 << 20);
    struct event event;
    struct err err = {0};
    (void)state;
    for (int before = 0; before < 40; before++)
        for (int after = 0; after < 20; after += 19)
            for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
                BUF_AUTO body = BUF(4096), wanted = BUF(4096);
                buf_printf(&body, "{" ROW ",\"ProcessCommandLine\":\"x%0*d%s%0*d\"}", before + 1, 0, specials[i].json,
                           after + 1, 0);
                buf_printf(&wanted, "x%0*d%s%0*d", before + 1, 0, specials[i].text ? specials[i].text : "", after + 1, 0);
                bool ok = event_decode(process, buf_str(&body), arena, &event, &err);
                assert_int_equal(ok, specials[i].text != NULL);
                int place = decode_column(process, STR("ProcessCommandLine"));
                assert_true(!ok || str_eq(event.values[place].text, buf_str(&wanted)));
                arena_reset(arena);
            }
    arena_free(arena);
}

static void limits_of_depth_size_and_members_hold(void **state) {
    struct arena *arena = arena_new(64 << 20);
    BUF_AUTO body = BUF(4 << 20);
    struct event event;
    struct err err = {0};
    (void)state;
    for (int levels = 62; levels <= 65; levels++) {
        body.len = 0;
        buf_add_str(&body, STR("{" ROW ",\"X\":"));
        for (int i = 0; i < levels; i++)
            buf_add_char(&body, '[');
        for (int i = 0; i < levels; i++)
            buf_add_char(&body, ']');
        buf_add_char(&body, '}');
        bool ok = event_decode(process, buf_str(&body), arena, &event, &err);
        assert_int_equal(ok, levels < 64); /* the record itself is the first of 64 levels */
        assert_true(ok || err.code == ERR_TOO_DEEP);
    }
    for (int members = 512; members <= 513; members++) {
        body.len = 0;
        buf_add_str(&body, STR("{" ROW));
        for (int i = 2; i < members; i++)
            buf_printf(&body, ",\"k%d\":%d", i, i);
        buf_add_char(&body, '}');
        assert_int_equal(event_decode(process, buf_str(&body), arena, &event, &err), members == 512);
    }
    for (size_t length = RECORD_MAX_BYTES; length <= RECORD_MAX_BYTES + 1; length++) {
        body.len = 0;
        buf_add_str(&body, STR("{" ROW ",\"FileName\":\""));
        while (body.len < length - 2)
            buf_add_char(&body, 'a');
        buf_add_str(&body, STR("\"}"));
        assert_int_equal(event_decode(process, buf_str(&body), arena, &event, &err), length == RECORD_MAX_BYTES);
    }
    assert_int_equal(err.code, ERR_RECORD_TOO_LARGE);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_read_as_senders_write_it),
        cmocka_unit_test(a_value_that_does_not_fit_is_refused_with_its_code),
        cmocka_unit_test(a_record_without_its_time_or_device_is_refused),
        cmocka_unit_test(timestamp_goes_before_time_generated_whatever_their_order),
        cmocka_unit_test(unknown_columns_are_kept_as_json),
        cmocka_unit_test(what_is_special_in_a_string_is_found_wherever_it_stands),
        cmocka_unit_test(limits_of_depth_size_and_members_hold),
    };
    schema_init();
    process = schema_table_find(STR("DeviceProcessEvents"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
