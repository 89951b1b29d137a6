/* The routes: one list (routes.def) gives the table, 404, 405 with Allow, body limits before reading, scopes, metric
 * labels and the OpenAPI operations. Knows no sockets. */
#pragma once
#include "handlers/request.h"

enum scope { SCOPE_NONE, SCOPE_INGEST, SCOPE_READ, SCOPE_HUNT, SCOPE_ADMIN };

/* Bytes of a body on the wire. BODY_EVENTS: the setting max_body. */
#define BODY_NONE ((size_t)0)
#define BODY_SMALL ((size_t)1024 * 1024)
#define BODY_FILES ((size_t)16 * 1024 * 1024)
#define BODY_EVENTS ((size_t)-1)

typedef bool route_handler(struct request *request, struct reply *reply, struct err *err);

struct route {
    const char *method, *pattern;
    size_t body_limit;
    enum scope scope;
    route_handler *handler;
    const char *parameters; /* names of query parameters, comma separated; "pretty" is always known */
    const char *title;
};

/* The table, in the order of routes.def. index: below routes_count(). */
size_t routes_count(void);
const struct route *routes_at(size_t index);
/* The place in the table, routes_count() for NULL. */
size_t routes_index(const struct route *route);
/* "none", "ingest", "read", … */
const char *scope_name(enum scope scope);

/* Before the body: finds the route, fills route and path parameters, checks the query's names. ERR_NOT_FOUND;
 * ERR_METHOD_NOT_ALLOWED with Allow put into reply; ERR_BAD_PARAMETER. */
bool routes_find(struct request *request, struct reply *reply, struct err *err);
/* Bytes of body that the found route takes. */
size_t routes_body_limit(const struct request *request);
/* The whole reply out of what is in memory, without waiting for anything; false, and nothing done, when it isn't there. */
bool routes_answer_kept(struct request *request, struct reply *reply);
/* Runs the handler of a routed request and makes the reply whole: request id, problem document, pretty. */
void routes_answer(struct request *request, struct reply *reply);
/* The reply for an error met before or in the handler; logs it. */
void routes_fail(struct request *request, struct reply *reply, const struct err *err);
