/* /v1/runs; their results are in results.c. */
#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/results.h"
#include "handlers/runs.h"
#include "handlers/service.h"
#include "hunts/runner.h"
#include "hunts/selection.h"

enum { DEFAULT_WAIT = 10, MAX_WAIT = 60, BODY_CAP = 512 << 20 };

static bool parse_time(struct request *request, const json_t *root, const char *name, int64_t *ticks, struct err *err) {
    const json_t *value = json_object_get(root, name);
    *ticks = -1;
    if (!value || json_is_null(value))
        return true;
    request->problem_field = name;
    if (!json_is_string(value) || !ticks_parse_loose(str_from(json_string_value(value)), ticks))
        return err_set(err, ERR_BAD_REQUEST, "%s must be a time such as \"2026-07-20T00:00:00Z\"", name);
    return true;
}

static bool known_members(const json_t *root, struct err *err) {
    static const char *const known[] = {"hunts", "tool", "all", "from", "to", "as_of"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            return err_set(err, ERR_BAD_REQUEST, "'%.64s' is not a member of a run; known: hunts, tool, all, from, to, as_of",
                           key);
    }
    return true;
}

static bool run_parse(struct request *request, const json_t *root, struct run_request *run, struct err *err) {
    if (!known_members(root, err) || !parse_time(request, root, "from", &run->from, err) ||
        !parse_time(request, root, "to", &run->to, err) || !parse_time(request, root, "as_of", &run->as_of, err))
        return false;
    request->problem_field = "from";
    if (run->from >= 0 && run->to >= 0 && run->from > run->to)
        return err_set(err, ERR_BAD_REQUEST, "from is later than to");
    return selection_parse(request->arena, root, run, &request->problem_field, err);
}

/* Prefer: wait=N, seconds (RFC 7240). */
static long long wait_seconds(const struct request *request) {
    struct str prefer = request_header(request, "Prefer");
    for (size_t at = 0; at + 5 < prefer.len; at++) {
        long long seconds;
        struct str rest = {prefer.ptr + at + 5, prefer.len - at - 5};
        if (!str_starts((struct str){prefer.ptr + at, prefer.len - at}, STR("wait=")))
            continue;
        size_t digits = 0;
        while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
            digits++;
        if (str_to_int64((struct str){rest.ptr, digits}, &seconds))
            return seconds > MAX_WAIT ? MAX_WAIT : seconds;
    }
    return DEFAULT_WAIT;
}

static bool run_answer(struct request *request, struct reply *reply, int64_t run_id, struct err *err) {
    struct str id = arena_printf(request->arena, "%" PRId64, run_id), json = {0}, state = {0};
    struct str location = arena_printf(request->arena, "/v1/runs/%" PRId64, run_id);
    BUF_AUTO out = BUF(BODY_CAP);
    if (!id.ptr || !location.ptr)
        return err_memory(err);
    if (!run_state(request, id, &json, &state, err))
        return false;
    reply_header(reply, "Location", location);
    if (!run_state_over(state)) {
        reply->status = 202;
        reply_header(reply, "Retry-After", STR("2"));
        return json_reply(reply, json, err);
    }
    reply->status = 201;
    return results_body(request, id, json, state, &out, NULL, err) && json_reply(reply, buf_str(&out), err);
}

bool run_wait_reply(struct request *request, struct reply *reply, int64_t run_id, struct err *err) {
    runner_wait(request->service->runner, run_id, mono_ms() + wait_seconds(request) * 1000);
    return run_answer(request, reply, run_id, err);
}

bool handle_run_post(struct request *request, struct reply *reply, struct err *err) {
    struct run_request run = {.from = -1, .to = -1, .as_of = -1};
    struct str key = request_header(request, "Idempotency-Key");
    json_error_t why;
    int64_t run_id = 0;
    json_auto_t *root = json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES, &why);
    if (!root || !json_is_object(root))
        return err_set(err, ERR_BAD_REQUEST, "send {\"hunts\":[\"remotepc-file-signature\"]}: %s",
                       root ? "not an object" : why.text);
    if (!run_parse(request, root, &run, err))
        return false;
    if (key.len > 255)
        return err_set(err, ERR_BAD_REQUEST, "Idempotency-Key is longer than 255 characters");
    run.idempotency_key = key.len ? key : (struct str){0};
    if (!runner_submit(request->service->runner, &run, &run_id, err))
        return false;
    return run_wait_reply(request, reply, run_id, err);
}

bool handle_run_get(struct request *request, struct reply *reply, struct err *err) {
    struct str id = {0}, json = {0}, state = {0};
    return run_id_parameter(request, &id, err) && run_state(request, id, &json, &state, err) &&
           json_reply(reply, json, err);
}

bool handle_run_delete(struct request *request, struct reply *reply, struct err *err) {
    struct str id = {0}, json = {0}, state = {0};
    long long number = 0;
    if (!run_id_parameter(request, &id, err) || !str_to_int64(id, &number) ||
        !runner_cancel(request->service->runner, number, err) || !run_state(request, id, &json, &state, err))
        return false;
    reply->status = run_state_over(state) ? 200 : 202;
    return json_reply(reply, json, err);
}

bool handle_runs_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"run_id", "state", "as_of", "created_at", "finished_at", "hunts.done", "hunts.total",
                                          NULL};
    long long limit;
    struct str limit_text, cursor;
    if (!list_parameters(request, &limit, &limit_text, &cursor, err) || !list_below(request, &cursor, err))
        return false;
    struct str params[] = {cursor, limit_text};
    DB_ROWS_AUTO *rows = statement_run(request, "runs_list", params, 2, err);
    return rows && list_reply(request, reply, "runs", rows, limit, columns, err);
}
