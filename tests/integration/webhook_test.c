/* Webhooks from the ledger to a receiver: the real server, a real database, a small receiver inside the test. */
#include <gnutls/crypto.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hook_fixture.h"

enum { LIMIT_MS = 60000, KEY_CAP = 64 };

/* By GnuTLS, where the service has libsodium. */
static void signature_make(const char *secret, const struct received *message, char out[64]) {
    unsigned char key[KEY_CAP], mac[32];
    char text[32768];
    size_t length;
    assert_int_equal(sodium_base642bin(key, sizeof key, secret + 6, strlen(secret + 6), NULL, &length, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    int size = snprintf(text, sizeof text, "%s.%s.%s", message->id, message->timestamp, message->body);
    assert_int_equal(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, length, text, (size_t)size, mac), 0);
    memcpy(out, "v1,", 3);
    sodium_bin2base64(out + 3, 61, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
}

static void a_change_is_sent_signed_with_what_the_changes_list_says(void **state) {
    char id[24], secret[128], expected[64];
    (void)state;
    world_open("yes");
    changes_make(1, "new_tool", "Old");
    hook_make("/ok", "", id, secret);
    changes_make(1, "new_device", "RemotePC");
    struct received message = first_message("/ok");
    assert_string_equal(message.id, "chg_2");
    long long skew = (long long)time(NULL) - strtoll(message.timestamp, NULL, 10);
    assert_true(skew >= -1 && skew < 60);
    signature_make(secret, &message, expected);
    assert_string_equal(message.signature, expected);
    json_auto_t *body = json_loads(message.body, 0, NULL);
    ANSWER_AUTO changes = server_expect(&world.server, 200, &(struct send){.path = "/v1/changes?types=new_device"});
    assert_string_equal(json_string_value(json_at(body, "type")), "change.new_device");
    assert_true(json_equal(json_object_get(body, "data"), answer_at(&changes, "changes.0")));
    assert_string_equal(json_string_value(json_at(body, "data.device_name")), "pc-\" 1");
    ANSWER_AUTO delivered = delivery_await(id, "delivered", 1);
    assert_int_equal(answer_int(&delivered, "deliveries.0.attempts"), 1);
    assert_int_equal(answer_int(&delivered, "deliveries.0.last_status"), 200);
}

static void a_run_over_events_reaches_the_receiver(void **state) {
    char id[24], body[512], now[TICKS_TEXT];
    (void)state;
    world_open("yes");
    hook_make("/ok", ",\"types\":[\"change.new_device\"],\"tool\":\"remotepc\"", id, NULL);
    ticks_print(ticks_now() - TICKS_HOUR, now);
    snprintf(body, sizeof body,
             "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"Timestamp\":\"%s\","
             "\"DeviceId\":\"d1\",\"DeviceName\":\"pc1\",\"ReportId\":1,\"SHA1\":\"00\",\"Signer\":\"IDrive, Inc.\"}}",
             now);
    ANSWER_AUTO stored = server_expect(&world.server, 200, &(struct send){.path = "/v1/events", .body = body});
    ANSWER_AUTO run = server_expect(&world.server, 201,
                                    &(struct send){.path = "/v1/runs",
                                                   .headers = {"Prefer: wait=60"},
                                                   .body = "{\"hunts\":[\"remotepc-file-signature\"]}"});
    struct received message = first_message("/ok");
    json_auto_t *sent = json_loads(message.body, 0, NULL);
    assert_string_equal(json_string_value(json_at(sent, "type")), "change.new_device");
    assert_string_equal(json_string_value(json_at(sent, "data.device_id")), "d1");
    assert_string_equal(json_string_value(json_at(sent, "data.tool")), "RemotePC");
}

static void types_and_tool_choose_what_is_sent(void **state) {
    char all[24], some[24];
    (void)state;
    world_open("yes");
    hook_make("/ok", ",\"types\":[\"grew\",\"returned\"],\"tool\":\"anydesk\"", some, NULL);
    changes_make(1, "grew", "AnyDesk");
    changes_make(1, "grew", "RemotePC");
    changes_make(1, "new_device", "AnyDesk");
    changes_make(1, "returned", "AnyDesk");
    assert_true(receiver_wait(world.receiver, "/ok", "chg_4", 1));
    assert_int_equal(receiver_count(world.receiver, "/ok", "chg_1"), 1);
    assert_int_equal(receiver_count(world.receiver, "/ok", NULL), 2);
    hook_make("/ok2", "", all, NULL);
    ANSWER_AUTO replayed = hook_ask("POST", all, "/replay?since=2000-01-01", 202);
    assert_int_equal(answer_int(&replayed, "deliveries"), 4);
    assert_true(receiver_wait(world.receiver, "/ok2", NULL, 4));
}

static void a_failed_attempt_is_made_again_with_the_same_id_and_order_is_kept(void **state) {
    char id[24], secret[128], expected[64];
    struct received first, second, third;
    (void)state;
    world_open("yes");
    hook_make("/flaky", "", id, secret);
    changes_make(1, "new_device", "RemotePC");
    assert_true(receiver_wait(world.receiver, "/flaky", "chg_1", 1));
    changes_make(1, "new_device", "AnyDesk");
    assert_true(receiver_wait(world.receiver, "/flaky", "chg_2", 1));
    assert_true(receiver_get(world.receiver, "/flaky", 0, &first) &&
                receiver_get(world.receiver, "/flaky", 1, &second) &&
                receiver_get(world.receiver, "/flaky", 2, &third));
    assert_string_equal(second.id, "chg_1");
    assert_string_equal(third.id, "chg_2");
    assert_true(second.at_ms - first.at_ms >= 5000);
    assert_string_equal(first.body, second.body);
    signature_make(secret, &second, expected);
    assert_string_equal(second.signature, expected);
}

static void retry_after_is_waited_for(void **state) {
    char id[24];
    struct received first, second;
    (void)state;
    world_open("yes");
    hook_make("/busy", "", id, NULL);
    changes_make(1, "new_device", "RemotePC");
    assert_true(receiver_wait(world.receiver, "/busy", "chg_1", 2));
    assert_true(receiver_get(world.receiver, "/busy", 0, &first) && receiver_get(world.receiver, "/busy", 1, &second));
    assert_true(second.at_ms - first.at_ms >= 6000);
}

static void after_the_last_attempt_it_is_failed_and_can_be_replayed(void **state) {
    char id[24], rest[64];
    (void)state;
    world_open("yes");
    hook_make("/down", "", id, NULL);
    changes_make(1, "new_device", "RemotePC");
    ANSWER_AUTO pending = delivery_await(id, "pending", 1);
    database_do(world.db, "UPDATE rmm.webhook_deliveries SET attempts = 7");
    ANSWER_AUTO failed = delivery_await(id, "failed", 8);
    assert_int_equal(answer_int(&failed, "deliveries.0.last_status"), 500);
    snprintf(rest, sizeof rest, "/deliveries/%s/replay", answer_text(&failed, "deliveries.0.id"));
    size_t before = receiver_count(world.receiver, "/down", "chg_1");
    ANSWER_AUTO again = hook_ask("POST", id, rest, 202);
    assert_string_equal(answer_text(&again, "state"), "pending");
    assert_true(receiver_wait(world.receiver, "/down", "chg_1", before + 1));
}

static void gone_disables_and_enabling_goes_on_where_it_stopped(void **state) {
    char id[24], url[128], body[256], path[64];
    (void)state;
    world_open("yes");
    hook_make("/gone", "", id, NULL);
    changes_make(1, "new_device", "RemotePC");
    ANSWER_AUTO failed = delivery_await(id, "failed", 1);
    ANSWER_AUTO disabled = hook_ask("GET", id, "", 200);
    assert_true(json_is_false(answer_at(&disabled, "enabled")));
    assert_string_equal(answer_text(&disabled, "disabled_reason"), "the receiver answered 410 Gone");
    ANSWER_AUTO refused = hook_ask("POST", id, "/test", 409);
    changes_make(1, "new_device", "AnyDesk");
    receiver_url(world.receiver, "/ok", url);
    snprintf(body, sizeof body, "{\"url\":\"%s\"}", url);
    snprintf(path, sizeof path, "/v1/webhooks/%s", id);
    ANSWER_AUTO put = server_expect(&world.server, 200, &(struct send){.method = "PUT", .path = path, .body = body});
    assert_true(json_is_true(answer_at(&put, "enabled")));
    /* what was answered may be sent back */
    ANSWER_AUTO again = server_expect(&world.server, 200, &(struct send){.method = "PUT", .path = path, .body = put.body});
    assert_string_equal(answer_text(&again, "url"), url);
    assert_true(receiver_wait(world.receiver, "/ok", "chg_2", 1));
    assert_int_equal(receiver_count(world.receiver, "/gone", NULL), 1);
    /* what was given up is told, and sent again on its own */
    assert_int_equal(answer_int(&put, "failed"), 1);
    ANSWER_AUTO neither = hook_ask("POST", id, "/replay", 400);
    ANSWER_AUTO odd = hook_ask("POST", id, "/replay?state=delivered", 400);
    ANSWER_AUTO later = hook_ask("POST", id, "/replay?state=failed&since=2100-01-01", 202);
    assert_int_equal(answer_int(&later, "deliveries"), 0);
    ANSWER_AUTO replayed = hook_ask("POST", id, "/replay?state=failed", 202);
    assert_int_equal(answer_int(&replayed, "deliveries"), 1);
    assert_true(receiver_wait(world.receiver, "/ok", "chg_1", 1));
    assert_int_equal(receiver_count(world.receiver, "/ok", "chg_2"), 1);
}

static void redirects_are_not_followed(void **state) {
    char id[24];
    (void)state;
    world_open("yes");
    hook_make("/moved", "", id, NULL);
    ANSWER_AUTO test = hook_ask("POST", id, "/test", 202);
    ANSWER_AUTO failed = delivery_await(id, "failed", 1);
    assert_int_equal(answer_int(&failed, "deliveries.0.last_status"), 302);
    assert_int_equal(receiver_count(world.receiver, "/ok", NULL), 0);
}

static void an_answer_without_end_is_cut_and_counts(void **state) {
    char id[24];
    (void)state;
    world_open("yes");
    hook_make("/chatty", "", id, NULL);
    ANSWER_AUTO test = hook_ask("POST", id, "/test", 202);
    ANSWER_AUTO delivered = delivery_await(id, "delivered", 1);
    assert_int_equal(answer_int(&delivered, "deliveries.0.last_status"), 200);
}

/* localhost is a name: only the connection shows where it leads. */
static void private_addresses_are_refused_unless_allowed(void **state) {
    char url[128], body[256];
    (void)state;
    world_open("no");
    receiver_url(world.receiver, "/ok", url);
    snprintf(body, sizeof body, "{\"url\":\"%s\"}", url);
    ANSWER_AUTO literal = server_expect(&world.server, 400, &(struct send){.path = "/v1/webhooks", .body = body});
    assert_string_equal(answer_text(&literal, "errors.0.field"), "url");
    snprintf(body, sizeof body, "{\"url\":\"http://localhost:%s\"}", strrchr(url, ':') + 1);
    ANSWER_AUTO named = server_expect(&world.server, 201, &(struct send){.path = "/v1/webhooks", .body = body});
    ANSWER_AUTO test = hook_ask("POST", answer_text(&named, "id"), "/test", 202);
    ANSWER_AUTO failed = delivery_await(answer_text(&named, "id"), "failed", 1);
    assert_non_null(strstr(answer_text(&failed, "deliveries.0.last_error"), "RMMHUNT_WEBHOOK_PRIVATE"));
    assert_int_equal(receiver_count(world.receiver, "/ok", NULL), 0);
}

static void a_proxy_of_the_environment_is_not_used(void **state) {
    char id[24];
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("all_proxy", "http://127.0.0.1:9", 1);
    world_open("yes");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    hook_make("/ok", "", id, NULL);
    ANSWER_AUTO test = hook_ask("POST", id, "/test", 202);
    ANSWER_AUTO delivered = delivery_await(id, "delivered", 1);
}

static void both_secrets_sign_after_a_rotation(void **state) {
    char id[24], old[128], fresh[128], one[64], two[64], both[160];
    (void)state;
    world_open("yes");
    hook_make("/ok", ",\"secret\":\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", id, old);
    assert_string_equal(old, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    ANSWER_AUTO rotated = hook_ask("POST", id, "/rotate", 200);
    snprintf(fresh, sizeof fresh, "%s", answer_text(&rotated, "secret"));
    assert_string_not_equal(fresh, old);
    ANSWER_AUTO test = hook_ask("POST", id, "/test", 202);
    struct received message = first_message("/ok");
    signature_make(fresh, &message, one);
    signature_make(old, &message, two);
    snprintf(both, sizeof both, "%s %s", one, two);
    assert_string_equal(message.signature, both);
    database_do(world.db, "UPDATE rmm.webhook_old_secrets SET until = clock_timestamp()");
    ANSWER_AUTO later = hook_ask("POST", id, "/test", 202);
    assert_true(receiver_wait(world.receiver, "/ok", NULL, 2));
    assert_true(receiver_get(world.receiver, "/ok", 1, &message));
    signature_make(fresh, &message, one);
    assert_string_equal(message.signature, one);
}

static void every_secret_of_a_day_signs_and_more_than_five_are_refused(void **state) {
    enum { OLD = 5 };
    char id[24], secrets[OLD + 1][128], one[64];
    (void)state;
    world_open("yes");
    hook_make("/ok", "", id, secrets[0]);
    for (int i = 1; i <= OLD; i++) {
        ANSWER_AUTO rotated = hook_ask("POST", id, "/rotate", 200);
        snprintf(secrets[i], sizeof secrets[i], "%s", answer_text(&rotated, "secret"));
    }
    ANSWER_AUTO refused = hook_ask("POST", id, "/rotate", 409);
    assert_non_null(strstr(answer_text(&refused, "detail"), "5 times within 24 hours"));
    ANSWER_AUTO test = hook_ask("POST", id, "/test", 202);
    struct received message = first_message("/ok");
    for (int i = 0; i <= OLD; i++) {
        signature_make(secrets[i], &message, one);
        assert_non_null(strstr(message.signature, one));
    }
    database_do(world.db, "UPDATE rmm.webhook_old_secrets SET until = clock_timestamp()");
    ANSWER_AUTO again = hook_ask("POST", id, "/rotate", 200);
}

static void a_webhook_whose_address_is_forbidden_by_now_can_be_paused(void **state) {
    static const char paused[] = "{\"url\":\"http://127.0.0.1:9/\",\"enabled\":false}", moved[] = "{\"url\":\"http://127.0.0.1:8/\"}";
    char path[64];
    (void)state;
    world_open("no");
    ANSWER_AUTO made = server_expect(&world.server, 201, &(struct send){.path = "/v1/webhooks", .body = "{\"url\":\"https://a.example/\"}"});
    snprintf(path, sizeof path, "/v1/webhooks/%s", answer_text(&made, "id"));
    database_do(world.db, "UPDATE rmm.webhooks SET url = 'http://127.0.0.1:9/'");
    ANSWER_AUTO put = server_expect(&world.server, 200, &(struct send){.method = "PUT", .path = path, .body = paused});
    assert_true(json_is_false(answer_at(&put, "enabled")));
    ANSWER_AUTO other = server_expect(&world.server, 400, &(struct send){.method = "PUT", .path = path, .body = moved});
}

/* Neither answers behind the first nor the log may hold one. */
static void secrets_are_told_once(void **state) {
    static const char *const paths[] = {"", "/deliveries"};
    char id[24], secret[128], path[128], log[128], line[4096];
    (void)state;
    world_open("yes");
    hook_make("/down", "", id, secret);
    ANSWER_AUTO test = hook_ask("POST", id, "/test", 202);
    ANSWER_AUTO failed = delivery_await(id, "failed", 1);
    ANSWER_AUTO list = server_expect(&world.server, 200, &(struct send){.path = "/v1/webhooks"});
    assert_null(strstr(list.body, "whsec_"));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(path, sizeof path, "/v1/webhooks/%s%s", id, paths[i]);
        ANSWER_AUTO answer = server_expect(&world.server, 200, &(struct send){.path = path});
        assert_null(strstr(answer.body, "whsec_"));
    }
    snprintf(log, sizeof log, "%s.log", world.server.data);
    FILE *file = fopen(log, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        assert_null(strstr(line, secret));
    fclose(file);
}

static void webhooks_are_listed_changed_and_removed(void **state) {
    static const char *const bad[] = {"{}",
                                      "[]",
                                      "{\"url\":1}",
                                      "{\"url\":\"ftp://a\"}",
                                      "{\"url\":\"http://u:p@a/\"}",
                                      "{\"url\":\"http://a/\",\"types\":[]}",
                                      "{\"url\":\"http://a/\",\"types\":[\"new_devices\"]}",
                                      "{\"url\":\"http://a/\",\"secret\":\"whsec_AAAA\"}",
                                      "{\"url\":\"http://a/\",\"x\":1}",
                                      "{\"url\":\"http://a/\",\"enabled\":\"yes\"}"};
    char one[24], two[24];
    (void)state;
    world_open("yes");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ANSWER_AUTO refused = server_expect(&world.server, 400, &(struct send){.path = "/v1/webhooks", .body = bad[i]});
    }
    hook_make("/ok", ",\"description\":\"the SOAR\",\"enabled\":false", one, NULL);
    hook_make("/ok", "", two, NULL);
    ANSWER_AUTO page = server_expect(&world.server, 200, &(struct send){.path = "/v1/webhooks?limit=1"});
    assert_string_equal(answer_text(&page, "webhooks.0.description"), "the SOAR");
    assert_true(json_is_false(answer_at(&page, "webhooks.0.enabled")));
    char path[256];
    snprintf(path, sizeof path, "/v1/webhooks?limit=1&cursor=%s", answer_text(&page, "next"));
    ANSWER_AUTO rest = server_expect(&world.server, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&rest, "webhooks.0.id"), two);
    assert_true(json_is_null(answer_at(&rest, "next")));
    ANSWER_AUTO removed = hook_ask("DELETE", one, "", 204);
    ANSWER_AUTO missing = hook_ask("GET", one, "", 404);
    ANSWER_AUTO none = hook_ask("POST", two, "/deliveries/99/replay", 404);
    ANSWER_AUTO when = hook_ask("POST", two, "/replay?since=yesterday", 400);
}

static void attempts_are_counted_from_zero(void **state) {
    char id[24];
    (void)state;
    world_open("yes");
    ANSWER_AUTO before = server_expect(&world.server, 200, &(struct send){.path = "/metrics"});
    assert_non_null(strstr(before.body, "rmmhunt_webhook_attempts_total{outcome=\"delivered\"} 0\n"));
    assert_non_null(strstr(before.body, "rmmhunt_webhook_attempts_total{outcome=\"retried\"} 0\n"));
    assert_non_null(strstr(before.body, "rmmhunt_webhook_attempts_total{outcome=\"failed\"} 0\n"));
    hook_make("/down", "", id, NULL);
    ANSWER_AUTO test = hook_ask("POST", id, "/test", 202);
    ANSWER_AUTO failed = delivery_await(id, "failed", 1);
    int64_t deadline = mono_ms() + LIMIT_MS;
    for (bool counted = false; !counted;) {
        ANSWER_AUTO after = server_expect(&world.server, 200, &(struct send){.path = "/metrics"});
        counted = strstr(after.body, "rmmhunt_webhook_attempts_total{outcome=\"failed\"} 1\n") != NULL;
        assert_true(mono_ms() < deadline);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_change_is_sent_signed_with_what_the_changes_list_says, world_close),
        cmocka_unit_test_teardown(a_run_over_events_reaches_the_receiver, world_close),
        cmocka_unit_test_teardown(types_and_tool_choose_what_is_sent, world_close),
        cmocka_unit_test_teardown(a_failed_attempt_is_made_again_with_the_same_id_and_order_is_kept, world_close),
        cmocka_unit_test_teardown(retry_after_is_waited_for, world_close),
        cmocka_unit_test_teardown(after_the_last_attempt_it_is_failed_and_can_be_replayed, world_close),
        cmocka_unit_test_teardown(gone_disables_and_enabling_goes_on_where_it_stopped, world_close),
        cmocka_unit_test_teardown(redirects_are_not_followed, world_close),
        cmocka_unit_test_teardown(an_answer_without_end_is_cut_and_counts, world_close),
        cmocka_unit_test_teardown(private_addresses_are_refused_unless_allowed, world_close),
        cmocka_unit_test_teardown(a_proxy_of_the_environment_is_not_used, world_close),
        cmocka_unit_test_teardown(both_secrets_sign_after_a_rotation, world_close),
        cmocka_unit_test_teardown(every_secret_of_a_day_signs_and_more_than_five_are_refused, world_close),
        cmocka_unit_test_teardown(a_webhook_whose_address_is_forbidden_by_now_can_be_paused, world_close),
        cmocka_unit_test_teardown(secrets_are_told_once, world_close),
        cmocka_unit_test_teardown(webhooks_are_listed_changed_and_removed, world_close),
        cmocka_unit_test_teardown(attempts_are_counted_from_zero, world_close),
    };
    return cmocka_run_group_tests(tests, world_setup, cluster_fixture_stop);
}
