/* Dictionary values to ids: a bounded cache shared by all threads, and one round of statements a dictionary for all that
 * a batch doesn't find in it. Ids come from committed transactions only, so a cached id is valid as long as the database's
 * epoch is the cache's: collect.c deletes values and counts it up. */
#pragma once
#include "base/attr.h"
#include "store/db.h"
#include "store/identity.h"

struct intern;
void intern_free(struct intern *intern);
OWNED_BY(intern_free) struct intern *intern_new(struct err *err);
/* The epoch under which ids are cached now. */
int64_t intern_epoch(const struct intern *intern);
/* Forgets all ids when the epoch is another one. */
void intern_renew(struct intern *intern, int64_t epoch);
/* Asks for the processor's cache line where the digest would be, so that looking it up soon after doesn't wait. */
void intern_prefetch(const struct intern *intern, enum schema_dictionary_id dictionary, const struct tuple_digest *digest);
/* False when the cache doesn't know the digest. The all-empty tuple is id 0. */
bool intern_find(struct intern *intern, enum schema_dictionary_id dictionary, const struct tuple_digest *digest,
                 int32_t *id);

/* A tuple that a batch needs and the cache lacks. Text is borrowed. */
struct intern_miss {
    struct tuple_digest digest;
    const struct value *members; /* by place in dictionary->fields */
    int32_t id;                  /* filled by intern_resolve */
    uint32_t number;             /* the batch's own */
};

/* Resolves all misses (sorted by digest, distinct) of one dictionary: finds or inserts them, and caches the ids if the epoch
 * is still the one that the batch began with. */
bool intern_resolve(struct intern *intern, int64_t epoch, struct db_conn *conn, enum schema_dictionary_id dictionary,
                    struct intern_miss *misses, size_t count, int64_t deadline_ms, struct err *err);
