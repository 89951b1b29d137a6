/* The guard against requests that two servers could read in two ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "server/guard.h"

enum { MOST = 4 };

static const struct guard_case {
    const char *version, *method, *target;
    const char *headers[2 * MOST]; /* name, value, … behind Host */
    bool good;
} cases[] = {
    {"HTTP/1.1", "GET", "/healthz?a=%41", {NULL}, true},
    {"HTTP/1.0", "GET", "/healthz", {NULL}, true},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length", "3"}, true},
    {"HTTP/1.1", "POST", "/v1/events", {"transfer-encoding", "Chunked"}, true},
    {"HTTP/1.1", "POST", "/v1/events", {"Accept", "a", "Accept", "b"}, true},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length", "3", "Transfer-Encoding", "chunked"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length", "3", "content-length", "3"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Transfer-Encoding", "gzip, chunked"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Transfer-Encoding", "xchunked"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Transfer-Encoding", " chunked"}, false},
    {"HTTP/1.0", "POST", "/v1/events", {"Transfer-Encoding", "chunked"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length ", "3"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length", "+3"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length", "3, 3"}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length", ""}, false},
    {"HTTP/1.1", "POST", "/v1/events", {"Content-Length", "9999999999999999999"}, false},
    {"HTTP/1.1", "GET", "/healthz", {"Host", "y"}, false},
    {"HTTP/1.1", "GET", "/healthz", {"Authorization", "a", "Authorization", "b"}, false},
    {"HTTP/1.1", "GET", "/healthz", {"X\tA", "b"}, false},
    {"HTTP/1.1", "GET", "/healthz", {"", "b"}, false},
    {"HTTP/1.1", "GET", "/healthz", {"X-A", "b\r\nContent-Length: 3"}, false},
    {"HTTP/1.1", "GET", "/healthz", {"X-A", "b\x7F"}, false},
    {"HTTP/1.1", "GET", "/a%00b", {NULL}, false},
    {"HTTP/1.1", "GET", "/a%", {NULL}, false},
    {"HTTP/1.1", "GET", "/a%4", {NULL}, false},
    {"HTTP/1.1", "GET", "/a%zz", {NULL}, false},
    {"HTTP/1.1", "GET", "/a\xC3\xA9", {NULL}, false},
    {"HTTP/1.1", "GET", "/a b", {NULL}, false},
    {"HTTP/1.1", "GET", "/a#b", {NULL}, false},
    {"HTTP/1.1", "GET", "http://x/healthz", {NULL}, false},
    {"HTTP/1.1", "GET", "", {NULL}, false},
    {"HTTP/1.1", "G(T", "/healthz", {NULL}, false},
    {"HTTP/2.0", "GET", "/healthz", {NULL}, false},
};

static void every_case_is_let_through_or_refused_as_listed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair headers[1 + MOST] = {{STR("Host"), STR("x")}};
        size_t count = 1;
        for (size_t k = 0; k < MOST && cases[i].headers[2 * k]; k++)
            headers[count++] = (struct pair){str_from(cases[i].headers[2 * k]), str_from(cases[i].headers[2 * k + 1])};
        const struct guard_input input = {str_from(cases[i].version), str_from(cases[i].method),
                                          str_from(cases[i].target), headers, count};
        struct err err = {0};
        if (guard_check(&input, &err) != cases[i].good)
            fail_msg("case %zu: %s %s", i, cases[i].method, cases[i].target);
        assert_int_equal(err.code, cases[i].good ? ERR_NONE : ERR_BAD_REQUEST);
    }
}

static void http_1_1_needs_a_host_and_1_0_does_not(void **state) {
    struct err err;
    struct guard_input input = {STR("HTTP/1.1"), STR("GET"), STR("/healthz"), NULL, 0};
    (void)state;
    assert_false(guard_check(&input, &err));
    input.version = STR("HTTP/1.0");
    assert_true(guard_check(&input, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_let_through_or_refused_as_listed),
        cmocka_unit_test(http_1_1_needs_a_host_and_1_0_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
