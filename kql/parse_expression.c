/* Expressions, loosest binding first: or, and, comparison and string operators, + -, * / %, unary, postfix, primary. */
#include <stdarg.h>
#include <stdio.h>

#include "kql/parse.h"

struct token *parse_peek(const struct parser *parser) {
    return &parser->tokens[parser->at];
}

bool parse_is_punct(const struct parser *parser, size_t ahead, const char *text) {
    for (size_t i = 0; i < ahead; i++)
        if (parser->tokens[parser->at + i].kind == TOKEN_END)
            return false;
    const struct token *token = &parser->tokens[parser->at + ahead];
    return token->kind == TOKEN_PUNCT && str_eq(token->text, str_from(text));
}

bool parse_is_word(const struct parser *parser, size_t ahead, const char *text) {
    for (size_t i = 0; i < ahead; i++)
        if (parser->tokens[parser->at + i].kind == TOKEN_END)
            return false;
    const struct token *token = &parser->tokens[parser->at + ahead];
    return token->kind == TOKEN_NAME && !token->quoted && str_eq(token->text, str_from(text));
}

bool parse_punct(struct parser *parser, const char *text) {
    bool found = parse_is_punct(parser, 0, text);
    parser->at += found;
    return found;
}

bool parse_word(struct parser *parser, const char *text) {
    bool found = parse_is_word(parser, 0, text);
    parser->at += found;
    return found;
}

void *parse_fail(struct parser *parser, const struct token *token, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(parser->err, ERR_BAD_QUERY, "%s", text);
    err_place(parser->err, parser->text, token->offset, token->length);
    return NULL;
}

bool parse_expect(struct parser *parser, const char *text) {
    if (parse_punct(parser, text))
        return true;
    const struct token *token = parse_peek(parser);
    if (token->kind == TOKEN_END)
        parse_fail(parser, token, "the query ends where '%s' is expected", text);
    else
        parse_fail(parser, token, "'%s' is expected before '%.*s'", text, (int)(token->length > 40 ? 40 : token->length),
                   parser->text.ptr + token->offset);
    return false;
}

bool parse_warn(struct parser *parser, size_t offset, struct str text) {
    struct kql_warning *grown = arena_grow(parser->arena, parser->warnings, parser->warning_count, 1,
                                           &parser->warning_size, sizeof *grown);
    if (!grown)
        return err_memory(parser->err);
    parser->warnings = grown;
    struct err place;
    err_set(&place, ERR_BAD_QUERY, "%s", "");
    err_place(&place, parser->text, offset, 0);
    parser->warnings[parser->warning_count++] = (struct kql_warning){place.line, place.column, text};
    return true;
}

struct node *parse_node(struct parser *parser, enum node_kind kind, size_t offset) {
    if (++parser->nodes > PARSE_MAX_NODES)
        return parse_fail(parser, parse_peek(parser), "the query is too large");
    struct node *node = arena_take(parser->arena, sizeof *node);
    if (!node) {
        err_memory(parser->err);
        return NULL;
    }
    const struct token *last = &parser->tokens[parser->at ? parser->at - 1 : 0];
    size_t end = last->offset + last->length;
    node->kind = kind;
    node->offset = offset;
    node->length = end > offset ? end - offset : 0;
    return node;
}

bool nodes_add(struct parser *parser, struct nodes *nodes, struct node *node) {
    if (!node)
        return false;
    struct node **grown = arena_grow(parser->arena, nodes->items, nodes->count, 1, &nodes->size, sizeof *grown);
    if (!grown)
        return err_memory(parser->err);
    nodes->items = grown;
    nodes->items[nodes->count++] = node;
    return true;
}

bool parse_comma(struct parser *parser, const char *close, bool *failed) {
    const struct token *comma = parse_peek(parser);
    if (!parse_punct(parser, ","))
        return false;
    if (!parse_is_punct(parser, 0, close))
        return true;
    if (parser->strict) {
        parse_fail(parser, comma, "a comma with nothing behind it");
        *failed = true;
    } else if (!parse_warn(parser, comma->offset, STR("the trailing comma was dropped"))) {
        *failed = true;
    }
    return false;
}

struct node *parse_name(struct parser *parser) {
    struct token *token = parse_peek(parser);
    if (token->kind != TOKEN_NAME || token->text.ptr[0] == '!')
        return parse_fail(parser, token, "a name is expected here");
    parser->at++;
    struct node *node = parse_node(parser, NODE_NAME, token->offset);
    if (node)
        node->text = token->text;
    return node;
}

static struct node *finish(struct parser *parser, enum node_kind kind, size_t offset, struct str text,
                           const struct nodes *args) {
    struct node *node = parse_node(parser, kind, offset);
    if (!node)
        return NULL;
    node->text = text;
    node->args = args->items;
    node->count = args->count;
    return node;
}

bool parse_source_ahead(const struct parser *parser) {
    const struct token *next = &parser->tokens[parser->at + (parse_peek(parser)->kind != TOKEN_END)];
    bool name = next->kind == TOKEN_NAME || parse_is_punct(parser, 1, "(");
    return parse_is_word(parser, 0, "datatable") || parse_is_word(parser, 0, "print") ||
           ((parse_is_word(parser, 0, "materialize") || parse_is_word(parser, 0, "externaldata")) &&
            parse_is_punct(parser, 1, "(")) ||
           (parse_is_word(parser, 0, "union") && name) ||
           (parse_is_word(parser, 0, "range") && !parse_is_punct(parser, 1, "("));
}

/* An expression or, in parentheses, a pipeline. */
static struct node *table_or_expression(struct parser *parser) {
    size_t start = parser->at, offset = parse_peek(parser)->offset;
    size_t warned = parser->warning_count;
    struct node *node = NULL;
    bool source = parse_source_ahead(parser);
    if (!source) {
        node = parse_named(parser); /* a function's argument by name */
        if (!node || !parse_is_punct(parser, 0, "|"))
            return node;
    }
    parser->at = start;
    parser->warning_count = warned;
    struct pipeline *table = parse_pipeline(parser);
    if (!table)
        return NULL;
    node = parse_node(parser, NODE_TABLE, offset);
    if (node)
        node->table = table;
    return node;
}

bool parse_arguments(struct parser *parser, struct nodes *args) {
    bool failed = false;
    if (parse_punct(parser, ")"))
        return true;
    do {
        if (!nodes_add(parser, args, table_or_expression(parser)))
            return false;
    } while (parse_comma(parser, ")", &failed));
    return !failed && parse_expect(parser, ")");
}

/* Words that Kusto reads as names only in brackets: where a value stands, and where a column is named. */
static const char *const reserved_words[] = {
    "where", "project", "as", "union", "by", "asc", "desc", "first", "last", "and", "or", "in", "has", "contains", "startswith",
    "endswith", "between", "set", "to", "isfuzzy", "print", "datatable", "externaldata", "materialize", "invoke", "sample",
    "search", "find", "int", "long", "real", "string", "datetime", "timespan", "dynamic", "decimal", "date", "time", "double",
    "boolean", "uniqueid", "of", "toscalar", "bagexpansion", "with_itemindex", "relaxed", "simple", "flags", NULL};
static const char *const reserved_names[] = {
    "project", "union", "asc", "desc", "first", "last", "and", "or", "startswith", "endswith", "between", "withsource",
    "isfuzzy", "true", "false", NULL};

static bool word_in(struct str word, const char *const *words) {
    for (; *words; words++)
        if (str_eq(word, str_from(*words)))
            return true;
    return false;
}

/* typeof(type), the opening parenthesis consumed: the type's name as a string. */
struct node *parse_typeof(struct parser *parser, const struct token *token) {
    const struct token *type = parse_peek(parser);
    enum kql_type found;
    if (type->kind != TOKEN_NAME || (!literal_type_find(type->text, &found) && !str_eq(type->text, STR("string"))))
        return parse_fail(parser, type, "the name of a type is expected here");
    parser->at++;
    if (!parse_expect(parser, ")"))
        return NULL;
    struct node *node = parse_node(parser, NODE_LITERAL, token->offset);
    if (node) {
        node->text = token->text;
        node->literal = (struct literal){.type = KQL_STRING, .text = type->text};
    }
    return node;
}

static struct node *parse_primary(struct parser *parser) {
    struct token *token = parse_peek(parser);
    struct nodes args = {0};
    if (token->kind == TOKEN_LITERAL) {
        parser->at++;
        struct node *node = parse_node(parser, NODE_LITERAL, token->offset);
        if (!node)
            return NULL;
        node->literal = token->literal;
        if (token->literal.least && !(parser->values && parser->at > 1 && str_eq(parser->tokens[parser->at - 2].text, STR("-"))))
            return parse_fail(parser, token, "this number is out of range");
        while (token->literal.type == KQL_STRING && parse_peek(parser)->kind == TOKEN_LITERAL &&
               parse_peek(parser)->literal.type == KQL_STRING) {
            struct str more = parse_peek(parser)->literal.text, old = node->literal.text;
            node->literal.text = arena_printf(parser->arena, "%.*s%.*s", STR_ARG(old), STR_ARG(more));
            parser->at++;
        }
        return node;
    }
    if (parse_punct(parser, "(")) {
        struct node *node = table_or_expression(parser);
        return node && parse_expect(parser, ")") ? node : NULL;
    }
    if (token->kind == TOKEN_PUNCT && parse_punct(parser, "*"))
        return parse_node(parser, NODE_STAR, token->offset);
    if (token->kind == TOKEN_END)
        return parse_fail(parser, token, "the query ends where a value is expected");
    if (token->kind != TOKEN_NAME || token->text.ptr[0] == '!')
        return parse_fail(parser, token, "a value is expected before '%.*s'", (int)(token->length > 40 ? 40 : token->length),
                          parser->text.ptr + token->offset);
    parser->at++;
    if (token->quoted || !parse_punct(parser, "(")) {
        if (parser->strict && !token->quoted && word_in(token->text, reserved_words))
            return parse_fail(parser, token, "%.*s is a word of KQL: as a name it is written ['%.*s']", STR_ARG(token->text), STR_ARG(token->text));
        struct node *node = parse_node(parser, NODE_NAME, token->offset);
        if (node)
            node->text = token->text;
        return node;
    }
    if (str_eq(token->text, STR("typeof")))
        return parse_typeof(parser, token);
    return parse_arguments(parser, &args) ? finish(parser, NODE_CALL, token->offset, token->text, &args) : NULL;
}

static struct node *parse_postfix(struct parser *parser) {
    size_t offset = parse_peek(parser)->offset;
    struct node *node = parse_primary(parser);
    while (node) {
        struct nodes args = {0};
        if (parse_is_punct(parser, 0, ".") && parser->tokens[parser->at + 1].kind == TOKEN_NAME) {
            parser->at++;
            struct str text = parse_peek(parser)->text;
            parser->at++;
            if (!nodes_add(parser, &args, node))
                return NULL;
            node = finish(parser, NODE_MEMBER, offset, text, &args);
        } else if (parse_punct(parser, "[")) {
            if (!nodes_add(parser, &args, node) || !nodes_add(parser, &args, parse_expression(parser)) ||
                !parse_expect(parser, "]"))
                return NULL;
            node = finish(parser, NODE_INDEX, offset, STR("[]"), &args);
        } else {
            return node;
        }
    }
    return NULL;
}

static struct node *parse_unary(struct parser *parser) {
    size_t offset = parse_peek(parser)->offset;
    if (parse_punct(parser, "+"))
        return parse_unary(parser);
    if (!parse_punct(parser, "-"))
        return parse_postfix(parser);
    struct nodes args = {0};
    if (++parser->depth > PARSE_MAX_DEPTH)
        return parse_fail(parser, parse_peek(parser), "the expression is nested too deeply");
    struct node *inner = parse_unary(parser);
    parser->depth--;
    return nodes_add(parser, &args, inner) ? finish(parser, NODE_MINUS, offset, STR("-"), &args) : NULL;
}

static bool take_operator(struct parser *parser, const char *const *texts, struct str *text) {
    for (; *texts; texts++)
        if (parse_punct(parser, *texts)) {
            *text = str_from(*texts);
            return true;
        }
    return false;
}

static struct node *parse_chain(struct parser *parser, const char *const *texts,
                                struct node *(*next)(struct parser *)) {
    size_t offset = parse_peek(parser)->offset, place = 0;
    struct node *node = next(parser);
    struct str text;
    int links = 0;
    while (node && (place = parse_peek(parser)->offset, take_operator(parser, texts, &text))) {
        struct nodes args = {0};
        if (++links > PARSE_MAX_DEPTH)
            return parse_fail(parser, parse_peek(parser), "more than %d operators in a row", PARSE_MAX_DEPTH);
        if (!nodes_add(parser, &args, node) || !nodes_add(parser, &args, next(parser)))
            return NULL;
        node = finish(parser, NODE_BINARY, offset, text, &args);
        if (node)
            node->text_offset = place;
    }
    return node;
}

static struct node *parse_product(struct parser *parser) {
    static const char *const texts[] = {"*", "/", "%", NULL};
    return parse_chain(parser, texts, parse_unary);
}

static struct node *parse_sum(struct parser *parser) {
    static const char *const texts[] = {"+", "-", NULL};
    return parse_chain(parser, texts, parse_product);
}

/* Behind `in`, has_any…: a list in parentheses, or a name of one. */
static struct node *parse_membership(struct parser *parser, struct node *left, size_t offset, struct str text) {
    struct nodes args = {0};
    if (!nodes_add(parser, &args, left))
        return NULL;
    const struct token *open = parse_peek(parser);
    if (!parse_punct(parser, "("))
        return parse_fail(parser, open, "%.*s needs a list in parentheses", STR_ARG(text));
    return parse_arguments(parser, &args) ? finish(parser, NODE_LIST, offset, text, &args) : NULL;
}

static struct node *parse_between(struct parser *parser, struct node *left, size_t offset, struct str text) {
    struct nodes args = {0};
    if (!nodes_add(parser, &args, left) || !parse_expect(parser, "(") ||
        !nodes_add(parser, &args, parse_sum(parser)) || !parse_expect(parser, "..") ||
        !nodes_add(parser, &args, parse_sum(parser)) || !parse_expect(parser, ")"))
        return NULL;
    return finish(parser, NODE_BETWEEN, offset, text, &args);
}

static const char *const string_words[] = {
    "has", "!has", "has_cs", "!has_cs", "contains", "!contains", "contains_cs", "!contains_cs", "startswith",
    "!startswith", "startswith_cs", "!startswith_cs", "endswith", "!endswith", "endswith_cs", "!endswith_cs",
    "hasprefix", "!hasprefix", "hasprefix_cs", "!hasprefix_cs", "hassuffix", "!hassuffix", "hassuffix_cs",
    "!hassuffix_cs", NULL};
static const char *const list_words[] = {"in", "!in", "in~", "!in~", "has_any", "has_all", "!has_any", "!has_all", NULL};

static void word_nearest(struct str word, const char *const *words, unsigned *least, const char **best) {
    for (; *words; words++)
        if (str_distance(word, str_from(*words)) < *least) {
            *least = str_distance(word, str_from(*words));
            *best = *words;
        }
}

/* A word where an operator could stand: when it looks like one, it is a mistyped one. */
static bool operator_mistyped(struct parser *parser) {
    static const char *const others[] = {"and", "or", "by", "asc", "desc", "nulls", "on", "to", "step", "from", "with", "of", "as", "limit", NULL};
    static const char *const further[] = {"between", "!between", "matches", NULL};
    const struct token *token = parse_peek(parser);
    const char *best = NULL;
    unsigned least = token->text.len > 4 ? 3 : 2;
    if (token->kind != TOKEN_NAME || token->quoted || token->text.len < 2 || word_in(token->text, others))
        return false;
    word_nearest(token->text, string_words, &least, &best);
    word_nearest(token->text, list_words, &least, &best);
    word_nearest(token->text, further, &least, &best);
    if (best)
        parse_fail(parser, token, "%.*s isn't an operator of KQL; did you mean %s?", STR_ARG(token->text), best);
    return best != NULL;
}

static struct node *parse_comparison(struct parser *parser) {
    static const char *const puncts[] = {"==", "!=", "<>", "=~", "!~", "<=", ">=", "<", ">", NULL};
    size_t offset = parse_peek(parser)->offset;
    struct node *left = parse_sum(parser);
    struct nodes args = {0};
    struct str text;
    if (!left)
        return NULL;
    struct token *token = parse_peek(parser);
    bool name = token->kind == TOKEN_NAME && !token->quoted;
    if (name && word_in(token->text, list_words)) {
        parser->at++;
        return parse_membership(parser, left, offset, token->text);
    }
    if (parse_word(parser, "between") || parse_word(parser, "!between"))
        return parse_between(parser, left, offset, token->text);
    if (name && word_in(token->text, string_words)) {
        text = token->text;
        parser->at++;
    } else if (parse_is_word(parser, 0, "matches") && parse_is_word(parser, 1, "regex")) {
        text = STR("matches regex");
        parser->at += 2;
    } else if (!take_operator(parser, puncts, &text)) {
        return operator_mistyped(parser) ? NULL : left;
    }
    if (!nodes_add(parser, &args, left) || !nodes_add(parser, &args, parse_sum(parser)))
        return NULL;
    struct node *node = finish(parser, NODE_BINARY, offset, text, &args);
    if (node)
        node->text_offset = token->offset;
    return node;
}

static struct node *parse_words(struct parser *parser, const char *word, struct node *(*next)(struct parser *)) {
    size_t offset = parse_peek(parser)->offset;
    struct nodes args = {0};
    if (!nodes_add(parser, &args, next(parser)))
        return NULL;
    while (parse_word(parser, word))
        if (!nodes_add(parser, &args, next(parser)))
            return NULL;
    return args.count == 1 ? args.items[0] : finish(parser, NODE_BINARY, offset, str_from(word), &args);
}

static struct node *parse_and(struct parser *parser) {
    return parse_words(parser, "and", parse_comparison);
}

struct node *parse_expression(struct parser *parser) {
    if (++parser->depth > PARSE_MAX_DEPTH)
        return parse_fail(parser, parse_peek(parser), "the expression is nested too deeply");
    struct node *node = parse_words(parser, "or", parse_and);
    parser->depth--;
    return node;
}

struct node *parse_named(struct parser *parser) {
    struct token *token = parse_peek(parser);
    if (token->kind != TOKEN_NAME || !parse_is_punct(parser, 1, "="))
        return parse_expression(parser);
    if (parser->strict && !token->quoted && word_in(token->text, reserved_names))
        return parse_fail(parser, token, "%.*s is a word of KQL: as a name it is written ['%.*s']", STR_ARG(token->text), STR_ARG(token->text));
    parser->at += 2;
    struct nodes args = {0};
    if (!nodes_add(parser, &args, parse_expression(parser)))
        return NULL;
    struct node *node = finish(parser, NODE_NAMED, token->offset, token->text, &args);
    return node;
}
