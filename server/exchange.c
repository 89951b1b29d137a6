#include "server/exchange.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "handlers/finished.h"
#include "handlers/problem.h"
#include "handlers/routes.h"
#include "server/guard.h"

enum {
    ARENA_CAP = 32 * 1024 * 1024,
    REPLY_CAP = 64 * 1024 * 1024,
    MAX_HEADERS = 128,
    DISCARD_LIMIT = 64 * 1024 * 1024, /* bytes of a refused body that are read so that the sender sees the answer */
    DISCARD_BUSY = 1024 * 1024,       /* the same when the server is over its budget */
    SEND_MS = 60000,
};

struct exchange {
    struct port *port;
    struct arena *arena;
    struct request request;
    struct reply reply;
    struct buf body;
    struct watched *watched;
    size_t held;      /* taken from the budget */
    size_t declared;  /* Content-Length; 0 when there is none */
    size_t discarded;
    struct work work;
    struct MHD_Connection *connection; /* suspended, while a worker has the request */
    bool started;
    bool answered;    /* the reply is made */
    bool refused;     /* the reply is made, the body isn't wanted */
    bool ended;       /* the request must end its connection */
    bool mangled;     /* libmicrohttpd altered or cut a header's line */
};

static struct watched *watched_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void set_deadline(const struct exchange *exchange, int64_t ms) {
    if (exchange->watched)
        watchdog_set(exchange->watched, ms < 0 ? INT64_MAX : mono_ms() + ms);
}

void exchange_connection(void *cls, struct MHD_Connection *connection, void **socket_state,
                         enum MHD_ConnectionNotificationCode code) {
    struct port *port = cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        watchdog_remove(port->watchdog, *socket_state);
        *socket_state = NULL;
        return;
    }
    *socket_state = info ? watchdog_add(port->watchdog, info->connect_fd, mono_ms() + port->header_ms) : NULL;
}

void *exchange_begin(void *cls, const char *target, struct MHD_Connection *connection) {
    struct port *port = cls;
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->port = port;
    exchange->watched = watched_of(connection);
    exchange->arena = arena_new(ARENA_CAP);
    exchange->request.arena = exchange->arena;
    exchange->request.service = port->service;
    exchange->reply = (struct reply){.status = 200, .content_type = "application/json", .body = BUF(REPLY_CAP)};
    exchange->request.request_id = STR("none");
    if (exchange->arena)
        exchange->request.target = arena_copy(exchange->arena, str_from(target));
    set_deadline(exchange, port->header_ms);
    return exchange;
}

void exchange_end(void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
    struct exchange *exchange = *state;
    (void)cls, (void)connection, (void)code;
    if (!exchange)
        return;
    struct service *service = exchange->port->service;
    set_deadline(exchange, exchange->port->request_ms);
    budget_give(&service->in_flight, exchange->held);
    if (exchange->started)
        atomic_fetch_sub(&service->active, 1);
    buf_free(&exchange->body);
    buf_free(&exchange->reply.body);
    finished_release(exchange->reply.finished);
    arena_free(exchange->arena);
    free(exchange);
    *state = NULL;
}

static void refuse(struct exchange *exchange, const struct err *err) {
    routes_fail(&exchange->request, &exchange->reply, err);
    exchange->refused = true;
}

/* libmicrohttpd cuts names and values out of the bytes as they came. One that was folded over lines is pieced together
 * elsewhere, with the second line glued to the *name*; one with a NUL is cut there; a bare LF ends a line. All three
 * show in what lies around the value. */
static bool lies_as_sent(const char *name, size_t name_length, const char *value, size_t value_length) {
    const char *name_end = name + name_length;
    uintptr_t gap = (uintptr_t)value - (uintptr_t)name_end;
    if (!value || !gap || gap > CONNECTION_MEMORY)
        return false;
    for (uintptr_t i = 0; i < gap; i++)
        if (name_end[i] && !memchr(": \t", name_end[i], 3))
            return false;
    return !value[value_length] && (!value[value_length + 1] || value[value_length + 1] == '\n');
}

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                  const char *value, size_t value_length) {
    struct exchange *exchange = cls;
    struct request *request = &exchange->request;
    (void)kind;
    exchange->mangled |= !lies_as_sent(name, name_length, value, value_length);
    if (request->header_count == MAX_HEADERS)
        return MHD_NO;
    request->headers[request->header_count++] =
        (struct pair){{name, name_length}, {value ? value : "", value ? value_length : 0}};
    return MHD_YES;
}

static bool collect_headers(struct exchange *exchange, struct MHD_Connection *connection, struct err *err) {
    struct request *request = &exchange->request;
    request->headers = arena_array(exchange->arena, MAX_HEADERS, sizeof *request->headers);
    if (!request->headers)
        return err_memory(err);
    int found = MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add_header, exchange);
    if (found > 0 && (size_t)found > request->header_count)
        return err_set(err, ERR_HEADERS_TOO_LARGE, "more than %d headers", MAX_HEADERS);
    if (request->header_count == MAX_HEADERS)
        return err_set(err, ERR_HEADERS_TOO_LARGE, "%d headers or more", MAX_HEADERS);
    return true;
}

static bool check_guard(struct exchange *exchange, const char *version, struct err *err) {
    const struct request *request = &exchange->request;
    const struct guard_input input = {.version = str_from(version), .method = request->method, .target = request->target,
                                      .headers = request->headers, .header_count = request->header_count};
    if (!exchange->mangled && guard_check(&input, err))
        return true;
    if (exchange->mangled)
        err_set(err, ERR_BAD_REQUEST, "a header is folded over lines, holds a NUL or doesn't end in CR LF");
    atomic_fetch_add(&exchange->port->service->metrics.guarded, 1);
    exchange->ended = true;
    return false;
}

/* What can be said of the body before it comes. */
static bool check_body(struct exchange *exchange, struct err *err) {
    struct service *service = exchange->port->service;
    struct str text = request_header(&exchange->request, "Content-Length");
    size_t limit = routes_body_limit(&exchange->request);
    long long length = 0;
    if (text.ptr && !str_to_int64(text, &length))
        return err_set(err, ERR_BAD_REQUEST, "Content-Length is not a number");
    exchange->declared = (size_t)length;
    exchange->body = BUF(limit);
    if (exchange->declared > limit)
        return err_set(err, ERR_TOO_LARGE, limit ? "the body is over %zu bytes" : "no body is taken here", limit);
    if (!budget_take(&service->in_flight, exchange->declared)) {
        atomic_fetch_add(&service->metrics.refused_bodies, 1);
        return err_set(err, ERR_TOO_MANY, "the server holds as many bytes as it may; send the same bytes again later");
    }
    exchange->held = exchange->declared;
    return true;
}

static bool route(struct exchange *exchange, struct err *err) {
    struct request *request = &exchange->request;
    struct str target = request->target;
    if (!request_parse_target(request, target, err) || !routes_find(request, &exchange->reply, err))
        return false;
    if (exchange->port->admin && request->route->scope != SCOPE_NONE)
        return err_set(err, ERR_NOT_FOUND, "only health and metrics are here; the API has its own port");
    return true;
}

static bool start(struct exchange *exchange, struct MHD_Connection *connection, const char *method,
                  const char *version, struct err *err) {
    struct request *request = &exchange->request;
    exchange->started = true;
    atomic_fetch_add(&exchange->port->service->active, 1);
    set_deadline(exchange, exchange->port->request_ms);
    if (!exchange->arena || !request->target.ptr)
        return err_memory(err);
    request->method = arena_copy(exchange->arena, str_from(method));
    if (!request->method.ptr || !collect_headers(exchange, connection, err)) {
        exchange->ended = true;
        return request->method.ptr ? false : err_memory(err);
    }
    request_identify(request, request_header(request, "X-Request-Id"));
    return check_guard(exchange, version, err) && route(exchange, err) && check_body(exchange, err);
}

/* A refused body is read and dropped when that is cheap: an answer sent into a body that still comes is often lost, as
 * the connection is reset. */
static bool answers_at_once(const struct exchange *exchange) {
    const struct request *request = &exchange->request;
    size_t limit = exchange->reply.status == 429 ? DISCARD_BUSY : DISCARD_LIMIT;
    return exchange->ended || exchange->declared > limit || request_header(request, "Expect").ptr;
}

static void release_body(void *finished) {
    finished_release(finished);
}

/* Shared bytes go out as they lie in memory; the response holds them until it is sent. */
static struct MHD_Response *share_body(struct finished *finished) {
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        finished->body.len, (void *)(uintptr_t)finished->body.ptr, release_body, finished);
    if (response)
        finished_hold(finished);
    return response;
}

static struct MHD_Response *make_response(struct reply *reply) {
    static char nothing[1];
    /* 304 goes without: libmicrohttpd would state the body's length, and clients wait for one that doesn't come. */
    if (reply->finished && reply->status == 200)
        return share_body(reply->finished);
    if (!reply->body.len)
        return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.len, reply->body.ptr, MHD_RESPMEM_MUST_FREE);
    if (response)
        reply->body = BUF(0);
    return response;
}

static void add_reply_headers(struct exchange *exchange, struct MHD_Response *response, bool close) {
    const struct reply *reply = &exchange->reply;
    for (size_t i = 0; i < reply->header_count; i++) {
        struct str value = arena_copy(exchange->arena, reply->headers[i].value);
        if (value.ptr)
            MHD_add_response_header(response, reply->headers[i].name.ptr, value.ptr);
    }
    if (reply->status != 204 && reply->status != 304)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    MHD_add_response_header(response, "X-Request-Id", exchange->request.request_id.ptr);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (close)
        MHD_add_response_header(response, "Connection", "close");
}

static enum MHD_Result send_reply(struct exchange *exchange, struct MHD_Connection *connection, bool close) {
    struct service *service = exchange->port->service;
    struct reply *reply = &exchange->reply;
    struct MHD_Response *response = make_response(reply);
    if (!response)
        return MHD_NO;
    add_reply_headers(exchange, response, close || reply->close || atomic_load(&service->draining));
    metrics_request(&service->metrics, routes_index(exchange->request.route), reply->status);
    budget_give(&service->in_flight, exchange->held);
    exchange->held = 0;
    buf_free(&exchange->body);
    set_deadline(exchange, SEND_MS);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Chunked bodies come without a length: they are paid for as they come. */
static void take_body(struct exchange *exchange, const char *bytes, size_t length) {
    struct service *service = exchange->port->service;
    struct err err = {0};
    size_t need = exchange->body.len + length;
    if (need > exchange->body.cap) {
        err_set(&err, ERR_TOO_LARGE, "the body is over %zu bytes", exchange->body.cap);
        refuse(exchange, &err);
        return;
    }
    if (need > exchange->held) {
        if (!budget_take(&service->in_flight, need - exchange->held)) {
            atomic_fetch_add(&service->metrics.refused_bodies, 1);
            err_set(&err, ERR_TOO_MANY, "the server holds as many bytes as it may; send the same bytes again later");
            refuse(exchange, &err);
            return;
        }
        exchange->held = need;
    }
    buf_add(&exchange->body, bytes, length);
    if (exchange->body.failed) {
        err_memory(&err);
        refuse(exchange, &err);
    }
}

static void answer(struct exchange *exchange) {
    exchange->request.body = buf_str(&exchange->body);
    if (!exchange->request.body.ptr)
        exchange->request.body = STR("");
    set_deadline(exchange, -1);
    routes_answer(&exchange->request, &exchange->reply);
    exchange->answered = true;
}

static void answer_work(struct work *work) {
    struct exchange *exchange = (struct exchange *)(void *)((char *)work - offsetof(struct exchange, work));
    answer(exchange);
    MHD_resume_connection(exchange->connection);
}

/* Bodies under way have a claim on the processors, too. */
static void pace_answer(struct port *port) {
    if (port->workers && budget_used(&port->service->in_flight))
        pace_wait(&port->pace);
}

/* What is in memory is answered at once; the rest may wait for the database, for a run or for a change, which is a
 * worker's to do: this thread has other sockets to serve. Suspended, the connection comes back when it is resumed. */
static void answer_begin(struct exchange *exchange, struct MHD_Connection *connection) {
    struct err err = {0};
    exchange->answered = routes_answer_kept(&exchange->request, &exchange->reply);
    if (exchange->answered) {
        pace_answer(exchange->port);
        return;
    }
    if (!exchange->port->workers) {
        answer(exchange);
        return;
    }
    exchange->connection = connection;
    exchange->work.run = answer_work;
    MHD_suspend_connection(connection);
    if (workers_give(exchange->port->workers, &exchange->work))
        return;
    if (atomic_load(&exchange->port->service->draining))
        err_set(&err, ERR_DRAINING, "the server is stopping");
    else
        err_set(&err, ERR_TOO_MANY, "the server has no thread left for the request; send it again later");
    refuse(exchange, &err);
    MHD_resume_connection(connection);
}

enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **state) {
    struct exchange *exchange = *state;
    struct err err = {0};
    (void)cls, (void)url;
    if (!exchange)
        return MHD_NO;
    if (!exchange->started) {
        if (!start(exchange, connection, method, version, &err)) {
            refuse(exchange, &err);
            if (answers_at_once(exchange))
                return send_reply(exchange, connection, true);
        }
        return MHD_YES;
    }
    if (*upload_size) {
        if (!exchange->refused)
            take_body(exchange, upload, *upload_size);
        exchange->discarded += exchange->refused ? *upload_size : 0;
        *upload_size = 0;
        return exchange->discarded > DISCARD_LIMIT ? MHD_NO : MHD_YES;
    }
    if (!exchange->refused && !exchange->answered) {
        answer_begin(exchange, connection);
        if (exchange->connection)
            return MHD_YES;
    }
    return send_reply(exchange, connection, false);
}
