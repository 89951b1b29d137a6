/* What results list as late: events of their own window that came after a succeeded run had answered for their time, once for
 * each schedule and once for runs by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { LIMIT_MS = 60000, TEXT = 512 };
#define HUNT "\"hunts\":[\"probe-create-process\"]"
#define SLOW "00000000-0000-0000-0000-00000000000b"

static void send_probe(int64_t time, int report) {
    char text[TICKS_TEXT];
    ticks_print(time, text);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", text, report, ",\"FileName\":\"probe.exe\"");
}

/* An hour ago is in the window of a run of now, eight days ago in that of a week ago. */
static int64_t hours_ago(int hours) {
    return ticks_now() - hours * TICKS_HOUR;
}

static void expect_late(const struct answer *run, const char *reports) {
    const json_t *late = answer_at(run, "late");
    if (!*reports)
        assert_int_equal(json_array_size(late), 0);
    else
        hunt_expect_json(late, "0.report_ids", reports);
}

static void expect_run(const char *more, const char *reports) {
    char body[TEXT];
    snprintf(body, sizeof body, "{" HUNT "%s}", more);
    ANSWER_AUTO run = hunt_run(&probe_server.server, body);
    expect_late(&run, reports);
}

static void expect_slot(const char *path, const char *reports) {
    ANSWER_AUTO run = server_expect(&probe_server.server, 201, &(struct send){.method = "POST", .path = path});
    char results[TEXT];
    snprintf(results, sizeof results, "/v1/runs/%s/results", answer_text(&run, "run_id"));
    ANSWER_AUTO result = hunt_get(&probe_server.server, results);
    expect_late(&result, reports);
}

static void make_schedule(const char *id) {
    char body[TEXT];
    snprintf(body, sizeof body, "{\"id\":\"%s\",\"cron\":\"0 0 1 1 *\",\"time_zone\":\"UTC\"," HUNT ",\"window\":\"P5D\"}", id);
    ANSWER_AUTO made = server_expect(&probe_server.server, 201, &(struct send){.path = "/v1/schedules", .body = body});
}

/* The hunt, and one without end that keeps the run from its own. */
static void run_and_cancel(void) {
    char path[TEXT];
    ANSWER_AUTO put = server_send(&probe_server.server,
                                  &(struct send){.method = "PUT", .path = "/v1/hunts/" SLOW,
                                                 .body = "{\"name\":\"slow\",\"slug\":\"slow\",\"query\":\"range x from 1 to "
                                                         "2000000000 step 1 | summarize count()\"}"});
    ANSWER_AUTO run = server_expect(&probe_server.server, 202,
                                    &(struct send){.path = "/v1/runs", .headers = {"Prefer: wait=0"},
                                                   .body = "{\"hunts\":[\"probe-create-process\",\"slow\"]}"});
    assert_true(answer_header(&run, "Location", path, sizeof path));
    database_await(probe_server.db, "SELECT count(*) FROM rmm.runs WHERE state = 'running' AND hunts_done = 1", 1, LIMIT_MS);
    ANSWER_AUTO cancel = server_send(&probe_server.server, &(struct send){.method = "DELETE", .path = path});
    database_await(probe_server.db, "SELECT count(*) FROM rmm.runs WHERE state = 'cancelled' AND finished_at IS NOT NULL", 1,
                   LIMIT_MS);
}

static void a_cancelled_run_uses_nothing_up(void **state) {
    (void)state;
    send_probe(hours_ago(2), 1);
    expect_run("", "");
    send_probe(hours_ago(1), 2);
    run_and_cancel();
    expect_run("", "[\"2\"]");
    expect_run("", "");
}

static void a_cancelled_run_answers_for_nothing(void **state) {
    (void)state;
    send_probe(hours_ago(2), 1);
    run_and_cancel();
    send_probe(hours_ago(1), 2);
    expect_run("", "");
}

static void only_a_run_whose_window_has_the_event_lists_it(void **state) {
    char earlier[TEXT], time[TICKS_TEXT];
    (void)state;
    send_probe(hours_ago(2), 1);
    expect_run("", "");
    send_probe(hours_ago(1), 2);
    send_probe(hours_ago(24 * 8), 3); /* for its time nobody has answered */
    ticks_print(hours_ago(24 * 7), time);
    snprintf(earlier, sizeof earlier, ",\"as_of\":\"%s\"", time);
    expect_run(earlier, "");
    snprintf(earlier, sizeof earlier, ",\"to\":\"%s\"", time);
    expect_run(earlier, "");
    send_probe(hours_ago(24 * 8) + 1, 4);
    expect_run("", "[\"2\"]");
    snprintf(earlier, sizeof earlier, ",\"as_of\":\"%s\"", time);
    expect_run(earlier, "[\"4\"]");
    expect_run(earlier, "");
}

static void each_schedule_lists_what_runs_by_hand_have_listed(void **state) {
    (void)state;
    make_schedule("one");
    make_schedule("two");
    send_probe(hours_ago(2), 1);
    expect_slot("/v1/schedules/one/run", "");
    expect_slot("/v1/schedules/two/run", "");
    send_probe(hours_ago(1), 2);
    expect_run("", "[\"2\"]");
    expect_slot("/v1/schedules/one/run", "[\"2\"]");
    expect_slot("/v1/schedules/one/run", "");
    expect_slot("/v1/schedules/two/run", "[\"2\"]");
    make_schedule("three"); /* nothing came late for one that hadn't looked before */
    expect_slot("/v1/schedules/three/run", "");
    send_probe(hours_ago(1) + 1, 3);
    expect_slot("/v1/schedules/three/run", "[\"3\"]");
    expect_run("", "[\"3\"]");
}

/* The event is in the second run's results; that the ledger learns of it a run later doesn't make it late. */
static void what_a_run_saw_while_the_ledger_could_not_isn_t_late(void **state) {
    (void)state;
    send_probe(hours_ago(2), 1);
    expect_run("", "");
    send_probe(ticks_now(), 2);
    database_do(probe_server.db, "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$");
    database_do(probe_server.db, "CREATE TRIGGER refuse BEFORE UPDATE ON rmm.ledger_hunts FOR EACH ROW EXECUTE FUNCTION public.refuse()");
    expect_run("", "");
    database_do(probe_server.db, "DROP TRIGGER refuse ON rmm.ledger_hunts");
    expect_run("", "");
    assert_int_equal(database_int(probe_server.db, "SELECT count(*) FROM rmm.hits"), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cancelled_run_uses_nothing_up, probe_server_setup, probe_server_teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_run_answers_for_nothing, probe_server_setup, probe_server_teardown),
        cmocka_unit_test_setup_teardown(only_a_run_whose_window_has_the_event_lists_it, probe_server_setup,
                                        probe_server_teardown),
        cmocka_unit_test_setup_teardown(what_a_run_saw_while_the_ledger_could_not_isn_t_late, probe_server_setup,
                                        probe_server_teardown),
        cmocka_unit_test_setup_teardown(each_schedule_lists_what_runs_by_hand_have_listed, probe_server_setup,
                                        probe_server_teardown),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
