/* Results as dashboards poll them: out of memory, never older than what was shown, the same from two servers of one
 * database; and what waits keeps nobody else waiting. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/database.h"

#define HUNT "remotepc-file-signature"
#define RESULTS "/v1/hunts/" HUNT "/results"

enum { CAP = 16 << 20, SLOW = 500, HEADER_MS = 3000, SHOWN_MS = 1000, LIMIT_MS = 60000, LONG_POLLS = 40, RUNS = 12 };

static struct server *const first = &server_fixture;
static struct server second;
static char second_database[128];

static int begin(void **state) {
    setenv("RMMHUNT_MAX_PER_ADDRESS", "2000", 1);
    setenv("RMMHUNT_MAX_CONNECTIONS", "2000", 1);
    setenv("RMMHUNT_HEADER_SECONDS", "3", 1);
    if (server_fixture_setup(state))
        return -1;
    snprintf(second_database, sizeof second_database, "host=%s/run user=rmmhunt dbname=rmmhunt", first->data);
    second = (struct server){.database_url = second_database};
    return server_start(&second) ? 0 : -1;
}

static int end(void **state) {
    int code = second.pid ? server_stop(&second) : 0;
    server_remove(&second);
    return server_fixture_teardown(state) || code;
}

static long long run_now(const struct server *server) {
    ANSWER_AUTO answer =
        server_expect(server, 201, &(struct send){.path = "/v1/runs", .body = "{\"hunts\":[\"" HUNT "\"]}"});
    return strtoll(answer_text(&answer, "run_id"), NULL, 10);
}

static long long run_shown(const struct server *server) {
    ANSWER_AUTO answer = server_expect(server, 200, &(struct send){.path = RESULTS});
    return strtoll(answer_text(&answer, "run_id"), NULL, 10);
}

static void a_new_run_shows_at_once_here_and_within_a_second_elsewhere(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        long long run = run_now(first);
        int64_t finished = mono_ms(), asked;
        assert_int_equal(run_shown(first), run);
        do
            asked = mono_ms();
        while (run_shown(&second) != run && asked - finished < LIMIT_MS);
        if (asked - finished > SHOWN_MS)
            fail_msg("the other server showed run %lld after %lld ms", run, (long long)(asked - finished));
    }
}

static struct {
    atomic_bool stop, back;
    atomic_llong polls;
} world;

static void *poller(void *server) {
    for (long long last = 0; !atomic_load(&world.stop);) {
        struct answer answer = server_send(server, &(struct send){.path = RESULTS});
        long long run = answer.status == 200 ? strtoll(answer_text(&answer, "run_id"), NULL, 10) : 0;
        answer_free(&answer);
        if (run < last)
            atomic_store(&world.back, true);
        last = run > last ? run : last;
        atomic_fetch_add(&world.polls, 1);
    }
    return NULL;
}

static void a_poll_never_shows_an_older_run_than_one_before(void **state) {
    pthread_t threads[4];
    (void)state;
    run_now(first);
    atomic_store(&world.stop, false);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, poller, i % 2 ? first : &second), 0);
    for (int i = 0; i < RUNS; i++)
        run_now(i % 2 ? first : &second);
    atomic_store(&world.stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_false(atomic_load(&world.back));
    assert_true(atomic_load(&world.polls) > 0);
}

static long long metric(const char *series) {
    ANSWER_AUTO answer = server_expect(first, 200, &(struct send){.path = "/metrics"});
    const char *at = strstr(answer.body, series);
    if (!at)
        fail_msg("no series %s", series);
    return strtoll(at + strlen(series), NULL, 10);
}

static void a_poll_of_what_is_kept_asks_for_no_table(void **state) {
    (void)state;
    run_now(first);
    run_shown(first);
    struct db *db = database_of(first);
    struct err err;
    struct db_conn *conn = db_take(db, mono_ms() + LIMIT_MS, &err);
    assert_true(conn && db_begin(conn, "", mono_ms() + LIMIT_MS, &err) &&
                db_exec(conn, "LOCK TABLE rmm.hunts, rmm.runs, rmm.results IN ACCESS EXCLUSIVE MODE", NULL, 0,
                        mono_ms() + LIMIT_MS, NULL, &err));
    long long hits = metric("\nrmmhunt_cache_hits_total ");
    for (int i = 0; i < 20; i++)
        run_shown(first);
    assert_true(metric("\nrmmhunt_cache_hits_total ") >= hits + 20);
    db_rollback(conn);
    db_give(conn);
    db_close(db);
}

static void what_can_not_be_asked_for_is_not_served_from_memory(void **state) {
    (void)state;
    long long run = run_now(first);
    assert_int_equal(run_shown(first), run);
    struct db *db = database_of(first);
    struct err err;
    struct db_conn *conn = db_take(db, mono_ms() + LIMIT_MS, &err);
    assert_true(conn && db_begin(conn, "", mono_ms() + LIMIT_MS, &err) &&
                db_exec(conn, "LOCK TABLE rmm.pulse IN ACCESS EXCLUSIVE MODE", NULL, 0, mono_ms() + LIMIT_MS, NULL, &err));
    long status = 200;
    for (int64_t deadline = mono_ms() + 5000; status == 200 && ms_left(deadline);) {
        ANSWER_AUTO answer = server_send(first, &(struct send){.path = RESULTS});
        status = answer.status;
    }
    assert_int_equal(status, 503);
    db_rollback(conn);
    db_give(conn);
    db_close(db);
    assert_int_equal(run_shown(first), run);
}

static void tag_of(const struct answer *answer, char out[64]) {
    assert_true(answer_header(answer, "ETag", out, 64));
    assert_true(out[0] == '"' && strlen(out) > 10);
}

static void each_form_has_a_tag_of_its_own_and_is_304_for_who_has_it(void **state) {
    static const char *const forms[] = {"", "?pretty", "?format=csv", "?format=ndjson", "?format=table"};
    enum { FORMS = sizeof forms / sizeof *forms };
    char tags[FORMS][64];
    (void)state;
    run_now(first);
    for (int i = 0; i < FORMS; i++) {
        char path[128], list[512], length[32], again[32];
        snprintf(path, sizeof path, RESULTS "%s", forms[i]);
        ANSWER_AUTO whole = server_expect(first, 200, &(struct send){.path = path});
        tag_of(&whole, tags[i]);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(tags[i], tags[k]);
        snprintf(list, sizeof list, "If-None-Match: \"x,\\\", W/%s , \"y\"", tags[i]);
        ANSWER_AUTO known = server_expect(first, 304, &(struct send){.path = path, .headers = {list}});
        assert_int_equal(known.length, 0);
        ANSWER_AUTO unknown = server_expect(first, 200, &(struct send){.path = path, .headers = {"If-None-Match: \"x\""}});
        assert_memory_equal(unknown.body, whole.body, whole.length);
        ANSWER_AUTO any = server_expect(first, 304, &(struct send){.path = path, .headers = {"If-None-Match: *"}});
        assert_true(answer_header(&any, "X-Request-Id", again, sizeof again));
        assert_true(answer_header(&whole, "Content-Length", length, sizeof length));
        assert_int_equal(strtoull(length, NULL, 10), whole.length);
    }
}

static size_t inflate_all(const struct answer *answer, char *out, size_t room) {
    z_stream stream = {.next_in = (unsigned char *)answer->body, .avail_in = (unsigned)answer->length,
                       .next_out = (unsigned char *)out, .avail_out = (unsigned)room};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    inflateEnd(&stream);
    return stream.total_out;
}

static void gzip_comes_to_who_takes_it_and_holds_the_same_bytes(void **state) {
    static char text[CAP];
    char path[64], plain_tag[64], zipped_tag[64], header[64];
    (void)state;
    ANSWER_AUTO run = server_expect(first, 201, &(struct send){.path = "/v1/runs", .body = "{\"tool\":\"RemotePC\"}"});
    snprintf(path, sizeof path, "/v1/runs/%s/results", answer_text(&run, "run_id"));
    ANSWER_AUTO plain = server_expect(first, 200, &(struct send){.path = path});
    ANSWER_AUTO zipped = server_expect(first, 200, &(struct send){.path = path, .headers = {"Accept-Encoding: br, gzip;q=0.5"}});
    ANSWER_AUTO refused = server_expect(first, 200, &(struct send){.path = path, .headers = {"Accept-Encoding: gzip;q=0, *"}});
    assert_true(answer_header(&zipped, "Content-Encoding", header, sizeof header));
    assert_string_equal(header, "gzip");
    assert_true(answer_header(&zipped, "Vary", header, sizeof header));
    assert_string_equal(header, "Accept, Accept-Encoding");
    assert_false(answer_header(&refused, "Content-Encoding", header, sizeof header));
    tag_of(&plain, plain_tag);
    tag_of(&zipped, zipped_tag);
    assert_string_not_equal(plain_tag, zipped_tag);
    assert_true(zipped.length < plain.length);
    assert_int_equal(inflate_all(&zipped, text, sizeof text), plain.length);
    assert_memory_equal(text, plain.body, plain.length);
    assert_memory_equal(refused.body, plain.body, plain.length);
}

static void whatever_changes_results_raises_the_pulse(void **state) {
    static const char file[] = "{\"id\":\"00000000-0000-4000-8000-00000000abcd\",\"name\":\"pulse\",\"description\":\"d\","
                               "\"query\":\"DeviceProcessEvents | summarize Count=count() by DeviceId\"}";
    static const char path[] = "/v1/hunts/00000000-0000-4000-8000-00000000abcd", sql[] = "SELECT n FROM rmm.pulse";
    (void)state;
    struct db *db = database_of(first);
    long long n = database_int(db, sql), run = run_now(first);
    assert_true(database_int(db, sql) > n);
    n = database_int(db, sql);
    ANSWER_AUTO put = server_expect(first, 201, &(struct send){.method = "PUT", .path = path, .body = file});
    assert_true(database_int(db, sql) > n);
    n = database_int(db, sql);
    ANSWER_AUTO gone = server_expect(first, 204, &(struct send){.method = "DELETE", .path = path});
    assert_true(database_int(db, sql) > n);
    n = database_int(db, sql);
    char delete[96];
    snprintf(delete, sizeof delete, "DELETE FROM rmm.results WHERE run_id = %lld", run);
    database_do(db, delete);
    assert_int_equal(database_int(db, sql), n + 1);
    db_close(db);
    assert_true(run_shown(first) < run);
}

static void *long_poll(void *wait) {
    struct answer answer = server_send(first, &(struct send){.path = wait});
    long status = answer.status;
    answer_free(&answer);
    return status == 200 ? wait : NULL;
}

/* Answers a poll and health; the longest either took, in ms. */
static int64_t slowest(int rounds) {
    int64_t worst = 0;
    for (int i = 0; i < rounds * 2; i++) {
        int64_t started = mono_ms();
        ANSWER_AUTO answer = server_expect(first, 200, &(struct send){.path = i % 2 ? RESULTS : "/healthz"});
        int64_t took = mono_ms() - started;
        worst = took > worst ? took : worst;
    }
    return worst;
}

static void requests_that_wait_keep_nobody_waiting(void **state) {
    pthread_t threads[LONG_POLLS];
    static char path[] = "/v1/changes?latest&wait=3";
    (void)state;
    run_now(first);
    for (int i = 0; i < LONG_POLLS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, long_poll, path), 0);
    for (int64_t deadline = mono_ms() + LIMIT_MS; metric("\nrmmhunt_active_requests ") < LONG_POLLS && ms_left(deadline);)
        sleep_ms(1);
    int64_t worst = slowest(20);
    for (int i = 0; i < LONG_POLLS; i++) {
        void *answered = NULL;
        pthread_join(threads[i], &answered);
        assert_non_null(answered);
    }
    if (worst > 1000)
        fail_msg("a poll took %lld ms beside long polls", (long long)worst);
}

static int dial(void) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    place.sin_port = htons((uint16_t)strtol(strrchr(first->url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&place, sizeof place), 0);
    return fd;
}

static void await_end(int fd, int64_t deadline) {
    char piece[256];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    do
        if (poll(&wait, 1, ms_left(deadline)) <= 0)
            fail_msg("a slow connection is still open");
    while (recv(fd, piece, sizeof piece, 0) > 0);
    close(fd);
}

/* Nothing sent, half a request line, half the headers. */
static void slow_connections_are_cut_and_keep_nobody_waiting(void **state) {
    static const char *const starts[] = {"", "GET /hea", "GET /healthz HTTP/1.1\r\nX-A: "};
    static int fds[SLOW];
    (void)state;
    run_now(first);
    for (int i = 0; i < SLOW; i++) {
        fds[i] = dial();
        size_t length = strlen(starts[i % 3]);
        assert_int_equal(send(fds[i], starts[i % 3], length, MSG_NOSIGNAL), (ssize_t)length);
    }
    int64_t opened = mono_ms(), worst = slowest(20);
    for (int i = 0; i < SLOW; i++)
        await_end(fds[i], opened + HEADER_MS + 1000);
    if (worst > 250)
        fail_msg("an answer took %lld ms beside %d slow connections", (long long)worst, SLOW);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_run_shows_at_once_here_and_within_a_second_elsewhere),
        cmocka_unit_test(a_poll_never_shows_an_older_run_than_one_before),
        cmocka_unit_test(a_poll_of_what_is_kept_asks_for_no_table),
        cmocka_unit_test(what_can_not_be_asked_for_is_not_served_from_memory),
        cmocka_unit_test(each_form_has_a_tag_of_its_own_and_is_304_for_who_has_it),
        cmocka_unit_test(gzip_comes_to_who_takes_it_and_holds_the_same_bytes),
        cmocka_unit_test(whatever_changes_results_raises_the_pulse),
        cmocka_unit_test(requests_that_wait_keep_nobody_waiting),
        cmocka_unit_test(slow_connections_are_cut_and_keep_nobody_waiting),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
