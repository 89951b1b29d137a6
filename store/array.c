#include "store/array.h"

#include <inttypes.h>

static void separator(struct buf *array) {
    buf_add_char(array, array->len ? ',' : '{');
}

void array_add(struct buf *array, struct str element) {
    separator(array);
    buf_add_char(array, '"');
    size_t from = 0;
    for (size_t i = 0; i < element.len; i++)
        if (element.ptr[i] == '"' || element.ptr[i] == '\\') {
            buf_add(array, element.ptr + from, i - from);
            buf_add_char(array, '\\');
            from = i;
        }
    buf_add(array, element.ptr + from, element.len - from);
    buf_add_char(array, '"');
}

void array_add_int(struct buf *array, int64_t element) {
    separator(array);
    buf_printf(array, "%" PRId64, element);
}

void array_add_null(struct buf *array) {
    separator(array);
    buf_add(array, "NULL", 4);
}

void array_add_bytea(struct buf *array, struct str bytes) {
    static const char hex[] = "0123456789abcdef";
    separator(array);
    buf_add(array, "\"\\\\x", 4);
    char *at = buf_reserve(array, 2 * bytes.len + 1);
    for (size_t i = 0; at && i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        at[2 * i] = hex[byte >> 4];
        at[2 * i + 1] = hex[byte & 15];
    }
    array->len += at ? 2 * bytes.len : 0;
    buf_add_char(array, '"');
}

void array_end(struct buf *array) {
    buf_add(array, array->len ? "}" : "{}", array->len ? 1 : 2);
}
