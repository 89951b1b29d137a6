/* Bytes on a real socket against the listener, with a service that has no database: what the guard must refuse is
 * answered once, with the stated status, and ends its connection; nothing behind it is taken for a second request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/listen.h"

#define HOST "Host: x\r\n"
#define SECOND "GET /healthz HTTP/1.1\r\n" HOST "\r\n"
#define POST "POST /v1/events/None HTTP/1.1\r\n" HOST

static struct service service = {.max_body = 1000, .in_flight = {.limit = 1024 * 1024}, .version = "test"};
static struct config config;
static struct listener *listener;

static int start(void **state) {
    static char name[] = "serve", listen_on[] = "--listen=127.0.0.1:0", headers[] = "--header-seconds=1",
                whole[] = "--request-seconds=2";
    char *args[] = {name, listen_on, headers, whole, NULL};
    struct err err;
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (!config_read(&config, 4, args, &err))
        return -1;
    listener = listener_open(&config, &service, &err);
    return listener ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    listener_close(listener);
    config_free(&config);
    return 0;
}

static int dial(const char *url) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    place.sin_port = htons((uint16_t)strtol(strrchr(url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&place, sizeof place), 0);
    return fd;
}

/* Everything until the server closes; false when it hasn't by the deadline. */
static bool read_all(int fd, struct buf *out, int limit_ms) {
    int64_t deadline = mono_ms() + limit_ms;
    for (;;) {
        char piece[4096];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, ms_left(deadline)) <= 0)
            return false;
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0)
            return true;
        buf_add(out, piece, (size_t)got);
    }
}

/* Sends, reads until the end of the connection; the first status, and through *answers how many there were. */
static int exchange(const char *url, struct str bytes, int *answers, struct buf *out) {
    int fd = dial(url);
    assert_int_equal(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    bool ended = read_all(fd, out, 5000);
    close(fd);
    assert_true(ended);
    const char *text = buf_cstr(out), *at = text;
    assert_non_null(text);
    for (*answers = 0; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
        *answers += at == text || at[-1] == '\n';
    return strncmp(text, "HTTP/1.1 ", 9) ? 0 : (int)strtol(text + 9, NULL, 10);
}

#define CASE(status, text) {status, {(text), sizeof(text) - 1}}

static const struct raw_case {
    int status;
    struct str bytes;
} refused[] = {
    CASE(400, POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND),
    CASE(400, POST "Content-Length: 4\r\nContent-Length: 0\r\n\r\n" SECOND),
    CASE(400, POST "Content-Length : 3\r\n\r\nabc" SECOND),
    CASE(400, POST "Content-Length\t: 3\r\n\r\nabc" SECOND),
    CASE(400, POST "X-A: b\r\n Content-Length: 3\r\n\r\nabc" SECOND),
    CASE(400, POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SECOND),
    CASE(400, POST "Transfer-Encoding:\r\n chunked\r\n\r\n" SECOND),
    CASE(400, POST "Transfer-Encoding: gzip\r\n\r\n" SECOND),
    CASE(400, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SECOND),
    CASE(400, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECOND),
    CASE(400, "POST /v1/events/None HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND),
    CASE(400, POST "Content-Length: -1\r\n\r\n" SECOND),
    CASE(400, POST "Content-Length: +3\r\n\r\nabc" SECOND),
    CASE(400, POST "Content-Length: 0x3\r\n\r\nabc" SECOND),
    CASE(400, POST "Content-Length: 3, 3\r\n\r\nabc" SECOND),
    CASE(400, POST "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n" SECOND),
    CASE(400, "GET /healthz%00x HTTP/1.1\r\n" HOST "\r\n" SECOND),
    CASE(400, "GET /healthz%zz HTTP/1.1\r\n" HOST "\r\n" SECOND),
    CASE(400, "GET /healthz% HTTP/1.1\r\n" HOST "\r\n" SECOND),
    CASE(400, "GET /healthz\xC3\xA9 HTTP/1.1\r\n" HOST "\r\n" SECOND),
    CASE(400, "GET http://x/healthz HTTP/1.1\r\n" HOST "\r\n" SECOND),
    CASE(400, "GET /healthz HTTP/1.1\r\n\r\n" SECOND),
    CASE(400, "GET /healthz HTTP/1.1\r\n" HOST HOST "\r\n" SECOND),
    CASE(400, "GET /healthz HTTP/1.1\r\n" HOST "Authorization: a\r\nAuthorization: b\r\n\r\n" SECOND),
    CASE(400, "GET /healthz HTTP/1.1\r\n" HOST "X-A: a\0b\r\n\r\n" SECOND),
    CASE(400, "GET /healthz HTTP/1.1\r\n" HOST "X-A: a\rContent-Length: 3\r\n\r\n" SECOND),
    CASE(400, "GET /healthz HTTP/1.1\nHost: x\nX-A: b\n\n" SECOND),
    CASE(400, "GET /healthz HTTP/1.1\r\n" HOST "no colon\r\n\r\n" SECOND),
    CASE(505, "GET /healthz HTTP/2.0\r\n" HOST "\r\n" SECOND),
};

/* A Content-Length that is no number is refused by libmicrohttpd 0.9.75 itself, which writes the head of its answer
 * twice; only answers of ours are counted. The second request is never served. */
static void what_the_guard_refuses_gets_one_answer_and_the_end(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct buf out = BUF(64 * 1024);
        int answers, status = exchange(listener_url(listener), refused[i].bytes, &answers, &out);
        bool ours = strstr(out.ptr, "problem+json") != NULL;
        if (status != refused[i].status || (ours && answers != 1) || strstr(out.ptr, "{\"status\":\"ok\"}"))
            fail_msg("case %zu: status %d, %d answers", i, status, answers);
        buf_free(&out);
    }
}

static const struct raw_case served[] = {
    CASE(200, "GET /healthz HTTP/1.1\r\n" HOST "X-A: b  \r\nX-B:\r\nX-C: \r\nX-D:d\r\nX-E:  \t e\r\nConnection: close\r\n\r\n"),
    CASE(200, "GET /healthz?pretty HTTP/1.0\r\n\r\n"),
    CASE(200, "HEAD /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
    CASE(404, "GET /nope HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
    CASE(404, POST "Connection: close\r\nContent-Length: 3\r\n\r\nabc"),
    CASE(404, POST "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    CASE(405, "PATCH /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
    CASE(400, "GET /healthz?nope=1 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
    CASE(413, POST "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n"),
    CASE(503, "GET /readyz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
};

static void plain_requests_are_served(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof served / sizeof *served; i++) {
        struct buf out = BUF(64 * 1024);
        int answers, status = exchange(listener_url(listener), served[i].bytes, &answers, &out);
        if (status != served[i].status || answers != 1)
            fail_msg("case %zu: status %d, %d answers", i, status, answers);
        assert_non_null(strstr(out.ptr, "\r\nX-Request-Id: "));
        buf_free(&out);
    }
}

static void a_body_behind_a_good_request_is_the_next_request(void **state) {
    struct buf out = BUF(64 * 1024);
    int answers;
    (void)state;
    assert_int_equal(exchange(listener_url(listener), STR(POST "Content-Length: 3\r\n\r\nabcGET /healthz HTTP/1.1\r\n" HOST
                                                          "Connection: close\r\n\r\n"), &answers, &out), 404);
    assert_int_equal(answers, 2);
    buf_free(&out);
}

static void a_request_id_comes_back(void **state) {
    struct buf out = BUF(64 * 1024);
    int answers;
    (void)state;
    exchange(listener_url(listener), STR("GET /healthz HTTP/1.0\r\nx-request-id: abc.1\r\n\r\n"), &answers, &out);
    assert_non_null(strstr(out.ptr, "\r\nX-Request-Id: abc.1\r\n"));
    buf_free(&out);
}

static void the_admin_port_has_health_and_nothing_of_the_api(void **state) {
    struct buf out = BUF(256 * 1024);
    const char *url = listener_admin_url(listener);
    int answers;
    (void)state;
    assert_int_equal(exchange(url, STR("GET /healthz HTTP/1.0\r\n\r\n"), &answers, &out), 200);
    buf_free(&out);
    assert_int_equal(exchange(url, STR("GET /metrics HTTP/1.0\r\n\r\n"), &answers, &out), 200);
    buf_free(&out);
    assert_int_equal(exchange(url, STR("POST /v1/events HTTP/1.0\r\nContent-Length: 0\r\n\r\n"), &answers, &out), 404);
    buf_free(&out);
}

/* A byte now and then doesn't keep a connection: it ends within the deadline and a second. */
static void check_cut(struct str first, int64_t deadline_ms) {
    int fd = dial(listener_url(listener));
    int64_t started = mono_ms();
    assert_int_equal(send(fd, first.ptr, first.len, MSG_NOSIGNAL), (ssize_t)first.len);
    for (;;) {
        char piece[64];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_true(mono_ms() - started < deadline_ms + 1000);
        if (poll(&wait, 1, 100) > 0 && recv(fd, piece, sizeof piece, 0) <= 0)
            break;
        if (send(fd, "a", 1, MSG_NOSIGNAL) < 0)
            break;
    }
    assert_true(mono_ms() - started >= deadline_ms - 250);
    close(fd);
}

static void slow_headers_are_cut_at_their_deadline(void **state) {
    (void)state;
    check_cut(STR("GET /healthz HTTP/1.1\r\nX-A: "), 1000);
}

static void a_slow_body_is_cut_at_the_requests_deadline(void **state) {
    (void)state;
    check_cut(STR(POST "Content-Length: 900\r\n\r\n"), 2000);
}

static void no_bytes_stay_in_flight(void **state) {
    int64_t deadline = mono_ms() + 5000;
    (void)state;
    while ((service.in_flight.used || service.active) && mono_ms() < deadline)
        usleep(1000);
    assert_int_equal(service.in_flight.used, 0);
    assert_int_equal(service.active, 0);
}

static void a_body_over_the_budget_is_asked_for_later(void **state) {
    struct buf out = BUF(64 * 1024);
    int answers;
    (void)state;
    assert_true(budget_take(&service.in_flight, service.in_flight.limit - 10));
    int status = exchange(listener_url(listener), STR("POST /v1/events HTTP/1.1\r\n" HOST "Connection: close\r\n"
                                                      "Content-Length: 12\r\n\r\n{\"a\":\"bcde\"}"), &answers, &out);
    budget_give(&service.in_flight, service.in_flight.limit - 10);
    assert_int_equal(status, 429);
    assert_non_null(strstr(out.ptr, "\r\nRetry-After: "));
    buf_free(&out);
}

/* A second listener on that port, and on that admin port if not NULL; NULL: refused, err says why. */
static struct listener *open_second(const char *url, const char *admin_url, struct err *err) {
    char name[] = "serve", listen_on[64], admin_listen_on[64];
    char *args[] = {name, listen_on, admin_listen_on, NULL};
    struct config second = {0};
    snprintf(listen_on, sizeof listen_on, "--listen=%s", url + strlen("http://"));
    snprintf(admin_listen_on, sizeof admin_listen_on, "--admin-listen=%s",
             admin_url ? admin_url + strlen("http://") : "127.0.0.1:0");
    assert_true(config_read(&second, 3, args, err));
    struct listener *opened = listener_open(&second, &service, err);
    config_free(&second);
    return opened;
}

static void check_taken(const char *url, const char *admin_url, const char *setting) {
    struct err err = {0};
    assert_null(open_second(url, admin_url, &err));
    assert_non_null(strstr(err.text, setting));
    assert_non_null(strstr(err.text, "another rmmhunt"));
}

static void a_port_that_another_server_has_is_refused(void **state) {
    (void)state;
    check_taken(listener_url(listener), NULL, "(listen)");
    check_taken(listener_admin_url(listener), NULL, "(listen)");
    check_taken("http://127.0.0.1:0", listener_url(listener), "(admin-listen,");
    check_taken("http://127.0.0.1:0", listener_admin_url(listener), "(admin-listen,");
}

/* What the server ends lingers in TIME_WAIT on its side. */
static void a_port_can_be_taken_again_right_after_a_stop(void **state) {
    struct err err = {0};
    char url[96];
    (void)state;
    struct listener *first = open_second("http://127.0.0.1:0", NULL, &err);
    assert_non_null(first);
    snprintf(url, sizeof url, "%s", listener_url(first));
    struct buf out = BUF(64 * 1024);
    int answers;
    assert_int_equal(exchange(url, STR("GET /healthz HTTP/1.0\r\n\r\n"), &answers, &out), 200);
    buf_free(&out);
    listener_close(first);
    struct listener *second = open_second(url, NULL, &err);
    if (!second)
        fail_msg("%s", err.text);
    listener_close(second);
}

static void a_drain_refuses_newcomers_and_ends(void **state) {
    (void)state;
    assert_true(listener_drain(listener, 5000));
    struct buf out = BUF(64 * 1024);
    int answers;
    assert_int_equal(exchange(listener_admin_url(listener), STR("GET /readyz HTTP/1.0\r\n\r\n"), &answers, &out), 503);
    assert_non_null(strstr(out.ptr, "draining"));
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_guard_refuses_gets_one_answer_and_the_end), cmocka_unit_test(plain_requests_are_served),
        cmocka_unit_test(a_body_behind_a_good_request_is_the_next_request), cmocka_unit_test(a_request_id_comes_back),
        cmocka_unit_test(the_admin_port_has_health_and_nothing_of_the_api),
        cmocka_unit_test(slow_headers_are_cut_at_their_deadline),
        cmocka_unit_test(a_slow_body_is_cut_at_the_requests_deadline), cmocka_unit_test(no_bytes_stay_in_flight),
        cmocka_unit_test(a_body_over_the_budget_is_asked_for_later),
        cmocka_unit_test(a_port_that_another_server_has_is_refused),
        cmocka_unit_test(a_port_can_be_taken_again_right_after_a_stop),
        cmocka_unit_test(a_drain_refuses_newcomers_and_ends),
    };
    schema_init();
    return cmocka_run_group_tests(tests, start, stop);
}
