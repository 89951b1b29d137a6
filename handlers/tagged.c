#include "handlers/tagged.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/etag.h"
#include "handlers/cache.h"
#include "handlers/etag.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/routes.h"
#include "handlers/service.h"

enum { WORTH_ZIPPING = 1024, BODY_CAP = 512 << 20 };

struct finished *tagged_finish(const struct request *request, struct reply *reply, struct str source, struct err *err) {
    struct str link = {0};
    format_pretty_reply(request, reply);
    for (size_t i = 0; i < reply->header_count; i++)
        if (str_eq(reply->headers[i].name, STR("Link")))
            link = reply->headers[i].value;
    bool zipped = reply->body.len >= WORTH_ZIPPING && format_gzip(request);
    return finished_new(&reply->body, reply->content_type, (struct finished_origin){source, link}, zipped, err);
}

void tagged_send(const struct request *request, struct reply *reply, struct finished *finished) {
    reply->finished = finished;
    reply_header(reply, "Vary", STR("Accept, Accept-Encoding"));
    reply_header(reply, "ETag", finished->etag);
    reply_header(reply, "Cache-Control", STR("no-cache"));
    reply->content_type = finished->content_type;
    if (finished->link.len)
        reply_header(reply, "Link", finished->link);
    if (etag_named(request, "If-None-Match", finished->etag))
        reply->status = 304;
    else if (finished->encoding)
        reply_header(reply, "Content-Encoding", str_from(finished->encoding));
}

static bool route_keeps(const struct route *route) {
    return route->handler == handle_devices_list || route->handler == handle_device_get ||
           route->handler == handle_findings_list;
}

/* Everything that the bytes depend on. */
static struct str kept_key(struct request *request, struct err *err) {
    enum format format;
    if (!format_choose(request, &format, err))
        return (struct str){0};
    struct str key = arena_printf(request->arena, "%d %d %" PRId64 " %.*s", (int)format, format_gzip(request),
                                  ticks_now() / TICKS_MINUTE, STR_ARG(request->target));
    if (!key.ptr)
        err_memory(err);
    return key;
}

/* The pulse is asked for first: an answer is never older than what it is kept by. */
static bool kept_make(struct request *request, struct str known, struct made *made, struct err *err) {
    struct reply reply = {.status = 200, .content_type = "application/json", .body = BUF(BODY_CAP)};
    (void)known;
    DB_ROWS_AUTO *pulse = statement_run(request, "pulse", NULL, 0, err);
    if (!pulse)
        return false;
    made->pulse = db_int(pulse, 0, 0);
    if (request->route->handler(request, &reply, err))
        made->finished = tagged_finish(request, &reply, (struct str){0}, err);
    buf_free(&reply.body);
    return made->finished != NULL;
}

bool tagged_kept(struct request *request, struct reply *reply) {
    struct err err = {0};
    struct str key = route_keeps(request->route) ? kept_key(request, &err) : (struct str){0};
    struct finished *finished = key.ptr ? cache_peek(request, key) : NULL;
    if (finished)
        tagged_send(request, reply, finished);
    return finished != NULL;
}

static bool kept_answer(struct request *request, struct reply *reply, struct err *err) {
    struct finished *finished = NULL;
    struct str key = kept_key(request, err);
    if (!key.ptr || !cache_get(request, key, kept_make, &finished, err))
        return false;
    tagged_send(request, reply, finished);
    return true;
}

/* What GET gives now, in one of its forms: as it is, pretty, or either compressed. */
static struct finished *form_make(struct request *request, route_handler *get, bool pretty, bool zipped,
                                  struct err *err) {
    struct request form = {.pretty = pretty};
    struct reply reply = {.status = 200, .content_type = "application/json", .body = BUF(BODY_CAP)};
    struct finished *finished = NULL;
    if (get(request, &reply, err)) {
        format_pretty_reply(&form, &reply);
        finished = finished_new(&reply.body, reply.content_type, (struct finished_origin){0}, zipped, err);
    }
    buf_free(&reply.body);
    return finished;
}

bool tagged_match(struct request *request, route_handler *get, struct err *err) {
    bool matches = !request_header(request, "If-Match").ptr;
    for (int form = 0; form < 4 && !matches; form++) {
        struct finished *now = form_make(request, get, form & 1, form & 2, err);
        if (!now && err->code != ERR_NOT_FOUND)
            return false;
        matches = now && etag_named(request, "If-Match", now->etag);
        finished_release(now);
    }
    return matches || err_set(err, ERR_CHANGED,
                              "it has changed since, or is gone: GET it again, and send your change with "
                              "the ETag of that answer in If-Match");
}

/* Of a PUT that answers as GET would. */
static bool put_tag(struct request *request, struct reply *reply, struct err *err) {
    char tag[ETAG_TEXT];
    etag_write(tag, buf_str(&reply->body));
    struct str copy = arena_copy(request->arena, str_from(tag));
    reply_header(reply, "ETag", copy);
    return copy.ptr || err_memory(err);
}

static bool is_put(const struct route *route) {
    return route->handler == handle_schedule_put || route->handler == handle_webhook_put;
}

/* A GET's answer as what is finished. */
static bool get_tag(struct request *request, struct reply *reply, struct err *err) {
    struct finished *finished = tagged_finish(request, reply, (struct str){0}, err);
    if (!finished)
        return false;
    for (size_t i = 0; i < reply->header_count; i++)
        if (str_eq(reply->headers[i].name, STR("Link")))
            reply->headers[i--] = reply->headers[--reply->header_count]; /* comes back with what is finished */
    tagged_send(request, reply, finished);
    return true;
}

bool tagged_answer(struct request *request, struct reply *reply, struct err *err) {
    const struct route *route = request->route;
    if (route_keeps(route))
        return kept_answer(request, reply, err);
    if (!route->handler(request, reply, err))
        return false;
    if (reply->body.failed) /* half an answer must not go out */
        return err_set(err, ERR_LIMIT, "the answer is over its size limit; ask for less at a time");
    if (is_put(route))
        return put_tag(request, reply, err);
    bool tagged = !reply->finished && reply->status == 200 && route->scope == SCOPE_READ;
    return !tagged || get_tag(request, reply, err);
}
