#include "store/devices.h"

#include "base/buf.h"

enum { SQL_CAP = 16384, PARAMS = 16 };

static const struct sort {
    const char *name, *column, *type;
} sorts[] = {{"last_seen", "last_seen", "bigint"},       {"first_seen", "first_seen", "bigint"},
             {"device_id", "device_id", "text"},         {"device_name", "device_name", "text"},
             {"machine_group", "machine_group", "text"}, {"tools", "tools", "integer"}};
enum { SORTS = sizeof sorts / sizeof *sorts };
#define SORT_NAMES "last_seen, first_seen, device_id, device_name, machine_group, tools"

struct statement {
    struct buf sql;
    struct str params[PARAMS];
    size_t count;
};

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

/* The device's tools that fit; without such a filter, any. */
static void add_tool_filters(struct statement *statement, const struct devices_filter *filter) {
    if (!filter->tool.ptr && !filter->signal.ptr && !filter->state.ptr)
        return;
    buf_add_str(&statement->sql,
                STR(" AND d.device IN (SELECT t.device FROM rmm.device_tools t, rmm.ledger l WHERE true"));
    add_filter(statement, " AND lower(t.tool) = lower(", filter->tool, "::text)");
    add_filter(statement, " AND ", filter->signal, "::text = ANY(t.signals)");
    add_filter(
        statement,
        " AND rmm.finding_state(t.first_seen, t.last_seen, t.streak_from, $1::bigint, l.new_days, l.quiet_days) = ",
        filter->state, "::text");
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
    buf_printf(&statement->sql, " AND (d.%s, d.device) %c ($%zu::%s, $%zu::integer)", sort->column, down ? '<' : '>',
               statement->count - 1, sort->type, statement->count);
    return true;
}

static const char page_json[] =
    "json_build_object('device_id', p.device_id, 'device_name', p.device_name, "
    "'machine_group', p.machine_group, 'first_seen', kql.ticks_text(p.first_seen), 'last_seen', "
    "kql.ticks_text(p.last_seen), 'tools', (SELECT json_agg(json_build_object('tool', t.tool, 'signals', t.signals, "
    "'seen_by', array_to_string(t.signals, '+'), 'first_seen', kql.ticks_text(t.first_seen), 'last_seen', "
    "kql.ticks_text(t.last_seen), 'count', t.count, 'state', "
    "rmm.finding_state(t.first_seen, t.last_seen, t.streak_from, $1::bigint, l.new_days, l.quiet_days)) ORDER BY "
    "t.tool) "
    "FROM rmm.device_tools t WHERE t.device = p.device), 'flags', p.flags)::text FROM page p, rmm.ledger l";

struct db_rows *devices_list(struct db_conn *conn, const struct devices_filter *filter, int64_t deadline_ms,
                             struct err *err) {
    struct statement statement = {.sql = BUF(SQL_CAP), .params = {filter->now}, .count = 1};
    struct db_rows *rows = NULL;
    const struct sort *sort;
    bool down;
    buf_add_str(&statement.sql, STR("WITH page AS MATERIALIZED (SELECT d.* FROM rmm.devices d WHERE true"));
    add_tool_filters(&statement, filter);
    add_filter(&statement, " AND d.machine_group = ", filter->group, "::text");
    add_filter(&statement, " AND d.tools >= ", filter->min_tools, "::integer");
    add_filter(&statement, " AND d.last_seen >= ", filter->since, "::bigint");
    add_filter(&statement, " AND strpos(lower(d.device_name || ' ' || d.device_id), lower(", filter->q, "::text)) > 0");
    if (sort_find(filter->sort, &sort, &down, err) && add_cursor(&statement, sort, down, filter->cursor, err)) {
        const char *way = down ? "DESC" : "ASC";
        buf_printf(&statement.sql, " ORDER BY d.%s %s, d.device %s", sort->column, way, way);
        add_filter(&statement, " LIMIT ", filter->limit, "::integer");
        buf_printf(&statement.sql, ") SELECT p.%s || '|' || p.device, %s ORDER BY p.%s %s, p.device %s", sort->column,
                   page_json, sort->column, way, way);
        if (buf_cstr(&statement.sql))
            rows = db_query(conn, statement.sql.ptr, statement.params, statement.count, deadline_ms, err);
        else
            err_memory(err);
    }
    buf_free(&statement.sql);
    return rows;
}
