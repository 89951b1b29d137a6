/* /v1/devices, /v1/findings: what the ledger knows. */
#include "store/devices.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "handlers/device_page.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/names.h"
#include "handlers/service.h"

enum { READ_MS = 10000, TEXT_CAP = 512 << 20, NARROW = 100, WIDE = 140 };

static const char states[] = "new,known,quiet,returned";
static const char signals[] = "signature,process,network,other"; /* other: a hunt that names none */

/* ?as_of=: the time that states are told from, by what was seen by then; else, by all there is, the end of the minute
 * under way: within it an answer stays the same. */
static bool now_read(struct request *request, int64_t *now, bool *past, struct err *err) {
    struct str text = request_query(request, "as_of");
    *now = (ticks_now() / TICKS_MINUTE + 1) * TICKS_MINUTE;
    *past = text.ptr != NULL;
    if (!*past)
        return true;
    request->problem_field = "as_of";
    if (!ticks_parse_loose(text, now))
        return err_set(err, ERR_BAD_PARAMETER, "as_of must be a time such as 2026-07-20T00:00:00Z");
    struct db_conn *conn = db_take(request->service->db, mono_ms() + READ_MS, err);
    bool ok = conn && devices_past_check(conn, *now, mono_ms() + READ_MS, err);
    db_give(conn);
    if (ok)
        request->problem_field = NULL;
    return ok;
}

/* ?since=: a time, or a timespan before now. */
static bool since_read(struct request *request, struct str *ticks, struct err *err) {
    struct str text = request_query(request, "since");
    int64_t since, span;
    *ticks = (struct str){0};
    if (!text.ptr)
        return true;
    if (timespan_parse(text, &span))
        since = ticks_now() / TICKS_MINUTE * TICKS_MINUTE - span;
    else if (!ticks_parse_loose(text, &since)) {
        request->problem_field = "since";
        return err_set(err, ERR_BAD_PARAMETER, "since must be a time such as 2026-07-20T00:00:00Z or a timespan such as 7d");
    }
    *ticks = arena_printf(request->arena, "%" PRId64, since);
    return ticks->ptr || err_memory(err);
}

/* What both lists have. */
static bool filter_read(struct request *request, struct devices_filter *filter, long long *limit, struct err *err) {
    *filter = (struct devices_filter){.group = request_query(request, "group")};
    return tool_parameter(request, &filter->tool, err) &&
           request_choice(request, "signal", signals, &filter->signal, err) &&
           request_choice(request, "state", states, &filter->state, err) &&
           now_read(request, &filter->now, &filter->past, err) &&
           list_parameters(request, limit, &filter->limit, &filter->cursor, err);
}

static bool devices_filter_read(struct request *request, struct devices_filter *filter, long long *limit,
                                struct err *err) {
    long long tools;
    if (!request_number(request, "min_tools", 0, 100000, 0, &tools, err) || !filter_read(request, filter, limit, err))
        return false;
    filter->q = request_query(request, "q");
    filter->min_tools = request_query(request, "min_tools");
    filter->sort = request_query(request, "sort");
    return since_read(request, &filter->since, err);
}

typedef struct db_rows *list_read(struct db_conn *conn, const struct devices_filter *filter, int64_t deadline_ms,
                                  struct err *err);

static struct db_rows *filter_run(struct request *request, list_read *read, const struct devices_filter *filter,
                                  struct err *err) {
    struct db_conn *conn = db_take(request->service->db, mono_ms() + READ_MS, err);
    struct db_rows *rows = conn ? read(conn, filter, mono_ms() + READ_MS, err) : NULL;
    db_give(conn);
    return rows;
}

static void add_text(struct buf *out, const char *name, struct str value) {
    json_add_key(out, name);
    json_add_string(out, value);
}

static void add_ticks(struct buf *out, const char *name, int64_t ticks) {
    json_add_key(out, name);
    json_add_ticks(out, ticks);
}

static void add_json(struct buf *out, const char *name, struct str json) {
    json_add_key(out, name);
    buf_add_str(out, json);
}

static void add_optional(struct buf *out, const char *name, const struct db_rows *rows, size_t row, size_t column) {
    json_add_key(out, name);
    if (db_is_null(rows, row, column))
        buf_add_str(out, STR("null"));
    else
        json_add_string(out, db_text(rows, row, column));
}

static void add_tool(struct buf *out, const struct db_rows *rows, size_t row) {
    json_add_comma(out);
    buf_add_char(out, '{');
    add_text(out, "tool", db_text(rows, row, DEVICES_TOOL));
    add_json(out, "signals", db_text(rows, row, DEVICES_TOOL_SIGNALS));
    add_text(out, "seen_by", db_text(rows, row, DEVICES_TOOL_SEEN_BY));
    add_ticks(out, "first_seen", db_int(rows, row, DEVICES_TOOL_FIRST_SEEN));
    add_ticks(out, "last_seen", db_int(rows, row, DEVICES_TOOL_LAST_SEEN));
    add_json(out, "count", db_text(rows, row, DEVICES_TOOL_COUNT));
    add_optional(out, "state", rows, row, DEVICES_TOOL_STATE);
    buf_add_char(out, '}');
}

/* The device of the row, which has its tools in that one and those behind; the row behind them. */
static size_t add_device(struct buf *out, const struct db_rows *rows, size_t row) {
    struct str id = db_text(rows, row, DEVICES_ID);
    buf_add_char(out, '{');
    add_text(out, "device_id", id);
    add_text(out, "device_name", db_text(rows, row, DEVICES_NAME));
    add_text(out, "machine_group", db_text(rows, row, DEVICES_GROUP));
    add_ticks(out, "first_seen", db_int(rows, row, DEVICES_FIRST_SEEN));
    add_ticks(out, "last_seen", db_int(rows, row, DEVICES_LAST_SEEN));
    add_optional(out, "last_event_day", rows, row, DEVICES_LAST_EVENT_DAY);
    add_json(out, "silent", str_eq(db_text(rows, row, DEVICES_SILENT), STR("t")) ? STR("true") : STR("false"));
    add_json(out, "tools", STR("["));
    struct str flags = db_text(rows, row, DEVICES_FLAGS);
    for (; row < db_count(rows) && str_eq(db_text(rows, row, DEVICES_ID), id); row++)
        add_tool(out, rows, row);
    buf_add_char(out, ']');
    add_json(out, "flags", flags);
    buf_add_char(out, '}');
    return row;
}

static bool devices_reply(struct request *request, struct reply *reply, const struct db_rows *rows, long long limit,
                          const char *const *columns, struct err *err) {
    BUF_AUTO text = BUF(TEXT_CAP);
    size_t row = 0, last = 0, count = 0, *ends = arena_array(request->arena, (size_t)limit + 1, sizeof *ends);
    struct str *objects = arena_array(request->arena, (size_t)limit + 1, sizeof *objects);
    if (!ends || !objects)
        return err_memory(err);
    for (; row < db_count(rows) && count < (size_t)limit; ends[count++] = text.len) {
        last = row;
        row = add_device(&text, rows, row);
    }
    if (text.failed)
        return err_memory(err);
    for (size_t i = 0, from = 0; i < count; from = ends[i++])
        objects[i] = (struct str){text.ptr + from, ends[i] - from};
    struct list_items items = {.member = "devices",
                               .objects = objects,
                               .count = count,
                               .columns = columns,
                               .next = row < db_count(rows) ? db_text(rows, last, DEVICES_CURSOR) : (struct str){0}};
    return list_freshness(request, &items, err) && list_reply_items(request, reply, &items, err);
}

/* On a narrow terminal an id would be cut, which is of no use; who asks for a device by its name is told the id. */
static const char *const *devices_columns(const struct request *request, enum format format) {
    static const char *const all[] = {"device_id", "device_name",    "machine_group", "tools", "first_seen",
                                      "last_seen", "last_event_day", "silent",        NULL};
    static const char *const wide[] = {"device_name", "tools", "last_seen", "device_id", NULL};
    static const char *const narrow[] = {"device_name", "tools", "last_seen", "silent", NULL};
    if (format != FORMAT_TABLE)
        return all;
    return request->width && request->width < NARROW ? narrow : wide;
}

bool handle_devices_list(struct request *request, struct reply *reply, struct err *err) {
    struct devices_filter filter;
    enum format format;
    long long limit;
    if (!devices_filter_read(request, &filter, &limit, err) || !format_choose(request, &format, err))
        return false;
    DB_ROWS_AUTO *rows = filter_run(request, devices_list, &filter, err);
    if (!rows && err->code == ERR_BAD_PARAMETER)
        request->problem_field = "sort";
    return rows && (db_count(rows) || group_seen(request, filter.group, err)) &&
           devices_reply(request, reply, rows, limit, devices_columns(request, format), err);
}

bool handle_device_get(struct request *request, struct reply *reply, struct err *err) {
    int64_t now;
    bool past, page;
    if (!now_read(request, &now, &past, err) || !format_choose_one(request, &page, err))
        return false;
    struct str params[3] = {request_path_parameter(request, "id"), arena_printf(request->arena, "%" PRId64, now),
                            past ? STR("true") : STR("false")};
    if (!params[1].ptr)
        return err_memory(err);
    DB_ROWS_AUTO *rows = statement_run(request, "device_read", params, 3, err);
    if (rows && !db_count(rows))
        return device_seen(request, params[0], err) &&
               err_set(err, ERR_NOT_FOUND, "device '%.*s' sends events, but no hunt found anything on it", STR_ARG(params[0]));
    return rows &&
           (page ? device_page(request, reply, db_text(rows, 0, 0), err) : json_reply(reply, db_text(rows, 0, 0), err));
}

/* A table leaves out what matters least where the device's name would else be cut to a few letters. */
static const char *const *findings_columns(const struct request *request, enum format format) {
    static const char *const all[] = {"device_id", "device_name", "machine_group", "tool",  "signal",
                                      "state",     "silent",      "count",         "exact", "days",
                                      "runs",      "first_seen",  "last_seen",     NULL};
    static const char *const wide[] = {"device_name", "tool",       "signal",    "state",     "count",
                                       "runs",        "first_seen", "last_seen", "device_id", NULL};
    static const char *const narrow[] = {"device_name", "tool", "signal", "state", "count", "last_seen", NULL};
    if (format != FORMAT_TABLE)
        return all;
    return request->width >= WIDE ? wide : narrow;
}

bool handle_findings_list(struct request *request, struct reply *reply, struct err *err) {
    struct devices_filter filter;
    enum format format;
    long long limit;
    if (!filter_read(request, &filter, &limit, err) || !format_choose(request, &format, err))
        return false;
    filter.device = request_query(request, "device");
    struct list_items items = {.member = "findings", .columns = findings_columns(request, format)};
    DB_ROWS_AUTO *rows = filter_run(request, findings_list, &filter, err);
    return rows &&
           (db_count(rows) || (group_seen(request, filter.group, err) && device_seen(request, filter.device, err))) &&
           list_freshness(request, &items, err) && list_reply_rows(request, reply, &items, rows, limit, err);
}
