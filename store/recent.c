#include "store/recent.h"

#include <stdatomic.h>
#include <stdlib.h>

struct recent {
    unsigned bits;
    _Atomic uint64_t keys[]; /* 0: free */
};

struct recent *recent_new(unsigned bits, struct err *err) {
    struct recent *recent = calloc(1, sizeof *recent + (sizeof recent->keys[0] << bits));
    if (!recent) {
        err_memory(err);
        return NULL;
    }
    recent->bits = bits;
    return recent;
}

void recent_free(struct recent *recent) {
    free(recent);
}

static size_t place_of(const struct recent *recent, uint64_t key) {
    return (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - recent->bits));
}

bool recent_has(const struct recent *recent, uint64_t key) {
    return atomic_load_explicit(&recent->keys[place_of(recent, key)], memory_order_relaxed) == key;
}

void recent_add(struct recent *recent, uint64_t key) {
    atomic_store_explicit(&recent->keys[place_of(recent, key)], key, memory_order_relaxed);
}

void recent_clear(struct recent *recent) {
    for (size_t i = 0; i < (size_t)1 << recent->bits; i++)
        atomic_store_explicit(&recent->keys[i], 0, memory_order_relaxed);
}
