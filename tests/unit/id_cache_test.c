/* Dictionary ids kept in memory: right, bounded, and not lost to values that come once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "store/id_cache.h"

enum { SPARE = 3 << 20 };

/* As evenly spread as real digests are. */
static struct tuple_digest digest_of(uint64_t n) {
    struct tuple_digest digest;
    uint64_t words[2] = {n * UINT64_C(0x9E3779B97F4A7C15), n};
    words[0] ^= words[0] >> 29;
    words[0] *= UINT64_C(0xBF58476D1CE4E5B9);
    words[0] ^= words[0] >> 32;
    memcpy(digest.bytes, words, sizeof digest.bytes);
    return digest;
}

static void add(struct id_cache *cache, uint64_t from, uint64_t to) {
    for (uint64_t n = from; n < to; n++) {
        struct tuple_digest digest = digest_of(n);
        id_cache_add(cache, &digest, (int32_t)n);
    }
}

/* How many of them are known; each of those by its own id. */
static size_t known(const struct id_cache *cache, uint64_t from, uint64_t to) {
    size_t count = 0;
    for (uint64_t n = from; n < to; n++) {
        struct tuple_digest digest = digest_of(n);
        int32_t id = id_cache_find(cache, &digest);
        count += id != 0;
        assert_true(id == 0 || id == (int32_t)n);
    }
    return count;
}

static struct id_cache *cache_of(atomic_llong *spare) {
    struct err err = {0};
    struct id_cache *cache = id_cache_new(spare, &err);
    assert_non_null(cache);
    return cache;
}

static void nearly_all_of_750000_values_are_known_with_their_ids(void **state) {
    atomic_llong spare = SPARE;
    struct id_cache *cache = cache_of(&spare);
    (void)state;
    add(cache, 1, 750001);
    size_t count = known(cache, 1, 750001);
    assert_in_range(count, 720000, 750000);
    assert_int_equal(known(cache, 750001, 800000), 0);
    id_cache_clear(cache);
    assert_int_equal(known(cache, 1, 750001), 0);
    id_cache_free(cache);
}

static void a_full_cache_keeps_part_of_the_old_beside_the_new(void **state) {
    atomic_llong spare = SPARE;
    struct id_cache *cache = cache_of(&spare);
    (void)state;
    add(cache, 1, 1000001);
    add(cache, 2000000, 2200000); /* each once, as a sender that never repeats a value has them */
    assert_in_range(known(cache, 1, 1000001), 600000, 900000);
    assert_in_range(known(cache, 2000000, 2200000), 150000, 200000);
    id_cache_free(cache);
}

static void the_places_that_caches_share_run_out_for_all(void **state) {
    atomic_llong spare = 1 << 20;
    struct id_cache *first = cache_of(&spare), *second = cache_of(&spare);
    (void)state;
    add(first, 1, 1000001);
    add(second, 1, 1000001);
    assert_in_range(known(first, 1, 1000001), 800000, 1000000);
    assert_in_range(known(second, 1, 1000001), 100000, (1 << 18) + 8); /* its own, and what was left */
    assert_true(spare >= 0);
    id_cache_free(first);
    id_cache_free(second);
}

static void a_digest_added_again_takes_the_newer_id(void **state) {
    atomic_llong spare = SPARE;
    struct id_cache *cache = cache_of(&spare);
    struct tuple_digest digest = digest_of(7);
    (void)state;
    id_cache_add(cache, &digest, 1);
    id_cache_add(cache, &digest, 2);
    assert_int_equal(id_cache_find(cache, &digest), 2);
    id_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearly_all_of_750000_values_are_known_with_their_ids),
        cmocka_unit_test(a_full_cache_keeps_part_of_the_old_beside_the_new),
        cmocka_unit_test(the_places_that_caches_share_run_out_for_all),
        cmocka_unit_test(a_digest_added_again_takes_the_newer_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
