#include "kql/token.h"

#include <ctype.h>

struct scanner {
    struct arena *arena;
    struct str query;
    size_t at;
    struct token_list *out;
    size_t size;
    struct err *err;
};

static bool scan_fail(struct scanner *s, size_t offset, size_t length, const char *text) {
    err_set(s->err, ERR_BAD_QUERY, "%s", text);
    err_place(s->err, s->query, offset, length);
    return false;
}

static struct token *token_add(struct scanner *s, enum token_kind kind, size_t offset) {
    struct token *grown = arena_grow(s->arena, s->out->items, s->out->count, 1, &s->size, sizeof *grown);
    if (!grown)
        return NULL;
    s->out->items = grown;
    struct token *token = &s->out->items[s->out->count++];
    *token = (struct token){.kind = kind, .offset = offset, .length = s->at - offset};
    token->text = (struct str){s->query.ptr + offset, s->at - offset};
    return token;
}

static char char_at(const struct scanner *s, size_t place) {
    return place < s->query.len ? s->query.ptr[place] : '\0';
}

static bool name_char(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static void skip_blank(struct scanner *s) {
    while (s->at < s->query.len) {
        char c = s->query.ptr[s->at];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
            s->at++;
        } else if ((unsigned char)c == 0xEF && str_starts((struct str){s->query.ptr + s->at, s->query.len - s->at},
                                                          STR("\xEF\xBB\xBF"))) {
            s->at += 3;
        } else if ((unsigned char)c == 0xC2 && (unsigned char)char_at(s, s->at + 1) == 0xA0) {
            s->at += 2;
        } else if (c == '/' && char_at(s, s->at + 1) == '/') {
            while (s->at < s->query.len && s->query.ptr[s->at] != '\n')
                s->at++;
        } else {
            return;
        }
    }
}

static bool string_starts(const struct scanner *s) {
    size_t at = s->at;
    char c = char_at(s, at);
    if (c == 'h' || c == 'H')
        c = char_at(s, ++at);
    if (c == '@')
        c = char_at(s, ++at);
    return c == '"' || c == '\'' || (c == '`' && char_at(s, at + 1) == '`' && char_at(s, at + 2) == '`');
}

static bool scan_string(struct scanner *s) {
    size_t start = s->at, used = 0;
    struct str text, rest = {s->query.ptr + start, s->query.len - start};
    if (!literal_string(s->arena, rest, &text, &used))
        return scan_fail(s, start, 1, "this string isn't closed, or has an escape that KQL doesn't know");
    s->at += used;
    struct token *token = token_add(s, TOKEN_LITERAL, start);
    if (!token)
        return err_memory(s->err);
    token->literal = (struct literal){.type = KQL_STRING, .text = text};
    return true;
}

static bool scan_number(struct scanner *s) {
    size_t start = s->at, used = 0;
    struct literal literal;
    if (!literal_number((struct str){s->query.ptr + start, s->query.len - start}, &literal, &used))
        return scan_fail(s, start, used ? used : 1, "this isn't a number or a timespan that KQL knows, or it is out of range");
    s->at += used;
    struct token *token = token_add(s, TOKEN_LITERAL, start);
    if (!token)
        return err_memory(s->err);
    token->literal = literal;
    return true;
}

/* From the opening parenthesis to behind the closing one, over nested ones and strings. */
static bool skip_parens(struct scanner *s) {
    int depth = 0;
    while (s->at < s->query.len) {
        char c = s->query.ptr[s->at];
        if (c == '"' || c == '\'') {
            struct str ignored;
            size_t used = 0;
            if (!literal_string(s->arena, (struct str){s->query.ptr + s->at, s->query.len - s->at}, &ignored, &used))
                return false;
            s->at += used;
            continue;
        }
        s->at++;
        if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return true;
    }
    return false;
}

static bool scan_typed(struct scanner *s, size_t start, struct str name, size_t open) {
    s->at = open;
    if (!skip_parens(s))
        return scan_fail(s, start, name.len, "the parenthesis of this literal isn't closed");
    struct token *token = token_add(s, TOKEN_LITERAL, start);
    if (!token)
        return err_memory(s->err);
    struct str inside = {s->query.ptr + open + 1, s->at - open - 2};
    if (!literal_parse(s->arena, name, inside, &token->literal)) {
        err_set(s->err, ERR_BAD_QUERY, "%.*s(%.*s) isn't a literal that can be read", STR_ARG(name),
                (int)(inside.len > 80 ? 80 : inside.len), inside.ptr);
        err_place(s->err, s->query, start, s->at - start);
        return false;
    }
    return true;
}

static bool scan_name(struct scanner *s) {
    size_t start = s->at;
    enum kql_type type;
    s->at += char_at(s, s->at) == '!';
    while (name_char(char_at(s, s->at)))
        s->at++;
    struct str name = {s->query.ptr + start, s->at - start};
    if (char_at(s, s->at) == '~' && (str_eq(name, STR("in")) || str_eq(name, STR("!in"))))
        s->at++;
    size_t open = s->at;
    while (char_at(s, open) == ' ')
        open++;
    if (char_at(s, open) == '(' && literal_type_find(name, &type))
        return scan_typed(s, start, name, open);
    return token_add(s, TOKEN_NAME, start) ? true : err_memory(s->err);
}

/* ['name with spaces'] as an identifier; false with no error when it is an index or a list. */
static bool scan_quoted_name(struct scanner *s, bool *found) {
    size_t at = s->at + 1, used = 0, start = s->at;
    struct str text;
    *found = false;
    if (s->out->count) {
        const struct token *before = &s->out->items[s->out->count - 1];
        bool operand = before->kind != TOKEN_PUNCT || before->text.ptr[0] == ')' || before->text.ptr[0] == ']';
        static const char *const words[] = {"by", "project", "extend", "summarize", "where", "and", "or", "distinct", "print", "sort", "order", "on", "let", "filter",
                                            "expand", "apply", "away", "keep", "rename", "reorder", "with", "as", "parse", "to", "has", "contains"};
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (before->kind == TOKEN_NAME && str_eq(before->text, str_from(words[i])))
                operand = false;
        if (operand)
            return true;
    }
    char c = char_at(s, at);
    if (c != '\'' && c != '"')
        return true;
    if (!literal_string(s->arena, (struct str){s->query.ptr + at, s->query.len - at}, &text, &used))
        return true;
    if (char_at(s, at + used) != ']')
        return true;
    *found = true;
    s->at = at + used + 1;
    struct token *token = token_add(s, TOKEN_NAME, start);
    if (!token)
        return err_memory(s->err);
    token->text = text;
    token->quoted = true;
    return true;
}

static bool scan_punct(struct scanner *s) {
    static const char *const two[] = {"==", "!=", "<>", "=~", "!~", "<=", ">=", "..", "=>"};
    size_t start = s->at;
    struct str rest = {s->query.ptr + start, s->query.len - start};
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (str_starts(rest, str_from(two[i]))) {
            s->at += 2;
            return token_add(s, TOKEN_PUNCT, start) ? true : err_memory(s->err);
        }
    if (!memchr("()[]{},;|:=<>+-*/%.", rest.ptr[0], 19))
        return scan_fail(s, start, 1, "this character has no meaning in KQL here");
    s->at++;
    return token_add(s, TOKEN_PUNCT, start) ? true : err_memory(s->err);
}

static bool scan_one(struct scanner *s) {
    char c = s->query.ptr[s->at];
    bool found = false;
    if (string_starts(s))
        return scan_string(s);
    if (isdigit((unsigned char)c))
        return scan_number(s);
    if (isalpha((unsigned char)c) || c == '_' || c == '$' || (c == '!' && isalpha((unsigned char)char_at(s, s->at + 1))))
        return scan_name(s);
    if (c == '[') {
        if (!scan_quoted_name(s, &found))
            return false;
        if (found)
            return true;
    }
    return scan_punct(s);
}

bool token_scan(struct arena *arena, struct str query, struct token_list *out, struct err *err) {
    struct scanner s = {.arena = arena, .query = query, .out = out, .err = err};
    *out = (struct token_list){0};
    if (query.len > QUERY_MAX_BYTES)
        return err_set(err, ERR_BAD_QUERY, "the query is over %d bytes", QUERY_MAX_BYTES);
    if (!query.ptr || !str_utf8_valid(query) || str_find(query, '\0'))
        return err_set(err, ERR_BAD_QUERY, "the query isn't UTF-8 text");
    for (skip_blank(&s); s.at < query.len; skip_blank(&s))
        if (!scan_one(&s))
            return false;
    s.at = query.len;
    return token_add(&s, TOKEN_END, query.len) ? true : err_memory(err);
}
