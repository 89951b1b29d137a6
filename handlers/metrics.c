#include "handlers/metrics.h"

#include "handlers/cache.h"
#include "handlers/handlers.h"
#include "handlers/routes.h"
#include "handlers/service.h"
#include "hunts/webhooks.h"

static const int statuses[METRICS_STATUSES] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405,
                                               409, 412, 413, 415, 422, 429, 431, 500, 503, 0};

void metrics_request(struct metrics *metrics, size_t route, int status) {
    size_t place = 0;
    while (place < METRICS_STATUSES - 1 && statuses[place] != status)
        place++;
    atomic_fetch_add(&metrics->requests[route][place], 1);
}

void metrics_ingest(struct metrics *metrics, const struct ingest_result *result) {
    atomic_fetch_add(&metrics->received, result->received);
    atomic_fetch_add(&metrics->stored, result->stored);
    atomic_fetch_add(&metrics->duplicate, result->duplicate);
    atomic_fetch_add(&metrics->ignored, result->ignored);
    atomic_fetch_add(&metrics->rejected, result->rejected);
}

static void add_head(struct buf *out, const char *name, const char *type, const char *help) {
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_one(struct buf *out, const char *name, const char *type, const char *help, long long value) {
    add_head(out, name, type, help);
    buf_printf(out, "%s %lld\n", name, value);
}

static void add_requests(const struct metrics *metrics, struct buf *out) {
    add_head(out, "rmmhunt_requests_total", "counter", "Requests answered, by route and status.");
    for (size_t i = 0; i <= routes_count(); i++) {
        const struct route *route = i < routes_count() ? routes_at(i) : NULL;
        for (size_t s = 0; s < METRICS_STATUSES; s++)
            buf_printf(out, "rmmhunt_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %lld\n",
                       route ? route->method : "", route ? route->pattern : "none", statuses[s],
                       (long long)atomic_load(&metrics->requests[i][s]));
    }
}

static void add_events(const struct metrics *metrics, struct buf *out) {
    add_one(out, "rmmhunt_events_received_total", "counter", "Records read from bodies.", atomic_load(&metrics->received));
    add_one(out, "rmmhunt_events_stored_total", "counter", "Records committed.", atomic_load(&metrics->stored));
    add_one(out, "rmmhunt_events_duplicate_total", "counter", "Records that were there already.",
            atomic_load(&metrics->duplicate));
    add_one(out, "rmmhunt_events_ignored_total", "counter", "Records of tables that are not kept.",
            atomic_load(&metrics->ignored));
    add_one(out, "rmmhunt_events_rejected_total", "counter", "Records put into the dead letters.",
            atomic_load(&metrics->rejected));
}

static void add_retention(const struct metrics *metrics, struct buf *out) {
    add_head(out, "rmmhunt_retention_dropped_total", "counter", "What was dropped for its age, by kind.");
    for (int kind = 0; kind < RETENTION_COUNT; kind++)
        buf_printf(out, "rmmhunt_retention_dropped_total{kind=\"%s\"} %lld\n", retention_name((enum retention_kind)kind),
                   (long long)atomic_load(&metrics->dropped[kind]));
    add_one(out, "rmmhunt_retention_turns_total", "counter", "Turns of this server at dropping what is old.",
            atomic_load(&metrics->retention_turns));
    add_one(out, "rmmhunt_retention_failures_total", "counter", "Turns in which something failed; the log says what.",
            atomic_load(&metrics->retention_failures));
}

static void add_compaction(const struct metrics *metrics, struct buf *out) {
    add_one(out, "rmmhunt_compacted_indexes_total", "counter", "Indexes of past days that were built anew.",
            atomic_load(&metrics->compacted));
    add_one(out, "rmmhunt_compacted_bytes_total", "counter", "Bytes that they are smaller for it.",
            atomic_load(&metrics->compact_freed));
    add_one(out, "rmmhunt_compacted_milliseconds_total", "counter", "Time that it took.", atomic_load(&metrics->compact_ms));
    add_one(out, "rmmhunt_compact_turns_total", "counter", "Turns behind which nothing was left to be built anew.",
            atomic_load(&metrics->compact_turns));
    add_one(out, "rmmhunt_compact_failures_total", "counter", "Turns in which something failed; the log says what.",
            atomic_load(&metrics->compact_failures));
}

static void add_prepared(const struct metrics *metrics, struct buf *out) {
    add_one(out, "rmmhunt_prepare_turns_total", "counter",
            "Turns at deciding dictionary values before a hunt is asked for.", atomic_load(&metrics->prepared.turns));
    add_one(out, "rmmhunt_prepare_failures_total", "counter", "Turns that broke off; the next goes on there.",
            atomic_load(&metrics->prepared.failures));
}

static void add_webhooks(const struct webhooks *webhooks, struct buf *out) {
    add_head(out, "rmmhunt_webhook_attempts_total", "counter", "Attempts to deliver to webhooks, by outcome.");
    for (enum webhook_outcome outcome = 0; outcome < WEBHOOK_OUTCOMES; outcome++)
        buf_printf(out, "rmmhunt_webhook_attempts_total{outcome=\"%s\"} %lld\n", webhook_outcome_name(outcome),
                   webhooks ? webhooks_count(webhooks, outcome) : 0);
}

static void add_cache(struct cache *cache, struct buf *out) {
    struct cache_counts counts = cache ? cache_count(cache) : (struct cache_counts){0};
    add_one(out, "rmmhunt_cache_hits_total", "counter", "Answers out of memory.", counts.hits);
    add_one(out, "rmmhunt_cache_misses_total", "counter", "Answers made for the cache, or found to be still right.",
            counts.misses);
    add_one(out, "rmmhunt_cache_bytes", "gauge", "Bytes of finished answers kept.", counts.bytes);
}

static void add_all(const struct service *service, struct buf *out) {
    const struct metrics *metrics = &service->metrics;
    add_events(metrics, out);
    add_one(out, "rmmhunt_bodies_refused_total", "counter", "Bodies refused for the limit of bytes in flight.",
            atomic_load(&metrics->refused_bodies));
    add_one(out, "rmmhunt_connections_cut_total", "counter", "Connections ended at a time limit.",
            atomic_load(&metrics->cut_connections));
    add_one(out, "rmmhunt_requests_malformed_total", "counter", "Requests refused by the guard.",
            atomic_load(&metrics->guarded));
    add_one(out, "rmmhunt_handler_milliseconds_total", "counter", "Time spent in handlers.",
            atomic_load(&metrics->seconds_ms));
    add_one(out, "rmmhunt_in_flight_bytes", "gauge", "Bytes of bodies held now.",
            (long long)atomic_load(&service->in_flight.used));
    add_one(out, "rmmhunt_active_requests", "gauge", "Requests under way.", atomic_load(&service->active));
    add_one(out, "rmmhunt_draining", "gauge", "1 while the server stops.", atomic_load(&service->draining));
    add_cache(service->cache, out);
    add_retention(metrics, out);
    add_compaction(metrics, out);
    add_prepared(metrics, out);
    add_webhooks(service->webhooks, out);
    add_requests(metrics, out);
}

bool handle_metrics(struct request *request, struct reply *reply, struct err *err) {
    (void)err;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    add_all(request->service, &reply->body);
    return true;
}
