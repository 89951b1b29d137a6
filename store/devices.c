#include "store/devices.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"

enum { SQL_CAP = 16384, PARAMS = 16, NUMBERS = 3, NUMBER_TEXT = 24 };

static const struct sort {
    const char *name, *column, *type;
} sorts[] = {{"last_seen", "d.last_seen", "bigint"},
             {"first_seen", "d.first_seen", "bigint"},
             {"device_id", "d.device_id", "text"},
             {"device_name", "left(d.device_name, 256)", "text"}, /* as their indexes have them */
             {"machine_group", "left(d.machine_group, 256)", "text"},
             {"tools", "d.tools", "integer"}};
enum { SORTS = sizeof sorts / sizeof *sorts };
#define SORT_NAMES "last_seen, first_seen, device_id, device_name, machine_group, tools"

struct statement {
    struct buf sql;
    struct str params[PARAMS];
    size_t count;
    char numbers[NUMBERS][NUMBER_TEXT]; /* text of the first ones */
};

static void add_number(struct statement *statement, int64_t value) {
    char *text = statement->numbers[statement->count];
    snprintf(text, NUMBER_TEXT, "%" PRId64, value);
    statement->params[statement->count++] = str_from(text);
}

/* before, the parameter, after; nothing without a value. */
static void add_filter(struct statement *statement, const char *before, struct str value, const char *after) {
    if (!value.ptr)
        return;
    statement->params[statement->count++] = value;
    buf_printf(&statement->sql, "%s$%zu%s", before, statement->count, after);
}

static bool sort_find(struct str name, const struct sort **sort, bool *down, struct err *err) {
    *down = !name.len || name.ptr[0] == '-';
    struct str bare = name.len && *down ? (struct str){name.ptr + 1, name.len - 1} : name;
    *sort = &sorts[0];
    if (!name.len)
        return true;
    for (size_t i = 0; i < SORTS; i++)
        if (str_eq(bare, str_from(sorts[i].name))) {
            *sort = &sorts[i];
            return true;
        }
    return err_set(err, ERR_BAD_PARAMETER, "sort must be one of %s, with - before it for the other way",
                   SORT_NAMES);
}

/* finding_state() as conditions that indexes know, on a device and on one of its tools: the device's tell which it may
 * be, the tool's are the state itself. $1: now, $2: quiet before, $3: new or returned from. Not of the past. */
static const struct state {
    const char *name, *device, *tool;
    bool told; /* by the device alone */
} states[] = {
    {"quiet", "d.oldest_last_seen < $2::bigint", "t.last_seen < $2::bigint", true},
    {"new", "d.last_seen >= $2::bigint AND d.newest_first_seen >= $3::bigint",
     "t.last_seen >= $2::bigint AND t.first_seen >= $3::bigint", false},
    {"returned", "d.last_seen >= $2::bigint AND d.back_since >= $3::bigint",
     "t.last_seen >= $2::bigint AND t.first_seen < $3::bigint AND t.streak_from >= $3::bigint AND "
     "t.streak_from > t.first_seen",
     false},
    {"known", "d.last_seen >= $2::bigint AND d.first_seen < $3::bigint",
     "t.last_seen >= $2::bigint AND t.first_seen < $3::bigint AND NOT (t.streak_from >= $3::bigint AND "
     "t.streak_from > t.first_seen)",
     false},
};

static const struct state *state_find(struct str name) {
    for (size_t i = 0; name.ptr && i < sizeof states / sizeof *states; i++)
        if (str_eq(name, str_from(states[i].name)))
            return &states[i];
    return NULL;
}

/* All bounds are named: a parameter that isn't has no type. */
static void add_state(struct statement *statement, const char *condition) {
    buf_printf(&statement->sql, " AND ($2::bigint, $3::bigint) IS NOT NULL AND %s", condition);
}

/* The state of row t, whose signal is given as SQL. */
static void add_state_value(struct statement *statement, const struct devices_filter *filter, const char *signal) {
    if (filter->past)
        buf_printf(&statement->sql,
                   "rmm.state_at(t.device, t.tool, %s, t.first_seen, t.last_seen, t.streak_from, $1::bigint)", signal);
    else
        buf_add_str(&statement->sql, STR("rmm.finding_state(t.first_seen, t.last_seen, t.streak_from, $1::bigint, "
                                         "l.new_days, l.quiet_days)"));
}

static void add_past_state(struct statement *statement, const struct devices_filter *filter, const char *signal) {
    buf_add_str(&statement->sql, STR(" AND "));
    add_state_value(statement, filter, signal);
    add_filter(statement, " = ", filter->state, "::text");
}

/* The device's tools that fit, one of which must meet all of it; without such a filter, any. */
static void add_tool_filters(struct statement *statement, const struct devices_filter *filter) {
    const struct state *state = state_find(filter->state);
    if (state && !filter->past)
        add_state(statement, state->device);
    bool told =
        !filter->tool.ptr && !filter->signal.ptr && (!state || (state->told && !filter->past && !filter->since.ptr));
    if (told)
        return;
    buf_add_str(&statement->sql, STR(" AND d.device IN (SELECT t.device FROM rmm.device_tools t WHERE true"));
    add_filter(statement, " AND lower(t.tool) = lower(", filter->tool, "::text)");
    add_filter(statement, " AND t.signals @> ARRAY[", filter->signal, "::text]");
    add_filter(statement, " AND t.last_seen >= ", filter->since, "::bigint");
    if (state && filter->past)
        add_past_state(statement, filter, "NULL");
    else if (state)
        buf_printf(&statement->sql, " AND %s", state->tool);
    buf_add_char(&statement->sql, ')');
}

/* "<sort value>|<device>": the row before. */
static bool add_cursor(struct statement *statement, const struct sort *sort, bool down, struct str cursor,
                       struct err *err) {
    if (!cursor.ptr)
        return true;
    const char *bar = memrchr(cursor.ptr, '|', cursor.len);
    long long number;
    struct str value = {cursor.ptr, bar ? (size_t)(bar - cursor.ptr) : 0};
    struct str device = {bar ? bar + 1 : "", bar ? cursor.len - value.len - 1 : 0};
    if (!bar || !str_to_int64(device, &number) || (strcmp(sort->type, "text") != 0 && !str_to_int64(value, &number)))
        return err_set(err, ERR_BAD_PARAMETER, "cursor is not one that this list gave");
    statement->params[statement->count++] = value;
    statement->params[statement->count++] = device;
    buf_printf(&statement->sql, " AND (%s, d.device) %c ($%zu::%s, $%zu::integer)", sort->column, down ? '<' : '>',
               statement->count - 1, sort->type, statement->count);
    return true;
}

static void add_group(struct statement *statement, struct str group) {
    add_filter(statement, " AND left(d.machine_group, 256) = left(", group, "::text, 256)");
    add_filter(statement, " AND d.machine_group = ", group, "::text");
}

/* JSON is made of it by who answers: here it took most of a page's time. */
static const char page_columns[] =
    "SELECT p.key || '|' || p.device, v.device_id, v.device_name, v.machine_group, v.first_seen, v.last_seen, "
    "(date '0001-01-01' + p.last_event_day)::text, rmm.is_silent(p.last_event_day), v.flags, "
    "t.tool, array_to_json(t.signals), array_to_string(t.signals, '+'), t.first_seen, t.last_seen, t.count, ";
static const char page_tables[] = ") p JOIN rmm.devices v ON v.device = p.device "
                                  "JOIN rmm.device_tools t ON t.device = p.device CROSS JOIN rmm.ledger l";

static void add_filters(struct statement *statement, const struct devices_filter *filter) {
    add_tool_filters(statement, filter);
    add_group(statement, filter->group);
    add_filter(statement, " AND d.tools >= ", filter->min_tools, "::integer");
    add_filter(statement, " AND d.last_seen >= ", filter->since, "::bigint");
    /* LIKE: unlike of strpos, the planner can tell how much it leaves */
    add_filter(statement, " AND d.search LIKE '%' || regexp_replace(lower(", filter->q,
               "::text), '([\\\\%_])', '\\\\\\1', 'g') || '%'");
}

/* The page's devices come first, from an index where there is one, then what is shown of them. */
static bool devices_make(struct statement *statement, const struct devices_filter *filter, struct err *err) {
    const struct sort *sort;
    bool down;
    if (!sort_find(filter->sort, &sort, &down, err))
        return false;
    const char *way = down ? "DESC" : "ASC";
    buf_add_str(&statement->sql, str_from(page_columns));
    add_state_value(statement, filter, "NULL");
    buf_printf(&statement->sql,
               " FROM (SELECT d.device, %s AS key, rmm.last_event_day(d.device, d.last_seen) AS last_event_day "
               "FROM rmm.devices d WHERE %s",
               sort->column, filter->past ? "d.first_seen <= $1::bigint" : "true");
    add_filters(statement, filter);
    if (!add_cursor(statement, sort, down, filter->cursor, err))
        return false;
    buf_printf(&statement->sql, " ORDER BY %s %s, d.device %s", sort->column, way, way);
    add_filter(statement, " LIMIT ", filter->limit, "::integer");
    buf_add_str(&statement->sql, str_from(page_tables));
    buf_printf(&statement->sql, " ORDER BY p.key %s, p.device %s, t.tool", way, way);
    return buf_cstr(&statement->sql) || err_memory(err);
}

/* $2 and $3. The days are read first, so that the database plans with the bounds themselves. */
static bool add_bounds(struct statement *statement, struct db_conn *conn, int64_t now, int64_t deadline_ms,
                       struct err *err) {
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("ledger_days"), NULL, 0, deadline_ms, err);
    if (!rows)
        return false;
    int64_t quiet_days = db_int(rows, 0, 0), new_days = db_int(rows, 0, 1);
    add_number(statement, now - quiet_days * TICKS_DAY);
    add_number(statement, now - new_days * TICKS_DAY);
    return true;
}

bool devices_past_check(struct db_conn *conn, int64_t at, int64_t deadline_ms, struct err *err) {
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("ledger_days"), NULL, 0, deadline_ms, err);
    if (!rows || at >= db_int(rows, 0, 2))
        return rows != NULL;
    char from[TICKS_TEXT];
    ticks_print(db_int(rows, 0, 2), from);
    return err_set(err, ERR_BAD_PARAMETER,
                   "states before %s can't be told: of earlier sightings only the days are known", from);
}

static const char findings_columns[] =
    "SELECT json_build_array(d.device_id, t.tool, t.signal)::text, json_build_object('device_id', d.device_id, "
    "'device_name', d.device_name, 'machine_group', d.machine_group, 'tool', t.tool, 'signal', t.signal, 'first_seen', "
    "kql.ticks_text(t.first_seen), 'last_seen', kql.ticks_text(t.last_seen), 'count', "
    "greatest(t.count, t.by_result), 'exact', t.by_result = 0, 'runs', coalesce(seen.runs, 0), 'days', "
    "(SELECT sum(upper(r) - lower(r)) FROM unnest(t.days) r), 'silent', rmm.is_silent(rmm.last_event_day(t.device, "
    "d.last_seen)), 'state', ";
static const char findings_tables[] =
    ")::text FROM rmm.findings t JOIN rmm.devices d ON d.device = t.device "
    "LEFT JOIN rmm.finding_runs seen ON (seen.device, seen.tool, seen.signal) = (t.device, t.tool, t.signal) "
    "CROSS JOIN rmm.ledger l WHERE true";

/* The device by itself, too: an index has its id, but not the other two. */
static void add_findings_cursor(struct statement *statement, struct str cursor) {
    if (!cursor.ptr)
        return;
    statement->params[statement->count++] = cursor;
    size_t n = statement->count;
    buf_printf(&statement->sql,
               " AND d.device_id >= $%zu::json ->> 0 AND (d.device_id, t.tool, t.signal) > "
               "($%zu::json ->> 0, $%zu::json ->> 1, $%zu::json ->> 2)",
               n, n, n, n);
}

static bool findings_make(struct statement *statement, const struct devices_filter *filter, struct err *err) {
    const struct state *state = state_find(filter->state);
    buf_add_str(&statement->sql, str_from(findings_columns));
    add_state_value(statement, filter, "t.signal");
    buf_add_str(&statement->sql, str_from(findings_tables));
    if (filter->past)
        buf_add_str(&statement->sql, STR(" AND t.first_seen <= $1::bigint"));
    if (state && filter->past)
        add_past_state(statement, filter, "t.signal");
    else if (state)
        add_state(statement, state->tool);
    add_filter(statement, " AND lower(t.tool) = lower(", filter->tool, "::text)");
    add_filter(statement, " AND t.signal = ", filter->signal, "::text");
    add_filter(statement, " AND d.device_id = ", filter->device, "::text");
    add_group(statement, filter->group);
    add_findings_cursor(statement, filter->cursor);
    buf_add_str(&statement->sql, STR(" ORDER BY d.device_id, t.tool, t.signal"));
    add_filter(statement, " LIMIT ", filter->limit, "::integer");
    return buf_cstr(&statement->sql) || err_memory(err);
}

typedef bool statement_make(struct statement *statement, const struct devices_filter *filter, struct err *err);

static struct db_rows *list_read(struct db_conn *conn, statement_make *make, const struct devices_filter *filter,
                                 int64_t deadline_ms, struct err *err) {
    struct statement statement = {.sql = BUF(SQL_CAP)};
    struct db_rows *rows = NULL;
    add_number(&statement, filter->now);
    bool bound = !filter->state.ptr || filter->past || add_bounds(&statement, conn, filter->now, deadline_ms, err);
    if (bound && make(&statement, filter, err))
        rows = db_query(conn, statement.sql.ptr, statement.params, statement.count, deadline_ms, err);
    buf_free(&statement.sql);
    return rows;
}

struct db_rows *devices_list(struct db_conn *conn, const struct devices_filter *filter, int64_t deadline_ms,
                             struct err *err) {
    return list_read(conn, devices_make, filter, deadline_ms, err);
}

struct db_rows *findings_list(struct db_conn *conn, const struct devices_filter *filter, int64_t deadline_ms,
                              struct err *err) {
    return list_read(conn, findings_make, filter, deadline_ms, err);
}
