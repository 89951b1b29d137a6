#include "store/id_cache.h"

#include <stdlib.h>

enum {
    WINDOW = 8, /* places behind each other where a digest may be */
    FIRST = 1 << 10,
    OWN = 1 << 17,
    MOST = 1 << 20,
};

struct entry {
    struct tuple_digest digest;
    int32_t id; /* 0: free; places become free all at once only, so nothing is behind a free one */
};

struct id_cache {
    atomic_llong *spare;
    atomic_size_t places; /* a power of two; read by id_cache_prefetch without a lock */
    size_t used, turn;
    struct entry entries[MOST + WINDOW]; /* the windows of the last places end behind them */
};

/* Memory that isn't used yet is the kernel's zero page, so nothing has to move when a cache grows. */
struct id_cache *id_cache_new(atomic_llong *spare, struct err *err) {
    struct id_cache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        err_memory(err);
        return NULL;
    }
    cache->spare = spare;
    cache->places = FIRST;
    return cache;
}

void id_cache_free(struct id_cache *cache) {
    free(cache);
}

static size_t place_of(const struct id_cache *cache, const struct tuple_digest *digest) {
    uint64_t hash;
    memcpy(&hash, digest->bytes, sizeof hash);
    return (size_t)hash & (atomic_load_explicit(&cache->places, memory_order_relaxed) - 1);
}

void id_cache_prefetch(const struct id_cache *cache, const struct tuple_digest *digest) {
    __builtin_prefetch(&cache->entries[place_of(cache, digest)]);
}

int32_t id_cache_find(const struct id_cache *cache, const struct tuple_digest *digest) {
    const struct entry *entry = &cache->entries[place_of(cache, digest)];
    for (size_t i = 0; i < WINDOW && entry[i].id; i++)
        if (memcmp(&entry[i].digest, digest, sizeof *digest) == 0)
            return entry[i].id;
    return 0;
}

static void put(struct id_cache *cache, const struct tuple_digest *digest, int32_t id) {
    struct entry *entry = &cache->entries[place_of(cache, digest)];
    size_t i = 0;
    while (i < WINDOW && entry[i].id && memcmp(&entry[i].digest, digest, sizeof *digest) != 0)
        i++;
    if (i == WINDOW)
        i = cache->turn++ % WINDOW;
    cache->used += entry[i].id == 0;
    entry[i] = (struct entry){*digest, id};
}

static bool may_grow(struct id_cache *cache, size_t places) {
    if (places >= MOST)
        return false;
    if (places < OWN || atomic_fetch_sub(cache->spare, (long long)places) >= (long long)places)
        return true;
    atomic_fetch_add(cache->spare, (long long)places);
    return false;
}

/* Without memory to move through, it forgets instead. */
static void grow(struct id_cache *cache, size_t places) {
    size_t count = places + WINDOW;
    struct entry *old = malloc(count * sizeof *old);
    if (old)
        memcpy(old, cache->entries, count * sizeof *old);
    id_cache_clear(cache);
    atomic_store(&cache->places, places * 2);
    for (size_t i = 0; old && i < count; i++)
        if (old[i].id)
            put(cache, &old[i].digest, old[i].id);
    free(old);
}

void id_cache_add(struct id_cache *cache, const struct tuple_digest *digest, int32_t id) {
    size_t places = atomic_load(&cache->places);
    if (cache->used >= places / 2 && may_grow(cache, places))
        grow(cache, places);
    put(cache, digest, id);
}

void id_cache_clear(struct id_cache *cache) {
    memset(cache->entries, 0, (atomic_load(&cache->places) + WINDOW) * sizeof *cache->entries);
    cache->used = 0;
}
