#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_free(struct buf *buf) {
    free(buf->ptr);
    *buf = (struct buf){.cap = buf->cap};
}

char *buf_reserve(struct buf *buf, size_t length) {
    if (buf->failed || length > buf->cap || buf->len > buf->cap - length) {
        buf->failed = true;
        return NULL;
    }
    size_t need = buf->len + length;
    if (need <= buf->size)
        return buf->ptr + buf->len;
    size_t size = buf->size ? buf->size : 256;
    while (size < need)
        size *= 2;
    char *grown = realloc(buf->ptr, size);
    if (!grown) {
        buf->failed = true;
        return NULL;
    }
    buf->ptr = grown;
    buf->size = size;
    return grown + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t length) {
    if (!length)
        return;
    char *at = buf_reserve(buf, length);
    if (!at)
        return;
    memcpy(at, bytes, length);
    buf->len += length;
}

void buf_add_str(struct buf *buf, struct str s) {
    buf_add(buf, s.ptr, s.len);
}

void buf_add_char(struct buf *buf, char c) {
    buf_add(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *at = length < 0 ? NULL : buf_reserve(buf, (size_t)length + 1);
    if (at) {
        vsnprintf(at, (size_t)length + 1, format, again);
        buf->len += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void buf_add_be16(struct buf *buf, uint16_t value) {
    value = __builtin_bswap16(value);
    buf_add(buf, &value, sizeof value);
}

void buf_add_be32(struct buf *buf, uint32_t value) {
    value = __builtin_bswap32(value);
    buf_add(buf, &value, sizeof value);
}

void buf_add_be64(struct buf *buf, uint64_t value) {
    value = __builtin_bswap64(value);
    buf_add(buf, &value, sizeof value);
}

const char *buf_cstr(struct buf *buf) {
    char *at = buf_reserve(buf, 1);
    if (!at)
        return NULL;
    *at = '\0';
    return buf->ptr;
}
