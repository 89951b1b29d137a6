#include "handlers/list.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"
#include "handlers/routes.h"
#include "handlers/service.h"
#include "handlers/verdict.h"

enum {
    READ_MS = 10000,
    REPLY_CAP = 512 << 20,
    MAX_LIMIT = 1000,
    DEFAULT_LIMIT = 100,
    CURSOR_VERSION = 1,
    CURSOR_MARK = 16, /* crypto_generichash wants that many */
    CURSOR_KEY = 4096,
};

struct db_rows *statement_run(struct request *request, const char *name, const struct str *params, size_t count,
                              struct err *err) {
    return db_query_alone(request->service->db, name, params, count, READ_MS, err);
}

/* What a cursor is good for: the path and the filters, in the order in which routes.def names them. A mark, not a secret:
 * a key gives nothing that the list itself doesn't. */
static void cursor_mark(const struct request *request, struct str key, unsigned char mark[CURSOR_MARK]) {
    crypto_generichash_state hash;
    static const char *const free_names[] = {"cursor", "limit", "format", "pretty", "wait", "latest"};
    crypto_generichash_init(&hash, NULL, 0, CURSOR_MARK);
    crypto_generichash_update(&hash, (const unsigned char *)request->path.ptr, request->path.len);
    for (const char *name = request->route ? request->route->parameters : ""; *name;) {
        size_t length = strcspn(name, ",");
        char one[64];
        snprintf(one, sizeof one, "%.*s", (int)length, name);
        bool filter = true;
        for (size_t i = 0; i < sizeof free_names / sizeof *free_names; i++)
            filter = filter && strcmp(one, free_names[i]) != 0;
        struct str value = filter ? request_query(request, one) : (struct str){0};
        crypto_generichash_update(&hash, (const unsigned char *)one, length + 1);
        crypto_generichash_update(&hash, (const unsigned char *)(value.ptr ? value.ptr : ""), value.len);
        name += length + (name[length] == ',');
    }
    crypto_generichash_update(&hash, (const unsigned char *)key.ptr, key.len);
    crypto_generichash_final(&hash, mark, CURSOR_MARK);
}

/* base64url of a version, a mark and the key. */
static struct str cursor_make(struct request *request, struct str key) {
    size_t length = 1 + CURSOR_MARK + key.len;
    size_t room = sodium_base64_encoded_len(length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    unsigned char *bytes = arena_take(request->arena, length);
    char *text = arena_take(request->arena, room);
    if (!bytes || !text || key.len > CURSOR_KEY)
        return (struct str){0};
    bytes[0] = CURSOR_VERSION;
    cursor_mark(request, key, bytes + 1);
    mem_copy(bytes + 1 + CURSOR_MARK, key.ptr, key.len);
    sodium_bin2base64(text, room, bytes, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return str_from(text);
}

bool list_cursor_refuse(struct request *request, struct err *err) {
    request->problem_field = "cursor";
    return err_set(err, ERR_BAD_PARAMETER, "cursor is not one that this list gave; leave it out to start at the front");
}

static bool cursor_open(struct request *request, struct str cursor, struct str *key, struct err *err) {
    unsigned char mark[CURSOR_MARK], *bytes = arena_take(request->arena, cursor.len + 1);
    size_t length = 0;
    *key = (struct str){0};
    if (!cursor.ptr)
        return true;
    if (!bytes)
        return err_memory(err);
    if (sodium_base642bin(bytes, cursor.len, cursor.ptr, cursor.len, NULL, &length, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
        length < 1 + CURSOR_MARK || bytes[0] != CURSOR_VERSION)
        return list_cursor_refuse(request, err);
    *key = (struct str){(const char *)bytes + 1 + CURSOR_MARK, length - 1 - CURSOR_MARK};
    cursor_mark(request, *key, mark);
    return (sodium_memcmp(mark, bytes + 1, CURSOR_MARK) == 0 && str_utf8_valid(*key)) || list_cursor_refuse(request, err);
}

bool list_parameters(struct request *request, long long *limit, struct str *limit_text, struct str *cursor,
                     struct err *err) {
    if (!request_number(request, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT, limit, err))
        return false;
    *limit_text = arena_printf(request->arena, "%lld", *limit + 1);
    return limit_text->ptr ? cursor_open(request, request_query(request, "cursor"), cursor, err) : err_memory(err);
}

bool list_below(struct request *request, struct str *cursor, struct err *err) {
    long long number;
    if (!cursor->ptr)
        *cursor = STR("9223372036854775807");
    return str_to_int64(*cursor, &number) || list_cursor_refuse(request, err);
}

bool json_reply(struct reply *reply, struct str json, struct err *err) {
    reply->body.cap = REPLY_CAP;
    reply->body.len = 0;
    json_add_minified(&reply->body, json);
    buf_add_char(&reply->body, '\n');
    return !reply->body.failed || err_memory(err);
}

/* A JSON value as a cell; text lives in the arena, and its ptr is NULL past the cap: table_reply looks at that. */
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

/* A list for people: its texts with commas between them; of objects, how many. */
static struct cell list_cell(struct arena *arena, const json_t *list) {
    struct str text = STR("");
    size_t i;
    const json_t *item;
    if (json_is_object(json_array_get(list, 0)))
        return (struct cell){CELL_NUMBER, arena_printf(arena, "%zu", json_array_size(list))};
    json_array_foreach(list, i, item) {
        struct cell cell = cell_of(arena, item);
        if (!text.ptr || !cell.text.ptr)
            return (struct cell){CELL_TEXT, {0}};
        text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), i ? ", " : "", STR_ARG(cell.text));
    }
    return (struct cell){CELL_TEXT, text};
}

/* A value as a cell; for people lists are plain, and "2026-07-16T02:11:09.1234567Z" ends with its seconds. */
static struct cell table_cell(struct arena *arena, const json_t *value, enum format format) {
    if (format == FORMAT_TABLE && json_is_array(value))
        return list_cell(arena, value);
    struct cell cell = cell_of(arena, value);
    if (format == FORMAT_TABLE && cell.kind == CELL_TEXT && cell.text.len == 28 && cell.text.ptr[10] == 'T')
        cell.text.len = 19;
    return cell;
}

/* The member that a column such as "hunts.done" names. */
static const json_t *member_at(const json_t *object, const char *column) {
    const char *dot = strchr(column, '.');
    const json_t *value = dot ? json_object_getn(object, column, (size_t)(dot - column)) : json_object_get(object, column);
    return dot ? member_at(value, dot + 1) : value;
}

/* "AnyDesk, RemotePC": a list of things by the member that names them, which is the list's own name without the s. */
static struct cell names_cell(struct arena *arena, const json_t *list, const char *column, enum format format) {
    char member[64];
    size_t index, length = strlen(column);
    const json_t *item;
    BUF_AUTO out = BUF(1u << 20);
    snprintf(member, sizeof member, "%.*s", length ? (int)length - 1 : 0, column);
    json_array_foreach(list, index, item) {
        const char *name = json_string_value(json_object_get(item, member));
        if (!name)
            return table_cell(arena, list, format);
        buf_printf(&out, "%s%s", index ? ", " : "", name);
    }
    struct str text = out.failed ? (struct str){0} : arena_copy(arena, buf_str(&out));
    return text.len || !text.ptr ? (struct cell){CELL_TEXT, text} : (struct cell){CELL_NULL, STR("")};
}

static struct cell column_cell(struct arena *arena, const json_t *object, const char *column, enum format format) {
    const json_t *value = member_at(object, column);
    return json_is_array(value) ? names_cell(arena, value, column, format) : table_cell(arena, value, format);
}

static bool table_write(struct buf *out, enum format format, const struct format_table *table, struct err *err) {
    for (size_t i = 0; i < table->row_count * table->column_count; i++)
        if (table->cells[i].kind != CELL_NULL && !table->cells[i].text.ptr)
            return err_memory(err); /* an empty cell would say that there is nothing */
    format_write(format, table, out);
    return !out->failed || err_memory(err);
}

static bool table_reply(struct reply *reply, enum format format, const struct format_table *table, struct err *err) {
    reply->body.cap = REPLY_CAP;
    reply->content_type = format_content_type(format);
    return table_write(&reply->body, format, table, err);
}

bool list_table(struct request *request, const json_t *objects, const char *const *columns, size_t kept, enum format format,
                struct buf *out, struct err *err) {
    struct format_table table = {.row_count = json_array_size(objects), .width = request->width, .kept = kept};
    size_t row;
    const json_t *object;
    while (columns[table.column_count])
        table.column_count++;
    struct str *names = arena_array(request->arena, table.column_count + 1, sizeof *names);
    struct cell *cells = arena_array(request->arena, table.row_count * table.column_count + 1, sizeof *cells);
    if (!names || !cells)
        return err_memory(err);
    for (size_t c = 0; c < table.column_count; c++)
        names[c] = str_from(columns[c]);
    json_array_foreach(objects, row, object) {
        for (size_t c = 0; c < table.column_count; c++)
            cells[row * table.column_count + c] = column_cell(request->arena, object, columns[c], format);
    }
    table.columns = names;
    table.cells = cells;
    return table_write(out, format, &table, err);
}

bool list_pairs(struct request *request, const json_t *object, struct buf *out, struct err *err) {
    struct format_table table = {.column_count = 2, .width = request->width};
    struct cell *cells = arena_array(request->arena, json_object_size(object) * 2 + 1, sizeof *cells);
    const char *name;
    const json_t *value;
    if (!cells)
        return err_memory(err);
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        struct cell *pair = &cells[table.row_count++ * 2];
        pair[0] = (struct cell){CELL_TEXT, str_from(name)};
        pair[1] = json_is_null(value) ? (struct cell){CELL_TEXT, STR("-")} : table_cell(request->arena, value, FORMAT_TABLE);
        if (!pair[1].text.ptr)
            return err_memory(err);
    }
    table.cells = cells;
    format_pairs(&table, out);
    return !out->failed || err_memory(err);
}

static bool list_convert(struct request *request, struct reply *reply, const struct list_items *items,
                         enum format format, struct err *err) {
    json_auto_t *objects = json_array();
    for (size_t r = 0; r < items->count; r++)
        if (json_array_append_new(objects, json_loadb(items->objects[r].ptr, items->objects[r].len, JSON_ALLOW_NUL, NULL)))
            return err_memory(err); /* the text is JSON that the database or a run made */
    reply->body.cap = REPLY_CAP;
    reply->content_type = format_content_type(format);
    if (!list_table(request, objects, items->columns, items->kept, format, &reply->body, err))
        return false;
    if (format == FORMAT_TABLE && !items->count && items->note.len)
        buf_printf(&reply->body, "%.*s\n", STR_ARG(items->note));
    return !reply->body.failed || err_memory(err);
}

static bool list_lines(struct reply *reply, const struct list_items *items, struct err *err) {
    reply->body.cap = REPLY_CAP;
    reply->content_type = format_content_type(FORMAT_NDJSON);
    for (size_t i = 0; i < items->count; i++) {
        json_add_minified(&reply->body, items->objects[i]);
        buf_add_char(&reply->body, '\n');
    }
    return !reply->body.failed || err_memory(err);
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

bool list_reply_items(struct request *request, struct reply *reply, const struct list_items *items, struct err *err) {
    enum format format;
    if (!format_choose(request, &format, err))
        return false;
    struct str next = items->next.ptr ? cursor_make(request, items->next) : (struct str){0};
    if (items->next.ptr && !next.ptr)
        return err_memory(err);
    if (next.ptr)
        add_next_link(request, reply, next);
    if (format != FORMAT_JSON)
        return format == FORMAT_NDJSON ? list_lines(reply, items, err) : list_convert(request, reply, items, format, err);
    BUF_AUTO out = BUF(REPLY_CAP);
    buf_add_char(&out, '{');
    json_add_key(&out, items->member);
    buf_add_char(&out, '[');
    for (size_t i = 0; i < items->count; i++) {
        if (i)
            buf_add_char(&out, ',');
        buf_add_str(&out, items->objects[i]);
    }
    buf_add_str(&out, STR("],\"next\":"));
    if (next.ptr)
        json_add_string(&out, next);
    else
        buf_add_str(&out, STR("null"));
    buf_add_str(&out, items->more);
    buf_add_char(&out, '}');
    return !out.failed ? json_reply(reply, buf_str(&out), err) : err_memory(err);
}

bool list_freshness(struct request *request, struct list_items *items, struct err *err) {
    BUF_AUTO out = BUF(4096);
    DB_ROWS_AUTO *rows = statement_run(request, "freshest", NULL, 0, err);
    if (!rows)
        return false;
    bool none = db_is_null(rows, 0, 0);
    buf_add_str(&out, items->more);
    buf_add_str(&out, STR(",\"freshness\":{\"newest_event\":"));
    json_add_ticks(&out, none ? -1 : db_int(rows, 0, 0));
    buf_add_str(&out, STR(",\"newest_arrival\":"));
    json_add_ticks(&out, none ? -1 : db_int(rows, 0, 1));
    buf_add_char(&out, '}');
    items->note = none ? STR("no data: no events have come yet, or none are kept") : STR("");
    items->more = out.failed ? (struct str){0} : arena_copy(request->arena, buf_str(&out));
    return items->more.ptr || err_memory(err);
}

bool list_reply_rows(struct request *request, struct reply *reply, struct list_items *items, const struct db_rows *rows,
                     long long limit, struct err *err) {
    size_t count = db_count(rows);
    bool more = count > (size_t)limit;
    count = more ? (size_t)limit : count;
    struct str *objects = arena_array(request->arena, count + 1, sizeof *objects);
    if (!objects)
        return err_memory(err);
    for (size_t r = 0; r < count; r++)
        objects[r] = db_text(rows, r, 1);
    items->objects = objects;
    items->count = count;
    items->next = more ? db_text(rows, count - 1, 0) : (struct str){0};
    return list_reply_items(request, reply, items, err);
}

bool list_reply(struct request *request, struct reply *reply, const char *member, const struct db_rows *rows,
                long long limit, const char *const *columns, struct err *err) {
    struct list_items items = {.member = member, .columns = columns};
    return list_reply_rows(request, reply, &items, rows, limit, err);
}

/* Behind rows: a table says what no rows mean, CSV and NDJSON what they don't mean. */
static bool rows_note(struct request *request, struct reply *reply, const json_t *root, enum format format,
                      struct err *err) {
    struct str text = verdict_text(request->arena, root);
    if (!text.ptr)
        return err_memory(err);
    if (format == FORMAT_TABLE && text.len)
        buf_printf(&reply->body, "%.*s\n", STR_ARG(text));
    if (format == FORMAT_TABLE || !verdict_is_note(text))
        return !reply->body.failed || err_memory(err);
    struct cell cell = {.kind = CELL_TEXT, .text = text};
    if (format == FORMAT_CSV) {
        format_csv_line(&reply->body, &cell, 1);
    } else {
        json_auto_t *note = json_pack("{s:O*,s:s%}", "verdict", verdict_word(root), "message", text.ptr, text.len);
        char *line = note ? json_dumps(note, JSON_COMPACT) : NULL;
        buf_printf(&reply->body, "%s\n", line ? line : "");
        free(line);
    }
    return !reply->body.failed || err_memory(err);
}

/* The place of a column by its name, `width` when there is none. */
static size_t column_find(const struct str *names, size_t width, const char *name) {
    size_t c = 0;
    while (c < width && !str_eq(names[c], str_from(name)))
        c++;
    return c;
}

/* Machine groups of the result's devices by DeviceId, for a column behind the rows' own; NULL when the rows have no
 * DeviceId or name the group themselves. */
static json_t *groups_of(const json_t *root, const struct str *names, size_t width) {
    size_t i;
    const json_t *device, *devices = json_object_get(root, "devices");
    if (!devices || column_find(names, width, "DeviceId") == width || column_find(names, width, "MachineGroup") < width)
        return NULL;
    json_t *groups = json_object();
    json_array_foreach(devices, i, device)
        json_object_set(groups, json_string_value(json_object_get(device, "device_id")),
                        json_object_get(device, "machine_group"));
    return groups;
}

/* The rows as Kusto gives them; in CSV, which has no devices beside them, with their machine group. */
static bool rows_convert(struct request *request, struct reply *reply, const json_t *root, enum format format,
                         struct err *err) {
    const json_t *columns = json_object_get(root, "columns"), *rows = json_object_get(root, "rows");
    size_t width = json_array_size(columns), height = json_array_size(rows);
    struct str *names = arena_array(request->arena, width + 1, sizeof *names);
    struct cell *cells = arena_array(request->arena, (width + 1) * height + 1, sizeof *cells);
    if (!names || !cells)
        return err_memory(err);
    for (size_t c = 0; c < width; c++)
        names[c] = str_from(json_string_value(json_object_get(json_array_get(columns, c), "name")));
    json_auto_t *groups = format == FORMAT_CSV ? groups_of(root, names, width) : NULL;
    size_t id = column_find(names, width, "DeviceId"), all = width + (groups != NULL);
    names[width] = STR("MachineGroup");
    for (size_t r = 0; r < height; r++) {
        const json_t *row = json_array_get(rows, r);
        for (size_t c = 0; c < width; c++)
            cells[r * all + c] = cell_of(request->arena, json_array_get(row, c));
        if (groups)
            cells[r * all + width] = cell_of(request->arena, json_object_get(groups, json_string_value(json_array_get(row, id))));
    }
    struct format_table table = {.columns = names, .column_count = all, .cells = cells, .row_count = height, .width = request->width};
    return table_reply(reply, format, &table, err) && rows_note(request, reply, root, format, err);
}

/* For machines every member; for a terminal what fits its width. */
static const char *const summary_members[] = {"device_id", "device_name", "machine_group", "first_seen",
                                              "last_seen", "count",       "report_ids",    "verdict", "message", NULL};
static const char *const table_members[] = {"device_name", "machine_group", "first_seen", "last_seen", "count", NULL};
enum { SUMMARY_COLUMNS = 10 };

static size_t device_total(const json_t *results) {
    size_t index, total = 0;
    const json_t *result;
    json_array_foreach(results, index, result) {
        total += json_array_size(json_object_get(result, "devices")) + 1;
    }
    return total;
}

static void device_line(struct request *request, const json_t *result, const json_t *device,
                        const char *const *members, enum format format, struct cell *line) {
    line[0] = cell_of(request->arena, json_object_get(json_object_get(result, "hunt"), "slug"));
    for (size_t c = 0; members[c]; c++) {
        const json_t *value = strcmp(members[c], "verdict") ? json_object_get(device, members[c]) : verdict_word(result);
        line[c + 1] = table_cell(request->arena, value, format);
    }
}

/* A line a device; for machines one also for what must be told of the hunt beside them. */
static bool result_lines(struct request *request, const json_t *result, const char *const *members, enum format format,
                         struct cell *cells, size_t *row, size_t width) {
    size_t place;
    const json_t *device;
    struct str text = verdict_text(request->arena, result);
    json_array_foreach(json_object_get(result, "devices"), place, device)
        device_line(request, result, device, members, format, &cells[(*row)++ * width]);
    if (format != FORMAT_TABLE && verdict_is_note(text)) {
        device_line(request, result, NULL, members, format, &cells[*row * width]);
        cells[(*row)++ * width + width - 1] = (struct cell){.kind = CELL_TEXT, .text = text};
    }
    return text.ptr != NULL;
}

/* One line a hunt and device, for a terminal the verdicts below. */
static bool devices_convert(struct request *request, struct reply *reply, const json_t *results, enum format format,
                            struct err *err) {
    const char *const *members = format == FORMAT_TABLE ? table_members : summary_members;
    struct str names[SUMMARY_COLUMNS] = {STR("hunt")};
    size_t index, row = 0, width = 1;
    const json_t *result;
    struct cell *cells = arena_array(request->arena, device_total(results) * SUMMARY_COLUMNS + 1, sizeof *cells);
    if (!cells)
        return err_memory(err);
    for (; members[width - 1]; width++)
        names[width] = str_from(members[width - 1]);
    json_array_foreach(results, index, result) {
        if (!result_lines(request, result, members, format, cells, &row, width))
            return err_memory(err);
    }
    struct format_table table = {.columns = names, .column_count = width, .cells = cells, .row_count = row, .width = request->width};
    if (!table_reply(reply, format, &table, err))
        return false;
    if (format == FORMAT_TABLE)
        verdict_add_lines(&reply->body, request->arena, results);
    return !reply->body.failed || err_memory(err);
}

bool result_reply(struct request *request, struct reply *reply, struct str body, struct err *err) {
    enum format format;
    if (!format_choose(request, &format, err))
        return false;
    if (format == FORMAT_JSON)
        return json_reply(reply, body, err);
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
