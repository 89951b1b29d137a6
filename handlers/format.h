/* Lists and results as JSON, NDJSON, CSV or a table for terminals, and which of them a request wants. Knows rows of cells,
 * nothing of what they mean; all text is borrowed from the caller. No state, any thread. */
#pragma once
#include "handlers/request.h"

enum format { FORMAT_JSON, FORMAT_NDJSON, FORMAT_CSV, FORMAT_TABLE };

enum cell_kind { CELL_NULL, CELL_TEXT, CELL_NUMBER, CELL_JSON };

struct cell {
    enum cell_kind kind;
    struct str text; /* CELL_NUMBER and CELL_JSON: as JSON writes it */
};

struct format_table {
    const struct str *columns;
    size_t column_count;
    const struct cell *cells; /* row by row */
    size_t row_count;
    size_t width; /* characters of a table's line; 0: FORMAT_WIDTH */
    size_t kept;  /* columns of a table, from the left, that are cut last: names and ids that people pass on */
};

enum { FORMAT_WIDTH = 100 };

/* By ?format=, else by Accept (application/x-ndjson, text/csv, text/plain), else JSON. */
bool format_choose(struct request *request, enum format *format, struct err *err);
/* Does Accept-Encoding take gzip (RFC 9110 12.5.3)? */
bool format_gzip(const struct request *request);
/* For one thing in place of a list: JSON or, *table, for people; what else ?format= names is refused. */
bool format_choose_one(struct request *request, bool *table, struct err *err);
/* With its charset; constant text. */
const char *format_content_type(enum format format);
/* JSON: an array of objects. CSV (RFC 4180): cells that a spreadsheet would run get a ' in front. */
/* One line of CSV, with its end. */
void format_csv_line(struct buf *out, const struct cell *cells, size_t count);
/* One line of a table whose lines come one by one: cells of these widths in characters. */
void format_table_line(struct buf *out, const struct str *cells, const size_t *widths, size_t count);
void format_write(enum format format, const struct format_table *table, struct buf *out);
/* Rows of two cells, a name and a value, as lines that are turned at spaces; a longer word stays whole. */
void format_pairs(const struct format_table *table, struct buf *out);
/* Valid JSON with two spaces of indent. */
void format_pretty(struct str json, struct buf *out);
/* Makes the reply's JSON pretty when the request asks for that. */
void format_pretty_reply(const struct request *request, struct reply *reply);
