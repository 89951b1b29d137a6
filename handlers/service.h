/* What every handler works with: one of it a process, made by server/command_serve.c, borrowed by each request. Members
 * are set before the first request and constant after that, but for the atomics. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "handlers/metrics.h"
#include "store/ingest.h"

struct cache;
struct runner;
struct webhooks;
struct request;

/* Bytes of bodies held at once, wire and inflated. */
struct budget {
    atomic_size_t used;
    size_t limit;
};

struct service {
    struct db *db;
    struct ingest *ingest;
    struct runner *runner;
    struct webhooks *webhooks;
    struct cache *cache;
    int64_t started;          /* ticks */
    atomic_bool draining;
    atomic_llong active;      /* requests between their headers and the end of their answer */
    struct budget in_flight;
    struct metrics metrics;
    int64_t database_ms;      /* time limit of ingest and reads in the database */
    size_t max_body;          /* bytes on the wire, for routes with BODY_EVENTS */
    const char *version;
    bool webhook_private;     /* webhooks may go to addresses that aren't public */
    bool open;                /* runs without keys */
    bool (*authorize)(struct request *request, struct err *err); /* NULL: open */
};

/* False, and nothing taken, when `bytes` more would be over the limit. */
static inline bool budget_take(struct budget *budget, size_t bytes) {
    size_t used = atomic_load(&budget->used);
    do
        if (bytes > budget->limit || used > budget->limit - bytes)
            return false;
    while (!atomic_compare_exchange_weak(&budget->used, &used, used + bytes));
    return true;
}

static inline void budget_give(struct budget *budget, size_t bytes) {
    atomic_fetch_sub(&budget->used, bytes);
}

static inline size_t budget_used(struct budget *budget) {
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}
