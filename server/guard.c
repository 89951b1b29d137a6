#include "server/guard.h"

/* RFC 9110, 5.6.2. */
static bool is_token(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alphanumeric && (!c || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

static bool is_digits(struct str text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len > 0 && text.len < 19;
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Printable ASCII, whole escapes, none of NUL. */
static bool target_fits(struct str target) {
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= 0x20 || c >= 0x7F || c == '#')
            return false;
        if (c != '%')
            continue;
        if (i + 2 >= target.len || !is_hex(target.ptr[i + 1]) || !is_hex(target.ptr[i + 2]))
            return false;
        if (target.ptr[i + 1] == '0' && target.ptr[i + 2] == '0')
            return false;
    }
    return target.len > 0 && target.ptr[0] == '/';
}

static bool value_fits(struct str value) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return true;
}

static size_t count_header(const struct guard_input *input, const char *name, struct str *value) {
    size_t count = 0;
    for (size_t i = 0; i < input->header_count; i++)
        if (str_eq_nocase(input->headers[i].name, str_from(name))) {
            *value = input->headers[i].value;
            count++;
        }
    return count;
}

static bool check_framing(const struct guard_input *input, struct err *err) {
    struct str length = {0}, encoding = {0};
    size_t lengths = count_header(input, "Content-Length", &length);
    size_t encodings = count_header(input, "Transfer-Encoding", &encoding);
    if (lengths > 1 || encodings > 1 || (lengths && encodings))
        return err_set(err, ERR_BAD_REQUEST, "the body's length is given twice");
    if (lengths && !is_digits(length))
        return err_set(err, ERR_BAD_REQUEST, "Content-Length is not a number");
    if (encodings && !str_eq_nocase(encoding, STR("chunked")))
        return err_set(err, ERR_BAD_REQUEST, "Transfer-Encoding can only be chunked");
    if (encodings && !str_eq(input->version, STR("HTTP/1.1")))
        return err_set(err, ERR_BAD_REQUEST, "Transfer-Encoding needs HTTP/1.1");
    return true;
}

bool guard_check(const struct guard_input *input, struct err *err) {
    struct str value = {0};
    bool modern = str_eq(input->version, STR("HTTP/1.1"));
    if (!modern && !str_eq(input->version, STR("HTTP/1.0")))
        return err_set(err, ERR_BAD_REQUEST, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    if (!is_token(input->method) || !target_fits(input->target))
        return err_set(err, ERR_BAD_REQUEST, "the request line holds characters or escapes that don't belong there");
    for (size_t i = 0; i < input->header_count; i++)
        if (!is_token(input->headers[i].name) || !value_fits(input->headers[i].value))
            return err_set(err, ERR_BAD_REQUEST, "a header's name or value holds characters that don't belong there");
    size_t hosts = count_header(input, "Host", &value);
    if (hosts > 1 || (modern && !hosts) || count_header(input, "Authorization", &value) > 1)
        return err_set(err, ERR_BAD_REQUEST, "Host must be given once, Authorization at most once");
    return check_framing(input, err);
}
