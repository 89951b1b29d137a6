#include "store/csv.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/decode.h"
#include "store/extra.h"

enum { MAX_FIELDS = SCAN_MAX_KEYS, WASTED_BODIES = 4 };

struct csv {
    const char *at, *end;
    struct arena *arena;
    bool failed;                  /* memory was out: a field is missing, its row must not pass */
    bool unclosed;                /* a quoted field of the line has no end */
    size_t wasted, wasted_cap;    /* bytes looked through for a closing quote that never came */
    struct str header;
    const struct reader_options *options;
    size_t field_count;
    struct str names[MAX_FIELDS]; /* without " [UTC]" and the like */
    bool zoned[MAX_FIELDS];       /* the heading says which zone its times are of */
    bool local[MAX_FIELDS];       /* "[Local Time]" */
    struct str fields[MAX_FIELDS];
};

/* The place of the quote that closes the field which starts at csv->at; NULL when there is none, or none that ends a
 * field. Doubled quotes are counted. Once a few bodies' worth of looking was in vain, fields must end on their line. */
static const char *quote_close(struct csv *csv, size_t *doubled) {
    const char *at = csv->at, *line = csv->wasted > csv->wasted_cap ? memchr(at, '\n', (size_t)(csv->end - at)) : NULL;
    const char *limit = line ? line : csv->end;
    for (*doubled = 0; at < limit; at++) {
        at = memchr(at, '"', (size_t)(limit - at));
        if (!at)
            break;
        if (at + 1 < csv->end && at[1] == '"') {
            at++;
            ++*doubled;
            continue;
        }
        const char *next = at + 1;
        next += next < csv->end && *next == '\r';
        if (next >= csv->end || *next == ',' || *next == '\n')
            return at;
        break;
    }
    csv->wasted += (size_t)((at ? at : limit) - csv->at);
    return NULL;
}

/* A quoted field's text, from behind its opening quote to behind the closing one. One that isn't closed ends with its
 * line, so that it costs one row. Doubled quotes are rare: only a field that has some is copied, and no more than its own
 * length. */
static struct str quoted_take(struct csv *csv) {
    size_t doubled;
    const char *start = csv->at, *close = quote_close(csv, &doubled);
    if (!close) {
        close = memchr(start, '\n', (size_t)(csv->end - start));
        csv->at = close ? close : csv->end;
        csv->unclosed = true;
        return (struct str){start, (size_t)(csv->at - start)};
    }
    struct str text = {start, (size_t)(close - start)};
    csv->at = close + 1;
    if (!doubled)
        return text;
    char *out = arena_take(csv->arena, text.len + 1), *place = out;
    if (!out)
        csv->failed = true;
    for (size_t i = 0; out && i < text.len; i++) {
        *place++ = text.ptr[i];
        i += text.ptr[i] == '"';
    }
    return (struct str){out, out ? (size_t)(place - out) : 0};
}

/* One field; *last is set behind a line's last one. */
static struct str field_take(struct csv *csv, bool *last) {
    bool quoted = csv->at < csv->end && *csv->at == '"';
    struct str text = {0};
    if (quoted) {
        csv->at++;
        text = quoted_take(csv);
    }
    const char *start = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n')
        csv->at++;
    if (!quoted)
        text = (struct str){start, (size_t)(csv->at - start)};
    *last = csv->at >= csv->end || *csv->at == '\n';
    if (*last && text.len && text.ptr[text.len - 1] == '\r' && !quoted)
        text.len--;
    csv->at += csv->at < csv->end;
    return text;
}

/* A line's fields; how many it had, which may be more than are kept. */
static size_t line_take(struct csv *csv, struct str *fields) {
    size_t count = 0;
    bool last = false;
    while (!last) {
        struct str field = field_take(csv, &last);
        if (count < MAX_FIELDS)
            fields[count] = field;
        count++;
    }
    return count;
}

/* Without its line end; other white space may belong to the fields. */
static struct str line_trim(struct str line) {
    line.len -= line.len && line.ptr[line.len - 1] == '\n';
    line.len -= line.len && line.ptr[line.len - 1] == '\r';
    return line;
}

/* "Timestamp [UTC]" is Timestamp; a local one needs the zone. */
static bool heading_read(struct csv *csv, size_t i, struct err *err) {
    struct str *name = &csv->names[i];
    static const struct str utc = {"[UTC]", 5}, local = {"[Local Time]", 12};
    *name = str_trim(*name);
    csv->local[i] = str_ends(*name, local);
    csv->zoned[i] = csv->local[i] || str_ends(*name, utc);
    if (csv->zoned[i])
        *name = str_trim((struct str){name->ptr, name->len - (csv->local[i] ? local.len : utc.len)});
    if (!str_utf8_valid(*name) || str_find(*name, '\0'))
        return err_set(err, ERR_UNPROCESSABLE, "the CSV header is not UTF-8 text");
    return !csv->local[i] || csv->options->zone ||
           err_set(err, ERR_UNPROCESSABLE,
                   "column '%.*s [Local Time]' doesn't say which zone; give it, such as tz=Europe/Berlin, tz=+02:00 or tz=Z",
                   STR_ARG(*name));
}

static bool header_read(struct csv *csv, struct err *err) {
    const char *start = csv->at;
    csv->field_count = line_take(csv, csv->names);
    csv->header = line_trim((struct str){start, (size_t)(csv->at - start)});
    if (csv->field_count > MAX_FIELDS)
        return err_set(err, ERR_UNPROCESSABLE, "the CSV header has more than %d columns", MAX_FIELDS);
    if (csv->unclosed)
        return err_set(err, ERR_UNPROCESSABLE, "a quote in the CSV header is not closed");
    bool timed = false;
    for (size_t i = 0; i < csv->field_count; i++) {
        if (!heading_read(csv, i, err))
            return false;
        timed = timed || str_eq(csv->names[i], STR("Timestamp")) || str_eq(csv->names[i], STR("TimeGenerated"));
    }
    return timed || err_set(err, ERR_UNPROCESSABLE, "the CSV header has neither Timestamp nor TimeGenerated");
}

struct str csv_header(const struct csv *csv) {
    return csv->header;
}

void csv_free(struct csv *csv) {
    free(csv);
}

struct csv *csv_open(struct str body, const struct reader_options *options, struct arena *arena, struct err *err) {
    struct csv *csv = calloc(1, sizeof *csv);
    if (!csv) {
        err_memory(err);
        return NULL;
    }
    if (str_starts(body, STR("\xEF\xBB\xBF")))
        body = (struct str){body.ptr + 3, body.len - 3};
    csv->at = body.ptr;
    csv->end = body.ptr + body.len;
    csv->wasted_cap = WASTED_BODIES * body.len;
    csv->arena = arena;
    csv->options = options;
    if (!header_read(csv, err)) {
        free(csv);
        return NULL;
    }
    return csv;
}

bool csv_looks_like(struct str body) {
    struct str line, rest;
    str_cut(body, '\n', &line, &rest);
    if (str_starts(line, STR("\xEF\xBB\xBF")))
        line = (struct str){line.ptr + 3, line.len - 3};
    line = str_trim(line);
    return line.len && line.ptr[0] != '{' && line.ptr[0] != '[' && str_find(line, ',') &&
           (str_holds(line, STR("Timestamp")) || str_holds(line, STR("TimeGenerated")));
}

static bool number_take(struct str *s, int *out) {
    size_t digits = 0;
    *out = 0;
    while (digits < s->len && digits < 4 && s->ptr[digits] >= '0' && s->ptr[digits] <= '9')
        *out = *out * 10 + (s->ptr[digits++] - '0');
    *s = (struct str){s->ptr + digits, s->len - digits};
    return digits > 0;
}

static bool char_take(struct str *s, char c) {
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = (struct str){s->ptr + 1, s->len - 1};
    return true;
}

/* "10/25/2023, 9:43:21.990 AM" as RFC 3339 in UTC, whatever its zone; ptr NULL when it isn't such a time. */
static struct str us_date(struct arena *arena, struct str text) {
    int month, day, year, hour, minute, second;
    struct str s = text, none = {0};
    if (!number_take(&s, &month) || !char_take(&s, '/') || !number_take(&s, &day) || !char_take(&s, '/') ||
        !number_take(&s, &year) || !char_take(&s, ',') || !char_take(&s, ' ') || !number_take(&s, &hour) ||
        !char_take(&s, ':') || !number_take(&s, &minute) || !char_take(&s, ':') || !number_take(&s, &second))
        return none;
    struct str fraction = s;
    while (s.len && (s.ptr[0] == '.' || (s.ptr[0] >= '0' && s.ptr[0] <= '9')))
        s = (struct str){s.ptr + 1, s.len - 1};
    fraction.len -= s.len;
    bool pm = str_eq_nocase(str_trim(s), STR("PM"));
    if ((!pm && !str_eq_nocase(str_trim(s), STR("AM"))) || hour < 1 || hour > 12)
        return none;
    return arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d%.*sZ", year, month, day, hour % 12 + (pm ? 12 : 0), minute,
                        second, STR_ARG(fraction));
}

/* "2023-10-25T09:43:21.99" of a column that says its zone in the heading, with a Z behind it. */
static struct str bare_date(struct arena *arena, struct str text) {
    int64_t ticks;
    if (text.len < 19 || text.len > 27 || ticks_parse(text, &ticks))
        return (struct str){0};
    return arena_printf(arena, "%.*sZ", STR_ARG(text));
}

static bool time_decode(struct csv *csv, size_t i, const struct schema_column *column, struct value *value,
                        struct err *err) {
    struct str text = csv->fields[i], date = us_date(csv->arena, text);
    int64_t ticks;
    if (!date.ptr && csv->zoned[i])
        date = bare_date(csv->arena, text);
    if (!date.ptr || !ticks_parse(date, &ticks))
        return decode_text(column, text, value, err);
    if (csv->local[i])
        ticks = zone_utc(csv->options->zone, ticks);
    if (ticks < 0 || ticks > TICKS_MAX)
        return err_set(err, column->storage == STORED_TS ? ERR_BAD_TIMESTAMP : ERR_BAD_VALUE,
                       "%s: '%.*s' is out of the years 0001 to 9999", column->name, STR_ARG(text));
    *value = (struct value){.kind = VALUE_NUMBER, .number = ticks};
    return true;
}

static const struct schema_table *row_table(const struct csv *csv, size_t count, bool *ignored) {
    for (size_t i = 0; i < count; i++)
        if (str_eq(csv->names[i], STR("Type")) && csv->fields[i].len) {
            const struct schema_table *table = schema_table_find(csv->fields[i]);
            *ignored = !table && !csv->options->table;
            return table ? table : csv->options->table; /* as with JSON */
        }
    return csv->options->table;
}

static bool is_envelope_column(struct str name) {
    return str_eq(name, STR("Type")) || str_eq(name, STR("TimeGenerated"));
}

/* A field of a column that the table lacks, as JSON text. */
static bool extra_field(struct csv *csv, size_t i, struct extra *extra, struct err *err) {
    BUF_AUTO json = BUF(8 * RECORD_MAX_BYTES);
    if (!csv->fields[i].len || is_envelope_column(csv->names[i]))
        return true;
    json_add_string(&json, csv->fields[i]);
    struct str copy = json.failed ? (struct str){0} : arena_copy(csv->arena, buf_str(&json));
    if (!copy.ptr)
        return err_memory(err);
    extra_add(extra, csv->names[i], copy);
    return true;
}

static bool field_decode(struct csv *csv, struct event *event, size_t i, struct extra *extra, struct err *err) {
    int place = decode_column(event->table, csv->names[i]);
    if (place < 0 && str_eq(csv->names[i], STR("TimeGenerated")) && event->values[0].kind == VALUE_NULL)
        place = 0;
    if (place < 0 && str_eq(csv->names[i], STR("TenantId"))) {
        event->tenant = csv->fields[i];
        return true;
    }
    if (place < 0)
        return extra_field(csv, i, extra, err);
    const struct schema_column *column = &event->table->columns[place];
    struct str text = csv->fields[i];
    if (place == 0 && !text.len)
        return true; /* TimeGenerated may have been there before an empty Timestamp */
    if (column->type == KQL_DATETIME && text.len)
        return time_decode(csv, i, column, &event->values[place], err);
    return decode_text(column, text, &event->values[place], err);
}

static bool row_decode(struct csv *csv, struct event *event, size_t count, struct err *err) {
    NOT_ZEROED struct extra extra;
    extra.count = 0;
    if (count != csv->field_count)
        return err_set(err, ERR_BAD_RECORD, "the row has %zu fields, the header %zu", count, csv->field_count);
    for (size_t i = 0; i < count; i++) {
        if (!str_utf8_valid(csv->fields[i]))
            return err_set(err, ERR_BAD_UTF8, "%.*s is not UTF-8", STR_ARG(csv->names[i]));
        if (str_find(csv->fields[i], '\0'))
            return err_set(err, ERR_BAD_VALUE, "%.*s has a NUL, which can't be stored", STR_ARG(csv->names[i]));
        if (!field_decode(csv, event, i, &extra, err))
            return false;
    }
    if (!extra_take(&extra, csv->arena, &event->extra))
        return err_memory(err);
    return decode_finish(event, err);
}

static bool row_check(const struct csv *csv, const struct event *event, struct str raw, struct err *err) {
    if (csv->failed)
        return err_memory(err);
    if (raw.len > RECORD_MAX_BYTES)
        return err_set(err, ERR_RECORD_TOO_LARGE, "the row has %zu bytes; 1 MiB is the limit", raw.len);
    if (csv->unclosed)
        return err_set(err, ERR_BAD_RECORD, "a quote in the row is not closed, or something stands behind the closing one");
    return event->table || err_set(err, ERR_UNKNOWN_TABLE, "the row names no table; post to /v1/events/{Table}");
}

enum verdict csv_next(struct csv *csv, struct event *event, struct str *raw, struct err *err) {
    bool ignored = false;
    while (csv->at < csv->end && (*csv->at == '\n' || *csv->at == '\r'))
        csv->at++;
    if (csv->at >= csv->end)
        return VERDICT_END;
    const char *start = csv->at;
    csv->unclosed = false;
    size_t count = line_take(csv, csv->fields);
    *raw = line_trim((struct str){start, (size_t)(csv->at - start)});
    *event = (struct event){.table = row_table(csv, count < csv->field_count ? count : csv->field_count, &ignored)};
    if (ignored && !csv->unclosed)
        return VERDICT_IGNORED;
    return row_check(csv, event, *raw, err) && row_decode(csv, event, count, err) ? VERDICT_EVENT : VERDICT_REJECTED;
}
