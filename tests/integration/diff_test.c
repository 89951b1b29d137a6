/* The difference between two runs: devices that came, went and changed, and the hunts that can't be compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { LIMIT_MS = 60000 };
#define AS_OF ",\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define NAMED(file, name, group) ",\"FileName\":\"" file "\",\"DeviceName\":\"" name "\",\"MachineGroup\":\"" group "\""

static void two_runs_differ_by_devices_that_came_went_and_changed(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "gone", "2026-07-13T10:00:00Z", 1, NAMED("probe.exe", "a", ""));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "more", "2026-07-14T10:00:00Z", 1, NAMED("probe.exe", "b", ""));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "same", "2026-07-16T10:00:00Z", 1, NAMED("probe.exe", "c", ""));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "more", "2026-07-18T10:00:00Z", 10, NAMED("probe.exe", "b", ""));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "come", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "d", ""));
    ANSWER_AUTO first = hunt_run(
        &probe_server.server, "{\"hunts\":[\"probe-create-process\",\"rival-create-process\"],\"to\":\"2026-07-17T00:00:00Z\"}");
    ANSWER_AUTO second = hunt_run(&probe_server.server, "{\"hunts\":[\"probe-create-process\",\"probe-file-signature\"]" AS_OF);
    ANSWER_AUTO diff = hunt_get(&probe_server.server, "/v1/runs/1/diff/2");
    hunt_expect_json(diff.json, "compared", "1");
    hunt_expect_json(diff.json, "only_in_from", "[\"rival-create-process\"]");
    hunt_expect_json(diff.json, "only_in_to", "[\"probe-file-signature\"]");
    hunt_expect_json(diff.json, "not_compared.0.hunt", "\"probe-file-signature\"");
    hunt_expect_json(diff.json, "not_compared.0.reason", "\"only_in_to\"");
    hunt_expect_json(diff.json, "not_compared.0.from", "null");
    hunt_expect_json(diff.json, "not_compared.1.reason", "\"only_in_from\"");
    hunt_expect_json(diff.json, "not_compared.1.from", "{\"state\":\"succeeded\",\"version\":1,\"error\":null}");
    hunt_expect_json(diff.json, "hunts.0.new.0.device_id", "\"come\"");
    hunt_expect_json(diff.json, "hunts.0.new.0.was", "null");
    hunt_expect_json(diff.json, "hunts.0.gone.0.device_id", "\"gone\"");
    hunt_expect_json(diff.json, "hunts.0.changed.0.device_id", "\"more\"");
    hunt_expect_json(diff.json, "hunts.0.changed.0.report_ids_added", "[\"10\"]");
    hunt_expect_json(diff.json, "hunts.0.changed.0.report_ids_gone", "[\"1\"]");
    hunt_expect_json(diff.json, "hunts.0.changed.0.differs", "[\"first_seen\",\"last_seen\",\"report_ids\"]");
    hunt_expect_json(diff.json, "hunts.0.changed.0.first_seen", "\"2026-07-18T10:00:00.0000000Z\"");
    hunt_expect_json(diff.json, "hunts.0.changed.0.first_seen_was", "\"2026-07-14T10:00:00.0000000Z\"");
    hunt_expect_json(diff.json, "hunts.0.changed.0.last_seen_was", "\"2026-07-14T10:00:00.0000000Z\"");
    assert_int_equal(json_array_size(answer_at(&diff, "hunts.0.changed")), 1);
    /* a line a device, and one a hunt that can't be compared */
    ANSWER_AUTO csv = hunt_get(&probe_server.server, "/v1/runs/1/diff/2?format=csv");
    static const char *const lines[] = {"\nprobe-create-process,Probe,new,come,", "\nprobe-create-process,Probe,gone,gone,",
                                        "\nprobe-create-process,Probe,changed,more,",
                                        "\nrival-create-process,Rival,not compared: only_in_from,"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(csv.body, lines[i]))
            fail_msg("no '%s' in %s", lines[i], csv.body);
    hunt_expect_command(&probe_server, 0, WORDS("diff", "1", "2"), "\nhunts compared: 1\n");
    hunt_expect_command(&probe_server, 0, WORDS("diff", "1", "2", "--format", "json"), "\"compared\": 1");
    hunt_expect_command(&probe_server, 0, WORDS("diff", "1", "2", "--format=ndjson"), "\"change\":\"gone\"");
    hunt_expect_command(&probe_server, 1, WORDS("diff", "1", "9"), "");
    hunt_expect_command(&probe_server, 2, WORDS("diff", "1"), "");
    hunt_expect_command(&probe_server, 2, WORDS("diff", "1", "2", "3"), "");
    ANSWER_AUTO self = hunt_get(&probe_server.server, "/v1/runs/1/diff/1");
    hunt_expect_json(self.json, "hunts", "[]");
    hunt_expect_json(self.json, "compared", "2");
    static const char *const missing[] = {"/v1/runs/1/diff/9", "/v1/runs/x/diff/1",
                                          "/v1/runs/9223372036854775808/diff/1"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        ANSWER_AUTO none = server_expect(&probe_server.server, 404, &(struct send){.path = missing[i]});
    }
}

static void put_hunt(const char *id, const char *name, const char *query, long status) {
    char path[128], body[1024];
    snprintf(path, sizeof path, "/v1/hunts/00000000-0000-0000-0000-00000000000%s", id);
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"query\":\"%s\"}", name, query);
    ANSWER_AUTO answer = server_expect(&probe_server.server, status, &(struct send){.method = "PUT", .path = path, .body = body});
}

#define COUNT "DeviceProcessEvents | summarize count() by DeviceId"

static void a_hunt_that_failed_or_was_changed_is_named_and_not_compared(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "d", ""));
    put_hunt("a", "a changed one", COUNT, 201);
    put_hunt("b", "b failing one", COUNT, 201);
    put_hunt("c", "c same one", COUNT, 201);
    static const char body[] = "{\"hunts\":[\"a-changed-one\",\"b-failing-one\",\"c-same-one\"]" AS_OF;
    ANSWER_AUTO first = hunt_run(&probe_server.server, body);
    put_hunt("a", "a changed one", COUNT " | where count_ > 1", 200);
    database_do(probe_server.db, "UPDATE rmm.results SET state = 'failed', body = NULL, error = '{\"code\":\"limit\"}' "
                        "WHERE hunt_id LIKE '%b' RETURNING 1");
    ANSWER_AUTO second = hunt_run(&probe_server.server, body);
    ANSWER_AUTO diff = hunt_get(&probe_server.server, "/v1/runs/1/diff/2");
    hunt_expect_json(diff.json, "compared", "1");
    assert_int_equal(json_array_size(answer_at(&diff, "not_compared")), 2);
    hunt_expect_json(diff.json, "not_compared.0.hunt", "\"a-changed-one\"");
    hunt_expect_json(diff.json, "not_compared.0.reason", "\"other_version\"");
    hunt_expect_json(diff.json, "not_compared.0.from.version", "1");
    hunt_expect_json(diff.json, "not_compared.0.to.version", "2");
    hunt_expect_json(diff.json, "not_compared.1.hunt", "\"b-failing-one\"");
    hunt_expect_json(diff.json, "not_compared.1.reason", "\"failed\"");
    hunt_expect_json(diff.json, "not_compared.1.from.error.code", "\"limit\"");
    hunt_expect_json(diff.json, "not_compared.1.to.state", "\"succeeded\"");
    hunt_expect_json(diff.json, "only_in_from", "[]");
}

static void a_hunt_that_had_no_data_or_names_no_device_is_not_compared(void **state) {
    (void)state;
    put_hunt("a", "a blind one", COUNT, 201);
    put_hunt("b", "b by file", "DeviceProcessEvents | summarize count() by FileName", 201);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "d", ""));
    static const char both[] = "{\"hunts\":[\"a-blind-one\",\"b-by-file\"]";
    char early[256];
    snprintf(early, sizeof early, "%s,\"to\":\"2020-01-01T00:00:00Z\"}", both);
    ANSWER_AUTO blind = hunt_run(&probe_server.server, early);
    snprintf(early, sizeof early, "%s" AS_OF, both);
    ANSWER_AUTO first = hunt_run(&probe_server.server, early), second = hunt_run(&probe_server.server, early);
    ANSWER_AUTO come = hunt_get(&probe_server.server, "/v1/runs/1/diff/2"), gone = hunt_get(&probe_server.server, "/v1/runs/2/diff/1");
    const struct answer *answers[] = {&come, &gone};
    for (size_t i = 0; i < 2; i++) {
        hunt_expect_json(answers[i]->json, "hunts", "[]");
        hunt_expect_json(answers[i]->json, "compared", "0");
        hunt_expect_json(answers[i]->json, "not_compared.0.reason", "\"no_data\"");
        hunt_expect_json(answers[i]->json, "not_compared.1.reason", "\"no_data\"");
    }
    ANSWER_AUTO same = hunt_get(&probe_server.server, "/v1/runs/2/diff/3");
    hunt_expect_json(same.json, "compared", "1");
    hunt_expect_json(same.json, "not_compared.0.hunt", "\"b-by-file\"");
    hunt_expect_json(same.json, "not_compared.0.reason", "\"no_devices\"");
    hunt_expect_command(&probe_server, 0, WORDS("diff", "2", "1"), "not compared: no_data");
}

/* The same device, count and report id. */
static void groups_that_came_and_went_are_told(void **state) {
    (void)state;
    put_hunt("a", "a by account", "DeviceProcessEvents | summarize min(Timestamp), make_set(ReportId), count() by DeviceId, AccountUpn", 201);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d", "2026-07-12T10:00:00Z", 1, ",\"AccountUpn\":\"alice\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d", "2026-07-18T10:00:00Z", 1, ",\"AccountUpn\":\"mallory\"");
    ANSWER_AUTO first = hunt_run(&probe_server.server, "{\"hunts\":[\"a-by-account\"],\"to\":\"2026-07-15T00:00:00Z\"}");
    ANSWER_AUTO second = hunt_run(&probe_server.server, "{\"hunts\":[\"a-by-account\"],\"from\":\"2026-07-15T00:00:00Z\"}");
    ANSWER_AUTO diff = hunt_get(&probe_server.server, "/v1/runs/1/diff/2");
    hunt_expect_json(diff.json, "hunts.0.changed.0.count", "1");
    hunt_expect_json(diff.json, "hunts.0.changed.0.differs", "[\"first_seen\",\"groups\"]");
    hunt_expect_json(diff.json, "hunts.0.changed.0.groups_added.0.keys", "{\"AccountUpn\":\"mallory\"}");
    hunt_expect_json(diff.json, "hunts.0.changed.0.groups_gone.0.keys", "{\"AccountUpn\":\"alice\"}");
}

static void hunts_that_a_cancelled_run_did_not_come_to_are_named(void **state) {
    (void)state;
    put_hunt("a", "a quick one", "print 1", 201);
    put_hunt("b", "b slow one", "range x from 1 to 2000000000 step 1 | summarize count()", 201);
    ANSWER_AUTO first = server_expect(&probe_server.server, 202, &(struct send){.path = "/v1/runs",
                                                                       .headers = {"Prefer: wait=0"},
                                                                       .body = "{\"hunts\":[\"b-slow-one\"]}"});
    database_await(probe_server.db, "SELECT count(*) FROM rmm.runs WHERE state = 'running'", 1, LIMIT_MS);
    ANSWER_AUTO early = server_expect(&probe_server.server, 404, &(struct send){.path = "/v1/runs/1/diff/1"});
    ANSWER_AUTO cancel = server_send(&probe_server.server, &(struct send){.method = "DELETE", .path = "/v1/runs/1"});
    database_await(probe_server.db, "SELECT count(*) FROM rmm.runs WHERE state = 'cancelled'", 1, LIMIT_MS);
    ANSWER_AUTO second = hunt_run(&probe_server.server, "{\"hunts\":[\"a-quick-one\"]}");
    ANSWER_AUTO self = hunt_get(&probe_server.server, "/v1/runs/1/diff/1");
    hunt_expect_json(self.json, "compared", "0");
    hunt_expect_json(self.json, "not_compared.0.hunt", "\"b-slow-one\"");
    hunt_expect_json(self.json, "not_compared.0.reason", "\"cancelled\"");
    hunt_expect_json(self.json, "not_compared.0.to.state", "\"cancelled\"");
    ANSWER_AUTO diff = hunt_get(&probe_server.server, "/v1/runs/2/diff/1");
    hunt_expect_json(diff.json, "not_compared.1.reason", "\"only_in_to\"");
    hunt_expect_json(diff.json, "not_compared.1.to.state", "\"cancelled\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_and_rival_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(two_runs_differ_by_devices_that_came_went_and_changed),
        TEST(a_hunt_that_failed_or_was_changed_is_named_and_not_compared),
        TEST(a_hunt_that_had_no_data_or_names_no_device_is_not_compared),
        TEST(groups_that_came_and_went_are_told),
        TEST(hunts_that_a_cancelled_run_did_not_come_to_are_named),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
