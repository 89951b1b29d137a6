/* Operators whose syntax is their own: mv-expand and what follows it. */
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
