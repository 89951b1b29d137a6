/* A hunt that gets another tool or signal: what it had found goes along as far as its events are stored, and what others
 * found stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { PATH = 2048 };
#define ALL "{\"hunts\":[\"one\",\"two\"],\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define FOLD " | summarize First=min(Timestamp), Last=max(Timestamp), Report=make_set(ReportId), Count=count() by DeviceId"

/* slug: its identity, too. */
static void put_hunt(const struct server *server, const char *slug, const char *tool, const char *query) {
    char path[PATH];
    BUF_AUTO body = BUF(PATH);
    snprintf(path, sizeof path, "/v1/hunts/%s", slug);
    buf_printf(&body, "{\"name\":\"Check - %s - Create Process\",\"slug\":\"%s\",\"query\":\"%s\"}", tool, slug, query);
    ANSWER_AUTO put = server_send(server, &(struct send){.method = "PUT", .path = path, .body = buf_cstr(&body)});
    assert_string_equal(answer_text(&put, "state"), "ready");
    assert_string_equal(answer_text(&put, "tool"), tool);
}

#define BY_REPORT(condition) "DeviceProcessEvents | where ReportId " condition FOLD

static void send_process(const struct server *server, const char *device, const char *time, int report) {
    BUF_AUTO body = BUF(PATH);
    hunt_add_event(&body, "DeviceProcessEvents", device, time, report, ",\"FileName\":\"probe.exe\",\"DeviceName\":\"pc\"");
    hunt_send_text(server, buf_cstr(&body));
}

static void run_all(const struct server *server) {
    ANSWER_AUTO run = hunt_run(server, ALL);
    assert_string_equal(answer_text(&run, "state"), "succeeded");
}

/* Each finding as "device tool count first's day", a space between. */
static void expect_findings(const struct server *server, const char *expected) {
    size_t index;
    const json_t *finding;
    BUF_AUTO text = BUF(PATH);
    ANSWER_AUTO answer = hunt_get(server, "/v1/findings");
    json_array_foreach(json_at(answer.json, "findings"), index, finding)
        buf_printf(&text, "%s%s %s %d %.2s", index ? ", " : "", hunt_text(finding, "device_id"), hunt_text(finding, "tool"),
                   (int)json_integer_value(json_object_get(finding, "count")), hunt_text(finding, "first_seen") + 8);
    assert_string_equal(text.len ? buf_cstr(&text) : "", expected);
}

static void start(struct hunt_server *one) {
    hunt_server_start(one);
    put_hunt(&one->server, "one", "Alpha", BY_REPORT("< 10"));
    put_hunt(&one->server, "two", "Alpha", BY_REPORT("between (5 .. 20)"));
    send_process(&one->server, "d1", "2026-07-15T10:00:00Z", 1);
    send_process(&one->server, "d2", "2026-07-15T10:00:00Z", 2);
    send_process(&one->server, "d2", "2026-07-16T10:00:00Z", 6); /* of both */
    send_process(&one->server, "d2", "2026-07-17T10:00:00Z", 11);
    run_all(&one->server);
    expect_findings(&one->server, "d1 Alpha 1 15, d2 Alpha 3 15");
}

static void what_only_the_hunt_had_found_moves_to_its_new_tool(void **state) {
    struct hunt_server one;
    (void)state;
    start(&one);
    put_hunt(&one.server, "one", "Beta", BY_REPORT("< 10"));
    expect_findings(&one.server, "d2 Alpha 2 16");
    ANSWER_AUTO none = server_expect(&one.server, 404, &(struct send){.path = "/v1/devices/d1"});
    run_all(&one.server);
    expect_findings(&one.server, "d1 Beta 1 15, d2 Alpha 2 16, d2 Beta 2 15");
    ANSWER_AUTO device = hunt_get(&one.server, "/v1/devices/d1");
    assert_string_equal(answer_text(&device, "tools.0.tool"), "Beta");
    assert_string_equal(answer_text(&device, "tools.0.by_signal.0.hunts.0.slug"), "one");
    assert_int_equal(answer_int(&device, "tools.0.by_signal.0.runs"), 1);
    ANSWER_AUTO tool = hunt_get(&one.server, "/v1/devices/d2");
    assert_string_equal(answer_text(&tool, "flags.0.flag"), "several_tools");
    hunt_server_stop(&one);
}

static void a_hunt_that_gets_its_old_tool_back_leaves_the_ledger_as_it_was(void **state) {
    struct hunt_server one;
    (void)state;
    start(&one);
    put_hunt(&one.server, "one", "Beta", BY_REPORT("< 10"));
    run_all(&one.server);
    put_hunt(&one.server, "one", "Alpha", BY_REPORT("< 10"));
    run_all(&one.server);
    expect_findings(&one.server, "d1 Alpha 1 15, d2 Alpha 3 15");
    ANSWER_AUTO devices = hunt_get(&one.server, "/v1/devices?sort=device_id");
    assert_int_equal(json_array_size(answer_at(&devices, "devices.1.tools")), 1);
    assert_int_equal(json_array_size(answer_at(&devices, "devices.1.flags")), 0);
    hunt_server_stop(&one);
}

static void what_events_no_longer_stored_told_stays_with_the_old_tool(void **state) {
    struct hunt_server one;
    (void)state;
    start(&one);
    database_do(one.db, "DELETE FROM rmm.hits WHERE report_id = 1"); /* as retention does with the event */
    database_do(one.db, "DELETE FROM data.device_process_events WHERE report_id = 1");
    put_hunt(&one.server, "one", "Beta", BY_REPORT("< 10"));
    run_all(&one.server);
    expect_findings(&one.server, "d1 Alpha 1 15, d2 Alpha 2 16, d2 Beta 2 15");
    hunt_server_stop(&one);
}

static void a_hunt_known_by_its_results_moves_at_its_next_run(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    put_hunt(&one.server, "one", "Alpha", BY_REPORT("< 10") " | where Count > 1");
    put_hunt(&one.server, "two", "Gamma", BY_REPORT("> 10"));
    send_process(&one.server, "d1", "2026-07-15T10:00:00Z", 1);
    send_process(&one.server, "d1", "2026-07-16T10:00:00Z", 2);
    run_all(&one.server);
    expect_findings(&one.server, "d1 Alpha 2 15");
    put_hunt(&one.server, "one", "Beta", BY_REPORT("< 10") " | where Count > 1");
    expect_findings(&one.server, "");
    run_all(&one.server);
    expect_findings(&one.server, "d1 Beta 2 15");
    hunt_server_stop(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_the_hunt_had_found_moves_to_its_new_tool),
        cmocka_unit_test(a_hunt_that_gets_its_old_tool_back_leaves_the_ledger_as_it_was),
        cmocka_unit_test(what_events_no_longer_stored_told_stays_with_the_old_tool),
        cmocka_unit_test(a_hunt_known_by_its_results_moves_at_its_next_run),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
