/* What the interface promises beside events and evidence: hunts from files, tools, runs' states, tags, methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tests/support/server_fixture.h"

#define BROKEN "name: Broken\nid: 7c1f1d1e-0000-4000-8000-00000000b001\ndescription: |\n  One\n  two\nquery: |\n  DeviceInfo\n  | evaluate x()\n"
#define WARNING "id: 7c1f1d1e-0000-4000-8000-00000000b002\nname: Warns\nquery: |\n  DeviceInfo\n  | where devicename == 'x'\n"
#define GOOD "id: 7c1f1d1e-0000-4000-8000-00000000b003\nname: Good\ntactics: [Execution, CommandAndControl]\nquery: |\n  DeviceInfo | summarize Count=count() by DeviceId\n"

static struct answer ask(const char *method, const char *path, const char *body, const char *header) {
    return server_send(&server_fixture, &(struct send){.method = method, .path = path, .body = body, .headers = {header}});
}

static struct answer expect(long status, const char *method, const char *path, const char *body) {
    return server_expect(&server_fixture, status, &(struct send){.method = method, .path = path, .body = body});
}

static int setup(void **state) {
    static const char event[] =
        "{\"Type\":\"DeviceFileCertificateInfo\",\"Timestamp\":\"2026-07-16T02:11:09.1234567Z\",\"DeviceId\":\"d\",\"DeviceName\":"
        "\"\\u202egpj\\u001b[31m.example\",\"ReportId\":1,\"Signer\":\"IDrive, Inc.\",\"MachineGroup\":\"Lab\"}";
    if (server_fixture_setup(state))
        return -1;
    struct answer answer = ask(NULL, "/v1/events", event, NULL);
    bool ok = answer.status == 200;
    answer_free(&answer);
    return ok ? 0 : -1;
}

static struct answer run_july(void) {
    return expect(201, NULL, "/v1/runs", "{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2026-07-20T00:00:00Z\"}");
}

static void an_error_of_a_hunt_has_its_line_in_the_query_and_in_the_file(void **state) {
    (void)state;
    ANSWER_AUTO check = expect(200, NULL, "/v1/hunts/check", BROKEN);
    ANSWER_AUTO import = expect(201, NULL, "/v1/hunts/import", BROKEN);
    ANSWER_AUTO hunt = expect(200, NULL, "/v1/hunts/broken", NULL);
    const struct answer *answers[] = {&check, &import, &hunt};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(answer_text(answers[i], "state"), "broken");
        assert_int_equal(answer_int(answers[i], "errors.0.line"), 2);
        assert_int_equal(answer_int(answers[i], "errors.0.column"), 3);
        assert_int_equal(answer_int(answers[i], "errors.0.file_line"), 8);
    }
}

static void a_warning_of_a_hunt_has_its_line_in_the_query_and_in_the_file(void **state) {
    (void)state;
    ANSWER_AUTO import = expect(201, NULL, "/v1/hunts/import", WARNING);
    ANSWER_AUTO hunt = expect(200, NULL, "/v1/hunts/warns", NULL);
    ANSWER_AUTO list = expect(200, NULL, "/v1/hunts?q=warns", NULL);
    assert_int_equal(answer_int(&import, "warnings.0.line"), 2);
    assert_int_equal(answer_int(&import, "warnings.0.file_line"), 5);
    assert_int_equal(answer_int(&hunt, "warnings.0.file_line"), 5);
    assert_int_equal(answer_int(&list, "hunts.0.warnings.0.file_line"), 5);
}

static void a_put_says_whether_it_created_changed_or_found_the_same(void **state) {
    static const char path[] = "/v1/hunts/7c1f1d1e-0000-4000-8000-00000000b003";
    (void)state;
    ANSWER_AUTO created = expect(201, "PUT", path, GOOD);
    assert_string_equal(answer_text(&created, "outcome"), "created");
    ANSWER_AUTO same = expect(200, "PUT", path, GOOD);
    assert_string_equal(answer_text(&same, "outcome"), "unchanged");
    assert_int_equal(answer_int(&same, "version"), 1);
    ANSWER_AUTO words = expect(200, "PUT", path, "why: because\n" GOOD);
    assert_string_equal(answer_text(&words, "outcome"), "updated");
    assert_int_equal(answer_int(&words, "version"), 1);
    ANSWER_AUTO query = expect(200, "PUT", path, GOOD "  | take 5\n");
    assert_string_equal(answer_text(&query, "outcome"), "updated");
    assert_int_equal(answer_int(&query, "version"), 2);
    ANSWER_AUTO hunt = expect(200, NULL, "/v1/hunts/good", NULL);
    assert_string_equal(answer_text(&hunt, "why"), "because");
    assert_string_equal(answer_text(&hunt, "tactics.1"), "CommandAndControl");
    ANSWER_AUTO gone = expect(204, "DELETE", "/v1/hunts/7C1F1D1E-0000-4000-8000-00000000B003", NULL);
    ANSWER_AUTO again = expect(201, "PUT", path, GOOD);
    assert_string_equal(answer_text(&again, "outcome"), "created");
}

static void a_hunt_file_may_have_four_mebibytes(void **state) {
    BUF_AUTO body = BUF(8 << 20);
    (void)state;
    buf_add_str(&body, STR(GOOD "# "));
    while (body.len < 4 << 20)
        buf_add_char(&body, 'x');
    ANSWER_AUTO fits = server_expect(&server_fixture, 200,
                                     &(struct send){.path = "/v1/hunts/check", .body = body.ptr, .length = body.len});
    buf_add_char(&body, 'x');
    ANSWER_AUTO over = server_expect(&server_fixture, 413,
                                     &(struct send){.path = "/v1/hunts/check", .body = body.ptr, .length = body.len});
    assert_non_null(strstr(answer_text(&over, "detail"), "4 MiB"));
}

#define CARD                                                                                                           \
    "An adversary uses Probe.\nKQL Query\nDeviceInfo | count\nid: 7c1f1d1e-0000-4000-8000-00000000b004\nname: Card\n"  \
    "query: |\nDeviceInfo\n| summarize Count=count() by DeviceId\nScenario: Nightly check\nDescription: A job\n"       \
    "runs it.\nFilter/Exclusion: process.name != \"Probe.exe\" OR event_id != 1\nScenario: Cut off\n"                  \
    "Description: d\nFilter/Exclusion: `process.name != \xE2\x80\x9D\n"

static void a_card_keeps_its_false_positives_as_they_came(void **state) {
    (void)state;
    ANSWER_AUTO import = expect(201, NULL, "/v1/hunts/import", CARD);
    ANSWER_AUTO hunt = expect(200, NULL, "/v1/hunts/card", NULL);
    const struct answer *answers[] = {&import, &hunt};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(json_array_size(answer_at(answers[i], "false_positives")), 2);
        assert_string_equal(answer_text(answers[i], "false_positives.0.scenario"), "Nightly check");
        assert_string_equal(answer_text(answers[i], "false_positives.0.description"), "A job\nruns it.");
        assert_string_equal(answer_text(answers[i], "false_positives.0.filter"),
                            "process.name != \"Probe.exe\" OR event_id != 1");
        assert_string_equal(answer_text(answers[i], "false_positives.1.filter"), "`process.name != \xE2\x80\x9D");
    }
    assert_string_equal(answer_text(&hunt, "query"), "DeviceInfo\n| summarize Count=count() by DeviceId\n");
    ANSWER_AUTO plain = expect(200, NULL, "/v1/hunts/remotepc-create-process", NULL);
    assert_int_equal(json_array_size(answer_at(&plain, "false_positives")), 0);
}

static void a_tool_comes_with_its_hunts_and_facts(void **state) {
    static const char *const lists[] = {"aliases", "signers", "companies", "products", "domains", "processes", "serials"};
    char path[128];
    (void)state;
    ANSWER_AUTO tool = expect(200, NULL, "/v1/tools/RemotePC", NULL);
    assert_string_equal(answer_text(&tool, "facts.signers.3"), "Pro Softnet Corporation");
    assert_non_null(strstr(answer_text(&tool, "facts.also_matches"), "backup"));
    assert_non_null(strstr(answer_text(&tool, "facts.vendor"), "IDrive"));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        snprintf(path, sizeof path, "facts.%s", lists[i]);
        assert_true(json_is_array(answer_at(&tool, path)));
    }
    assert_true(json_array_size(answer_at(&tool, "hunts")) >= 3);
    ANSWER_AUTO by_id = expect(200, NULL, "/v1/tools/remotepc", NULL);
    assert_string_equal(by_id.body, tool.body);
    ANSWER_AUTO list = expect(200, NULL, "/v1/tools?q=remotepc", NULL);
    json_t *listed = json_copy(tool.json); /* a list goes without what was seen */
    assert_int_equal(json_object_del(listed, "seen"), 0);
    assert_true(json_equal(answer_at(&list, "tools.0"), listed));
    json_decref(listed);
    ANSWER_AUTO none = expect(404, NULL, "/v1/tools/nope", NULL);
    assert_non_null(strstr(answer_text(&none, "detail"), "there is none called 'nope'"));
}

static void an_unknown_state_or_signal_is_refused_with_the_known_ones(void **state) {
    static const struct {
        const char *path, *known;
    } cases[] = {{"/v1/hunts?state=bogus", "ready,broken,disabled"},
                 {"/v1/hunts?signal=bogus", "signature,process,network"},
                 {"/v1/events/rejected?state=bogus", "rejected, stored or ignored"},
                 {"/v1/hunts?pretty=maybe", "true nor false"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ANSWER_AUTO answer = expect(400, NULL, cases[i].path, NULL);
        assert_string_equal(answer_text(&answer, "code"), "bad_parameter");
        assert_non_null(strstr(answer_text(&answer, "detail"), cases[i].known));
    }
}

static void an_old_or_cut_look_does_not_replace_the_latest_result(void **state) {
    static const char path[] = "/v1/hunts/remotepc-file-signature/results";
    static const char *const others[] = {
        "{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2026-07-19T00:00:00Z\"}",
        "{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2026-07-21T00:00:00Z\",\"from\":\"2026-07-20T00:00:00Z\"}",
        "{\"hunts\":[\"remotepc-file-signature\"],\"to\":\"2026-07-25T00:00:00Z\"}",
    };
    (void)state;
    ANSWER_AUTO july = run_july();
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ANSWER_AUTO other = expect(201, NULL, "/v1/runs", others[i]);
        ANSWER_AUTO latest = expect(200, NULL, path, NULL);
        assert_string_equal(answer_text(&latest, "run_id"), answer_text(&july, "run_id"));
    }
    ANSWER_AUTO again = run_july();
    ANSWER_AUTO newest = expect(200, NULL, path, NULL);
    assert_string_equal(answer_text(&newest, "run_id"), answer_text(&again, "run_id"));
}

static void an_as_of_in_the_future_is_the_latest_until_the_next_run_only(void **state) {
    (void)state;
    ANSWER_AUTO future = expect(201, NULL, "/v1/runs", "{\"hunts\":[\"good\"],\"as_of\":\"2099-01-01T00:00:00Z\"}");
    ANSWER_AUTO now = expect(201, NULL, "/v1/runs", "{\"hunts\":[\"good\"]}");
    ANSWER_AUTO latest = expect(200, NULL, "/v1/hunts/good/results", NULL);
    assert_string_equal(answer_text(&latest, "run_id"), answer_text(&now, "run_id"));
}

static void a_run_shows_the_window_that_it_looked_at(void **state) {
    char path[64];
    (void)state;
    ANSWER_AUTO july = run_july();
    snprintf(path, sizeof path, "/v1/runs/%s", answer_text(&july, "run_id"));
    ANSWER_AUTO run = expect(200, NULL, path, NULL);
    assert_string_equal(answer_text(&run, "window.from"), "2026-07-15T00:00:00.0000000Z");
    assert_string_equal(answer_text(&run, "window.to"), "2026-07-20T00:00:00.0000000Z");
    assert_true(json_is_null(answer_at(&run, "requested.from")));
}

static void a_failed_result_has_the_members_of_a_good_one(void **state) {
    static const char *const members[] = {"run_id", "as_of", "window.to", "hunt.slug", "error.code"};
    static const char *const lists[] = {"devices", "columns", "rows", "warnings"};
    (void)state;
    ANSWER_AUTO run = expect(201, NULL, "/v1/runs", "{\"hunts\":[\"broken\"]}");
    assert_string_equal(answer_text(&run, "state"), "failed");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        assert_true(json_is_string(answer_at(&run, members[i])));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_int_equal(json_array_size(answer_at(&run, lists[i])), 0);
}

static void a_csv_of_results_has_the_machine_group(void **state) {
    (void)state;
    ANSWER_AUTO july = run_july();
    ANSWER_AUTO csv = expect(200, NULL, "/v1/hunts/remotepc-file-signature/results?format=csv", NULL);
    assert_non_null(strstr(csv.body, ",MachineGroup\r\n"));
    assert_non_null(strstr(csv.body, ",Lab\r\n"));
}

static void no_table_has_a_character_that_drives_or_turns_the_terminal(void **state) {
    (void)state;
    ANSWER_AUTO july = run_july();
    ANSWER_AUTO table = expect(200, NULL, "/v1/hunts/remotepc-file-signature/results?format=table", NULL);
    assert_non_null(strstr(table.body, "\xC2\xB7gpj\xC2\xB7[31m.example"));
    assert_null(strchr(table.body, '\x1B'));
    assert_null(strstr(table.body, "\xE2\x80\xAE"));
}

static const struct {
    long status;
    const char *before, *behind; /* of the tag in If-None-Match; NULL: no tag in it */
} tag_cases[] = {{304, "", ""},           {304, "W/", ""},         {304, "\"a,b\", ", ""}, {304, "\"x\",W/\"y\" , ", ",\"z\""},
                 {304, "*", NULL},        {200, "\"x\"", NULL},    {200, "W/\"x\", \"y\"", NULL},
                 {200, "x", ""},          {200, "\"\", \"", NULL}, {200, "", NULL}};

static void check_tags(const char *path) {
    char tag[64] = "", again[64] = "", header[256], csv_path[256];
    ANSWER_AUTO full = expect(200, NULL, path, NULL);
    assert_true(answer_header(&full, "ETag", tag, sizeof tag));
    assert_int_equal(tag[0], '"');
    for (size_t i = 0; i < sizeof tag_cases / sizeof *tag_cases; i++) {
        const char *behind = tag_cases[i].behind;
        snprintf(header, sizeof header, "If-None-Match: %s%s%s", tag_cases[i].before, behind ? tag : "", behind ? behind : "");
        ANSWER_AUTO answer = ask(NULL, path, NULL, header);
        if (answer.status != tag_cases[i].status)
            fail_msg("%s: %s gives %ld", path, header, answer.status);
        assert_int_equal(answer.length > 0, answer.status == 200);
        assert_true(answer_header(&answer, "ETag", again, sizeof again));
        assert_string_equal(again, tag);
    }
    snprintf(csv_path, sizeof csv_path, "%s?format=csv", path);
    ANSWER_AUTO csv = expect(200, NULL, csv_path, NULL);
    assert_true(answer_header(&csv, "ETag", again, sizeof again));
    assert_string_not_equal(again, tag);
}

static void results_have_strong_tags_that_lists_of_tags_are_compared_with(void **state) {
    char path[64];
    (void)state;
    ANSWER_AUTO july = run_july();
    check_tags("/v1/hunts/remotepc-file-signature/results");
    snprintf(path, sizeof path, "/v1/runs/%s/results", answer_text(&july, "run_id"));
    check_tags(path);
    ANSWER_AUTO both =
        expect(201, NULL, "/v1/runs", "{\"hunts\":[\"remotepc-file-signature\",\"good\"],\"as_of\":\"2026-07-01T00:00:00Z\"}");
    snprintf(path, sizeof path, "/v1/runs/%s/results", answer_text(&both, "run_id"));
    check_tags(path);
}

static void head_answers_like_get_without_the_body(void **state) {
    static const char *const paths[] = {"/v1/hunts", "/v1/hunts/remotepc-file-signature/results", "/v1/tools?format=csv",
                                        "/v1/runs/1/results", "/v1/hunts/nope", "/openapi.json", "/healthz"};
    static const char *const headers[] = {"Content-Type", "ETag", "Content-Length", "Cache-Control", "Link"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ANSWER_AUTO get = ask("GET", paths[i], NULL, "X-Request-Id: same");
        ANSWER_AUTO head = ask("HEAD", paths[i], NULL, "X-Request-Id: same");
        assert_int_equal(head.status, get.status);
        assert_int_equal(head.length, 0);
        for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) {
            char one[512] = "", other[512] = "";
            assert_int_equal(answer_header(&get, headers[h], one, sizeof one), answer_header(&head, headers[h], other, sizeof other));
            assert_string_equal(one, other);
        }
    }
}

static void a_path_says_what_it_takes(void **state) {
    static const struct {
        const char *path, *allow;
    } cases[] = {{"/v1/runs", "POST, GET, HEAD, OPTIONS"},
                 {"/v1/runs/1", "GET, HEAD, DELETE, OPTIONS"},
                 {"/v1/query", "POST, OPTIONS"},
                 {"/healthz", "GET, HEAD, OPTIONS"}};
    char allow[128];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ANSWER_AUTO options = expect(204, "OPTIONS", cases[i].path, NULL);
        assert_true(answer_header(&options, "Allow", allow, sizeof allow));
        assert_string_equal(allow, cases[i].allow);
        ANSWER_AUTO refused = expect(405, "PATCH", cases[i].path, NULL);
        assert_true(answer_header(&refused, "Allow", allow, sizeof allow));
        assert_string_equal(allow, cases[i].allow);
    }
    ANSWER_AUTO nowhere = expect(404, "OPTIONS", "/nope", NULL);
    assert_string_equal(answer_text(&nowhere, "code"), "not_found");
}

static void pretty_is_taken_everywhere_errors_included(void **state) {
    static const char *const paths[] = {"/v1/hunts?pretty", "/v1/hunts/remotepc-file-signature?pretty", "/v1/tools?pretty=1",
                                        "/v1/runs?pretty", "/readyz?pretty", "/version?pretty", "/v1/hunts/nope?pretty",
                                        "/v1/devices/nobody/evidence?pretty", "/openapi.json?pretty"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ANSWER_AUTO answer = ask(NULL, paths[i], NULL, NULL);
        assert_non_null(answer.json);
        assert_memory_equal(answer.body, "{\n  \"", 5);
    }
    ANSWER_AUTO not = expect(200, NULL, "/v1/runs?pretty=false", NULL);
    assert_memory_equal(not.body, "{\"", 2);
}

static void readiness_tells_pool_schema_and_last_write(void **state) {
    (void)state;
    ANSWER_AUTO ready = expect(200, NULL, "/readyz", NULL);
    assert_string_equal(answer_text(&ready, "status"), "ready");
    assert_true(answer_int(&ready, "schema_version") >= 5);
    assert_int_equal(strlen(answer_text(&ready, "last_write")), 28);
    assert_true(answer_int(&ready, "pool.open") <= answer_int(&ready, "pool.limit"));
    assert_true(json_is_false(answer_at(&ready, "draining")));
    assert_string_equal(answer_text(&ready, "checks.schema.status"), "ok");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_of_a_hunt_has_its_line_in_the_query_and_in_the_file),
        cmocka_unit_test(a_warning_of_a_hunt_has_its_line_in_the_query_and_in_the_file),
        cmocka_unit_test(a_put_says_whether_it_created_changed_or_found_the_same),
        cmocka_unit_test(a_hunt_file_may_have_four_mebibytes),
        cmocka_unit_test(a_card_keeps_its_false_positives_as_they_came),
        cmocka_unit_test(a_tool_comes_with_its_hunts_and_facts),
        cmocka_unit_test(an_unknown_state_or_signal_is_refused_with_the_known_ones),
        cmocka_unit_test(an_old_or_cut_look_does_not_replace_the_latest_result),
        cmocka_unit_test(an_as_of_in_the_future_is_the_latest_until_the_next_run_only),
        cmocka_unit_test(a_run_shows_the_window_that_it_looked_at),
        cmocka_unit_test(a_failed_result_has_the_members_of_a_good_one),
        cmocka_unit_test(a_csv_of_results_has_the_machine_group),
        cmocka_unit_test(no_table_has_a_character_that_drives_or_turns_the_terminal),
        cmocka_unit_test(results_have_strong_tags_that_lists_of_tags_are_compared_with),
        cmocka_unit_test(head_answers_like_get_without_the_body),
        cmocka_unit_test(a_path_says_what_it_takes),
        cmocka_unit_test(pretty_is_taken_everywhere_errors_included),
        cmocka_unit_test(readiness_tells_pool_schema_and_last_write),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
