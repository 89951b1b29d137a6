#include "hunts/coverage.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "hunts/needs.h"
#include "store/array.h"

enum { HUNT_ARENA = 64 << 20, ARRAY_CAP = 64 << 20, SHARED_PARAMS = 6 };

/* Columns of coverage.sql. */
enum { C_TABLE, C_TOTAL, C_GROUP, C_REPORTING, C_SILENT, C_ROWS, C_LATE_HOUR, C_LATE_DAY, C_DELAY, C_EVENT, C_ARRIVAL };

struct coverage {
    const struct coverage_request *request;
    struct db_conn *conn; /* in one snapshot */
    int64_t deadline_ms, now, since, cut; /* ticks; since: a day's start */
    char numbers[3][24];
    struct buf edge_tables, edge_devices;
    struct str params[SHARED_PARAMS]; /* of coverage.sql and coverage_silent.sql */
};

static const char *const limits[] = {
    "Defender logs a repeated event at most once in 24 hours for a device and set of fields: few events don't mean few "
    "occurrences, and a device in use may be quiet in one table",
    "Defender may never log the certificate of a signed file, so a signature hunt without hits doesn't prove absence",
    "a device that never reported within the look-back, or was never onboarded, is not known here and not counted",
    "a silent device may be switched off, retired, offboarded or cut off: its events can't tell which",
    "a device's group is the one it had at its first event of its last day in a table",
    "a hunt's columns are those its where clauses name; a column that other events filled may still be empty in the "
    "events that matter",
};

/* Devices whose last day is the day of the cut: only their events say on which side of it the last one is. */
static bool edges_find(struct coverage *coverage, struct err *err) {
    BUF_AUTO sql = BUF(16 * 1024);
    char numbers[2][24];
    snprintf(numbers[0], sizeof numbers[0], "%" PRId64, coverage->cut);
    snprintf(numbers[1], sizeof numbers[1], "%" PRId64, (coverage->cut / TICKS_DAY + 1) * TICKS_DAY);
    struct str params[] = {str_from(coverage->numbers[2]), str_from(numbers[0]), str_from(numbers[1])};
    buf_add_str(&sql, STR("WITH edge AS MATERIALIZED (SELECT event_table, device FROM rmm.last_days WHERE last_day = "
                          "$1::integer)"));
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        buf_printf(&sql,
                   "%s SELECT r.event_table, r.device FROM edge r WHERE r.event_table = %zu AND EXISTS (SELECT FROM "
                   "data.%s e WHERE e.device = r.device AND e.ts >= $2::bigint AND e.ts < $3::bigint)",
                   t ? " UNION ALL" : "", t, schema_tables()[t].sql);
    if (!buf_cstr(&sql))
        return err_memory(err);
    DB_ROWS_AUTO *rows = db_query(coverage->conn, sql.ptr, params, 3, coverage->deadline_ms, err);
    for (size_t r = 0; rows && r < db_count(rows); r++) {
        array_add_int(&coverage->edge_tables, db_int(rows, r, 0));
        array_add_int(&coverage->edge_devices, db_int(rows, r, 1));
    }
    array_end(&coverage->edge_tables);
    array_end(&coverage->edge_devices);
    if (coverage->edge_tables.failed || coverage->edge_devices.failed)
        return err_memory(err);
    return rows != NULL;
}

static bool times_set(struct coverage *coverage, struct err *err) {
    const struct coverage_request *request = coverage->request;
    DB_ROWS_AUTO *clock = db_query(coverage->conn, db_statement("clock"), NULL, 0, coverage->deadline_ms, err);
    if (!clock)
        return false;
    coverage->now = db_int(clock, 0, 0);
    coverage->cut = coverage->now - request->silent;
    coverage->since = (coverage->now - request->look_back) / TICKS_DAY * TICKS_DAY;
    snprintf(coverage->numbers[0], sizeof coverage->numbers[0], "%zu",
             request->table ? schema_table_index(request->table) : 0);
    snprintf(coverage->numbers[1], sizeof coverage->numbers[1], "%" PRId64, coverage->since / TICKS_DAY);
    snprintf(coverage->numbers[2], sizeof coverage->numbers[2], "%" PRId64, coverage->cut / TICKS_DAY);
    return true;
}

static void coverage_close(struct coverage *coverage) {
    db_give(coverage->conn);
    buf_free(&coverage->edge_tables);
    buf_free(&coverage->edge_devices);
}

/* coverage_close also after a failure. */
static bool coverage_open(struct coverage *coverage, struct db *db, struct err *err) {
    const struct coverage_request *request = coverage->request;
    coverage->edge_tables = coverage->edge_devices = BUF(ARRAY_CAP);
    coverage->conn = db_take(db, coverage->deadline_ms, err);
    if (!coverage->conn ||
        !db_begin(coverage->conn, "ISOLATION LEVEL REPEATABLE READ READ ONLY", coverage->deadline_ms, err) ||
        !times_set(coverage, err) || !edges_find(coverage, err))
        return false;
    const struct str params[SHARED_PARAMS] = {
        request->table ? str_from(coverage->numbers[0]) : (struct str){0}, request->group,
        str_from(coverage->numbers[1]), str_from(coverage->numbers[2]),
        buf_str(&coverage->edge_tables), buf_str(&coverage->edge_devices)};
    memcpy(coverage->params, params, sizeof params);
    return true;
}

static void add_devices(struct buf *out, const struct db_rows *rows, size_t row) {
    json_add_int_member(out, "devices_reporting", db_int(rows, row, C_REPORTING));
    json_add_int_member(out, "devices_silent", db_int(rows, row, C_SILENT));
}

static void add_counts(struct buf *out, const struct db_rows *rows, size_t row) {
    int64_t delay = db_int(rows, row, C_DELAY);
    add_devices(out, rows, row);
    json_add_ticks_member(out, "newest_event", db_int(rows, row, C_EVENT));
    json_add_ticks_member(out, "newest_arrival", db_int(rows, row, C_ARRIVAL));
    json_add_int_member(out, "rows", db_int(rows, row, C_ROWS));
    buf_printf(out, ",\"late\":{\"over_1h\":%" PRId64 ",\"over_1d\":%" PRId64 ",\"largest_seconds\":%" PRId64 "}",
               db_int(rows, row, C_LATE_HOUR), db_int(rows, row, C_LATE_DAY), delay > 0 ? delay / TICKS_SECOND : 0);
}

/* The groups behind the total at `row`, which have the same table; returns the row behind them. */
static size_t add_groups(struct buf *out, const struct db_rows *rows, size_t row,
                         void (*add)(struct buf *, const struct db_rows *, size_t)) {
    int64_t table = db_int(rows, row, C_TABLE);
    json_add_key(out, "groups");
    buf_add_char(out, '[');
    for (row++; row < db_count(rows) && db_int(rows, row, C_TABLE) == table; row++) {
        json_add_comma(out);
        buf_add_str(out, STR("{\"group\":"));
        json_add_string(out, db_text(rows, row, C_GROUP));
        add(out, rows, row);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return row;
}

static bool add_tables(struct coverage *coverage, struct buf *out, struct err *err) {
    DB_ROWS_AUTO *rows = db_query(coverage->conn, db_statement("coverage"), coverage->params, SHARED_PARAMS,
                                  coverage->deadline_ms, err);
    size_t row = 0;
    if (!rows)
        return false;
    json_add_key(out, "devices");
    buf_add_char(out, '{');
    if (db_count(rows) && db_int(rows, 0, C_TABLE) < 0) {
        add_devices(out, rows, 0);
        row = add_groups(out, rows, 0, add_devices);
    } else {
        buf_add_str(out, STR("\"devices_reporting\":0,\"devices_silent\":0,\"groups\":[]"));
    }
    buf_add_char(out, '}');
    json_add_key(out, "tables");
    buf_add_char(out, '[');
    while (row < db_count(rows)) {
        json_add_comma(out);
        buf_add_str(out, STR("{\"table\":"));
        json_add_string(out, str_from(schema_tables()[db_int(rows, row, C_TABLE)].name));
        add_counts(out, rows, row);
        row = add_groups(out, rows, row, add_counts);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return true;
}

static bool add_rejected(struct coverage *coverage, struct buf *out, struct err *err) {
    const struct schema_table *table = coverage->request->table;
    DB_ROWS_AUTO *rows =
        db_query(coverage->conn, db_statement("coverage_rejected"), NULL, 0, coverage->deadline_ms, err);
    json_add_key(out, "rejected");
    buf_add_char(out, '[');
    for (size_t r = 0; rows && r < db_count(rows); r++) {
        if (table && !str_eq(db_text(rows, r, 0), str_from(table->name)))
            continue;
        json_add_comma(out);
        buf_add_str(out, STR("{\"table\":"));
        if (db_text(rows, r, 0).len)
            json_add_string(out, db_text(rows, r, 0));
        else
            buf_add_str(out, STR("null"));
        json_add_string_member(out, "code", db_text(rows, r, 1));
        json_add_int_member(out, "count", db_int(rows, r, 2));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return rows != NULL;
}

/* What the database holds, for judging hunts. */
struct holdings {
    uint32_t tables;             /* with events in the look-back */
    const struct db_rows *filled; /* table, column */
};

/* In none of the tables that have it. */
static bool never_filled(const struct holdings *holdings, const struct needs *needs, struct str column) {
    for (size_t r = 0; r < db_count(holdings->filled); r++)
        if (needs->tables & 1u << db_int(holdings->filled, r, 0) && str_eq(db_text(holdings->filled, r, 1), column))
            return false;
    return !str_eq(column, STR("TimeGenerated"));
}

static size_t add_unfilled(struct buf *out, const struct holdings *holdings, const struct needs *needs) {
    size_t count = 0;
    json_add_key(out, "columns");
    buf_add_char(out, '[');
    for (size_t i = 0; i < needs->column_count; i++)
        if (never_filled(holdings, needs, needs->columns[i])) {
            json_add_comma(out);
            json_add_string(out, needs->columns[i]);
            count++;
        }
    buf_add_char(out, ']');
    return count;
}

static void add_hunt(struct buf *out, const struct holdings *holdings, const struct needs *needs, struct str slug) {
    json_add_comma(out);
    buf_add_str(out, STR("{\"slug\":"));
    json_add_string(out, slug);
    size_t unfilled = add_unfilled(out, holdings, needs);
    json_add_key(out, "tables_without_data");
    buf_add_char(out, '[');
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        if (needs->tables & ~holdings->tables & 1u << t) {
            json_add_comma(out);
            json_add_string(out, str_from(schema_tables()[t].name));
        }
    bool no_data = needs->tables && !(needs->tables & holdings->tables);
    buf_printf(out, "],\"verdict\":\"%s\"}", no_data ? "no_data" : unfilled ? "never_filled" : "ok");
}

/* What it would need can't be told, and it looks at nothing. */
static void add_broken(struct buf *out, struct str slug) {
    json_add_comma(out);
    buf_add_str(out, STR("{\"slug\":"));
    json_add_string(out, slug);
    buf_add_str(out, STR(",\"columns\":[],\"tables_without_data\":[],\"verdict\":\"broken\"}"));
}

static bool hunt_judge(const struct coverage *coverage, const struct holdings *holdings, struct str slug,
                       struct str query, struct buf *out, struct err *err) {
    const struct schema_table *table = coverage->request->table;
    struct arena *arena = arena_new(HUNT_ARENA);
    struct needs needs;
    if (!arena)
        return err_memory(err);
    if (needs_read(arena, query, &needs) && (!table || needs.tables & 1u << schema_table_index(table)))
        add_hunt(out, holdings, &needs, slug);
    arena_free(arena);
    return true;
}

static bool add_hunts(struct coverage *coverage, struct buf *out, struct err *err) {
    struct holdings holdings = {0};
    struct str since = str_from(coverage->numbers[1]);
    DB_ROWS_AUTO *tables =
        db_query(coverage->conn, db_statement("coverage_tables"), &since, 1, coverage->deadline_ms, err);
    DB_ROWS_AUTO *filled =
        tables ? db_query(coverage->conn, db_statement("coverage_filled"), NULL, 0, coverage->deadline_ms, err) : NULL;
    DB_ROWS_AUTO *hunts =
        filled ? db_query(coverage->conn, db_statement("coverage_hunts"), NULL, 0, coverage->deadline_ms, err) : NULL;
    if (!hunts)
        return false;
    for (size_t r = 0; r < db_count(tables); r++)
        holdings.tables |= 1u << db_int(tables, r, 0);
    holdings.filled = filled;
    json_add_key(out, "hunts");
    buf_add_char(out, '[');
    for (size_t r = 0; r < db_count(hunts); r++)
        if (!db_int(hunts, r, 2))
            add_broken(out, db_text(hunts, r, 0));
        else if (!hunt_judge(coverage, &holdings, db_text(hunts, r, 0), db_text(hunts, r, 1), out, err))
            return false;
    buf_add_char(out, ']');
    return true;
}

static void add_head(const struct coverage *coverage, struct buf *out) {
    json_add_ticks_member(out, "as_of", coverage->now);
    json_add_ticks_member(out, "since", coverage->since);
    json_add_ticks_member(out, "silent_since", coverage->cut);
}

static void add_limits(struct buf *out) {
    json_add_key(out, "limits");
    buf_add_char(out, '[');
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        json_add_comma(out);
        json_add_string(out, str_from(limits[i]));
    }
    buf_add_char(out, ']');
}

bool coverage_build(struct db *db, const struct coverage_request *request, int64_t deadline_ms, struct buf *out,
                    struct err *err) {
    struct coverage coverage = {.request = request, .deadline_ms = deadline_ms};
    bool ok = coverage_open(&coverage, db, err);
    if (ok) {
        buf_add_char(out, '{');
        add_head(&coverage, out);
        ok = add_tables(&coverage, out, err) && add_rejected(&coverage, out, err) && add_hunts(&coverage, out, err);
        add_limits(out);
        buf_add_char(out, '}');
    }
    coverage_close(&coverage);
    return ok && (!out->failed || err_memory(err));
}

struct db_rows *coverage_silent(struct db *db, const struct coverage_request *request, struct str cursor,
                                struct str limit, int64_t deadline_ms, struct err *err) {
    struct coverage coverage = {.request = request, .deadline_ms = deadline_ms};
    struct str params[SHARED_PARAMS + 3];
    BUF_AUTO names = BUF(4096);
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        array_add(&names, str_from(schema_tables()[t].name));
    array_end(&names);
    bool ok = coverage_open(&coverage, db, err);
    memcpy(params, coverage.params, sizeof coverage.params);
    params[SHARED_PARAMS] = cursor;
    params[SHARED_PARAMS + 1] = limit;
    params[SHARED_PARAMS + 2] = buf_str(&names);
    struct db_rows *rows = ok ? db_query(coverage.conn, db_statement("coverage_silent"), params, SHARED_PARAMS + 3,
                                         deadline_ms, err)
                              : NULL;
    coverage_close(&coverage);
    return rows;
}
