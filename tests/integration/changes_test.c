/* What is new since when: each kind of change, and that a poller gets each of them once, in order, whatever dies. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 16 << 20, PATH = 4096, LIMIT_MS = 60000 };
#define PROBE "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define RIVAL "{\"tool\":\"Rival\",\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define NAMED ",\"FileName\":\"probe.exe\",\"DeviceName\":\"pc.example\",\"MachineGroup\":\"Lab\""
#define SIGNED(signer, issuer, serial)                                                                                 \
    ",\"Signer\":\"" signer "\",\"Issuer\":\"" issuer "\",\"CertificateSerialNumber\":\"" serial                       \
    "\",\"SHA1\":\"" serial "\""

static char cursor[PATH];

static int setup(void **state) {
    cursor[0] = 0;
    return probe_and_rival_setup(state);
}

static void process(const char *device, const char *time, int report) {
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", device, time, report, NAMED);
}

static void run(const char *body) {
    ANSWER_AUTO answer = hunt_run(&probe_server.server, body);
    assert_true(json_array_size(answer_at(&answer, "hunts")) == 3);
}

/* What is new since the last call, as "type/tool/device type/tool/device"; the changes themselves in *changes. */
static void expect_changes(const char *expected, json_t **changes) {
    char path[PATH + 64];
    size_t index;
    const json_t *change;
    BUF_AUTO got = BUF(CAP);
    snprintf(path, sizeof path, "/v1/changes?limit=1000%s%s", cursor[0] ? "&cursor=" : "", cursor);
    ANSWER_AUTO answer = hunt_get(&probe_server.server, path);
    json_array_foreach(answer_at(&answer, "changes"), index, change)
        buf_printf(&got, "%s%s/%s/%s", index ? " " : "", hunt_text(change, "type"), hunt_text(change, "tool"),
                   hunt_text(change, "device_id"));
    snprintf(cursor, sizeof cursor, "%s", answer_text(&answer, "next"));
    const char *text = got.len ? buf_cstr(&got) : "";
    if (strcmp(text, expected) != 0)
        fail_msg("changes are '%s' instead of '%s'", text, expected);
    if (changes)
        *changes = json_incref((json_t *)(uintptr_t)answer_at(&answer, "changes"));
}

/* Both tell the same, to people and to programs. */
static void expect_detail(const json_t *changes, size_t index, const char *summary, const char *expected) {
    assert_string_equal(json_string_value(json_object_get(json_array_get(changes, index), "summary")), summary);
    char *detail = json_dumps(json_object_get(json_array_get(changes, index), "detail"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(detail, expected);
    free(detail);
}

static void a_first_sighting_is_a_new_tool_then_new_devices_tools_and_signals(void **state) {
    json_t *changes;
    (void)state;
    process("d1", "2026-07-18T10:00:00Z", 1);
    process("d1", "2026-07-18T11:00:00Z", 2);
    run(PROBE);
    expect_changes("new_tool/Probe/ new_device/Probe/d1", &changes);
    expect_detail(changes, 0, "on 1 device", "{\"devices\":1,\"first_seen\":\"2026-07-18T10:00:00.0000000Z\"}");
    expect_detail(
        changes, 1, "2x process",
        "{\"count\":2,\"first_seen\":\"2026-07-18T10:00:00.0000000Z\",\"last_seen\":\"2026-07-18T11:00:00.0000000Z\","
        "\"late\":0,\"machine_group\":\"Lab\",\"signals\":[\"process\"]}");
    assert_string_equal(hunt_text(changes, "1.device_name"), "pc.example");
    assert_string_equal(hunt_text(changes, "1.run_id"), "1");
    assert_null(json_string_value(json_at(changes, "0.links.device")));
    static const char *const links[] = {"0.links.tool", "1.links.device", "1.links.evidence", "1.links.tool", "1.links.run"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        ANSWER_AUTO followed = hunt_get(&probe_server.server, hunt_text(changes, links[i]));
    }
    ANSWER_AUTO csv = hunt_get(&probe_server.server, "/v1/changes?types=new_device&format=csv");
    assert_non_null(strstr(csv.body, "id,at,type,tool,device_id,device_name,run_id,summary,detail"));
    json_decref(changes);
    run(PROBE);
    expect_changes("", NULL);
    process("d2", "2026-07-18T10:00:00Z", 1);
    hunt_send_event(&probe_server.server, "DeviceNetworkEvents", "d1", "2026-07-18T12:00:00Z", 3, ",\"RemoteUrl\":\"https://a.probe.example/x\"");
    run(PROBE);
    expect_changes("new_device/Probe/d2 new_signal/Probe/d1", &changes);
    expect_detail(changes, 1, "signal=network, 1 late", "{\"late\":1,\"machine_group\":\"Lab\",\"signal\":\"network\",\"signals\":[\"process\",\"network\"]}");
    json_decref(changes);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T13:00:00Z", 4, ",\"FileName\":\"rival.exe\"");
    run(RIVAL);
    expect_changes("new_tool/Rival/ new_tool_on_device/Rival/d1", NULL);
}

static void of_two_tools_found_at_once_the_first_makes_the_device_new(void **state) {
    (void)state;
    process("d1", "2026-07-18T11:00:00Z", 1);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 2, ",\"FileName\":\"rival.exe\"");
    ANSWER_AUTO answer = hunt_run(&probe_server.server, "{\"all\":true,\"as_of\":\"2026-07-20T00:00:00Z\"}");
    expect_changes("new_tool/Probe/ new_tool/Rival/ new_device/Rival/d1 new_tool_on_device/Probe/d1", NULL);
}

static void growth_is_told_at_each_doubling(void **state) {
    json_t *changes;
    static const char *const expected[] = {
        "new_tool/Probe/ new_device/Probe/d1", "grew/Probe/d1", "", "grew/Probe/d1", "", "", "", "grew/Probe/d1"};
    char time[64];
    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(time, sizeof time, "2026-07-18T10:00:0%dZ", i);
        process("d1", time, i);
        process("d1", time, i); /* sent again: never counted */
        run(PROBE);
        expect_changes(expected[i], &changes);
        if (i == 7)
            expect_detail(changes, 0, "8x, was 4x, 1 late", "{\"count\":8,\"late\":1,\"machine_group\":\"Lab\",\"signals\":[\"process\"],\"was\":4}");
        json_decref(changes);
    }
}

static void who_comes_back_has_returned_until_late_events_fill_the_gap(void **state) {
    json_t *changes;
    (void)state;
    process("d1", "2026-06-01T23:59:59.9999999Z", 1);
    process("d2", "2026-06-01T00:00:00Z", 1);
    run(PROBE);
    expect_changes("new_tool/Probe/ new_device/Probe/d1 new_device/Probe/d2", NULL);
    process("d1", "2026-06-16T00:00:00Z", 2); /* fourteen whole days without */
    process("d2", "2026-06-15T23:59:59Z", 2); /* thirteen */
    run(PROBE);
    expect_changes("returned/Probe/d1 grew/Probe/d1 grew/Probe/d2", &changes);
    expect_detail(
        changes, 0, "since 2026-06-16, 1 late",
        "{\"last_seen\":\"2026-06-16T00:00:00.0000000Z\",\"late\":1,\"machine_group\":\"Lab\",\"signals\":[\"process\"],\"since\":\"2026-06-16T00:00:00.0000000Z\"}");
    json_decref(changes);
    ANSWER_AUTO back = hunt_get(&probe_server.server, "/v1/findings?device=d1&as_of=2026-06-17T00:00:00Z");
    assert_string_equal(answer_text(&back, "findings.0.state"), "returned");
    process("d1", "2026-06-08T00:00:00Z", 3);
    run(PROBE);
    expect_changes("", NULL);
    ANSWER_AUTO filled = hunt_get(&probe_server.server, "/v1/findings?device=d1&as_of=2026-06-17T00:00:00Z");
    assert_string_equal(answer_text(&filled, "findings.0.state"), "known");
    process("d1", "2026-05-31T12:00:00Z", 4);
    run(PROBE);
    expect_changes("first_moved/Probe/d1 grew/Probe/d1", &changes);
    expect_detail(
        changes, 0, "there since 2026-05-31, not 2026-06-01, 1 late",
        "{\"first_seen\":\"2026-05-31T12:00:00.0000000Z\",\"late\":1,\"machine_group\":\"Lab\",\"signals\":[\"process\"],"
        "\"was\":\"2026-06-01T23:59:59.9999999Z\"}");
    json_decref(changes);
}

/* Each summary as the database puts it, and the detail it is of. */
static void summaries_tell_two_times_of_a_day_apart_and_one_thing_from_many(void **state) {
    static const char *const cases[][3] = {
        {"first_moved", "{\"first_seen\":\"2026-05-31T08:00:01.5000000Z\",\"was\":\"2026-05-31T12:00:00.0000000Z\"}",
         "there since 2026-05-31 08:00:01, not 12:00:00"},
        {"first_moved", "{\"first_seen\":\"2026-05-31T08:00:01.2500000Z\",\"was\":\"2026-05-31T08:00:01.5000000Z\"}",
         "there since 2026-05-31 08:00:01.2500000, not 08:00:01.5000000"},
        {"certificate_rotation", "{\"serials\":[\"01\"],\"devices\":4,\"signer\":\"CA\"}", "1 serial on 4 devices signer=CA"},
        {"new_tool", "{\"devices\":1}", "on 1 device"},
        {"new_tool", "{\"devices\":2}", "on 2 devices"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[1024];
        snprintf(sql, sizeof sql, "SELECT (rmm.change_summary('%s', '%s') = '%s')::integer", cases[i][0], cases[i][1],
                 cases[i][2]);
        if (database_int(probe_server.db, sql) != 1)
            fail_msg("not '%s'", cases[i][2]);
    }
}

static void certificate(const char *device, const char *time, int report, const char *more) {
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", device, time, report, more);
}

static void new_signers_and_serials_are_told_and_rotations_as_one(void **state) {
    json_t *changes;
    (void)state;
    certificate("d1", "2026-07-16T00:00:00Z", 1, SIGNED("Probe Inc", "CA 1", "aa"));
    run(PROBE);
    expect_changes("new_tool/Probe/ new_device/Probe/d1", NULL);
    certificate("d1", "2026-07-16T01:00:00Z", 2, SIGNED("Probe Inc", "CA 1", "bb"));
    certificate("d1", "2026-07-16T02:00:00Z", 3, SIGNED("Probe Ltd", "CA 1", "cc"));
    run(PROBE);
    expect_changes("grew/Probe/d1 new_serial/Probe/ new_serial/Probe/ new_signer/Probe/", &changes);
    expect_detail(changes, 1, "serial=bb signer=Probe Inc",
                  "{\"devices\":1,\"first_seen\":\"2026-07-16T01:00:00.0000000Z\",\"issuer\":\"CA "
                  "1\",\"serial\":\"bb\",\"signer\":\"Probe Inc\"}");
    expect_detail(changes, 3, "signer=Probe Ltd",
                  "{\"devices\":1,\"first_seen\":\"2026-07-16T02:00:00.0000000Z\",\"signer\":\"Probe Ltd\"}");
    json_decref(changes);
    /* two serials at once, on three devices together */
    certificate("d1", "2026-07-17T00:00:00Z", 4, SIGNED("Probe Inc", "CA 1", "dd"));
    certificate("d2", "2026-07-17T10:00:00Z", 4, SIGNED("Probe Inc", "CA 1", "dd"));
    certificate("d3", "2026-07-18T00:00:00Z", 4, SIGNED("Probe Inc", "CA 1", "ee"));
    certificate("d1", "2026-07-18T00:00:00Z", 5, SIGNED("Probe Inc", "CA 2", "ff")); /* another issuer */
    certificate("d2", "2026-07-18T00:00:00Z", 5, SIGNED("Probe Inc", "CA 2", "ff"));
    certificate("d3", "2026-07-18T00:00:00Z", 5, SIGNED("Probe Inc", "CA 2", "ff"));
    run(PROBE);
    expect_changes("new_device/Probe/d2 new_device/Probe/d3 new_serial/Probe/ certificate_rotation/Probe/", &changes);
    expect_detail(changes, 2, "serial=ff signer=Probe Inc",
                  "{\"devices\":3,\"first_seen\":\"2026-07-18T00:00:00.0000000Z\",\"issuer\":\"CA "
                  "2\",\"serial\":\"ff\",\"signer\":\"Probe Inc\"}");
    expect_detail(changes, 3, "2 serials on 3 devices signer=Probe Inc",
                  "{\"devices\":3,\"first_seen\":\"2026-07-17T00:00:00.0000000Z\",\"issuer\":\"CA "
                  "1\",\"serials\":[\"dd\",\"ee\"],\"signer\":\"Probe Inc\"}");
    json_decref(changes);
    /* three devices, but not within a day */
    certificate("d1", "2026-07-19T00:00:00Z", 6, SIGNED("Probe Inc", "CA 1", "01"));
    certificate("d2", "2026-07-19T12:00:00Z", 6, SIGNED("Probe Inc", "CA 1", "01"));
    certificate("d3", "2026-07-20T00:00:00.0000001Z", 6, SIGNED("Probe Inc", "CA 1", "01"));
    run(PROBE);
    expect_changes("grew/Probe/d1 new_serial/Probe/", NULL);
}

/* As a schedule sees it: a device at a time. */
static void a_rotation_is_told_once_however_many_runs_it_takes(void **state) {
    json_t *changes;
    (void)state;
    certificate("d1", "2026-07-10T00:00:00Z", 1, SIGNED("Probe Inc", "CA 1", "aa"));
    certificate("d2", "2026-07-10T00:00:00Z", 1, SIGNED("Probe Inc", "CA 1", "aa"));
    certificate("d3", "2026-07-10T00:00:00Z", 1, SIGNED("Probe Inc", "CA 1", "aa"));
    run(PROBE);
    expect_changes("new_tool/Probe/ new_device/Probe/d1 new_device/Probe/d2 new_device/Probe/d3", NULL);
    certificate("d1", "2026-07-16T01:00:00Z", 2, SIGNED("Probe Inc", "CA 1", "bb"));
    run(PROBE);
    expect_changes("grew/Probe/d1 new_serial/Probe/", NULL);
    certificate("d2", "2026-07-16T02:00:00Z", 2, SIGNED("Probe Inc", "CA 1", "bb"));
    run(PROBE);
    expect_changes("grew/Probe/d2", NULL);
    certificate("d3", "2026-07-16T03:00:00Z", 2, SIGNED("Probe Inc", "CA 1", "bc"));
    run(PROBE);
    expect_changes("grew/Probe/d3 certificate_rotation/Probe/", &changes);
    expect_detail(changes, 1, "2 serials on 3 devices signer=Probe Inc",
                  "{\"devices\":3,\"first_seen\":\"2026-07-16T01:00:00.0000000Z\",\"issuer\":\"CA "
                  "1\",\"serials\":[\"bb\",\"bc\"],\"signer\":\"Probe Inc\"}");
    json_decref(changes);
    certificate("d4", "2026-07-16T04:00:00Z", 2, SIGNED("Probe Inc", "CA 1", "bc"));
    run(PROBE);
    expect_changes("new_device/Probe/d4", NULL);
    /* and nothing hides behind it */
    certificate("d4", "2026-07-16T05:00:00Z", 3, SIGNED("Probe Inc", "CA 1", "cc"));
    run(PROBE);
    expect_changes("grew/Probe/d4 new_serial/Probe/", NULL);
}

/* Two hunts of a tool that count the same event. */
static void late_tells_events_and_not_how_many_hunts_found_them(void **state) {
    static const char twin[] = "{\"id\":\"7c1f1d1e-0000-4000-8000-00000000aaaa\",\"slug\":\"probe-twin\",\"name\":\"Check - Probe - "
                               "Create Process\",\"query\":\"DeviceProcessEvents | where FileName startswith 'probe' | summarize "
                               "Count=count() by DeviceId\"}";
    json_t *changes;
    (void)state;
    ANSWER_AUTO imported = server_expect(&probe_server.server, 201, &(struct send){.path = "/v1/hunts/import", .body = twin});
    ANSWER_AUTO before = hunt_run(&probe_server.server, PROBE);
    process("d1", "2026-07-18T10:00:00Z", 1);
    ANSWER_AUTO after = hunt_run(&probe_server.server, PROBE);
    expect_changes("new_tool/Probe/ new_device/Probe/d1", &changes);
    assert_int_equal(json_integer_value(json_at(json_array_get(changes, 1), "detail.count")), 1);
    assert_int_equal(json_integer_value(json_at(json_array_get(changes, 1), "detail.late")), 1);
    json_decref(changes);
}

static void types_and_tools_can_be_chosen_and_latest_starts_at_the_end(void **state) {
    (void)state;
    process("d1", "2026-07-18T10:00:00Z", 1);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T13:00:00Z", 4, ",\"FileName\":\"rival.exe\"");
    run(PROBE);
    run(RIVAL);
    ANSWER_AUTO types = hunt_get(&probe_server.server, "/v1/changes?types=new_device,new_tool_on_device");
    assert_int_equal(json_array_size(answer_at(&types, "changes")), 2);
    ANSWER_AUTO tool = hunt_get(&probe_server.server, "/v1/changes?tool=rival");
    assert_int_equal(json_array_size(answer_at(&tool, "changes")), 2);
    assert_string_equal(answer_text(&tool, "changes.0.tool"), "Rival");
    ANSWER_AUTO latest = hunt_get(&probe_server.server, "/v1/changes?latest");
    assert_int_equal(json_array_size(answer_at(&latest, "changes")), 0);
    snprintf(cursor, sizeof cursor, "%s", answer_text(&latest, "next"));
    expect_changes("", NULL);
    process("d2", "2026-07-18T10:00:00Z", 1);
    run(PROBE);
    expect_changes("new_device/Probe/d2", NULL);
    static const char *const wrong[] = {"types=nonsense", "types=,", "types=new_tool,",
                                        "cursor=5",       "wait=61", "latest=perhaps"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[PATH];
        snprintf(path, sizeof path, "/v1/changes?%s", wrong[i]);
        ANSWER_AUTO refused = server_expect(&probe_server.server, 400, &(struct send){.path = path});
        assert_memory_equal(answer_text(&refused, "errors.0.field"), wrong[i], strcspn(wrong[i], "="));
    }
}

/* Of the whole list those of the types and the tool, NULL for any. */
static void expect_chosen(const json_t *whole, const char *types, const char *tool) {
    char path[PATH];
    size_t i;
    const json_t *change;
    json_t *expected = json_array();
    json_array_foreach(whole, i, change) {
        if ((!types || strstr(types, hunt_text(change, "type"))) && (!tool || !strcasecmp(tool, hunt_text(change, "tool"))))
            json_array_append(expected, (json_t *)(uintptr_t)change);
    }
    snprintf(path, sizeof path, "/v1/changes?limit=1000%s%s%s%s", types ? "&types=" : "", types ? types : "",
             tool ? "&tool=" : "", tool ? tool : "");
    ANSWER_AUTO got = hunt_get(&probe_server.server, path);
    if (!json_equal(answer_at(&got, "changes"), expected))
        fail_msg("%s: %zu changes instead of %zu, or other ones", path, json_array_size(answer_at(&got, "changes")),
                 json_array_size(expected));
    json_decref(expected);
}

static void choosing_leaves_the_same_changes_in_the_same_order(void **state) {
    static const char *const types[] = {NULL, "grew", "new_device,new_tool", "grew,grew", "certificate_rotation",
                                        "returned,new_device,first_moved"};
    static const char *const tools[] = {NULL, "probe", "RIVAL", "AnyDesk"};
    (void)state;
    for (int i = 0; i < 12; i++) {
        char device[16];
        snprintf(device, sizeof device, "d%d", i % 5);
        process(device, i % 2 ? "2026-07-18T10:00:00Z" : "2026-06-01T10:00:00Z", i);
        hunt_send_event(&probe_server.server, "DeviceProcessEvents", device, "2026-07-18T13:00:00Z", 100 + i, ",\"FileName\":\"rival.exe\"");
        run(i % 3 ? PROBE : RIVAL);
    }
    ANSWER_AUTO whole = hunt_get(&probe_server.server, "/v1/changes?limit=1000");
    assert_true(json_array_size(answer_at(&whole, "changes")) > 20);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (size_t t = 0; t < sizeof tools / sizeof *tools; t++)
            expect_chosen(answer_at(&whole, "changes"), types[i], tools[t]);
}

static void deleted_changes_that_a_cursor_missed_are_a_gap(void **state) {
    char path[PATH + 64];
    (void)state;
    process("d1", "2026-07-18T10:00:00Z", 1);
    run(PROBE);
    ANSWER_AUTO first = hunt_get(&probe_server.server, "/v1/changes?limit=1");
    snprintf(path, sizeof path, "/v1/changes?cursor=%s", answer_text(&first, "next"));
    process("d2", "2026-07-18T10:00:00Z", 1);
    run(PROBE);
    ANSWER_AUTO whole = hunt_get(&probe_server.server, path);
    assert_true(json_is_false(answer_at(&whole, "gap")));
    database_do(probe_server.db, "DELETE FROM rmm.changes WHERE id <= 2 RETURNING id");
    ANSWER_AUTO gap = hunt_get(&probe_server.server, path);
    assert_true(json_is_true(answer_at(&gap, "gap")));
    assert_string_equal(answer_text(&gap, "changes.0.device_id"), "d2");
    database_do(probe_server.db, "DELETE FROM rmm.changes RETURNING id");
    ANSWER_AUTO none = hunt_get(&probe_server.server, path);
    assert_true(json_is_true(answer_at(&none, "gap")));
    assert_int_equal(json_array_size(answer_at(&none, "changes")), 0);
}

struct waiting {
    pthread_t thread;
    const char *path;
    struct answer answer;
    int64_t ended;
    atomic_bool started;
};

static void *wait_run(void *argument) {
    struct waiting *waiting = argument;
    atomic_store(&waiting->started, true);
    waiting->answer = server_send(&probe_server.server, &(struct send){.path = waiting->path});
    waiting->ended = mono_ms();
    return NULL;
}

static void wait_start(struct waiting *waiting, const char *path) {
    waiting->path = path;
    assert_int_equal(pthread_create(&waiting->thread, NULL, wait_run, waiting), 0);
    while (!atomic_load(&waiting->started))
        sleep_ms(1);
}

static void a_long_poll_ends_with_the_change_with_its_time_or_with_the_server(void **state) {
    (void)state;
    struct waiting change = {0}, draining = {0};
    int64_t start = mono_ms();
    ANSWER_AUTO nothing = hunt_get(&probe_server.server, "/v1/changes?wait=1");
    int64_t took = mono_ms() - start;
    assert_int_equal(json_array_size(answer_at(&nothing, "changes")), 0);
    assert_true(took >= 1000 && took < 3000);
    wait_start(&change, "/v1/changes?wait=60&latest");
    process("d1", "2026-07-18T10:00:00Z", 1);
    while (!database_int(probe_server.db, "SELECT count(*) FROM rmm.changes"))
        run(PROBE);
    start = mono_ms();
    pthread_join(change.thread, NULL);
    assert_true(change.ended - start < 2000);
    assert_string_equal(answer_text(&change.answer, "changes.0.type"), "new_tool");
    answer_free(&change.answer);
    wait_start(&draining, "/v1/changes?wait=60&latest");
    start = mono_ms();
    hunt_server_stop(&probe_server);
    pthread_join(draining.thread, NULL);
    assert_true(draining.ended - start < 5000);
    answer_free(&draining.answer);
}

/* Runs on two servers of one database while one of them is killed and started again. */
struct feeder {
    pthread_t thread;
    struct server *server;
    const char *tool;
    int next;
    atomic_int rounds;
    atomic_bool stop;
};

static void *feed(void *argument) {
    struct feeder *feeder = argument;
    while (!atomic_load(&feeder->stop)) {
        int i = feeder->next++;
        char body[PATH], event[PATH];
        snprintf(event, sizeof event,
                 "{\"Type\":\"DeviceProcessEvents\",\"Timestamp\":\"2026-07-18T10:%02d:%02dZ\",\"DeviceId\":\"%s-%d\","
                 "\"ReportId\":%d,"
                 "\"FileName\":\"%s.exe\"}\n",
                 i / 60 % 60, i % 60, feeder->tool, i, i, feeder->tool);
        snprintf(body, sizeof body, "{\"tool\":\"%s\",\"as_of\":\"2026-07-20T00:00:00Z\"}", feeder->tool);
        struct answer stored = server_send(feeder->server, &(struct send){.path = "/v1/events", .body = event});
        struct answer ran = server_send(feeder->server, &(struct send){.path = "/v1/runs", .body = body});
        atomic_fetch_add(&feeder->rounds, ran.status == 201);
        answer_free(&stored);
        answer_free(&ran);
    }
    return NULL;
}

/* Adds what is new; the server may be gone. */
static void poll_once(const struct server *server, json_t *seen) {
    char path[PATH + 64];
    snprintf(path, sizeof path, "/v1/changes?limit=3%s%s", cursor[0] ? "&cursor=" : "", cursor);
    struct answer answer = server_send(server, &(struct send){.path = path});
    if (answer.status == 200) {
        json_array_extend(seen, json_object_get(answer.json, "changes"));
        snprintf(cursor, sizeof cursor, "%s", answer_text(&answer, "next"));
    }
    answer_free(&answer);
}

static void expect_each_once(const json_t *seen, const json_t *all) {
    long long last = 0;
    assert_true(json_array_size(all) >= 42);
    assert_int_equal(json_array_size(seen), json_array_size(all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        long long id = strtoll(hunt_text(json_array_get(seen, i), "id"), NULL, 10);
        assert_true(id > last && json_equal(json_array_get(seen, i), json_array_get(all, i)));
        last = id;
    }
}

static void feeders_await(struct feeder feeders[2], int rounds, json_t *seen) {
    int64_t deadline = mono_ms() + LIMIT_MS;
    int start[2] = {atomic_load(&feeders[0].rounds), atomic_load(&feeders[1].rounds)};
    while (atomic_load(&feeders[0].rounds) < start[0] + rounds || atomic_load(&feeders[1].rounds) < start[1] + rounds) {
        assert_true(mono_ms() < deadline);
        poll_once(&probe_server.server, seen);
    }
}

static void a_poller_gets_each_change_once_though_servers_die(void **state) {
    (void)state;
    struct server other = {.database_url = probe_server.database_url};
    assert_true(server_start(&other));
    struct feeder feeders[] = {{.server = &probe_server.server, .tool = "probe"}, {.server = &other, .tool = "rival"}};
    json_t *seen = json_array();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&feeders[i].thread, NULL, feed, &feeders[i]), 0);
    feeders_await(feeders, 10, seen);
    atomic_store(&feeders[0].stop, true);
    server_kill(&probe_server.server);
    pthread_join(feeders[0].thread, NULL);
    poll_once(&probe_server.server, seen);
    poll_once(&other, seen);
    assert_true(server_start(&probe_server.server));
    atomic_store(&feeders[0].stop, false);
    assert_int_equal(pthread_create(&feeders[0].thread, NULL, feed, &feeders[0]), 0);
    feeders_await(feeders, 10, seen);
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&feeders[i].stop, true);
        pthread_join(feeders[i].thread, NULL);
    }
    size_t before;
    do {
        before = json_array_size(seen);
        poll_once(&probe_server.server, seen);
    } while (json_array_size(seen) > before);
    /* the end of a list of changes has a cursor too */
    ANSWER_AUTO all = hunt_get(&other, "/v1/changes?limit=1000");
    expect_each_once(seen, answer_at(&all, "changes"));
    json_decref(seen);
    assert_int_equal(server_stop(&other), 0);
    server_remove(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_first_sighting_is_a_new_tool_then_new_devices_tools_and_signals),
        TEST(of_two_tools_found_at_once_the_first_makes_the_device_new),
        TEST(growth_is_told_at_each_doubling),
        TEST(who_comes_back_has_returned_until_late_events_fill_the_gap),
        TEST(summaries_tell_two_times_of_a_day_apart_and_one_thing_from_many),
        TEST(new_signers_and_serials_are_told_and_rotations_as_one),
        TEST(a_rotation_is_told_once_however_many_runs_it_takes),
        TEST(late_tells_events_and_not_how_many_hunts_found_them),
        TEST(types_and_tools_can_be_chosen_and_latest_starts_at_the_end),
        TEST(choosing_leaves_the_same_changes_in_the_same_order),
        TEST(deleted_changes_that_a_cursor_missed_are_a_gap),
        cmocka_unit_test_setup(a_long_poll_ends_with_the_change_with_its_time_or_with_the_server, setup),
        TEST(a_poller_gets_each_change_once_though_servers_die),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
