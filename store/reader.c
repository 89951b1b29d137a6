#include "store/reader.h"

#include <stdlib.h>

#include "store/csv.h"
#include "store/decode.h"

enum {
    MAX_FRAMES = 8,            /* arrays and wrappers within one another */
    ARENA_CAP = 512 << 20,
};

/* A run of values: the body itself, or an array's inside. */
struct frame {
    const char *at, *end;
    const struct schema_table *table; /* for records that name none */
};

struct reader {
    struct arena *arena;
    struct reader_options options;
    struct csv *csv;
    struct frame frames[MAX_FRAMES];
    size_t frame_count;
    size_t index;
    size_t wasted, wasted_cap; /* bytes looked through for an end that never came */
};

void reader_free(struct reader *reader) {
    if (!reader)
        return;
    csv_free(reader->csv);
    arena_free(reader->arena);
    free(reader);
}

static bool frame_push(struct reader *reader, struct str inside, const struct schema_table *table) {
    if (reader->frame_count == MAX_FRAMES)
        return false;
    reader->frames[reader->frame_count++] = (struct frame){inside.ptr, inside.ptr + inside.len, table};
    return true;
}

static bool reader_start(struct reader *reader, struct str body, struct err *err) {
    if (!reader->arena)
        return err_memory(err);
    if (str_starts(body, STR("\xEF\xBB\xBF")))
        body = (struct str){body.ptr + 3, body.len - 3};
    if (reader->options.format == READER_CSV || csv_looks_like(body)) {
        reader->csv = csv_open(body, &reader->options, reader->arena, err);
        return reader->csv != NULL;
    }
    reader->wasted_cap = 8 * body.len;
    return frame_push(reader, body, reader->options.table);
}

struct reader *reader_open(struct str body, const struct reader_options *options, struct err *err) {
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        err_memory(err);
        return NULL;
    }
    reader->options = *options;
    reader->arena = arena_new(ARENA_CAP);
    if (!reader_start(reader, body, err)) {
        csv_free(reader->csv);
        arena_free(reader->arena);
        free(reader);
        return NULL;
    }
    return reader;
}

static bool is_separator(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == ','; /* all that str_trim trims, so that no span is empty */
}

/* The end of the object or array at `start`, NULL when it doesn't end. A body with an opening bracket on each line would
 * take the square of its length, so once a few bodies' worth of looking was in vain, values must end on their line. */
static const char *bracket_end(struct reader *reader, const char *start, const char *limit) {
    const char *stop = limit, *line;
    if (*start != '{' && *start != '[')
        return NULL;
    if (reader->wasted > reader->wasted_cap) {
        line = memchr(start, '\n', (size_t)(limit - start));
        return scan_find_end(start, line ? line : limit, &stop);
    }
    const char *end = scan_find_end(start, limit, &stop);
    if (!end)
        reader->wasted += (size_t)(stop - start);
    return end;
}

/* The next value of the innermost frame as a span: whole by its brackets, or, where it doesn't end, as far as the line.
 * *whole tells which. False when the frame is over. */
static bool value_span(struct reader *reader, struct frame *frame, struct str *span, bool *whole) {
    while (frame->at < frame->end && is_separator(*frame->at))
        frame->at++;
    if (frame->at >= frame->end)
        return false;
    const char *start = frame->at, *end = bracket_end(reader, start, frame->end);
    *whole = end != NULL;
    if (!end) {
        end = memchr(start, '\n', (size_t)(frame->end - start));
        end = end ? end : frame->end;
    }
    frame->at = end;
    *span = str_trim((struct str){start, (size_t)(end - start)});
    return true;
}

/* The members that tell a record's shape. */
struct shape {
    struct scan_value category, tenant, type, properties, records, results, schema, message, event, value, body, timestamp;
};

static struct scan_value *shape_member(struct shape *shape, struct str name) {
    const struct {
        struct str name;
        struct scan_value *value;
    } members[] = {
        {STR("category"), &shape->category}, {STR("tenantId"), &shape->tenant}, {STR("Type"), &shape->type},       {STR("properties"), &shape->properties},
        {STR("records"), &shape->records},   {STR("Results"), &shape->results}, {STR("results"), &shape->results},
        {STR("Schema"), &shape->schema},     {STR("schema"), &shape->schema},   {STR("message"), &shape->message},
        {STR("event"), &shape->event},       {STR("value"), &shape->value},     {STR("body"), &shape->body},
        {STR("Timestamp"), &shape->timestamp}, {STR("TimeGenerated"), &shape->timestamp},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (str_eq(name, members[i].name))
            return members[i].value;
    return NULL;
}

/* A member's value. Objects and arrays are only measured here: what is inside is checked record by record, so that a bad
 * record in `records` doesn't take the others with it. */
static bool shape_value(struct scan *scan, struct scan_value *value, struct err *err) {
    const char *stop, *end;
    scan_space(scan);
    if (scan->at >= scan->end || (*scan->at != '{' && *scan->at != '['))
        return scan_value(scan, 1, value, err);
    end = scan_find_end(scan->at, scan->end, &stop);
    if (!end)
        return err_set(err, ERR_BAD_JSON, "not valid JSON: an object or array doesn't end");
    value->kind = *scan->at == '{' ? SCAN_OBJECT : SCAN_ARRAY;
    value->raw = value->text = (struct str){scan->at, (size_t)(end - scan->at)};
    scan->at = end;
    return true;
}

static bool shape_read(struct reader *reader, struct str object, struct shape *shape, struct err *err) {
    struct scan scan = {object.ptr, object.ptr + object.len, reader->arena};
    struct scan_value name, value;
    *shape = (struct shape){0};
    if (!scan_take(&scan, '{'))
        return err_set(err, ERR_BAD_RECORD, "a record must be a JSON object");
    for (bool first = true; !scan_take(&scan, '}'); first = false) {
        if (!first && !scan_take(&scan, ','))
            return err_set(err, ERR_BAD_JSON, "not valid JSON: a comma or } is missing");
        if (!scan_value(&scan, 1, &name, err))
            return false;
        if (name.kind != SCAN_STRING || !scan_take(&scan, ':'))
            return err_set(err, ERR_BAD_JSON, "not valid JSON: a member's name or its colon is missing");
        if (!shape_value(&scan, &value, err))
            return false;
        struct scan_value *member = shape_member(shape, name.text);
        if (member)
            *member = value;
    }
    scan_space(&scan);
    return scan.at == scan.end || err_set(err, ERR_BAD_JSON, "not valid JSON: something behind the object");
}

/* An array's inside, or an object, or JSON in a string: pushed as a frame of its own. */
static bool unwrap(struct reader *reader, const struct scan_value *value, const struct schema_table *table) {
    if (!value->raw.ptr)
        return false;
    if (value->kind == SCAN_ARRAY)
        return frame_push(reader, (struct str){value->raw.ptr + 1, value->raw.len - 2}, table);
    if (value->kind == SCAN_OBJECT)
        return frame_push(reader, value->raw, table);
    struct str text = str_trim(value->text);
    return value->kind == SCAN_STRING && text.len && (text.ptr[0] == '{' || text.ptr[0] == '[') &&
           frame_push(reader, text, table);
}

static const struct schema_table *table_of(const struct shape *shape, const struct schema_table *given,
                                           bool *ignored) {
    struct str category = shape->category.kind == SCAN_STRING ? shape->category.text : STR("");
    *ignored = false;
    if (str_starts(category, STR("AdvancedHunting-"))) {
        const struct schema_table *table = schema_table_find((struct str){category.ptr + 16, category.len - 16});
        *ignored = !table;
        return table;
    }
    if (shape->type.raw.ptr && shape->type.kind == SCAN_STRING && shape->type.text.len) {
        struct str name = shape->type.text;
        if (str_ends(name, STR("_CL")))
            name.len -= 3;
        const struct schema_table *table = schema_table_find(name);
        *ignored = !table && !given;
        return table ? table : given;
    }
    return given;
}

enum step { STEP_AGAIN, STEP_EVENT, STEP_IGNORED, STEP_REJECTED };

static enum step record_decode(struct reader *reader, const struct shape *shape, struct str object,
                               const struct schema_table *given, struct event *event, struct err *err) {
    bool ignored;
    event->table = table_of(shape, given, &ignored);
    if (ignored)
        return STEP_IGNORED;
    if (!event->table) {
        err_set(err, ERR_UNKNOWN_TABLE, "the record names no table: neither category nor Type; post to /v1/events/{Table}");
        return STEP_REJECTED;
    }
    bool streaming = shape->properties.raw.ptr && shape->category.raw.ptr;
    struct str columns = streaming ? shape->properties.text : object;
    const struct schema_table *table = event->table;
    if (event_decode(table, columns, reader->arena, event, err)) {
        if (streaming && shape->tenant.kind == SCAN_STRING && !event->tenant.len)
            event->tenant = shape->tenant.text;
        return STEP_EVENT;
    }
    event->table = table;
    return STEP_REJECTED;
}

static enum step object_step(struct reader *reader, struct str object, const struct schema_table *given,
                             struct event *event, struct err *err) {
    struct shape shape;
    if (!shape_read(reader, object, &shape, err))
        return STEP_REJECTED;
    if (shape.records.raw.ptr && shape.records.kind == SCAN_ARRAY && unwrap(reader, &shape.records, given))
        return STEP_AGAIN;
    if (shape.results.raw.ptr && shape.results.kind == SCAN_ARRAY && shape.schema.raw.ptr &&
        unwrap(reader, &shape.results, given))
        return STEP_AGAIN;
    if (!shape.timestamp.raw.ptr && !shape.category.raw.ptr &&
        (unwrap(reader, &shape.message, given) || unwrap(reader, &shape.event, given) ||
         unwrap(reader, &shape.value, given) || unwrap(reader, &shape.body, given)))
        return STEP_AGAIN;
    return record_decode(reader, &shape, object, given, event, err);
}

static enum step span_step(struct reader *reader, struct str span, bool whole, const struct schema_table *given,
                           struct event *event, struct err *err) {
    event->table = NULL;
    if (whole && span.ptr[0] == '[' && frame_push(reader, (struct str){span.ptr + 1, span.len - 2}, given))
        return STEP_AGAIN;
    if (whole && span.ptr[0] == '{')
        return object_step(reader, span, given, event, err);
    if (!str_utf8_valid(span))
        err_set(err, ERR_BAD_UTF8, "a record is not UTF-8");
    else if (span.ptr[0] == '{' || span.ptr[0] == '[')
        err_set(err, ERR_BAD_JSON, "not valid JSON: it doesn't end");
    else
        err_set(err, ERR_BAD_RECORD, "a record must be a JSON object");
    return STEP_REJECTED;
}

static enum verdict json_next(struct reader *reader, struct event *event, struct str *raw, struct err *err) {
    while (reader->frame_count) {
        struct frame *frame = &reader->frames[reader->frame_count - 1];
        const struct schema_table *given = frame->table;
        bool whole;
        if (!value_span(reader, frame, raw, &whole)) {
            reader->frame_count--;
            continue;
        }
        switch (span_step(reader, *raw, whole, given, event, err)) {
        case STEP_EVENT: return VERDICT_EVENT;
        case STEP_IGNORED: return VERDICT_IGNORED;
        case STEP_REJECTED: return VERDICT_REJECTED;
        case STEP_AGAIN: break;
        }
    }
    return VERDICT_END;
}

enum verdict reader_next(struct reader *reader, struct event *event, struct str *raw, size_t *index, struct err *err) {
    *err = (struct err){0};
    enum verdict verdict =
        reader->csv ? csv_next(reader->csv, event, raw, err) : json_next(reader, event, raw, err);
    if (verdict != VERDICT_END)
        *index = reader->index++;
    return verdict;
}
