#include "handlers/routes.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/problem.h"
#include "handlers/results.h"
#include "handlers/service.h"
#include "handlers/tagged.h"

static const struct route routes[] = {
#define ROUTE(method, pattern, body, scope, handler, parameters, title)                                                \
    {#method, pattern, body, scope, handler, parameters, title},
#include "handlers/routes.def"
#undef ROUTE
};

enum { ROUTES = sizeof routes / sizeof *routes };
_Static_assert((int)ROUTES < (int)METRICS_MAX_ROUTES, "METRICS_MAX_ROUTES is too small");

size_t routes_count(void) {
    return ROUTES;
}

const struct route *routes_at(size_t index) {
    return &routes[index];
}

size_t routes_index(const struct route *route) {
    return route && route->pattern[0] ? (size_t)(route - routes) : ROUTES; /* OPTIONS has no pattern of its own */
}

const char *scope_name(enum scope scope) {
    static const char *const names[] = {"none", "ingest", "read", "hunt", "admin"};
    return names[scope];
}

/* Cuts the next segment off *path ("/a/b" gives "a", leaving "/b"); false at the end. */
static bool next_segment(struct str *path, struct str *segment) {
    if (!path->len)
        return false;
    const char *from = path->ptr + 1, *end = path->ptr + path->len;
    const char *stop = from < end ? memchr(from, '/', (size_t)(end - from)) : NULL;
    stop = stop ? stop : end;
    *segment = (struct str){from, (size_t)(stop - from)};
    *path = (struct str){stop, (size_t)(end - stop)};
    return true;
}

static bool is_parameter(struct str segment) {
    return segment.len > 2 && segment.ptr[0] == '{';
}

/* 0: no match; else more for literal segments, earlier ones first, so that /events/rejected wins over /events/{table}. */
static unsigned match_rank(const char *pattern, struct str path) {
    struct str rest = str_from(pattern), want, got;
    unsigned rank = 1;
    while (next_segment(&rest, &want)) {
        if (!next_segment(&path, &got))
            return 0;
        bool parameter = is_parameter(want);
        if (parameter ? !got.len : !str_eq(want, got))
            return 0;
        rank = rank * 2 + !parameter;
    }
    return path.len ? 0 : rank;
}

static bool fill_path_parameters(struct request *request, struct err *err) {
    struct str rest = str_from(request->route->pattern), path = request->path, want, got;
    while (next_segment(&rest, &want) && next_segment(&path, &got)) {
        if (!is_parameter(want) || request->path_parameter_count == REQUEST_MAX_PATH_PARAMETERS)
            continue;
        struct pair *pair = &request->path_parameters[request->path_parameter_count++];
        pair->name = (struct str){want.ptr + 1, want.len - 2};
        if (!percent_decode(request->arena, got, false, &pair->value))
            return err_set(err, ERR_BAD_REQUEST, "the path holds a bad escape");
    }
    return true;
}

static bool parameter_known(const char *names, struct str name) {
    struct str rest = str_from(names);
    if (str_eq(name, STR("pretty")))
        return true;
    while (rest.len) {
        struct str known;
        str_cut(rest, ',', &known, &rest);
        if (str_eq(known, name))
            return true;
    }
    return false;
}

static bool check_query(const struct request *request, struct err *err) {
    const char *names = request->route->parameters, *pretty = strstr(names, "pretty") ? "" : names[0] ? ",pretty" : "pretty";
    for (size_t i = 0; i < request->query_count; i++)
        if (!parameter_known(names, request->query[i].name))
            return err_set(err, ERR_BAD_PARAMETER, "unknown query parameter '%.*s'; known here: %s%s",
                           STR_ARG(request->query[i].name), names, pretty);
    return true;
}

/* "GET, HEAD, PUT" of every route that has this path. */
static struct str allowed_methods(struct arena *arena, struct str path) {
    struct str list = STR("");
    for (size_t i = 0; i < ROUTES; i++)
        if (match_rank(routes[i].pattern, path)) {
            const char *method = routes[i].method;
            list = arena_printf(arena, "%.*s%s%s%s", STR_ARG(list), list.len ? ", " : "", method,
                                str_eq(str_from(method), STR("GET")) ? ", HEAD" : "");
        }
    list = arena_printf(arena, "%.*s, OPTIONS", STR_ARG(list));
    return list.ptr ? list : STR("");
}

static bool handle_options(struct request *request, struct reply *reply, struct err *err) {
    (void)err;
    reply->status = 204;
    reply_header(reply, "Allow", allowed_methods(request->arena, request->path));
    return true;
}

/* What every path answers. */
static const struct route options_route = {"OPTIONS", "", BODY_NONE, SCOPE_NONE, handle_options, "", "What a path takes"};

bool routes_find(struct request *request, struct reply *reply, struct err *err) {
    struct str method = str_eq(request->method, STR("HEAD")) ? STR("GET") : request->method;
    unsigned best = 0;
    bool path_known = false;
    for (size_t i = 0; i < ROUTES; i++) {
        unsigned rank = match_rank(routes[i].pattern, request->path);
        path_known |= rank > 0;
        if (rank > best && str_eq(str_from(routes[i].method), method)) {
            best = rank;
            request->route = &routes[i];
        }
    }
    if (!path_known)
        return err_set(err, ERR_NOT_FOUND, "no such resource; /openapi.json lists what there is");
    if (str_eq(method, STR("OPTIONS")))
        request->route = &options_route;
    if (!request->route) {
        struct str allow = allowed_methods(request->arena, request->path);
        reply_header(reply, "Allow", allow);
        return err_set(err, ERR_METHOD_NOT_ALLOWED, "the resource takes %.*s", STR_ARG(allow));
    }
    return fill_path_parameters(request, err) && check_query(request, err) &&
           request_flag(request, "pretty", &request->pretty, err);
}

size_t routes_body_limit(const struct request *request) {
    size_t limit = request->route ? request->route->body_limit : 0;
    return limit == BODY_EVENTS ? request->service->max_body : limit;
}

void routes_fail(struct request *request, struct reply *reply, const struct err *err) {
    char id[65];
    snprintf(id, sizeof id, "%.*s", STR_ARG(request->request_id));
    if (err_status(err->code) >= 500)
        log_err("request.failed", id, err);
    problem_reply(request, reply, err);
    format_pretty_reply(request, reply);
}

static bool run_handler(struct request *request, struct reply *reply, struct err *err) {
    struct service *service = request->service;
    if (service->authorize && request->route->scope != SCOPE_NONE && !service->authorize(request, err))
        return false;
    return tagged_answer(request, reply, err);
}

/* Whoever must show a key may have to be looked up. */
bool routes_answer_kept(struct request *request, struct reply *reply) {
    return !request->service->authorize && (results_kept(request, reply) || tagged_kept(request, reply));
}

void routes_answer(struct request *request, struct reply *reply) {
    struct err err = {0};
    int64_t started = mono_ms();
    if (run_handler(request, reply, &err))
        format_pretty_reply(request, reply);
    else
        routes_fail(request, reply, &err);
    atomic_fetch_add(&request->service->metrics.seconds_ms, mono_ms() - started);
}
