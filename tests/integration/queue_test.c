/* Runs as a queue that several servers share: leases, fencing, hand-over, cancelling, progress. A run is held up by a lock
 * on a table that its hunts read. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hunts/queue.h"
#include "hunts/registry.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/server_fixture.h"

enum { LIMIT_MS = 60 * 1000 };

#define ONE_HUNT "{\"hunts\":[\"remotepc-file-signature\"]}"
#define LOCK "LOCK TABLE data.device_file_certificate_info IN ACCESS EXCLUSIVE MODE"

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

static struct db *open_database(void) {
    struct db *db = cluster_fixture_database(8);
    if (!registry_sync(db, later(), &err))
        fail_msg("no catalogue: %s", err.text);
    return db;
}

static struct db_conn *hold_up(struct db *db) {
    struct db_conn *conn = db_take(db, later(), &err);
    if (!conn || !db_begin(conn, "", later(), &err) || !db_exec(conn, LOCK, NULL, 0, later(), NULL, &err))
        fail_msg("no lock: %s", err.text);
    return conn;
}

static void let_go(struct db_conn *conn) {
    db_rollback(conn);
    db_give(conn);
}

static int64_t add_run(struct db *db) {
    struct str hunt = STR("remotepc-file-signature");
    struct run_request request = {.hunts = &hunt, .hunt_count = 1, .from = -1, .to = -1, .as_of = -1};
    struct arena *arena = arena_new(1 << 20);
    struct db_conn *conn = db_take(db, later(), &err);
    int64_t run_id = 0;
    bool fresh, unknown;
    if (!conn || !db_begin(conn, "", later(), &err) || !queue_add(conn, arena, &request, &run_id, &fresh, &err) ||
        !db_commit(conn, later(), &unknown, &err))
        fail_msg("no run: %s", err.text);
    db_give(conn);
    arena_free(arena);
    return run_id;
}

static struct run_attempt *claim(struct db *db) {
    struct run_attempt *attempt;
    if (!queue_claim(db, 0, &attempt, &err))
        fail_msg("no claim: %s", err.text);
    return attempt;
}

static void lease_ends(struct db *db) {
    database_do(db, "UPDATE rmm.runs SET lease_until = clock_timestamp() - interval '1 second' RETURNING 1");
}

static void a_worker_that_lost_its_lease_changes_nothing(void **state) {
    (void)state;
    struct db *db = open_database();
    add_run(db);
    struct run_attempt *first = claim(db);
    assert_non_null(first);
    assert_null(claim(db));
    lease_ends(db);
    struct run_attempt *second = claim(db);
    assert_non_null(second);
    assert_int_equal(second->attempt, 2);
    assert_true(run_execute(db, first, &err));
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.runs WHERE state = 'running' AND attempt = 2"), 1);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.results WHERE state = 'queued' AND body IS NULL"), 1);
    assert_true(run_execute(db, second, &err));
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.runs WHERE state = 'succeeded' AND hunts_done = 1"), 1);
    assert_int_equal(
        database_int(db, "SELECT count(*) FROM rmm.results WHERE state = 'succeeded' AND body IS NOT NULL"), 1);
    queue_attempt_free(first);
    queue_attempt_free(second);
    cluster_fixture_close(db);
}

static void a_run_is_given_up_after_ten_attempts(void **state) {
    (void)state;
    struct db *db = open_database();
    add_run(db);
    for (int i = 1; i <= 10; i++) {
        struct run_attempt *attempt = claim(db);
        assert_non_null(attempt);
        assert_int_equal(attempt->attempt, i);
        queue_attempt_free(attempt);
        lease_ends(db);
    }
    assert_null(claim(db));
    struct runner *runner = runner_open(db, false, &err);
    assert_non_null(runner);
    database_await(
        db, "SELECT count(*) FROM rmm.runs WHERE state = 'failed' AND error ->> 'message' LIKE 'given up after 10 %'",
        1, LIMIT_MS);
    runner_close(runner);
    cluster_fixture_close(db);
}

static void who_waits_sees_the_end_of_a_run_that_another_does(void **state) {
    (void)state;
    struct db *db = open_database();
    struct runner *waits = runner_open(db, true, &err), *works = runner_open(db, false, &err);
    assert_non_null(waits);
    assert_non_null(works);
    struct db_conn *lock = hold_up(db);
    int64_t run_id = add_run(db);
    assert_false(runner_wait(waits, run_id, mono_ms() + 300));
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE state = 'running'", 1, LIMIT_MS);
    let_go(lock);
    assert_true(runner_wait(waits, run_id, later()));
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.runs WHERE state = 'succeeded' AND attempt = 1"), 1);
    runner_close(waits);
    runner_close(works);
    cluster_fixture_close(db);
}

static void a_lost_connection_is_no_failure_of_the_run(void **state) {
    (void)state;
    struct db *db = open_database();
    struct runner *runner = runner_open(db, false, &err);
    assert_non_null(runner);
    struct db_conn *lock = hold_up(db);
    int64_t run_id = add_run(db);
    database_await(
        db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()", 1,
        LIMIT_MS);
    database_do(db,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
                "current_database()");
    database_await(db, "SELECT attempt FROM rmm.runs", 2, LIMIT_MS);
    let_go(lock);
    assert_true(runner_wait(runner, run_id, later()));
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.runs WHERE state = 'succeeded' AND error IS NULL"), 1);
    runner_close(runner);
    cluster_fixture_close(db);
}

static void start(struct server *server) {
    *server = (struct server){.database_url = cluster_fixture_conninfo()};
    assert_true(server_start(server));
}

static void stop(struct server *server) {
    assert_int_equal(server_stop(server), 0);
    server_remove(server);
}

/* A run that the first server holds, kept from its end by the lock; the second server is up. */
static struct db *two_servers(struct server servers[2], struct db_conn **lock, char *path, size_t size) {
    struct db *db = open_database();
    start(&servers[0]);
    *lock = hold_up(db);
    ANSWER_AUTO run = server_expect(
        &servers[0], 202, &(struct send){.path = "/v1/runs", .headers = {"Prefer: wait=0"}, .body = ONE_HUNT});
    assert_true(answer_header(&run, "Location", path, size));
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE state = 'running' AND attempt = 1", 1, LIMIT_MS);
    start(&servers[1]);
    return db;
}

static void a_stopping_server_hands_its_run_to_another_at_once(void **state) {
    (void)state;
    struct server servers[2];
    struct db_conn *lock;
    char path[256];
    struct db *db = two_servers(servers, &lock, path, sizeof path);
    int64_t started = mono_ms();
    server_ask_to_stop(&servers[0]);
    database_await(db, "SELECT attempt FROM rmm.runs WHERE state = 'running' AND attempt = 2", 2, LIMIT_MS);
    assert_true(mono_ms() - started < 10000);
    let_go(lock);
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE state = 'succeeded'", 1, LIMIT_MS);
    assert_int_equal(server_wait(&servers[0]), 0);
    server_remove(&servers[0]);
    stop(&servers[1]);
    cluster_fixture_close(db);
}

static void a_killed_servers_run_is_done_by_another(void **state) {
    (void)state;
    struct server servers[2];
    struct db_conn *lock;
    char path[256];
    struct db *db = two_servers(servers, &lock, path, sizeof path);
    server_kill(&servers[0]);
    server_remove(&servers[0]);
    let_go(lock);
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE state = 'succeeded' AND attempt = 2", 1, LIMIT_MS);
    ANSWER_AUTO answer = server_expect(&servers[1], 200, &(struct send){.path = path});
    assert_int_equal(answer_int(&answer, "attempts"), 2);
    stop(&servers[1]);
    cluster_fixture_close(db);
}

static void a_server_that_was_stopped_past_its_lease_wakes_up_and_changes_nothing(void **state) {
    (void)state;
    static const char written[] = "SELECT (extract(epoch FROM r.finished_at) * 1000000)::bigint + "
                                  "(extract(epoch FROM s.finished_at) * 1000000)::bigint + attempt "
                                  "FROM rmm.runs r JOIN rmm.results s ON s.run_id = r.id";
    struct server servers[2];
    struct db_conn *lock;
    char path[256];
    struct db *db = two_servers(servers, &lock, path, sizeof path);
    kill(servers[0].pid, SIGSTOP);
    lease_ends(db);
    let_go(lock);
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE state = 'succeeded' AND attempt = 2", 1, LIMIT_MS);
    int64_t before = database_int(db, written);
    kill(servers[0].pid, SIGCONT);
    stop(&servers[0]);
    assert_int_equal(database_int(db, written), before);
    stop(&servers[1]);
    cluster_fixture_close(db);
}

/* Two servers, and a run of the first that the second has cancelled. */
static struct db *cancelled_elsewhere(struct server servers[2], char *path, size_t size) {
    struct db_conn *lock;
    struct db *db = two_servers(servers, &lock, path, size);
    ANSWER_AUTO asked = server_expect(&servers[1], 202, &(struct send){.method = "DELETE", .path = path});
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE state = 'cancelled'", 1, 10000);
    let_go(lock);
    return db;
}

static void any_server_can_cancel_a_run(void **state) {
    (void)state;
    struct server servers[2];
    char path[256];
    struct db *db = cancelled_elsewhere(servers, path, sizeof path);
    ANSWER_AUTO over = server_expect(&servers[0], 200, &(struct send){.method = "DELETE", .path = path});
    assert_string_equal(answer_text(&over, "state"), "cancelled");
    stop(&servers[0]);
    stop(&servers[1]);
    cluster_fixture_close(db);
}

static void put_hunt(const struct server *server, const char *path, const char *body) {
    ANSWER_AUTO answer = server_expect(server, 201, &(struct send){.method = "PUT", .path = path, .body = body});
}

static void expect_results(const struct server *server, const char *path, const char *format, const char *wanted) {
    char url[300];
    snprintf(url, sizeof url, "%s/results%s", path, format);
    ANSWER_AUTO results = server_expect(server, 200, &(struct send){.path = url});
    if (!strstr(results.body, wanted))
        fail_msg("%s: no '%s' in %s", url, wanted, results.body);
}

/* What a run that is cancelled leaves says so in every format: it isn't "no hits". */
static void expect_cancelled(const struct server *server, const char *path) {
    ANSWER_AUTO over = server_expect(server, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&over, "state"), "cancelled");
    assert_int_equal(answer_int(&over, "hunts.done"), 1);
    expect_results(server, path, "", "\"hunts\":[{\"run_id\":\"1\",\"state\":\"cancelled\"");
    expect_results(server, path, "", "\"code\":\"cancelled\"");
    expect_results(server, path, "?format=table", "cancelled: the run was cancelled before the results of this hunt were stored");
    expect_results(server, path, "?format=csv", "a-quick-one,,,,,,,,cancelled,cancelled: the run was cancelled");
    expect_results(server, path, "?format=ndjson", "\"verdict\":\"cancelled\",\"message\":\"cancelled: the run was cancelled");
}

static void a_run_under_way_says_how_far_it_is(void **state) {
    (void)state;
    struct server server;
    struct db *db = open_database();
    char path[256];
    start(&server);
    put_hunt(&server, "/v1/hunts/00000000-0000-0000-0000-00000000000a", "{\"name\":\"a quick one\",\"query\":\"print 1\"}");
    put_hunt(&server, "/v1/hunts/00000000-0000-0000-0000-00000000000b",
             "{\"name\":\"b slow one\",\"query\":\"range x from 1 to 2000000000 step 1 | summarize count()\"}");
    ANSWER_AUTO run = server_expect(
        &server, 202,
        &(struct send){.path = "/v1/runs", .headers = {"Prefer: wait=0"}, .body = "{\"hunts\":[\"a-quick-one\",\"b-slow-one\"]}"});
    assert_true(answer_header(&run, "Location", path, sizeof path));
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE hunts_done = 1 AND hunts_total = 2", 1, LIMIT_MS);
    ANSWER_AUTO half = server_expect(&server, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&half, "state"), "running");
    assert_int_equal(answer_int(&half, "hunts.done"), 1);
    assert_int_equal(answer_int(&half, "hunts.total"), 2);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.results WHERE body IS NOT NULL"), 0);
    ANSWER_AUTO cancel = server_send(&server, &(struct send){.method = "DELETE", .path = path});
    database_await(db, "SELECT count(*) FROM rmm.runs WHERE state = 'cancelled'", 1, LIMIT_MS);
    expect_cancelled(&server, path);
    stop(&server);
    cluster_fixture_close(db);
}

static void a_cancelled_run_of_one_hunt_says_so(void **state) {
    (void)state;
    struct server servers[2];
    char path[256];
    struct db *db = cancelled_elsewhere(servers, path, sizeof path);
    expect_results(&servers[1], path, "", "\"state\":\"cancelled\"");
    expect_results(&servers[1], path, "?format=csv", "cancelled: the run was cancelled");
    expect_results(&servers[1], path, "?format=table", "cancelled: the run was cancelled");
    expect_results(&servers[1], path, "?format=ndjson", "\"verdict\":\"cancelled\"");
    stop(&servers[0]);
    stop(&servers[1]);
    cluster_fixture_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_lost_its_lease_changes_nothing),
        cmocka_unit_test(a_run_is_given_up_after_ten_attempts),
        cmocka_unit_test(who_waits_sees_the_end_of_a_run_that_another_does),
        cmocka_unit_test(a_lost_connection_is_no_failure_of_the_run),
        cmocka_unit_test(a_stopping_server_hands_its_run_to_another_at_once),
        cmocka_unit_test(a_killed_servers_run_is_done_by_another),
        cmocka_unit_test(a_server_that_was_stopped_past_its_lease_wakes_up_and_changes_nothing),
        cmocka_unit_test(any_server_can_cancel_a_run),
        cmocka_unit_test(a_run_under_way_says_how_far_it_is),
        cmocka_unit_test(a_cancelled_run_of_one_hunt_says_so),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
