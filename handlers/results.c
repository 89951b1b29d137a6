/* Results, as dashboards poll them: /v1/hunts/{id}/results and /v1/runs/{id}/results. */
#include "handlers/results.h"

#include <jansson.h>

#include "handlers/cache.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/names.h"
#include "handlers/routes.h"
#include "handlers/service.h"
#include "handlers/tagged.h"

enum { BODY_CAP = 512 << 20 };

bool run_id_parameter(struct request *request, struct str *id, struct err *err) {
    long long number;
    *id = request_path_parameter(request, "id");
    return (str_to_int64(*id, &number) && number > 0) || err_set(err, ERR_NOT_FOUND, "no run '%.*s'", STR_ARG(*id));
}

bool run_state(struct request *request, struct str id, struct str *json, struct str *state, struct err *err) {
    DB_ROWS_AUTO *rows = statement_run(request, "run_read", &id, 1, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "no run %.*s; GET /v1/runs lists them", STR_ARG(id));
    *json = arena_copy(request->arena, db_text(rows, 0, 0));
    *state = arena_copy(request->arena, db_text(rows, 0, 1));
    return (json->ptr && state->ptr) || err_memory(err);
}

bool run_state_over(struct str state) {
    return !str_eq(state, STR("queued")) && !str_eq(state, STR("running"));
}

bool results_body(struct request *request, struct str id, struct str json, struct str state, struct buf *out,
                  int64_t *pulse, struct err *err) {
    DB_ROWS_AUTO *rows = statement_run(request, "run_results", &id, 1, err);
    if (!rows)
        return false;
    if (pulse)
        *pulse = db_count(rows) ? db_int(rows, 0, 4) : 0;
    if (db_count(rows) == 1) {
        buf_add_str(out, db_text(rows, 0, 1));
        return !out->failed || err_memory(err);
    }
    json_auto_t *root = json_loadb(json.ptr, json.len, 0, NULL);
    if (!root)
        return err_memory(err); /* the text is the database's own JSON */
    const json_t *window = json_object_get(root, "window"), *as_of = json_object_get(root, "as_of");
    char *window_text = json_dumps(window, JSON_COMPACT);
    buf_printf(out, "{\"run_id\":\"%.*s\",\"state\":\"%.*s\",\"as_of\":\"%s\",\"window\":%s,\"hunts\":[", STR_ARG(id),
               STR_ARG(state), json_string_value(as_of), window_text ? window_text : "null");
    free(window_text);
    for (size_t r = 0; r < db_count(rows); r++) {
        if (r)
            buf_add_char(out, ',');
        buf_add_str(out, db_text(rows, r, 1));
    }
    buf_add_str(out, STR("]}"));
    return !out->failed || err_memory(err);
}

/* The body in the format and encoding that the request asked for. */
static bool result_finish(struct request *request, struct str body, struct str source, struct made *made,
                          struct err *err) {
    struct reply shaped = {.content_type = "application/json"};
    if (result_reply(request, &shaped, body, err))
        made->finished = tagged_finish(request, &shaped, source, err);
    buf_free(&shaped.body);
    return made->finished != NULL;
}

/* Not run yet, or no such hunt. */
static bool result_missing(struct request *request, struct str id, struct err *err) {
    DB_ROWS_AUTO *hunt = statement_run(request, "hunt_read", &id, 1, err);
    if (!hunt || !db_count(hunt))
        return hunt && hunt_refuse(request, id, err);
    return err_set(err, ERR_NOT_FOUND, "no finished result of hunt '%.*s'; POST /v1/runs {\"hunts\":[\"%.*s\"]} makes one",
                   STR_ARG(id), STR_ARG(id));
}

static bool hunt_make(struct request *request, struct str known, struct made *made, struct err *err) {
    struct str id = request_path_parameter(request, "id"), params[] = {id, known};
    DB_ROWS_AUTO *rows = statement_run(request, "hunt_result", params, 2, err);
    if (!rows)
        return false;
    if (!db_count(rows))
        return result_missing(request, id, err);
    made->pulse = db_int(rows, 0, 2);
    return db_is_null(rows, 0, 1) || result_finish(request, db_text(rows, 0, 1), db_text(rows, 0, 0), made, err);
}

/* A run that is over stays as it is, but for what retention drops. */
static bool run_make(struct request *request, struct str known, struct made *made, struct err *err) {
    struct str id = {0}, json = {0}, state = {0};
    BUF_AUTO out = BUF(BODY_CAP);
    (void)known;
    if (!run_id_parameter(request, &id, err) || !run_state(request, id, &json, &state, err))
        return false;
    made->nothing = !run_state_over(state);
    return made->nothing || (results_body(request, id, json, state, &out, &made->pulse, err) &&
                             result_finish(request, buf_str(&out), STR(""), made, err));
}

/* Everything that the bytes depend on. */
static struct str result_key(struct request *request, const char *kind, struct err *err) {
    enum format format;
    if (!format_choose(request, &format, err))
        return (struct str){0};
    struct str id = request_path_parameter(request, "id");
    struct str key = arena_printf(request->arena, "%s %d %d %d %.*s", kind, (int)format, request->pretty, format_gzip(request),
                                  STR_ARG(id));
    if (!key.ptr)
        err_memory(err);
    return key;
}

static const char *kind_of(const struct request *request) {
    return request->route->handler == handle_hunt_results  ? "hunt"
           : request->route->handler == handle_run_results ? "run"
                                                           : NULL;
}

bool results_kept(struct request *request, struct reply *reply) {
    struct err err;
    const char *kind = kind_of(request);
    struct str key = kind ? result_key(request, kind, &err) : (struct str){0};
    struct finished *finished = key.ptr ? cache_peek(request, key) : NULL;
    if (finished)
        tagged_send(request, reply, finished);
    return finished != NULL;
}

/* False, and no error, when there is no result yet. */
static bool result_get(struct request *request, struct reply *reply, cache_make *make, struct err *err) {
    struct finished *finished = NULL;
    struct str key = result_key(request, kind_of(request), err);
    if (!key.ptr || !cache_get(request, key, make, &finished, err))
        return false;
    if (finished)
        tagged_send(request, reply, finished);
    return finished != NULL;
}

bool handle_hunt_results(struct request *request, struct reply *reply, struct err *err) {
    return result_get(request, reply, hunt_make, err);
}

bool handle_run_results(struct request *request, struct reply *reply, struct err *err) {
    struct str id = {0}, json = {0}, state = {0};
    if (result_get(request, reply, run_make, err))
        return true;
    if (err->code != ERR_NONE || !run_id_parameter(request, &id, err) || !run_state(request, id, &json, &state, err))
        return false;
    reply->status = 202;
    reply_header(reply, "Retry-After", STR("2"));
    return json_reply(reply, json, err);
}
