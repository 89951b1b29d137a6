/* Columns of an event from text or JSON values, with the checks and tolerances of what senders deliver. One column at a
 * time: what a record is, and what becomes of a bad one, is for store/reader to know. */
#pragma once
#include "store/reader.h"
#include "store/scan.h"

enum { RECORD_MAX_BYTES = 1 << 20 };

/* Place of a column in table->columns, -1 when it has none of that name. */
int decode_column(const struct schema_table *table, struct str name);
/* A text (from CSV, or a JSON string) into the column's value. */
bool decode_text(const struct schema_column *column, struct str text, struct value *value, struct err *err);
/* Timestamp and DeviceId must be there. */
bool decode_finish(const struct event *event, struct err *err);
