#include "store/copy.h"

void copy_header(struct buf *out) {
    buf_add(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
}

void copy_trailer(struct buf *out) {
    buf_add_be16(out, UINT16_MAX);
}

void copy_int32(struct buf *out, int32_t value) {
    buf_add_be32(out, 4);
    buf_add_be32(out, (uint32_t)value);
}

void copy_int64(struct buf *out, int64_t value) {
    buf_add_be32(out, 8);
    buf_add_be64(out, (uint64_t)value);
}

void copy_null(struct buf *out) {
    buf_add_be32(out, UINT32_MAX);
}

void copy_value(struct buf *out, enum kql_type type, const struct value *value) {
    if (value->kind == VALUE_NULL) {
        copy_null(out);
    } else if (value->kind == VALUE_TEXT) {
        buf_add_be32(out, (uint32_t)value->text.len);
        buf_add_str(out, value->text);
    } else if (type == KQL_BOOL) {
        buf_add_be32(out, 1);
        buf_add_char(out, value->number != 0);
    } else if (type == KQL_INT) {
        copy_int32(out, (int32_t)value->number);
    } else {
        copy_int64(out, value->number);
    }
}
