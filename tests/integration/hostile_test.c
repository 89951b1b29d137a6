/* Text that would mean something to SQL, to regular expressions, to JSON or to a spreadsheet means nothing here: it
 * comes back as it went in, and never stands in the SQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tests/support/server_fixture.h"

enum { CAP = 1 << 20 };

/* MARK is in each, so that its text can be sought in the SQL. */
#define MARK "zq7"
static const char *const hostile[] = {
    MARK "'; DROP TABLE rmm.hunts; --",
    MARK "' OR '1'='1",
    MARK "\" OR \"1\"=\"1",
    MARK "\\' OR 1=1 --",
    MARK "\\",
    MARK "$1 $2 ${x} $$body$$",
    MARK "%_[a-z](.*)+?^|{3}",
    MARK "%s%n%x%1000000d",
    MARK " ;-- /* */",
    MARK "\t\n\r\x01\x7f",
    MARK "</script><img src=x>&amp;",
    MARK "\\u0000 \\x00 \\0",
    MARK "E'\\x41' U&'\\0041'",
    MARK " \xf0\x9f\x98\x80 \xd0\x96\xd0\xb6 na\xc3\xafve \xe2\x80\xae",
    MARK "\xef\xbb\xbf\xe2\x80\xa8",
    "=cmd|' /C calc'!A0 " MARK,
    "{\"" MARK "\": [1, 2]}",
    "[" MARK ", '']  {",
    "(((((" MARK "))))]]]]\\E\\Q",
    "../../../../etc/" MARK,
};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

/* A KQL literal, after its own rules. */
static void add_literal(struct buf *out, const char *text) {
    buf_add_char(out, '"');
    for (; *text; text++) {
        switch (*text) {
        case '"':
        case '\\':
            buf_add_char(out, '\\');
            buf_add_char(out, *text);
            break;
        case '\n': buf_add_str(out, STR("\\n")); break;
        case '\r': buf_add_str(out, STR("\\r")); break;
        case '\t': buf_add_str(out, STR("\\t")); break;
        default: buf_add_char(out, *text);
        }
    }
    buf_add_char(out, '"');
}

static void device_id(size_t i, char out[32]) {
    snprintf(out, 32, "hostile-%zu", i);
}

static int setup(void **state) {
    if (server_fixture_setup(state))
        return -1;
    json_t *rows = json_array();
    for (size_t i = 0; i < HOSTILE; i++) {
        char device[32];
        device_id(i, device);
        json_array_append_new(rows,
                              json_pack("{s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:s}", "Timestamp", "2026-07-18T10:00:00Z",
                                        "DeviceId", device, "DeviceName", hostile[i], "ReportId", (int)i,
                                        "ProcessCommandLine", hostile[i], "FileName", hostile[i], "FolderPath",
                                        hostile[i], "AccountUpn", hostile[i], "NewColumn", hostile[i]));
    }
    char *body = json_dumps(rows, JSON_COMPACT);
    json_decref(rows);
    ANSWER_AUTO answer =
        server_send(&server_fixture, &(struct send){.path = "/v1/events/DeviceProcessEvents", .body = body});
    free(body);
    if (answer.status == 200 && json_integer_value(json_at(answer.json, "stored")) == HOSTILE)
        return 0;
    fprintf(stderr, "events: %ld %s\n", answer.status, answer.body ? answer.body : "");
    server_fixture_teardown(state);
    return -1;
}

static void what_was_sent_comes_back(void **state) {
    (void)state;
    ANSWER_AUTO answer =
        server_query(&server_fixture, "DeviceProcessEvents | sort by ReportId asc | project "
                                      "ProcessCommandLine, DeviceName, FileName, FolderPath, AccountUpn, "
                                      "X = tostring(AdditionalColumns.NewColumn)");
    assert_int_equal(json_array_size(answer_at(&answer, "rows")), HOSTILE);
    for (size_t i = 0; i < HOSTILE; i++)
        for (size_t c = 0; c < 6; c++) {
            const json_t *cell = json_array_get(json_array_get(answer_at(&answer, "rows"), i), c);
            assert_string_equal(json_string_value(cell), hostile[i]);
        }
}

/* The query finds the one row; the operator is KQL. */
static void check_found(const char *operator, size_t i, bool exactly_one) {
    BUF_AUTO kql = BUF(CAP);
    buf_printf(&kql, "DeviceProcessEvents | where ProcessCommandLine %s ", operator);
    add_literal(&kql, hostile[i]);
    buf_add_str(&kql, STR(" | project ProcessCommandLine"));
    ANSWER_AUTO answer = server_query(&server_fixture, buf_cstr(&kql));
    size_t count = json_array_size(answer_at(&answer, "rows")), r;
    const json_t *row;
    bool found = false;
    json_array_foreach(answer_at(&answer, "rows"), r, row) found =
        found || !strcmp(json_string_value(json_array_get(row, 0)), hostile[i]);
    if (!found || (exactly_one && count != 1))
        fail_msg("%s with string %zu gives %zu rows", operator, i, count);
}

static void every_string_operator_takes_them_as_text(void **state) {
    (void)state;
    static const char *const operators[] = {"==",  "=~",       "startswith",  "endswith",
                                            "has", "contains", "contains_cs", "has_cs"};
    for (size_t i = 0; i < HOSTILE; i++)
        for (size_t o = 0; o < sizeof operators / sizeof *operators; o++)
            check_found(operators[o], i, o < 2);
}

static void lists_and_datatables_take_them_as_text(void **state) {
    (void)state;
    BUF_AUTO list = BUF(CAP), table = BUF(CAP);
    buf_add_str(&list, STR("DeviceProcessEvents | where ProcessCommandLine in ("));
    buf_add_str(&table, STR("datatable(N:long, S:string)["));
    for (size_t i = 0; i < HOSTILE; i++) {
        if (i)
            buf_add_char(&list, ',');
        add_literal(&list, hostile[i]);
        buf_printf(&table, "%s%zu,", i ? "," : "", i);
        add_literal(&table, hostile[i]);
    }
    buf_add_str(&list, STR(") | count"));
    buf_add_str(&table, STR("] | sort by N asc | project S"));
    assert_int_equal(server_query_int(&server_fixture, buf_cstr(&list)), HOSTILE);
    ANSWER_AUTO rows = server_query(&server_fixture, buf_cstr(&table));
    for (size_t i = 0; i < HOSTILE; i++)
        assert_string_equal(json_string_value(json_array_get(json_array_get(answer_at(&rows, "rows"), i), 0)),
                            hostile[i]);
}

/* A hunt file as JSON, which is YAML too. */
static char *hunt_file(const char *id, const char *text) {
    BUF_AUTO kql = BUF(CAP);
    buf_add_str(&kql, STR("let wanted = "));
    add_literal(&kql, text);
    buf_add_str(&kql, STR(";\nDeviceProcessEvents\n| where ProcessCommandLine contains wanted or FileName has "));
    add_literal(&kql, text);
    buf_add_str(&kql, STR(" or AccountUpn in ("));
    add_literal(&kql, text);
    buf_add_str(&kql,
                STR(")\n| summarize FirstSeen=min(Timestamp), LastSeen=max(Timestamp), Report=make_set(ReportId), "
                    "Count=count() by DeviceId, DeviceName, AccountUpn"));
    json_t *root =
        json_pack("{s:s,s:s+,s:s,s:s}", "id", id, "name", text, id, "description", text, "query", buf_cstr(&kql));
    char *file = json_dumps(root, 0);
    json_decref(root);
    return file;
}

static void check_hunt(size_t i) {
    char id[64], path[128];
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012zx", i + 1);
    snprintf(path, sizeof path, "/v1/hunts/%s", id);
    char *file = hunt_file(id, hostile[i]);
    ANSWER_AUTO put = server_expect(&server_fixture, 201, &(struct send){.method = "PUT", .path = path, .body = file});
    free(file);
    assert_string_equal(answer_text(&put, "state"), "ready");
    ANSWER_AUTO got = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&got, "description"), hostile[i]);
    snprintf(path, sizeof path, "/v1/hunts/%s/explain", id);
    ANSWER_AUTO explained = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_null(strstr(answer_text(&explained, "sql"), MARK));
    size_t p, bound = 0;
    const json_t *parameter;
    json_array_foreach(answer_at(&explained, "parameters"), p, parameter) bound +=
        json_is_string(parameter) && strstr(json_string_value(parameter), MARK);
    assert_true(bound > 0);
    snprintf(path, sizeof path, "{\"hunts\":[\"%s\"],\"as_of\":\"2026-07-20T00:00:00Z\"}", id);
    ANSWER_AUTO run = server_expect(&server_fixture, 201, &(struct send){.path = "/v1/runs", .body = path});
    char device[32];
    size_t d, found = 0;
    const json_t *entry;
    device_id(i, device);
    json_array_foreach(answer_at(&run, "devices"), d,
                       entry) if (!strcmp(json_string_value(json_at(entry, "device_id")), device)) {
        found++;
        assert_string_equal(json_string_value(json_at(entry, "device_name")), hostile[i]);
        assert_string_equal(json_string_value(json_at(entry, "groups.0.keys.AccountUpn")), hostile[i]);
    }
    assert_int_equal(found, 1);
}

static void hunts_bind_their_text_and_find_it(void **state) {
    (void)state;
    for (size_t i = 0; i < HOSTILE; i++)
        check_hunt(i);
}

static void names_in_queries_reach_no_sql(void **state) {
    (void)state;
    static const char *const queries[] = {
        "DeviceProcessEvents | where [\"FileName'; DROP TABLE rmm.hunts; --\"] == 1",
        "[\"rmm.hunts\"] | take 1",
        "pg_sleep(10)",
        "DeviceProcessEvents | extend x = pg_read_file('/etc/passwd')",
        "DeviceProcessEvents | project x = version()",
        "DeviceProcessEvents; DROP TABLE rmm.hunts",
        "DeviceProcessEvents | where FileName == 'a' UNION SELECT 1",
        "rmm.hunts | take 1",
        "DeviceProcessEvents | take 1 -- ",
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        json_t *root = json_pack("{s:s}", "query", queries[i]);
        char *body = json_dumps(root, 0);
        json_decref(root);
        ANSWER_AUTO answer = server_expect(&server_fixture, 400, &(struct send){.path = "/v1/query", .body = body});
        free(body);
        assert_string_equal(answer_text(&answer, "code"), "bad_query");
        assert_true(answer_int(&answer, "line") > 0);
        assert_true(answer_int(&answer, "column") > 0);
    }
}

static void a_query_that_fails_on_its_values_is_told_so(void **state) {
    (void)state;
    static const char *const queries[] = {
        "{\"query\":\"print datetime(9999-12-31) + totimespan(' 9999999.00:00:00') + totimespan('9999999.00:00:00')\"}",
        "{\"query\":\"DeviceProcessEvents | where FileName matches regex '(' | count\"}",
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        ANSWER_AUTO answer =
            server_expect(&server_fixture, 400, &(struct send){.path = "/v1/query", .body = queries[i]});
        assert_string_equal(answer_text(&answer, "code"), "bad_query");
    }
}

static void column_names_from_a_query_come_back_as_written(void **state) {
    (void)state;
    ANSWER_AUTO answer = server_query(&server_fixture, "print [\"a\\\"; DROP TABLE x; --\"] = 1, ['b\\'$1'] = 2");
    assert_string_equal(answer_text(&answer, "columns.0.name"), "a\"; DROP TABLE x; --");
    assert_string_equal(answer_text(&answer, "columns.1.name"), "b'$1");
    assert_int_equal(answer_int(&answer, "rows.0.1"), 2);
}

static void parameters_and_paths_are_text_too(void **state) {
    (void)state;
    ANSWER_AUTO list = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/hunts?q=%27%3B%20DROP%20--"});
    assert_int_equal(json_array_size(answer_at(&list, "hunts")), 0);
    ANSWER_AUTO tool = server_expect(&server_fixture, 400, &(struct send){.path = "/v1/hunts?tool=%27%20OR%201=1"});
    assert_string_equal(answer_text(&tool, "errors.0.field"), "tool");
    ANSWER_AUTO none = server_expect(&server_fixture, 404, &(struct send){.path = "/v1/hunts/%27%20OR%201=1--"});
    assert_string_equal(answer_text(&none, "code"), "not_found");
    ANSWER_AUTO nul = server_send(&server_fixture, &(struct send){.path = "/v1/hunts/a%00b"});
    assert_true(nul.status == 400 || nul.status == 404);
    ANSWER_AUTO dots = server_send(&server_fixture, &(struct send){.path = "/v1/hunts/%2e%2e%2fetc"});
    assert_true(dots.status == 400 || dots.status == 404);
}

static void csv_cells_that_a_spreadsheet_would_run_are_quoted(void **state) {
    (void)state;
    ANSWER_AUTO answer = server_expect(
        &server_fixture, 200,
        &(struct send){
            .path = "/v1/query?format=csv",
            .body = "{\"query\":\"DeviceProcessEvents | where FileName startswith '=cmd' | project FileName\"}"});
    assert_non_null(strstr(answer.body, "'=cmd"));
}

static void the_tables_are_still_there(void **state) {
    (void)state;
    assert_int_equal(server_query_int(&server_fixture, "DeviceProcessEvents | count"), HOSTILE);
    ANSWER_AUTO ready = server_expect(&server_fixture, 200, &(struct send){.path = "/readyz"});
    assert_non_null(ready.json);
    ANSWER_AUTO hunts = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/hunts?limit=1000"});
    assert_true(json_array_size(answer_at(&hunts, "hunts")) > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_comes_back),
        cmocka_unit_test(every_string_operator_takes_them_as_text),
        cmocka_unit_test(lists_and_datatables_take_them_as_text),
        cmocka_unit_test(hunts_bind_their_text_and_find_it),
        cmocka_unit_test(names_in_queries_reach_no_sql),
        cmocka_unit_test(a_query_that_fails_on_its_values_is_told_so),
        cmocka_unit_test(column_names_from_a_query_come_back_as_written),
        cmocka_unit_test(parameters_and_paths_are_text_too),
        cmocka_unit_test(csv_cells_that_a_spreadsheet_would_run_are_quoted),
        cmocka_unit_test(the_tables_are_still_there),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
