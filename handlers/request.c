#include "handlers/request.h"

#include <inttypes.h>
#include <sys/random.h>

#include "base/clock.h"

static const struct str absent = {NULL, 0};

struct str request_header(const struct request *request, const char *name) {
    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, str_from(name)))
            return request->headers[i].value;
    return absent;
}

struct str request_query(const struct request *request, const char *name) {
    for (size_t i = 0; i < request->query_count; i++)
        if (str_eq(request->query[i].name, str_from(name)))
            return request->query[i].value;
    return absent;
}

struct str request_path_parameter(const struct request *request, const char *name) {
    for (size_t i = 0; i < request->path_parameter_count; i++)
        if (str_eq(request->path_parameters[i].name, str_from(name)))
            return request->path_parameters[i].value;
    return absent;
}

bool request_flag(struct request *request, const char *name, bool *out, struct err *err) {
    struct str value = request_query(request, name);
    *out = false;
    if (!value.ptr || str_eq(value, STR("false")) || str_eq(value, STR("0")))
        return true;
    *out = true;
    if (!value.len || str_eq(value, STR("true")) || str_eq(value, STR("1")))
        return true;
    request->problem_field = name;
    return err_set(err, ERR_BAD_PARAMETER, "%s: '%.*s' is neither true nor false", name, STR_ARG(value));
}

bool request_choice(struct request *request, const char *name, const char *known, struct str *out, struct err *err) {
    *out = request_query(request, name);
    if (!out->ptr)
        return true;
    for (const char *at = known; *at;) {
        size_t length = strcspn(at, ",");
        if (str_eq(*out, (struct str){at, length}))
            return true;
        at += length + (at[length] == ',');
    }
    request->problem_field = name;
    return err_set(err, ERR_BAD_PARAMETER, "%s: '%.*s' is none of %s", name, STR_ARG(*out), known);
}

bool request_number(struct request *request, const char *name, long long lowest, long long highest, long long value,
                    long long *out, struct err *err) {
    struct str text = request_query(request, name);
    *out = value;
    if (!text.ptr)
        return true;
    if (str_to_int64(text, out) && *out >= lowest && *out <= highest)
        return true;
    request->problem_field = name;
    return err_set(err, ERR_BAD_PARAMETER, "%s: '%.*s' is not a whole number from %lld to %lld", name, STR_ARG(text),
                   lowest, highest);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(struct arena *arena, struct str text, bool plus, struct str *out) {
    char *to = arena_take(arena, text.len + 1);
    size_t length = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[length++] = c;
    }
    *out = (struct str){to, length};
    return str_utf8_valid(*out);
}

static bool add_pair(struct request *request, struct str text, struct err *err) {
    struct str name, value;
    str_cut(text, '=', &name, &value);
    struct pair *pair = &request->query[request->query_count];
    if (!percent_decode(request->arena, name, true, &pair->name) ||
        !percent_decode(request->arena, value, true, &pair->value))
        return err_set(err, ERR_BAD_REQUEST, "the query holds a bad escape");
    for (size_t i = 0; i < request->query_count; i++)
        if (str_eq(request->query[i].name, pair->name))
            return err_set(err, ERR_BAD_PARAMETER, "%.*s is given twice", STR_ARG(pair->name));
    request->query_count++;
    return true;
}

static bool parse_query(struct request *request, struct str query, struct err *err) {
    size_t room = 1;
    for (size_t i = 0; i < query.len; i++)
        room += query.ptr[i] == '&';
    if (room > 64)
        return err_set(err, ERR_BAD_REQUEST, "more than 64 query parameters");
    request->query = arena_array(request->arena, room, sizeof *request->query);
    if (!request->query)
        return err_memory(err);
    while (query.len) {
        struct str one;
        str_cut(query, '&', &one, &query);
        if (one.len && !add_pair(request, one, err))
            return false;
    }
    return true;
}

bool request_parse_target(struct request *request, struct str target, struct err *err) {
    request->target = target;
    struct str query;
    str_cut(target, '?', &request->path, &query);
    if (!request->path.len || request->path.ptr[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "the request's target must be a path that starts with /");
    return parse_query(request, query, err);
}

static bool id_fits(struct str id) {
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i], lower = (char)(c | 0x20);
        if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return id.len >= 1 && id.len <= 64;
}

void request_identify(struct request *request, struct str given) {
    uint64_t random[2];
    if (given.ptr && id_fits(given)) {
        request->request_id = arena_copy(request->arena, given);
        if (request->request_id.ptr)
            return;
    }
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        random[0] = (uint64_t)ticks_now(), random[1] = (uint64_t)mono_ms();
    request->request_id = arena_printf(request->arena, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    if (!request->request_id.ptr)
        request->request_id = STR("none");
}

void reply_header(struct reply *reply, const char *name, struct str value) {
    if (reply->header_count < REPLY_MAX_HEADERS)
        reply->headers[reply->header_count++] = (struct pair){str_from(name), value};
}
