/* What counts as a tool among findings, and what lists of devices ask of one tool at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 1 << 20, PATH = 4096 };
#define AS_OF ",\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define BY_NAME "probe-by-name"

static void process(const char *device, const char *time, int report, const char *file) {
    char more[128];
    snprintf(more, sizeof more, ",\"FileName\":\"%s\",\"DeviceName\":\"pc\"", file);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", device, time, report, more);
}

static void run(const char *body) {
    ANSWER_AUTO answer = hunt_run(&probe_server.server, body);
    assert_string_equal(answer_text(&answer, "state"), "succeeded");
}

/* All changes as "type/tool/device", a space between. */
static void expect_changes(const char *expected) {
    size_t index;
    const json_t *change;
    BUF_AUTO text = BUF(CAP);
    ANSWER_AUTO answer = hunt_get(&probe_server.server, "/v1/changes?limit=1000");
    json_array_foreach(answer_at(&answer, "changes"), index, change)
        buf_printf(&text, "%s%s/%s/%s", index ? " " : "", hunt_text(change, "type"), hunt_text(change, "tool"),
                   hunt_text(change, "device_id"));
    assert_string_equal(text.len ? buf_cstr(&text) : "", expected);
}

static void expect_devices(const char *query, size_t count) {
    char path[PATH];
    snprintf(path, sizeof path, "/v1/devices?%s", query);
    ANSWER_AUTO answer = hunt_get(&probe_server.server, path);
    if (json_array_size(answer_at(&answer, "devices")) != count)
        fail_msg("%s: %zu devices instead of %zu", query, json_array_size(answer_at(&answer, "devices")), count);
}

/* A hunt that says of itself neither a tool nor a signal. */
static void import_by_name(void) {
    static const char hunt[] = "{\"name\":\"Probe by name\",\"slug\":\"" BY_NAME "\",\"query\":\"DeviceProcessEvents | where FileName "
                               "startswith 'pro' | summarize min(Timestamp), max(Timestamp), make_set(ReportId), count() by DeviceId\"}";
    ANSWER_AUTO answer = server_expect(&probe_server.server, 201, &(struct send){.path = "/v1/hunts/import", .body = hunt});
    assert_string_equal(answer_text(&answer, "tool"), "");
}

static void a_hunt_that_names_no_tool_is_shown_but_counts_as_none(void **state) {
    (void)state;
    import_by_name();
    process("d1", "2026-07-18T10:00:00Z", 1, "probe.exe");
    process("d2", "2026-07-18T10:00:00Z", 1, "prologue.exe");
    run("{\"all\":true" AS_OF);
    ANSWER_AUTO one = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(one.json, "flags", "[]");
    assert_string_equal(answer_text(&one, "tools.0.tool"), "Probe");
    assert_string_equal(answer_text(&one, "tools.1.tool"), BY_NAME);
    assert_string_equal(answer_text(&one, "tools.1.by_signal.0.signal"), "other");
    expect_devices("min_tools=2", 0);
    expect_devices("min_tools=1", 1);
    expect_devices("tool=" BY_NAME, 2);
    expect_changes("new_tool/Probe/ new_device/Probe/d1 new_device/" BY_NAME "/d2 new_signal/" BY_NAME "/d1");
    process("d2", "2026-07-18T11:00:00Z", 2, "rival.exe");
    run("{\"all\":true" AS_OF);
    ANSWER_AUTO two = hunt_get(&probe_server.server, "/v1/devices/d2");
    hunt_expect_json(two.json, "flags", "[]");
    expect_changes("new_tool/Probe/ new_device/Probe/d1 new_device/" BY_NAME "/d2 new_signal/" BY_NAME "/d1 "
                   "new_tool/Rival/ new_device/Rival/d2");
}

static void what_counted_a_hunt_as_a_tool_is_set_right_by_the_new_version(void **state) {
    (void)state;
    import_by_name();
    process("d1", "2026-07-18T10:00:00Z", 1, "probe.exe");
    process("d2", "2026-07-18T10:00:00Z", 1, "prologue.exe");
    run("{\"all\":true" AS_OF);
    assert_int_equal(server_stop(&probe_server.server), 0);
    database_do(probe_server.db, "DROP VIEW rmm.tool_names");
    database_do(probe_server.db, "DELETE FROM rmm.migrations WHERE name LIKE '%tool_names.sql'");
    database_do(probe_server.db, "UPDATE rmm.devices SET tools = tools + 1");
    database_do(probe_server.db, "UPDATE rmm.devices SET flags = '[{\"flag\":\"several_tools\",\"tools\":[\"Probe\",\"" BY_NAME
                                 "\"]},{\"flag\":\"kept\"}]' WHERE device_id = 'd1'");
    assert_true(server_start(&probe_server.server));
    ANSWER_AUTO device = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(device.json, "flags", "[{\"flag\":\"kept\"}]");
    expect_devices("min_tools=2", 0);
    expect_devices("min_tools=1", 1);
}

static void process_ago(const char *device, int days, int report, const char *file) {
    char time[TICKS_TEXT];
    ticks_print(ticks_now() - days * TICKS_DAY, time);
    process(device, time, report, file);
}

static void since_goes_by_the_tool_that_is_asked_for(void **state) {
    (void)state;
    process_ago("d1", 20, 1, "probe.exe");
    process_ago("d1", 1, 2, "rival.exe");
    run("{\"all\":true}");
    expect_devices("since=2d", 1);
    expect_devices("tool=Rival&since=2d", 1);
    expect_devices("tool=Probe&since=2d", 0);
    expect_devices("tool=Probe&since=21d", 1);
    expect_devices("state=quiet&since=21d", 1);
    expect_devices("state=quiet&since=2d", 0);
    expect_devices("signal=process&since=2d", 1);
}

static void expect_silence(const char *device, int days_ago, bool silent) {
    char path[PATH], day[TICKS_TEXT], list[PATH];
    static const char *const places[] = {"/v1/devices?q=", "/v1/devices/", "/v1/findings?device="};
    static const char *const members[] = {"devices.0.", "", "findings.0."};
    ticks_print(ticks_now() - days_ago * TICKS_DAY, day);
    day[10] = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s%s", places[i], device);
        ANSWER_AUTO answer = hunt_get(&probe_server.server, path);
        snprintf(list, sizeof list, "%ssilent", members[i]);
        hunt_expect_json(answer.json, list, silent ? "true" : "false");
        snprintf(list, sizeof list, "%slast_event_day", members[i]);
        if (i < 2)
            assert_string_equal(answer_text(&answer, list), day);
    }
}

/* Both are quiet: one sends what no hunt looks for, the other nothing at all. */
static void a_quiet_device_that_sends_is_told_from_one_that_went_silent(void **state) {
    (void)state;
    for (const char *const *id = (const char *const[]){"d1", "d2", NULL}; *id; id++)
        process_ago(*id, 20, 1, "probe.exe");
    process_ago("d1", 3, 2, "clean.exe");
    hunt_merge_presence(&probe_server);
    run("{\"all\":true}");
    expect_devices("state=quiet", 2);
    expect_silence("d1", 3, false);
    expect_silence("d2", 20, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_and_rival_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_hunt_that_names_no_tool_is_shown_but_counts_as_none),
        TEST(what_counted_a_hunt_as_a_tool_is_set_right_by_the_new_version),
        TEST(since_goes_by_the_tool_that_is_asked_for),
        TEST(a_quiet_device_that_sends_is_told_from_one_that_went_silent),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
