/* A request and its reply as handlers see them: no socket, no libmicrohttpd. Everything of a request lives in its arena
 * and is gone when the reply has been sent. One thread a request. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct finished;
struct service;
struct route;

enum { REQUEST_MAX_PATH_PARAMETERS = 4, REPLY_MAX_HEADERS = 8 };

struct pair {
    struct str name, value;
};

struct request {
    struct str method;  /* as sent: HEAD stays HEAD */
    struct str target;  /* raw: path and query as on the wire */
    struct str path;    /* raw path, without the query */
    struct str request_id;
    struct str body;    /* as on the wire, still encoded */
    const struct route *route; /* NULL until routed */
    struct pair path_parameters[REQUEST_MAX_PATH_PARAMETERS]; /* decoded */
    size_t path_parameter_count;
    struct pair *query; /* decoded, in order */
    size_t query_count;
    struct pair *headers;
    size_t header_count;
    struct arena *arena;
    struct service *service;
    struct str source;        /* set by a handler: the text that an error's line and column point into */
    size_t width;              /* characters of a table's line; 0: FORMAT_WIDTH */
    bool pretty;               /* ?pretty, set when routed */
    const char *problem_field; /* set by a handler: the member or parameter that was wrong */
    struct str problem_errors; /* set by a handler: the problem's `errors`, a JSON array, in place of the field's */
};

struct reply {
    int status; /* 200 unless set */
    struct buf body;
    struct finished *finished; /* held: sent instead of the body when the status is 200 */
    const char *content_type; /* constant text; "application/json" unless set */
    struct pair headers[REPLY_MAX_HEADERS]; /* text constant or in the request's arena */
    size_t header_count;
    bool close;  /* end the connection behind it */
};

/* "" (ptr not NULL) for an empty one, ptr NULL when absent. */
struct str request_header(const struct request *request, const char *name);
struct str request_query(const struct request *request, const char *name);
struct str request_path_parameter(const struct request *request, const char *name);
/* True for ?name, ?name=true and ?name=1; false when absent, "false" or "0"; else ERR_BAD_PARAMETER. */
bool request_flag(struct request *request, const char *name, bool *out, struct err *err);
/* Absent, or one of `known` ("a,b"): else ERR_BAD_PARAMETER that names them. */
bool request_choice(struct request *request, const char *name, const char *known, struct str *out, struct err *err);
/* A whole number lowest..highest, `value` when absent. */
bool request_number(struct request *request, const char *name, long long lowest, long long highest, long long value,
                    long long *out, struct err *err);
/* Takes the target apart: path, decoded query. "+" is a space in the query only. */
bool request_parse_target(struct request *request, struct str target, struct err *err);
/* %XX and, when plus is true, "+" decoded; false for a bad escape, NUL or bytes that aren't UTF-8. */
bool percent_decode(struct arena *arena, struct str text, bool plus, struct str *out);
/* Takes the sender's X-Request-Id when it fits [A-Za-z0-9._-]{1,64}, else makes one. */
void request_identify(struct request *request, struct str given);

/* name is constant text, value constant or of the request's arena; more than fit are dropped. */
void reply_header(struct reply *reply, const char *name, struct str value);
