/* Is it alive, can it work, which version is it. healthz never touches the database. */
#include "base/clock.h"
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/service.h"
#include "store/db.h"
#include "store/migrate.h"

enum { READY_MS = 2000 };

bool handle_healthz(struct request *request, struct reply *reply, struct err *err) {
    (void)request, (void)err;
    buf_add_str(&reply->body, STR("{\"status\":\"ok\"}\n"));
    return true;
}

/* What the database says of itself; NULL: it can't be written to now. */
static struct db_rows *database_ask(struct db *db, struct err *err) {
    int64_t deadline = mono_ms() + READY_MS;
    struct db_conn *conn = db ? db_take(db, deadline, err) : NULL;
    struct db_rows *rows = conn ? db_query(conn, db_statement("ready"), NULL, 0, deadline, err) : NULL;
    db_give(conn);
    if (!db)
        err_set(err, ERR_DATABASE, "the database is not open");
    return rows;
}

static void add_check(struct buf *out, const char *name, bool good, const char *detail) {
    json_add_key(out, name);
    buf_printf(out, "{\"status\":\"%s\"", good ? "ok" : "failed");
    if (!good) {
        json_add_string_member(out, "detail", str_from(detail));
    }
    buf_add_char(out, '}');
}

static void add_figures(struct buf *out, struct db *db, const struct db_rows *rows) {
    if (rows) {
        buf_printf(out, ",\"schema_version\":%d,\"last_write\":", (int)db_int(rows, 0, 0));
        if (db_is_null(rows, 0, 1))
            buf_add_str(out, STR("null"));
        else
            json_add_string(out, db_text(rows, 0, 1));
    }
    if (db) {
        struct db_pool pool = db_pool(db);
        buf_printf(out, ",\"pool\":{\"open\":%u,\"busy\":%u,\"limit\":%u}", pool.open, pool.busy, pool.limit);
    }
}

bool handle_readyz(struct request *request, struct reply *reply, struct err *err) {
    struct buf *out = &reply->body;
    struct db *db = request->service->db;
    bool draining = atomic_load(&request->service->draining);
    DB_ROWS_AUTO *rows = draining ? NULL : database_ask(db, err);
    bool schema = rows && db_int(rows, 0, 0) >= migrate_version(), ready = schema && !draining;
    buf_printf(out, "{\"status\":\"%s\",\"draining\":%s", ready ? "ready" : draining ? "draining" : "not_ready",
               draining ? "true" : "false");
    add_figures(out, db, rows);
    json_add_key(out, "checks");
    buf_add_char(out, '{');
    if (!draining)
        add_check(out, "database", rows, err->text);
    if (rows)
        add_check(out, "schema", schema, "the database is older than this program: run rmmhunt migrate");
    add_check(out, "accepting", !draining, "the server is stopping");
    buf_add(out, "}}\n", 3);
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
    json_add_string_member(&reply->body, "name", STR("rmmhunt"));
    json_add_string_member(&reply->body, "version", str_from(service->version ? service->version : "unknown"));
    json_add_string_member(&reply->body, "mode", service->open ? STR("open") : STR("keys"));
    json_add_ticks_member(&reply->body, "started", service->started);
    buf_add(&reply->body, "}\n", 2);
    return true;
}
