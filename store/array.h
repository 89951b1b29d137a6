/* PostgreSQL array literals ({"a",NULL,7}) for parameters of type x[], built element by element in the caller's buffer.
 * Whether memory was out shows in buf->failed at the end. */
#pragma once
#include "base/buf.h"

void array_add(struct buf *array, struct str element); /* quoted and escaped */
void array_add_int(struct buf *array, int64_t element);
void array_add_null(struct buf *array);
/* As bytea's hex text. */
void array_add_bytea(struct buf *array, struct str bytes);
/* Closes the literal; "{}" when nothing was added. */
void array_end(struct buf *array);
