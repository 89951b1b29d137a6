/* Rows in COPY's binary format (https://www.postgresql.org/docs/15/sql-copy.html), built in the caller's buffer. A row is
 * its number of fields (buf_add_be16), then the fields. Whether memory was out shows in buf->failed at the end. */
#pragma once
#include "base/buf.h"
#include "kql/schema.h"
#include "store/event.h"

void copy_header(struct buf *out);
void copy_trailer(struct buf *out);
void copy_int32(struct buf *out, int32_t value);
void copy_int64(struct buf *out, int64_t value);
void copy_null(struct buf *out);
/* As the column of this type has it (schema_sql_type). */
void copy_value(struct buf *out, enum kql_type type, const struct value *value);
