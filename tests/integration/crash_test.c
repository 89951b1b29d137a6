/* Senders at work while the server is killed or stopped: what was acknowledged is stored, once, whatever happened. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/database.h"
#include "tests/support/server_fixture.h"

enum { SENDERS = 4, BODIES = 30, RECORDS = 100, CAP = 16 << 20, LIMIT_MS = 120000 };

/* Everything below the lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct server server; /* that may be reached */
    unsigned generation;  /* of it */
    bool up, stop;
    unsigned acknowledged, refused, cut, wrong;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void build_body(struct buf *out, const char *device, unsigned sender, unsigned body) {
    for (unsigned i = 0; i < RECORDS; i++) {
        unsigned number = (sender * BODIES + body) * RECORDS + i;
        buf_printf(out,
                   "{\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"properties\":{\"Timestamp\":"
                   "\"2026-07-18T%02u:%02u:%02u.%07uZ\",\"DeviceId\":\"%s%u\",\"DeviceName\":\"d\",\"ReportId\":%u,"
                   "\"FileName\":\"f%u.exe\",\"ProcessCommandLine\":\"run %u\"}}\n",
                   number / 3600 % 24, number / 60 % 60, number % 60, number, device, number % 17, number, number % 50,
                   number);
    }
}

/* Waits until a server is there; false when the test is over or the time is up. */
static bool wait_for_server(struct server *server, unsigned *generation) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_MS / 1000;
    pthread_mutex_lock(&world.lock);
    while (!world.up && !world.stop)
        if (pthread_cond_timedwait(&world.changed, &world.lock, &until))
            break;
    bool ok = world.up;
    *server = world.server;
    *generation = world.generation;
    pthread_mutex_unlock(&world.lock);
    return ok;
}

/* True when it is acknowledged. After a cut connection the sender waits for another server. */
static bool note_answer(long status, unsigned generation) {
    pthread_mutex_lock(&world.lock);
    if (status == 200)
        world.acknowledged++;
    else if (status == 503 || status == 429)
        world.refused++;
    else if (!status)
        world.cut++;
    else
        world.wrong++;
    if (!status && world.generation == generation)
        world.up = false;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
    return status == 200;
}

struct sender {
    pthread_t thread;
    unsigned number, done;
    const char *device;
};

/* The same bytes again and again until they are acknowledged. */
static void *sender_run(void *arg) {
    struct sender *sender = arg;
    int64_t deadline = mono_ms() + LIMIT_MS;
    for (; sender->done < BODIES && mono_ms() < deadline; sender->done++) {
        BUF_AUTO body = BUF(CAP);
        build_body(&body, sender->device, sender->number, sender->done);
        for (bool acknowledged = false; !acknowledged;) {
            struct server server;
            unsigned generation;
            if (mono_ms() >= deadline || !wait_for_server(&server, &generation))
                return NULL;
            struct send send = {.path = "/v1/events", .body = body.ptr, .length = body.len};
            struct answer answer = server_send(&server, &send);
            acknowledged = note_answer(answer.status, generation);
            answer_free(&answer);
        }
    }
    return NULL;
}

static void senders_start(struct sender senders[SENDERS], const char *device) {
    pthread_mutex_lock(&world.lock);
    world.acknowledged = world.refused = world.cut = world.wrong = 0;
    world.stop = false;
    world.server = server_fixture;
    world.up = true;
    pthread_mutex_unlock(&world.lock);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.number = i, .device = device};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]), 0);
    }
}

static void wait_for_acknowledged(unsigned count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_MS / 1000;
    int late = 0;
    pthread_mutex_lock(&world.lock);
    while (world.acknowledged < count && !late)
        late = pthread_cond_timedwait(&world.changed, &world.lock, &until);
    pthread_mutex_unlock(&world.lock);
    assert_int_equal(late, 0);
}

static void server_again(void) {
    assert_true(server_start(&server_fixture));
    pthread_mutex_lock(&world.lock);
    world.server = server_fixture;
    world.generation++;
    world.up = true;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static void senders_join(struct sender senders[SENDERS]) {
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
}

static void check_all_stored_once(const char *device) {
    char kql[256];
    snprintf(kql, sizeof kql, "DeviceProcessEvents | where DeviceId startswith '%s' | count", device);
    assert_int_equal(server_query_int(&server_fixture, kql), SENDERS * BODIES * RECORDS);
    for (unsigned sender = 0; sender < SENDERS; sender++)
        for (unsigned number = 0; number < BODIES; number++) {
            BUF_AUTO body = BUF(CAP);
            build_body(&body, device, sender, number);
            ANSWER_AUTO again = server_expect(
                &server_fixture, 200, &(struct send){.path = "/v1/events", .body = body.ptr, .length = body.len});
            assert_int_equal(answer_int(&again, "duplicate"), RECORDS);
            assert_int_equal(answer_int(&again, "stored"), 0);
        }
}

static void what_was_sent_around_a_kill_is_stored_once(void **state) {
    struct sender senders[SENDERS];
    (void)state;
    senders_start(senders, "killed");
    for (unsigned round = 1; round <= 2; round++) {
        wait_for_acknowledged(round * SENDERS * BODIES / 4);
        pthread_mutex_lock(&world.lock);
        world.up = false;
        pthread_mutex_unlock(&world.lock);
        server_kill(&server_fixture);
        server_again();
    }
    senders_join(senders);
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(senders[i].done, BODIES);
    assert_int_equal(world.wrong, 0);
    check_all_stored_once("killed");
}

static void a_stop_under_load_exits_0_and_loses_nothing(void **state) {
    struct sender senders[SENDERS];
    (void)state;
    senders_start(senders, "stopped");
    wait_for_acknowledged(SENDERS * BODIES / 3);
    server_ask_to_stop(&server_fixture);
    int code = server_wait(&server_fixture);
    pthread_mutex_lock(&world.lock);
    world.up = false;
    pthread_mutex_unlock(&world.lock);
    server_again();
    senders_join(senders);
    assert_int_equal(code, 0);
    assert_int_equal(world.wrong, 0);
    check_all_stored_once("stopped");
}

static void runs_cut_by_a_kill_do_not_stay_running(void **state) {
    (void)state;
    ANSWER_AUTO run = server_send(
        &server_fixture, &(struct send){.path = "/v1/runs", .headers = {"Prefer: wait=0"}, .body = "{\"all\":true}"});
    assert_true(run.status == 201 || run.status == 202);
    char path[256];
    assert_true(answer_header(&run, "Location", path, sizeof path));
    server_kill(&server_fixture);
    server_again();
    int64_t deadline = mono_ms() + LIMIT_MS;
    for (;;) {
        ANSWER_AUTO answer = server_expect(&server_fixture, 200, &(struct send){.path = path});
        const char *now = answer_text(&answer, "state");
        if (strcmp(now, "queued") != 0 && strcmp(now, "running") != 0)
            break;
        if (mono_ms() > deadline)
            fail_msg("the run is still %s", now);
    }
}

struct twin {
    pthread_t thread;
    const struct buf *body;
    struct answer answer;
};

static void *twin_run(void *arg) {
    struct twin *twin = arg;
    twin->answer = server_send(
        &server_fixture, &(struct send){.path = "/v1/events", .body = twin->body->ptr, .length = twin->body->len});
    return NULL;
}

static void the_same_body_from_many_senders_at_once_is_stored_once(void **state) {
    (void)state;
    enum { TWINS = 8 };
    for (unsigned round = 0; round < 5; round++) {
        struct twin twins[TWINS];
        long long stored = 0, duplicate = 0;
        BUF_AUTO body = BUF(CAP);
        build_body(&body, "twin", 0, round);
        for (unsigned i = 0; i < TWINS; i++) {
            twins[i] = (struct twin){.body = &body};
            assert_int_equal(pthread_create(&twins[i].thread, NULL, twin_run, &twins[i]), 0);
        }
        for (unsigned i = 0; i < TWINS; i++)
            pthread_join(twins[i].thread, NULL);
        for (unsigned i = 0; i < TWINS; i++) {
            assert_int_equal(twins[i].answer.status, 200);
            stored += answer_int(&twins[i].answer, "stored");
            duplicate += answer_int(&twins[i].answer, "duplicate");
            answer_free(&twins[i].answer);
        }
        assert_int_equal(stored, RECORDS);
        assert_int_equal(duplicate, (TWINS - 1) * RECORDS);
    }
    assert_int_equal(
        server_query_int(&server_fixture, "DeviceProcessEvents | where DeviceId startswith 'twin' | count"),
        5 * RECORDS);
}

/* 0: none is noted, as when it is just starting. */
static pid_t postmaster_pid(void) {
    char path[128], line[32] = "";
    snprintf(path, sizeof path, "%s/pg/postmaster.pid", server_fixture.data);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        line[0] = '\0';
    if (file)
        fclose(file);
    return (pid_t)strtol(line, NULL, 10);
}

/* Until the server has started another one. */
static void postmaster_await(pid_t old) {
    int64_t deadline = mono_ms() + 60000;
    while ((postmaster_pid() == old || !postmaster_pid()) && mono_ms() < deadline)
        sleep_ms(50);
    assert_int_not_equal(postmaster_pid(), old);
}

/* Until it is answered with 200; 503 meanwhile. */
static void send_until_taken(const struct send *send) {
    int64_t deadline = mono_ms() + 60000;
    long status = 0;
    while (status != 200 && mono_ms() < deadline) {
        ANSWER_AUTO answer = server_send(&server_fixture, send);
        status = answer.status;
        assert_true(status == 200 || status == 503);
        if (status != 200)
            sleep_ms(50);
    }
    assert_int_equal(status, 200);
}

static void a_database_that_dies_under_the_server_comes_back(void **state) {
    (void)state;
    static const int signals[] = {SIGKILL, SIGQUIT};
    static const char count[] = "DeviceProcessEvents | where DeviceId startswith 'revived' | count";
    for (unsigned round = 0; round < 2; round++) {
        BUF_AUTO body = BUF(CAP);
        build_body(&body, "revived", 1, round);
        pid_t old = postmaster_pid();
        assert_true(old > 0);
        assert_int_equal(kill(old, signals[round]), 0);
        postmaster_await(old);
        send_until_taken(&(struct send){.path = "/v1/events", .body = body.ptr, .length = body.len});
        send_until_taken(&(struct send){.path = "/v1/query", .body = "{\"query\":\"print 1\"}"});
    }
    assert_int_equal(server_query_int(&server_fixture, count), 2 * RECORDS);
}

static void *send_once(void *argument) {
    ANSWER_AUTO answer = server_send(&server_fixture, argument);
    return NULL;
}

/* PostgreSQL dies when the value of `seen` can be seen and the body that brought it is not stored yet. */
static void crash_behind_values(const struct buf *body, const char *seen) {
    pthread_t thread;
    struct err err = {0};
    struct db *db = database_of(&server_fixture);
    database_do(db, "ALTER SYSTEM SET wal_writer_delay = '10s'"); /* that it writes soon is no promise */
    database_do(db, "SELECT pg_reload_conf()");
    struct db_conn *held = db_take(db, mono_ms() + LIMIT_MS, &err);
    assert_non_null(held);
    assert_true(db_begin(held, "", mono_ms() + LIMIT_MS, &err));
    assert_true(db_exec(held, "LOCK TABLE data.device_process_events IN EXCLUSIVE MODE", NULL, 0, mono_ms() + LIMIT_MS, NULL, &err));
    struct send send = {.path = "/v1/events", .body = body->ptr, .length = body->len};
    assert_int_equal(pthread_create(&thread, NULL, send_once, &send), 0);
    database_await(db, seen, 1, LIMIT_MS);
    pid_t old = postmaster_pid();
    assert_int_equal(kill(old, SIGQUIT), 0);
    db_give(held);
    db_close(db);
    postmaster_await(old);
    pthread_join(thread, NULL);
    send_until_taken(&(struct send){.path = "/v1/query", .body = "{\"query\":\"print 1\"}"});
    db = database_of(&server_fixture);
    assert_int_equal(database_int(db, seen), 1);
    database_do(db, "ALTER SYSTEM RESET wal_writer_delay");
    database_do(db, "SELECT pg_reload_conf()");
    db_close(db);
}

/* Who has seen a value's id keeps it in memory, so it must not go to another value behind a crash. */
static void dictionary_values_that_can_be_seen_outlive_a_crash(void **state) {
    char device[16];
    (void)state;
    BUF_AUTO first = BUF(CAP), few = BUF(CAP), many = BUF(CAP);
    build_body(&first, "flushed", 1, 0); /* makes the partition */
    send_until_taken(&(struct send){.path = "/v1/events", .body = first.ptr, .length = first.len});
    build_body(&few, "kept", 2, 0);
    crash_behind_values(&few, "SELECT count(*) FROM dict.device WHERE device_id = 'kept3'");
    for (unsigned i = 0; i < 5; i++) { /* so many that they are copied */
        snprintf(device, sizeof device, "many%u-", i);
        build_body(&many, device, 3, i);
    }
    crash_behind_values(&many, "SELECT count(*) FROM dict.device WHERE device_id = 'many4-3'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_that_dies_under_the_server_comes_back),
        cmocka_unit_test(dictionary_values_that_can_be_seen_outlive_a_crash),
        cmocka_unit_test(the_same_body_from_many_senders_at_once_is_stored_once),
        cmocka_unit_test(what_was_sent_around_a_kill_is_stored_once),
        cmocka_unit_test(a_stop_under_load_exits_0_and_loses_nothing),
        cmocka_unit_test(runs_cut_by_a_kill_do_not_stay_running),
    };
    return cmocka_run_group_tests(tests, server_fixture_setup, server_fixture_teardown);
}
