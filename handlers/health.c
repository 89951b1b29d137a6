/* Is it alive, can it work, which version is it. healthz never touches the database. */
#include "base/clock.h"
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/service.h"

enum { READY_MS = 2000 };

bool handle_healthz(struct request *request, struct reply *reply, struct err *err) {
    (void)request, (void)err;
    buf_add_str(&reply->body, STR("{\"status\":\"ok\"}\n"));
    return true;
}

/* One write that leaves nothing behind: a disk that is full or a standby must show, and a mere SELECT stays green. */
static bool database_writes(struct db *db, struct err *err) {
    int64_t deadline = mono_ms() + READY_MS;
    struct db_conn *conn = db ? db_take(db, deadline, err) : NULL;
    if (!conn)
        return db ? false : err_set(err, ERR_DATABASE, "the database is not open");
    bool done = db_exec(conn, "select pg_catalog.pg_logical_emit_message(true, 'rmmhunt.ready', '')", NULL, 0, deadline,
                        NULL, err);
    db_give(conn);
    return done;
}

static void add_check(struct buf *out, const char *name, bool good, const char *detail) {
    json_add_key(out, name);
    buf_printf(out, "{\"status\":\"%s\"", good ? "ok" : "failed");
    if (!good) {
        json_add_key(out, "detail");
        json_add_string(out, str_from(detail));
    }
    buf_add_char(out, '}');
}

bool handle_readyz(struct request *request, struct reply *reply, struct err *err) {
    bool draining = atomic_load(&request->service->draining);
    bool database = draining || database_writes(request->service->db, err);
    bool ready = database && !draining;
    buf_printf(&reply->body, "{\"status\":\"%s\",\"checks\":{", ready ? "ready" : draining ? "draining" : "not_ready");
    if (!draining)
        add_check(&reply->body, "database", database, err->text);
    add_check(&reply->body, "accepting", !draining, "the server is stopping");
    buf_add(&reply->body, "}}\n", 3);
    if (!ready) {
        reply->status = 503;
        reply_header(reply, "Retry-After", STR("2"));
    }
    reply_header(reply, "Cache-Control", STR("no-store"));
    return true;
}

bool handle_version(struct request *request, struct reply *reply, struct err *err) {
    struct service *service = request->service;
    (void)err;
    buf_add_char(&reply->body, '{');
    json_add_key(&reply->body, "name");
    json_add_string(&reply->body, STR("rmmhunt"));
    json_add_key(&reply->body, "version");
    json_add_string(&reply->body, str_from(service->version ? service->version : "unknown"));
    json_add_key(&reply->body, "mode");
    json_add_string(&reply->body, service->open ? STR("open") : STR("keys"));
    json_add_key(&reply->body, "started");
    json_add_ticks(&reply->body, service->started);
    buf_add(&reply->body, "}\n", 2);
    return true;
}
