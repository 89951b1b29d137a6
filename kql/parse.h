/* Tokens to tree. Depth is limited, so that no query can exhaust the stack. Names mean nothing yet: whether a table, column
 * or function is there is for kql/bind. The tree lives in the parser's arena. */
#pragma once
#include "kql/ast.h"
#include "kql/kql.h"

enum { PARSE_MAX_DEPTH = 200, PARSE_MAX_NODES = 300000 };

struct parser {
    struct arena *arena;
    struct str text;
    struct token *tokens;
    size_t at;
    int depth;
    uint32_t nodes; /* made so far: bounds the work of texts that must be read twice */
    bool strict;
    bool values; /* in the values of a datatable, where -9223372036854775808 is a literal; elsewhere it is an expression */
    struct kql_warning *warnings;
    size_t warning_count, warning_size;
    struct err *err;
};

/* False with a placed error. */
bool parse_query(struct parser *parser, struct query *out);

/* Shared by the files of the parser. Those that give a node or a bool give NULL or false with a placed error, unless they
 * say that they only look. */
struct node *parse_expression(struct parser *parser);
/* source (| operator)* */
struct pipeline *parse_pipeline(struct parser *parser);
/* What follows can only be a pipeline: datatable, print, range, union, materialize. */
bool parse_source_ahead(const struct parser *parser);
/* The next token; TOKEN_END at the end. Only looks, as do parse_is_punct and parse_is_word, which look `ahead` tokens
 * further. */
struct token *parse_peek(const struct parser *parser);
bool parse_is_punct(const struct parser *parser, size_t ahead, const char *text);
bool parse_is_word(const struct parser *parser, size_t ahead, const char *text);
/* Consumes the token if it is next; false, and no error, when it isn't. */
bool parse_punct(struct parser *parser, const char *text);
bool parse_word(struct parser *parser, const char *text);
/* The same for one that must be there. */
bool parse_expect(struct parser *parser, const char *text);
/* Sets the error, placed at the token. Gives NULL. */
void *parse_fail(struct parser *parser, const struct token *token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A new node for the text from offset to the last token consumed. */
struct node *parse_node(struct parser *parser, enum node_kind kind, size_t offset);
/* node NULL: its error is there already, and passed on. */
bool nodes_add(struct parser *parser, struct nodes *nodes, struct node *node);
/* ( item , … ) with the opening parenthesis consumed: expressions, tables among them. */
bool parse_arguments(struct parser *parser, struct nodes *args);
/* typeof(type), the word consumed; token: where it stood. */
struct node *parse_typeof(struct parser *parser, const struct token *token);
/* A name, bare or as ['name']. */
struct node *parse_name(struct parser *parser);
/* After an item of a list: true when another follows; mends a trailing comma before the token `close`. */
bool parse_comma(struct parser *parser, const char *close, bool *failed);
/* A warning at the byte offset; text is constant or of the arena. */
bool parse_warn(struct parser *parser, size_t offset, struct str text);
/* [name =] expression. */
struct node *parse_named(struct parser *parser);
/* parse_operator.c: operators with a syntax of their own, the name consumed. */
bool parse_expand(struct parser *parser, struct stage *stage);
bool parse_apply(struct parser *parser, struct stage *stage);
bool parse_pattern_stage(struct parser *parser, struct stage *stage);
bool parse_pairs_stage(struct parser *parser, struct stage *stage);
/* name:type, the type a NODE_NAME in args; string when it is left out and may be. */
struct node *parse_typed_name(struct parser *parser, bool must);
/* operator (| operator)* into the table's stages. */
bool parse_first_stages(struct parser *parser, struct pipeline *table);
/* The next token ends an operator: | ; ) } or the end of the text. Only looks. */
bool parse_ends_stage(const struct parser *parser);
