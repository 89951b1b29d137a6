/* The ledger against what the generator knows, and against itself: events in slices with runs in between leave the same
 * as all of them at once in another order. */
#include <inttypes.h>
#include <pthread.h>
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

enum { LIMIT_MS = 60 * 1000, PATH = 1024, SLICES = 6, PIECE = 5000, SMALL = 60, PIECE_CAP = 1 << 20 };
#define END "2026-07-20T00:00:00Z"

static struct estate_options estate_of(unsigned days, uint64_t rows) {
    struct estate_options options = {.seed = 3, .devices = 100, .days = days, .repeat_rate = 0.05, .late_rate = 0.05};
    assert_true(ticks_parse(STR(END), &options.end));
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        options.rows[t] = rows;
    return options;
}

static void run_window(const struct server *server, int64_t as_of, int64_t from) {
    char body[PATH], to_text[TICKS_TEXT], from_text[TICKS_TEXT];
    ticks_print(as_of, to_text);
    ticks_print(from, from_text);
    snprintf(body, sizeof body, "{\"all\":true,\"as_of\":\"%s\",\"from\":\"%s\"}", to_text, from_text);
    ANSWER_AUTO run = hunt_run(server, body);
    assert_int_equal(json_array_size(answer_at(&run, "hunts")) > 50, 1);
}

/* Every seventh record of a slice comes two slices later; every slice comes twice. */
static void feed_slices(const struct server *server, const struct hunt_lines *lines,
                        const struct estate_options *options) {
    size_t size = lines->count / SLICES + 1;
    int64_t day = options->end - options->days * TICKS_DAY, step = options->days * TICKS_DAY / SLICES;
    for (size_t slice = 0; slice < SLICES + 2; slice++) {
        size_t from = slice * size, to = from + size < lines->count ? from + size : lines->count;
        for (size_t part = 1; part < 7; part++)
            hunt_send(server, lines, from + part, to, 7);
        if (slice >= 2) {
            size_t back = (slice - 2) * size, limit = back + size < lines->count ? back + size : lines->count;
            hunt_send(server, lines, back, limit, 7);
            hunt_send(server, lines, back, limit, 1);
        }
        day += slice < SLICES ? step : 0;
        run_window(server, day, day - 5 * TICKS_DAY);
    }
}

static void expect_same_text(const char *what, const char *one, const char *other) {
    size_t at = 0;
    while (one[at] && one[at] == other[at])
        at++;
    size_t before = at > 150 ? at - 150 : 0;
    if (one[at] || other[at])
        fail_msg("%s differs at %zu: %.300s\n and %.300s", what, at, one + before, other + before);
}

/* How many runs saw a finding is the one thing that a ledger fed by many runs can't have in common with one that a single
 * run filled. */
static void runs_forget(char *body) {
    static const char member[] = "\"runs\"";
    for (char *at = strstr(body, member); at; at = strstr(at, member)) {
        at += sizeof member - 1;
        at += strspn(at, " :");
        size_t digits = strspn(at, "0123456789");
        assert_true(digits > 0);
        memmove(at, at + digits, strlen(at + digits) + 1);
    }
}

/* When the events came is another time for each. */
static void arrival_forget(char *body) {
    char *at = strstr(body, "\"newest_arrival\"");
    if (at)
        memset(at + sizeof "\"newest_arrival\"" - 1, ' ', TICKS_TEXT + 2);
}

static void expect_same(const struct server *a, const struct server *b, const char *path) {
    ANSWER_AUTO one = hunt_get(a, path);
    ANSWER_AUTO other = hunt_get(b, path);
    runs_forget(one.body);
    runs_forget(other.body);
    arrival_forget(one.body);
    arrival_forget(other.body);
    expect_same_text(path, one.body, other.body);
}

static void expect_same_ledger(const struct server *a, const struct server *b) {
    char path[PATH];
    size_t index;
    const json_t *device;
    expect_same(a, b, "/v1/devices?limit=1000&as_of=" END);
    expect_same(a, b, "/v1/findings?limit=1000&as_of=" END);
    json_t *devices = hunt_walk(a, "/v1/devices?limit=3&as_of=" END, "devices");
    assert_true(json_array_size(devices) > 5);
    json_array_foreach(devices, index, device) {
        snprintf(path, sizeof path, "/v1/devices/%s?as_of=" END, hunt_text(device, "device_id"));
        expect_same(a, b, path);
    }
    json_decref(devices);
}

static void expect_same_member(const json_t *one, const json_t *other, const char *member) {
    char *a = json_dumps(json_object_get(one, member), JSON_ENCODE_ANY),
         *b = json_dumps(json_object_get(other, member), JSON_ENCODE_ANY);
    expect_same_text(member, a ? a : "none", b ? b : "none"); /* a broken hunt has none */
    free(a);
    free(b);
}

/* Its URL names the run. */
static void evidence_forget(const json_t *result) {
    size_t index;
    json_t *device;
    json_array_foreach(json_object_get(result, "devices"), index, device) json_object_del(device, "evidence");
}

/* The same window again, over both. */
static void expect_same_results(const struct server *a, const struct server *b, const char *body) {
    ANSWER_AUTO one = hunt_run(a, body);
    ANSWER_AUTO other = hunt_run(b, body);
    const json_t *ours = answer_at(&one, "hunts"), *theirs = answer_at(&other, "hunts");
    assert_int_equal(json_array_size(ours), json_array_size(theirs));
    for (size_t i = 0; i < json_array_size(ours); i++) {
        evidence_forget(json_array_get(ours, i));
        evidence_forget(json_array_get(theirs, i));
        expect_same_member(json_array_get(ours, i), json_array_get(theirs, i), "devices");
        expect_same_member(json_array_get(ours, i), json_array_get(theirs, i), "rows");
        expect_same_member(json_array_get(ours, i), json_array_get(theirs, i), "columns");
    }
}

static void expect_report_ids(const json_t *finding, const struct estate_plant *plant) {
    char text[32];
    const json_t *ids = json_object_get(finding, "report_ids");
    assert_int_equal(json_array_size(ids), plant->report_count);
    for (uint32_t i = 0; i < plant->report_count; i++) {
        snprintf(text, sizeof text, "%" PRId64, plant->report_ids[i]);
        assert_string_equal(json_string_value(json_array_get(ids, i)), text);
    }
}

static const json_t *hunt_of_device(const json_t *device, const char *slug) {
    size_t t, s;
    const json_t *tool, *signal;
    json_array_foreach(json_object_get(device, "tools"), t, tool) {
        json_array_foreach(json_object_get(tool, "by_signal"), s, signal) {
            const json_t *hunt = hunt_item(json_object_get(signal, "hunts"), "slug", slug);
            if (hunt)
                return hunt;
        }
    }
    return NULL;
}

/* What was planted is in the ledger as the generator tells it. Gone: what was planted long ago isn't among the plants.
 */
static void expect_plants(const struct server *server, const struct estate *estate) {
    char path[PATH], time[TICKS_TEXT];
    size_t count;
    const struct estate_plant *plants = estate_plants(estate, &count);
    assert_true(count > 10);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/v1/devices/%s?as_of=" END, plants[i].device_id);
        ANSWER_AUTO device = hunt_get(server, path);
        const json_t *hunt = hunt_of_device(device.json, plants[i].hunt_slug);
        if (!hunt)
            fail_msg("%s isn't on %s: %s", plants[i].hunt_slug, plants[i].device_name, device.body);
        ticks_print(plants[i].first, time);
        assert_string_equal(hunt_text(hunt, "first_seen"), time);
        ticks_print(plants[i].last, time);
        assert_string_equal(hunt_text(hunt, "last_seen"), time);
        assert_int_equal(json_integer_value(json_object_get(hunt, "count")), plants[i].count);
        assert_string_equal(hunt_text(device.json, "device_name"), plants[i].device_name);
        expect_report_ids(hunt, &plants[i]);
    }
}

static void compare(unsigned days, uint64_t rows) {
    struct hunt_server a, b;
    struct hunt_lines lines;
    struct estate_options options = estate_of(days, rows);
    hunt_server_start(&a);
    hunt_server_start(&b);
    hunt_lines_make(&options, &lines);
    feed_slices(&a.server, &lines, &options);
    hunt_lines_shuffle(&lines, days);
    for (size_t from = 0; from < lines.count; from += PIECE)
        hunt_send(&b.server, &lines, from, from + PIECE < lines.count ? from + PIECE : lines.count, 1);
    run_window(&b.server, options.end, options.end - 5 * TICKS_DAY);
    expect_same_ledger(&a.server, &b.server);
    expect_same_results(&a.server, &b.server, "{\"all\":true,\"as_of\":\"" END "\"}");
    expect_same_results(&a.server, &b.server,
                        "{\"all\":true,\"as_of\":\"2026-07-15T10:00:00Z\",\"from\":\"2026-07-12T00:00:00Z\"}");
    expect_same_ledger(&a.server, &b.server);
    expect_plants(&a.server, lines.estate);
    expect_plants(&b.server, lines.estate);
    hunt_lines_free(&lines);
    hunt_server_stop(&a);
    hunt_server_stop(&b);
}

static void thirty_days_in_slices_leave_what_they_leave_at_once(void **state) {
    (void)state;
    compare(30, 300);
}

static void the_demo_s_days_in_slices_leave_what_they_leave_at_once(void **state) {
    (void)state;
    compare(14, 1000);
}

struct half {
    pthread_t thread;
    const struct server *server;
    const struct hunt_lines *lines;
    size_t from;
    bool refused; /* a body, for good */
};

/* Every second record in small bodies, with runs in between. */
static void *half_feed(void *argument) {
    struct half *half = argument;
    for (size_t at = half->from; at < half->lines->count; at += SMALL) {
        size_t to = at + SMALL < half->lines->count ? at + SMALL : half->lines->count;
        BUF_AUTO body = BUF(PIECE_CAP);
        for (size_t i = at; i < to; i += 2)
            buf_add_str(&body, half->lines->lines[i]);
        ANSWER_AUTO sent = hunt_send_again(half->server, buf_cstr(&body));
        half->refused = half->refused || sent.status != 200;
        struct answer ran = server_send(
            half->server, &(struct send){.path = "/v1/runs", .body = "{\"all\":true,\"as_of\":\"" END "\"}"});
        answer_free(&ran);
    }
    return NULL;
}

static void two_servers_fed_at_once_leave_what_one_leaves(void **state) {
    struct hunt_server a, b;
    struct hunt_lines lines;
    struct estate_options options = estate_of(14, 200);
    (void)state;
    hunt_server_start(&a);
    hunt_server_start(&b);
    struct server other = {.database_url = a.database_url};
    assert_true(server_start(&other));
    hunt_lines_make(&options, &lines);
    struct half halves[] = {{.server = &a.server, .lines = &lines}, {.server = &other, .lines = &lines, .from = 1}};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&halves[i].thread, NULL, half_feed, &halves[i]), 0);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(halves[i].thread, NULL);
        assert_false(halves[i].refused);
    }
    run_window(&other, options.end, options.end - 5 * TICKS_DAY);
    hunt_send(&b.server, &lines, 0, lines.count, 1);
    run_window(&b.server, options.end, options.end - 5 * TICKS_DAY);
    expect_same_ledger(&other, &b.server);
    expect_plants(&a.server, lines.estate);
    hunt_lines_free(&lines);
    assert_int_equal(server_stop(&other), 0);
    server_remove(&other);
    hunt_server_stop(&a);
    hunt_server_stop(&b);
}

static void send_process(const struct server *server, const char *device, const char *time, int report) {
    BUF_AUTO body = BUF(PATH);
    hunt_add_event(&body, "DeviceProcessEvents", device, time, report,
                   ",\"FileName\":\"probe.exe\",\"DeviceName\":\"pc.example\"");
    hunt_send_text(server, buf_cstr(&body));
}

#define PROBE "{\"hunts\":[\"probe-create-process\"],\"as_of\":\"2026-07-20T00:00:00Z\"}"

static void expect_late(const struct server *server, const char *expected) {
    ANSWER_AUTO run = hunt_run(server, PROBE);
    char *late = json_dumps(answer_at(&run, "late"), JSON_COMPACT);
    assert_string_equal(late, expected);
    free(late);
}

static void events_that_came_late_are_told_once_with_their_reports(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1);
    send_process(&one.server, "d1", "2026-07-02T10:00:00Z", 9);
    expect_late(&one.server, "[]");
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1); /* sent again */
    expect_late(&one.server, "[]");
    send_process(&one.server, "d1", "2026-07-18T09:00:00Z", 10);
    send_process(&one.server, "d1", "2026-07-01T09:00:00Z", 2); /* older than the window: no run answered for it */
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1);
    send_process(&one.server, "d2", "2026-07-20T00:00:00.0000001Z", 4); /* not answered for yet */
    send_process(&one.server, "d2", "2026-07-20T00:00:00Z", 5);
    expect_late(&one.server, "[{\"device_id\":\"d1\",\"device_name\":\"pc.example\",\"count\":1,\"first_seen\":\"2026-"
                             "07-18T09:00:00.0000000Z\","
                             "\"last_seen\":\"2026-07-18T09:00:00.0000000Z\",\"report_ids\":[\"10\"]},"
                             "{\"device_id\":\"d2\",\"device_name\":\"pc.example\",\"count\":1,\"first_seen\":\"2026-"
                             "07-20T00:00:00.0000000Z\","
                             "\"last_seen\":\"2026-07-20T00:00:00.0000000Z\",\"report_ids\":[\"5\"]}]");
    expect_late(&one.server, "[]");
    ANSWER_AUTO finding = hunt_get(&one.server, "/v1/findings?device=d1");
    assert_int_equal(answer_int(&finding, "findings.0.count"), 4);
    assert_string_equal(answer_text(&finding, "findings.0.first_seen"), "2026-07-01T09:00:00.0000000Z");
    ANSWER_AUTO moved = hunt_get(&one.server, "/v1/changes?types=first_moved");
    assert_string_equal(answer_text(&moved, "changes.0.detail.was"), "2026-07-02T10:00:00.0000000Z");
    hunt_server_stop(&one);
}

static void put_probe(const struct server *server, const char *condition) {
    BUF_AUTO body = BUF(PATH);
    buf_printf(&body,
               "{\"name\":\"Check - Probe - Create Process\",\"query\":\"DeviceProcessEvents | where Timestamp >= "
               "ago(5d) | where %s | "
               "summarize min(Timestamp), max(Timestamp), make_set(ReportId), count() by DeviceId\"}",
               condition);
    ANSWER_AUTO put = server_expect(
        server, 200,
        &(struct send){.method = "PUT", .path = "/v1/hunts/probe-create-process", .body = buf_cstr(&body)});
    assert_string_equal(answer_text(&put, "state"), "ready");
}

static long long count_of(const struct server *server, const char *device) {
    char path[PATH];
    snprintf(path, sizeof path, "/v1/findings?device=%s", device);
    ANSWER_AUTO finding = hunt_get(server, path);
    return json_array_size(answer_at(&finding, "findings")) ? answer_int(&finding, "findings.0.count") : 0;
}

static void an_edited_hunt_looks_at_all_events_again_and_calls_none_late(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    send_process(&one.server, "d1", "2026-07-01T10:00:00Z", 1);
    send_process(&one.server, "d2", "2026-07-02T10:00:00Z", 2);
    put_probe(&one.server, "ReportId == 1");
    expect_late(&one.server, "[]");
    assert_int_equal(count_of(&one.server, "d1"), 1);
    assert_int_equal(count_of(&one.server, "d2"), 0);
    put_probe(&one.server, "ReportId < 3");
    expect_late(&one.server, "[]");
    assert_int_equal(count_of(&one.server, "d1"), 1);
    assert_int_equal(count_of(&one.server, "d2"), 1);
    send_process(&one.server, "d2", "2026-07-18T11:00:00Z", 0);
    expect_late(&one.server, "[{\"device_id\":\"d2\",\"device_name\":\"pc.example\",\"count\":1,\"first_seen\":\"2026-"
                             "07-18T11:00:00.0000000Z\","
                             "\"last_seen\":\"2026-07-18T11:00:00.0000000Z\",\"report_ids\":[\"0\"]}]");
    assert_int_equal(count_of(&one.server, "d2"), 2);
    hunt_server_stop(&one);
}

/* The database refuses the event as it would a number out of range in the hunt's condition. */
static void a_hunt_that_fails_on_its_data_misses_nothing_later(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    database_do(one.db,
                "CREATE FUNCTION rmm.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused' "
                "USING ERRCODE = '22003'; END $$");
    database_do(one.db, "CREATE TRIGGER refuse BEFORE INSERT ON rmm.ledger_found FOR EACH ROW WHEN (NEW.report_id = 2) "
                        "EXECUTE FUNCTION rmm.refuse()");
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1);
    send_process(&one.server, "d2", "2026-07-18T10:00:00Z", 2);
    hunt_send_text(&one.server,
                   "{\"Type\":\"DeviceNetworkEvents\",\"Timestamp\":\"2026-07-18T10:00:00Z\",\"DeviceId\":\"d1\","
                   "\"ReportId\":3,\"RemoteUrl\":\"a.probe.example\"}\n");
    ANSWER_AUTO others = hunt_run(&one.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    assert_int_equal(count_of(&one.server, "d1"), 1); /* what the network hunt found */
    assert_int_equal(count_of(&one.server, "d2"), 0);
    database_do(one.db, "DROP TRIGGER refuse ON rmm.ledger_found");
    expect_late(&one.server, "[]");
    assert_int_equal(count_of(&one.server, "d2"), 1);
    ANSWER_AUTO both = hunt_get(&one.server, "/v1/findings?device=d1");
    assert_int_equal(json_array_size(answer_at(&both, "findings")), 2);
    hunt_server_stop(&one);
}

static void send_started(const struct server *server, const char *file, const char *starter, int report) {
    char more[PATH];
    snprintf(more, sizeof more, ",\"FileName\":\"%s\",\"InitiatingProcessFileName\":\"%s\"", file, starter);
    hunt_send_event(server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", report, more);
}

#define BOTH "{\"hunts\":[\"early-create-process\",\"probe-create-process\"],\"as_of\":\"2026-07-20T00:00:00Z\"}"

/* The pass stands still at its first hunt while events come with a value that the second excludes and that wasn't there
 * when the pass decided which values it excludes. */
static void what_comes_during_a_pass_is_left_to_the_next(void **state) {
    struct hunt_server one;
    struct err err = {0};
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Early", "early");
    hunt_import(&one.server, "Probe", "probe");
    put_probe(&one.server, "FileName == 'probe.exe' and InitiatingProcessFileName != 'good.exe'");
    send_started(&one.server, "early.exe", "bad.exe", 1);
    send_started(&one.server, "probe.exe", "bad.exe", 2);
    database_do(one.db, "CREATE FUNCTION rmm.pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
                        "pg_advisory_xact_lock_shared(7); RETURN NULL; END $$");
    database_do(one.db, "CREATE TRIGGER pause BEFORE INSERT ON rmm.ledger_found FOR EACH STATEMENT EXECUTE FUNCTION "
                        "rmm.pause()");
    struct db_conn *holder = db_take(one.db, mono_ms() + LIMIT_MS, &err);
    assert_true(db_begin(holder, "", mono_ms() + LIMIT_MS, &err) &&
                db_exec(holder, "SELECT pg_advisory_xact_lock(7)", NULL, 0, mono_ms() + LIMIT_MS, NULL, &err));
    ANSWER_AUTO queued = server_expect(&one.server, 202, &(struct send){.path = "/v1/runs", .body = BOTH});
    database_await(one.db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted", 1,
                   LIMIT_MS);
    send_started(&one.server, "probe.exe", "good.exe", 3);
    send_started(&one.server, "probe.exe", "bad.exe", 4);
    db_rollback(holder);
    db_give(holder);
    database_await(one.db, "SELECT count(*) FROM rmm.runs WHERE finished_at IS NULL", 0, LIMIT_MS);
    ANSWER_AUTO during = hunt_get(&one.server, "/v1/findings?device=d1&tool=probe");
    assert_int_equal(answer_int(&during, "findings.0.count"), 1);
    ANSWER_AUTO next = hunt_run(&one.server, BOTH);
    ANSWER_AUTO after = hunt_get(&one.server, "/v1/findings?device=d1&tool=probe");
    assert_int_equal(answer_int(&after, "findings.0.count"), 2);
    hunt_server_stop(&one);
}

static void what_reads_other_tables_is_known_from_the_windows_of_its_runs(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    put_probe(&one.server, "DeviceId in ((DeviceInfo | project DeviceId))");
    send_process(&one.server, "d1", "2026-07-18T10:00:00Z", 1);
    send_process(&one.server, "d1", "2026-07-08T10:00:00Z", 2);
    expect_late(&one.server, "[]");
    assert_int_equal(count_of(&one.server, "d1"), 0);
    hunt_send_text(
        &one.server,
        "{\"Type\":\"DeviceInfo\",\"Timestamp\":\"2026-07-18T01:00:00Z\",\"DeviceId\":\"d1\",\"ReportId\":1}\n");
    expect_late(&one.server, "[]"); /* the process event itself was there */
    assert_int_equal(count_of(&one.server, "d1"), 1);
    ANSWER_AUTO earlier =
        hunt_run(&one.server, "{\"hunts\":[\"probe-create-process\"],\"as_of\":\"2026-07-10T00:00:00Z\"}");
    assert_int_equal(json_array_size(answer_at(&earlier, "late")), 0);
    assert_int_equal(count_of(&one.server, "d1"), 2);
    hunt_server_stop(&one);
}

static void a_hunt_says_how_its_sightings_are_known(void **state) {
    struct hunt_server one;
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    static const struct {
        const char *condition, *mode, *reason;
    } cases[] = {{"ReportId == 1", "events", ""},
                 {"DeviceId in ((DeviceInfo | project DeviceId))", "run", "another event table"},
                 {"ReportId == 1 | summarize arg_max(Timestamp, *) by DeviceId | where ReportId == 2", "result",
                  "more than each event"},
                 {"ReportId == 1 | summarize count() by FileName, ReportId, Timestamp, DeviceId = 'x' | where count_ > 1",
                  "none", "nor do its rows have a DeviceId or DeviceName"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_probe(&one.server, cases[i].condition);
        ANSWER_AUTO hunt = hunt_get(&one.server, "/v1/hunts/probe-create-process");
        assert_string_equal(answer_text(&hunt, "ledger"), cases[i].mode);
        assert_non_null(strstr(hunt_text(hunt.json, "ledger_reason"), cases[i].reason));
    }
    hunt_server_stop(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirty_days_in_slices_leave_what_they_leave_at_once),
        cmocka_unit_test(the_demo_s_days_in_slices_leave_what_they_leave_at_once),
        cmocka_unit_test(two_servers_fed_at_once_leave_what_one_leaves),
        cmocka_unit_test(events_that_came_late_are_told_once_with_their_reports),
        cmocka_unit_test(an_edited_hunt_looks_at_all_events_again_and_calls_none_late),
        cmocka_unit_test(a_hunt_that_fails_on_its_data_misses_nothing_later),
        cmocka_unit_test(what_comes_during_a_pass_is_left_to_the_next),
        cmocka_unit_test(what_reads_other_tables_is_known_from_the_windows_of_its_runs),
        cmocka_unit_test(a_hunt_says_how_its_sightings_are_known),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
