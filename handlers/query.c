/* POST /v1/query: ad-hoc KQL. */
#include <jansson.h>

#include "base/clock.h"
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/service.h"
#include "hunts/registry.h"
#include "hunts/runner.h"

enum { QUERY_MS = 30000, MAX_ROWS = 30000, ANSWER_CAP = 64 << 20 };

static bool member_text(struct request *request, const json_t *root, const char *name, struct str *out,
                        struct err *err) {
    const json_t *value = json_object_get(root, name);
    *out = (struct str){0};
    if (!value || json_is_null(value))
        return true;
    request->problem_field = name;
    if (!json_is_string(value))
        return err_set(err, ERR_BAD_REQUEST, "%s must be a string", name);
    *out = arena_copy(request->arena, (struct str){json_string_value(value), json_string_length(value)});
    return out->ptr || err_memory(err);
}

static bool query_parse(struct request *request, struct str *query, struct kql_options *options, struct err *err) {
    json_error_t why;
    struct str timespan;
    int64_t span;
    json_auto_t *root = json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES, &why);
    if (!root || !json_is_object(root))
        return err_set(err, ERR_BAD_REQUEST, "send {\"query\":\"…\"}: %s", root ? "not an object" : why.text);
    if (!member_text(request, root, "query", query, err) || !member_text(request, root, "timespan", &timespan, err))
        return false;
    if (!query->len)
        return err_set(err, ERR_BAD_REQUEST, "\"query\" is missing: send {\"query\":\"DeviceInfo | take 5\"}");
    if (timespan.ptr && !timespan_parse(timespan, &span))
        return err_set(err, ERR_BAD_REQUEST, "timespan '%.*s' is not a duration such as P1D or 12h", STR_ARG(timespan));
    if (timespan.ptr)
        options->from = options->now - span;
    options->strict = json_is_true(json_object_get(root, "strict"));
    return true;
}

bool handle_query(struct request *request, struct reply *reply, struct err *err) {
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1, .max_rows = MAX_ROWS};
    struct str query = {0};
    struct kql_program *program;
    BUF_AUTO out = BUF(ANSWER_CAP);
    if (!query_parse(request, &query, &options, err))
        return false;
    request->source = query;
    buf_add_char(&out, '{');
    if (!query_run(request->service->db, request->arena, query, &options, mono_ms() + QUERY_MS, &out, &program, err))
        return false;
    json_add_key(&out, "warnings");
    registry_add_warnings(&out, program);
    buf_add_char(&out, '}');
    return !out.failed ? result_reply(request, reply, buf_str(&out), err) : err_memory(err);
}
