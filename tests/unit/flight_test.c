/* Commits that run beside each other, and those that wait because they bring the same rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "store/flight.h"

enum { LIMIT_MS = 20000, SHORT_MS = 50, KEYS = 500, THREADS = 4, ROUNDS = 300 };

static struct err err;

static struct flight *make(const uint64_t *keys, size_t count) {
    struct flight *flight = flight_new(count, &err);
    assert_non_null(flight);
    for (size_t i = 0; i < count; i++)
        flight_add(flight, keys[i]);
    return flight;
}

static void flights_without_a_common_key_run_beside_each_other(void **state) {
    (void)state;
    struct flights *flights = flights_new(&err);
    uint64_t ones[KEYS], others[KEYS];
    for (uint64_t i = 0; i < KEYS; i++) {
        ones[i] = 2 * i + 1;
        others[i] = 2 * i + 2;
    }
    struct flight *one = make(ones, KEYS), *other = make(others, KEYS), *empty = make(ones, 0);
    int64_t begin = mono_ms();
    flight_start(flights, one, begin + LIMIT_MS);
    flight_start(flights, other, begin + LIMIT_MS);
    flight_start(flights, empty, begin + LIMIT_MS);
    assert_true(mono_ms() - begin < LIMIT_MS); /* neither waited for its deadline */
    flight_end(flights, one);
    flight_end(flights, empty);
    flight_end(flights, other);
    flight_end(flights, NULL);
    flights_free(flights);
}

static void the_second_with_a_common_key_waits_no_longer_than_its_deadline(void **state) {
    (void)state;
    struct flights *flights = flights_new(&err);
    const uint64_t ones[] = {1, 2, 3, UINT64_MAX}, others[] = {7, 8, UINT64_MAX};
    struct flight *one = make(ones, 4), *other = make(others, 3);
    int64_t begin = mono_ms();
    flight_start(flights, one, begin + LIMIT_MS);
    flight_start(flights, other, begin + SHORT_MS);
    assert_true(mono_ms() - begin >= SHORT_MS);
    flight_end(flights, one);
    flight_end(flights, other);
    flights_free(flights);
}

struct race {
    struct flights *flights;
    atomic_int under_way[2]; /* those that bring the key */
    atomic_int together;     /* times that two with one key were */
};

static void *fly(void *argument) {
    struct race *race = argument;
    struct err mine = {0};
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct flight *flight = flight_new(1, &mine);
        flight_add(flight, i % 2 + 1);
        flight_start(race->flights, flight, mono_ms() + LIMIT_MS);
        if (atomic_fetch_add(&race->under_way[i % 2], 1) > 0)
            atomic_fetch_add(&race->together, 1);
        sched_yield();
        atomic_fetch_sub(&race->under_way[i % 2], 1);
        flight_end(race->flights, flight);
    }
    return NULL;
}

static void never_are_two_with_one_key_under_way(void **state) {
    (void)state;
    struct race race = {.flights = flights_new(&err)};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fly, &race), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&race.together), 0);
    flights_free(race.flights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flights_without_a_common_key_run_beside_each_other),
        cmocka_unit_test(the_second_with_a_common_key_waits_no_longer_than_its_deadline),
        cmocka_unit_test(never_are_two_with_one_key_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
