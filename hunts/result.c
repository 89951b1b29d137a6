#include "hunts/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/url.h"
#include "store/array.h"

/* What one or more rows say of a device. */
struct summary {
    struct str device_id, device_name, machine_group;
    int64_t first, last, count;
    int64_t *reports; /* ascending, distinct once sorted */
    size_t report_count, report_room;
};

struct device {
    struct summary total;
    const size_t *rows; /* places in the result */
    size_t row_count;
};

struct table {
    struct arena *arena;
    const struct result_context *context;
    const struct db_rows *rows;
    struct device *devices;
    size_t device_count;
    bool keyed; /* the hunt groups by more than the device */
};

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
 * NULL: as they are. Owned by the caller. */
static size_t *rows_order(bool ordered, const struct db_rows *rows) {
    size_t count = db_count(rows);
    size_t *places = ordered || !count ? NULL : calloc(count, sizeof *places);
    for (size_t r = 0; places && r < count; r++)
        places[r] = r;
    if (places)
        qsort_r(places, count, sizeof *places, compare_places, (void *)(uintptr_t)rows);
    return places;
}

void result_add_rows(struct buf *out, const struct kql_program *program, const struct db_rows *rows) {
    json_add_key(out, "columns");
    result_add_columns(out, program);
    json_add_key(out, "rows");
    buf_add_char(out, '[');
    size_t *order = rows_order(program->ordered, rows);
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

static bool report_add(struct arena *arena, struct summary *summary, int64_t report) {
    if (summary->report_count == summary->report_room) {
        size_t room = summary->report_room ? summary->report_room * 2 : 8;
        int64_t *grown = arena_array(arena, room, sizeof *grown);
        if (!grown)
            return false;
        if (summary->report_count)
            memcpy(grown, summary->reports, summary->report_count * sizeof *grown);
        summary->reports = grown;
        summary->report_room = room;
    }
    summary->reports[summary->report_count++] = report;
    return true;
}

/* make_set's JSON array of integers. */
static bool reports_add(struct arena *arena, struct summary *summary, struct str json) {
    size_t at = 0;
    while (at < json.len) {
        size_t from = at;
        while (at < json.len && (json.ptr[at] == '-' || (json.ptr[at] >= '0' && json.ptr[at] <= '9')))
            at++;
        long long report;
        if (at > from && str_to_int64((struct str){json.ptr + from, at - from}, &report) &&
            !report_add(arena, summary, report))
            return false;
        at += at == from;
    }
    return true;
}

static void time_add(struct summary *summary, const struct db_rows *rows, size_t row, size_t column, bool first,
                     bool last) {
    if (db_is_null(rows, row, column))
        return;
    int64_t ticks = db_int(rows, row, column);
    if (first && (summary->first < 0 || ticks < summary->first))
        summary->first = ticks;
    if (last && ticks > summary->last)
        summary->last = ticks;
}

static bool row_add(const struct table *table, struct summary *summary, size_t row) {
    const struct kql_program *program = table->context->program;
    int64_t count = 1;
    bool ok = true;
    for (size_t c = 0; c < program->column_count; c++)
        switch (program->columns[c].role) {
        case ROLE_DEVICE_ID: summary->device_id = db_text(table->rows, row, c); break;
        case ROLE_DEVICE_NAME:
            if (!summary->device_name.len)
                summary->device_name = db_text(table->rows, row, c);
            break;
        case ROLE_FIRST: time_add(summary, table->rows, row, c, true, false); break;
        case ROLE_LAST: time_add(summary, table->rows, row, c, false, true); break;
        case ROLE_TIMESTAMP: time_add(summary, table->rows, row, c, true, true); break;
        case ROLE_REPORTS: ok = ok && reports_add(table->arena, summary, db_text(table->rows, row, c)); break;
        case ROLE_REPORT:
            ok = ok && (db_is_null(table->rows, row, c) ||
                        report_add(table->arena, summary, db_int(table->rows, row, c)));
            break;
        case ROLE_COUNT: count = db_int(table->rows, row, c); break;
        case ROLE_NONE:
        case ROLE_KEY: break;
        }
    summary->count += count;
    return ok;
}

static int compare_int64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void reports_sort(struct summary *summary) {
    size_t kept = 0;
    if (summary->report_count)
        qsort(summary->reports, summary->report_count, sizeof *summary->reports, compare_int64);
    for (size_t i = 0; i < summary->report_count; i++)
        if (!kept || summary->reports[kept - 1] != summary->reports[i])
            summary->reports[kept++] = summary->reports[i];
    summary->report_count = kept;
}

struct keyed_row {
    struct str device_id;
    size_t row;
};

/* Groups of a device come in the order of their keys, as the database gives rows in any order. */
static int compare_rows(const void *a, const void *b, void *arg) {
    const struct keyed_row *x = a, *y = b;
    const struct table *table = arg;
    const struct kql_program *program = table->context->program;
    int order = str_cmp(x->device_id, y->device_id);
    for (size_t c = 0; !order && c < program->column_count; c++)
        if (program->columns[c].role == ROLE_KEY || program->columns[c].role == ROLE_DEVICE_NAME)
            order = str_cmp(db_text(table->rows, x->row, c), db_text(table->rows, y->row, c));
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static bool summaries_make(struct table *table, const struct keyed_row *keyed, size_t *places, size_t count) {
    struct device *device = NULL;
    for (size_t i = 0; i < count; i++) {
        places[i] = keyed[i].row;
        if (!device || !str_eq(keyed[i].device_id, device->total.device_id)) {
            device = &table->devices[table->device_count++];
            *device = (struct device){.total = {.first = -1, .last = -1}, .rows = &places[i]};
        }
        device->row_count++;
        if (!row_add(table, &device->total, keyed[i].row))
            return false;
    }
    for (size_t i = 0; i < table->device_count; i++)
        reports_sort(&table->devices[i].total);
    return true;
}

static int role_column(const struct kql_program *program, enum kql_role role) {
    for (size_t c = 0; c < program->column_count; c++)
        if (program->columns[c].role == role)
            return (int)c;
    return -1;
}

static bool devices_make(struct table *table, struct err *err) {
    size_t count = db_count(table->rows);
    int column = role_column(table->context->program, ROLE_DEVICE_ID);
    table->keyed = role_column(table->context->program, ROLE_KEY) >= 0;
    if (column < 0 || !count)
        return true;
    struct keyed_row *keyed = arena_array(table->arena, count, sizeof *keyed);
    size_t *places = arena_array(table->arena, count, sizeof *places);
    table->devices = arena_array(table->arena, count, sizeof *table->devices);
    if (!keyed || !places || !table->devices)
        return err_memory(err);
    for (size_t r = 0; r < count; r++)
        keyed[r] = (struct keyed_row){db_text(table->rows, r, (size_t)column), r};
    qsort_r(keyed, count, sizeof *keyed, compare_rows, table);
    return summaries_make(table, keyed, places, count) || err_memory(err);
}

/* The machine group that a device had at its last sighting; the tables that the hunt read are asked one by one. */
static bool groups_find(struct table *table, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    BUF_AUTO ids = BUF(64u << 20), times = BUF(64u << 20), sql = BUF(4096);
    for (size_t i = 0; i < table->device_count; i++) {
        array_add(&ids, table->devices[i].total.device_id);
        array_add_int(&times, table->devices[i].total.last);
    }
    array_end(&ids);
    array_end(&times);
    struct str params[] = {buf_str(&ids), buf_str(&times)};
    for (size_t t = 0; table->device_count && t < SCHEMA_TABLES; t++) {
        if (!(table->context->program->tables & 1u << t))
            continue;
        sql.len = 0;
        buf_printf(&sql,
                   "SELECT u.n - 1, max(h.machine_group) FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u "
                   "(device_id, ts, n) JOIN dict.device d ON d.device_id = u.device_id JOIN data.%s t ON t.ts = u.ts "
                   "AND t.device = d.id JOIN dict.host h ON h.id = t.host GROUP BY 1",
                   schema_tables()[t].sql);
        DB_ROWS_AUTO *rows = db_query(conn, buf_cstr(&sql), params, 2, deadline_ms, err);
        if (!rows)
            return false;
        for (size_t r = 0; r < db_count(rows); r++) {
            struct str *group = &table->devices[db_int(rows, r, 0)].total.machine_group;
            if (!group->len)
                *group = arena_copy(table->arena, db_text(rows, r, 1));
        }
    }
    return true;
}

static void add_figures(struct buf *out, const struct summary *summary) {
    json_add_key(out, "first_seen");
    json_add_ticks(out, summary->first);
    json_add_key(out, "last_seen");
    json_add_ticks(out, summary->last);
    json_add_key(out, "count");
    json_add_int(out, summary->count);
    json_add_key(out, "report_ids");
    buf_add_char(out, '[');
    for (size_t i = 0; i < summary->report_count; i++)
        buf_printf(out, "%s\"%" PRId64 "\"", i ? "," : "", summary->reports[i]);
    buf_add_char(out, ']');
}

static void add_keys(struct buf *out, const struct table *table, size_t row) {
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

static bool add_groups(struct buf *out, const struct table *table, const struct device *device) {
    json_add_key(out, "groups");
    buf_add_char(out, '[');
    for (size_t i = 0; i < device->row_count; i++) {
        struct summary group = {.first = -1, .last = -1};
        if (!row_add(table, &group, device->rows[i]))
            return false;
        reports_sort(&group);
        json_add_comma(out);
        buf_add_char(out, '{');
        add_keys(out, table, device->rows[i]);
        add_figures(out, &group);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return true;
}

static void add_links(struct buf *out, const struct table *table, const struct summary *summary) {
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

static bool add_devices(struct buf *out, const struct table *table) {
    json_add_key(out, "devices");
    buf_add_char(out, '[');
    for (size_t i = 0; i < table->device_count; i++) {
        const struct device *device = &table->devices[i];
        json_add_comma(out);
        buf_add_char(out, '{');
        json_add_key(out, "device_id");
        json_add_string(out, device->total.device_id);
        json_add_key(out, "device_name");
        json_add_string(out, device->total.device_name);
        json_add_key(out, "machine_group");
        json_add_string(out, device->total.machine_group);
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
        json_add_key(out, members[i].key);
        json_add_string(out, members[i].value);
    }
    json_add_key(out, "version");
    json_add_int(out, context->version);
    buf_add_char(out, '}');
}

static int64_t window_start(const struct result_context *context) {
    int64_t own = context->program->window_from;
    return own > context->from ? own : context->from;
}

static int64_t window_end(const struct result_context *context) {
    int64_t own = context->program->window_to;
    if (own < 0 || (context->to >= 0 && context->to < own))
        own = context->to;
    return own < 0 ? context->as_of : own;
}

static void add_head(struct buf *out, const struct result_context *context) {
    if (context->run_id) {
        json_add_key(out, "run_id");
        buf_printf(out, "\"%" PRId64 "\"", context->run_id);
    }
    json_add_key(out, "state");
    buf_add_str(out, STR("\"succeeded\""));
    json_add_key(out, "as_of");
    json_add_ticks(out, context->as_of);
    json_add_key(out, "window");
    buf_add_str(out, STR("{\"from\":"));
    json_add_ticks(out, window_start(context));
    buf_add_str(out, STR(",\"to\":"));
    json_add_ticks(out, window_end(context));
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

/* One table's freshness over the window, unless the run has read it already. */
static bool freshness_read(const struct result_context *context, struct db_conn *conn, size_t t, int64_t deadline_ms,
                           struct err *err) {
    struct result_freshness *freshness = &context->freshness[t];
    int64_t from = window_start(context) < 0 ? 0 : window_start(context), to = window_end(context);
    if (freshness->known && freshness->from == from && freshness->to == to)
        return true;
    BUF_AUTO sql = BUF(256);
    char numbers[3][24];
    snprintf(numbers[0], sizeof numbers[0], "%zu", t);
    snprintf(numbers[1], sizeof numbers[1], "%" PRId64, from);
    snprintf(numbers[2], sizeof numbers[2], "%" PRId64, to);
    struct str params[] = {str_from(numbers[0]), str_from(numbers[1]), str_from(numbers[2])};
    buf_printf(&sql,
               "SELECT (SELECT max(ts) FROM data.%s), EXISTS (SELECT FROM data.%s WHERE ts BETWEEN $1::bigint AND "
               "$2::bigint)",
               schema_tables()[t].sql, schema_tables()[t].sql);
    DB_ROWS_AUTO *newest = db_query(conn, buf_cstr(&sql), &params[1], 2, deadline_ms, err);
    DB_ROWS_AUTO *rows = newest ? db_query(conn, db_statement("freshness"), params, 3, deadline_ms, err) : NULL;
    if (!rows)
        return false;
    *freshness = (struct result_freshness){.known = true,
                                           .from = from,
                                           .to = to,
                                           .newest_event = db_is_null(newest, 0, 0) ? -1 : db_int(newest, 0, 0),
                                           .newest_arrival = db_is_null(rows, 0, 0) ? -1 : db_int(rows, 0, 0),
                                           .devices_reporting = db_int(rows, 0, 1),
                                           .has_events = str_eq(db_text(newest, 0, 1), STR("t"))};
    return true;
}

static bool add_freshness_table(struct buf *out, const struct result_context *context, struct db_conn *conn, size_t t,
                                int64_t deadline_ms, struct err *err) {
    const struct result_freshness *freshness = &context->freshness[t];
    if (!freshness_read(context, conn, t, deadline_ms, err))
        return false;
    json_add_key(out, schema_tables()[t].name);
    buf_add_str(out, STR("{\"newest_event\":"));
    json_add_ticks(out, freshness->newest_event);
    buf_add_str(out, STR(",\"newest_arrival\":"));
    json_add_ticks(out, freshness->newest_arrival);
    buf_printf(out, ",\"devices_reporting\":%" PRId64 "}", freshness->devices_reporting);
    return true;
}

static bool add_freshness(struct buf *out, const struct result_context *context, struct db_conn *conn,
                          int64_t deadline_ms, struct err *err) {
    json_add_key(out, "freshness");
    buf_add_char(out, '{');
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        if (context->program->tables & 1u << t && !add_freshness_table(out, context, conn, t, deadline_ms, err))
            return false;
    buf_add_char(out, '}');
    return true;
}

/* "no_data": nothing could be found, as no table that was read has an event in the window. Behind add_freshness. */
static void add_verdict(struct buf *out, const struct table *table) {
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

static void add_warnings(struct buf *out, const struct result_context *context) {
    const struct kql_program *program = context->program;
    json_add_key(out, "warnings");
    buf_add_char(out, '[');
    for (size_t i = 0; i < program->warning_count; i++) {
        json_add_comma(out);
        buf_printf(out, "{\"line\":%u,\"column\":%u,\"message\":", program->warnings[i].line,
                   program->warnings[i].column);
        json_add_string(out, program->warnings[i].text);
        buf_add_char(out, '}');
    }
    if (context->from >= 0 && program->window_from > context->from) {
        json_add_comma(out);
        buf_add_str(out, STR("{\"message\":\"the query's own time filter starts later than the requested from; set "
                             "as_of to move it\"}"));
    }
    buf_add_char(out, ']');
}

/* Events that came after an earlier run had answered for their time. Beside the summaries, which don't depend on when
 * events came. */
static void add_late(struct buf *out, const struct result_context *context) {
    json_add_key(out, "late");
    buf_add_char(out, '[');
    for (size_t r = 0; context->late && r < db_count(context->late); r++) {
        if (!str_eq(db_text(context->late, r, 0), context->hunt->id))
            continue;
        json_add_comma(out);
        buf_add_str(out, STR("{\"device_id\":"));
        json_add_string(out, db_text(context->late, r, 1));
        json_add_key(out, "device_name");
        json_add_string(out, db_text(context->late, r, 2));
        json_add_key(out, "count");
        json_add_int(out, db_int(context->late, r, 3));
        json_add_key(out, "first_seen");
        json_add_ticks(out, db_int(context->late, r, 4));
        json_add_key(out, "last_seen");
        json_add_ticks(out, db_int(context->late, r, 5));
        json_add_key(out, "report_ids");
        buf_add_str(out, db_text(context->late, r, 6));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

bool result_build(struct arena *arena, const struct result_context *context, struct db_conn *conn,
                  const struct db_rows *rows, int64_t deadline_ms, struct buf *out, struct err *err) {
    struct table table = {.arena = arena, .context = context, .rows = rows};
    if (!devices_make(&table, err) || !groups_find(&table, conn, deadline_ms, err))
        return false;
    buf_add_char(out, '{');
    add_head(out, context);
    if (!add_devices(out, &table))
        return err_memory(err);
    result_add_rows(out, context->program, rows);
    if (!add_freshness(out, context, conn, deadline_ms, err))
        return false;
    add_late(out, context);
    add_verdict(out, &table);
    add_warnings(out, context);
    buf_add_char(out, '}');
    return !out->failed || err_set(err, ERR_LIMIT, "the result is over %zu MiB; narrow the window or the hunt",
                                   out->cap >> 20);
}
