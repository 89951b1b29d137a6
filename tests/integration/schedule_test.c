/* Schedules on a database that servers share: every slot has exactly one result, whatever dies; what was missed is caught
 * up as each policy says; zones are the database's. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "hunts/registry.h"
#include "hunts/scheduler.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"
#include "tests/support/server_fixture.h"

enum { LIMIT_MS = 90 * 1000, SERVERS = 4, CHAOS_MS = 25000, ASLEEP_MS = 18000, LAG_BAR_MS = 2000 };
/* For the lag: as many slots as a 99th percentile is told from, and a control that says when the machine is too busy for it. */
enum { CALM_SLOTS = 101, SPARE_SLOTS = 9, CONTROL_EACH_MS = 100, CONTROL_COMMITS = 4, STALL_MS = LAG_BAR_MS / 4 };

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

static void start(struct server *server) {
    *server = (struct server){.database_url = cluster_fixture_conninfo(), .schedules = true};
    assert_true(server_start(server));
}

static void stop(struct server *server) {
    assert_int_equal(server_stop(server), 0);
    server_remove(server);
}

static void make_schedule(const struct server *server, const char *id, const char *when, const char *policy) {
    char body[512];
    snprintf(body, sizeof body, "{\"id\":\"%s\",%s,%s,\"hunts\":[\"remotepc-file-signature\"],\"window\":\"P5D\"}", id, when,
             policy);
    ANSWER_AUTO answer = server_expect(server, 201, &(struct send){.path = "/v1/schedules", .body = body});
    assert_string_equal(answer_text(&answer, "id"), id);
}

static void the_catalogue_schedule_is_there_once(void **state) {
    (void)state;
    struct server server;
    struct db *db = cluster_fixture_database(4);
    start(&server);
    ANSWER_AUTO list = server_expect(&server, 200, &(struct send){.path = "/v1/schedules"});
    assert_int_equal(json_array_size(answer_at(&list, "schedules")), 1);
    assert_string_equal(answer_text(&list, "schedules.0.id"), "catalogue");
    assert_string_equal(answer_text(&list, "schedules.0.every"), "15m");
    assert_string_equal(answer_text(&list, "schedules.0.window"), "P5D");
    assert_true(json_is_true(answer_at(&list, "schedules.0.all")));
    ANSWER_AUTO gone = server_expect(&server, 204, &(struct send){.method = "DELETE", .path = "/v1/schedules/catalogue"});
    stop(&server);
    start(&server);
    ANSWER_AUTO still = server_expect(&server, 404, &(struct send){.path = "/v1/schedules/catalogue"});
    stop(&server);
    cluster_fixture_close(db);
}

static void a_slots_run_looks_at_the_window_before_the_slot(void **state) {
    (void)state;
    struct server server;
    struct db *db = cluster_fixture_database(4);
    start(&server);
    make_schedule(&server, "s", "\"every\":\"1s\"", "\"catch_up\":\"all\"");
    database_await(db, "SELECT least(count(*), 3) FROM rmm.slots WHERE state = 'succeeded'", 3, LIMIT_MS);
    DB_ROWS_AUTO *rows =
        database_rows(db, "SELECT count(*) FROM rmm.slots s JOIN rmm.runs r ON r.id = s.run_id WHERE r.as_of <> "
                          "s.slot OR r.window_to <> s.slot OR r.window_from <> s.slot - 5 * 864000000000 OR "
                          "s.slot % 10000000 <> 0");
    assert_int_equal(db_int(rows, 0, 0), 0);
    ANSWER_AUTO slots = server_expect(&server, 200, &(struct send){.path = "/v1/schedules/s/slots?limit=2"});
    assert_int_equal(json_array_size(answer_at(&slots, "slots")), 2);
    assert_true(json_is_string(answer_at(&slots, "next")));
    assert_true(answer_int(&slots, "slots.1.start_lag_ms") >= 0);
    stop(&server);
    cluster_fixture_close(db);
}

static void a_schedule_is_read_replaced_paused_and_run_by_hand(void **state) {
    (void)state;
    struct server server;
    struct db *db = cluster_fixture_database(4);
    start(&server);
    make_schedule(&server, "s", "\"cron\":\"30 6 * * MON-FRI\",\"time_zone\":\"europe/berlin\"", "\"catch_up\":\"none\"");
    struct send again = {.path = "/v1/schedules", .body = "{\"id\":\"s\",\"every\":\"1h\",\"all\":true}"};
    ANSWER_AUTO conflict = server_expect(&server, 409, &again);
    ANSWER_AUTO read = server_expect(&server, 200, &(struct send){.path = "/v1/schedules/s"});
    assert_string_equal(answer_text(&read, "time_zone"), "Europe/Berlin");
    assert_true(json_is_string(answer_at(&read, "next_slot")));
    json_object_set_new(read.json, "enabled", json_false());
    char *body = json_dumps(read.json, JSON_COMPACT);
    struct send put = {.method = "PUT", .path = "/v1/schedules/s", .body = body};
    ANSWER_AUTO paused = server_expect(&server, 200, &put);
    free(body);
    assert_true(json_is_null(answer_at(&paused, "next_slot")));
    assert_string_equal(answer_text(&paused, "cron"), "30 6 * * MON-FRI");
    ANSWER_AUTO run = server_expect(&server, 201, &(struct send){.method = "POST", .path = "/v1/schedules/s/run"});
    assert_string_equal(answer_text(&run, "state"), "succeeded");
    ANSWER_AUTO slots = server_expect(&server, 200, &(struct send){.path = "/v1/schedules/s/slots"});
    assert_int_equal(json_array_size(answer_at(&slots, "slots")), 1);
    assert_true(json_is_true(answer_at(&slots, "slots.0.by_hand")));
    assert_string_equal(answer_text(&slots, "slots.0.run_id"), answer_text(&run, "run_id"));
    ANSWER_AUTO none = server_expect(&server, 404, &(struct send){.path = "/v1/schedules/x/slots"});
    stop(&server);
    cluster_fixture_close(db);
}

static void what_is_wrong_with_a_schedule_is_told_by_its_member(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"every", "\"every\":\"7x\"", "\"all\":true"},      {"every", "\"every\":\"100ms\"", "\"all\":true"},
        {"cron", "\"cron\":\"0 0 30 2 *\"", "\"all\":true"}, {"cron", "\"cron\":\"0 0 * * *\",\"every\":\"1h\"", "\"all\":true"},
        {"cron", "\"name\":\"x\"", "\"all\":true"},          {"time_zone", "\"cron\":\"0 0 * * *\",\"time_zone\":\"Mars/Dome\"", "\"all\":true"},
        {"window", "\"every\":\"1h\",\"window\":\"wide\"", "\"all\":true"},
        {"catch_up", "\"every\":\"1h\",\"catch_up\":\"some\"", "\"all\":true"},
        {"catch_up_limit", "\"every\":\"1h\",\"catch_up_limit\":1001", "\"all\":true"},
        {"enabled", "\"every\":\"1h\",\"enabled\":1", "\"all\":true"},
        {"hunts", "\"every\":\"1h\"", "\"hunts\":[]"},       {"colour", "\"every\":\"1h\",\"colour\":1", "\"all\":true"},
    };
    struct server server;
    struct db *db = cluster_fixture_database(4);
    start(&server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"id\":\"s\",%s,%s}", cases[i][1], cases[i][2]);
        ANSWER_AUTO answer = server_expect(&server, 400, &(struct send){.path = "/v1/schedules", .body = body});
        assert_string_equal(answer_text(&answer, "errors.0.field"), cases[i][0]);
    }
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.schedules"), 1);
    stop(&server);
    cluster_fixture_close(db);
}

/* Three slots of an hourly schedule are missed, the last half an hour before now. */
static void three_hours_down_are_caught_up_as_each_policy_says(void **state) {
    (void)state;
    static const char *const policies[][3] = {
        {"latest", "\"catch_up\":\"latest\"", "skipped skipped succeeded"},
        {"all", "\"catch_up\":\"all\"", "succeeded succeeded succeeded"},
        {"newest-two", "\"catch_up\":\"all\",\"catch_up_limit\":2", "skipped succeeded succeeded"},
        {"none", "\"catch_up\":\"none\"", "skipped skipped skipped"},
    };
    struct server server;
    struct db *db = cluster_fixture_database(4);
    char when[64];
    start(&server);
    snprintf(when, sizeof when, "\"cron\":\"%d * * * *\"",
             (int)database_int(db, "SELECT (extract(minute FROM clock_timestamp())::int + 30) % 60"));
    for (size_t i = 0; i < 4; i++)
        make_schedule(&server, policies[i][0], when, policies[i][1]);
    stop(&server);
    database_do(db,
                "UPDATE rmm.schedules SET settled = settled - 3 * 36000000000, next_slot = next_slot - 3 * 36000000000 "
                "WHERE cron IS NOT NULL RETURNING 1");
    start(&server);
    database_await(db, "SELECT count(*) FROM rmm.slots WHERE finished_at IS NOT NULL", 12, LIMIT_MS);
    for (size_t i = 0; i < 4; i++) {
        char sql[512];
        snprintf(sql, sizeof sql,
                 "SELECT string_agg(s.state, ' ' ORDER BY s.slot), count(*) FILTER (WHERE "
                 "s.slot = (SELECT next_slot FROM rmm.schedules WHERE id = s.schedule_id) - k.k * 36000000000) "
                 "FROM (SELECT *, row_number() OVER (ORDER BY slot DESC) AS k FROM rmm.slots WHERE schedule_id = '%s') s, "
                 "LATERAL (SELECT s.k) k",
                 policies[i][0]);
        DB_ROWS_AUTO *rows = database_rows(db, sql);
        struct str states = db_text(rows, 0, 0);
        if (!str_eq(states, str_from(policies[i][2])))
            fail_msg("%s: %.*s", policies[i][0], STR_ARG(states));
        assert_int_equal(db_int(rows, 0, 1), 3);
    }
    stop(&server);
    cluster_fixture_close(db);
}

static void enable(const struct server *server, bool enabled) {
    ANSWER_AUTO read = server_expect(server, 200, &(struct send){.path = "/v1/schedules/s"});
    json_object_set_new(read.json, "enabled", json_boolean(enabled));
    char *body = json_dumps(read.json, JSON_COMPACT);
    ANSWER_AUTO put = server_expect(server, 200, &(struct send){.method = "PUT", .path = "/v1/schedules/s", .body = body});
    free(body);
}

/* Nothing takes slots here, as when the one before is under way. */
static void slots_that_passed_before_a_pause_are_listed_as_skipped(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(4);
    struct server server = {.database_url = cluster_fixture_conninfo()};
    char when[64];
    assert_true(server_start(&server));
    snprintf(when, sizeof when, "\"cron\":\"%d * * * *\"",
             (int)database_int(db, "SELECT (extract(minute FROM clock_timestamp())::int + 30) % 60"));
    make_schedule(&server, "s", when, "\"catch_up\":\"all\"");
    database_do(db, "UPDATE rmm.schedules SET settled = settled - 3 * 36000000000 WHERE id = 's'");
    enable(&server, true); /* as it was: the backlog stays */
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.slots"), 0);
    enable(&server, false);
    enable(&server, false);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.slots WHERE state = 'skipped' AND run_id IS NULL"), 3);
    enable(&server, true);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.slots"), 3);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.schedules WHERE id = 's' AND next_slot > rmm.ticks(clock_timestamp())"), 1);
    stop(&server);
    cluster_fixture_close(db);
}

/* Schedules whose newest slot was missed, and three that can't be worked with, which come first. */
static void make_many_due(struct db *db) {
    database_do(db, "DELETE FROM rmm.schedules");
    database_do(db, "INSERT INTO rmm.schedules (id, name, every, selection, settled, next_slot) SELECT 'many-' || i, 'x', '366d', "
                    "'{\"hunts\":[\"remotepc-file-signature\"]}', now - 366 * 864000000000, now - 864000000000 "
                    "FROM generate_series(1, 250) AS i, rmm.ticks(clock_timestamp()) AS now");
    database_do(db, "INSERT INTO rmm.schedules (id, name, every, cron, time_zone, selection, settled) "
                    "SELECT id, 'x', every, cron, time_zone, selection::jsonb, now - 366 * 864000000000 FROM (VALUES "
                    "('gone', '366d', NULL, NULL, '{\"hunts\":[\"no-such-hunt\",\"nor-this\"]}'), "
                    "('odd', NULL, '61 * * * *', 'UTC', '{\"all\":true}'), ('nowhere', NULL, '0 0 * * *', 'Mars/Dome', '{\"all\":true}')) "
                    "AS bad (id, every, cron, time_zone, selection), rmm.ticks(clock_timestamp()) AS now");
}

static void many_due_at_once_are_made_together_and_bad_ones_spoil_none(void **state) {
    (void)state;
    struct server servers[2];
    struct db *db = cluster_fixture_database(4);
    start(&servers[0]);
    stop(&servers[0]);
    make_many_due(db);
    for (size_t i = 0; i < 2; i++)
        start(&servers[i]);
    database_await(db, "SELECT count(*) FROM rmm.slots WHERE state = 'succeeded' AND schedule_id LIKE 'many-%'", 250, LIMIT_MS);
    assert_int_equal(database_int(db, "SELECT count(DISTINCT run_id) FROM rmm.slots"), 250);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.slots"), 251);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.slots WHERE schedule_id = 'gone' AND state = 'failed' AND "
                                      "error ->> 'message' LIKE 'hunt: there is none called ''no-such-hunt''%'"), 1);
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.schedules WHERE id IN ('odd', 'nowhere') AND "
                                      "next_slot > rmm.ticks(clock_timestamp())"), 2);
    /* two servers, a hundred in a transaction: the last one of each may be smaller */
    int64_t transactions = database_int(db, "SELECT count(DISTINCT xmin::text) FROM rmm.schedules WHERE id LIKE 'many-%'");
    assert_in_range(transactions, 3, 5);
    for (size_t i = 0; i < 2; i++)
        stop(&servers[i]);
    cluster_fixture_close(db);
}

/* One is retired while the schedule names it: the others run, and the slot, the run and the log say which is missing. */
static void a_hunt_that_is_gone_doesnt_stop_its_schedule(void **state) {
    (void)state;
    struct server server;
    struct db *db = cluster_fixture_database(4);
    start(&server);
    ANSWER_AUTO made = server_expect(&server, 201, &(struct send){.path = "/v1/schedules", .body =
        "{\"id\":\"part\",\"every\":\"1s\",\"hunts\":[\"anydesk-create-process\",\"remotepc-file-signature\"]}"});
    ANSWER_AUTO gone = server_expect(&server, 204, &(struct send){.method = "DELETE", .path = "/v1/hunts/anydesk-create-process"});
    database_await(db, "SELECT least(count(*), 2) FROM rmm.slots s JOIN rmm.runs r ON r.id = s.run_id "
                       "WHERE s.state = 'succeeded' AND r.missing = '{anydesk-create-process}' AND r.hunts_total = 1", 2, LIMIT_MS);
    ANSWER_AUTO slots = server_expect(&server, 200, &(struct send){.path = "/v1/schedules/part/slots?limit=1"});
    assert_string_equal(answer_text(&slots, "slots.0.missing.0"), "anydesk-create-process");
    char path[64];
    snprintf(path, sizeof path, "/v1/runs/%s", answer_text(&slots, "slots.0.run_id"));
    ANSWER_AUTO run = server_expect(&server, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&run, "missing.0"), "anydesk-create-process");
    stop(&server);
    cluster_fixture_close(db);
}

/* It would take hits from what dashboards show; one whose window holds the hunt's own replaces it. */
static void a_schedule_that_cuts_a_hunts_window_doesnt_give_its_latest_result(void **state) {
    (void)state;
    static const struct {
        const char *window;
        bool replaces;
    } cases[] = {{"6h", false}, {"P30D", true}};
    struct server server;
    struct db *db = cluster_fixture_database(4);
    start(&server);
    ANSWER_AUTO whole = server_expect(&server, 201, &(struct send){.path = "/v1/runs", .body = "{\"hunts\":[\"remotepc-file-signature\"]}"});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[256], sql[256];
        snprintf(body, sizeof body, "{\"id\":\"w-%zu\",\"every\":\"1s\",\"hunts\":[\"remotepc-file-signature\"],\"window\":\"%s\"}",
                 i, cases[i].window);
        ANSWER_AUTO made = server_expect(&server, 201, &(struct send){.path = "/v1/schedules", .body = body});
        snprintf(sql, sizeof sql, "SELECT least(count(*), 1) FROM rmm.slots WHERE state = 'succeeded' AND schedule_id = 'w-%zu'",
                 i);
        database_await(db, sql, 1, LIMIT_MS);
        ANSWER_AUTO latest = server_expect(&server, 200, &(struct send){.path = "/v1/hunts/remotepc-file-signature/results"});
        assert_int_equal(strcmp(answer_text(&latest, "run_id"), answer_text(&whole, "run_id")) != 0, cases[i].replaces);
    }
    stop(&server);
    cluster_fixture_close(db);
}

static void zones_are_the_databases(void **state) {
    (void)state;
    static const struct {
        const char *name, *changes[2];
        int64_t minutes[3];
    } cases[] = {
        {"Europe/Berlin", {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"}, {60, 120, 60}},
        {"America/New_York", {"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"}, {-300, -240, -300}},
        {"Australia/Lord_Howe", {"2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"}, {660, 630, 660}},
    };
    struct db *db = cluster_fixture_database(4);
    struct db_conn *conn = db_take(db, later(), &err);
    struct arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct offsets zone;
        int64_t from, to, change;
        assert_true(ticks_parse_loose(STR("2026-01-01"), &from));
        assert_true(ticks_parse_loose(STR("2026-12-31"), &to));
        assert_true(offsets_load(conn, arena, str_from(cases[i].name), from, to, &zone, &err));
        assert_int_equal(zone.count, 3);
        for (size_t s = 0; s < 3; s++) {
            assert_int_equal(zone.spans[s].offset, cases[i].minutes[s] * TICKS_MINUTE);
            assert_true(s == 0 || (ticks_parse(str_from(cases[i].changes[s - 1]), &change) && zone.spans[s].from == change));
        }
    }
    arena_free(arena);
    db_give(conn);
    cluster_fixture_close(db);
}

/* The stretch of time that a fault may be felt in: by the run that it hit, or by whoever waited. */
static void note_fault(struct db *db, const char *kind, int seconds) {
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO rmm.faults SELECT '%s', rmm.ticks(clock_timestamp()), rmm.ticks(clock_timestamp()) + %d * 10000000 "
             "RETURNING 1",
             kind, seconds);
    database_do(db, sql);
}

/* Something that is due all the time and has nothing to do with schedules, but commits as often as the start of a run does:
 * where this comes late, the machine and not the scheduler is. */
struct control {
    struct db *db;
    atomic_bool over;
    pthread_t thread;
};

static void control_look(struct db_conn *conn, int64_t due) {
    struct err failure;
    char ago[24];
    bool ok = true;
    for (int i = 0; ok && i < CONTROL_COMMITS; i++)
        ok = db_exec(conn, "UPDATE rmm.faults_control SET looks = looks + 1", NULL, 0, later(), NULL, &failure);
    long long took = (long long)(mono_ms() - due);
    snprintf(ago, sizeof ago, "%lld", took);
    struct str param = str_from(ago);
    if (took > STALL_MS)
        db_exec(conn,
                "INSERT INTO rmm.faults SELECT 'stalled', rmm.ticks(clock_timestamp()) - $1::bigint * 10000, "
                "rmm.ticks(clock_timestamp())",
                &param, 1, later(), NULL, &failure);
}

static void *control_thread(void *argument) {
    struct control *control = argument;
    for (int64_t due = mono_ms(); !atomic_load(&control->over); due += CONTROL_EACH_MS) {
        struct err failure;
        sleep_ms(ms_left(due));
        struct db_conn *conn = db_take(control->db, later(), &failure);
        if (conn)
            control_look(conn, due);
        db_give(conn);
        due = mono_ms() > due ? mono_ms() : due;
    }
    return NULL;
}

static void control_start(struct control *control, struct db *db) {
    control->db = db;
    atomic_init(&control->over, false);
    assert_int_equal(pthread_create(&control->thread, NULL, control_thread, control), 0);
}

static void control_stop(struct control *control) {
    atomic_store(&control->over, true);
    pthread_join(control->thread, NULL);
}

static void kill_one(struct db *db, struct server *server) {
    note_fault(db, "killed", 2);
    server_kill(server);
    server_remove(server);
    start(server);
}

static void disconnect_one(struct db *db) {
    note_fault(db, "disconnected", 1);
    database_do(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
                    "pid <> pg_backend_pid() AND query NOT LIKE '%faults%' ORDER BY random() LIMIT 1");
}

/* Faults come right behind a new slot, when its run is under way. */
static void await_slots(struct db *db, int64_t more, int64_t limit_ms) {
    int64_t wanted = database_int(db, "SELECT count(*) FROM rmm.slots") + more, limit = mono_ms() + limit_ms;
    while (database_int(db, "SELECT count(*) FROM rmm.slots") < wanted && mono_ms() < limit)
        ;
}

/* The first server sleeps past its lease, the others die, connections are cut. */
static void make_chaos(struct db *db, struct server servers[SERVERS]) {
    int64_t end = mono_ms() + CHAOS_MS, awake_at = mono_ms() + ASLEEP_MS;
    await_slots(db, 1, 4000);
    note_fault(db, "asleep", 2);
    kill(servers[0].pid, SIGSTOP);
    for (unsigned round = 0; mono_ms() < end; round++) {
        await_slots(db, 3 + rand() % 6, 4000);
        if (awake_at && mono_ms() > awake_at) {
            kill(servers[0].pid, SIGCONT);
            awake_at = 0;
        }
        if (round % 3 == 0)
            kill_one(db, &servers[1 + rand() % (SERVERS - 1)]);
        else
            disconnect_one(db);
    }
    kill(servers[0].pid, SIGCONT);
    assert_true(database_int(db, "SELECT count(*) FROM rmm.faults WHERE kind <> 'stalled'") >= 5);
}

static const char missing[] =
    "SELECT coalesce(sum((newest - oldest) / 10000000 + 1 - count), 0) FROM (SELECT min(slot) AS oldest, max(slot) AS "
    "newest, count(*) AS count FROM rmm.slots WHERE NOT by_hand GROUP BY schedule_id) t";
static const char doubled[] =
    "SELECT (SELECT count(*) FROM rmm.runs) - (SELECT count(*) FROM rmm.slots) + (SELECT count(*) FROM rmm.slots WHERE state "
    "<> 'succeeded') + (SELECT count(*) FROM (SELECT run_id FROM rmm.results WHERE state = 'succeeded' AND body IS NOT NULL "
    "GROUP BY 1 HAVING count(*) <> 1) t) + (SELECT count(*) FROM rmm.results WHERE state <> 'succeeded')";
static const char overlapping[] =
    "SELECT count(*) FROM (SELECT r.started_at, lag(r.finished_at) OVER (PARTITION BY schedule_id ORDER BY slot) AS before "
    "FROM rmm.slots s JOIN rmm.runs r ON r.id = s.run_id) t WHERE started_at < before";
/* Slots that no fault was near, and whose schedule had caught up with what one held up. */
static const char lags[] =
    "WITH lag AS (SELECT s.schedule_id, s.slot, (rmm.ticks(r.started_at) - s.slot) / 10000 AS ms, rmm.ticks(r.finished_at) AS "
    "finished, r.attempt FROM rmm.slots s JOIN rmm.runs r ON r.id = s.run_id), "
    "held AS (SELECT * FROM lag WHERE attempt > 1), "
    "calm AS (SELECT ms FROM lag WHERE NOT EXISTS (SELECT FROM rmm.faults f WHERE lag.slot BETWEEN f.began - 10000000 AND f.ended) "
    "AND NOT EXISTS (SELECT FROM held WHERE held.schedule_id = lag.schedule_id AND held.slot <= lag.slot AND NOT EXISTS ("
    "SELECT FROM lag caught_up WHERE caught_up.schedule_id = lag.schedule_id AND caught_up.slot > held.slot AND caught_up.slot "
    "< lag.slot AND caught_up.ms < 500 AND caught_up.attempt = 1))) "
    "SELECT (SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) FROM calm), (SELECT count(*) FROM calm), "
    "(SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) FROM lag), (SELECT count(*) FROM lag), "
    "(SELECT max(ms) FROM lag), (SELECT count(*) FROM held)";

static void await_calm_slots(struct db *db) {
    for (int64_t limit = later(), calm = 0; calm < CALM_SLOTS + SPARE_SLOTS && mono_ms() < limit;) {
        await_slots(db, 3, 4000);
        DB_ROWS_AUTO *rows = database_rows(db, lags);
        calm = db_int(rows, 0, 1);
    }
}

static void check_slots(struct db *db) {
    DB_ROWS_AUTO *rows = database_rows(db, lags);
    DB_ROWS_AUTO *faults = database_rows(db, "SELECT kind, count(*) FROM rmm.faults GROUP BY 1 ORDER BY 1");
    printf("slots %lld, taken over %lld; start lag p99 %lld ms (%lld slots away from faults), p99 of all %lld ms, most %lld "
           "ms; faults:",
           (long long)db_int(rows, 0, 3), (long long)db_int(rows, 0, 5), (long long)db_int(rows, 0, 0),
           (long long)db_int(rows, 0, 1), (long long)db_int(rows, 0, 2), (long long)db_int(rows, 0, 4));
    for (size_t r = 0; r < db_count(faults); r++)
        printf(" %.*s %lld", STR_ARG(db_text(faults, r, 0)), (long long)db_int(faults, r, 1));
    printf("\n");
    assert_int_equal(database_int(db, missing), 0);
    assert_int_equal(database_int(db, doubled), 0);
    assert_int_equal(database_int(db, overlapping), 0);
    assert_true(db_int(rows, 0, 1) >= CALM_SLOTS);
    assert_true(db_int(rows, 0, 0) <= LAG_BAR_MS);
}

static void every_slot_has_one_result_whatever_dies(void **state) {
    (void)state;
    struct server servers[SERVERS];
    struct db *db = cluster_fixture_database(4);
    srand((unsigned)mono_ms());
    struct control control;
    database_do(db, "CREATE TABLE rmm.faults (kind text, began bigint, ended bigint)");
    database_do(db, "CREATE TABLE rmm.faults_control AS SELECT 0 AS looks");
    control_start(&control, db);
    database_do(db, "DELETE FROM rmm.schedules");
    for (size_t i = 0; i < SERVERS; i++)
        start(&servers[i]);
    make_schedule(&servers[0], "one", "\"every\":\"1s\"", "\"catch_up\":\"all\",\"catch_up_limit\":1000");
    make_schedule(&servers[1], "two", "\"every\":\"1s\"", "\"catch_up\":\"all\",\"catch_up_limit\":1000");
    make_schedule(&servers[2], "three", "\"every\":\"1s\"", "\"catch_up\":\"all\",\"catch_up_limit\":1000");
    database_await(db, "SELECT count(DISTINCT schedule_id) FROM rmm.slots", 3, LIMIT_MS);
    make_chaos(db, servers);
    /* caught up, a while without faults, then no more */
    database_await(db, "SELECT count(*) FROM rmm.schedules WHERE next_slot <= rmm.ticks(clock_timestamp()) - 10000000",
                   0, LIMIT_MS);
    await_calm_slots(db);
    database_do(db, "UPDATE rmm.schedules SET enabled = false RETURNING 1");
    database_await(db, "SELECT count(*) FROM rmm.slots WHERE finished_at IS NULL", 0, LIMIT_MS);
    for (size_t i = 0; i < SERVERS; i++)
        stop(&servers[i]);
    control_stop(&control);
    check_slots(db);
    cluster_fixture_close(db);
}

static void the_command_line_creates_pauses_runs_and_deletes(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_expect_command(
        &one, 0, WORDS("schedules", "create", "nightly", "--every", "1d", "--tool=RemotePC", "--catch-up-limit", "7"),
        "\"catch_up_limit\": 7");
    hunt_expect_command(&one, 1, WORDS("schedules", "create", "odd", "--every", "1d", "--all", "--catch-up-limit=7x"), "");
    hunt_expect_command(&one, 2, WORDS("schedules", "create", "odd", "--nonsense", "1"), "");
    hunt_expect_command(&one, 1, WORDS("schedules", "show", "odd"), "");
    hunt_expect_command(&one, 0, WORDS("schedules", "pause", "nightly"), "nightly");
    assert_int_equal(database_int(one.db, "SELECT count(*) FROM rmm.schedules WHERE id = 'nightly' AND NOT enabled"),
                     1);
    hunt_expect_command(&one, 0, WORDS("schedules", "run", "nightly"), "succeeded");
    hunt_expect_command(&one, 0, WORDS("schedules", "list"), "nightly");
    hunt_expect_command(&one, 0, WORDS("schedules", "delete", "nightly"), "");
    hunt_expect_command(&one, 1, WORDS("schedules", "delete", "nightly"), "");
    hunt_server_stop(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_catalogue_schedule_is_there_once),
        cmocka_unit_test(a_slots_run_looks_at_the_window_before_the_slot),
        cmocka_unit_test(a_schedule_is_read_replaced_paused_and_run_by_hand),
        cmocka_unit_test(what_is_wrong_with_a_schedule_is_told_by_its_member),
        cmocka_unit_test(three_hours_down_are_caught_up_as_each_policy_says),
        cmocka_unit_test(slots_that_passed_before_a_pause_are_listed_as_skipped),
        cmocka_unit_test(many_due_at_once_are_made_together_and_bad_ones_spoil_none),
        cmocka_unit_test(a_hunt_that_is_gone_doesnt_stop_its_schedule),
        cmocka_unit_test(a_schedule_that_cuts_a_hunts_window_doesnt_give_its_latest_result),
        cmocka_unit_test(zones_are_the_databases),
        cmocka_unit_test(the_command_line_creates_pauses_runs_and_deletes),
        cmocka_unit_test(every_slot_has_one_result_whatever_dies),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
