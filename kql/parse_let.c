/* let statements, functions among them, and the query as a whole. */
#include "kql/parse.h"

/* query: (let name = (pipeline | expression | function) ;)* pipeline ;? */

/* name:type [= literal], or name:(…) for a table, whose columns are left to the call. */
static struct node *parse_parameter(struct parser *parser) {
    struct node *name = parse_name(parser), *type;
    struct nodes args = {0};
    if (!name || !parse_expect(parser, ":"))
        return NULL;
    size_t offset = parse_peek(parser)->offset;
    if (parse_punct(parser, "(")) {
        while (!parse_is_punct(parser, 0, ")") && parse_peek(parser)->kind != TOKEN_END)
            parser->at++;
        type = parse_expect(parser, ")") ? parse_node(parser, NODE_STAR, offset) : NULL;
    } else {
        type = parse_name(parser);
    }
    if (!nodes_add(parser, &args, type))
        return NULL;
    if (parse_punct(parser, "=") && !nodes_add(parser, &args, parse_expression(parser)))
        return NULL;
    name->args = args.items;
    name->count = args.count;
    return name;
}

/* What a let or a function's body gives: a pipeline, or an expression that may turn out to be a table's name. */
static bool parse_value(struct parser *parser, struct node **value, struct pipeline **table) {
    size_t start = parser->at, warned = parser->warning_count;
    bool source = parse_source_ahead(parser);
    *table = NULL;
    if (!source) {
        *value = parse_expression(parser);
        if (!*value)
            return false;
        if ((*value)->kind == NODE_TABLE)
            *table = (*value)->table;
    }
    if (source || parse_is_punct(parser, 0, "|")) {
        parser->at = start;
        parser->warning_count = warned;
        *value = NULL;
        *table = parse_pipeline(parser);
        return *table != NULL;
    }
    return true;
}

static bool parse_lets(struct parser *parser, struct let **lets, size_t *count);

/* [view] (parameters) { body } */
static bool parse_function(struct parser *parser, struct let *let) {
    struct function *function = arena_take(parser->arena, sizeof *function);
    bool failed = false;
    if (!function)
        return err_memory(parser->err);
    *function = (struct function){0};
    let->function = function;
    function->view = parse_word(parser, "view");
    if (!parse_expect(parser, "("))
        return false;
    if (!parse_is_punct(parser, 0, ")"))
        do {
            if (!nodes_add(parser, &function->params, parse_parameter(parser)))
                return false;
        } while (parse_comma(parser, ")", &failed));
    if (failed || !parse_expect(parser, ")") || !parse_expect(parser, "{") ||
        !parse_lets(parser, &function->lets, &function->let_count) || !parse_value(parser, &function->value, &function->table))
        return false;
    while (parse_punct(parser, ";"))
        continue;
    return parse_expect(parser, "}");
}

static bool function_ahead(const struct parser *parser) {
    size_t view = parse_is_word(parser, 0, "view") && parse_is_punct(parser, 1, "(");
    if (!parse_is_punct(parser, view, "("))
        return false;
    return view || parse_is_punct(parser, 1, ")") || parse_is_punct(parser, 2, ":");
}

static bool parse_let(struct parser *parser, struct let *let) {
    struct node *name = parse_name(parser);
    if (!name || !parse_expect(parser, "="))
        return false;
    *let = (struct let){.name = name->text, .offset = name->offset, .length = name->length};
    bool good = function_ahead(parser) ? parse_function(parser, let) : parse_value(parser, &let->value, &let->table);
    return good && parse_expect(parser, ";");
}

static bool parse_lets(struct parser *parser, struct let **lets, size_t *count) {
    size_t size = 0;
    while (parse_punct(parser, ";"))
        continue;
    while (parse_word(parser, "let")) {
        struct let *grown = arena_grow(parser->arena, *lets, *count, 1, &size, sizeof *grown);
        if (!grown)
            return err_memory(parser->err);
        *lets = grown;
        if (!parse_let(parser, &(*lets)[*count]))
            return false;
        (*count)++;
        while (parse_punct(parser, ";"))
            continue;
    }
    return true;
}

bool parse_query(struct parser *parser, struct query *out) {
    if (!parse_lets(parser, &out->lets, &out->let_count))
        return false;
    out->main = parse_pipeline(parser);
    if (!out->main)
        return false;
    while (parse_punct(parser, ";"))
        continue;
    const struct token *token = parse_peek(parser);
    if (token->kind == TOKEN_END)
        return true;
    parse_fail(parser, token, "'%.*s' isn't expected here", (int)(token->length > 40 ? 40 : token->length),
               parser->text.ptr + token->offset);
    return false;
}
