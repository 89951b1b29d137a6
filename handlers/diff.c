/* /v1/runs/{a}/diff/{b}: one object, or a line a hunt and device. */
#include <jansson.h>
#include <stdlib.h>

#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"

static const char *const kinds[] = {"new", "gone", "changed"};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* An object's text in the next of the list; its reference is taken. */
static bool line_add(struct request *request, json_t *line, struct list_items *items, struct str *objects, struct err *err) {
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    struct str copy = text ? arena_copy(request->arena, str_from(text)) : (struct str){0};
    free(text);
    objects[items->count++] = copy;
    return copy.ptr || err_memory(err);
}

/* {"hunt":…,"change":…} and the device's members; device NULL: a hunt that couldn't be compared. */
static json_t *line_of(const json_t *hunt, const char *change, const json_t *device) {
    json_t *line = json_pack("{s:O,s:O,s:s}", "hunt", json_object_get(hunt, "hunt"), "tool", json_object_get(hunt, "tool"),
                             "change", change);
    if (line && device)
        json_object_update(line, (json_t *)(uintptr_t)device);
    return line;
}

static size_t lines_count(const json_t *root) {
    size_t i, count = json_array_size(json_object_get(root, "not_compared"));
    const json_t *hunt;
    json_array_foreach(json_object_get(root, "hunts"), i, hunt) {
        for (size_t k = 0; k < KINDS; k++)
            count += json_array_size(json_object_get(hunt, kinds[k]));
    }
    return count;
}

static bool lines_make(struct request *request, const json_t *root, struct list_items *items, struct str *objects,
                       struct err *err) {
    size_t i, d;
    const json_t *hunt, *device;
    bool ok = true;
    json_array_foreach(json_object_get(root, "hunts"), i, hunt) {
        for (size_t k = 0; k < KINDS; k++)
            json_array_foreach(json_object_get(hunt, kinds[k]), d, device)
                ok = ok && line_add(request, line_of(hunt, kinds[k], device), items, objects, err);
    }
    json_array_foreach(json_object_get(root, "not_compared"), i, hunt) {
        const char *reason = json_string_value(json_object_get(hunt, "reason"));
        struct str change = arena_printf(request->arena, "not compared: %s", reason ? reason : "");
        ok = ok && (change.ptr || err_memory(err)) && line_add(request, line_of(hunt, change.ptr, NULL), items, objects, err);
    }
    return ok;
}

static bool diff_convert(struct request *request, struct reply *reply, struct str json, enum format format,
                         struct err *err) {
    static const char *const all[] = {"hunt",
                                      "tool",
                                      "change",
                                      "device_id",
                                      "device_name",
                                      "was",
                                      "count",
                                      "first_seen",
                                      "last_seen",
                                      "report_ids_added",
                                      "report_ids_gone",
                                      "machine_group",
                                      "differs",
                                      "device_name_was",
                                      "machine_group_was",
                                      "first_seen_was",
                                      "last_seen_was",
                                      "groups_added",
                                      "groups_gone",
                                      NULL};
    static const char *const narrow[] = {"hunt", "change", "device_name", "was", "count", "last_seen", "differs", NULL};
    json_auto_t *root = json_loadb(json.ptr, json.len, JSON_ALLOW_NUL, NULL);
    struct str *objects = arena_array(request->arena, lines_count(root) + 1, sizeof *objects);
    struct list_items items = {.objects = objects, .columns = format == FORMAT_TABLE ? narrow : all};
    if (!root || !objects)
        return err_memory(err);
    if (!lines_make(request, root, &items, objects, err) || !list_reply_items(request, reply, &items, err))
        return false;
    if (format == FORMAT_TABLE)
        buf_printf(&reply->body, "hunts compared: %lld\n", (long long)json_integer_value(json_object_get(root, "compared")));
    return !reply->body.failed || err_memory(err);
}

bool handle_run_diff(struct request *request, struct reply *reply, struct err *err) {
    struct str params[] = {request_path_parameter(request, "a"), request_path_parameter(request, "b")};
    long long number;
    enum format format;
    if (!format_choose(request, &format, err))
        return false;
    if (!str_to_int64(params[0], &number) || !str_to_int64(params[1], &number))
        return err_set(err, ERR_NOT_FOUND, "no such run; GET /v1/runs lists them");
    DB_ROWS_AUTO *rows = statement_run(request, "run_diff", params, 2, err);
    if (rows && !db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "both runs must be there and finished; GET /v1/runs lists them");
    if (!rows)
        return false;
    return format == FORMAT_JSON ? json_reply(reply, db_text(rows, 0, 0), err)
                                 : diff_convert(request, reply, db_text(rows, 0, 0), format, err);
}
