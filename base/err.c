#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    int status;
    const char *name, *title;
} codes[ERR_COUNT] = {
#define ERR(code, status, name, title) [ERR_##code] = {status, name, title},
#include "base/err.def"
#undef ERR
};

int err_status(enum err_code code) {
    return codes[code].status;
}

const char *err_name(enum err_code code) {
    return codes[code].name;
}

const char *err_title(enum err_code code) {
    return codes[code].title;
}

/* vsnprintf may cut inside a character: drop what is left of it. */
static void cut_at_character(char *text) {
    size_t length = strlen(text);
    while (length && !str_utf8_valid((struct str){text, length}) && length + 4 > sizeof((struct err *)0)->text - 1)
        length--;
    text[length] = '\0';
}

bool err_fill(struct err *err, enum err_code code, const char *file, int line, const char *format, ...) {
    va_list args;
    *err = (struct err){.code = code, .file = file, .source_line = line};
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    cut_at_character(err->text);
    return false;
}

static uint32_t characters(const char *from, const char *to) {
    uint32_t count = 0;
    for (; from < to; from++)
        count += (*from & 0xC0) != 0x80;
    return count;
}

void err_place(struct err *err, struct str text, size_t offset, size_t length) {
    if (offset > text.len)
        offset = text.len;
    if (length > text.len - offset)
        length = text.len - offset;
    const char *start = text.ptr;
    err->line = 1;
    for (size_t i = 0; i < offset; i++)
        if (text.ptr[i] == '\n') {
            err->line++;
            start = text.ptr + i + 1;
        }
    err->column = characters(start, text.ptr + offset) + 1;
    err->span = characters(text.ptr + offset, text.ptr + offset + length);
}

void err_excerpt(const struct err *err, struct str text, char *out, size_t size) {
    const char *at = text.ptr, *end = text.ptr + text.len;
    out[0] = '\0';
    if (!err->line || !text.ptr)
        return;
    for (uint32_t line = 1; line < err->line && at; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    if (!at)
        return;
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    stop = stop ? stop : end;
    if (stop > at && stop[-1] == '\r')
        stop--;
    int used = snprintf(out, size, "%.*s\n%*s^", (int)(stop - at), at, (int)err->column - 1, "");
    uint32_t room = characters(at, stop) + 1;
    for (uint32_t i = 1; i < err->span && err->column + i < room && used > 0 && (size_t)used + 1 < size; i++)
        out[used++] = '~';
    if (used > 0 && (size_t)used < size)
        out[used] = '\0';
}
