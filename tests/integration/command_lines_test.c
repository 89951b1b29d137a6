/* Command lines are stored in two parts, and read as they came: through KQL, through the view, beside rows that a server
 * stored whole, before it parted them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/support/database.h"
#include "tests/support/server_fixture.h"

enum { CAP = 1 << 20 };

static const struct {
    const char *path, *line;
} cases[] = {
    {"C:\\Tools\\a b.exe", "\"C:\\Tools\\a b.exe\" --session 1"},
    {"C:\\Tools\\a b.exe", "\"C:\\Tools\\a b.exe\" --session 2"},
    {"C:\\Tools\\a b.exe", "\"C:\\TOOLS\\A B.EXE\"  two blanks"},
    {"C:\\Tools\\a b.exe", "C:\\Tools\\a b.exe not quoted"},
    {"C:\\Tools\\a b.exe", "\"C:\\Tools\\a b.exe"},
    {"C:\\Tools\\a b.exe", "\"C:\\Tools\\a b.exe\"\"C:\\Tools\\a b.exe\""},
    {"C:\\Tools\\a b.exe", ""},
    {"C:\\Windows\\System32\\cmd.exe", "cmd.exe"},
    {"C:\\Windows\\System32\\cmd.exe", "CMD.exe\t/c \"echo \xc3\xa9\""},
    {"C:\\Windows\\System32\\cmd.exe", "{ \"cmd.exe\" : [ 1 ] }"},
    {"{x y}\\cmd.exe", "\"{x y}\\cmd.exe\""},
    {"[a]\\cmd.exe", "[a]\\cmd.exe -x"},
    {"", "cmd.exe /c"},
    {"", ""},
    {"cmd.exe", "\\cmd.exe"},
    {"C:\\", "\"\" \"\""},
    {"C:\\%s\\$1.exe", "\"C:\\%s\\$1.exe\" %s $1 '' \\1"},
};
enum { CASES = sizeof cases / sizeof *cases };

static void add_text(struct buf *out, const char *name, const char *text) {
    buf_printf(out, ",\"%s\":", name);
    json_add_string(out, str_from(text));
}

/* Started by what the case after it says. */
static void add_event(struct buf *out, const char *table, size_t i) {
    size_t initiating = (i + 1) % CASES;
    buf_printf(out, "{\"Type\":\"%s\",\"Timestamp\":\"2026-07-18T10:00:00Z\",\"DeviceId\":\"d\",\"ReportId\":%zu", table, i);
    if (!strcmp(table, "DeviceProcessEvents")) {
        add_text(out, "FolderPath", cases[i].path);
        add_text(out, "ProcessCommandLine", cases[i].line);
    }
    add_text(out, "InitiatingProcessFolderPath", cases[initiating].path);
    add_text(out, "InitiatingProcessCommandLine", cases[initiating].line);
    buf_add_str(out, STR("}\n"));
}

static void send_all(long long stored) {
    BUF_AUTO body = BUF(CAP);
    for (size_t i = 0; i < CASES; i++) {
        add_event(&body, "DeviceProcessEvents", i);
        add_event(&body, "DeviceNetworkEvents", i);
    }
    struct answer answer = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/events", .body = body.ptr, .length = body.len});
    assert_int_equal(answer_int(&answer, "stored"), stored);
    assert_int_equal(answer_int(&answer, "duplicate"), 2 * CASES - stored);
    answer_free(&answer);
}

static int setup(void **state) {
    if (server_fixture_setup(state))
        return -1;
    send_all(2 * CASES);
    return 0;
}

static void expect_text(const json_t *row, size_t column, const char *text) {
    assert_string_equal(json_string_value(json_array_get(row, column)), text);
}

static void expect_all(void) {
    struct answer process = server_query(&server_fixture, "DeviceProcessEvents | sort by ReportId asc | project FolderPath, ProcessCommandLine, "
                                                          "InitiatingProcessFolderPath, InitiatingProcessCommandLine");
    struct answer network = server_query(&server_fixture, "DeviceNetworkEvents | sort by ReportId asc | project InitiatingProcessCommandLine");
    assert_int_equal(json_array_size(answer_at(&process, "rows")), CASES);
    assert_int_equal(json_array_size(answer_at(&network, "rows")), CASES);
    for (size_t i = 0; i < CASES; i++) {
        const json_t *row = json_array_get(answer_at(&process, "rows"), i);
        size_t initiating = (i + 1) % CASES;
        expect_text(row, 0, cases[i].path);
        expect_text(row, 1, cases[i].line);
        expect_text(row, 2, cases[initiating].path);
        expect_text(row, 3, cases[initiating].line);
        expect_text(json_array_get(answer_at(&network, "rows"), i), 0, cases[initiating].line);
    }
    answer_free(&process);
    answer_free(&network);
}

static void command_lines_come_back_byte_for_byte(void **state) {
    (void)state;
    expect_all();
}

static void a_command_line_is_found_by_what_spans_its_parts(void **state) {
    (void)state;
    static const struct {
        const char *condition;
        int events;
    } conditions[] = {
        {"ProcessCommandLine contains 'b.exe\" --session'", 2},
        {"ProcessCommandLine == 'cmd.exe'", 1},
        {"ProcessCommandLine has 'tools' and FolderPath has 'tools'", 6},
        {"FolderPath has 'tools' or InitiatingProcessCommandLine has 'cmd.exe'", 13},
        {"isempty(ProcessCommandLine)", 2},
        {"ProcessCommandLine startswith '\"C:\\\\Tools' and InitiatingProcessCommandLine endswith 'session 2'", 1},
    };
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        char kql[256];
        snprintf(kql, sizeof kql, "DeviceProcessEvents | where %s | count", conditions[i].condition);
        if (server_query_int(&server_fixture, kql) != conditions[i].events)
            fail_msg("%s: %lld", kql, server_query_int(&server_fixture, kql));
    }
}

static void a_record_that_comes_again_is_still_the_same(void **state) {
    (void)state;
    send_all(0);
}

static void paths_and_their_programs_are_stored_once(void **state) {
    (void)state;
    struct db *db = database_of(&server_fixture);
    assert_int_equal(database_int(db, "SELECT count(*) FROM dict.path WHERE program = '\"C:\\Tools\\a b.exe\"'"), 1);
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_process_events WHERE process_command_line LIKE ' --session _'"), 2);
    assert_int_equal(database_int(db, "SELECT count(*) FROM events.\"DeviceProcessEvents\" WHERE \"ProcessCommandLine\" = ''"), 0);
    assert_int_equal(database_int(db, "SELECT count(*) FROM events.\"DeviceProcessEvents\" WHERE \"ProcessCommandLine\" LIKE '\"_:_Tools%'"), 4);
    db_close(db);
}

/* Every second row as it was stored before: the whole line, and a path without a program. */
static void rows_stored_whole_are_read_beside_parted_ones(void **state) {
    (void)state;
    struct db *db = database_of(&server_fixture);
    database_do(db, "INSERT INTO dict.path (digest, folder_path) SELECT DISTINCT md5('old' || folder_path)::uuid, folder_path FROM dict.path");
    database_do(db, "UPDATE data.device_process_events e SET process_command_line = p.program || coalesce(process_command_line, ''), path = old.id "
                    "FROM dict.path p JOIN dict.path old ON old.folder_path = p.folder_path AND old.digest = md5('old' || p.folder_path)::uuid "
                    "WHERE p.id = e.path AND report_id % 2 = 0");
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_process_events e JOIN dict.path p ON p.id = e.path "
                                      "WHERE p.program <> '' AND report_id % 2 = 0"), 0);
    db_close(db);
    expect_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_come_back_byte_for_byte),
        cmocka_unit_test(a_command_line_is_found_by_what_spans_its_parts),
        cmocka_unit_test(a_record_that_comes_again_is_still_the_same),
        cmocka_unit_test(paths_and_their_programs_are_stored_once),
        cmocka_unit_test(rows_stored_whole_are_read_beside_parted_ones),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
