#include "store/intern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/id_cache.h"
#include "store/intern_store.h"

/* COPY_LEAST: new values from which COPY is worth its rounds. PROVEN: batches of nothing but new values, one after the other,
 * from which the next isn't looked up first; DISPROVEN: how many more it takes once that was wrong. */
enum { TRIES = 4, COPY_LEAST = 32, PROVEN = 4, DISPROVEN = 16, SHARED_PLACES = 3 << 20 };

struct cache {
    pthread_mutex_t lock;
    struct id_cache *ids;
    int proven; /* batches whose values were all new; below 0: after a batch that was believed to be and wasn't */
};

struct intern {
    _Atomic int64_t epoch; /* changed under all locks */
    atomic_llong spare;    /* places that caches may still take */
    struct cache caches[DICT_COUNT];
};

static void caches_free(struct intern *intern) {
    for (size_t i = 0; intern && i < DICT_COUNT; i++)
        id_cache_free(intern->caches[i].ids);
}

static bool caches_init(struct intern *intern, struct err *err) {
    for (size_t i = 0; i < DICT_COUNT; i++) {
        pthread_mutex_init(&intern->caches[i].lock, NULL);
        intern->caches[i].ids = id_cache_new(&intern->spare, err);
        if (!intern->caches[i].ids)
            return false;
    }
    return true;
}

struct intern *intern_new(struct err *err) {
    struct intern *intern = calloc(1, sizeof *intern);
    if (!intern) {
        err_memory(err);
        return NULL;
    }
    intern->spare = SHARED_PLACES;
    if (caches_init(intern, err))
        return intern;
    caches_free(intern);
    free(intern);
    return NULL;
}

void intern_free(struct intern *intern) {
    caches_free(intern);
    free(intern);
}

int64_t intern_epoch(const struct intern *intern) {
    return atomic_load(&intern->epoch);
}

void intern_renew(struct intern *intern, int64_t epoch) {
    for (size_t i = 0; i < DICT_COUNT; i++)
        pthread_mutex_lock(&intern->caches[i].lock);
    if (atomic_load(&intern->epoch) != epoch) {
        for (size_t i = 0; i < DICT_COUNT; i++)
            id_cache_clear(intern->caches[i].ids);
        atomic_store(&intern->epoch, epoch);
    }
    for (size_t i = DICT_COUNT; i > 0; i--)
        pthread_mutex_unlock(&intern->caches[i - 1].lock);
}

void intern_prefetch(const struct intern *intern, enum schema_dictionary_id dictionary, const struct tuple_digest *digest) {
    id_cache_prefetch(intern->caches[dictionary].ids, digest);
}

bool intern_find(struct intern *intern, enum schema_dictionary_id dictionary, const struct tuple_digest *digest,
                 int32_t *id) {
    static const struct tuple_digest empty;
    struct cache *cache = &intern->caches[dictionary];
    *id = 0;
    if (memcmp(digest, &empty, sizeof empty) == 0)
        return true;
    pthread_mutex_lock(&cache->lock);
    *id = id_cache_find(cache->ids, digest);
    pthread_mutex_unlock(&cache->lock);
    return *id != 0;
}

static void cache_add_all(struct intern *intern, enum schema_dictionary_id dictionary, const struct intern_miss *misses,
                          size_t count, int64_t epoch) {
    struct cache *cache = &intern->caches[dictionary];
    pthread_mutex_lock(&cache->lock);
    if (atomic_load(&intern->epoch) == epoch) /* else ids may have been deleted meanwhile */
        for (size_t i = 0; i < count; i++)
            id_cache_add(cache->ids, &misses[i].digest, misses[i].id);
    pthread_mutex_unlock(&cache->lock);
}

static bool is_proven(struct cache *cache) {
    pthread_mutex_lock(&cache->lock);
    bool proven = cache->proven >= PROVEN;
    pthread_mutex_unlock(&cache->lock);
    return proven;
}

/* Notes whether a batch's values turned out to be all new. */
static void proven_note(struct cache *cache, bool believed, bool all_new) {
    pthread_mutex_lock(&cache->lock);
    if (all_new)
        cache->proven += cache->proven < PROVEN;
    else if (believed)
        cache->proven = -DISPROVEN;
    else if (cache->proven > 0)
        cache->proven = 0;
    pthread_mutex_unlock(&cache->lock);
}

static size_t count_unresolved(const struct intern_miss *misses, size_t count) {
    size_t unresolved = 0;
    for (size_t i = 0; i < count; i++)
        unresolved += misses[i].id == 0;
    return unresolved;
}

/* The cheap way for a batch with many new values: no look when the last batches had nothing but new ones, and COPY.
 * Where a value was there all the same, ids are missing afterwards. */
static bool resolve_many(struct cache *cache, struct db_conn *conn, const struct schema_dictionary *dictionary,
                         struct intern_miss *misses, size_t count, int64_t deadline_ms, struct err *err) {
    bool believed = is_proven(cache), repeat = false;
    if (!believed && !intern_look(conn, dictionary, misses, count, deadline_ms, err))
        return false;
    size_t unresolved = count_unresolved(misses, count);
    if (unresolved >= COPY_LEAST && !intern_copy(conn, dictionary, misses, count, &repeat, deadline_ms, err)) {
        if (!repeat)
            return false;
        *err = (struct err){0};
    }
    proven_note(cache, believed, unresolved == count && !repeat);
    return true;
}

/* A value that another writer inserted first is found the next time round, unless it has been collected meanwhile. */
bool intern_resolve(struct intern *intern, int64_t epoch, struct db_conn *conn, enum schema_dictionary_id id,
                    struct intern_miss *misses, size_t count, int64_t deadline_ms, struct err *err) {
    const struct schema_dictionary *dictionary = schema_dictionary(id);
    if (count >= COPY_LEAST &&
        !resolve_many(&intern->caches[id], conn, dictionary, misses, count, deadline_ms, err))
        return false;
    for (int try = 0; try < TRIES && count_unresolved(misses, count); try++)
        if (!intern_look(conn, dictionary, misses, count, deadline_ms, err) ||
            (count_unresolved(misses, count) && !intern_insert(conn, dictionary, misses, count, deadline_ms, err)))
            return false;
    if (count_unresolved(misses, count))
        return err_set(err, ERR_DATABASE_RETRY, "dict.%s: values are deleted as fast as they come; send the body again",
                       dictionary->name);
    cache_add_all(intern, id, misses, count, epoch);
    return true;
}
