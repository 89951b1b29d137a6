/* Hunts whose events can't be told one by one (joins, unions, conditions on groups): what the ledger gets of their results. */
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

enum { PATH = 2048, LIMIT_MS = 60000 };
#define NAMED(name) ",\"FileName\":\"" name ".exe\""
#define FOLD                                                                                                           \
    " | summarize First=min(Timestamp), Last=max(Timestamp), Report=make_set(ReportId), Count=count() by DeviceId, "   \
    "DeviceName"
#define JOINED "DeviceProcessEvents | where Timestamp >= ago(5d) | where FileName == 'probe.exe' | join kind=inner "   \
               "(DeviceNetworkEvents | where RemoteUrl has 'probe' | distinct DeviceId) on DeviceId"
#define MINE "{\"hunts\":[\"mine\"],\"as_of\":\"2026-07-20T00:00:00Z\"}"

static struct err err;

static void put_mine(const struct server *server, const char *query) {
    BUF_AUTO body = BUF(PATH);
    buf_printf(&body, "{\"name\":\"Check - Probe - Create Process\",\"slug\":\"mine\",\"query\":\"%s\"}", query);
    ANSWER_AUTO put =
        server_send(server, &(struct send){.method = "PUT", .path = "/v1/hunts/mine", .body = buf_cstr(&body)});
    assert_string_equal(answer_text(&put, "state"), "ready");
}

static void send_process(const struct server *server, const char *device, const char *time, int report) {
    BUF_AUTO body = BUF(PATH);
    hunt_add_event(&body, "DeviceProcessEvents", device, time, report,
                   ",\"FileName\":\"probe.exe\",\"DeviceName\":\"pc.example\",\"MachineGroup\":\"Lab\"");
    hunt_send_text(server, buf_cstr(&body));
}

static void send_network(const struct server *server, const char *device, const char *time) {
    BUF_AUTO body = BUF(PATH);
    hunt_add_event(&body, "DeviceNetworkEvents", device, time, 70, ",\"RemoteUrl\":\"a.probe.example\"");
    hunt_send_text(server, buf_cstr(&body));
}

static void run_mine(const struct server *server) {
    ANSWER_AUTO run = hunt_run(server, MINE);
    assert_string_equal(answer_text(&run, "state"), "succeeded");
}

static void expect_finding(const struct server *server, const char *device, const char *expected) {
    char path[PATH];
    snprintf(path, sizeof path, "/v1/findings?device=%s&as_of=2026-07-20T00:00:00Z", device);
    ANSWER_AUTO answer = hunt_get(server, path);
    const json_t *finding = json_at(answer.json, "findings.0");
    char *text = finding ? json_dumps(finding, JSON_COMPACT) : strdup("none");
    if (!strstr(text, expected))
        fail_msg("%s isn't in %s", expected, text);
    free(text);
}

static size_t change_count(const struct server *server) {
    ANSWER_AUTO answer = hunt_get(server, "/v1/changes");
    return json_array_size(answer_at(&answer, "changes"));
}

static void a_join_s_result_becomes_a_finding_and_a_change(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    put_mine(&one.server, JOINED FOLD);
    send_process(&one.server, "d1", "2026-07-17T10:00:00Z", 1);
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 2);
    send_process(&one.server, "d2", "2026-07-18T10:00:00Z", 3);
    run_mine(&one.server);
    expect_finding(&one.server, "d1", "none");
    send_network(&one.server, "d1", "2026-07-16T10:00:00Z");
    run_mine(&one.server);
    expect_finding(&one.server, "d1",
                   "{\"device_id\":\"d1\",\"device_name\":\"pc.example\",\"machine_group\":\"Lab\",\"tool\":\"Probe\","
                   "\"signal\":\"process\",\"first_seen\":\"2026-07-17T10:00:00.0000000Z\",\"last_seen\":\"2026-07-"
                   "18T10:00:00.0000000Z\",\"count\":2,\"exact\":false,\"runs\":1,\"days\":2,\"silent\":true,\"state\":\"new\"}");
    expect_finding(&one.server, "d2", "none");
    ANSWER_AUTO changes = hunt_get(&one.server, "/v1/changes");
    assert_string_equal(answer_text(&changes, "changes.0.type"), "new_tool");
    assert_string_equal(answer_text(&changes, "changes.1.type"), "new_device");
    assert_int_equal(answer_int(&changes, "changes.1.detail.count"), 2);
    ANSWER_AUTO device = hunt_get(&one.server, "/v1/devices/d1");
    assert_string_equal(answer_text(&device, "names.0.value"), "pc.example");
    assert_int_equal(answer_int(&device, "tools.0.by_signal.0.count"), 2);
    run_mine(&one.server);
    expect_finding(&one.server, "d1", "\"runs\":2,");
    assert_int_equal(change_count(&one.server), 2); /* nothing new */
    send_process(&one.server, "d1", "2026-07-19T10:00:00Z", 4);
    send_process(&one.server, "d1", "2026-07-19T11:00:00Z", 5);
    run_mine(&one.server);
    expect_finding(&one.server, "d1", "\"last_seen\":\"2026-07-19T11:00:00.0000000Z\",\"count\":4,\"exact\":false");
    assert_int_equal(change_count(&one.server), 3); /* grew */
    hunt_server_stop(&one);
}

static void each_kind_of_query_that_names_devices_feeds_the_ledger(void **state) {
    static const struct {
        const char *query, *expected;
    } cases[] = {
        {"DeviceProcessEvents" FOLD " | where Count >= 2", "\"count\":2,\"exact\":false"},
        {"union DeviceProcessEvents, DeviceNetworkEvents" FOLD, "\"count\":3,\"exact\":false"},
        {"DeviceProcessEvents | top 1 by Timestamp | project DeviceId, Timestamp",
         "\"first_seen\":\"2026-07-18T10:00:00.0000000Z\",\"last_seen\":\"2026-07-18T10:00:00.0000000Z\",\"count\":1,"},
        {"DeviceProcessEvents" FOLD " | join kind=leftouter (DeviceNetworkEvents | summarize Urls=dcount(RemoteUrl), "
         "N=count() by DeviceId) on DeviceId", "\"count\":2,\"exact\":false"},
        {"DeviceProcessEvents" FOLD " | join kind=leftouter (DeviceInfo | distinct DeviceId, OSPlatform) on DeviceId",
         "\"count\":2,\"exact\":false"},
        {"DeviceProcessEvents | summarize C=count() by DeviceId, FileName | where C > 1 | project DeviceId",
         "\"first_seen\":\"2026-07-15T00:00:00.0000000Z\",\"last_seen\":\"2026-07-20T00:00:00.0000000Z\",\"count\":1,"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hunt_server one;
        hunt_server_start(&one);
        put_mine(&one.server, cases[i].query);
        send_process(&one.server, "d1", "2026-07-17T10:00:00Z", 1);
        send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 2);
        send_network(&one.server, "d1", "2026-07-16T10:00:00Z");
        ANSWER_AUTO run = hunt_run(&one.server, "{\"hunts\":[\"mine\"],\"from\":\"2026-07-15T00:00:00Z\",\"to\":\"2026-07-"
                                                "20T00:00:00Z\"}");
        expect_finding(&one.server, "d1", cases[i].expected);
        ANSWER_AUTO hunt = hunt_get(&one.server, "/v1/hunts/mine");
        assert_string_equal(answer_text(&hunt, "ledger"), "result");
        hunt_server_stop(&one);
    }
}

static void a_device_that_is_only_named_is_the_one_that_reported_last_under_the_name(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    put_mine(&one.server, "DeviceProcessEvents | where Timestamp >= ago(5d) | summarize First=min(Timestamp), "
                          "Last=max(Timestamp), C=count() by DeviceName | where C > 0");
    send_process(&one.server, "old", "2026-06-01T10:00:00Z", 1);
    send_process(&one.server, "new", "2026-07-18T10:00:00Z", 2);
    run_mine(&one.server);
    expect_finding(&one.server, "new", "\"device_name\":\"pc.example\",\"machine_group\":\"\",\"tool\":\"Probe\",\"signal\":"
                                       "\"process\",\"first_seen\":\"2026-07-18T10:00:00.0000000Z\",\"last_seen\":\"2026-07-"
                                       "18T10:00:00.0000000Z\",\"count\":1,\"exact\":false,\"runs\":1,");
    expect_finding(&one.server, "old", "none");
    hunt_server_stop(&one);
}

static void a_name_that_two_devices_have_feeds_nothing(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    put_mine(&one.server, "DeviceProcessEvents | summarize C=count() by DeviceName | where C > 0");
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1);
    send_process(&one.server, "d2", "2026-07-18T11:00:00Z", 2);
    run_mine(&one.server);
    ANSWER_AUTO answer = hunt_get(&one.server, "/v1/findings");
    assert_int_equal(json_array_size(answer_at(&answer, "findings")), 0);
    assert_int_equal(database_int(one.db, "SELECT count(*) FROM rmm.finding_runs"), 0);
    hunt_server_stop(&one);
}

static void what_is_known_to_the_event_stays_as_it_is(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    put_mine(&one.server, "DeviceProcessEvents | where Timestamp >= ago(5d) | summarize C=count() by DeviceId | where C > 0 "
                          "| project DeviceId"); /* no times: the window's */
    send_process(&one.server, "d1", "2026-07-17T10:00:00Z", 1);
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 2);
    ANSWER_AUTO first = hunt_run(&one.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    expect_finding(&one.server, "d1", "\"first_seen\":\"2026-07-17T10:00:00.0000000Z\",\"last_seen\":\"2026-07-18T10:00:00."
                                      "0000000Z\",\"count\":2,\"exact\":false,\"runs\":1,\"days\":2,");
    put_mine(&one.server, "DeviceProcessEvents | where Timestamp >= ago(5d)" FOLD " | where Count > 0");
    send_process(&one.server, "d1", "2026-07-19T10:00:00Z", 3);
    ANSWER_AUTO second = hunt_run(&one.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    expect_finding(&one.server, "d1", "\"last_seen\":\"2026-07-19T10:00:00.0000000Z\",\"count\":3,\"exact\":false,\"runs\":2,");
    hunt_server_stop(&one);
}

static void a_ledger_that_cannot_take_a_result_does_not_fail_the_run_and_gets_it_next_time(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    put_mine(&one.server, "DeviceProcessEvents" FOLD " | where Count > 0");
    send_process(&one.server, "d1", "2026-07-17T10:00:00Z", 1);
    database_do(one.db, "ALTER TABLE rmm.ledger_touched ADD CONSTRAINT refused CHECK (tool <> 'Probe')");
    run_mine(&one.server);
    expect_finding(&one.server, "d1", "none");
    database_do(one.db, "ALTER TABLE rmm.ledger_touched DROP CONSTRAINT refused");
    run_mine(&one.server);
    expect_finding(&one.server, "d1", "\"count\":1,\"exact\":false,\"runs\":2");
    hunt_server_stop(&one);
}

/* Starts a run whose pass of the ledger waits for that table, until the connection is given back. */
static struct db_conn *run_held_at(struct hunt_server *one, const char *table) {
    char sql[PATH];
    struct db_conn *conn = db_take(one->db, mono_ms() + LIMIT_MS, &err);
    snprintf(sql, sizeof sql, "LOCK TABLE %s", table);
    assert_true(conn && db_begin(conn, "", mono_ms() + LIMIT_MS, &err) &&
                db_exec(conn, sql, NULL, 0, mono_ms() + LIMIT_MS, NULL, &err));
    ANSWER_AUTO started = server_expect(&one->server, 202, &(struct send){.path = "/v1/runs", .body = MINE});
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_locks WHERE relation = '%s'::regclass AND NOT granted", table);
    database_await(one->db, sql, 1, LIMIT_MS);
    return conn;
}

static void run_let_go(struct hunt_server *one, struct db_conn *conn) {
    db_give(conn);
    database_await(one->db, "SELECT count(*) FROM rmm.runs WHERE state = 'succeeded'", 1, LIMIT_MS);
}

/* The pass is held up between deciding values and looking for events, and the value that comes then is the one by which
 * the hunt leaves files out. */
static void what_comes_while_the_ledger_is_written_waits_for_the_next_pass(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    put_mine(&one.server, "DeviceProcessEvents | where Timestamp >= ago(5d) | where FileName == 'probe.exe' | where DeviceId in "
                          "((DeviceFileEvents | where FileName !startswith 'good' | project DeviceId))" FOLD);
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1);
    for (int i = 0; i < 4; i++)
        hunt_send_event(&one.server, "DeviceFileEvents", "d2", "2026-07-18T10:00:00Z", i, i % 2 ? NAMED("a") : NAMED("b"));
    struct db_conn *conn = run_held_at(&one, "rmm.ledger_found");
    hunt_send_event(&one.server, "DeviceFileEvents", "d1", "2026-07-18T11:00:00Z", 9, NAMED("good"));
    run_let_go(&one, conn);
    assert_int_equal(database_int(one.db, "SELECT count(*) FROM rmm.hits"), 0);
    hunt_send_event(&one.server, "DeviceFileEvents", "d1", "2026-07-18T11:00:00Z", 10, NAMED("bad"));
    run_mine(&one.server);
    assert_int_equal(database_int(one.db, "SELECT count(*) FROM rmm.hits"), 1);
    hunt_server_stop(&one);
}

static void a_pass_sees_all_that_came_while_it_waited_for_another(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    put_mine(&one.server, "DeviceProcessEvents | where Timestamp >= ago(5d) | where FileName == 'probe.exe'" FOLD);
    struct db_conn *conn = run_held_at(&one, "rmm.ledger");
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1);
    run_let_go(&one, conn);
    assert_int_equal(database_int(one.db, "SELECT count(*) FROM rmm.hits"), 1);
    hunt_server_stop(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_join_s_result_becomes_a_finding_and_a_change),
        cmocka_unit_test(each_kind_of_query_that_names_devices_feeds_the_ledger),
        cmocka_unit_test(a_device_that_is_only_named_is_the_one_that_reported_last_under_the_name),
        cmocka_unit_test(a_name_that_two_devices_have_feeds_nothing),
        cmocka_unit_test(what_is_known_to_the_event_stays_as_it_is),
        cmocka_unit_test(a_ledger_that_cannot_take_a_result_does_not_fail_the_run_and_gets_it_next_time),
        cmocka_unit_test(what_comes_while_the_ledger_is_written_waits_for_the_next_pass),
        cmocka_unit_test(a_pass_sees_all_that_came_while_it_waited_for_another),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
