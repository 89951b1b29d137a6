#include "store/scan.h"

#include "store/scan_bytes.h"

static bool bad(struct err *err, const char *what) {
    return err_set(err, ERR_BAD_JSON, "not valid JSON: %s", what);
}

void scan_space(struct scan *scan) {
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

bool scan_take(struct scan *scan, char c) {
    scan_space(scan);
    if (scan->at >= scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static bool hex4(const char *at, const char *end, unsigned *out) {
    *out = 0;
    if (end - at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit > 15)
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *out, unsigned code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* Behind "\u": one code point, from a surrogate pair where there is one. */
static bool unicode_escape(const char **at, const char *end, char **out, struct err *err) {
    unsigned code, low;
    if (!hex4(*at, end, &code))
        return bad(err, "a \\u escape needs four hex digits");
    *at += 4;
    if (code == 0)
        return bad(err, "\\u0000 can't be stored");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u' || !hex4(*at + 2, end, &low) || low < 0xDC00 ||
            low > 0xDFFF)
            return bad(err, "half of a surrogate pair");
        *at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
        return bad(err, "half of a surrogate pair");
    }
    *out = put_utf8(*out, code);
    return true;
}

/* One escape at *at, decoded to *out. */
static bool escape_take(const char **at, const char *end, char **out, struct err *err) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = (*at)[1];
    const char *known = c ? strchr(from, c) : NULL;
    *at += 2;
    if (c == '\\')
        *(*out)++ = '\\'; /* by far the most: Windows' paths */
    else if (c == 'u')
        return unicode_escape(at, end, out, err);
    else if (known)
        *(*out)++ = to[known - from];
    else
        return bad(err, "an unknown escape");
    return true;
}

static bool unescape(struct scan *scan, struct str raw, struct str *text, struct err *err) {
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    char *start = arena_take(scan->arena, raw.len + BYTES_STEP), *out = start;
    if (!start)
        return err_memory(err);
    for (;;) {
        size_t plain = bytes_copy_plain(out, at, end);
        at += plain;
        out += plain;
        if (at >= end)
            break;
        if (!escape_take(&at, end, &out, err))
            return false;
    }
    *text = (struct str){start, (size_t)(out - start)};
    return true;
}

static bool scan_string(struct scan *scan, struct str *text, struct err *err) {
    const char *start = ++scan->at, *end = scan->end, *at;
    bool escaped = false;
    unsigned high = 0;
    for (at = bytes_plain(start, end, &high); at < end && *at == '\\'; at = bytes_plain(at, end, &high)) {
        escaped = true;
        at += end - at > 1 ? 2 : 1;
    }
    scan->at = at;
    if (at >= end)
        return bad(err, "a string doesn't end");
    if (*at != '"')
        return bad(err, "a control character in a string");
    struct str raw = {start, (size_t)(at - start)};
    scan->at++;
    if (high && !str_utf8_valid(raw))
        return err_set(err, ERR_BAD_UTF8, "a string is not UTF-8");
    *text = raw;
    return !escaped || unescape(scan, raw, text, err);
}

static size_t digits(struct scan *scan) {
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - start);
}

static bool scan_number(struct scan *scan, struct err *err) {
    if (*scan->at == '-')
        scan->at++;
    const char *first = scan->at;
    size_t count = digits(scan);
    if (!count || (count > 1 && *first == '0'))
        return bad(err, "a number");
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (!digits(scan))
            return bad(err, "a number");
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
            scan->at++;
        if (!digits(scan))
            return bad(err, "a number");
    }
    return true;
}

static bool scan_word(struct scan *scan, struct str word, struct err *err) {
    if (!str_starts((struct str){scan->at, (size_t)(scan->end - scan->at)}, word))
        return bad(err, "an unknown word");
    scan->at += word.len;
    return true;
}

bool scan_member(struct scan *scan, bool *first, unsigned depth, struct str *key, struct scan_value *value,
                 struct err *err) {
    err->code = ERR_NONE;
    if (scan_take(scan, '}'))
        return false;
    if (!*first && !scan_take(scan, ','))
        return bad(err, "a comma or } is missing");
    *first = false;
    scan_space(scan);
    if (scan->at >= scan->end || *scan->at != '"')
        return bad(err, "a member's name is missing");
    if (!scan_string(scan, key, err))
        return false;
    if (!scan_take(scan, ':'))
        return bad(err, "a colon is missing");
    return scan_value(scan, depth + 1, value, err);
}

static bool scan_object(struct scan *scan, unsigned depth, struct err *err) {
    struct scan_value value;
    struct str key;
    bool first = true;
    scan->at++;
    for (size_t keys = 0; scan_member(scan, &first, depth, &key, &value, err);)
        if (++keys > SCAN_MAX_KEYS)
            return err_set(err, ERR_BAD_RECORD, "an object has more than %d members", SCAN_MAX_KEYS);
    return err->code == ERR_NONE;
}

static bool scan_array(struct scan *scan, unsigned depth, struct err *err) {
    struct scan_value value;
    scan->at++;
    if (scan_take(scan, ']'))
        return true;
    do
        if (!scan_value(scan, depth + 1, &value, err))
            return false;
    while (scan_take(scan, ','));
    return scan_take(scan, ']') || bad(err, "a comma or ] is missing");
}

static bool scan_by_first(struct scan *scan, unsigned depth, struct scan_value *value, struct err *err) {
    switch (*scan->at) {
    case '"': value->kind = SCAN_STRING; return scan_string(scan, &value->text, err);
    case '{': value->kind = SCAN_OBJECT; return scan_object(scan, depth, err);
    case '[': value->kind = SCAN_ARRAY; return scan_array(scan, depth, err);
    case 't': value->kind = SCAN_TRUE; return scan_word(scan, STR("true"), err);
    case 'f': value->kind = SCAN_FALSE; return scan_word(scan, STR("false"), err);
    case 'n': value->kind = SCAN_NULL; return scan_word(scan, STR("null"), err);
    default:
        value->kind = SCAN_NUMBER;
        return *scan->at == '-' || (*scan->at >= '0' && *scan->at <= '9') ? scan_number(scan, err)
                                                                         : bad(err, "a value is missing");
    }
}

bool scan_value(struct scan *scan, unsigned depth, struct scan_value *value, struct err *err) {
    scan_space(scan);
    if (depth > SCAN_MAX_DEPTH)
        return err_set(err, ERR_TOO_DEEP, "nested deeper than %d", SCAN_MAX_DEPTH);
    if (scan->at >= scan->end)
        return bad(err, "it ends too early");
    const char *start = scan->at;
    if (!scan_by_first(scan, depth, value, err))
        return false;
    value->raw = (struct str){start, (size_t)(scan->at - start)};
    if (value->kind != SCAN_STRING)
        value->text = value->raw;
    return true;
}

/* The quote or the line break that ends a string; or the end. */
static const char *string_end(const char *at, const char *end) {
    unsigned high = 0;
    for (at = bytes_plain(at, end, &high); at < end && *at != '"' && *at != '\n'; at = bytes_plain(at, end, &high))
        at += *at == '\\' && end - at > 1 && at[1] != '\n' ? 2 : 1;
    return at;
}

const char *scan_find_end(const char *at, const char *end, const char **stop) {
    size_t depth = 0;
    for (; at < end; at++) {
        if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (--depth == 0)
                return at + 1;
        } else if (*at == '"') {
            at = string_end(at + 1, end);
            if (at >= end || *at == '\n')
                break;
        }
    }
    *stop = at < end ? at : end;
    return NULL;
}

struct str scan_minify(struct arena *arena, struct str json) {
    char *start = arena_take(arena, json.len + 1), *out = start;
    bool quoted = false;
    for (size_t i = 0; start && i < json.len; i++) {
        char c = json.ptr[i];
        if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
            continue;
        *out++ = c;
        if (quoted && c == '\\' && i + 1 < json.len)
            *out++ = json.ptr[++i];
        else if (c == '"')
            quoted = !quoted;
    }
    return (struct str){start, start ? (size_t)(out - start) : 0};
}
