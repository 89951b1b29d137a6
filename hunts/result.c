#include "hunts/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/url.h"
#include "hunts/freshness.h"
#include "hunts/summary.h"

static void add_timespan(struct buf *out, int64_t ticks) {
    uint64_t size = ticks < 0 ? 0 - (uint64_t)ticks : (uint64_t)ticks;
    uint64_t days = size / (uint64_t)TICKS_DAY, rest = size % (uint64_t)TICKS_DAY;
    buf_add_str(out, ticks < 0 ? STR("\"-") : STR("\""));
    if (days)
        buf_printf(out, "%" PRIu64 ".", days);
    buf_printf(out, "%02u:%02u:%02u", (unsigned)(rest / (uint64_t)TICKS_HOUR),
               (unsigned)(rest / (uint64_t)TICKS_MINUTE % 60), (unsigned)(rest / (uint64_t)TICKS_SECOND % 60));
    if (rest % (uint64_t)TICKS_SECOND)
        buf_printf(out, ".%07u", (unsigned)(rest % (uint64_t)TICKS_SECOND));
    buf_add_char(out, '"');
}

static bool is_number(struct str text) {
    return text.len && (text.ptr[0] == '-' ? text.len > 1 && text.ptr[1] <= '9' : text.ptr[0] <= '9');
}

void result_add_cell(struct buf *out, const struct db_rows *rows, size_t row, size_t column, enum kql_type type) {
    struct str text = db_text(rows, row, column);
    if (db_is_null(rows, row, column) && type != KQL_STRING) {
        buf_add_str(out, STR("null"));
        return;
    }
    switch (type) {
    case KQL_STRING:
    case KQL_GUID: json_add_string(out, text); break;
    case KQL_BOOL: buf_add_str(out, str_eq(text, STR("t")) ? STR("true") : STR("false")); break;
    case KQL_DATETIME: json_add_ticks(out, db_int(rows, row, column)); break;
    case KQL_TIMESPAN: add_timespan(out, db_int(rows, row, column)); break;
    case KQL_REAL:
    case KQL_DECIMAL:
        if (is_number(text))
            buf_add_str(out, text);
        else
            json_add_string(out, text); /* NaN, Infinity: JSON has no number for them */
        break;
    case KQL_LONG:
    case KQL_INT:
    case KQL_DYNAMIC: buf_add_str(out, text); break;
    }
}

void result_add_columns(struct buf *out, const struct kql_program *program) {
    buf_add_char(out, '[');
    for (size_t c = 0; c < program->column_count; c++) {
        json_add_comma(out);
        buf_add_str(out, STR("{\"name\":"));
        json_add_string(out, program->columns[c].name);
        buf_printf(out, ",\"type\":\"%s\"}", kql_type_name(program->columns[c].type));
    }
    buf_add_char(out, ']');
}

static int compare_places(const void *a, const void *b, void *argument) {
    const struct db_rows *rows = argument;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int order = 0;
    for (size_t c = 0; !order && c < db_columns(rows); c++)
        order = str_cmp(db_text(rows, x, c), db_text(rows, y, c));
    return order;
}

/* The database gives rows in any order: unless the query sorts, they are put into one that is the same each time.
 * *places NULL: as they are; else owned by the caller. False: memory is out. */
static bool rows_order(bool ordered, const struct db_rows *rows, size_t **places) {
    size_t count = db_count(rows);
    *places = ordered || !count ? NULL : calloc(count, sizeof **places);
    if (!*places)
        return ordered || !count;
    for (size_t r = 0; r < count; r++)
        (*places)[r] = r;
    qsort_r(*places, count, sizeof **places, compare_places, (void *)(uintptr_t)rows);
    return true;
}

void result_add_rows(struct buf *out, const struct kql_program *program, const struct db_rows *rows) {
    json_add_key(out, "columns");
    result_add_columns(out, program);
    json_add_key(out, "rows");
    buf_add_char(out, '[');
    size_t *order;
    out->failed |= !rows_order(program->ordered, rows, &order);
    for (size_t r = 0; r < db_count(rows); r++) {
        buf_add_str(out, r ? STR(",[") : STR("["));
        for (size_t c = 0; c < program->column_count; c++) {
            if (c)
                buf_add_char(out, ',');
            result_add_cell(out, rows, order ? order[r] : r, c, program->columns[c].type);
        }
        buf_add_char(out, ']');
    }
    free(order);
    buf_add_char(out, ']');
}

static void add_figures(struct buf *out, const struct summary *summary) {
    json_add_ticks_member(out, "first_seen", summary->first);
    json_add_ticks_member(out, "last_seen", summary->last);
    json_add_int_member(out, "count", summary->count);
    json_add_key(out, "report_ids");
    buf_add_char(out, '[');
    for (size_t i = 0; i < summary->report_count; i++)
        buf_printf(out, "%s\"%" PRId64 "\"", i ? "," : "", summary->reports[i]);
    buf_add_char(out, ']');
}

static void add_keys(struct buf *out, const struct summaries *table, size_t row) {
    const struct kql_program *program = table->context->program;
    json_add_key(out, "keys");
    buf_add_char(out, '{');
    for (size_t c = 0; c < program->column_count; c++)
        if (program->columns[c].role == ROLE_KEY) {
            json_add_comma(out);
            json_add_string(out, program->columns[c].name);
            buf_add_char(out, ':');
            result_add_cell(out, table->rows, row, c, program->columns[c].type);
        }
    buf_add_char(out, '}');
}

static bool add_groups(struct buf *out, const struct summaries *table, const struct device *device) {
    json_add_key(out, "groups");
    buf_add_char(out, '[');
    for (size_t i = 0; i < device->row_count; i++) {
        struct summary group = {.first = -1, .last = -1};
        if (!summary_add_row(table, &group, device->rows[i]))
            return false;
        summary_finish(&group);
        json_add_comma(out);
        buf_add_char(out, '{');
        add_keys(out, table, device->rows[i]);
        add_figures(out, &group);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return true;
}

static void add_links(struct buf *out, const struct summaries *table, const struct summary *summary) {
    char first[TICKS_TEXT] = "", last[TICKS_TEXT] = "";
    if (table->context->run_id) {
        json_add_key(out, "evidence");
        buf_add_str(out, STR("{\"url\":\"/v1/devices/"));
        url_add_part(out, summary->device_id);
        buf_printf(out, "/evidence?run=%" PRId64 "&hunt=", table->context->run_id);
        url_add_part(out, table->context->hunt->slug);
        buf_add_str(out, STR("\"}"));
    }
    json_add_key(out, "portal");
    buf_add_str(out, STR("\"https://security.microsoft.com/machines/"));
    url_add_part(out, summary->device_id);
    if (summary->first >= 0 && summary->last >= 0) {
        ticks_print(summary->first, first);
        ticks_print(summary->last, last);
        buf_printf(out, "/timeline?from=%s&to=%s", first, last);
    }
    buf_add_char(out, '"');
}

static bool add_devices(struct buf *out, const struct summaries *table) {
    json_add_key(out, "devices");
    buf_add_char(out, '[');
    for (size_t i = 0; i < table->device_count; i++) {
        const struct device *device = &table->devices[i];
        json_add_comma(out);
        buf_add_char(out, '{');
        json_add_string_member(out, "device_id", device->total.device_id);
        json_add_string_member(out, "device_name", device->total.device_name);
        json_add_string_member(out, "machine_group", device->total.machine_group);
        add_figures(out, &device->total);
        buf_add_str(out, STR(",\"keys\":{}"));
        if (table->keyed && !add_groups(out, table, device))
            return false;
        buf_add_str(out, STR(",\"state\":\"visible\""));
        add_links(out, table, &device->total);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return true;
}

static void add_hunt(struct buf *out, const struct result_context *context) {
    const struct {
        const char *key;
        struct str value;
    } members[] = {{"id", context->hunt->id},
                   {"slug", context->hunt->slug},
                   {"name", context->hunt->name},
                   {"tool", context->hunt->tool},
                   {"signal", context->hunt->signal}};
    json_add_key(out, "hunt");
    buf_add_char(out, '{');
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_add_string_member(out, members[i].key, members[i].value);
    }
    json_add_int_member(out, "version", context->version);
    buf_add_char(out, '}');
}

static void add_head(struct buf *out, const struct result_context *context) {
    if (context->run_id) {
        json_add_key(out, "run_id");
        buf_printf(out, "\"%" PRId64 "\"", context->run_id);
    }
    json_add_key(out, "state");
    buf_add_str(out, STR("\"succeeded\""));
    json_add_ticks_member(out, "as_of", context->as_of);
    json_add_key(out, "window");
    buf_add_str(out, STR("{\"from\":"));
    json_add_ticks(out, result_window_start(context));
    buf_add_str(out, STR(",\"to\":"));
    json_add_ticks(out, result_window_end(context));
    if (context->from >= 0 || context->to >= 0) {
        buf_add_str(out, STR(",\"requested\":{\"from\":"));
        json_add_ticks(out, context->from);
        buf_add_str(out, STR(",\"to\":"));
        json_add_ticks(out, context->to);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
    add_hunt(out, context);
}

/* "no_data": nothing could be found, as no table that was read has an event in the window. Behind freshness_add. */
static void add_verdict(struct buf *out, const struct summaries *table) {
    const struct kql_program *program = table->context->program;
    bool data = !program->tables;
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        data = data || (program->tables & 1u << t && table->context->freshness[t].has_events);
    json_add_key(out, "verdict");
    if (table->device_count || (data && db_count(table->rows)))
        buf_add_str(out, STR("\"hits\""));
    else
        buf_add_str(out, data ? STR("\"no_hits\"") : STR("\"no_data\""));
}

void result_add_warnings(struct buf *out, const struct kql_program *program, size_t query_line) {
    for (size_t i = 0; i < program->warning_count; i++) {
        const struct kql_warning *warning = &program->warnings[i];
        json_add_comma(out);
        buf_printf(out, "{\"line\":%u,\"column\":%u", warning->line, warning->column);
        if (query_line)
            buf_printf(out, ",\"file_line\":%zu", query_line + warning->line - 1);
        json_add_string_member(out, "message", warning->text);
        buf_add_char(out, '}');
    }
}

/* Behind freshness_add. */
static void add_warnings(struct buf *out, const struct result_context *context) {
    json_add_key(out, "warnings");
    buf_add_char(out, '[');
    result_add_warnings(out, context->program, context->hunt->query_line);
    if (context->from >= 0 && context->program->window_from > context->from) {
        json_add_comma(out);
        buf_add_str(out, STR("{\"message\":\"the query's own time filter starts later than the requested from; set "
                             "as_of to move it\"}"));
    }
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        if (context->program->tables & 1u << t)
            freshness_add_gone(out, t, &context->freshness[t].gone);
    buf_add_char(out, ']');
}

/* The first of a hunt's late rows, which come by its id; behind all of them when it has none. */
static size_t late_first(const struct db_rows *late, struct str hunt) {
    size_t from = 0, to = db_count(late);
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (str_cmp(db_text(late, middle, 0), hunt) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Events that came after an earlier run had answered for their time. Beside the summaries, which don't depend on when
 * events came. */
static void add_late(struct buf *out, const struct result_context *context) {
    json_add_key(out, "late");
    buf_add_char(out, '[');
    for (size_t r = late_first(context->late, context->hunt->id);
         r < db_count(context->late) && str_eq(db_text(context->late, r, 0), context->hunt->id); r++) {
        json_add_comma(out);
        buf_add_str(out, STR("{\"device_id\":"));
        json_add_string(out, db_text(context->late, r, 1));
        json_add_string_member(out, "device_name", db_text(context->late, r, 2));
        json_add_int_member(out, "count", db_int(context->late, r, 3));
        json_add_ticks_member(out, "first_seen", db_int(context->late, r, 4));
        json_add_ticks_member(out, "last_seen", db_int(context->late, r, 5));
        json_add_key(out, "report_ids");
        buf_add_str(out, db_text(context->late, r, 6));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

struct result *result_prepare(struct arena *arena, const struct result_context *context, const struct db_rows *rows,
                              struct err *err) {
    struct result *result = arena_take(arena, sizeof *result);
    if (!result) {
        err_memory(err);
        return NULL;
    }
    result->context = *context;
    result->summaries = (struct summaries){.arena = arena, .context = &result->context, .rows = rows};
    return summaries_make(&result->summaries, ROLE_DEVICE_ID, err) ? result : NULL;
}

bool result_write(const struct result *result, struct db_conn *conn, int64_t deadline_ms, struct buf *out,
                  struct err *err) {
    const struct result_context *context = &result->context;
    const struct summaries *table = &result->summaries;
    buf_add_char(out, '{');
    add_head(out, context);
    if (!add_devices(out, table))
        return err_memory(err);
    result_add_rows(out, context->program, table->rows);
    if (!freshness_add(out, context, conn, deadline_ms, err))
        return false;
    add_late(out, context);
    add_verdict(out, table);
    add_warnings(out, context);
    buf_add_char(out, '}');
    return !out->failed || err_set(err, ERR_LIMIT, "the result is over %zu MiB; narrow the window or the hunt",
                                   out->cap >> 20);
}
