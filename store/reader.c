#include "store/reader.h"

#include <stdlib.h>

#include "store/csv.h"
#include "store/decode.h"

enum {
    MAX_FRAMES = 8,            /* arrays and wrappers within one another */
    ARENA_CAP = 512 << 20,
    WASTED_BODIES = 4,
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

static bool frame_push(struct reader *reader, struct str inside, const struct schema_table *table, struct err *err) {
    if (reader->frame_count == MAX_FRAMES)
        return err_set(err, ERR_TOO_DEEP, "arrays and wrappers stand more than %d deep in one another", MAX_FRAMES);
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
    reader->wasted_cap = WASTED_BODIES * body.len;
    return frame_push(reader, body, reader->options.table, err);
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

/* A member's value. Objects and arrays that may hold records are only measured here: what is inside is checked record by
 * record, so that a bad one in `records` doesn't take the others with it. */
static bool shape_value(struct scan *scan, bool measured, struct scan_value *value, struct err *err) {
    const char *stop, *end;
    scan_space(scan);
    if (!measured || scan->at >= scan->end || (*scan->at != '{' && *scan->at != '['))
        return scan_value(scan, 2, value, err);
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
    struct scan_value name, value, *member;
    size_t keys = 0;
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
        if (++keys > SCAN_MAX_KEYS)
            return err_set(err, ERR_BAD_RECORD, "more than %d members", SCAN_MAX_KEYS);
        member = shape_member(shape, name.text);
        if (!shape_value(&scan, member != NULL, &value, err))
            return false;
        if (member)
            *member = value;
    }
    scan_space(&scan);
    return scan.at == scan.end || err_set(err, ERR_BAD_JSON, "not valid JSON: something behind the object");
}

enum step { STEP_NONE, STEP_AGAIN, STEP_EVENT, STEP_IGNORED, STEP_REJECTED };

static enum step step_into(struct reader *reader, struct str inside, const struct schema_table *table, struct err *err) {
    return frame_push(reader, inside, table, err) ? STEP_AGAIN : STEP_REJECTED;
}

/* An array's inside, or an object, or JSON in a string: to be read as a frame of its own. STEP_NONE: nothing of that. */
static enum step unwrap(struct reader *reader, const struct scan_value *value, const struct schema_table *table,
                        struct err *err) {
    struct str text = value->raw.ptr ? str_trim(value->text) : STR("");
    if (!text.len)
        return STEP_NONE;
    if (value->kind == SCAN_ARRAY)
        return step_into(reader, (struct str){text.ptr + 1, text.len - 2}, table, err);
    if (value->kind == SCAN_OBJECT || (value->kind == SCAN_STRING && (text.ptr[0] == '{' || text.ptr[0] == '[')))
        return step_into(reader, text, table, err);
    return STEP_NONE;
}

/* The table that a name says, with or without its prefix. */
static const struct schema_table *category_table(struct str category, bool *ignored) {
    bool streaming = str_starts(category, STR("AdvancedHunting-"));
    const struct schema_table *table =
        schema_table_find(streaming ? (struct str){category.ptr + 16, category.len - 16} : category);
    *ignored = streaming && !table;
    return table;
}

static const struct schema_table *table_of(const struct shape *shape, const struct schema_table *given,
                                           bool *ignored) {
    const struct schema_table *table = NULL;
    *ignored = false;
    if (shape->category.kind == SCAN_STRING && shape->category.text.len)
        table = category_table(shape->category.text, ignored);
    if (table || *ignored)
        return table;
    if (shape->type.raw.ptr && shape->type.kind == SCAN_STRING && shape->type.text.len) {
        struct str name = shape->type.text;
        if (str_ends(name, STR("_CL")))
            name.len -= 3;
        table = schema_table_find(name);
        *ignored = !table && !given;
    }
    return table ? table : given;
}

/* What was only measured, and is no record inside a streaming record's envelope. */
static bool envelope_check(struct reader *reader, const struct shape *shape, struct err *err) {
    const struct scan_value *members[] = {&shape->category, &shape->tenant, &shape->type,  &shape->records,
                                          &shape->results,  &shape->schema, &shape->message, &shape->event,
                                          &shape->value,    &shape->body,   &shape->timestamp};
    struct scan_value whole;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const struct scan_value *member = members[i];
        struct scan scan = {member->raw.ptr, member->raw.ptr + member->raw.len, reader->arena};
        if ((member->kind == SCAN_OBJECT || member->kind == SCAN_ARRAY) && !scan_value(&scan, 2, &whole, err))
            return false;
    }
    return true;
}

static bool event_read(struct reader *reader, const struct shape *shape, struct str object,
                       const struct schema_table *table, struct event *event, struct err *err) {
    if (object.len > RECORD_MAX_BYTES)
        return err_set(err, ERR_RECORD_TOO_LARGE, "the record has %zu bytes; 1 MiB is the limit", object.len);
    if (!shape->properties.raw.ptr || !shape->category.raw.ptr)
        return event_decode(table, object, reader->arena, event, err);
    if (!envelope_check(reader, shape, err) ||
        !event_decode(table, shape->properties.text, reader->arena, event, err))
        return false;
    if (shape->tenant.kind == SCAN_STRING && !event->tenant.len)
        event->tenant = shape->tenant.text;
    return true;
}

static enum step record_decode(struct reader *reader, const struct shape *shape, struct str object,
                               const struct schema_table *given, struct event *event, struct err *err) {
    bool ignored;
    const struct schema_table *table = table_of(shape, given, &ignored);
    if (ignored)
        return STEP_IGNORED;
    bool ok = table ? event_read(reader, shape, object, table, event, err)
                    : err_set(err, ERR_UNKNOWN_TABLE,
                              "the record names no table: neither category nor Type; post to /v1/events/{Table}");
    event->table = table;
    return ok ? STEP_EVENT : STEP_REJECTED;
}

static enum step object_step(struct reader *reader, struct str object, const struct schema_table *given,
                             struct event *event, struct err *err) {
    struct shape shape;
    enum step step = STEP_NONE;
    if (!shape_read(reader, object, &shape, err))
        return STEP_REJECTED;
    if (shape.records.kind == SCAN_ARRAY)
        step = unwrap(reader, &shape.records, given, err);
    bool record = shape.timestamp.raw.ptr || shape.category.raw.ptr;
    if (step == STEP_NONE && shape.results.kind == SCAN_ARRAY && (shape.schema.raw.ptr || !record))
        step = unwrap(reader, &shape.results, given, err);
    const struct scan_value *const wrappers[] = {&shape.message, &shape.event, &shape.value, &shape.body};
    for (size_t i = 0; i < 4 && step == STEP_NONE && !record; i++)
        step = unwrap(reader, wrappers[i], given, err);
    return step == STEP_NONE ? record_decode(reader, &shape, object, given, event, err) : step;
}

static enum step span_step(struct reader *reader, struct str span, bool whole, const struct schema_table *given,
                           struct event *event, struct err *err) {
    event->table = given;
    if (whole && span.ptr[0] == '[')
        return step_into(reader, (struct str){span.ptr + 1, span.len - 2}, given, err);
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
        case STEP_NONE:
        case STEP_AGAIN: break;
        }
    }
    return VERDICT_END;
}

struct str reader_csv_header(const struct reader *reader) {
    return reader->csv ? csv_header(reader->csv) : (struct str){0};
}

enum verdict reader_next(struct reader *reader, struct event *event, struct str *raw, size_t *index, struct err *err) {
    *err = (struct err){0};
    enum verdict verdict =
        reader->csv ? csv_next(reader->csv, event, raw, err) : json_next(reader, event, raw, err);
    if (verdict != VERDICT_END)
        *index = reader->index++;
    return verdict;
}
