/* Webhooks without a network: signatures, addresses, URLs, and what follows from an attempt. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "hunts/webhook_address.h"
#include "hunts/webhook_retry.h"
#include "hunts/webhook_send.h"
#include "hunts/webhook_sign.h"

#define SECRET STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
#define OTHER STR("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")

/* The example of the Standard Webhooks libraries; computed once more by Python's hmac. */
static void the_published_example_has_its_signature(void **state) {
    BUF_AUTO out = BUF(256);
    (void)state;
    assert_true(
        webhook_sign(SECRET, STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330, STR("{\"test\": 2432232314}"), &out));
    assert_string_equal(buf_cstr(&out), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void a_second_signature_stands_behind_a_space(void **state) {
    BUF_AUTO out = BUF(256);
    (void)state;
    assert_true(webhook_sign(SECRET, STR("a"), 1, STR("{}"), &out));
    size_t first = out.len;
    assert_true(webhook_sign(OTHER, STR("chg_1"), 1753000000, STR("{}"), &out));
    assert_string_equal(buf_cstr(&out) + first, " v1,J5T5sr5WCkB/cgadFbAwMdlOpnM/ncuqVPNXRoHzrVo=");
}

static void made_secrets_are_valid_and_differ(void **state) {
    char one[WEBHOOK_SECRET_TEXT], two[WEBHOOK_SECRET_TEXT];
    (void)state;
    webhook_secret_make(one);
    webhook_secret_make(two);
    assert_true(webhook_secret_valid(str_from(one)));
    assert_true(webhook_secret_valid(str_from(two)));
    assert_string_not_equal(one, two);
}

static void secrets_have_a_prefix_and_24_to_64_bytes(void **state) {
    static const char twenty_four[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    static const char twenty_three[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ=";
    char sixty_four[] =
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
    char sixty_five[] =
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    (void)state;
    assert_true(webhook_secret_valid(str_from(twenty_four)));
    assert_true(webhook_secret_valid(str_from(sixty_four)));
    assert_false(webhook_secret_valid(str_from(twenty_three)));
    assert_false(webhook_secret_valid(str_from(sixty_five)));
    assert_false(webhook_secret_valid(str_from(twenty_four + 6)));
    assert_false(webhook_secret_valid(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w")));
    assert_false(webhook_secret_valid(STR("")));
}

static const struct address_case {
    const char *text;
    bool open;
} addresses[] = {
    {"8.8.8.8", true},
    {"1.1.1.1", true},
    {"172.15.255.255", true},
    {"172.32.0.0", true},
    {"100.63.255.255", true},
    {"100.128.0.0", true},
    {"198.20.0.1", true},
    {"223.255.255.255", true},
    {"0.0.0.0", false},
    {"0.1.2.3", false},
    {"10.0.0.1", false},
    {"127.0.0.1", false},
    {"127.255.255.254", false},
    {"100.64.0.1", false},
    {"100.127.255.255", false},
    {"169.254.169.254", false},
    {"172.16.0.1", false},
    {"172.31.255.255", false},
    {"192.0.0.8", false},
    {"192.0.2.1", false},
    {"192.168.1.1", false},
    {"198.18.0.1", false},
    {"198.19.255.255", false},
    {"198.51.100.7", false},
    {"203.0.113.9", false},
    {"224.0.0.1", false},
    {"239.1.2.3", false},
    {"240.0.0.1", false},
    {"255.255.255.255", false},
    {"2606:4700::1111", true},
    {"2a00:1450:4001::1", true},
    {"64:ff9b::808:808", true},
    {"64:ff9b::a00:1", false},
    {"64:ff9b:1::1", false},
    {"::", false},
    {"::1", false},
    {"::ffff:8.8.8.8", false},
    {"::ffff:127.0.0.1", false},
    {"::7f00:1", false},
    {"fc00::1", false},
    {"fd12:3456::1", false},
    {"fe80::1", false},
    {"fec0::1", false},
    {"ff02::1", false},
    {"2001::1", false},
    {"2001:db8::1", false},
    {"2002:7f00:1::", false},
    {"100::1", false},
    {"3fff::1", false},
    {"4000::1", false},
};

static void only_addresses_of_the_public_internet_are_public(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct sockaddr_in four = {.sin_family = AF_INET};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6};
        bool is_four = inet_pton(AF_INET, addresses[i].text, &four.sin_addr) == 1;
        assert_true(is_four || inet_pton(AF_INET6, addresses[i].text, &six.sin6_addr) == 1);
        const void *address = is_four ? (const void *)&four : (const void *)&six;
        if (webhook_address_public(address) != addresses[i].open)
            fail_msg("%s should be %s", addresses[i].text, addresses[i].open ? "open" : "closed");
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(webhook_address_public(&local));
}

static const struct url_case {
    const char *url;
    bool good, good_when_private;
} urls[] = {
    {"https://soar.example/hooks/rmm?key=1", true, true},
    {"http://soar.example:8080/", true, true},
    {"https://8.8.8.8/", true, true},
    {"https://[2606:4700::1111]/", true, true},
    {"http://127.0.0.1/", false, true},
    {"http://2130706433/", false, true},
    {"http://0x7f.1/", false, true},
    {"http://[::1]:80/", false, true},
    {"http://[::ffff:127.0.0.1]/", false, true},
    {"http://169.254.169.254/latest/meta-data", false, true},
    {"https://user:word@soar.example/", false, false},
    {"https://user@soar.example/", false, false},
    {"ftp://soar.example/", false, false},
    {"file:///etc/passwd", false, false},
    {"gopher://soar.example/", false, false},
    {"soar.example/hooks", false, false},
    {"https://", false, false},
    {"https://soar.example/a b", false, false},
    {"https://soar.example/\r\nX: 1", false, false},
    {"", false, false},
};

static void urls_are_taken_or_refused_as_listed(void **state) {
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        if (webhook_url_check(str_from(urls[i].url), false, &err) != urls[i].good)
            fail_msg("%s should be %s", urls[i].url, urls[i].good ? "good" : "bad");
        if (webhook_url_check(str_from(urls[i].url), true, &err) != urls[i].good_when_private)
            fail_msg("%s should be %s with private addresses", urls[i].url, urls[i].good_when_private ? "good" : "bad");
    }
}

static void attempts_go_on_for_more_than_a_day_and_then_end(void **state) {
    struct webhook_attempt attempt = {.status = 500};
    int64_t total = 0;
    struct webhook_verdict verdict = webhook_judge(&attempt, 0);
    (void)state;
    assert_int_equal(verdict.delay_ms, 5000);
    for (; verdict.outcome == WEBHOOK_RETRIED; verdict = webhook_judge(&attempt, 0)) {
        total += verdict.delay_ms;
        attempt.attempts++;
    }
    assert_int_equal(verdict.outcome, WEBHOOK_FAILED);
    assert_int_equal(attempt.attempts, 7);
    assert_true(total > INT64_C(24) * 3600 * 1000);
}

static void chance_adds_a_fifth_at_most(void **state) {
    struct webhook_attempt attempt = {.status = 0, .attempts = 1};
    (void)state;
    for (uint32_t random = 0; random < 1000; random++) {
        int64_t delay = webhook_judge(&attempt, random * 4294967u).delay_ms;
        assert_true(delay >= 300000 && delay <= 360000);
    }
}

static void any_2xx_is_delivered_and_nothing_else_is(void **state) {
    (void)state;
    for (long status = 0; status < 600; status++) {
        struct webhook_attempt attempt = {.status = status};
        bool delivered = webhook_judge(&attempt, 0).outcome == WEBHOOK_DELIVERED;
        assert_int_equal(delivered, status >= 200 && status <= 299);
        assert_int_equal(webhook_judge(&attempt, 0).disable, status == 410);
    }
}

static void retry_after_is_honoured_up_to_a_day(void **state) {
    struct webhook_attempt attempt = {.status = 429, .retry_after_s = 600};
    (void)state;
    assert_int_equal(webhook_judge(&attempt, 0).delay_ms, 600000);
    assert_int_equal(webhook_judge(&attempt, 0).pause_ms, 600000);
    attempt.retry_after_s = 1;
    assert_int_equal(webhook_judge(&attempt, 0).delay_ms, 5000);
    attempt.retry_after_s = 1000000;
    assert_int_equal(webhook_judge(&attempt, 0).delay_ms, INT64_C(24) * 3600 * 1000);
}

static void a_test_has_one_attempt(void **state) {
    struct webhook_attempt attempt = {.status = 500, .once = true};
    (void)state;
    assert_int_equal(webhook_judge(&attempt, 0).outcome, WEBHOOK_FAILED);
}

static void a_receiver_that_is_down_is_asked_every_five_minutes_at_most(void **state) {
    struct webhook_attempt attempt = {.status = 503};
    (void)state;
    assert_int_equal(webhook_judge(&attempt, 0).pause_ms, 5000);
    attempt.failures = 1;
    assert_int_equal(webhook_judge(&attempt, 0).pause_ms, 60000);
    attempt.failures = 1000;
    assert_int_equal(webhook_judge(&attempt, 0).pause_ms, 300000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_example_has_its_signature),
        cmocka_unit_test(a_second_signature_stands_behind_a_space),
        cmocka_unit_test(made_secrets_are_valid_and_differ),
        cmocka_unit_test(secrets_have_a_prefix_and_24_to_64_bytes),
        cmocka_unit_test(only_addresses_of_the_public_internet_are_public),
        cmocka_unit_test(urls_are_taken_or_refused_as_listed),
        cmocka_unit_test(attempts_go_on_for_more_than_a_day_and_then_end),
        cmocka_unit_test(chance_adds_a_fifth_at_most),
        cmocka_unit_test(any_2xx_is_delivered_and_nothing_else_is),
        cmocka_unit_test(retry_after_is_honoured_up_to_a_day),
        cmocka_unit_test(a_test_has_one_attempt),
        cmocka_unit_test(a_receiver_that_is_down_is_asked_every_five_minutes_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
