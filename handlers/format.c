#include "handlers/format.h"

#include "base/json.h"

static const char *const format_names[] = {"json", "ndjson", "csv", "table"};

static bool format_parse(struct str name, enum format *format) {
    for (int i = FORMAT_JSON; i <= FORMAT_TABLE; i++)
        if (str_eq(name, str_from(format_names[i]))) {
            *format = (enum format)i;
            return true;
        }
    return false;
}

const char *format_content_type(enum format format) {
    static const char *const types[] = {"application/json", "application/x-ndjson", "text/csv; charset=utf-8",
                                        "text/plain; charset=utf-8"};
    return types[format];
}

/* The first of the sender's types that we know decides; weights are rarely sent by those who want one of these. */
static enum format format_of_accept(struct str accept) {
    static const struct {
        const char *type;
        enum format format;
    } known[] = {{"application/json", FORMAT_JSON}, {"application/x-ndjson", FORMAT_NDJSON},
                 {"application/jsonl", FORMAT_NDJSON}, {"text/csv", FORMAT_CSV}, {"text/plain", FORMAT_TABLE}};
    while (accept.len) {
        struct str type, weight;
        str_cut(accept, ',', &type, &accept);
        str_cut(type, ';', &type, &weight);
        type = str_trim(type);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (str_eq_nocase(type, str_from(known[i].type)))
                return known[i].format;
    }
    return FORMAT_JSON;
}

bool format_choose(struct request *request, enum format *format, struct err *err) {
    struct str name = request_query(request, "format");
    if (!name.ptr) {
        *format = format_of_accept(request_header(request, "Accept"));
        return true;
    }
    if (format_parse(name, format))
        return true;
    request->problem_field = "format";
    return err_set(err, ERR_BAD_PARAMETER, "format: '%.*s' is none of json, ndjson, csv, table", STR_ARG(name));
}

bool format_choose_one(struct request *request, bool *table, struct err *err) {
    struct str name = request_query(request, "format");
    enum format format;
    if (!format_choose(request, &format, err))
        return false;
    *table = format == FORMAT_TABLE;
    if (*table || format == FORMAT_JSON || !name.ptr)
        return true;
    request->problem_field = "format";
    return err_set(err, ERR_BAD_PARAMETER, "format: '%.*s' is for lists; one thing is json or table", STR_ARG(name));
}

/* "q=0", "q=0.0", …: what is named isn't taken. */
static bool weight_is_zero(struct str parameters) {
    parameters = str_trim(parameters);
    if (!str_starts(parameters, STR("q=")) && !str_starts(parameters, STR("Q=")))
        return false;
    for (size_t i = 2; i < parameters.len; i++)
        if (parameters.ptr[i] != '0' && parameters.ptr[i] != '.')
            return false;
    return true;
}

bool format_gzip(const struct request *request) {
    struct str accept = request_header(request, "Accept-Encoding");
    bool any = false;
    while (accept.len) {
        struct str name, weight;
        str_cut(accept, ',', &name, &accept);
        str_cut(name, ';', &name, &weight);
        name = str_trim(name);
        bool taken = !weight_is_zero(weight);
        if (str_eq_nocase(name, STR("gzip")) || str_eq_nocase(name, STR("x-gzip")))
            return taken;
        any = any || (taken && str_eq(name, STR("*")));
    }
    return any;
}

static const struct cell *cell_at(const struct format_table *table, size_t row, size_t column) {
    return &table->cells[row * table->column_count + column];
}

static void add_json_cell(struct buf *out, const struct cell *cell) {
    switch (cell->kind) {
    case CELL_NULL: buf_add(out, "null", 4); break;
    case CELL_TEXT: json_add_string(out, cell->text); break;
    case CELL_NUMBER:
    case CELL_JSON: buf_add_str(out, cell->text); break;
    }
}

static void add_object(struct buf *out, const struct format_table *table, size_t row) {
    buf_add_char(out, '{');
    for (size_t c = 0; c < table->column_count; c++) {
        if (c)
            buf_add_char(out, ',');
        json_add_string(out, table->columns[c]);
        buf_add_char(out, ':');
        add_json_cell(out, cell_at(table, row, c));
    }
    buf_add_char(out, '}');
}

static void write_json(const struct format_table *table, struct buf *out, bool lines) {
    if (!lines)
        buf_add_char(out, '[');
    for (size_t row = 0; row < table->row_count; row++) {
        if (!lines && row)
            buf_add_char(out, ',');
        add_object(out, table, row);
        if (lines)
            buf_add_char(out, '\n');
    }
    if (!lines)
        buf_add(out, "]\n", 2);
}

/* What spreadsheets take as the start of a formula (OWASP, CSV injection). */
static bool would_run(struct str text) {
    return text.len && memchr("=+-@\t\r", text.ptr[0], 6);
}

static void add_csv_text(struct buf *out, struct str text, bool number) {
    bool escape = !number && would_run(text), quote = escape;
    for (size_t i = 0; i < text.len && !quote; i++)
        quote = text.ptr[i] == '"' || text.ptr[i] == ',' || text.ptr[i] == '\n' || text.ptr[i] == '\r';
    if (!quote) {
        buf_add_str(out, text);
        return;
    }
    buf_add_char(out, '"');
    if (escape)
        buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.ptr[i]);
    }
    buf_add_char(out, '"');
}

void format_csv_line(struct buf *out, const struct cell *cells, size_t count) {
    for (size_t c = 0; c < count; c++) {
        if (c)
            buf_add_char(out, ',');
        if (cells[c].kind != CELL_NULL)
            add_csv_text(out, cells[c].text, cells[c].kind == CELL_NUMBER);
    }
    buf_add(out, "\r\n", 2);
}

static void write_csv(const struct format_table *table, struct buf *out) {
    for (size_t c = 0; c < table->column_count; c++) {
        if (c)
            buf_add_char(out, ',');
        add_csv_text(out, table->columns[c], false);
    }
    buf_add(out, "\r\n", 2);
    for (size_t row = 0; row < table->row_count; row++)
        format_csv_line(out, cell_at(table, row, 0), table->column_count);
}

static size_t characters(struct str text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += (text.ptr[i] & 0xC0) != 0x80;
    return count;
}

enum { MAX_TABLE_COLUMNS = 64, COLUMN_GAP = 2, NARROWEST = 8, TO_SECOND = 19, TO_MINUTE = 16 };

/* "2026-07-16T02:11:09" */
static bool is_time(struct str text) {
    return text.len == TO_SECOND && text.ptr[10] == 'T' && text.ptr[13] == ':' && text.ptr[16] == ':';
}

static bool is_time_column(const struct format_table *table, size_t column) {
    bool any = false;
    for (size_t row = 0; row < table->row_count; row++) {
        struct str text = cell_at(table, row, column)->text;
        if (text.len && !is_time(text))
            return false;
        any = any || text.len;
    }
    return any;
}

static size_t line_width(const size_t *widths, size_t count) {
    size_t total = count ? (count - 1) * COLUMN_GAP : 0;
    for (size_t c = 0; c < count; c++)
        total += widths[c];
    return total;
}

/* The widest column that isn't kept gives way, one character at a time, until the line fits or nothing can. */
static void fit_widths(size_t *widths, const bool *kept, size_t count, size_t line) {
    while (line_width(widths, count) > line) {
        size_t widest = count;
        for (size_t c = 0; c < count; c++)
            if (!kept[c] && (widest == count || widths[c] > widths[widest]))
                widest = c;
        if (widest == count || widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
    }
}

/* Times lose their seconds first, and more of them last, as do the columns that are kept. */
static void fit_line(const struct format_table *table, size_t *widths, size_t count, size_t line) {
    bool times[MAX_TABLE_COLUMNS] = {0}, kept[MAX_TABLE_COLUMNS] = {0};
    static const bool none[MAX_TABLE_COLUMNS];
    if (line_width(widths, count) <= line)
        return;
    for (size_t c = 0; c < count; c++) {
        times[c] = is_time_column(table, c);
        if (times[c] && widths[c] == TO_SECOND)
            widths[c] = TO_MINUTE;
        kept[c] = times[c] || c < table->kept;
    }
    fit_widths(widths, kept, count, line);
    fit_widths(widths, times, count, line);
    fit_widths(widths, none, count, line);
}

static void measure(const struct format_table *table, size_t *widths, size_t count) {
    size_t line = table->width ? table->width : FORMAT_WIDTH;
    for (size_t c = 0; c < count; c++) {
        widths[c] = characters(table->columns[c]);
        for (size_t row = 0; row < table->row_count; row++) {
            size_t width = characters(cell_at(table, row, c)->text);
            widths[c] = width > widths[c] ? width : widths[c];
        }
        widths[c] = widths[c] > line ? line : widths[c];
    }
    fit_line(table, widths, count, line);
}

static void add_padding(struct buf *out, size_t count) {
    while (count--)
        buf_add_char(out, ' ');
}

/* At most so many characters; those that could drive the terminal or turn the line become a middle dot. */
static void add_characters(struct buf *out, struct str text, size_t most) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        count += (c & 0xC0) != 0x80;
        if (count > most)
            return;
        size_t hostile = str_hostile((struct str){text.ptr + i, text.len - i});
        if (hostile) {
            buf_add(out, "\xC2\xB7", 2);
            i += hostile - 1;
        } else {
            buf_add_char(out, (char)c);
        }
    }
}

/* Cut text ends in an ellipsis. */
static void add_table_cell(struct buf *out, struct str text, size_t width, bool right, bool last) {
    if (width == TO_MINUTE && is_time(text))
        text.len = TO_MINUTE;
    size_t length = characters(text), shown = length > width ? width - 1 : length;
    if (right && length < width)
        add_padding(out, width - length);
    add_characters(out, text, shown);
    if (length > width)
        buf_add(out, "\xE2\x80\xA6", 3);
    else if (!right && !last)
        add_padding(out, width - length);
    if (!last)
        add_padding(out, COLUMN_GAP);
}

void format_table_line(struct buf *out, const struct str *cells, const size_t *widths, size_t count) {
    for (size_t c = 0; c < count; c++)
        add_table_cell(out, cells[c], widths[c], false, c + 1 == count);
    buf_add_char(out, '\n');
}

static void write_table(const struct format_table *table, struct buf *out) {
    size_t widths[MAX_TABLE_COLUMNS] = {0};
    size_t count = table->column_count < MAX_TABLE_COLUMNS ? table->column_count : MAX_TABLE_COLUMNS;
    measure(table, widths, count);
    format_table_line(out, table->columns, widths, count);
    for (size_t c = 0; c < count; c++) {
        for (size_t i = 0; i < widths[c]; i++)
            buf_add_char(out, '-');
        add_padding(out, c + 1 == count ? 0 : COLUMN_GAP);
    }
    buf_add_char(out, '\n');
    for (size_t row = 0; row < table->row_count; row++) {
        for (size_t c = 0; c < count; c++) {
            const struct cell *cell = cell_at(table, row, c);
            add_table_cell(out, cell->text, widths[c], cell->kind == CELL_NUMBER, c + 1 == count);
        }
        buf_add_char(out, '\n');
    }
}

/* Where a line of at most so many characters ends: behind a space, or where the text does. */
static size_t line_end(struct str text, size_t most) {
    size_t count = 0, space = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.ptr[i] & 0xC0) != 0x80;
        if (count > most && space)
            return space;
        if (text.ptr[i] == ' ')
            space = i + 1;
    }
    return text.len;
}

void format_pairs(const struct format_table *table, struct buf *out) {
    size_t widest = 0, line = table->width ? table->width : FORMAT_WIDTH;
    for (size_t row = 0; row < table->row_count; row++) {
        size_t width = characters(cell_at(table, row, 0)->text);
        widest = width > widest ? width : widest;
    }
    size_t indent = widest + COLUMN_GAP, most = line > indent + NARROWEST ? line - indent : NARROWEST;
    for (size_t row = 0; row < table->row_count; row++) {
        struct str rest = cell_at(table, row, 1)->text;
        add_table_cell(out, cell_at(table, row, 0)->text, widest, false, false);
        do {
            size_t end = line_end(rest, most);
            add_characters(out, (struct str){rest.ptr, end}, SIZE_MAX);
            buf_add_char(out, '\n');
            rest = (struct str){rest.ptr + end, rest.len - end};
            add_padding(out, rest.len ? indent : 0);
        } while (rest.len);
    }
}

void format_write(enum format format, const struct format_table *table, struct buf *out) {
    switch (format) {
    case FORMAT_JSON: write_json(table, out, false); break;
    case FORMAT_NDJSON: write_json(table, out, true); break;
    case FORMAT_CSV: write_csv(table, out); break;
    case FORMAT_TABLE: write_table(table, out); break;
    }
}

static void new_line(struct buf *out, size_t depth) {
    buf_add_char(out, '\n');
    add_padding(out, depth * 2);
}

static bool closes_next(struct str json, size_t i) {
    for (i++; i < json.len && memchr(" \t\r\n", json.ptr[i], 4);)
        i++;
    return i < json.len && (json.ptr[i] == '}' || json.ptr[i] == ']');
}

void format_pretty(struct str json, struct buf *out) {
    size_t depth = 0;
    bool quoted = false, empty = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (quoted) {
            buf_add_char(out, c);
            if (c == '\\' && i + 1 < json.len)
                buf_add_char(out, json.ptr[++i]);
            quoted = c != '"';
        } else if (c == '{' || c == '[') {
            buf_add_char(out, c);
            empty = closes_next(json, i);
            depth++;
            if (!empty)
                new_line(out, depth);
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
            if (!empty)
                new_line(out, depth);
            empty = false;
            buf_add_char(out, c);
        } else if (c == ',') {
            buf_add_char(out, c);
            new_line(out, depth);
        } else if (c == ':') {
            buf_add(out, ": ", 2);
        } else if (!memchr(" \t\r\n", c, 4)) {
            buf_add_char(out, c);
            quoted = c == '"';
        }
    }
    buf_add_char(out, '\n');
}

void format_pretty_reply(const struct request *request, struct reply *reply) {
    if (!request->pretty || !reply->body.len || !strstr(reply->content_type, "json") ||
        strstr(reply->content_type, "ndjson"))
        return;
    struct buf pretty = BUF(reply->body.cap * 4);
    format_pretty(buf_str(&reply->body), &pretty);
    if (pretty.failed) {
        buf_free(&pretty);
        return;
    }
    buf_free(&reply->body);
    reply->body = pretty;
}
