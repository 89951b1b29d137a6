/* Finished answers under a budget of bytes, the least recently used going first. An entry is served only while the
 * database's pulse (store/pulse.h) is the one that it was made at; else it is made again, by one request while others for
 * the same wait. Knows nothing of what answers mean. Any thread. */
#pragma once
#include "handlers/finished.h"
#include "handlers/request.h"

struct cache;
void cache_free(struct cache *cache); /* NULL is fine */
/* limit: bytes kept, 0 for none. */
OWNED_BY(cache_free) struct cache *cache_new(size_t limit);

/* What making an answer comes to. */
struct made {
    struct finished *finished; /* NULL: what was known is still right, or there is nothing to keep */
    bool nothing;              /* nothing to keep: the caller answers by itself */
    int64_t pulse;             /* read in the same statement as the answer; 0: none, so it isn't kept */
};
/* known: the source of the answer that is kept; ptr NULL: none. */
typedef bool cache_make(struct request *request, struct str known, struct made *made, struct err *err);

/* The answer under the key, held for the caller; NULL in *out when there is nothing to keep. False: making it failed. */
bool cache_get(struct request *request, struct str key, cache_make *make, struct finished **out, struct err *err);

/* The same when it is kept and good, else NULL; never waits. */
struct finished *cache_peek(struct request *request, struct str key);

struct cache_counts {
    long long hits, misses; /* since the start */
    long long bytes;        /* held now, keys included */
};
struct cache_counts cache_count(struct cache *cache);
