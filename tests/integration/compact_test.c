/* Indexes of days at rest are built anew, smaller: nothing else changes, nobody waits for it, and what breaks off is cleared
 * away. The real server, stopped and started with another setting, as its turn comes soon after a start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

enum { EVENTS = 20000, DEVICES = 5000, WAIT_MS = 60000, CAP = 16 << 20, INDEXES = 4, AGO_DAYS = 5 };

#define COMPACTED "\nrmmhunt_compacted_indexes_total "
#define FREED "\nrmmhunt_compacted_bytes_total "
#define TURNS "\nrmmhunt_compact_turns_total "
#define FAILURES "\nrmmhunt_compact_failures_total "
#define BROKEN "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
#define REBUILT "SELECT count(*) FROM rmm.compacted"
#define FULL "SELECT count(*) FROM pg_class WHERE relnamespace = 'data'::regnamespace AND reloptions = '{fillfactor=100}'"

static struct server server, other;

static void start_with(struct server *which, const char *seconds) {
    setenv("RMMHUNT_COMPACT_SECONDS", seconds, 1);
    assert_true(server_start(which));
}

static void restart_with(const char *seconds) {
    assert_int_equal(server_stop(&server), 0);
    start_with(&server, seconds);
}

static int begin(void **state) {
    (void)state;
    server = other = (struct server){0};
    start_with(&server, "0");
    return 0;
}

static int end(void **state) {
    (void)state;
    unsetenv("RMMHUNT_COMPACT_SECONDS");
    unsetenv("RMMHUNT_RETENTION");
    int code = server.pid ? server_stop(&server) : 0;
    if (other.pid)
        code |= server_stop(&other);
    server_remove(&server);
    server_remove(&other);
    return code;
}

static long long metric(const struct server *which, const char *series) {
    ANSWER_AUTO answer = server_expect(which, 200, &(struct send){.path = "/metrics"});
    const char *at = strstr(answer.body, series);
    if (!at)
        fail_msg("no series %s", series);
    return strtoll(at + strlen(series), NULL, 10);
}

static void await_metric(const char *series, long long least) {
    int64_t deadline = mono_ms() + WAIT_MS;
    while (metric(&server, series) < least && ms_left(deadline))
        sleep_ms(20);
    if (metric(&server, series) < least)
        fail_msg("%s is %lld, not %lld", series, metric(&server, series), least);
}

/* Events of that day, devices in no order, as they come in life; gives how many were stored. */
static long long post_day(int64_t days_ago, unsigned first, unsigned count) {
    int64_t day = (ticks_now() / TICKS_DAY - days_ago) * TICKS_DAY;
    char time[TICKS_TEXT];
    BUF_AUTO body = BUF(CAP);
    for (unsigned n = first; n < first + count; n++) {
        ticks_print(day + n * TICKS_SECOND / 4, time);
        buf_printf(&body, "{\"Timestamp\":\"%s\",\"DeviceId\":\"d%u\",\"ReportId\":%u,\"FileName\":\"f%u.exe\"}\n", time,
                   n * 7919 % DEVICES, n, n * 31 % 1000);
    }
    ANSWER_AUTO answer = server_expect(
        &server, 200, &(struct send){.path = "/v1/events/DeviceProcessEvents", .body = buf_cstr(&body)});
    return answer_int(&answer, "stored");
}

static void indexes_of_days_at_rest_become_smaller_and_answers_stay(void **state) {
    static const char one_device[] = "DeviceProcessEvents | where DeviceId == 'd17' | count";
    static const char one_file[] = "DeviceProcessEvents | where FileName == 'f31.exe' | summarize dcount(ReportId)";
    (void)state;
    assert_int_equal(post_day(AGO_DAYS, 0, EVENTS), EVENTS);
    assert_int_equal(post_day(0, 0, EVENTS), EVENTS);
    long long of_device = server_query_int(&server, one_device), of_file = server_query_int(&server, one_file);
    assert_true(of_device > 0 && of_file > 0);
    restart_with("1");
    await_metric(TURNS, 1);
    assert_int_equal(metric(&server, FAILURES), 0);
    assert_in_range(metric(&server, COMPACTED), 3, INDEXES); /* one on empty values may be too small */
    assert_true(metric(&server, FREED) > 100000);
    assert_int_equal(server_query_int(&server, one_device), of_device);
    assert_int_equal(server_query_int(&server, one_file), of_file);
    assert_int_equal(post_day(AGO_DAYS, 0, EVENTS + 10), 10); /* repeats are still known, and late ones still come in */
    struct db *db = database_of(&server);
    assert_int_equal(database_int(db, BROKEN), 0);
    assert_int_equal(database_int(db, FULL), database_int(db, REBUILT)); /* none of the day under way */
    db_close(db);
}

static void what_was_built_is_built_again_only_when_many_rows_came_since(void **state) {
    (void)state;
    post_day(AGO_DAYS, 0, EVENTS);
    restart_with("1");
    await_metric(TURNS, 1);
    post_day(AGO_DAYS, EVENTS, 100);
    restart_with("1");
    await_metric(TURNS, 1);
    assert_int_equal(metric(&server, COMPACTED), 0);
    post_day(AGO_DAYS, EVENTS + 100, EVENTS / 5);
    restart_with("1");
    await_metric(TURNS, 1);
    assert_true(metric(&server, COMPACTED) > 0);
}

/* An old snapshot keeps the first index from its end. */
static void hold_snapshot(struct db *db, struct db_conn **conn) {
    struct err err = {0};
    *conn = db_take(db, mono_ms() + WAIT_MS, &err);
    assert_non_null(*conn);
    assert_true(db_begin(*conn, "ISOLATION LEVEL REPEATABLE READ", mono_ms() + WAIT_MS, &err));
    assert_true(db_exec(*conn, "SELECT count(*) FROM rmm.batches", NULL, 0, mono_ms() + WAIT_MS, NULL, &err));
}

/* A server that starts clears away what broke off, and builds what is due. */
static void expect_all_done_by_the_next(void) {
    restart_with("1");
    await_metric(TURNS, 1);
    struct db *db = database_of(&server);
    assert_int_equal(database_int(db, BROKEN), 0);
    assert_true(database_int(db, REBUILT) >= 3);
    db_close(db);
}

static void ingest_and_hunts_go_on_meanwhile_and_what_breaks_off_is_cleared_away(void **state) {
    struct db_conn *held;
    (void)state;
    post_day(AGO_DAYS, 0, EVENTS);
    assert_int_equal(server_stop(&server), 0);
    start_with(&server, "1");
    struct db *db = database_of(&server);
    hold_snapshot(db, &held);
    database_await(db, BROKEN, 1, WAIT_MS);
    assert_int_equal(post_day(AGO_DAYS, 0, EVENTS + 10), 10);
    assert_int_equal(server_query_int(&server, "DeviceProcessEvents | count"), EVENTS + 10);
    database_do(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'REINDEX%'");
    await_metric(FAILURES, 1);
    assert_int_equal(database_int(db, BROKEN), 1);
    db_give(held);
    db_close(db);
    expect_all_done_by_the_next();
}

static void a_server_stops_and_a_killed_one_comes_back_while_an_index_is_being_built(void **state) {
    struct db_conn *held;
    (void)state;
    post_day(AGO_DAYS, 0, EVENTS);
    restart_with("1");
    struct db *db = database_of(&server);
    hold_snapshot(db, &held);
    database_await(db, BROKEN, 1, WAIT_MS);
    server_kill(&server);
    start_with(&server, "1");
    assert_int_equal(server_query_int(&server, "DeviceProcessEvents | count"), EVENTS);
    db_give(held);
    database_await(db, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'REINDEX%'", 0, WAIT_MS);
    db_close(db);
    expect_all_done_by_the_next();
}

/* So that the day of AGO_DAYS ago goes in so many hours, and half an hour at most. */
static void keep_events(int hours) {
    char retention[24];
    int64_t since = ticks_now() - (ticks_now() / TICKS_DAY - AGO_DAYS + 1) * TICKS_DAY;
    snprintf(retention, sizeof retention, "PT%lldM", (long long)(since / (60 * TICKS_SECOND) + hours * 60 + 30));
    setenv("RMMHUNT_RETENTION", retention, 1);
}

static void days_that_are_dropped_soon_stay_as_they_are_and_nothing_is_kept_of_those_that_went(void **state) {
    (void)state;
    post_day(AGO_DAYS, 0, EVENTS);
    keep_events(2);
    restart_with("1");
    await_metric(TURNS, 1);
    assert_int_equal(metric(&server, COMPACTED), 0);
    keep_events(20);
    restart_with("1");
    await_metric(COMPACTED, 3);
    struct db *db = database_of(&server);
    assert_true(database_int(db, REBUILT) >= 3);
    db_close(db);
    keep_events(-24);
    restart_with("1");
    db = database_of(&server);
    database_await(db, REBUILT, 0, WAIT_MS);
    db_close(db);
}

/* Both see the same things due at the same time. */
static void of_two_servers_one_builds_each_index(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    server = other = (struct server){0};
    server.database_url = other.database_url = cluster_fixture_conninfo();
    start_with(&server, "0");
    for (int64_t days = AGO_DAYS; days < AGO_DAYS + 3; days++)
        post_day(days, 0, EVENTS);
    restart_with("1");
    start_with(&other, "1");
    database_await(db, "SELECT count(*) / 9 FROM rmm.compacted", 1, WAIT_MS);
    int64_t deadline = mono_ms() + WAIT_MS;
    while (metric(&server, COMPACTED) + metric(&other, COMPACTED) < database_int(db, REBUILT) && ms_left(deadline))
        sleep_ms(20); /* each counts at the end of its turn */
    assert_int_equal(metric(&server, COMPACTED) + metric(&other, COMPACTED), database_int(db, REBUILT));
    assert_int_equal(metric(&server, FAILURES) + metric(&other, FAILURES), 0);
    assert_int_equal(database_int(db, BROKEN), 0);
    cluster_fixture_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(indexes_of_days_at_rest_become_smaller_and_answers_stay, begin, end),
        cmocka_unit_test_setup_teardown(what_was_built_is_built_again_only_when_many_rows_came_since, begin, end),
        cmocka_unit_test_setup_teardown(ingest_and_hunts_go_on_meanwhile_and_what_breaks_off_is_cleared_away, begin, end),
        cmocka_unit_test_setup_teardown(a_server_stops_and_a_killed_one_comes_back_while_an_index_is_being_built, begin, end),
        cmocka_unit_test_setup_teardown(days_that_are_dropped_soon_stay_as_they_are_and_nothing_is_kept_of_those_that_went, begin,
                                        end),
        cmocka_unit_test_teardown(of_two_servers_one_builds_each_index, end),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
