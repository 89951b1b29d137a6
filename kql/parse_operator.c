/* Operators whose syntax is their own: mv-expand, mv-apply, parse and parse-kv. */
#include "kql/parse.h"

/* kind=bag|array, bagexpansion=…, with_itemindex=name, before the items. */
static bool expand_options(struct parser *parser, struct stage *stage) {
    while (parse_is_punct(parser, 1, "=") && (parse_is_word(parser, 0, "kind") || parse_is_word(parser, 0, "bagexpansion") ||
                                              parse_is_word(parser, 0, "with_itemindex"))) {
        bool index = parse_is_word(parser, 0, "with_itemindex");
        parser->at += 2;
        struct node *value = parse_name(parser);
        if (!value)
            return false;
        if (index)
            stage->index_name = value->text;
        else
            stage->pairs = str_eq(value->text, STR("array"));
    }
    return true;
}

/* [to typeof(type)] behind an item */
static struct node *expand_type(struct parser *parser) {
    size_t offset = parse_peek(parser)->offset;
    if (!parse_word(parser, "to"))
        return parse_node(parser, NODE_STAR, offset);
    const struct token *token = parse_peek(parser);
    if (!parse_word(parser, "typeof"))
        return parse_fail(parser, token, "typeof(…) is expected behind `to`");
    return parse_expect(parser, "(") ? parse_typeof(parser, token) : NULL;
}

/* mv-expand [options] item [to typeof(type)], … [limit rows] */
bool parse_expand(struct parser *parser, struct stage *stage) {
    if (!expand_options(parser, stage))
        return false;
    do {
        if (!nodes_add(parser, &stage->items, parse_named(parser)) || !nodes_add(parser, &stage->types, expand_type(parser)))
            return false;
    } while (parse_punct(parser, ","));
    return !parse_word(parser, "limit") || nodes_add(parser, &stage->by, parse_expression(parser));
}

/* mv-apply [options] items [limit rows] on ( operators ) */
bool parse_apply(struct parser *parser, struct stage *stage) {
    if (!parse_expand(parser, stage))
        return false;
    if (!parse_word(parser, "on")) {
        parse_fail(parser, parse_peek(parser), "mv-apply needs `on` and operators in parentheses");
        return false;
    }
    stage->right = arena_take(parser->arena, sizeof *stage->right);
    if (!stage->right)
        return err_memory(parser->err);
    *stage->right = (struct pipeline){.offset = parse_peek(parser)->offset};
    return parse_expect(parser, "(") && parse_first_stages(parser, stage->right) && parse_expect(parser, ")");
}

struct node *parse_typed_name(struct parser *parser, bool must) {
    struct node *name = parse_name(parser), *type = NULL;
    struct nodes args = {0};
    if (!name)
        return NULL;
    if (!must && !parse_is_punct(parser, 0, ":"))
        type = parse_node(parser, NODE_NAME, name->offset);
    else if (parse_expect(parser, ":"))
        type = parse_name(parser);
    if (type && !type->text.len)
        type->text = STR("string");
    if (!nodes_add(parser, &args, type))
        return NULL;
    name->args = args.items;
    name->count = 1;
    return name;
}

/* A part of parse's pattern: *, "text", or name[:type]. */
static struct node *pattern_part(struct parser *parser) {
    const struct token *token = parse_peek(parser);
    if (parse_punct(parser, "*"))
        return parse_node(parser, NODE_STAR, token->offset);
    if (token->kind != TOKEN_LITERAL)
        return parse_typed_name(parser, false);
    if (token->literal.type != KQL_STRING)
        return parse_fail(parser, token, "a pattern is made of strings, names and *");
    parser->at++;
    struct node *node = parse_node(parser, NODE_LITERAL, token->offset);
    if (node)
        node->literal = token->literal;
    return node;
}

/* parse [kind=simple|regex|relaxed [flags=…]] value with pattern */
bool parse_pattern_stage(struct parser *parser, struct stage *stage) {
    while (parse_is_punct(parser, 1, "=") && (parse_is_word(parser, 0, "kind") || parse_is_word(parser, 0, "flags"))) {
        bool kind = parse_is_word(parser, 0, "kind");
        parser->at += 2;
        struct node *value = parse_name(parser);
        if (!value)
            return false;
        *(kind ? &stage->join_kind : &stage->flags) = value->text;
    }
    if (!nodes_add(parser, &stage->items, parse_expression(parser)))
        return false;
    if (!parse_word(parser, "with")) {
        parse_fail(parser, parse_peek(parser), "%.*s needs `with` and a pattern", STR_ARG(stage->name));
        return false;
    }
    while (!parse_ends_stage(parser))
        if (!nodes_add(parser, &stage->pattern, pattern_part(parser)))
            return false;
    return true;
}

/* parse-kv value as (name:type, …) with (pair_delimiter=…, kv_delimiter=…) */
bool parse_pairs_stage(struct parser *parser, struct stage *stage) {
    bool failed = false;
    if (!nodes_add(parser, &stage->items, parse_expression(parser)))
        return false;
    if (!parse_word(parser, "as")) {
        parse_fail(parser, parse_peek(parser), "parse-kv needs `as` and its columns");
        return false;
    }
    if (!parse_expect(parser, "("))
        return false;
    do {
        const struct token *token = parse_peek(parser);
        if (parser->strict && (parse_is_word(parser, 0, "true") || parse_is_word(parser, 0, "false"))) {
            parse_fail(parser, token, "%.*s is a word of KQL: as a name it is written ['%.*s']", STR_ARG(token->text), STR_ARG(token->text));
            return false;
        }
        if (!nodes_add(parser, &stage->pattern, parse_typed_name(parser, true)))
            return false;
    } while (parse_comma(parser, ")", &failed));
    if (failed || !parse_expect(parser, ")"))
        return false;
    if (!parse_word(parser, "with"))
        return true;
    if (!parse_expect(parser, "("))
        return false;
    do {
        if (!nodes_add(parser, &stage->settings, parse_named(parser)))
            return false;
    } while (parse_comma(parser, ")", &failed));
    return !failed && parse_expect(parser, ")");
}
