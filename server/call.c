#include "server/call.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "handlers/format.h"
#include "handlers/list.h"
#include "hunts/registry.h"
#include "server/cli.h"
#include "server/config.h"

enum { ARENA = 16 << 20, OUT_CAP = 64 << 20, WAIT_MS = 60000 };

bool call_open(struct call *call, enum database_use use, struct err *err) {
    const char *private = getenv("RMMHUNT_WEBHOOK_PRIVATE");
    if (!cli_open(&call->database, use, err) || !registry_sync(call->database.db, mono_ms() + WAIT_MS, err))
        return false;
    call->service.db = call->database.db;
    call->service.webhook_private = private && config_yes(private);
    call->request.service = &call->service;
    call->request.width = cli_width();
    call->request.arena = arena_new(ARENA);
    return call->request.arena || err_memory(err);
}

void call_close(struct call *call) {
    arena_free(call->request.arena);
    database_close(&call->database);
}

bool call_ask(struct call *call, route_handler *handler, const char *id, const char *name, const char *value,
              struct err *err) {
    struct pair query = {str_from(name), str_from(value)};
    call->request.query = &query;
    call->request.query_count = 1;
    call->request.path_parameters[0] = (struct pair){STR("id"), str_from(id)};
    call->request.path_parameter_count = id != NULL;
    call->reply = (struct reply){.body = BUF(OUT_CAP)};
    bool ok = handler(&call->request, &call->reply, err);
    call->request.query = NULL;
    call->request.query_count = 0;
    return ok;
}

/* Lines for people, JSON for what reads a pipe. */
static bool object_write(struct call *call, struct buf *out, struct err *err) {
    struct str json = buf_str(&call->reply.body);
    if (!isatty(STDOUT_FILENO)) {
        format_pretty(json, out);
        return !out->failed || err_memory(err);
    }
    json_auto_t *object = json_loadb(json.ptr, json.len, JSON_ALLOW_NUL, NULL);
    return object ? list_pairs(&call->request, object, out, err) : err_memory(err);
}

bool call_show(struct call *call, route_handler *handler, const char *id, bool list, struct err *err) {
    BUF_AUTO pretty = BUF(OUT_CAP);
    bool ok = call_ask(call, handler, id, "format", list ? "table" : "json", err);
    if (ok && !list && call->reply.body.len)
        ok = object_write(call, &pretty, err);
    if (ok)
        cli_print(list ? buf_str(&call->reply.body) : buf_str(&pretty));
    buf_free(&call->reply.body);
    return ok;
}

bool call_show_with(struct call *call, route_handler *handler, const char *id, const json_t *body, struct err *err) {
    char *text = json_dumps(body, JSON_COMPACT);
    if (!text)
        return err_set(err, ERR_BAD_REQUEST, "a text is not UTF-8");
    call->request.body = str_from(text);
    bool ok = call_show(call, handler, id, false, err);
    free(text);
    return ok;
}
