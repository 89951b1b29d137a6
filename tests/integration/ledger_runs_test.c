/* How many runs saw a finding: each that succeeded counts once, and no other does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hunts/queue.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { PATH = 1024, LIMIT_MS = 60 * 1000 };
#define PROBES "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}"
/* Of both hunts of a run: a finding each, and what the result of the second tells. */
#define SUM "SELECT (SELECT coalesce(sum(runs), 0) FROM rmm.finding_runs) + (SELECT coalesce(sum(by_result), 0) FROM rmm.findings)"

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

static void send_probe(const struct server *server, const char *device, const char *time) {
    BUF_AUTO body = BUF(PATH);
    hunt_add_event(&body, "DeviceProcessEvents", device, time, 1, ",\"FileName\":\"probe.exe\",\"DeviceName\":\"pc\"");
    hunt_send_text(server, buf_cstr(&body));
}

static void send_signed(const struct server *server, const char *device, const char *time) {
    BUF_AUTO body = BUF(PATH);
    hunt_add_event(&body, "DeviceFileCertificateInfo", device, time, 2, ",\"Signer\":\"probe ltd\",\"SHA1\":\"ab\"");
    hunt_send_text(server, buf_cstr(&body));
}

/* Another hunt of tool and signal. */
static void import_second(const struct server *server) {
    ANSWER_AUTO answer = server_expect(
        server, 201,
        &(struct send){.path = "/v1/hunts/import",
                       .body = "{\"name\":\"Check - Probe - Create Process\",\"slug\":\"probe-too\",\"query\":"
                               "\"DeviceProcessEvents | where Timestamp >= ago(5d) | where FileName == 'probe.exe'"
                               " | project Timestamp, DeviceId, ReportId\"}"});
    assert_string_equal(answer_text(&answer, "state"), "ready");
}

static long long runs_of(const struct server *server, const char *device, const char *signal) {
    char path[PATH];
    snprintf(path, sizeof path, "/v1/findings?device=%s&signal=%s", device, signal);
    ANSWER_AUTO answer = hunt_get(server, path);
    snprintf(path, sizeof path, "/v1/devices/%s", device);
    ANSWER_AUTO whole = hunt_get(server, path);
    const json_t *of = hunt_item(answer_at(&whole, "tools.0.by_signal"), "signal", signal);
    long long runs = answer_int(&answer, "findings.0.runs");
    assert_int_equal(json_integer_value(json_object_get(of, "runs")), runs);
    return runs;
}

static void a_finding_has_the_number_of_runs_that_saw_it(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    import_second(&one.server);
    send_probe(&one.server, "d1", "2026-07-18T10:00:00Z");
    send_probe(&one.server, "d2", "2026-07-01T10:00:00Z"); /* known, but behind the windows */
    ANSWER_AUTO first = hunt_run(&one.server, PROBES);
    assert_int_equal(json_array_size(answer_at(&first, "hunts")), 4);
    assert_int_equal(runs_of(&one.server, "d1", "process"), 1);
    assert_int_equal(runs_of(&one.server, "d2", "process"), 0);
    send_signed(&one.server, "d1", "2026-07-18T11:00:00Z");
    ANSWER_AUTO second = hunt_run(&one.server, PROBES);
    assert_int_equal(runs_of(&one.server, "d1", "process"), 2);
    assert_int_equal(runs_of(&one.server, "d1", "signature"), 1);
    ANSWER_AUTO earlier = hunt_run(&one.server, "{\"tool\":\"Probe\",\"to\":\"2026-07-03T00:00:00Z\"}");
    assert_int_equal(runs_of(&one.server, "d1", "process"), 2);
    assert_int_equal(runs_of(&one.server, "d2", "process"), 1);
    ANSWER_AUTO csv = hunt_get(&one.server, "/v1/findings?device=d1&format=csv");
    assert_non_null(strstr(csv.body, "count,exact,days,runs,"));
    hunt_server_stop(&one);
}

static void the_same_run_asked_for_twice_counts_once(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    send_probe(&one.server, "d1", "2026-07-18T10:00:00Z");
    for (int i = 0; i < 2; i++) {
        ANSWER_AUTO run = server_send(&one.server, &(struct send){.path = "/v1/runs",
                                                                  .body = PROBES,
                                                                  .headers = {"Prefer: wait=60", "Idempotency-Key: a"}});
        assert_string_equal(answer_text(&run, "state"), "succeeded");
    }
    assert_int_equal(runs_of(&one.server, "d1", "process"), 1);
    hunt_server_stop(&one);
}

/* One of a signal of its own, of which only results are known. */
static void import_by_result(const struct server *server) {
    ANSWER_AUTO answer = server_expect(
        server, 201,
        &(struct send){.path = "/v1/hunts/import",
                       .body = "{\"name\":\"Check - Probe - File Signature\",\"slug\":\"probe-result\",\"query\":"
                               "\"DeviceProcessEvents | where FileName == 'probe.exe' | summarize First=min(Timestamp), "
                               "C=count() by DeviceId | where C > 0\"}"});
}

/* A database in which two hunts find a device, and no server any more. */
static struct db *probe_database(void) {
    struct db *db = cluster_fixture_database(8);
    struct server server = {.database_url = cluster_fixture_conninfo()};
    assert_true(server_start(&server));
    hunt_import(&server, "Probe", "probe");
    import_by_result(&server);
    send_probe(&server, "d1", "2026-07-18T10:00:00Z");
    assert_int_equal(server_stop(&server), 0);
    server_remove(&server);
    return db;
}

static struct run_attempt *claim(struct db *db) {
    struct run_attempt *attempt;
    if (!queue_claim(db, 0, &attempt, &err) || !attempt)
        fail_msg("no claim: %s", err.text);
    return attempt;
}

static void add_run(struct db *db) {
    const struct str hunts[] = {STR("probe-create-process"), STR("probe-result")};
    struct run_request request = {.hunts = hunts, .hunt_count = 2, .from = -1, .to = -1};
    struct arena *arena = arena_new(1 << 20);
    struct db_conn *conn = db_take(db, later(), &err);
    int64_t run_id = 0;
    bool fresh, unknown;
    assert_true(ticks_parse(STR("2026-07-20T00:00:00Z"), &request.as_of));
    if (!conn || !db_begin(conn, "", later(), &err) || !queue_add(conn, arena, &request, &run_id, &fresh, &err) ||
        !db_commit(conn, later(), &unknown, &err))
        fail_msg("no run: %s", err.text);
    db_give(conn);
    arena_free(arena);
}

static void lease_ends(struct db *db) {
    database_do(db, "UPDATE rmm.runs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'running'");
}

static void execute(struct db *db, struct run_attempt *attempt) {
    assert_true(run_execute(db, attempt, &err));
    queue_attempt_free(attempt);
}

static void an_attempt_that_lost_the_run_counts_nothing(void **state) {
    (void)state;
    struct db *db = probe_database();
    add_run(db);
    struct run_attempt *first = claim(db);
    lease_ends(db);
    struct run_attempt *second = claim(db);
    execute(db, first);
    assert_int_equal(database_int(db, SUM), 0);
    execute(db, second);
    assert_int_equal(database_int(db, SUM), 3);
    cluster_fixture_close(db);
}

static void an_attempt_whose_end_is_not_written_counts_nothing(void **state) {
    (void)state;
    struct db *db = probe_database();
    database_do(db, "CREATE FUNCTION rmm.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; "
                    "END $$");
    database_do(db, "CREATE TRIGGER refuse BEFORE UPDATE ON rmm.runs FOR EACH ROW WHEN (NEW.state = 'succeeded' AND "
                    "NEW.attempt = 1) EXECUTE FUNCTION rmm.refuse()");
    add_run(db);
    execute(db, claim(db));
    assert_int_equal(database_int(db, SUM), 0);
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE lease_until IS NULL OR lease_until < clock_timestamp()", 1, LIMIT_MS);
    execute(db, claim(db));
    assert_int_equal(database_int(db, SUM), 3);
    cluster_fixture_close(db);
}

static void a_cancelled_run_counts_nothing(void **state) {
    (void)state;
    struct db *db = probe_database();
    add_run(db);
    struct run_attempt *attempt = claim(db);
    database_do(db, "UPDATE rmm.runs SET cancel_requested = true");
    execute(db, attempt);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.runs WHERE state = 'cancelled'"), 1);
    assert_int_equal(database_int(db, SUM), 0);
    cluster_fixture_close(db);
}

static void a_run_that_raises_all_rows_changes_no_index(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    BUF_AUTO body = BUF(1 << 20);
    for (int i = 0; i < 500; i++) {
        char device[16];
        snprintf(device, sizeof device, "d%d", i);
        hunt_add_event(&body, "DeviceProcessEvents", device, "2026-07-18T10:00:00Z", 1, ",\"FileName\":\"probe.exe\"");
    }
    hunt_send_text(&one.server, buf_cstr(&body));
    for (int i = 0; i < 3; i++) {
        ANSWER_AUTO run = hunt_run(&one.server, PROBES);
    }
    database_await(one.db, "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'finding_runs'", 1000, LIMIT_MS);
    assert_int_equal(database_int(one.db, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'finding_runs'"),
                     1000);
    hunt_server_stop(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_has_the_number_of_runs_that_saw_it),
        cmocka_unit_test(the_same_run_asked_for_twice_counts_once),
        cmocka_unit_test(an_attempt_that_lost_the_run_counts_nothing),
        cmocka_unit_test(an_attempt_whose_end_is_not_written_counts_nothing),
        cmocka_unit_test(a_cancelled_run_counts_nothing),
        cmocka_unit_test(a_run_that_raises_all_rows_changes_no_index),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
