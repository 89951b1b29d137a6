/* The text of dynamic(…) to strict JSON: single-quoted strings and typed literals become what JSON can hold. */
#include <ctype.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "kql/token.h"

struct dynamic_reader {
    struct arena *arena;
    struct str text;
    size_t at;
    struct buf json;
    int depth;
    struct literal *items; /* of the outermost array */
    size_t count, size;
    bool scalars;
};

static char peek(struct dynamic_reader *r) {
    while (r->at < r->text.len && isspace((unsigned char)r->text.ptr[r->at]))
        r->at++;
    return r->at < r->text.len ? r->text.ptr[r->at] : '\0';
}

static struct str rest(const struct dynamic_reader *r) {
    return (struct str){r->text.ptr + r->at, r->text.len - r->at};
}

static bool item_add(struct dynamic_reader *r, const struct literal *item) {
    if (r->depth != 1)
        return true;
    struct literal *grown = arena_grow(r->arena, r->items, r->count, 1, &r->size, sizeof *grown);
    if (!grown)
        return false;
    r->items = grown;
    r->items[r->count++] = *item;
    return true;
}

static bool read_string(struct dynamic_reader *r) {
    struct literal item = {.type = KQL_STRING};
    size_t used = 0;
    if (!literal_string(r->arena, rest(r), &item.text, &used))
        return false;
    r->at += used;
    json_add_string(&r->json, item.text);
    return item_add(r, &item);
}

static bool read_number(struct dynamic_reader *r) {
    struct literal item;
    size_t used = 0, start = r->at;
    bool minus = r->text.ptr[r->at] == '-';
    r->at += minus;
    if (!literal_number(rest(r), &item, &used) || item.type == KQL_TIMESPAN || (item.least && !minus))
        return false;
    r->at += used;
    if (minus) {
        item.number = (int64_t)(0 - (uint64_t)item.number);
        item.real = -item.real;
    }
    buf_add(&r->json, r->text.ptr + start, r->at - start);
    return item_add(r, &item);
}

static bool read_typed(struct dynamic_reader *r, struct str name) {
    size_t open = r->at + 1;
    const char *close = memchr(r->text.ptr + r->at, ')', r->text.len - r->at);
    struct literal item;
    char text[TICKS_TEXT];
    if (!close)
        return false;
    struct str inside = {r->text.ptr + open, (size_t)(close - r->text.ptr) - open};
    if (!literal_parse(r->arena, name, inside, &item) || item.type == KQL_DYNAMIC || item.type == KQL_TIMESPAN)
        return false;
    r->at = (size_t)(close - r->text.ptr) + 1;
    if (item.null)
        buf_add_str(&r->json, STR("null"));
    else if (item.type == KQL_DATETIME) {
        ticks_print(item.number, text);
        item = (struct literal){.type = KQL_STRING, .text = arena_copy(r->arena, str_from(text))};
        json_add_string(&r->json, item.text);
    } else if (item.type == KQL_GUID) {
        json_add_string(&r->json, item.text);
    } else {
        buf_add_str(&r->json, str_trim(inside));
    }
    return item_add(r, &item);
}

static bool read_value(struct dynamic_reader *r);

/* dynamic(…) inside of a dynamic(…) is the value itself. */
static bool read_nested(struct dynamic_reader *r) {
    r->at++;
    if (r->depth++ > 64 || !read_value(r) || peek(r) != ')')
        return false;
    r->depth--;
    r->at++;
    return true;
}

static bool read_word(struct dynamic_reader *r) {
    size_t start = r->at;
    while (r->at < r->text.len && isalpha((unsigned char)r->text.ptr[r->at]))
        r->at++;
    struct str word = {r->text.ptr + start, r->at - start};
    if (peek(r) == '(' && str_eq(word, STR("dynamic"))) {
        r->scalars = false;
        return read_nested(r);
    }
    if (peek(r) == '(')
        return read_typed(r, word);
    bool yes = str_eq(word, STR("true")), no = str_eq(word, STR("false"));
    if (!yes && !no && !str_eq(word, STR("null")))
        return false;
    buf_add_str(&r->json, word);
    struct literal item = {.type = yes || no ? KQL_BOOL : KQL_DYNAMIC, .null = !yes && !no, .number = yes};
    return item_add(r, &item);
}

static bool read_members(struct dynamic_reader *r, char close) {
    buf_add_char(&r->json, r->text.ptr[r->at++]);
    for (bool first = true; peek(r) != close; first = false) {
        if (!first) {
            if (peek(r) != ',')
                return false;
            r->at++;
            buf_add_char(&r->json, ',');
        }
        if (close == '}') {
            char c = peek(r);
            if ((c != '"' && c != '\'') || !read_string(r) || peek(r) != ':')
                return false;
            r->at++;
            buf_add_char(&r->json, ':');
        }
        if (!read_value(r))
            return false;
    }
    r->at++;
    buf_add_char(&r->json, close);
    return true;
}

static bool read_value(struct dynamic_reader *r) {
    char c = peek(r);
    if (c == '[' || c == '{') {
        if (r->depth++ > 64)
            return false;
        if (r->depth > 1 || c == '{')
            r->scalars = false;
        bool good = read_members(r, c == '[' ? ']' : '}');
        r->depth--;
        return good;
    }
    if (c == '"' || c == '\'' || c == '@' || c == 'h')
        return read_string(r);
    if (c == '-' || isdigit((unsigned char)c))
        return read_number(r);
    return isalpha((unsigned char)c) && read_word(r);
}

bool literal_dynamic(struct arena *arena, struct str text, struct literal *out) {
    struct dynamic_reader r = {.arena = arena, .text = text, .json = BUF(QUERY_MAX_BYTES * 2), .scalars = true};
    bool good = read_value(&r) && peek(&r) == '\0' && r.at == text.len && !r.json.failed;
    if (good) {
        *out = (struct literal){.type = KQL_DYNAMIC, .text = arena_copy(arena, buf_str(&r.json))};
        out->array = r.scalars && out->text.ptr && out->text.ptr[0] == '[';
        out->items = out->array ? r.items : NULL;
        out->count = out->array ? r.count : 0;
        good = out->text.ptr != NULL;
    }
    buf_free(&r.json);
    return good;
}
