/* POST /v1/query: ad-hoc KQL. */
#include <jansson.h>

#include "base/clock.h"
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/service.h"
#include "hunts/registry.h"
#include "hunts/query.h"

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

/* A side of an interval: a time, or a duration that is counted from the other side. */
static bool side_read(struct str text, bool *duration, int64_t *ticks) {
    *duration = str_starts(text, STR("P"));
    return *duration ? timespan_parse(text, ticks) : ticks_parse_loose(text, ticks);
}

/* "P1D", or an interval as ISO 8601 has it: start/end, start/duration, duration/end. */
static bool timespan_read(struct str text, struct kql_options *options) {
    struct str left, right;
    int64_t from, to;
    bool from_end, from_start;
    if (!str_cut(text, '/', &left, &right)) {
        options->from = timespan_parse(text, &from) ? options->now - from : -1;
        return options->from >= 0;
    }
    if (!side_read(left, &from_end, &from) || !side_read(right, &from_start, &to) || (from_end && from_start))
        return false;
    options->from = from_end ? to - from : from;
    options->to = from_start ? from + to : to;
    return options->from >= 0 && options->from <= options->to;
}

static bool members_known(struct request *request, const json_t *root, struct err *err) {
    static const char *const known[] = {"query", "timespan", "as_of", "strict"};
    for (void *at = json_object_iter((json_t *)(uintptr_t)root); at; at = json_object_iter_next((json_t *)(uintptr_t)root, at)) {
        const char *name = json_object_iter_key(at);
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(name, known[i]) == 0;
        if (found)
            continue;
        struct str field = arena_copy(request->arena, str_from(name));
        request->problem_field = field.ptr;
        return field.ptr ? err_set(err, ERR_BAD_REQUEST, "'%.80s' isn't a member that is known here; known are query, timespan, as_of, strict", name)
                         : err_memory(err);
    }
    return true;
}

/* What now() is in the query; a timespan counts from there. */
static bool as_of_read(struct request *request, const json_t *root, int64_t *now, struct err *err) {
    struct str text;
    if (!member_text(request, root, "as_of", &text, err))
        return false;
    if (!text.ptr || ticks_parse_loose(text, now))
        return true;
    request->problem_field = "as_of";
    return err_set(err, ERR_BAD_REQUEST, "as_of must be a time such as \"2026-07-20T00:00:00Z\"");
}

static bool query_parse(struct request *request, struct str *query, struct kql_options *options, struct err *err) {
    json_error_t why;
    struct str timespan;
    json_auto_t *root = json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES, &why);
    if (!root || !json_is_object(root))
        return err_set(err, ERR_BAD_REQUEST, "send {\"query\":\"…\"}: %s", root ? "not an object" : why.text);
    if (!members_known(request, root, err) || !member_text(request, root, "query", query, err) ||
        !as_of_read(request, root, &options->now, err) || !member_text(request, root, "timespan", &timespan, err))
        return false;
    if (!query->len)
        return err_set(err, ERR_BAD_REQUEST, "\"query\" is missing: send {\"query\":\"DeviceInfo | take 5\"}");
    if (timespan.ptr && !timespan_read(timespan, options)) {
        request->problem_field = "timespan";
        return err_set(err, ERR_BAD_REQUEST, "timespan '%.*s' is neither a duration such as P1D or PT12H nor an interval such as "
                       "2026-07-01T00:00:00Z/2026-07-02T00:00:00Z or 2026-07-01/P7D", (int)(timespan.len > 80 ? 80 : timespan.len), timespan.ptr);
    }
    const json_t *strict = json_object_get(root, "strict");
    if (strict && !json_is_boolean(strict)) {
        request->problem_field = "strict";
        return err_set(err, ERR_BAD_REQUEST, "strict must be true or false");
    }
    options->strict = json_is_true(strict);
    return true;
}

/* Which of the limits was met, and what to do. */
static bool limit_told(const struct buf *out, struct err *err) {
    if (err->code == ERR_DEADLINE)
        return err_set(err, ERR_DEADLINE, "the query ran longer than %d s; give a timespan, or narrow it", QUERY_MS / 1000);
    if (err->code == ERR_LIMIT && out->failed)
        return err_set(err, ERR_LIMIT, "the answer is larger than %d MiB; project fewer columns, or narrow the query", ANSWER_CAP >> 20);
    return false;
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
        return limit_told(&out, err);
    buf_add_char(&out, '}');
    return !out.failed ? result_reply(request, reply, buf_str(&out), err) : err_set(err, ERR_LIMIT, "the answer is larger than %d MiB", ANSWER_CAP >> 20);
}
