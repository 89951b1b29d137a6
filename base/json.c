#include "base/json.h"

#include <inttypes.h>

#include "base/clock.h"

static void add_escape(struct buf *out, unsigned char c) {
    switch (c) {
    case '"': buf_add(out, "\\\"", 2); break;
    case '\\': buf_add(out, "\\\\", 2); break;
    case '\n': buf_add(out, "\\n", 2); break;
    case '\r': buf_add(out, "\\r", 2); break;
    case '\t': buf_add(out, "\\t", 2); break;
    default: buf_printf(out, "\\u%04x", c);
    }
}

/* Bytes of the character at s, 0 when it isn't well-formed. */
static size_t character_length(struct str s) {
    for (size_t length = 1; length <= 4 && length <= s.len; length++)
        if (str_utf8_valid((struct str){s.ptr, length}))
            return length;
    return 0;
}

void json_add_string(struct buf *out, struct str s) {
    size_t from = 0, at = 0;
    buf_add_char(out, '"');
    while (at < s.len) {
        unsigned char c = (unsigned char)s.ptr[at];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            at++;
            continue;
        }
        size_t length = c < 0x80 ? 0 : character_length((struct str){s.ptr + at, s.len - at});
        if (length) {
            at += length;
            continue;
        }
        buf_add(out, s.ptr + from, at - from);
        if (c < 0x80)
            add_escape(out, c);
        else
            buf_add(out, "\xEF\xBF\xBD", 3);
        from = ++at;
    }
    buf_add(out, s.ptr + from, at - from);
    buf_add_char(out, '"');
}

void json_add_comma(struct buf *out) {
    char last = out->len ? out->ptr[out->len - 1] : '[';
    if (last != '[' && last != '{' && last != ':' && last != '\n')
        buf_add_char(out, ',');
}

void json_add_key(struct buf *out, const char *name) {
    json_add_comma(out);
    json_add_string(out, str_from(name));
    buf_add_char(out, ':');
}

void json_add_int(struct buf *out, int64_t value) {
    buf_printf(out, "%" PRId64, value);
}

void json_add_ticks(struct buf *out, int64_t ticks) {
    char text[TICKS_TEXT];
    if (ticks < 0 || ticks > TICKS_MAX) {
        buf_add(out, "null", 4);
        return;
    }
    ticks_print(ticks, text);
    buf_printf(out, "\"%s\"", text);
}

void json_add_string_member(struct buf *out, const char *name, struct str value) {
    json_add_key(out, name);
    json_add_string(out, value);
}

void json_add_int_member(struct buf *out, const char *name, int64_t value) {
    json_add_key(out, name);
    json_add_int(out, value);
}

void json_add_ticks_member(struct buf *out, const char *name, int64_t ticks) {
    json_add_key(out, name);
    json_add_ticks(out, ticks);
}

void json_add_minified(struct buf *out, struct str json) {
    size_t from = 0;
    bool quoted = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            buf_add(out, json.ptr + from, i - from);
            from = i + 1;
        }
    }
    buf_add(out, json.ptr + from, json.len - from);
}
