#include "store/csv.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/decode.h"

enum { MAX_FIELDS = 512 };

struct csv {
    const char *at, *end;
    struct arena *arena;
    bool failed;                  /* memory was out: a field is missing, its row must not pass */
    const struct reader_options *options;
    size_t field_count;
    struct str names[MAX_FIELDS]; /* without " [UTC]" and the like */
    bool local[MAX_FIELDS];       /* "[Local Time]" */
    struct str fields[MAX_FIELDS];
};

/* A quoted field's text, from behind its opening quote to behind the closing one. One that doesn't end takes the rest.
 * Doubled quotes are rare: only a field that has some is copied, and no more than its own length. */
static struct str quoted_take(struct csv *csv) {
    const char *start = csv->at;
    size_t doubled = 0;
    for (; csv->at < csv->end; csv->at++) {
        if (*csv->at != '"')
            continue;
        if (csv->at + 1 == csv->end || csv->at[1] != '"')
            break;
        csv->at++;
        doubled++;
    }
    struct str text = {start, (size_t)(csv->at - start)};
    csv->at += csv->at < csv->end;
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
    if (csv->at < csv->end && *csv->at == '"') {
        csv->at++;
        struct str text = quoted_take(csv);
        while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n')
            csv->at++;
        *last = csv->at >= csv->end || *csv->at == '\n';
        csv->at += csv->at < csv->end;
        return text;
    }
    const char *start = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n')
        csv->at++;
    struct str text = {start, (size_t)(csv->at - start)};
    *last = csv->at >= csv->end || *csv->at == '\n';
    if (*last && text.len && text.ptr[text.len - 1] == '\r')
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

static bool header_read(struct csv *csv, struct err *err) {
    csv->field_count = line_take(csv, csv->names);
    if (csv->field_count > MAX_FIELDS)
        return err_set(err, ERR_UNPROCESSABLE, "the CSV header has more than %d columns", MAX_FIELDS);
    for (size_t i = 0; i < csv->field_count; i++) {
        struct str *name = &csv->names[i];
        const char *bracket = memchr(name->ptr, '[', name->len);
        csv->local[i] = str_ends(*name, STR("[Local Time]"));
        if (bracket)
            *name = str_trim((struct str){name->ptr, (size_t)(bracket - name->ptr)});
        if (csv->local[i] && !csv->options->tz_utc_offset)
            return err_set(err, ERR_UNPROCESSABLE,
                           "column '%.*s [Local Time]' doesn't say which zone; give its offset, such as tz=+02:00 or tz=Z",
                           STR_ARG(*name));
    }
    return true;
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
    csv->arena = arena;
    csv->options = options;
    if (!header_read(csv, err)) {
        free(csv);
        return NULL;
    }
    return csv;
}

bool csv_looks_like(struct str body) {
    const char *end = memchr(body.ptr, '\n', body.len);
    struct str line = {body.ptr, end ? (size_t)(end - body.ptr) : body.len};
    if (str_starts(line, STR("\xEF\xBB\xBF")))
        line = (struct str){line.ptr + 3, line.len - 3};
    line = str_trim(line);
    return line.len && line.ptr[0] != '{' && line.ptr[0] != '[' && memchr(line.ptr, ',', line.len) &&
           (memmem(line.ptr, line.len, "Timestamp", 9) || memmem(line.ptr, line.len, "TimeGenerated", 13));
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

/* "10/25/2023, 9:43:21.990 AM" as RFC 3339 with the offset. */
static struct str us_date(struct arena *arena, struct str text, const char *offset) {
    int month, day, year, hour, minute, second;
    struct str s = text;
    if (!number_take(&s, &month) || !char_take(&s, '/') || !number_take(&s, &day) || !char_take(&s, '/') ||
        !number_take(&s, &year) || !char_take(&s, ',') || !char_take(&s, ' ') || !number_take(&s, &hour) ||
        !char_take(&s, ':') || !number_take(&s, &minute) || !char_take(&s, ':') || !number_take(&s, &second))
        return text;
    struct str fraction = s;
    while (s.len && (s.ptr[0] == '.' || (s.ptr[0] >= '0' && s.ptr[0] <= '9')))
        s = (struct str){s.ptr + 1, s.len - 1};
    fraction.len -= s.len;
    bool pm = str_eq_nocase(str_trim(s), STR("PM"));
    if ((!pm && !str_eq_nocase(str_trim(s), STR("AM"))) || hour < 1 || hour > 12)
        return text;
    return arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d%.*s%s", year, month, day, hour % 12 + (pm ? 12 : 0), minute,
                        second, STR_ARG(fraction), offset);
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

static bool field_decode(struct csv *csv, struct event *event, size_t i, struct buf *extra, struct err *err) {
    int place = decode_column(event->table, csv->names[i]);
    if (place < 0 && str_eq(csv->names[i], STR("TimeGenerated")) && event->values[0].kind == VALUE_NULL)
        place = 0;
    if (place < 0 && str_eq(csv->names[i], STR("TenantId"))) {
        event->tenant = csv->fields[i];
        return true;
    }
    if (place < 0) {
        if (csv->fields[i].len && !is_envelope_column(csv->names[i])) {
            buf_add_char(extra, extra->len ? ',' : '{');
            json_add_string(extra, csv->names[i]);
            buf_add_char(extra, ':');
            json_add_string(extra, csv->fields[i]);
        }
        return true;
    }
    const struct schema_column *column = &event->table->columns[place];
    struct str text = csv->fields[i];
    if (place == 0 && !text.len)
        return true; /* TimeGenerated may have been there before an empty Timestamp */
    if (column->type == KQL_DATETIME && text.len)
        text = us_date(csv->arena, text, csv->local[i] ? csv->options->tz_utc_offset : "Z");
    return decode_text(column, text, &event->values[place], err);
}

static bool row_decode(struct csv *csv, struct event *event, size_t count, struct err *err) {
    BUF_AUTO extra = BUF(2 * RECORD_MAX_BYTES);
    if (count != csv->field_count)
        return err_set(err, ERR_BAD_RECORD, "the row has %zu fields, the header %zu", count, csv->field_count);
    for (size_t i = 0; i < count; i++) {
        if (!str_utf8_valid(csv->fields[i]))
            return err_set(err, ERR_BAD_UTF8, "%.*s is not UTF-8", STR_ARG(csv->names[i]));
        if (csv->fields[i].len && memchr(csv->fields[i].ptr, '\0', csv->fields[i].len))
            return err_set(err, ERR_BAD_VALUE, "%.*s has a NUL, which can't be stored", STR_ARG(csv->names[i]));
        if (!field_decode(csv, event, i, &extra, err))
            return false;
    }
    if (extra.len) {
        buf_add_char(&extra, '}');
        event->extra = arena_copy(csv->arena, buf_str(&extra));
    }
    return extra.failed || (extra.len && !event->extra.ptr) ? err_memory(err) : decode_finish(event, err);
}

enum verdict csv_next(struct csv *csv, struct event *event, struct str *raw, struct err *err) {
    bool ignored = false;
    while (csv->at < csv->end && (*csv->at == '\n' || *csv->at == '\r'))
        csv->at++;
    if (csv->at >= csv->end)
        return VERDICT_END;
    const char *start = csv->at;
    size_t count = line_take(csv, csv->fields);
    *raw = str_trim((struct str){start, (size_t)(csv->at - start)});
    *event = (struct event){.table = row_table(csv, count < csv->field_count ? count : csv->field_count, &ignored)};
    if (ignored)
        return VERDICT_IGNORED;
    if (!event->table) {
        err_set(err, ERR_UNKNOWN_TABLE, "the row names no table; post to /v1/events/{Table}");
        return VERDICT_REJECTED;
    }
    if (csv->failed) {
        err_memory(err);
        return VERDICT_REJECTED;
    }
    if (raw->len > RECORD_MAX_BYTES) {
        err_set(err, ERR_RECORD_TOO_LARGE, "the row has %zu bytes; 1 MiB is the limit", raw->len);
        return VERDICT_REJECTED;
    }
    return row_decode(csv, event, count, err) ? VERDICT_EVENT : VERDICT_REJECTED;
}
