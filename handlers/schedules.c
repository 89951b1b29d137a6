/* /v1/schedules: when hunts run by themselves, and what became of each time. */
#include <jansson.h>

#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/runs.h"
#include "handlers/service.h"
#include "handlers/tagged.h"
#include "hunts/scheduler.h"
#include "hunts/selection.h"

enum { CATCH_UP_DEFAULT = 100 };

bool handle_schedules_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"id", "when", "enabled", "next_slot", "last_state", NULL};
    long long limit;
    struct str limit_text, cursor;
    if (!list_parameters(request, &limit, &limit_text, &cursor, err))
        return false;
    struct str params[] = {{0}, cursor, limit_text};
    DB_ROWS_AUTO *rows = statement_run(request, "schedules_list", params, 3, err);
    return rows && list_reply(request, reply, "schedules", rows, limit, columns, err);
}

static bool schedule_reply(struct request *request, struct reply *reply, struct str id, struct err *err) {
    struct str params[] = {id, {0}, STR("1")};
    DB_ROWS_AUTO *rows = statement_run(request, "schedules_list", params, 3, err);
    if (rows && !db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "no schedule '%.*s'; GET /v1/schedules lists them", STR_ARG(id));
    return rows && json_reply(reply, db_text(rows, 0, 1), err);
}

bool handle_schedule_get(struct request *request, struct reply *reply, struct err *err) {
    return schedule_reply(request, reply, request_path_parameter(request, "id"), err);
}

/* Members that a GET shows may be sent back: those that aren't the user's to say are passed over. */
static bool known_members(struct request *request, json_t *root, struct err *err) {
    static const char *const known[] = {"id", "name", "cron", "time_zone", "every", "window", "hunts", "tool", "all",
                                        "enabled", "catch_up", "catch_up_limit", "when", "next_slot", "last_slot",
                                        "last_state", "last_run_id", "created_at", "updated_at", "slots"};
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(key, known[i]) == 0;
        request->problem_field = arena_copy(request->arena, str_from(key)).ptr;
        if (!found)
            return err_set(err, ERR_BAD_REQUEST,
                           "'%.64s' is not a member of a schedule; known: id, name, cron, time_zone, every, window, "
                           "hunts, tool, all, enabled, catch_up, catch_up_limit",
                           key);
    }
    return true;
}

/* Null is as good as absent. */
static bool take_text(struct request *request, const json_t *root, const char *name, struct str *text, struct err *err) {
    const json_t *value = json_object_get(root, name);
    if (!value || json_is_null(value))
        return true;
    request->problem_field = name;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return err_set(err, ERR_BAD_REQUEST, "%s must be a text", name);
    *text = arena_copy(request->arena, str_from(json_string_value(value)));
    return text->ptr || err_memory(err);
}

static bool take_policy(struct request *request, const json_t *root, struct schedule *schedule, struct err *err) {
    const json_t *enabled = json_object_get(root, "enabled"), *limit = json_object_get(root, "catch_up_limit");
    struct str policy = {0};
    request->problem_field = "enabled";
    if (enabled && !json_is_boolean(enabled))
        return err_set(err, ERR_BAD_REQUEST, "enabled must be true or false");
    schedule->enabled = !json_is_false(enabled);
    request->problem_field = "catch_up_limit";
    if (limit && !json_is_null(limit) && !json_is_integer(limit))
        return err_set(err, ERR_BAD_REQUEST, "catch_up_limit must be 1 to %d", SCHEDULE_CATCH_UP_MAX);
    schedule->catch_up_limit = json_is_integer(limit) ? json_integer_value(limit) : CATCH_UP_DEFAULT;
    return take_text(request, root, "catch_up", &policy, err) &&
           (!policy.ptr || catch_up_parse(policy, &schedule->catch_up, err));
}

static bool schedule_parse(struct request *request, const json_t *root, struct schedule *schedule, struct err *err) {
    *schedule = (struct schedule){.hunts = {.from = -1, .to = -1, .as_of = -1}};
    return take_text(request, root, "id", &schedule->id, err) && take_text(request, root, "name", &schedule->name, err) &&
           take_text(request, root, "cron", &schedule->cron, err) &&
           take_text(request, root, "time_zone", &schedule->time_zone, err) &&
           take_text(request, root, "every", &schedule->every, err) &&
           take_text(request, root, "window", &schedule->window, err) && take_policy(request, root, schedule, err) &&
           selection_parse(request->arena, root, &schedule->hunts, &request->problem_field, err);
}

/* id: what the path says, or ptr NULL for a new one. */
static bool schedule_take(struct request *request, struct reply *reply, struct str id, struct err *err) {
    struct schedule schedule;
    bool created = false;
    json_error_t why;
    json_auto_t *root = json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES, &why);
    if (!root || !json_is_object(root))
        return err_set(err, ERR_BAD_REQUEST, "send {\"id\":\"nightly\",\"cron\":\"30 6 * * *\",\"all\":true}: %s",
                       root ? "not an object" : why.text);
    if (!known_members(request, root, err) || !schedule_parse(request, root, &schedule, err))
        return false;
    request->problem_field = "id";
    if (id.ptr && schedule.id.ptr && !str_eq(id, schedule.id))
        return err_set(err, ERR_CONFLICT, "the body's id is '%.*s', the path says '%.*s'", STR_ARG(schedule.id),
                       STR_ARG(id));
    schedule.id = id.ptr ? id : schedule.id;
    if (!schedule_check(&schedule, &request->problem_field, err) ||
        !schedule_save(request->service->db, request->arena, &schedule, !id.ptr, &created, &request->problem_field, err))
        return false;
    reply->status = created ? 201 : 200;
    if (created)
        reply_header(reply, "Location", arena_printf(request->arena, "/v1/schedules/%.*s", STR_ARG(schedule.id)));
    return schedule_reply(request, reply, schedule.id, err);
}

bool handle_schedules_post(struct request *request, struct reply *reply, struct err *err) {
    return schedule_take(request, reply, (struct str){0}, err);
}

bool handle_schedule_put(struct request *request, struct reply *reply, struct err *err) {
    return tagged_match(request, handle_schedule_get, err) &&
           schedule_take(request, reply, request_path_parameter(request, "id"), err);
}

bool handle_schedule_delete(struct request *request, struct reply *reply, struct err *err) {
    reply->status = 204;
    return tagged_match(request, handle_schedule_get, err) &&
           schedule_delete(request->service->db, request_path_parameter(request, "id"), err);
}

bool handle_schedule_run(struct request *request, struct reply *reply, struct err *err) {
    int64_t run_id;
    if (!scheduler_run_now(request->service->db, request_path_parameter(request, "id"), &run_id, err))
        return false;
    runner_hint(request->service->runner, run_id);
    return run_wait_reply(request, reply, run_id, err);
}

bool handle_schedule_slots(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"slot", "state", "run_id", "attempts", "start_lag_ms", "run_ms",
                                          "by_hand", NULL};
    struct str id = request_path_parameter(request, "id"), limit_text, cursor;
    struct schedule schedule;
    long long limit;
    if (!list_parameters(request, &limit, &limit_text, &cursor, err) || !list_below(request, &cursor, err))
        return false;
    struct str params[] = {id, cursor, limit_text};
    if (!schedule_load(request->service->db, request->arena, id, &schedule, err))
        return false;
    DB_ROWS_AUTO *rows = statement_run(request, "slots_list", params, 3, err);
    return rows && list_reply(request, reply, "slots", rows, limit, columns, err);
}
