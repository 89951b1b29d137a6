/* Ids of a dictionary's values by their digests, bounded: what it has is right, what it lacks may have been dropped. It starts
 * small and doubles as it fills, up to 2^20 places (20 MB); past its first 2^17 it takes places from a number that all caches
 * share. Full, a new digest takes the place of an old one near by, so a sender that never repeats a value doesn't clear it.
 * The caller sees that one thread at a time calls, except for id_cache_prefetch. */
#pragma once
#include <stdatomic.h>

#include "base/attr.h"
#include "base/err.h"
#include "store/identity.h"

struct id_cache;
void id_cache_free(struct id_cache *cache);
/* *spare: how many more places all caches may take; borrowed. */
OWNED_BY(id_cache_free) struct id_cache *id_cache_new(atomic_llong *spare, struct err *err);
/* Asks for the processor's cache line where the digest would be, so that looking it up soon after doesn't wait. */
void id_cache_prefetch(const struct id_cache *cache, const struct tuple_digest *digest);
/* 0: not known. */
int32_t id_cache_find(const struct id_cache *cache, const struct tuple_digest *digest);
/* id: not 0. */
void id_cache_add(struct id_cache *cache, const struct tuple_digest *digest, int32_t id);
/* Forgets all; places that were taken stay taken. */
void id_cache_clear(struct id_cache *cache);
