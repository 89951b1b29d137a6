/* /v1/changes: what is new since a cursor; the difference between two runs. */
#include "handlers/changes.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/service.h"
#include "handlers/names.h"
#include "store/array.h"

enum { MAX_WAIT = 60, LOOK_EACH_MS = 250, REPLY_CAP = 256 << 20 };

struct wanted {
    struct str params[4]; /* of changes_read */
    long long limit, wait;
    int64_t after; /* a change's id; INT64_MAX: the newest there is */
    bool latest;
};

static const char *const types_known[] = {
    "new_tool",    "new_device", "new_tool_on_device", "new_signal", "returned",
    "first_moved", "grew",       "new_signer",         "new_serial", "certificate_rotation"};

bool change_type_check(struct request *request, struct str type, enum err_code code, struct err *err) {
    for (size_t i = 0; i < sizeof types_known / sizeof *types_known; i++)
        if (str_eq(type, str_from(types_known[i])))
            return true;
    request->problem_field = "types";
    return err_set(
        err, code,
        "types: '%.*s' is none of new_tool, new_device, new_tool_on_device, new_signal, returned, first_moved, "
        "grew, new_signer, new_serial, certificate_rotation",
        STR_ARG(type));
}

/* types=new_tool,new_device as an array; all of them to look for a tool's. */
static bool types_read(struct request *request, struct str *array, struct err *err) {
    struct str types = request_query(request, "types");
    bool all = !types.len && request_query(request, "tool").ptr;
    BUF_AUTO out = BUF(65536);
    *array = (struct str){0};
    if (!types.len && !all)
        return true;
    for (size_t i = 0; all && i < sizeof types_known / sizeof *types_known; i++)
        array_add(&out, str_from(types_known[i]));
    for (size_t from = 0, at = 0; !all && at <= types.len; at++)
        if (at == types.len || types.ptr[at] == ',') {
            struct str type = str_trim((struct str){types.ptr + from, at - from});
            if (!change_type_check(request, type, ERR_BAD_PARAMETER, err))
                return false;
            array_add(&out, type);
            from = at + 1;
        }
    array_end(&out);
    *array = out.failed ? (struct str){0} : arena_copy(request->arena, buf_str(&out));
    return array->ptr || err_memory(err);
}

/* latest: only what comes from now on. */
static bool after_read(struct request *request, struct wanted *wanted, struct str cursor, struct err *err) {
    long long after = 0;
    if (cursor.ptr && !str_to_int64(cursor, &after))
        return list_cursor_refuse(request, err);
    wanted->after = !cursor.ptr && wanted->latest ? INT64_MAX : after;
    wanted->params[0] = arena_printf(request->arena, "%" PRId64, wanted->after);
    return wanted->params[0].ptr || err_memory(err);
}

static bool wanted_read(struct request *request, struct wanted *wanted, struct err *err) {
    struct str cursor;
    return tool_parameter(request, &wanted->params[2], err) &&
           list_parameters(request, &wanted->limit, &wanted->params[3], &cursor, err) &&
           request_number(request, "wait", 0, MAX_WAIT, 0, &wanted->wait, err) &&
           request_flag(request, "latest", &wanted->latest, err) && after_read(request, wanted, cursor, err) &&
           types_read(request, &wanted->params[1], err);
}

static struct db_rows *changes_look(struct request *request, const struct wanted *wanted, struct err *err) {
    return statement_run(request, "changes_read", wanted->params, 4, err);
}

/* Long poll: until there is a change, the wait is over, or the server goes. */
static struct db_rows *changes_await(struct request *request, struct wanted *wanted, struct err *err) {
    int64_t until = mono_ms() + wanted->wait * 1000;
    for (;;) {
        struct db_rows *rows = changes_look(request, wanted, err);
        if (!rows || !db_is_null(rows, 0, 2) || mono_ms() >= until || atomic_load(&request->service->draining))
            return rows;
        if (wanted->after == INT64_MAX) { /* "latest": from here on */
            wanted->after = db_int(rows, 0, 0);
            wanted->params[0] = arena_printf(request->arena, "%" PRId64, wanted->after);
        }
        db_rows_free(rows);
        sleep_ms(ms_left(until) < LOOK_EACH_MS ? ms_left(until) : LOOK_EACH_MS);
    }
}

/* Where to go on: behind the last change given; behind all that there are, when no more fit. */
static int64_t next_after(const struct db_rows *rows, const struct wanted *wanted, size_t count) {
    bool more = !db_is_null(rows, 0, 2) && db_count(rows) > count;
    int64_t newest = db_int(rows, 0, 0), after = wanted->after == INT64_MAX ? 0 : wanted->after;
    if (more)
        return db_int(rows, count - 1, 2);
    return newest > after ? newest : after;
}

bool handle_changes(struct request *request, struct reply *reply, struct err *err) {
    static const char *const all[] = {"id",          "at",     "type",   "tool", "device_id",
                                      "device_name", "run_id", "summary", "detail", NULL};
    static const char *const narrow[] = {"at", "type", "tool", "device_name", "summary", NULL};
    struct wanted wanted = {0};
    enum format format;
    if (!wanted_read(request, &wanted, err) || !format_choose(request, &format, err))
        return false;
    DB_ROWS_AUTO *rows = changes_await(request, &wanted, err);
    if (!rows)
        return false;
    size_t count = db_is_null(rows, 0, 2) ? 0 : db_count(rows);
    bool gap = wanted.after > 0 && wanted.after < db_int(rows, 0, 1) - 1;
    count = count > (size_t)wanted.limit ? (size_t)wanted.limit : count;
    struct str *objects = arena_array(request->arena, count + 1, sizeof *objects);
    struct str next = arena_printf(request->arena, "%" PRId64, next_after(rows, &wanted, count));
    if (!objects || !next.ptr)
        return err_memory(err);
    for (size_t r = 0; r < count; r++)
        objects[r] = db_text(rows, r, 3);
    struct list_items items = {.member = "changes",
                               .objects = objects,
                               .count = count,
                               .next = next,
                               .columns = format == FORMAT_TABLE ? narrow : all,
                               .more = gap ? STR(",\"gap\":true") : STR(",\"gap\":false")};
    return list_freshness(request, &items, err) && list_reply_items(request, reply, &items, err);
}
