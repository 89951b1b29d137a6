/* /v1/coverage: what the answers rest on. */
#include <jansson.h>

#include "base/clock.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/names.h"
#include "handlers/service.h"
#include "hunts/coverage.h"

enum { READ_MS = 10000, REPLY_CAP = 64 << 20, COLUMNS = 9 };

static bool timespan_parameter(struct request *request, const char *name, int64_t *ticks, struct err *err) {
    struct str text = request_query(request, name);
    if (!text.ptr || timespan_parse(text, ticks))
        return true;
    request->problem_field = name;
    return err_set(err, ERR_BAD_PARAMETER, "%s: '%.*s' is not a timespan such as 7d, 36h or P7D", name, STR_ARG(text));
}

static const char *table_nearest(struct str given) {
    const struct schema_table *tables = schema_tables(), *nearest = tables;
    for (size_t t = 1; t < SCHEMA_TABLES; t++)
        if (str_distance(str_from(tables[t].name), given) < str_distance(str_from(nearest->name), given))
            nearest = &tables[t];
    return nearest->name;
}

static bool parameters_read(struct request *request, struct coverage_request *out, struct err *err) {
    struct str table = request_query(request, "table");
    *out = (struct coverage_request){
        .group = request_query(request, "group"), .look_back = 7 * TICKS_DAY, .silent = TICKS_DAY};
    if (!timespan_parameter(request, "since", &out->look_back, err) ||
        !timespan_parameter(request, "silent", &out->silent, err))
        return false;
    out->table = table.ptr ? schema_table_find(table) : NULL;
    if (table.ptr && !out->table) {
        request->problem_field = "table";
        return err_set(err, ERR_BAD_PARAMETER, "table: there is no '%.*s'; the nearest is %s", STR_ARG(table),
                       table_nearest(table));
    }
    if (out->silent <= out->look_back)
        return group_seen(request, out->group, err);
    request->problem_field = "silent";
    return err_set(err, ERR_BAD_PARAMETER, "silent is longer than since: no device could have gone silent");
}

static struct cell number_cell(struct request *request, const json_t *object, const char *name) {
    long long number = json_integer_value(json_object_get(object, name));
    return (struct cell){CELL_NUMBER, arena_printf(request->arena, "%lld", number)};
}

static struct cell text_cell(const json_t *value) {
    if (!json_is_string(value))
        return (struct cell){CELL_NULL, STR("")};
    return (struct cell){CELL_TEXT, {json_string_value(value), json_string_length(value)}};
}

/* table "(all)" or group "(all)": the total. */
static void line_add(struct request *request, const char *table, const json_t *object, struct cell *cells) {
    const json_t *group = json_object_get(object, "group"), *late = json_object_get(object, "late");
    const struct cell line[COLUMNS] = {
        {CELL_TEXT, str_from(table)},
        group ? text_cell(group) : (struct cell){CELL_TEXT, STR("(all)")},
        number_cell(request, object, "devices_reporting"),
        number_cell(request, object, "devices_silent"),
        number_cell(request, object, "rows"),
        number_cell(request, late, "over_1h"),
        number_cell(request, late, "over_1d"),
        text_cell(json_object_get(object, "newest_event")),
        text_cell(json_object_get(object, "newest_arrival")),
    };
    memcpy(cells, line, sizeof line);
}

static size_t object_lines(struct request *request, const char *table, const json_t *object, struct cell *cells) {
    size_t index, lines = 1;
    const json_t *group;
    if (cells)
        line_add(request, table, object, cells);
    json_array_foreach(json_object_get(object, "groups"), index, group) {
        if (cells)
            line_add(request, table, group, cells + lines * COLUMNS);
        lines++;
    }
    return lines;
}

/* cells NULL: only counts the lines. */
static size_t all_lines(struct request *request, const json_t *root, struct cell *cells) {
    size_t index, lines = 0;
    const json_t *table;
    json_array_foreach(json_object_get(root, "tables"), index, table) {
        lines += object_lines(request, json_string_value(json_object_get(table, "table")), table,
                              cells ? cells + lines * COLUMNS : NULL);
    }
    return lines;
}

/* For a terminal the columns whose line fits, in the place of all, and times to the second. */
static void table_narrow(struct format_table *table, struct str names[COLUMNS], struct cell *cells) {
    static const size_t shown[] = {0, 1, 2, 3, 4, 6, 7};
    table->column_count = sizeof shown / sizeof *shown;
    for (size_t c = 0; c < table->column_count; c++)
        names[c] = names[shown[c]];
    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        cells[i] = cells[i / table->column_count * COLUMNS + shown[i % table->column_count]];
        if (i % table->column_count == table->column_count - 1 && cells[i].text.len > 19)
            cells[i].text.len = 19;
    }
}

/* Behind the lines: on a terminal broken at blanks, so that it fits. */
static void note_add(struct buf *out, enum format format, size_t width, struct str text) {
    struct cell cell = {CELL_TEXT, text};
    struct str member = STR("note");
    struct format_table note = {.columns = &member, .column_count = 1, .cells = &cell, .row_count = 1};
    if (format == FORMAT_CSV)
        format_csv_line(out, &cell, 1);
    else if (format == FORMAT_NDJSON)
        format_write(format, &note, out);
    while (format == FORMAT_TABLE && text.len) {
        size_t end = text.len > width ? width : text.len;
        while (text.len > width && end > 0 && text.ptr[end] != ' ')
            end--;
        end = end ? end : strcspn(text.ptr, " ");
        buf_add_str(out, (struct str){text.ptr, end});
        buf_add_char(out, '\n');
        end += end < text.len;
        text = (struct str){text.ptr + end, text.len - end};
    }
}

static const char *member_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "(no table)";
}

/* "never_filled: 2 hunts: a, b"; text of len 0: none has that verdict. */
static struct str verdict_line(struct arena *arena, const json_t *hunts, const char *verdict, bool named) {
    struct str names = STR("");
    size_t i, count = 0;
    const json_t *hunt;
    json_array_foreach(hunts, i, hunt) {
        if (strcmp(member_text(hunt, "verdict"), verdict) != 0)
            continue;
        if (named)
            names = arena_printf(arena, "%.*s%s %s", STR_ARG(names), count ? "," : ":", member_text(hunt, "slug"));
        count++;
    }
    return count ? arena_printf(arena, "%s: %zu hunt%s%.*s", verdict, count, count == 1 ? "" : "s", STR_ARG(names))
                 : STR("");
}

/* What was rejected, what hunts lack, and what can't be known. */
static bool notes_add(struct request *request, const json_t *root, enum format format, struct buf *out) {
    static const char *const verdicts[] = {"ok", "never_filled", "no_data", "broken"};
    size_t i, width = request->width ? request->width : FORMAT_WIDTH;
    const json_t *item;
    bool whole = true;
    json_array_foreach(json_object_get(root, "rejected"), i, item) {
        struct str text =
            arena_printf(request->arena, "rejected: %s %s: %lld", member_text(item, "table"), member_text(item, "code"),
                         (long long)json_integer_value(json_object_get(item, "count")));
        whole = whole && text.ptr;
        note_add(out, format, width, text);
    }
    for (size_t v = 0; v < sizeof verdicts / sizeof *verdicts; v++) {
        struct str text = verdict_line(request->arena, json_object_get(root, "hunts"), verdicts[v], v > 0);
        whole = whole && text.ptr;
        if (text.len)
            note_add(out, format, width, text);
    }
    json_array_foreach(json_object_get(root, "limits"), i, item)
        note_add(out, format, width, arena_printf(request->arena, "limit: %s", json_string_value(item)));
    return whole;
}

static bool coverage_convert(struct request *request, struct reply *reply, struct str json, enum format format,
                             struct err *err) {
    struct str columns[COLUMNS] = {
        {"table", 5},   {"group", 5},   {"reporting", 9},     {"silent", 6},          {"rows", 4},
        {"late_1h", 7}, {"late_1d", 7}, {"newest_event", 12}, {"newest_arrival", 14},
    };
    json_auto_t *root = json_loadb(json.ptr, json.len, JSON_ALLOW_NUL, NULL);
    size_t lines = all_lines(request, root, NULL);
    struct cell *cells = arena_array(request->arena, lines * COLUMNS + 1, sizeof *cells);
    if (!root || !cells)
        return err_memory(err);
    all_lines(request, root, cells);
    struct format_table table = {
        .columns = columns, .column_count = COLUMNS, .cells = cells, .row_count = lines, .width = request->width};
    if (format == FORMAT_TABLE)
        table_narrow(&table, columns, cells);
    reply->body.cap = REPLY_CAP;
    reply->content_type = format_content_type(format);
    format_write(format, &table, &reply->body);
    return (notes_add(request, root, format, &reply->body) && !reply->body.failed) || err_memory(err);
}

bool handle_coverage(struct request *request, struct reply *reply, struct err *err) {
    struct coverage_request coverage;
    enum format format;
    BUF_AUTO out = BUF(REPLY_CAP);
    if (!parameters_read(request, &coverage, err) || !format_choose(request, &format, err) ||
        !coverage_build(request->service->db, &coverage, mono_ms() + READ_MS, &out, err))
        return false;
    return format == FORMAT_JSON ? json_reply(reply, buf_str(&out), err)
                                 : coverage_convert(request, reply, buf_str(&out), format, err);
}

bool handle_coverage_silent(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"device_id", "device_name", "machine_group", "last_day", "tables", NULL};
    struct coverage_request coverage;
    long long limit;
    struct str limit_text, cursor;
    if (!parameters_read(request, &coverage, err) || !list_parameters(request, &limit, &limit_text, &cursor, err))
        return false;
    DB_ROWS_AUTO *rows =
        coverage_silent(request->service->db, &coverage, cursor, limit_text, mono_ms() + READ_MS, err);
    return rows && list_reply(request, reply, "devices", rows, limit, columns, err);
}
