/* JSON out: pieces written into a buffer in the order they are to appear. JSON of the API comes in through jansson;
 * events come in through store/decode. */
#pragma once
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* A quoted, escaped string. Input that isn't UTF-8 has its bad bytes replaced by U+FFFD. */
void json_add_string(struct buf *out, struct str s);
/* "name": with a comma before it unless the container was just opened. */
void json_add_key(struct buf *out, const char *name);
void json_add_int(struct buf *out, int64_t value);
/* A datetime in ticks as a quoted RFC 3339 string with seven digits; null when ticks < 0. */
void json_add_ticks(struct buf *out, int64_t ticks);
/* "name":value, with a comma before it unless the container was just opened. */
void json_add_string_member(struct buf *out, const char *name, struct str value);
void json_add_int_member(struct buf *out, const char *name, int64_t value);
void json_add_ticks_member(struct buf *out, const char *name, int64_t ticks);
/* A comma unless the container was just opened: call before each value of an array. */
void json_add_comma(struct buf *out);
/* Valid JSON without the white space between its tokens. */
void json_add_minified(struct buf *out, struct str json);
