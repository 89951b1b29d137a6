#include "handlers/list.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/url.h"
#include "handlers/format.h"

enum { REPLY_CAP = 512 << 20, MAX_LIMIT = 1000, DEFAULT_LIMIT = 100 };

bool list_parameters(struct request *request, long long *limit, struct str *limit_text, struct str *cursor,
                     struct err *err) {
    if (!request_number(request, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT, limit, err))
        return false;
    *limit_text = arena_printf(request->arena, "%lld", *limit + 1);
    *cursor = request_query(request, "cursor");
    return limit_text->ptr || err_memory(err);
}

bool json_reply(struct request *request, struct reply *reply, struct str json, struct err *err) {
    bool pretty;
    if (!request_flag(request, "pretty", &pretty, err))
        return false;
    reply->body.cap = REPLY_CAP;
    reply->body.len = 0;
    if (pretty) {
        format_pretty(json, &reply->body);
    } else {
        json_add_minified(&reply->body, json);
        buf_add_char(&reply->body, '\n');
    }
    return !reply->body.failed || err_memory(err);
}

/* A JSON value as a cell; text lives in the arena. */
static struct cell cell_of(struct arena *arena, const json_t *value) {
    if (!value || json_is_null(value))
        return (struct cell){CELL_NULL, STR("")};
    if (json_is_string(value))
        return (struct cell){CELL_TEXT, {json_string_value(value), json_string_length(value)}};
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    struct str copy = arena_copy(arena, str_from(text));
    free(text);
    return (struct cell){json_is_number(value) ? CELL_NUMBER : CELL_JSON, copy};
}

static bool table_reply(struct reply *reply, enum format format, const struct format_table *table, struct err *err) {
    reply->body.cap = REPLY_CAP;
    reply->content_type = format_content_type(format);
    format_write(format, table, &reply->body);
    return !reply->body.failed || err_memory(err);
}

static bool list_convert(struct request *request, struct reply *reply, const struct db_rows *rows, size_t count,
                         enum format format, const char *const *columns, struct err *err) {
    struct format_table table = {.row_count = count};
    struct str names[16];
    json_t **objects = arena_array(request->arena, count + 1, sizeof *objects);
    for (; columns[table.column_count]; table.column_count++)
        names[table.column_count] = str_from(columns[table.column_count]);
    struct cell *cells = arena_array(request->arena, count * table.column_count + 1, sizeof *cells);
    if (!objects || !cells)
        return err_memory(err);
    for (size_t r = 0; r < count; r++) {
        struct str text = db_text(rows, r, 1);
        objects[r] = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
        for (size_t c = 0; c < table.column_count; c++)
            cells[r * table.column_count + c] = cell_of(request->arena, json_object_get(objects[r], columns[c]));
    }
    table.columns = names;
    table.cells = cells;
    bool ok = table_reply(reply, format, &table, err);
    for (size_t r = 0; r < count; r++)
        json_decref(objects[r]);
    return ok;
}

/* Link: rel="next" (RFC 8288) with the filters of this request and the next cursor. */
static void add_next_link(struct request *request, struct reply *reply, struct str cursor) {
    BUF_AUTO link = BUF(8192);
    buf_add_char(&link, '<');
    buf_add_str(&link, request->path);
    buf_add_str(&link, STR("?cursor="));
    url_add_part(&link, cursor);
    for (size_t i = 0; i < request->query_count; i++) {
        if (str_eq(request->query[i].name, STR("cursor")))
            continue;
        buf_add_char(&link, '&');
        url_add_part(&link, request->query[i].name);
        buf_add_char(&link, '=');
        url_add_part(&link, request->query[i].value);
    }
    buf_add_str(&link, STR(">; rel=\"next\""));
    struct str text = link.failed ? (struct str){0} : arena_copy(request->arena, buf_str(&link));
    if (text.ptr)
        reply_header(reply, "Link", text);
}

bool list_reply(struct request *request, struct reply *reply, const char *member, const struct db_rows *rows,
                long long limit, const char *const *columns, struct err *err) {
    enum format format;
    size_t count = db_count(rows);
    bool more = count > (size_t)limit;
    if (!format_choose(request, &format, err))
        return false;
    count = more ? (size_t)limit : count;
    if (more)
        add_next_link(request, reply, db_text(rows, count - 1, 0));
    if (format != FORMAT_JSON)
        return list_convert(request, reply, rows, count, format, columns, err);
    BUF_AUTO out = BUF(REPLY_CAP);
    buf_add_char(&out, '{');
    json_add_key(&out, member);
    buf_add_char(&out, '[');
    for (size_t r = 0; r < count; r++) {
        if (r)
            buf_add_char(&out, ',');
        buf_add_str(&out, db_text(rows, r, 1));
    }
    buf_add_str(&out, STR("],\"next\":"));
    if (more)
        json_add_string(&out, db_text(rows, count - 1, 0));
    else
        buf_add_str(&out, STR("null"));
    buf_add_char(&out, '}');
    return !out.failed ? json_reply(request, reply, buf_str(&out), err) : err_memory(err);
}

/* The rows as Kusto gives them. */
static bool rows_convert(struct request *request, struct reply *reply, const json_t *root, enum format format,
                         struct err *err) {
    const json_t *columns = json_object_get(root, "columns"), *rows = json_object_get(root, "rows");
    size_t width = json_array_size(columns), height = json_array_size(rows);
    struct str *names = arena_array(request->arena, width + 1, sizeof *names);
    struct cell *cells = arena_array(request->arena, width * height + 1, sizeof *cells);
    if (!names || !cells)
        return err_memory(err);
    for (size_t c = 0; c < width; c++)
        names[c] = str_from(json_string_value(json_object_get(json_array_get(columns, c), "name")));
    for (size_t r = 0; r < height; r++)
        for (size_t c = 0; c < width; c++)
            cells[r * width + c] = cell_of(request->arena, json_array_get(json_array_get(rows, r), c));
    struct format_table table = {names, width, cells, height};
    return table_reply(reply, format, &table, err);
}

/* For machines every member; for a terminal what fits its width. */
static const char *const summary_members[] = {"device_id",  "device_name", "machine_group", "first_seen",
                                              "last_seen",  "count",       "report_ids",    NULL};
static const char *const table_members[] = {"device_name", "machine_group", "first_seen", "last_seen", "count", NULL};
enum { SUMMARY_COLUMNS = 8 };

/* "2026-07-16T02:11:09.1234567Z" to the second, for people. */
static void shorten_time(struct cell *cell) {
    if (cell->kind == CELL_TEXT && cell->text.len == 28 && cell->text.ptr[10] == 'T')
        cell->text.len = 19;
}

static size_t device_total(const json_t *results) {
    size_t index, total = 0;
    const json_t *result;
    json_array_foreach(results, index, result) total += json_array_size(json_object_get(result, "devices"));
    return total;
}

static void device_line(struct request *request, const json_t *result, const json_t *device,
                        const char *const *members, enum format format, struct cell *line) {
    line[0] = cell_of(request->arena, json_object_get(json_object_get(result, "hunt"), "slug"));
    for (size_t c = 0; members[c]; c++) {
        line[c + 1] = cell_of(request->arena, json_object_get(device, members[c]));
        if (format == FORMAT_TABLE)
            shorten_time(&line[c + 1]);
    }
}

/* One line a hunt and device. */
static bool devices_convert(struct request *request, struct reply *reply, const json_t *results, enum format format,
                            struct err *err) {
    const char *const *members = format == FORMAT_TABLE ? table_members : summary_members;
    struct str names[SUMMARY_COLUMNS] = {STR("hunt")};
    size_t index, place, row = 0, width = 1;
    const json_t *result, *device;
    struct cell *cells = arena_array(request->arena, device_total(results) * SUMMARY_COLUMNS + 1, sizeof *cells);
    if (!cells)
        return err_memory(err);
    for (; members[width - 1]; width++)
        names[width] = str_from(members[width - 1]);
    json_array_foreach(results, index, result) {
        json_array_foreach(json_object_get(result, "devices"), place, device)
            device_line(request, result, device, members, format, &cells[row++ * width]);
    }
    struct format_table table = {names, width, cells, row};
    return table_reply(reply, format, &table, err);
}

bool result_reply(struct request *request, struct reply *reply, struct str body, struct err *err) {
    enum format format;
    if (!format_choose(request, &format, err))
        return false;
    if (format == FORMAT_JSON)
        return json_reply(request, reply, body, err);
    json_auto_t *root = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, NULL);
    if (!root)
        return err_set(err, ERR_INTERNAL, "a stored result is not JSON");
    json_t *hunts = json_object_get(root, "hunts");
    if (hunts)
        return devices_convert(request, reply, hunts, format, err);
    if (format != FORMAT_TABLE || !json_object_get(root, "devices"))
        return rows_convert(request, reply, root, format, err);
    json_auto_t *one = json_array();
    json_array_append(one, root);
    return devices_convert(request, reply, one, format, err);
}
