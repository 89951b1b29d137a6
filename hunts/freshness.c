#include "hunts/freshness.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/presence.h"

int64_t result_window_start(const struct result_context *context) {
    int64_t own = context->program->window_from;
    return own > context->from ? own : context->from;
}

int64_t result_window_end(const struct result_context *context) {
    int64_t own = context->program->window_to;
    if (own < 0 || (context->to >= 0 && context->to < own))
        own = context->to;
    return own < 0 ? context->as_of : own;
}

/* What a table has in the window, to the tick. repeated: one plan for all windows will do. */
static struct db_rows *window_ask(struct db_conn *conn, size_t t, const char *what, const char *most,
                                  const int64_t window[2], bool repeated, int64_t deadline_ms, struct err *err) {
    BUF_AUTO sql = BUF(256);
    char first[24], last[24];
    snprintf(first, sizeof first, "%" PRId64, window[0]);
    snprintf(last, sizeof last, "%" PRId64, window[1]);
    struct str params[] = {str_from(first), str_from(last)};
    buf_printf(&sql, "SELECT %s FROM data.%s WHERE ts BETWEEN $1::bigint AND $2::bigint%s", what,
               schema_tables()[t].sql, most);
    if (!buf_cstr(&sql)) {
        err_memory(err);
        return NULL;
    }
    return repeated ? db_query_repeated(conn, sql.ptr, params, 2, deadline_ms, err)
                    : db_query(conn, sql.ptr, params, 2, deadline_ms, err);
}

static bool any_event(struct db_conn *conn, size_t t, const int64_t window[2], int64_t deadline_ms, bool *any,
                      struct err *err) {
    DB_ROWS_AUTO *rows = window_ask(conn, t, "1", " LIMIT 1", window, true, deadline_ms, err);
    *any = db_count(rows) > 0;
    return rows != NULL;
}

/* Devices in a window of less than a day: of longer ones the days that they touch are near enough, and known. */
static bool devices_count(struct db_conn *conn, size_t t, const int64_t window[2], int64_t deadline_ms,
                          int64_t *devices, struct err *err) {
    DB_ROWS_AUTO *rows = window_ask(conn, t, "count(DISTINCT device)", "", window, false, deadline_ms, err);
    if (rows)
        *devices = db_int(rows, 0, 0);
    return rows != NULL;
}

/* A window without a start asks for what is kept, and misses nothing. */
static bool gone_read(const struct result_context *context, struct db_conn *conn, size_t t, struct presence_gone *gone,
                      int64_t deadline_ms, struct err *err) {
    int64_t from = result_window_start(context), to = result_window_end(context);
    return from <= 0 || presence_gone_read(conn, t, from / TICKS_DAY, to / TICKS_DAY, gone, deadline_ms, err);
}

/* One table's freshness over the window, unless the run has read it already. */
static bool table_read(const struct result_context *context, struct db_conn *conn, size_t t, int64_t deadline_ms,
                       struct err *err) {
    struct result_freshness *freshness = &context->freshness[t];
    int64_t from = result_window_start(context) < 0 ? 0 : result_window_start(context), to = result_window_end(context);
    struct presence presence;
    if (freshness->known && freshness->from == from && freshness->to == to)
        return true;
    if (!presence_read(conn, t, from / TICKS_DAY, to / TICKS_DAY, &presence, deadline_ms, err))
        return false;
    *freshness = (struct result_freshness){.known = true,
                                           .from = from,
                                           .to = to,
                                           .newest_event = presence.newest_event,
                                           .newest_arrival = presence.newest_arrival,
                                           .devices_reporting = presence.devices};
    if (!gone_read(context, conn, t, &freshness->gone, deadline_ms, err))
        return false;
    const int64_t window[] = {from, to};
    if (presence.rows && !any_event(conn, t, window, deadline_ms, &freshness->has_events, err))
        return false;
    if (!freshness->has_events)
        freshness->devices_reporting = 0;
    return !freshness->has_events || to - from >= TICKS_DAY ||
           devices_count(conn, t, window, deadline_ms, &freshness->devices_reporting, err);
}

static bool add_table(struct buf *out, const struct result_context *context, struct db_conn *conn, size_t t,
                                int64_t deadline_ms, struct err *err) {
    const struct result_freshness *freshness = &context->freshness[t];
    if (!table_read(context, conn, t, deadline_ms, err))
        return false;
    json_add_key(out, schema_tables()[t].name);
    buf_add_str(out, STR("{\"newest_event\":"));
    json_add_ticks(out, freshness->newest_event);
    buf_add_str(out, STR(",\"newest_arrival\":"));
    json_add_ticks(out, freshness->newest_arrival);
    buf_printf(out, ",\"devices_reporting\":%" PRId64 ",\"has_events\":%s}", freshness->devices_reporting,
               freshness->has_events ? "true" : "false");
    return true;
}

bool freshness_add(struct buf *out, const struct result_context *context, struct db_conn *conn,
                          int64_t deadline_ms, struct err *err) {
    json_add_key(out, "freshness");
    buf_add_char(out, '{');
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        if (context->program->tables & 1u << t && !add_table(out, context, conn, t, deadline_ms, err))
            return false;
    buf_add_char(out, '}');
    return true;
}

void freshness_add_gone(struct buf *out, size_t t, const struct presence_gone *gone) {
    char from[TICKS_TEXT], to[TICKS_TEXT];
    if (!gone->days)
        return;
    ticks_print(gone->from, from);
    ticks_print(gone->to, to);
    json_add_comma(out);
    buf_printf(out,
               "{\"code\":\"events_deleted\",\"table\":\"%s\",\"from\":\"%.10s\",\"to\":\"%.10s\",\"days\":%" PRId64
               ",\"message\":\"retention has deleted events of %s of %" PRId64
               " day%s, %.10s to %.10s: what they would show "
               "is missing here\"}",
               schema_tables()[t].name, from, to, gone->days, schema_tables()[t].name, gone->days,
               gone->days == 1 ? "" : "s", from, to);
}

bool freshness_warn(struct buf *out, const struct result_context *context, struct db_conn *conn, int64_t deadline_ms,
                    struct err *err) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        struct presence_gone gone = {0};
        if (!(context->program->tables & 1u << t))
            continue;
        if (!gone_read(context, conn, t, &gone, deadline_ms, err))
            return false;
        freshness_add_gone(out, t, &gone);
    }
    return true;
}
