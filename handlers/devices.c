/* /v1/devices, /v1/findings: what the ledger knows. */
#include "store/devices.h"

#include <inttypes.h>

#include "base/clock.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/service.h"
#include "handlers/tool.h"

enum { READ_MS = 10000 };

static const char states[] = "new,known,quiet,returned";
static const char signals[] = "signature,process,network,other"; /* other: a hunt that names none */

/* ?as_of=: the time that states are told from, else now. */
static bool now_read(struct request *request, struct str *ticks, struct err *err) {
    struct str text = request_query(request, "as_of");
    int64_t now = ticks_now();
    request->problem_field = "as_of";
    if (text.ptr && !ticks_parse_loose(text, &now))
        return err_set(err, ERR_BAD_PARAMETER, "as_of must be a time such as 2026-07-20T00:00:00Z");
    request->problem_field = NULL;
    *ticks = arena_printf(request->arena, "%" PRId64, now);
    return ticks->ptr || err_memory(err);
}

/* ?since=: a time, or a timespan before now. */
static bool since_read(struct request *request, struct str *ticks, struct err *err) {
    struct str text = request_query(request, "since");
    int64_t since, span;
    *ticks = (struct str){0};
    if (!text.ptr)
        return true;
    if (timespan_parse(text, &span))
        since = ticks_now() - span;
    else if (!ticks_parse_loose(text, &since)) {
        request->problem_field = "since";
        return err_set(err, ERR_BAD_PARAMETER, "since must be a time such as 2026-07-20T00:00:00Z or a timespan such as 7d");
    }
    *ticks = arena_printf(request->arena, "%" PRId64, since);
    return ticks->ptr || err_memory(err);
}

static bool filter_read(struct request *request, struct devices_filter *filter, long long *limit, struct err *err) {
    long long tools;
    *filter = (struct devices_filter){.group = request_query(request, "group"),
                                      .q = request_query(request, "q"),
                                      .min_tools = request_query(request, "min_tools"),
                                      .sort = request_query(request, "sort")};
    return tool_parameter(request, &filter->tool, err) &&
           request_number(request, "min_tools", 0, 100000, 0, &tools, err) &&
           request_choice(request, "signal", signals, &filter->signal, err) &&
           request_choice(request, "state", states, &filter->state, err) && since_read(request, &filter->since, err) &&
           now_read(request, &filter->now, err) &&
           list_parameters(request, limit, &filter->limit, &filter->cursor, err);
}

bool handle_devices_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const all[] = {"device_id", "device_name", "machine_group", "tools", "first_seen", "last_seen", NULL};
    static const char *const narrow[] = {"device_name", "tools", "last_seen", "device_id", NULL};
    struct devices_filter filter;
    enum format format;
    long long limit;
    if (!filter_read(request, &filter, &limit, err) || !format_choose(request, &format, err))
        return false;
    struct db_conn *conn = db_take(request->service->db, mono_ms() + READ_MS, err);
    DB_ROWS_AUTO *rows = conn ? devices_list(conn, &filter, mono_ms() + READ_MS, err) : NULL;
    db_give(conn);
    if (!rows && err->code == ERR_BAD_PARAMETER)
        request->problem_field = "sort";
    return rows && list_reply(request, reply, "devices", rows, limit, format == FORMAT_TABLE ? narrow : all, err);
}

bool handle_device_get(struct request *request, struct reply *reply, struct err *err) {
    struct str params[2] = {request_path_parameter(request, "id")};
    if (!now_read(request, &params[1], err))
        return false;
    DB_ROWS_AUTO *rows = statement_run(request, "device_read", params, 2, err);
    if (rows && !db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "no finding on a device '%.*s'; GET /v1/devices lists those with findings",
                       STR_ARG(params[0]));
    return rows && json_reply(reply, db_text(rows, 0, 0), err);
}

bool handle_findings_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const all[] = {"device_id", "device_name", "machine_group", "tool", "signal", "state", "count", "exact", "days", "runs", "first_seen", "last_seen", NULL};
    static const char *const narrow[] = {"device_name", "tool", "signal", "state", "count", "runs", "first_seen", "last_seen", NULL};
    enum format format;
    long long limit;
    struct str params[8] = {[4] = request_query(request, "device"), [5] = request_query(request, "group")};
    if (!now_read(request, &params[0], err) || !tool_parameter(request, &params[1], err) ||
        !request_choice(request, "signal", signals, &params[2], err) ||
        !request_choice(request, "state", states, &params[3], err) ||
        !list_parameters(request, &limit, &params[7], &params[6], err) || !format_choose(request, &format, err))
        return false;
    DB_ROWS_AUTO *rows = statement_run(request, "findings_list", params, 8, err);
    return rows && list_reply(request, reply, "findings", rows, limit, format == FORMAT_TABLE ? narrow : all, err);
}
