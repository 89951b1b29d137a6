#include "store/recent.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 8 };

struct recent {
    unsigned bits;
    _Alignas(64) _Atomic uint64_t keys[]; /* 0: free */
};

struct recent *recent_new(unsigned bits, struct err *err) {
    size_t size = sizeof(struct recent) + (sizeof(uint64_t) << bits);
    struct recent *recent = aligned_alloc(_Alignof(struct recent), size);
    if (!recent) {
        err_memory(err);
        return NULL;
    }
    memset(recent, 0, size);
    recent->bits = bits;
    return recent;
}

void recent_free(struct recent *recent) {
    free(recent);
}

/* The first of the WAYS places where the key may be: a line of the processor's cache. */
static size_t places_of(const struct recent *recent, uint64_t key) {
    return (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - recent->bits)) & ~(size_t)(WAYS - 1);
}

bool recent_has(const struct recent *recent, uint64_t key) {
    const _Atomic uint64_t *keys = &recent->keys[places_of(recent, key)];
    bool found = false;
    for (size_t i = 0; i < WAYS; i++)
        found |= atomic_load_explicit(&keys[i], memory_order_relaxed) == key;
    return found;
}

/* In front of the others, of which the oldest falls out. Two threads at once may lose a key: it was only remembered. */
void recent_add(struct recent *recent, uint64_t key) {
    _Atomic uint64_t *keys = &recent->keys[places_of(recent, key)];
    if (recent_has(recent, key))
        return;
    for (size_t i = WAYS - 1; i > 0; i--)
        atomic_store_explicit(&keys[i], atomic_load_explicit(&keys[i - 1], memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&keys[0], key, memory_order_relaxed);
}

void recent_clear(struct recent *recent) {
    for (size_t i = 0; i < (size_t)1 << recent->bits; i++)
        atomic_store_explicit(&recent->keys[i], 0, memory_order_relaxed);
}
