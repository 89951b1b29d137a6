/* What an ETag is good for outside of results: a poll that nothing has changed costs no query, and a change that somebody
 * else has made meanwhile isn't overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/server_fixture.h"

enum { POLLS = 20, ROUNDS = 5, TAG = 64, LINE = 128 };
#define SCHEDULE "/v1/schedules/tagged"

static void tag_of(const struct answer *answer, char out[TAG]) {
    if (!answer_header(answer, "ETag", out, TAG))
        fail_msg("no ETag: %s", answer->headers);
}

static void every_list_and_object_is_304_for_who_has_it(void **state) {
    static const char *const paths[] = {
        "/v1/devices", "/v1/devices?limit=1", "/v1/findings?format=csv", "/v1/changes", "/v1/runs", "/v1/hunts?pretty",
        "/v1/hunts/remotepc-file-signature", "/v1/tools", "/v1/tools/RemotePC", "/v1/schedules", "/v1/webhooks",
        "/v1/events/rejected", "/v1/coverage/silent", "/v1/runs/1"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char tag[TAG], header[LINE];
        for (int round = 0, same = 0; !same; round++) { /* states are as of a minute, which may end in between */
            if (round == ROUNDS)
                fail_msg("%s never stays the same", paths[i]);
            ANSWER_AUTO whole = server_expect(&server_fixture, 200, &(struct send){.path = paths[i]});
            tag_of(&whole, tag);
            snprintf(header, sizeof header, "If-None-Match: %s", tag);
            ANSWER_AUTO again = server_send(&server_fixture, &(struct send){.path = paths[i], .headers = {header}});
            same = again.status == 304 && again.length == 0;
        }
        ANSWER_AUTO other = server_expect(&server_fixture, 200, &(struct send){.path = paths[i], .headers = {"If-None-Match: \"x\""}});
        assert_true(answer_header(&other, "Cache-Control", header, sizeof header));
        assert_string_equal(header, "no-cache");
    }
}

static void long_lists_are_compressed_and_say_where_they_go_on(void **state) {
    char plain[LINE * 2], zipped[LINE * 2], encoding[LINE];
    (void)state;
    ANSWER_AUTO list = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/hunts?limit=20"});
    ANSWER_AUTO small = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/hunts?limit=20", .headers = {"Accept-Encoding: gzip"}});
    assert_true(small.length < list.length && answer_header(&small, "Content-Encoding", encoding, sizeof encoding));
    assert_string_equal(encoding, "gzip");
    assert_true(answer_header(&list, "Link", plain, sizeof plain) && answer_header(&small, "Link", zipped, sizeof zipped));
    assert_string_equal(plain, zipped);
}

static long long metric(const char *series) {
    ANSWER_AUTO answer = server_expect(&server_fixture, 200, &(struct send){.path = "/metrics"});
    const char *at = strstr(answer.body, series);
    assert_non_null(at);
    return strtoll(at + strlen(series), NULL, 10);
}

static void check_free(const char *path) {
    for (int round = 0; round < ROUNDS; round++) {
        char header[LINE], tag[TAG];
        long long minute = ticks_now() / TICKS_MINUTE;
        ANSWER_AUTO whole = server_expect(&server_fixture, 200, &(struct send){.path = path});
        tag_of(&whole, tag);
        snprintf(header, sizeof header, "If-None-Match: %s", tag);
        long long misses = metric("\nrmmhunt_cache_misses_total "), hits = metric("\nrmmhunt_cache_hits_total ");
        int known = 0;
        for (int i = 0; i < POLLS; i++) {
            ANSWER_AUTO answer = server_send(&server_fixture, &(struct send){.path = path, .headers = {header}});
            known += answer.status == 304;
        }
        if (minute != ticks_now() / TICKS_MINUTE)
            continue;
        assert_int_equal(known, POLLS);
        assert_int_equal(metric("\nrmmhunt_cache_misses_total "), misses);
        assert_int_equal(metric("\nrmmhunt_cache_hits_total "), hits + POLLS);
        return;
    }
    fail_msg("no minute was long enough");
}

static void a_poll_of_devices_that_are_as_they_were_comes_out_of_memory(void **state) {
    (void)state;
    check_free("/v1/devices");
    check_free("/v1/findings?limit=3");
    check_free("/v1/devices/tagged-1");
}

/* An event of the device with a signature that a hunt looks for, and a run that finds it. */
static void find_on(const char *device) {
    char body[1024], now[TICKS_TEXT];
    ticks_print(ticks_now() - TICKS_HOUR, now);
    snprintf(body, sizeof body,
             "[{\"Timestamp\":\"%s\",\"DeviceId\":\"%s\",\"DeviceName\":\"%s.example\",\"SHA1\":\"%040d\","
             "\"Signer\":\"IDrive Incorporated\",\"IsSigned\":true,\"IsTrusted\":true,\"ReportId\":%zu}]",
             now, device, device, 7, strlen(device));
    ANSWER_AUTO sent = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/events/DeviceFileCertificateInfo", .body = body});
    assert_int_equal(answer_int(&sent, "stored"), 1);
    ANSWER_AUTO run = server_expect(&server_fixture, 201, &(struct send){.path = "/v1/runs", .headers = {"Prefer: wait=60"},
                                                           .body = "{\"hunts\":[\"remotepc-file-signature\"]}"});
}

static void a_new_device_shows_at_once(void **state) {
    (void)state;
    ANSWER_AUTO before = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices?q=tagged-22"});
    assert_int_equal(json_array_size(answer_at(&before, "devices")), 0);
    find_on("tagged-22");
    ANSWER_AUTO after = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices?q=tagged-22"});
    assert_int_equal(json_array_size(answer_at(&after, "devices")), 1);
}

static void check_match(const char *path, const char *body, const char *changed) {
    char tag[TAG], put_tag[TAG], header[LINE];
    ANSWER_AUTO first = server_expect(&server_fixture, 200, &(struct send){.path = path});
    tag_of(&first, tag);
    snprintf(header, sizeof header, "If-Match: %s", tag);
    ANSWER_AUTO put = server_expect(&server_fixture, 200, &(struct send){.method = "PUT", .path = path, .headers = {header}, .body = changed});
    tag_of(&put, put_tag);
    ANSWER_AUTO now = server_expect(&server_fixture, 200, &(struct send){.path = path});
    tag_of(&now, tag);
    assert_string_equal(tag, put_tag);
    ANSWER_AUTO late = server_expect(&server_fixture, 412, &(struct send){.method = "PUT", .path = path, .headers = {header}, .body = body});
    assert_non_null(strstr(answer_text(&late, "detail"), "GET it again"));
    ANSWER_AUTO kept = server_expect(&server_fixture, 412, &(struct send){.method = "DELETE", .path = path, .headers = {header}});
    snprintf(header, sizeof header, "If-Match: \"other\", %s", tag);
    ANSWER_AUTO gone = server_expect(&server_fixture, 204, &(struct send){.method = "DELETE", .path = path, .headers = {header}});
    ANSWER_AUTO none = server_expect(&server_fixture, 412, &(struct send){.method = "PUT", .path = path, .headers = {"If-Match: *"}, .body = body});
}

static void a_schedule_that_somebody_changed_is_not_overwritten(void **state) {
    static const char body[] = "{\"cron\":\"30 6 * * *\",\"all\":true}", changed[] = "{\"cron\":\"45 6 * * *\",\"all\":true}";
    (void)state;
    ANSWER_AUTO made = server_expect(&server_fixture, 201, &(struct send){.method = "PUT", .path = SCHEDULE, .body = body});
    check_match(SCHEDULE, body, changed);
}

static void a_webhook_that_somebody_changed_is_not_overwritten(void **state) {
    static const char body[] = "{\"url\":\"https://a.example/\"}", changed[] = "{\"url\":\"https://b.example/\"}";
    char path[LINE];
    (void)state;
    ANSWER_AUTO made = server_expect(&server_fixture, 201, &(struct send){.path = "/v1/webhooks", .body = body});
    snprintf(path, sizeof path, "/v1/webhooks/%s", answer_text(&made, "id"));
    check_match(path, body, changed);
}

static int setup(void **state) {
    int failed = server_fixture_setup(state);
    if (!failed)
        find_on("tagged-1");
    return failed;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_list_and_object_is_304_for_who_has_it),
        cmocka_unit_test(long_lists_are_compressed_and_say_where_they_go_on),
        cmocka_unit_test(a_poll_of_devices_that_are_as_they_were_comes_out_of_memory),
        cmocka_unit_test(a_new_device_shows_at_once),
        cmocka_unit_test(a_schedule_that_somebody_changed_is_not_overwritten),
        cmocka_unit_test(a_webhook_that_somebody_changed_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
