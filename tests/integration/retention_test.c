/* What is older than its setting goes, nothing else does, and neither ingest nor hunts stand behind it: the real server,
 * stopped and started with other settings, as its turn comes at once after a start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kql/schema.h"
#include "store/retention.h"
#include "tests/support/database.h"

enum { WAIT_MS = 60000, SENDERS = 3, BODIES = 12, BODY_DAYS = 40, CAP = 16 << 20 };

static struct server server;

static void start_with(const char *retention) {
    setenv("RMMHUNT_RETENTION", retention, 1);
    assert_true(server_start(&server));
}

static void restart_with(const char *retention) {
    assert_int_equal(server_stop(&server), 0);
    start_with(retention);
}

static int begin(void **state) {
    (void)state;
    server = (struct server){0};
    start_with("3650d");
    return 0;
}

static int end(void **state) {
    (void)state;
    unsetenv("RMMHUNT_RETENTION");
    int code = server.pid ? server_stop(&server) : 0;
    server_remove(&server);
    return code;
}

static void add_event(struct buf *out, const char *device, int64_t ticks, unsigned report) {
    char time[TICKS_TEXT];
    ticks_print(ticks, time);
    buf_printf(out, "{\"Timestamp\":\"%s\",\"DeviceId\":\"%s\",\"ReportId\":%u,\"MachineGroup\":\"g\"}\n", time, device,
               report);
}

static void post_event(const char *device, int64_t ticks) {
    BUF_AUTO body = BUF(CAP);
    add_event(&body, device, ticks, 1);
    ANSWER_AUTO answer = server_expect(
        &server, 200, &(struct send){.path = "/v1/events/DeviceProcessEvents", .body = buf_cstr(&body)});
    assert_int_equal(answer_int(&answer, "stored"), 1);
}

static long long metric(const char *series) {
    ANSWER_AUTO answer = server_expect(&server, 200, &(struct send){.path = "/metrics"});
    const char *at = strstr(answer.body, series);
    if (!at)
        fail_msg("no series %s", series);
    return strtoll(at + strlen(series), NULL, 10);
}

static void pause_briefly(void) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void wait_for_metric(const char *series, long long least) {
    int64_t deadline = mono_ms() + WAIT_MS;
    while (metric(series) < least && ms_left(deadline))
        pause_briefly();
    if (metric(series) < least)
        fail_msg("%s is %lld, not %lld", series, metric(series), least);
}

#define FAILURES "\nrmmhunt_retention_failures_total "
#define TURNS "\nrmmhunt_retention_turns_total "
#define DROPPED(kind) "\nrmmhunt_retention_dropped_total{kind=\"" kind "\"} "

static long long events_of(const char *device) {
    char kql[256];
    snprintf(kql, sizeof kql, "DeviceProcessEvents | where DeviceId == '%s' | count", device);
    return server_query_int(&server, kql);
}

static void the_metrics_are_there_at_zero_from_the_start(void **state) {
    static const char *const series[] = {DROPPED("partitions"), DROPPED("events"), DROPPED("batches"), DROPPED("results"),
                                         DROPPED("runs"), DROPPED("changes"), DROPPED("rejected"),
                                         FAILURES};
    (void)state;
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        assert_int_equal(metric(series[i]), 0);
    wait_for_metric(TURNS, 1);
}

static void days_go_when_all_of_them_is_older_and_the_rest_stays(void **state) {
    int64_t edge = (ticks_now() - 30 * TICKS_DAY) / TICKS_DAY * TICKS_DAY; /* start of the day that is partly older */
    (void)state;
    post_event("ancient", edge - 70 * TICKS_DAY);
    post_event("last-tick-gone", edge - 1);
    post_event("first-tick-kept", edge);
    post_event("recent", edge + 29 * TICKS_DAY);
    restart_with("P30D");
    wait_for_metric(DROPPED("partitions"), 2);
    assert_int_equal(metric(DROPPED("events")), 2);
    assert_int_equal(events_of("ancient"), 0);
    assert_int_equal(events_of("last-tick-gone"), 0);
    assert_int_equal(events_of("first-tick-kept"), 1);
    assert_int_equal(events_of("recent"), 1);
    struct db *db = database_of(&server);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.present"), 2);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.reporters"), 2);
    assert_int_equal(database_int(db, "SELECT sum(rows)::bigint FROM rmm.counts"), 2);
    db_close(db);
}

static void expect_words(const struct answer *answer, const char *words) {
    if (!strstr(answer->body, words))
        fail_msg("no '%s' in %s", words, answer->body);
}

/* A run over a window in ticks: its results. */
static struct answer run_window(int64_t from, int64_t to) {
    char body[256], first[TICKS_TEXT], last[TICKS_TEXT];
    ticks_print(from, first);
    ticks_print(to, last);
    snprintf(body, sizeof body, "{\"hunts\":[\"all\"],\"from\":\"%s\",\"to\":\"%s\"}", first, last);
    return server_expect(&server, 201, &(struct send){.path = "/v1/runs", .body = body});
}

static void results_name_the_days_of_their_window_that_are_gone(void **state) {
    int64_t edge = (ticks_now() - 30 * TICKS_DAY) / TICKS_DAY * TICKS_DAY;
    char gone[TICKS_TEXT], words[128], query[256];
    (void)state;
    post_event("gone", edge - 1);
    post_event("kept", edge);
    restart_with("P30D");
    wait_for_metric(DROPPED("partitions"), 1);
    ANSWER_AUTO put = server_expect(&server, 201, &(struct send){.method = "PUT",
                                                                 .path = "/v1/hunts/00000000-0000-0000-0000-00000000000a",
                                                                 .body = "{\"name\":\"all\",\"query\":\"DeviceProcessEvents | "
                                                                         "where DeviceId == 'gone' | summarize count() by DeviceId\"}"});
    ticks_print(edge - 1, gone);
    snprintf(words, sizeof words, "\"from\":\"%.10s\",\"to\":\"%.10s\",\"days\":1,", gone, gone);
    ANSWER_AUTO part = run_window(edge - 1, ticks_now()), all = run_window(edge - 2, edge - 1), none = run_window(edge, ticks_now());
    assert_string_equal(answer_text(&part, "verdict"), "no_hits");
    assert_string_equal(answer_text(&part, "warnings.0.code"), "events_deleted");
    expect_words(&part, words);
    assert_string_equal(answer_text(&all, "verdict"), "no_data");
    expect_words(&all, words);
    assert_int_equal(json_array_size(answer_at(&none, "warnings")), 0);
    static const char *const formats[] = {"table", "csv", "ndjson"};
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/runs/1/results?format=%s", formats[i]);
        ANSWER_AUTO shown = server_expect(&server, 200, &(struct send){.path = path});
        expect_words(&shown, "retention has deleted events of DeviceProcessEvents of 1 day");
    }
    snprintf(query, sizeof query, "{\"query\":\"DeviceProcessEvents | where Timestamp >= datetime(%s) | count\"}", gone);
    ANSWER_AUTO asked = server_expect(&server, 200, &(struct send){.path = "/v1/query", .body = query});
    expect_words(&asked, words);
}

static void expect_hunt(const char *device, long long kept, long long count, const char *first) {
    char path[64];
    snprintf(path, sizeof path, "/v1/devices/%s", device);
    ANSWER_AUTO answer = server_expect(&server, 200, &(struct send){.path = path});
    assert_int_equal(answer_int(&answer, "tools.0.by_signal.0.hunts.0.events_kept"), kept);
    assert_int_equal(answer_int(&answer, "tools.0.by_signal.0.hunts.0.count"), count);
    assert_string_equal(answer_text(&answer, "tools.0.by_signal.0.hunts.0.first_seen"), first);
    assert_string_equal(answer_text(&answer, "tools.0.by_signal.0.hunts.0.report_ids.0"), "1");
}

static void what_hunts_found_stays_known_when_its_events_go(void **state) {
    int64_t edge = (ticks_now() - 30 * TICKS_DAY) / TICKS_DAY * TICKS_DAY;
    char first[TICKS_TEXT], day[64];
    (void)state;
    ANSWER_AUTO put = server_expect(&server, 201, &(struct send){.method = "PUT",
                                                                 .path = "/v1/hunts/00000000-0000-0000-0000-00000000000a",
                                                                 .body = "{\"name\":\"all\",\"query\":\"DeviceProcessEvents | "
                                                                         "summarize count() by DeviceId\"}"});
    post_event("part", edge - 2 * TICKS_DAY);
    post_event("part", edge - 1);
    post_event("part", edge);
    post_event("whole", edge - 2 * TICKS_DAY);
    ANSWER_AUTO run = run_window(edge - 3 * TICKS_DAY, ticks_now());
    restart_with("P30D");
    wait_for_metric(DROPPED("partitions"), 2);
    ticks_print(edge - 2 * TICKS_DAY, first);
    expect_hunt("part", 1, 3, first);
    expect_hunt("whole", 0, 1, first);
    ANSWER_AUTO ledger = server_expect(&server, 200, &(struct send){.path = "/v1/devices/whole/evidence"});
    assert_int_equal(json_array_size(answer_at(&ledger, "events")), 0);
    assert_non_null(strstr(answer_text(&ledger, "warnings.0.message"), "0 of the 1 events that the hunt found on the device are kept"));
    ANSWER_AUTO shown = server_expect(&server, 200, &(struct send){.path = "/v1/devices/part/evidence?run=1&hunt=all"});
    assert_int_equal(json_array_size(answer_at(&shown, "events")), 1);
    snprintf(day, sizeof day, "retention has deleted those of %.10s to", first);
    assert_non_null(strstr(answer_text(&shown, "warnings.0.message"), day));
    ANSWER_AUTO later = run_window(edge, ticks_now());
    ANSWER_AUTO after = server_expect(&server, 200, &(struct send){.path = "/v1/devices/part/evidence?run=2&hunt=all"});
    assert_int_equal(json_array_size(answer_at(&after, "warnings")), 0);
}

static void what_arrives_old_is_kept_as_long_again(void **state) {
    (void)state;
    restart_with("30d");
    post_event("archive", ticks_now() - 800 * TICKS_DAY);
    restart_with("30d");
    wait_for_metric(TURNS, 1);
    assert_int_equal(events_of("archive"), 1);
    struct db *db = database_of(&server);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.days WHERE archived IS NOT NULL"), 1);
    database_do(db, "UPDATE rmm.days SET archived = archived - 31::bigint * 864000000000");
    db_close(db);
    restart_with("30d");
    wait_for_metric(DROPPED("partitions"), 1);
    assert_int_equal(events_of("archive"), 0);
}

struct sender {
    pthread_t thread;
    unsigned number;
    int64_t from;
    long long stored;
    bool failed;
};

/* Bodies with an event a day each, old days and new. */
static void *send_all_days(void *argument) {
    struct sender *sender = argument;
    for (unsigned b = 0; b < BODIES; b++) {
        BUF_AUTO body = BUF(CAP);
        for (unsigned day = 0; day < BODY_DAYS; day++)
            for (unsigned i = 0; i < 25; i++)
                add_event(&body, "all-days", sender->from + day * TICKS_DAY + i, (sender->number * BODIES + b) * 25 + i);
        ANSWER_AUTO answer = server_send(
            &server, &(struct send){.path = "/v1/events/DeviceProcessEvents", .body = buf_cstr(&body)});
        sender->failed = sender->failed || answer.status != 200;
        if (answer.status == 200)
            sender->stored += json_integer_value(json_object_get(answer.json, "stored"));
    }
    return NULL;
}

static void nothing_that_comes_during_drops_is_lost_or_refused(void **state) {
    int64_t from = ticks_now() / TICKS_DAY * TICKS_DAY - (BODY_DAYS - 1) * TICKS_DAY;
    struct sender senders[SENDERS] = {0};
    long long stored = 0;
    (void)state;
    for (unsigned day = 0; day < BODY_DAYS; day++)
        post_event("before", from + day * TICKS_DAY);
    restart_with("10d");
    wait_for_metric(DROPPED("partitions"), 2);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].number = i;
        senders[i].from = from;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all_days, &senders[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_false(senders[i].failed);
        stored += senders[i].stored;
    }
    assert_int_equal(stored, SENDERS * BODIES * BODY_DAYS * 25);
    wait_for_metric(TURNS, 1);
    assert_int_equal(events_of("all-days"), stored);
    /* of the events before, days that others came for in time stay whole; eleven days are within retention */
    long long dropped = metric(DROPPED("partitions"));
    assert_true(dropped >= 2 && dropped <= BODY_DAYS - 11);
    assert_int_equal(events_of("before"), BODY_DAYS - dropped);
    assert_int_equal(metric(FAILURES), 0);
}

static void a_partition_that_another_server_dropped_is_made_again(void **state) {
    int64_t ticks = ticks_now() - 2 * TICKS_DAY;
    (void)state;
    post_event("one", ticks);
    struct db *db = database_of(&server);
    database_do(db, "DO $$ DECLARE name regclass; BEGIN FOR name IN SELECT inhrelid FROM pg_inherits JOIN pg_class "
                    "ON oid = inhparent WHERE relnamespace = 'data'::regnamespace AND relkind = 'p' LOOP "
                    "EXECUTE 'DROP TABLE ' || name; END LOOP; END $$");
    db_close(db);
    post_event("two", ticks);
    assert_int_equal(events_of("one"), 0);
    assert_int_equal(events_of("two"), 1);
}

struct turn {
    pthread_t thread;
    struct db *db;
    struct retention_report report;
    bool ok;
    atomic_bool over;
};

static void *turn_run(void *argument) {
    struct turn *turn = argument;
    struct retention retention = {
        .events = 30 * TICKS_DAY, .runs = TICKS_DAY, .changes = TICKS_DAY, .rejected = TICKS_DAY};
    static const atomic_bool stop;
    struct err err = {0};
    turn->ok = retention_pass(turn->db, &retention, &stop, &turn->report, &err);
    atomic_store(&turn->over, true);
    return NULL;
}

static void turn_start(struct turn *turn, struct db *db) {
    *turn = (struct turn){.db = db};
    assert_int_equal(pthread_create(&turn->thread, NULL, turn_run, turn), 0);
}

/* A hunt that reads for long keeps the day from going, and those who write don't stand behind the one who waits. */
static void behind_a_long_hunt_ingest_goes_on_and_the_day_goes_later(void **state) {
    struct err err = {0};
    struct turn turn;
    (void)state;
    post_event("old", ticks_now() - 60 * TICKS_DAY);
    wait_for_metric(TURNS, 1);
    struct db *db = database_of(&server);
    struct db_conn *hunt = db_take(db, mono_ms() + WAIT_MS, &err);
    assert_non_null(hunt);
    assert_true(db_begin(hunt, "", mono_ms() + WAIT_MS, &err));
    assert_true(db_exec(hunt, "SELECT count(*) FROM data.device_process_events", NULL, 0, mono_ms() + WAIT_MS, NULL, &err));
    turn_start(&turn, db);
    int64_t longest = 0;
    for (unsigned i = 0; i < 3 || !atomic_load(&turn.over); i++) {
        int64_t from = mono_ms();
        post_event("new", ticks_now());
        longest = mono_ms() - from > longest ? mono_ms() - from : longest;
    }
    pthread_join(turn.thread, NULL);
    assert_true(turn.ok && turn.report.busy);
    assert_int_equal(turn.report.dropped[RETENTION_PARTITIONS], 0);
    assert_true(longest < 3000);
    db_rollback(hunt);
    turn_start(&turn, db);
    pthread_join(turn.thread, NULL);
    assert_true(turn.ok && !turn.report.busy);
    assert_int_equal(turn.report.dropped[RETENTION_PARTITIONS], 1);
    assert_int_equal(events_of("old"), 0);
    db_give(hunt);
    db_close(db);
}

static void of_two_servers_on_one_database_each_day_is_dropped_once(void **state) {
    struct turn turns[2];
    (void)state;
    for (int day = 31; day < 41; day++)
        post_event("old", ticks_now() - day * TICKS_DAY);
    wait_for_metric(TURNS, 1);
    struct db *first = database_of(&server), *second = database_of(&server);
    turn_start(&turns[0], first);
    turn_start(&turns[1], second);
    pthread_join(turns[0].thread, NULL);
    pthread_join(turns[1].thread, NULL);
    assert_true(turns[0].ok && turns[1].ok);
    /* ten days, of which the youngest has hours within retention unless it is midnight */
    long long dropped =
        turns[0].report.dropped[RETENTION_PARTITIONS] + turns[1].report.dropped[RETENTION_PARTITIONS];
    assert_int_equal(dropped + events_of("old"), 10);
    assert_true(dropped >= 9);
    assert_int_equal(turns[0].report.dropped[RETENTION_EVENTS] + turns[1].report.dropped[RETENTION_EVENTS], dropped);
    db_close(first);
    db_close(second);
}

static void old_runs_go_but_for_the_latest_result_of_a_hunt(void **state) {
    static const char *const age = "UPDATE rmm.runs SET finished_at = finished_at - interval '31 days' WHERE id < 4";
    (void)state;
    for (int i = 0; i < 4; i++) { /* runs 1 and 2 of the signature hunt, 3 of both, 4 of the process hunt */
        static const char *const bodies[] = {
            "{\"hunts\":[\"remotepc-file-signature\"]}", "{\"hunts\":[\"remotepc-file-signature\"]}",
            "{\"hunts\":[\"remotepc-file-signature\",\"remotepc-create-process\"]}",
            "{\"hunts\":[\"remotepc-create-process\"]}"};
        ANSWER_AUTO answer = server_expect(&server, 201, &(struct send){.path = "/v1/runs", .body = bodies[i]});
    }
    struct db *db = database_of(&server);
    database_do(db, age);
    db_close(db);
    restart_with("30d");
    wait_for_metric(DROPPED("runs"), 2);
    assert_int_equal(metric(DROPPED("results")), 3);
    db = database_of(&server);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.runs"), 2);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.results WHERE run_id = 3"), 1);
    db_close(db);
    ANSWER_AUTO kept =
        server_expect(&server, 200, &(struct send){.path = "/v1/hunts/remotepc-file-signature/results"});
    assert_string_equal(answer_text(&kept, "run_id"), "3");
}

static void old_dead_letters_commits_and_changes_go(void **state) {
    (void)state;
    post_event("new", ticks_now());
    static const char *const bad[] = {"{\"Timestamp\":\"2026-01-01T00:00:00Z\"}", "{\"Timestamp\":\"2026-01-02T00:00:00Z\"}"};
    for (int i = 0; i < 2; i++) {
        ANSWER_AUTO answer =
            server_expect(&server, 200, &(struct send){.path = "/v1/events/DeviceProcessEvents", .body = bad[i]});
        assert_int_equal(answer_int(&answer, "rejected"), 1);
    }
    struct db *db = database_of(&server);
    database_do(db, "UPDATE rmm.dead_letters SET last_seen_at = last_seen_at - interval '31 days' WHERE id = (SELECT min(id) FROM rmm.dead_letters)");
    database_do(db, "UPDATE rmm.batches SET arrived_at = arrived_at - interval '61 days' WHERE id = 1");
    database_do(db, "INSERT INTO rmm.changes (at, type, detail) SELECT clock_timestamp() - n * interval '1 day', 'test', "
                    "'{}' FROM generate_series(0, 99) n");
    long long batches = database_int(db, "SELECT count(*) FROM rmm.batches");
    db_close(db);
    restart_with("30d");
    wait_for_metric(TURNS, 1);
    assert_int_equal(metric(DROPPED("rejected")), 1);
    assert_int_equal(metric(DROPPED("batches")), 1);
    assert_int_equal(metric(DROPPED("changes")), 10);
    db = database_of(&server);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.dead_letters"), 1);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.batches"), batches - 1);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.changes"), 90);
    db_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_metrics_are_there_at_zero_from_the_start, begin, end),
        cmocka_unit_test_setup_teardown(days_go_when_all_of_them_is_older_and_the_rest_stays, begin, end),
        cmocka_unit_test_setup_teardown(results_name_the_days_of_their_window_that_are_gone, begin, end),
        cmocka_unit_test_setup_teardown(what_hunts_found_stays_known_when_its_events_go, begin, end),
        cmocka_unit_test_setup_teardown(what_arrives_old_is_kept_as_long_again, begin, end),
        cmocka_unit_test_setup_teardown(nothing_that_comes_during_drops_is_lost_or_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_partition_that_another_server_dropped_is_made_again, begin, end),
        cmocka_unit_test_setup_teardown(behind_a_long_hunt_ingest_goes_on_and_the_day_goes_later, begin, end),
        cmocka_unit_test_setup_teardown(of_two_servers_on_one_database_each_day_is_dropped_once, begin, end),
        cmocka_unit_test_setup_teardown(old_runs_go_but_for_the_latest_result_of_a_hunt, begin, end),
        cmocka_unit_test_setup_teardown(old_dead_letters_commits_and_changes_go, begin, end),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
