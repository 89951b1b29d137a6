/* CSV exports of portals: RFC 4180 with BOM, CRLF and doubled quotes; headers such as "Timestamp [UTC]"; US dates.
 * The body is borrowed until csv_free. Used by store/reader only. */
#pragma once
#include "store/reader.h"

struct csv;
void csv_free(struct csv *csv);
OWNED_BY(csv_free)
struct csv *csv_open(struct str body, const struct reader_options *options, struct arena *arena, struct err *err);
/* The header line as it came, without its line end. */
struct str csv_header(const struct csv *csv);
/* The next data row, as reader_next. */
enum verdict csv_next(struct csv *csv, struct event *event, struct str *raw, struct err *err);
/* True when a body starts like a CSV header that has a Timestamp. */
bool csv_looks_like(struct str body);
