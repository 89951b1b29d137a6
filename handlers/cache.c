#include "handlers/cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"
#include "base/mem.h"
#include "handlers/service.h"
#include "store/pulse.h"

enum { BUCKETS = 4096 };

struct entry {
    struct entry *next;           /* in its bucket */
    struct entry *newer, *older;  /* in the order of use */
    struct finished *finished;    /* NULL: none yet */
    int64_t pulse;                /* at which it was right */
    bool making;
    unsigned waiting;             /* requests; none of these two, and it may go */
    unsigned turns;               /* makings that have ended */
    struct err failure;           /* of the last one, when it was the world's fault */
    size_t size, key_length;
    char key[];
};

struct cache {
    pthread_mutex_t lock;
    pthread_cond_t made;
    size_t limit, used;
    struct entry *newest, *oldest;
    long long hits, misses;
    struct entry *buckets[BUCKETS];
};

struct cache *cache_new(size_t limit) {
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->limit = limit;
    pthread_mutex_init(&cache->lock, NULL);
    cond_init(&cache->made);
    return cache;
}

/* FNV-1a. */
static struct entry **bucket_of(struct cache *cache, struct str key) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * 16777619u;
    return &cache->buckets[hash % BUCKETS];
}

static struct str key_of(const struct entry *entry) {
    return (struct str){entry->key, entry->key_length};
}

static void use_end(struct cache *cache, struct entry *entry) {
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void use_begin(struct cache *cache, struct entry *entry) {
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void entry_drop(struct cache *cache, struct entry *entry) {
    struct entry **at = bucket_of(cache, key_of(entry));
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    use_end(cache, entry);
    cache->used -= entry->size;
    finished_release(entry->finished);
    free(entry);
}

void cache_free(struct cache *cache) {
    if (!cache)
        return;
    while (cache->newest)
        entry_drop(cache, cache->newest);
    pthread_cond_destroy(&cache->made);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* The key's entry, now the last used one; NULL when there is none. */
static struct entry *entry_find(struct cache *cache, struct str key) {
    struct entry *entry = *bucket_of(cache, key);
    while (entry && !str_eq(key_of(entry), key))
        entry = entry->next;
    if (entry && entry != cache->newest) {
        use_end(cache, entry);
        use_begin(cache, entry);
    }
    return entry;
}

/* NULL: memory is out. */
static struct entry *entry_add(struct cache *cache, struct str key) {
    struct entry **bucket = bucket_of(cache, key), *entry = calloc(1, sizeof *entry + key.len);
    if (!entry)
        return NULL;
    mem_copy(entry->key, key.ptr, key.len);
    entry->key_length = key.len;
    entry->size = sizeof *entry + key.len;
    cache->used += entry->size;
    entry->next = *bucket;
    *bucket = entry;
    use_begin(cache, entry);
    return entry;
}

static void make_room(struct cache *cache) {
    for (struct entry *entry = cache->oldest, *newer; entry && cache->used > cache->limit; entry = newer) {
        newer = entry->newer;
        if (!entry->making && !entry->waiting)
            entry_drop(cache, entry);
    }
}

static void entry_keep(struct cache *cache, struct entry *entry, const struct made *made) {
    if (made->finished) {
        struct finished *old = entry->finished;
        size_t before = old ? old->body.len : 0;
        entry->finished = finished_hold(made->finished);
        entry->size += made->finished->body.len - before;
        cache->used += made->finished->body.len - before;
        finished_release(old);
    }
    entry->pulse = made->pulse;
}

static bool entry_good(const struct request *request, const struct entry *entry) {
    int64_t pulse;
    return entry->finished && pulse_now(request->service->db, &pulse) && entry->pulse == pulse;
}

/* Until the making under way has ended; false at the deadline. */
static bool turn_await(struct cache *cache, struct entry *entry, int64_t deadline_ms) {
    unsigned turn = entry->turns;
    bool in_time = true;
    entry->waiting++;
    while (entry->turns == turn && in_time)
        in_time = cond_wait(&cache->made, &cache->lock, deadline_ms);
    entry->waiting--;
    return entry->turns != turn;
}

/* One that kept nothing goes at once: unknown names must not fill the cache. */
static void turn_end(struct cache *cache, struct entry *entry, const struct made *made, const struct err *failure) {
    bool failed = failure->code != ERR_NONE;
    entry->making = false;
    entry->turns++;
    entry->failure = failed && err_status(failure->code) >= 500 ? *failure : (struct err){0};
    bool fits = !made->finished || made->finished->body.len <= cache->limit / 2; /* one must not throw out all others */
    if (!failed && made->pulse > 0 && !made->nothing && fits)
        entry_keep(cache, entry, made);
    pthread_cond_broadcast(&cache->made);
    if (!entry->finished && !entry->waiting)
        entry_drop(cache, entry);
    make_room(cache);
}

/* Without the lock. known is held by the caller. */
static bool make_now(struct request *request, cache_make *make, struct finished *known, struct made *made,
                     struct err *err) {
    struct db *db = request->service->db;
    struct pulse_look look = pulse_begin(db);
    *made = (struct made){0};
    if (!make(request, known ? known->source : (struct str){0}, made, err))
        return false;
    if (made->pulse > 0)
        pulse_learn(db, &look, made->pulse);
    return true;
}

/* This request makes it, for itself and for who waits. Called and left with the lock. */
static bool entry_make(struct cache *cache, struct entry *entry, struct request *request, cache_make *make,
                       struct finished **out, struct err *err) {
    struct finished *known = entry->finished ? finished_hold(entry->finished) : NULL;
    struct err failure = {0};
    struct made made;
    entry->making = true;
    cache->misses++;
    pthread_mutex_unlock(&cache->lock);
    bool ok = make_now(request, make, known, &made, &failure);
    *out = made.nothing ? NULL : made.finished ? made.finished : ok ? finished_hold(known) : NULL;
    pthread_mutex_lock(&cache->lock);
    turn_end(cache, entry, &made, &failure);
    finished_release(known);
    if (!ok)
        *err = failure;
    return ok;
}

/* What others' making came to was not for us: it kept nothing, and may have looked before we came. */
static bool make_alone(struct request *request, cache_make *make, struct finished **out, struct err *err) {
    struct made made;
    bool ok = make_now(request, make, NULL, &made, err);
    *out = made.finished;
    return ok;
}

/* ERR_NONE and no answer: nothing was kept. */
static bool entry_await(struct cache *cache, struct entry *entry, int64_t deadline_ms, struct err *err) {
    if (!turn_await(cache, entry, deadline_ms))
        err_set(err, ERR_DEADLINE, "the answer was not made within the time limit");
    else
        *err = entry->failure;
    bool kept = entry->finished != NULL;
    if (!kept && !entry->making && !entry->waiting)
        entry_drop(cache, entry);
    return kept && err->code == ERR_NONE;
}

bool cache_get(struct request *request, struct str key, cache_make *make, struct finished **out, struct err *err) {
    struct cache *cache = request->service->cache;
    int64_t deadline = mono_ms() + request->service->database_ms;
    bool ok = true, alone = false;
    *out = NULL;
    pthread_mutex_lock(&cache->lock);
    for (struct entry *entry; ok && !alone && !*out;) {
        entry = entry_find(cache, key);
        entry = entry ? entry : entry_add(cache, key);
        if (!entry) {
            ok = err_memory(err);
        } else if (entry_good(request, entry)) {
            cache->hits++;
            *out = finished_hold(entry->finished);
        } else if (!entry->making) {
            ok = entry_make(cache, entry, request, make, out, err);
            break;
        } else if (!entry_await(cache, entry, deadline, err)) {
            ok = err->code == ERR_NONE;
            alone = ok;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return alone ? make_alone(request, make, out, err) : ok;
}

struct finished *cache_peek(struct request *request, struct str key) {
    struct cache *cache = request->service->cache;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = entry_find(cache, key);
    bool good = entry && entry_good(request, entry);
    struct finished *finished = good ? finished_hold(entry->finished) : NULL;
    cache->hits += good;
    pthread_mutex_unlock(&cache->lock);
    return finished;
}

struct cache_counts cache_count(struct cache *cache) {
    pthread_mutex_lock(&cache->lock);
    struct cache_counts counts = {cache->hits, cache->misses, (long long)cache->used};
    pthread_mutex_unlock(&cache->lock);
    return counts;
}
