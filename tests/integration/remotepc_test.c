/* The published RemotePC signature hunt against answers worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tests/support/server_fixture.h"

enum { CAP = 1 << 20 };

/* The window of as_of 2026-07-20T00:00:00Z is [2026-07-15T00:00:00.0000000Z, 2026-07-20T00:00:00.0000000Z]. */
static const struct {
    const char *device, *time, *report, *signer;
} rows[] = {
    /* both ends of the window count, a tick outside doesn't */
    {"edge", "2026-07-14T23:59:59.9999999Z", "1", "IDrive, Inc."},
    {"edge", "2026-07-15T00:00:00Z", "2", "IDrive, Inc."},
    {"edge", "2026-07-20T00:00:00.0000000Z", "3", "IDrive, Inc."},
    {"edge", "2026-07-20T00:00:00.0000001Z", "4", "IDrive, Inc."},
    /* only the seventh digit tells these apart; the report's number needs all 64 bits */
    {"digit", "2026-07-16T02:11:09.1234567Z", "639199803770463703", "IDrive, Inc."},
    {"digit", "2026-07-16T02:11:09.1234568Z", "639199803770463704", "IDrive, Inc."},
    {"digit", "2026-07-16T02:11:09.1234568Z", "45720", "IDRIVE INC"},
    /* terms: underscores part them, letters and digits don't */
    {"under", "2026-07-16T00:00:00Z", "7", "x_idrive_y"},
    {"hidrive", "2026-07-16T00:00:00Z", "8", "STRATO HiDrive"},
    {"xidrive", "2026-07-16T00:00:00Z", "9", "xidrive"},
    {"idrives", "2026-07-16T00:00:00Z", "10", "iDrives"},
    {"digits", "2026-07-16T00:00:00Z", "11", "idrive2"},
    {"softnet", "2026-07-16T00:00:00Z", "12", "Pro Softnet Corporation"},
    {"cyrillic", "2026-07-16T00:00:00Z", "13", "\\u0436idrive"},
    {"nobody", "2026-07-16T00:00:00Z", "14", ""},
    /* a report that repeats is listed once and counted each time */
    {"repeat", "2026-07-17T00:00:00Z", "20", "IDrive, Inc."},
    {"repeat", "2026-07-17T00:00:01Z", "20", "IDrive, Inc."},
    {"repeat", "2026-07-17T00:00:02Z", "19", "(idrive)"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void add_row(struct buf *out, size_t i, const char *envelope) {
    buf_printf(
        out,
        "{\"time\":\"%s\",\"tenantId\":\"t\",\"operationName\":\"Publish\",\"category\":"
        "\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"DeviceId\":\"%s\",\"DeviceName\":"
        "\"%s.example\",\"ReportId\":%s,\"SHA1\":\"aa\",\"IsSigned\":true,\"Signer\":\"%s\",\"Timestamp\":\"%s\","
        "\"MachineGroup\":\"Workstations\"}}\n",
        envelope, rows[i].device, rows[i].device, rows[i].report, rows[i].signer, rows[i].time);
}

static struct answer post_run(const char *body) {
    return server_expect(&server_fixture, 201, &(struct send){.path = "/v1/runs", .body = body});
}

#define RUN_JULY "{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2026-07-20T00:00:00Z\"}"

static int setup(void **state) {
    if (server_fixture_setup(state))
        return -1;
    BUF_AUTO body = BUF(CAP);
    for (size_t i = 0; i < ROWS; i++)
        add_row(&body, i, "2026-07-20T01:00:00Z");
    for (size_t i = 0; i < ROWS; i += 2)
        add_row(&body, i, "2026-07-20T02:00:00Z");
    struct answer answer =
        server_send(&server_fixture, &(struct send){.path = "/v1/events", .body = body.ptr, .length = body.len});
    int code = answer.status == 200 && json_integer_value(json_at(answer.json, "stored")) == ROWS ? 0 : -1;
    if (code)
        fprintf(stderr, "events: %ld %s\n", answer.status, answer.body ? answer.body : "");
    answer_free(&answer);
    if (code)
        server_fixture_teardown(state);
    return code;
}

static const json_t *device_of(const struct answer *answer, const char *id) {
    size_t i;
    const json_t *device;
    json_array_foreach(answer_at(answer, "devices"), i,
                       device) if (!strcmp(json_string_value(json_at(device, "device_id")), id)) return device;
    return NULL;
}

static void check_device(const struct answer *answer, const char *id, const char *first, const char *last,
                         long long count, const char *reports) {
    const json_t *device = device_of(answer, id);
    if (!device)
        fail_msg("%s is not found: %s", id, answer->body);
    char *ids = json_dumps(json_at(device, "report_ids"), JSON_COMPACT);
    assert_string_equal(json_string_value(json_at(device, "first_seen")), first);
    assert_string_equal(json_string_value(json_at(device, "last_seen")), last);
    assert_int_equal(json_integer_value(json_at(device, "count")), count);
    assert_string_equal(ids, reports);
    free(ids);
}

static void the_hunt_gives_exactly_the_devices_worked_out_by_hand(void **state) {
    (void)state;
    static const char *const expected[] = {"digit", "edge", "repeat", "under"};
    ANSWER_AUTO answer = post_run(RUN_JULY);
    const json_t *devices = answer_at(&answer, "devices");
    assert_int_equal(json_array_size(devices), 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(json_string_value(json_at(json_array_get(devices, i), "device_id")), expected[i]);
    check_device(&answer, "edge", "2026-07-15T00:00:00.0000000Z", "2026-07-20T00:00:00.0000000Z", 2, "[\"2\",\"3\"]");
    check_device(&answer, "digit", "2026-07-16T02:11:09.1234567Z", "2026-07-16T02:11:09.1234568Z", 3,
                 "[\"45720\",\"639199803770463703\",\"639199803770463704\"]");
    check_device(&answer, "under", "2026-07-16T00:00:00.0000000Z", "2026-07-16T00:00:00.0000000Z", 1, "[\"7\"]");
    check_device(&answer, "repeat", "2026-07-17T00:00:00.0000000Z", "2026-07-17T00:00:02.0000000Z", 3,
                 "[\"19\",\"20\"]");
}

static void the_result_says_what_it_is(void **state) {
    (void)state;
    ANSWER_AUTO answer = post_run(RUN_JULY);
    assert_string_equal(answer_text(&answer, "state"), "succeeded");
    assert_string_equal(answer_text(&answer, "as_of"), "2026-07-20T00:00:00.0000000Z");
    assert_string_equal(answer_text(&answer, "window.from"), "2026-07-15T00:00:00.0000000Z");
    assert_string_equal(answer_text(&answer, "window.to"), "2026-07-20T00:00:00.0000000Z");
    assert_string_equal(answer_text(&answer, "hunt.id"), "889cdb9b-ae6a-4bf5-9808-23e85367c6d0");
    assert_string_equal(answer_text(&answer, "hunt.slug"), "remotepc-file-signature");
    assert_string_equal(answer_text(&answer, "hunt.tool"), "RemotePC");
    assert_string_equal(answer_text(&answer, "hunt.signal"), "signature");
    assert_string_equal(answer_text(&answer, "devices.0.device_name"), "digit.example");
    assert_string_equal(answer_text(&answer, "devices.0.machine_group"), "Workstations");
    assert_string_equal(answer_text(&answer, "devices.0.portal"),
                        "https://security.microsoft.com/machines/digit/timeline?from=2026-07-16T02:11:09.1234567Z&to="
                        "2026-07-16T02:11:09.1234568Z");
    assert_string_equal(answer_text(&answer, "freshness.DeviceFileCertificateInfo.newest_event"),
                        "2026-07-20T00:00:00.0000001Z");
    assert_true(json_is_array(answer_at(&answer, "warnings")));
}

static void the_rows_are_as_kusto_gives_them(void **state) {
    (void)state;
    static const char columns[] = "[{\"name\":\"DeviceId\",\"type\":\"string\"},{\"name\":\"DeviceName\",\"type\":"
                                  "\"string\"},{\"name\":\"FirstSeen\","
                                  "\"type\":\"datetime\"},{\"name\":\"LastSeen\",\"type\":\"datetime\"},{\"name\":"
                                  "\"Report\",\"type\":\"dynamic\"},"
                                  "{\"name\":\"Count\",\"type\":\"long\"}]";
    ANSWER_AUTO answer = post_run(RUN_JULY);
    char *text = json_dumps(answer_at(&answer, "columns"), JSON_COMPACT);
    assert_string_equal(text, columns);
    free(text);
    size_t i;
    const json_t *row;
    long long found = 0;
    json_array_foreach(answer_at(&answer, "rows"), i, row) {
        if (strcmp(json_string_value(json_array_get(row, 0)), "digit") != 0)
            continue;
        assert_string_equal(json_string_value(json_array_get(row, 2)), "2026-07-16T02:11:09.1234567Z");
        size_t place;
        const json_t *report;
        json_array_foreach(json_array_get(row, 4), place, report) found +=
            json_integer_value(report) == 639199803770463703LL;
        assert_int_equal(json_integer_value(json_array_get(row, 5)), 3);
    }
    assert_int_equal(found, 1);
}

static void a_moved_as_of_moves_the_window(void **state) {
    (void)state;
    ANSWER_AUTO answer =
        post_run("{\"hunts\":[\"889cdb9b-ae6a-4bf5-9808-23e85367c6d0\"],\"as_of\":\"2026-07-19T23:59:59.9999999Z\"}");
    check_device(&answer, "edge", "2026-07-14T23:59:59.9999999Z", "2026-07-15T00:00:00.0000000Z", 2, "[\"1\",\"2\"]");
    ANSWER_AUTO empty = post_run("{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2025-01-01T00:00:00Z\"}");
    assert_int_equal(json_array_size(answer_at(&empty, "devices")), 0);
    assert_int_equal(json_array_size(answer_at(&empty, "rows")), 0);
}

static void an_asked_for_window_narrows_the_hunt(void **state) {
    (void)state;
    ANSWER_AUTO answer = post_run("{\"hunts\":[\"remotepc-file-signature\"],\"from\":\"2026-07-17T00:00:01Z\",\"to\":"
                                  "\"2026-07-17T00:00:02Z\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    assert_int_equal(json_array_size(answer_at(&answer, "devices")), 1);
    check_device(&answer, "repeat", "2026-07-17T00:00:01.0000000Z", "2026-07-17T00:00:02.0000000Z", 2,
                 "[\"19\",\"20\"]");
}

static void rows_that_come_late_are_in_the_next_run(void **state) {
    (void)state;
    static const char late[] =
        "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"DeviceId\":\"late\","
        "\"DeviceName\":"
        "\"late.example\",\"ReportId\":99,\"Signer\":\"IDrive, Inc.\",\"Timestamp\":\"2026-06-05T12:00:00Z\"}}";
    static const char run[] = "{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2026-06-06T00:00:00Z\"}";
    ANSWER_AUTO before = post_run(run);
    assert_int_equal(json_array_size(answer_at(&before, "devices")), 0);
    ANSWER_AUTO stored = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/events", .body = late});
    assert_int_equal(answer_int(&stored, "stored"), 1);
    ANSWER_AUTO after = post_run(run);
    check_device(&after, "late", "2026-06-05T12:00:00.0000000Z", "2026-06-05T12:00:00.0000000Z", 1, "[\"99\"]");
}

static void the_better_hunt_beside_it_knows_the_older_signer(void **state) {
    (void)state;
    ANSWER_AUTO answer =
        post_run("{\"hunts\":[\"remotepc-file-signature-signers\"],\"as_of\":\"2026-07-20T00:00:00Z\"}");
    check_device(&answer, "softnet", "2026-07-16T00:00:00.0000000Z", "2026-07-16T00:00:00.0000000Z", 1, "[\"12\"]");
    const json_t *device = device_of(&answer, "digit");
    assert_non_null(device);
    assert_int_equal(json_array_size(json_at(device, "groups")), 2);
    assert_int_equal(json_integer_value(json_at(device, "count")), 3);
}

static void an_unchanged_result_is_304_and_a_new_run_changes_the_tag(void **state) {
    (void)state;
    static const char path[] = "/v1/hunts/remotepc-file-signature/results";
    char tag[256] = "", header[300], cache[64] = "";
    ANSWER_AUTO run = post_run(RUN_JULY);
    ANSWER_AUTO answer = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&answer, "run_id"), answer_text(&run, "run_id"));
    assert_true(answer_header(&answer, "ETag", tag, sizeof tag));
    assert_true(answer_header(&answer, "Cache-Control", cache, sizeof cache));
    assert_string_equal(cache, "no-cache");
    assert_int_equal(tag[0], '"');
    snprintf(header, sizeof header, "If-None-Match: %s", tag);
    ANSWER_AUTO same = server_expect(&server_fixture, 304, &(struct send){.path = path, .headers = {header}});
    assert_int_equal(same.length, 0);
    ANSWER_AUTO other = post_run("{\"hunts\":[\"remotepc-file-signature\"],\"as_of\":\"2026-08-20T00:00:00Z\"}");
    assert_int_equal(json_array_size(answer_at(&other, "devices")), 0);
    ANSWER_AUTO fresh = server_expect(&server_fixture, 200, &(struct send){.path = path, .headers = {header}});
    assert_int_equal(json_array_size(answer_at(&fresh, "devices")), 0);
}

static void results_come_in_every_format(void **state) {
    (void)state;
    ANSWER_AUTO run = post_run(RUN_JULY);
    char path[256], type[128] = "";
    snprintf(path, sizeof path, "/v1/runs/%s/results?format=csv", answer_text(&run, "run_id"));
    ANSWER_AUTO csv = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_true(answer_header(&csv, "Content-Type", type, sizeof type));
    assert_int_equal(strncmp(type, "text/csv", 8), 0);
    assert_non_null(strstr(csv.body, "DeviceId,DeviceName,FirstSeen,LastSeen,Report,Count,MachineGroup\r\n"));
    assert_non_null(strstr(csv.body, "639199803770463703"));
    snprintf(path, sizeof path, "/v1/runs/%s/results?format=ndjson", answer_text(&run, "run_id"));
    ANSWER_AUTO lines = server_expect(&server_fixture, 200, &(struct send){.path = path});
    size_t count = 0;
    for (const char *c = lines.body; (c = strchr(c, '\n')); c++)
        count++;
    assert_int_equal(count, 4);
    snprintf(path, sizeof path, "/v1/runs/%s/results?format=table", answer_text(&run, "run_id"));
    ANSWER_AUTO table = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_non_null(strstr(table.body, "digit.example"));
    ANSWER_AUTO bad = server_expect(&server_fixture, 400, &(struct send){.path = "/v1/runs?format=xml"});
    assert_string_equal(answer_text(&bad, "code"), "bad_parameter");
}

static void evidence_is_the_events_that_were_counted(void **state) {
    (void)state;
    ANSWER_AUTO run = post_run(RUN_JULY);
    ANSWER_AUTO evidence =
        server_expect(&server_fixture, 200, &(struct send){.path = answer_text(&run, "devices.0.evidence.url")});
    size_t i, big = 0;
    const json_t *event;
    assert_int_equal(json_array_size(answer_at(&evidence, "events")), 3);
    json_array_foreach(answer_at(&evidence, "events"), i, event)
        big += !strcmp(json_string_value(json_at(event, "event.Signer")), "IDRIVE INC");
    assert_int_equal(big, 1);
}

static void an_idempotency_key_gives_the_same_run(void **state) {
    (void)state;
    struct send send = {.path = "/v1/runs", .headers = {"Idempotency-Key: once"}, .body = RUN_JULY};
    ANSWER_AUTO first = server_expect(&server_fixture, 201, &send);
    ANSWER_AUTO second = server_expect(&server_fixture, 201, &send);
    assert_string_equal(answer_text(&first, "run_id"), answer_text(&second, "run_id"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hunt_gives_exactly_the_devices_worked_out_by_hand),
        cmocka_unit_test(the_result_says_what_it_is),
        cmocka_unit_test(the_rows_are_as_kusto_gives_them),
        cmocka_unit_test(a_moved_as_of_moves_the_window),
        cmocka_unit_test(an_asked_for_window_narrows_the_hunt),
        cmocka_unit_test(rows_that_come_late_are_in_the_next_run),
        cmocka_unit_test(the_better_hunt_beside_it_knows_the_older_signer),
        cmocka_unit_test(an_unchanged_result_is_304_and_a_new_run_changes_the_tag),
        cmocka_unit_test(results_come_in_every_format),
        cmocka_unit_test(evidence_is_the_events_that_were_counted),
        cmocka_unit_test(an_idempotency_key_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
