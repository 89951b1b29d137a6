/* Growing byte buffer with a mandatory cap. A write that fails (cap, memory) sets `failed` and is dropped whole;
 * later writes are dropped too, so a builder checks once, at its end. Owner: whoever declared it; buf_free is safe
 * on a zeroed one. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
    char *ptr;
    size_t len, size, cap;
    bool failed;
};

#define BUF(cap_bytes) ((struct buf){.cap = (cap_bytes)})
#define BUF_AUTO __attribute__((cleanup(buf_free))) struct buf

void buf_free(struct buf *buf);
void buf_add(struct buf *buf, const void *bytes, size_t length);
void buf_add_str(struct buf *buf, struct str s);
void buf_add_char(struct buf *buf, char c);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *buf, const char *format, ...);
/* Big-endian, as PostgreSQL's binary formats want them. */
void buf_add_be16(struct buf *buf, uint16_t value);
void buf_add_be32(struct buf *buf, uint32_t value);
void buf_add_be64(struct buf *buf, uint64_t value);
/* Room for `length` more bytes to be written at the returned place, then added to len by the caller; NULL on failure. */
char *buf_reserve(struct buf *buf, size_t length);
/* NUL behind the content, not counted; NULL when failed. */
const char *buf_cstr(struct buf *buf);
static inline struct str buf_str(const struct buf *buf) {
    return (struct str){buf->ptr, buf->len};
}
