/* The thread that does the same thing again and again: its turns, its waits and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/cond.h"
#include "base/worker.h"

enum { HOUR_MS = 3600 * 1000, LIMIT_MS = 20000, TURNS = 3 };

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
    bool stop_seen;
};

static void turns_init(struct turns *turns) {
    *turns = (struct turns){0};
    pthread_mutex_init(&turns->lock, NULL);
    cond_init(&turns->changed);
}

static void turns_destroy(struct turns *turns) {
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->lock);
}

static int turns_add(struct turns *turns) {
    pthread_mutex_lock(&turns->lock);
    int count = ++turns->count;
    pthread_cond_signal(&turns->changed);
    pthread_mutex_unlock(&turns->lock);
    return count;
}

static int turns_await(struct turns *turns, int wanted) {
    int64_t deadline = mono_ms() + LIMIT_MS;
    pthread_mutex_lock(&turns->lock);
    while (turns->count < wanted && cond_wait(&turns->changed, &turns->lock, deadline)) {
    }
    int count = turns->count;
    pthread_mutex_unlock(&turns->lock);
    return count;
}

static int short_turn(void *context, const atomic_bool *stop) {
    (void)stop;
    return turns_add(context) < TURNS ? 1 : HOUR_MS;
}

static int long_turn(void *context, const atomic_bool *stop) {
    struct turns *turns = context;
    int64_t deadline = mono_ms() + LIMIT_MS;
    turns_add(turns);
    while (!atomic_load(stop) && mono_ms() < deadline)
        sleep_ms(1);
    turns->stop_seen = atomic_load(stop);
    return 0;
}

static void turns_come_again_and_stopping_ends_a_long_wait(void **state) {
    struct err err = {0};
    struct turns turns;
    (void)state;
    turns_init(&turns);
    struct worker *worker = worker_start(short_turn, &turns, 0, "a test", &err);
    assert_non_null(worker);
    assert_int_equal(turns_await(&turns, TURNS), TURNS);
    int64_t before = mono_ms();
    worker_stop(worker);
    assert_true(mono_ms() - before < LIMIT_MS);
    assert_int_equal(turns.count, TURNS);
    turns_destroy(&turns);
}

static void a_long_turn_is_told_to_stop_and_is_the_last(void **state) {
    struct err err = {0};
    struct turns turns;
    (void)state;
    turns_init(&turns);
    struct worker *worker = worker_start(long_turn, &turns, 0, "a test", &err);
    assert_non_null(worker);
    assert_int_equal(turns_await(&turns, 1), 1);
    worker_stop(worker);
    assert_true(turns.stop_seen);
    assert_int_equal(turns.count, 1);
    turns_destroy(&turns);
}

static void a_worker_stopped_before_its_first_turn_takes_none(void **state) {
    struct err err = {0};
    struct turns turns;
    (void)state;
    turns_init(&turns);
    struct worker *worker = worker_start(short_turn, &turns, HOUR_MS, "a test", &err);
    assert_non_null(worker);
    worker_stop(worker);
    worker_stop(NULL);
    assert_int_equal(turns.count, 0);
    turns_destroy(&turns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_come_again_and_stopping_ends_a_long_wait),
        cmocka_unit_test(a_long_turn_is_told_to_stop_and_is_the_last),
        cmocka_unit_test(a_worker_stopped_before_its_first_turn_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
