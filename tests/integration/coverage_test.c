/* Coverage of a small estate whose figures are worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/server_fixture.h"

enum { CAP = 1 << 20 };

/* Posts one event that came `ago` ticks after it happened; more: further members, with a comma in front. */
static void post(const char *table, const char *device, const char *group, int64_t ago, const char *more) {
    char time[TICKS_TEXT], path[64];
    BUF_AUTO body = BUF(CAP);
    ticks_print(ticks_now() - ago, time);
    snprintf(path, sizeof path, "/v1/events/%s", table);
    buf_printf(&body,
               "{\"Timestamp\":\"%s\",\"DeviceId\":\"%s\",\"DeviceName\":\"%s.example\",\"MachineGroup\":\"%s\","
               "\"ReportId\":1%s}",
               time, device, device, group, more);
    for (int i = 0; i < 2; i++) { /* the repeat must not be counted */
        ANSWER_AUTO answer =
            server_expect(&server_fixture, 200, &(struct send){.path = path, .body = buf_cstr(&body)});
        assert_int_equal(answer_int(&answer, "stored"), i == 0);
    }
}


/* Five devices of two groups: one an hour and 23 hours ago, one 25 hours, one three and one ten days ago. */
static void fill(void) {
    post("DeviceProcessEvents", "a", "Finance", 30 * TICKS_MINUTE, "");
    post("DeviceProcessEvents", "b", "Finance", 23 * TICKS_HOUR, "");
    post("DeviceProcessEvents", "c", "Finance", 25 * TICKS_HOUR, "");
    post("DeviceProcessEvents", "d", "Ops", 3 * TICKS_DAY, "");
    post("DeviceProcessEvents", "e", "Ops", 10 * TICKS_DAY, "");
    post("DeviceFileCertificateInfo", "c", "Finance", 2 * TICKS_HOUR, ",\"SHA1\":\"00\"");
    ANSWER_AUTO rejected = server_expect(&server_fixture, 200,
                                         &(struct send){.path = "/v1/events/DeviceProcessEvents",
                                                        .body = "[{\"DeviceId\":\"x\",\"Timestamp\":\"yesterday\"},"
                                                                "{\"Timestamp\":\"2026-01-01T00:00:00Z\"}]"});
    assert_int_equal(answer_int(&rejected, "rejected"), 2);
}

static struct answer coverage(const char *query) {
    char path[256];
    snprintf(path, sizeof path, "/v1/coverage%s", query);
    return server_expect(&server_fixture, 200, &(struct send){.path = path});
}

static void check(const struct answer *answer, const char *at, const char *member, long long expected) {
    char path[128];
    snprintf(path, sizeof path, "%s.%s", at, member);
    if (answer_int(answer, path) != expected)
        fail_msg("%s is not %lld: %.3000s", path, expected, answer->body);
}

static void devices_rows_and_delays_are_counted_per_table_and_group(void **state) {
    (void)state;
    fill();
    ANSWER_AUTO answer = coverage("");
    check(&answer, "devices", "devices_reporting", 3); /* a, b; c by its certificates */
    check(&answer, "devices", "devices_silent", 1);    /* d */
    assert_string_equal(answer_text(&answer, "devices.groups.0.group"), "Finance");
    check(&answer, "devices.groups.0", "devices_reporting", 3);
    check(&answer, "devices.groups.1", "devices_silent", 1);
    assert_string_equal(answer_text(&answer, "tables.1.table"), "DeviceProcessEvents");
    check(&answer, "tables.1", "devices_reporting", 2); /* a, b */
    check(&answer, "tables.1", "devices_silent", 2);    /* c, d; e is beyond the look-back */
    check(&answer, "tables.1", "rows", 4);
    check(&answer, "tables.1", "late.over_1h", 3);
    check(&answer, "tables.1", "late.over_1d", 2);
    assert_in_range(answer_int(&answer, "tables.1.late.largest_seconds"), 3 * 86400, 3 * 86400 + 60);
    assert_string_equal(answer_text(&answer, "tables.1.groups.0.group"), "Finance");
    check(&answer, "tables.1.groups.0", "rows", 3);
    check(&answer, "tables.1.groups.0", "late.over_1h", 2);
    check(&answer, "tables.1.groups.0", "devices_silent", 1);
    check(&answer, "tables.1.groups.1", "rows", 1);
    check(&answer, "tables.1.groups.1", "devices_reporting", 0);
    check(&answer, "tables.0", "devices_reporting", 1);
    assert_true(json_array_size(answer_at(&answer, "limits")) > 3);
}

static void parameters_move_the_look_back_and_what_counts_as_silent(void **state) {
    (void)state;
    ANSWER_AUTO wide = coverage("?since=20d&silent=P2D&table=DeviceProcessEvents");
    check(&wide, "devices", "devices_reporting", 3); /* a, b, c */
    check(&wide, "devices", "devices_silent", 2);    /* d, e */
    check(&wide, "tables.0", "rows", 5);
    assert_int_equal(json_array_size(answer_at(&wide, "tables")), 1);
    ANSWER_AUTO ops = coverage("?group=Ops");
    check(&ops, "devices", "devices_reporting", 0);
    check(&ops, "devices", "devices_silent", 1);
    check(&ops, "tables.0", "rows", 1);
    ANSWER_AUTO table = coverage("?table=DeviceProcessEvents&format=csv");
    assert_non_null(strstr(table.body, "DeviceProcessEvents,(all),2,2,4,3,2,"));
    assert_non_null(strstr(table.body, "DeviceProcessEvents,Finance,2,1,3,2,1,"));
    static const char *const wrong[] = {"?since=soon", "?table=Nope", "?silent=8d", "?x=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/coverage%s", wrong[i]);
        ANSWER_AUTO refused = server_expect(&server_fixture, 400, &(struct send){.path = path});
        assert_string_equal(answer_text(&refused, "code"), "bad_parameter");
    }
}

static void silent_devices_are_listed_in_pages(void **state) {
    char day[TICKS_TEXT];
    (void)state;
    ANSWER_AUTO any = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/coverage/silent"});
    assert_int_equal(json_array_size(answer_at(&any, "devices")), 1);
    assert_string_equal(answer_text(&any, "devices.0.device_id"), "d");
    assert_string_equal(answer_text(&any, "devices.0.device_name"), "d.example");
    assert_string_equal(answer_text(&any, "devices.0.machine_group"), "Ops");
    assert_string_equal(answer_text(&any, "devices.0.tables.0"), "DeviceProcessEvents");
    ticks_print(ticks_now() - 3 * TICKS_DAY, day);
    assert_memory_equal(answer_text(&any, "devices.0.last_day"), day, 10);
    ANSWER_AUTO first = server_expect(
        &server_fixture, 200, &(struct send){.path = "/v1/coverage/silent?table=DeviceProcessEvents&limit=1"});
    assert_string_equal(answer_text(&first, "devices.0.device_id"), "c");
    char path[512];
    snprintf(path, sizeof path, "/v1/coverage/silent?table=DeviceProcessEvents&limit=1&cursor=%s",
             answer_text(&first, "next"));
    ANSWER_AUTO second = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&second, "devices.0.device_id"), "d");
    assert_true(json_is_null(answer_at(&second, "next")));
}

static void rejected_records_are_counted_by_table_and_code(void **state) {
    (void)state;
    ANSWER_AUTO answer = coverage("");
    assert_string_equal(answer_text(&answer, "rejected.0.code"), "bad_device_id");
    assert_string_equal(answer_text(&answer, "rejected.1.code"), "bad_timestamp");
    assert_string_equal(answer_text(&answer, "rejected.1.table"), "DeviceProcessEvents");
    check(&answer, "rejected.1", "count", 1);
}

static const json_t *hunt_of(const struct answer *answer, const char *slug) {
    size_t index;
    const json_t *hunt;
    json_array_foreach(answer_at(answer, "hunts"), index, hunt) {
        if (!strcmp(json_string_value(json_object_get(hunt, "slug")), slug))
            return hunt;
    }
    fail_msg("no hunt %s in %.2000s", slug, answer->body);
    return NULL;
}

static void check_hunt(const char *slug, const char *verdict, const char *column) {
    ANSWER_AUTO answer = coverage("");
    const json_t *hunt = hunt_of(&answer, slug), *columns = json_object_get(hunt, "columns");
    assert_string_equal(json_string_value(json_object_get(hunt, "verdict")), verdict);
    assert_int_equal(json_array_size(columns), column ? 1 : 0);
    if (column)
        assert_string_equal(json_string_value(json_array_get(columns, 0)), column);
}

static void a_hunt_without_rows_or_with_a_column_never_filled_is_told(void **state) {
    (void)state;
    check_hunt("remotepc-file-signature", "never_filled", "Signer");
    post("DeviceFileCertificateInfo", "a", "Finance", 0, ",\"Signer\":\"Example Corp\"");
    check_hunt("remotepc-file-signature", "ok", NULL);
    ANSWER_AUTO answer = coverage("");
    const json_t *network = hunt_of(&answer, "remotepc-network-connection");
    assert_string_equal(json_string_value(json_object_get(network, "verdict")), "no_data");
    assert_string_equal(json_string_value(json_at(network, "tables_without_data.0")), "DeviceNetworkEvents");
}

static void a_hunt_that_cannot_run_is_told(void **state) {
    (void)state;
    check_hunt("dwservice-create-process", "broken", NULL);
}

static void check_run(const char *body, const char *verdict) {
    ANSWER_AUTO answer = server_expect(&server_fixture, 201, &(struct send){.path = "/v1/runs", .body = body});
    assert_string_equal(answer_text(&answer, "verdict"), verdict);
}

static void check_text(const char *path, const char *expected, bool there) {
    ANSWER_AUTO answer = server_expect(&server_fixture, 200, &(struct send){.path = path});
    if ((strstr(answer.body, expected) != NULL) != there)
        fail_msg("%s: '%s' is%s there: %s", path, expected, there ? " not" : "", answer.body);
}

static void no_data_is_never_shown_as_no_hits(void **state) {
    static const char note[] = "no data in DeviceNetworkEvents in this window";
    (void)state;
    check_run("{\"hunts\":[\"remotepc-network-connection\"]}", "no_data");
    check_text("/v1/hunts/remotepc-network-connection/results?format=table", note, true);
    check_text("/v1/hunts/remotepc-network-connection/results?format=csv", note, true);
    check_text("/v1/hunts/remotepc-network-connection/results?format=ndjson", "\"verdict\":\"no_data\"", true);
    check_text("/v1/hunts/remotepc-network-connection/results?format=table", "no hits", false);
    check_run("{\"hunts\":[\"remotepc-file-signature\"]}", "no_hits");
    check_text("/v1/hunts/remotepc-file-signature/results?format=table", "no hits", true);
    check_text("/v1/hunts/remotepc-file-signature/results?format=csv", "no data", false);
    post("DeviceFileCertificateInfo", "b", "Finance", 0, ",\"Signer\":\"IDrive, Inc.\"");
    check_run("{\"hunts\":[\"remotepc-file-signature\"]}", "hits");
    check_run("{\"hunts\":[\"remotepc-file-signature\"],\"from\":\"2020-01-01T00:00:00Z\",\"to\":\"2020-01-02T00:00:00Z\"}",
              "no_data");
}

static void a_hunt_of_which_one_table_has_no_data_says_so_beside_no_hits(void **state) {
    static const char *const formats[] = {"table", "csv", "ndjson"};
    (void)state;
    ANSWER_AUTO put = server_expect(&server_fixture, 201,
                                    &(struct send){.method = "PUT", .path = "/v1/hunts/00000000-0000-0000-0000-00000000000a",
                                                   .body = "{\"name\":\"two\",\"query\":\"union DeviceNetworkEvents, "
                                                           "DeviceProcessEvents | where DeviceId == 'nobody' | summarize "
                                                           "count() by DeviceId\"}"});
    check_run("{\"hunts\":[\"two\"]}", "no_hits");
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/hunts/two/results?format=%s", formats[i]);
        check_text(path, "no hits; no data in DeviceNetworkEvents in this window", true);
    }
}

/* One device sent half an hour ago, another an hour before. */
static void of_a_window_within_a_day_just_its_devices_are_counted(void **state) {
    char body[256], from[TICKS_TEXT], to[TICKS_TEXT];
    int64_t now = ticks_now();
    (void)state;
    post("DeviceRegistryEvents", "a", "Finance", 30 * TICKS_MINUTE, "");
    post("DeviceRegistryEvents", "b", "Finance", 90 * TICKS_MINUTE, "");
    ANSWER_AUTO put = server_expect(&server_fixture, 201,
                                    &(struct send){.method = "PUT", .path = "/v1/hunts/00000000-0000-0000-0000-00000000000b",
                                                   .body = "{\"name\":\"keys\",\"query\":\"DeviceRegistryEvents | summarize "
                                                           "count() by DeviceId\"}"});
    static const struct {
        int64_t from, to;
        long long devices;
    } windows[] = {{60 * TICKS_MINUTE, 0, 1}, {10 * TICKS_MINUTE, 0, 0}, {2 * TICKS_HOUR, 0, 2}, {2 * TICKS_HOUR, TICKS_HOUR, 1}};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        ticks_print(now - windows[i].from, from);
        ticks_print(now - windows[i].to, to);
        snprintf(body, sizeof body, "{\"hunts\":[\"keys\"],\"from\":\"%s\",\"to\":\"%s\"}", from, to);
        ANSWER_AUTO run = server_expect(&server_fixture, 201, &(struct send){.path = "/v1/runs", .body = body});
        assert_int_equal(answer_int(&run, "freshness.DeviceRegistryEvents.devices_reporting"), windows[i].devices);
    }
}

static void of_several_hunts_each_has_its_verdict(void **state) {
    (void)state;
    ANSWER_AUTO answer =
        server_expect(&server_fixture, 201, &(struct send){.path = "/v1/runs", .body = "{\"tool\":\"RemotePC\"}"});
    char path[128];
    snprintf(path, sizeof path, "/v1/runs/%s/results?format=table", answer_text(&answer, "run_id"));
    check_text(path, "no data in DeviceNetworkEvents in this window: 1 hunt\n", true);
    check_text(path, "no hits: 1 hunt\n", true); /* create-process */
    snprintf(path, sizeof path, "/v1/runs/%s/results?format=csv", answer_text(&answer, "run_id"));
    check_text(path, "remotepc-network-connection,,,,,,,,no_data,no data in DeviceNetworkEvents in this window\r\n", true);
    check_text(path, ",hits,\r\n", true);
}

static void every_format_tells_what_hunts_lack_and_what_cant_be_known(void **state) {
    (void)state;
    check_text("/v1/coverage?format=table", "\nbroken: ", true);
    check_text("/v1/coverage?format=table", "level-create-process", true);
    check_text("/v1/coverage?format=table", "\nlimit: Defender may never log", true);
    check_text("/v1/coverage?format=csv", "broken: ", true);
    check_text("/v1/coverage?format=csv", "limit: Defender may never log", true);
    check_text("/v1/coverage?format=ndjson", "{\"note\":\"broken: ", true);
    check_text("/v1/coverage?format=ndjson", "{\"note\":\"limit: Defender may never log", true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_rows_and_delays_are_counted_per_table_and_group),
        cmocka_unit_test(parameters_move_the_look_back_and_what_counts_as_silent),
        cmocka_unit_test(silent_devices_are_listed_in_pages),
        cmocka_unit_test(rejected_records_are_counted_by_table_and_code),
        cmocka_unit_test(a_hunt_that_cannot_run_is_told),
        cmocka_unit_test(a_hunt_without_rows_or_with_a_column_never_filled_is_told),
        cmocka_unit_test(no_data_is_never_shown_as_no_hits),
        cmocka_unit_test(a_hunt_of_which_one_table_has_no_data_says_so_beside_no_hits),
        cmocka_unit_test(of_a_window_within_a_day_just_its_devices_are_counted),
        cmocka_unit_test(of_several_hunts_each_has_its_verdict),
        cmocka_unit_test(every_format_tells_what_hunts_lack_and_what_cant_be_known),
    };
    return cmocka_run_group_tests(tests, server_fixture_setup, server_fixture_teardown);
}
