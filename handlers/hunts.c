/* /v1/hunts and /v1/tools. */

#include "base/clock.h"
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/service.h"
#include "handlers/names.h"
#include "hunts/ledger.h"
#include "hunts/explain.h"
#include "hunts/loader.h"
#include "hunts/registry.h"
#include "hunts/result.h"
#include "store/pulse.h"

enum { READ_MS = 10000, REPLY_CAP = 64 << 20 };

bool handle_hunts_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"slug", "tool", "signal", "state", "version", "noise_level", "id", NULL};
    long long limit;
    struct str limit_text, cursor, tool, signal, state;
    if (!tool_parameter(request, &tool, err) || !request_choice(request, "signal", "signature,process,network", &signal, err) ||
        !request_choice(request, "state", "ready,broken,disabled", &state, err) ||
        !list_parameters(request, &limit, &limit_text, &cursor, err))
        return false;
    struct str params[] = {tool, signal, state, request_query(request, "q"), cursor, limit_text};
    DB_ROWS_AUTO *rows = statement_run(request, "hunts_list", params, 6, err);
    return rows && list_reply(request, reply, "hunts", rows, limit, columns, err);
}

bool handle_tools(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"tool", "facts.vendor", "noise_level", "hunts", "facts.also_matches", NULL};
    long long limit;
    struct str limit_text, cursor;
    if (!list_parameters(request, &limit, &limit_text, &cursor, err))
        return false;
    struct str params[] = {request_query(request, "q"), cursor, limit_text};
    DB_ROWS_AUTO *rows = statement_run(request, "tools_list", params, 3, err);
    return rows && list_reply(request, reply, "tools", rows, limit, columns, err);
}

bool handle_tool_get(struct request *request, struct reply *reply, struct err *err) {
    struct str tool = request_path_parameter(request, "tool");
    DB_ROWS_AUTO *rows = statement_run(request, "tool_read", &tool, 1, err);
    if (rows && !db_count(rows))
        return tool_resolve(request, ERR_NOT_FOUND, &tool, err) &&
               err_set(err, ERR_NOT_FOUND, "tool '%.*s' has no hunts in use; GET /v1/tools lists those that have", STR_ARG(tool));
    return rows && json_reply(reply, db_text(rows, 0, 0), err);
}

static struct db_rows *hunt_read(struct request *request, struct err *err) {
    struct str id = request_path_parameter(request, "id");
    struct db_rows *rows = statement_run(request, "hunt_read", &id, 1, err);
    if (rows && !db_count(rows)) {
        db_rows_free(rows);
        hunt_refuse(request, id, err);
        return NULL;
    }
    return rows;
}

/* How the ledger comes to know what the hunt finds, and why not event by event. */
static void add_ledger(struct request *request, struct buf *out, struct str query) {
    static const char *const modes[] = {
        [LEDGER_EVENTS] = "events", [LEDGER_RUN] = "run", [LEDGER_RESULT] = "result", [LEDGER_NONE] = "none"};
    struct err why = {0};
    json_add_string_member(out, "ledger", str_from(modes[ledger_mode_of(request->arena, query, &why)]));
    json_add_key(out, "ledger_reason");
    if (why.code)
        json_add_string(out, str_from(why.text));
    else
        buf_add_str(out, STR("null"));
}

bool handle_hunt_get(struct request *request, struct reply *reply, struct err *err) {
    DB_ROWS_AUTO *rows = hunt_read(request, err);
    BUF_AUTO out = BUF(REPLY_CAP);
    if (!rows)
        return false;
    struct str hunt = db_text(rows, 0, 0);
    buf_add(&out, hunt.ptr, hunt.len - 1);
    add_ledger(request, &out, db_text(rows, 0, 1));
    buf_add_char(&out, '}');
    return !out.failed ? json_reply(reply, buf_str(&out), err) : err_memory(err);
}

bool handle_hunt_delete(struct request *request, struct reply *reply, struct err *err) {
    struct str id = request_path_parameter(request, "id");
    DB_ROWS_AUTO *known = hunt_read(request, err);
    struct db *db = request->service->db;
    pulse_change_begin(db);
    DB_ROWS_AUTO *rows = known ? statement_run(request, "hunt_retire", &id, 1, err) : NULL;
    pulse_change_end(db);
    reply->status = 204;
    return rows != NULL;
}

bool handle_hunt_explain(struct request *request, struct reply *reply, struct err *err) {
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1};
    DB_ROWS_AUTO *rows = hunt_read(request, err);
    BUF_AUTO out = BUF(REPLY_CAP);
    if (!rows)
        return false;
    request->source = arena_copy(request->arena, db_text(rows, 0, 1));
    struct kql_program *program = kql_compile(request->arena, request->source, &options, err);
    if (!program)
        return false;
    buf_add_str(&out, STR("{\"sql\":"));
    json_add_string(&out, program->sql);
    buf_add_str(&out, STR(",\"parameters\":["));
    for (size_t i = 0; i < program->param_count; i++) {
        json_add_comma(&out);
        if (program->params[i].ptr)
            json_add_string(&out, program->params[i]);
        else
            buf_add_str(&out, STR("null"));
    }
    buf_add_str(&out, STR("],\"columns\":"));
    result_add_columns(&out, program);
    explain_add_predicates(&out, program);
    buf_add_str(&out, STR(",\"warnings\":"));
    registry_add_warnings(&out, program, 0);
    buf_add_char(&out, '}');
    return !out.failed ? json_reply(reply, buf_str(&out), err) : err_memory(err);
}

/* What loading says: identity, shape, state, and the error or the warnings. */
static void add_verdict(struct buf *out, const struct hunt *hunt, const struct hunt_check *check,
                        const struct registry_saved *saved) {
    const struct {
        const char *key;
        struct str value;
    } members[] = {{"id", hunt->id},
                   {"slug", hunt->slug},
                   {"name", hunt->name},
                   {"tool", hunt->tool},
                   {"signal", hunt->signal},
                   {"shape", str_from(hunt_shape_name(hunt->shape))},
                   {"state", str_from(hunt_state_name(check->state))}};
    buf_add_char(out, '{');
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_add_string_member(out, members[i].key, members[i].value);
    }
    if (saved->version)
        buf_printf(out, ",\"version\":%d", saved->version);
    json_add_string_member(out, "outcome", str_from(registry_outcome_name(saved->outcome)));
    json_add_key(out, "warnings");
    if (check->state == HUNT_READY)
        registry_add_warnings(out, check->program, hunt->query_line);
    else
        buf_add_str(out, STR("[]"));
    json_add_key(out, "errors");
    buf_add_char(out, '[');
    if (check->state == HUNT_BROKEN)
        registry_add_hunt_error(out, &check->error, hunt);
    buf_add_char(out, ']');
    json_add_key(out, "false_positives");
    registry_add_scenarios(out, hunt);
    buf_add_char(out, '}');
}

static bool hunt_save(struct request *request, const struct hunt *hunt, const struct hunt_check *check,
                      struct registry_saved *saved, struct err *err) {
    struct db_conn *conn = db_take(request->service->db, mono_ms() + READ_MS, err);
    bool ok = conn && registry_save(conn, hunt, "user", check, mono_ms() + READ_MS, saved, err);
    db_give(conn);
    return ok;
}

/* A file without an id of its own takes the path's: a GUID, or a slug, whose hunt may be there already. */
static bool identity_from_path(struct request *request, struct str id, struct hunt *hunt, struct err *err) {
    if (str_holds(request->body, hunt->id))
        return true;
    if (id.len == 36 && id.ptr[8] == '-' && id.ptr[13] == '-') {
        hunt->id = id;
        return true;
    }
    DB_ROWS_AUTO *rows = statement_run(request, "hunt_read", &id, 1, err);
    if (rows && db_count(rows))
        hunt->id = arena_copy(request->arena, db_text(rows, 0, 2));
    hunt->slug = id;
    return rows != NULL;
}

/* One file's bytes: loaded, checked, stored if asked to, and its verdict added. id: what the path says, or ptr NULL. */
static bool file_take(struct request *request, struct str bytes, struct str id, bool save,
                      struct registry_saved *saved, struct buf *out, struct err *err) {
    struct hunt hunt;
    struct hunt_check check;
    request->source = bytes;
    if (!hunt_load(request->arena, bytes, STR("request"), &hunt, err))
        return false;
    if (id.ptr && !identity_from_path(request, id, &hunt, err))
        return false;
    if (id.ptr && !str_eq_nocase(id, hunt.id) && !str_eq(id, hunt.slug))
        return err_set(err, ERR_CONFLICT, "the file's id is '%.*s', the path says '%.*s'", STR_ARG(hunt.id),
                       STR_ARG(id));
    hunt_check(request->arena, &hunt, &check);
    if (save && !hunt_save(request, &hunt, &check, saved, err))
        return false;
    add_verdict(out, &hunt, &check, saved);
    return !out->failed || err_memory(err);
}

static bool hunt_take(struct request *request, struct reply *reply, struct str id, bool save, struct err *err) {
    struct registry_saved saved = {0};
    BUF_AUTO out = BUF(REPLY_CAP);
    if (!file_take(request, request->body, id, save, &saved, &out, err))
        return false;
    reply->status = saved.outcome == REGISTRY_CREATED ? 201 : 200;
    return json_reply(reply, buf_str(&out), err);
}

/* The next file of a body in which lines of --- stand between files; false at the end. */
static bool file_next(struct str *rest, struct str *file) {
    size_t at = 0;
    if (!rest->len)
        return false;
    while (at < rest->len) {
        const char *end = memchr(rest->ptr + at, '\n', rest->len - at);
        size_t next = end ? (size_t)(end - rest->ptr) + 1 : rest->len;
        if (str_eq(str_trim((struct str){rest->ptr + at, next - at}), STR("---"))) {
            *file = (struct str){rest->ptr, at};
            *rest = (struct str){rest->ptr + next, rest->len - next};
            return true;
        }
        at = next;
    }
    *file = *rest;
    rest->len = 0;
    return true;
}

static size_t files_count(struct str body) {
    struct str file;
    size_t count = 0;
    while (file_next(&body, &file))
        count += str_trim(file).len > 0;
    return count;
}

/* Each file for itself: one that can't be loaded is told and keeps no other out. */
static bool files_take(struct request *request, struct reply *reply, bool save, struct err *err) {
    struct str rest = request->body, file;
    BUF_AUTO out = BUF(REPLY_CAP);
    buf_add_str(&out, STR("{\"hunts\":["));
    while (file_next(&rest, &file)) {
        struct err why = {0};
        struct registry_saved saved = {0};
        if (!str_trim(file).len)
            continue;
        json_add_comma(&out);
        if (file_take(request, file, (struct str){0}, save, &saved, &out, &why))
            continue;
        if (err_status(why.code) >= 500)
            return *err = why, false;
        registry_add_file_error(&out, &why, file);
    }
    buf_add_str(&out, STR("]}"));
    return !out.failed ? json_reply(reply, buf_str(&out), err) : err_memory(err);
}

bool handle_hunt_put(struct request *request, struct reply *reply, struct err *err) {
    return hunt_take(request, reply, request_path_parameter(request, "id"), true, err);
}

bool handle_hunts_import(struct request *request, struct reply *reply, struct err *err) {
    if (files_count(request->body) > 1)
        return files_take(request, reply, true, err);
    return hunt_take(request, reply, (struct str){0}, true, err);
}

bool handle_hunts_check(struct request *request, struct reply *reply, struct err *err) {
    if (files_count(request->body) > 1)
        return files_take(request, reply, false, err);
    return hunt_take(request, reply, (struct str){0}, false, err);
}
