/* Pipelines and their operators. */
#include "kql/parse.h"

static bool operator_find(struct str name, enum stage_kind *kind) {
    static const struct {
        const char *name;
        enum stage_kind kind;
    } operators[] = {
#define OPERATOR(text, stage) {text, STAGE_##stage},
#define ALIAS(text, stage) {text, STAGE_##stage},
#include "kql/operators.def"
#undef OPERATOR
#undef ALIAS
    };
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (str_eq(name, str_from(operators[i].name))) {
            *kind = operators[i].kind;
            return true;
        }
    return false;
}

/* An operator's name; project-away and its kind are several tokens that touch. */
static struct str operator_name(struct parser *parser) {
    const struct token *first = parse_peek(parser);
    size_t end = first->offset + first->length;
    parser->at++;
    while (parse_is_punct(parser, 0, "-") && parse_peek(parser)->offset == end &&
           parser->tokens[parser->at + 1].kind == TOKEN_NAME && parser->tokens[parser->at + 1].offset == end + 1) {
        end = parser->tokens[parser->at + 1].offset + parser->tokens[parser->at + 1].length;
        parser->at += 2;
    }
    return (struct str){parser->text.ptr + first->offset, end - first->offset};
}

bool parse_ends_stage(const struct parser *parser) {
    return parse_peek(parser)->kind == TOKEN_END || parse_is_punct(parser, 0, "|") || parse_is_punct(parser, 0, ";") ||
           parse_is_punct(parser, 0, ")") || parse_is_punct(parser, 0, "}");
}

/* A comma behind the last item of an operator's list, before | ; ) or the end. */
static bool more_items(struct parser *parser, bool *failed) {
    const struct token *comma = parse_peek(parser);
    if (!parse_punct(parser, ","))
        return false;
    if (!parse_ends_stage(parser) && !parse_is_word(parser, 0, "by"))
        return true;
    if (parser->strict) {
        parse_fail(parser, comma, "a comma with nothing behind it");
        *failed = true;
    } else {
        *failed = !parse_warn(parser, comma->offset, STR("the trailing comma was dropped"));
    }
    return false;
}

static bool parse_items(struct parser *parser, struct nodes *nodes, struct node *(*item)(struct parser *)) {
    bool failed = false;
    do {
        if (!nodes_add(parser, nodes, item(parser)))
            return false;
    } while (more_items(parser, &failed));
    return !failed;
}

static struct node *parse_order(struct parser *parser) {
    size_t offset = parse_peek(parser)->offset;
    struct nodes args = {0};
    if (!nodes_add(parser, &args, parse_named(parser)))
        return NULL;
    struct node *node = parse_node(parser, NODE_ORDER, offset);
    if (!node)
        return NULL;
    node->args = args.items;
    node->count = 1;
    node->ascending = parse_word(parser, "asc");
    if (!node->ascending)
        parse_word(parser, "desc");
    if (parse_word(parser, "nulls")) {
        node->nulls_given = true;
        node->nulls_first = parse_word(parser, "first");
        if (!node->nulls_first && !parse_word(parser, "last"))
            return parse_fail(parser, parse_peek(parser), "nulls must be followed by first or last");
    }
    return node;
}

/* A name, or a pattern of names such as Init*: the text of touching tokens. */
static struct node *parse_pattern(struct parser *parser) {
    const struct token *first = parse_peek(parser);
    if (first->kind == TOKEN_NAME && parse_is_punct(parser, 1, "="))
        return parse_named(parser);
    size_t end = first->offset;
    bool star = false;
    while ((parse_peek(parser)->kind == TOKEN_NAME || parse_is_punct(parser, 0, "*")) &&
           (end == first->offset || parse_peek(parser)->offset == end)) {
        end = parse_peek(parser)->offset + parse_peek(parser)->length;
        star = star || parse_is_punct(parser, 0, "*");
        parser->at++;
    }
    if (end == first->offset)
        return parse_fail(parser, first, "a column name is expected here");
    struct node *node = parse_node(parser, star ? NODE_STAR : NODE_NAME, first->offset);
    if (node)
        node->text = star ? (struct str){parser->text.ptr + first->offset, end - first->offset} : first->text;
    if (node) {
        node->ascending = parse_word(parser, "asc");
        node->sorted = node->ascending || parse_word(parser, "desc");
    }
    return node;
}

static bool parse_summarize(struct parser *parser, struct stage *stage) {
    while (parse_peek(parser)->kind == TOKEN_NAME && str_starts(parse_peek(parser)->text, STR("hint")) &&
           parse_is_punct(parser, 1, ".")) {
        parser->at += 5;
    }
    if (!parse_is_word(parser, 0, "by") && !parse_items(parser, &stage->items, parse_named))
        return false;
    stage->has_by = parse_word(parser, "by");
    return !stage->has_by || parse_items(parser, &stage->by, parse_named);
}

static bool parse_top(struct parser *parser, struct stage *stage) {
    if (!nodes_add(parser, &stage->items, parse_expression(parser)))
        return false;
    if (!parse_word(parser, "by")) {
        parse_fail(parser, parse_peek(parser), "top needs `by` and a column");
        return false;
    }
    return parse_items(parser, &stage->by, parse_order);
}

static bool parse_sort(struct parser *parser, struct stage *stage) {
    if (!parse_word(parser, "by")) {
        parse_fail(parser, parse_peek(parser), "%.*s needs `by` and a column", STR_ARG(stage->name));
        return false;
    }
    return parse_items(parser, &stage->by, parse_order);
}

/* f(arguments) as a table */
static struct pipeline *parse_call(struct parser *parser) {
    struct pipeline *table = arena_take(parser->arena, sizeof *table);
    struct node *name = parse_name(parser);
    if (!table || !name)
        return name ? (err_memory(parser->err), NULL) : NULL;
    *table = (struct pipeline){.source = SOURCE_CALL, .name = name->text, .offset = name->offset, .length = name->length};
    return parse_expect(parser, "(") && parse_arguments(parser, &table->items) ? table : NULL;
}

/* A leg of a union: a name, a pattern of names such as Device*, or a pipeline in parentheses. */
static struct node *parse_leg(struct parser *parser) {
    struct node *node = parse_node(parser, NODE_TABLE, parse_peek(parser)->offset);
    if (!node)
        return NULL;
    if (parse_punct(parser, "(")) {
        node->table = parse_pipeline(parser);
        return node->table && parse_expect(parser, ")") ? node : NULL;
    }
    if (parse_is_punct(parser, 1, "(")) {
        node->table = parse_call(parser);
        return node->table ? node : NULL;
    }
    struct node *name = parse_name(parser);
    node->table = name ? arena_take(parser->arena, sizeof *node->table) : NULL;
    if (name && !node->table)
        err_memory(parser->err);
    if (!node->table)
        return NULL;
    size_t end = name->offset + name->length;
    *node->table = (struct pipeline){.source = SOURCE_NAME, .name = name->text, .offset = name->offset, .length = name->length};
    while (parse_peek(parser)->offset == end && (parse_is_punct(parser, 0, "*") || parse_peek(parser)->kind == TOKEN_NAME)) {
        end += parse_peek(parser)->length;
        parser->at++;
        node->table->length = end - name->offset;
        node->table->name = (struct str){parser->text.ptr + name->offset, end - name->offset};
    }
    return node;
}

/* union [kind=outer] [isfuzzy=…] [withsource=name] leg, … */
static bool parse_union(struct parser *parser, struct stage *stage) {
    while (parse_is_punct(parser, 1, "=")) {
        const struct token *word = parse_peek(parser);
        bool source = parse_is_word(parser, 0, "withsource");
        bool known = source || parse_is_word(parser, 0, "isfuzzy") || parse_is_word(parser, 0, "kind");
        parser->at += 2;
        struct node *value = parse_name(parser);
        if (!value)
            return false;
        if (!known) {
            parse_fail(parser, word, "this option of union isn't supported");
            return false;
        }
        stage->inner = stage->inner || str_eq(value->text, STR("inner"));
        stage->fuzzy = stage->fuzzy || (str_eq(word->text, STR("isfuzzy")) && str_eq(value->text, STR("true")));
        if (source)
            stage->with_source = value->text;
    }
    return parse_items(parser, &stage->legs, parse_leg);
}

/* join [kind=…] [hint.…=…] (pipeline) on key, … */
static bool parse_join(struct parser *parser, struct stage *stage) {
    while (parse_is_word(parser, 0, "kind") || parse_is_word(parser, 0, "hint")) {
        bool kind = parse_word(parser, "kind");
        parser->at += kind ? 0 : 3;
        if (!parse_expect(parser, "="))
            return false;
        struct node *value = parse_name(parser);
        if (!value)
            return false;
        if (kind)
            stage->join_kind = value->text;
    }
    if (parse_is_punct(parser, 0, "(")) {
        parser->at++;
        stage->right = parse_pipeline(parser);
        if (!stage->right || !parse_expect(parser, ")"))
            return false;
    } else {
        struct node *name = parse_name(parser);
        stage->right = name ? arena_take(parser->arena, sizeof *stage->right) : NULL;
        if (!stage->right)
            return name ? err_memory(parser->err) : false;
        *stage->right = (struct pipeline){.source = SOURCE_NAME, .name = name->text, .offset = name->offset, .length = name->length};
    }
    if (!parse_word(parser, "on")) {
        parse_fail(parser, parse_peek(parser), "join needs `on` and its keys");
        return false;
    }
    return parse_items(parser, &stage->by, parse_expression);
}

static bool parse_stage_body(struct parser *parser, struct stage *stage) {
    switch (stage->kind) {
    case STAGE_SUMMARIZE:
        return parse_summarize(parser, stage);
    case STAGE_JOIN:
    case STAGE_LOOKUP:
        return parse_join(parser, stage);
    case STAGE_UNION:
        return parse_union(parser, stage);
    case STAGE_MV_EXPAND:
        return parse_expand(parser, stage);
    case STAGE_MV_APPLY:
        return parse_apply(parser, stage);
    case STAGE_PARSE:
    case STAGE_PARSE_WHERE:
        return parse_pattern_stage(parser, stage);
    case STAGE_PARSE_KV:
        return parse_pairs_stage(parser, stage);
    case STAGE_SORT:
        return parse_sort(parser, stage);
    case STAGE_TOP:
        return parse_top(parser, stage);
    case STAGE_WHERE:
    case STAGE_TAKE:
    case STAGE_INVOKE:
        return nodes_add(parser, &stage->items, parse_expression(parser));
    case STAGE_AS:
        return nodes_add(parser, &stage->items, parse_name(parser));
    case STAGE_COUNT:
    case STAGE_GETSCHEMA:
        return true;
    case STAGE_RENDER:
        while (!parse_ends_stage(parser) || parse_is_punct(parser, 0, ")"))
            parser->at++;
        return true;
    case STAGE_PROJECT_AWAY:
    case STAGE_PROJECT_KEEP:
    case STAGE_PROJECT_REORDER:
        return parse_items(parser, &stage->items, parse_pattern);
    case STAGE_PROJECT:
        return parse_ends_stage(parser) || parse_items(parser, &stage->items, parse_named);
    case STAGE_DISTINCT:
    case STAGE_EXTEND:
    case STAGE_PROJECT_RENAME:
        return parse_items(parser, &stage->items, parse_named);
    case STAGE_COUNT_OF:
        break;
    }
    return false;
}

/* What stands behind a column in a condition whose `where` was forgotten. */
static bool condition_follows(struct parser *parser) {
    static const char *const words[] = {"in", "!in", "has", "!has", "has_any", "has_all", "contains", "!contains", "startswith", "endswith", "between", "matches"};
    const struct token *next = parse_peek(parser);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (parse_is_word(parser, 0, words[i]))
            return true;
    return next->kind == TOKEN_PUNCT && memchr("=!<>", next->text.ptr[0], 4);
}

static void suggest_operator(struct parser *parser, const struct token *token, struct str name) {
    static const char *const known[] = {
#define OPERATOR(text, stage) text,
#define ALIAS(text, stage) text,
#include "kql/operators.def"
#undef OPERATOR
#undef ALIAS
    };
    struct token span = *token;
    span.length = name.len;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_distance(name, str_from(known[i])) <= 1 + name.len / 5) {
            parse_fail(parser, &span, "%.*s isn't an operator that is supported here; did you mean %s?", STR_ARG(name), known[i]);
            return;
        }
    if (condition_follows(parser))
        parse_fail(parser, &span, "%.*s isn't an operator that is supported here; if it is a condition, `where` is missing before it",
                   STR_ARG(name));
    else
        parse_fail(parser, &span, "%.*s isn't an operator that is supported here", STR_ARG(name));
}

static bool parse_stage(struct parser *parser, struct stage *stage) {
    const struct token *token = parse_peek(parser);
    if (token->kind != TOKEN_NAME) {
        parse_fail(parser, token, "an operator such as where is expected behind '|'");
        return false;
    }
    stage->offset = token->offset;
    stage->name = operator_name(parser);
    if (!operator_find(stage->name, &stage->kind)) {
        suggest_operator(parser, token, stage->name);
        return false;
    }
    if (!parse_stage_body(parser, stage))
        return false;
    const struct token *last = &parser->tokens[parser->at - 1];
    stage->length = last->offset + last->length - stage->offset;
    return true;
}

bool parse_first_stages(struct parser *parser, struct pipeline *table) {
    size_t size = 0;
    do {
        struct stage *grown =
            arena_grow(parser->arena, table->stages, table->stage_count, 1, &size, sizeof *grown);
        if (!grown)
            return err_memory(parser->err);
        table->stages = grown;
        if (!parse_stage(parser, &table->stages[table->stage_count]))
            return false;
        table->stage_count++;
    } while (parse_punct(parser, "|"));
    return true;
}

static bool parse_stages(struct parser *parser, struct pipeline *table) {
    return !parse_punct(parser, "|") || parse_first_stages(parser, table);
}

static bool parse_datatable(struct parser *parser, struct pipeline *table) {
    bool failed = false;
    if (!parse_expect(parser, "("))
        return false;
    do {
        if (!nodes_add(parser, &table->columns, parse_typed_name(parser, true)))
            return false;
    } while (parse_comma(parser, ")", &failed));
    if (failed || !parse_expect(parser, ")") || !parse_expect(parser, "["))
        return false;
    parser->values = true;
    while (!parse_is_punct(parser, 0, "]")) {
        if (!nodes_add(parser, &table->items, parse_expression(parser)))
            return false;
        if (!parse_punct(parser, ",")) /* Kusto itself takes a trailing comma here */
            break;
    }
    parser->values = false;
    return parse_expect(parser, "]");
}

static bool parse_range(struct parser *parser, struct pipeline *table) {
    static const char *const words[] = {"from", "to", "step"};
    struct node *name = parse_name(parser);
    if (!name)
        return false;
    table->name = name->text;
    for (size_t i = 0; i < 3; i++) {
        if (!parse_word(parser, words[i])) {
            parse_fail(parser, parse_peek(parser), "range needs `%s` here", words[i]);
            return false;
        }
        if (!nodes_add(parser, &table->items, parse_expression(parser)))
            return false;
    }
    return true;
}

/* What Kusto reads as a source or a statement, and this doesn't: refused by name. */
static bool source_refuse(struct parser *parser) {
    static const char *const calls[] = {"externaldata", "external_table", "database", "cluster", "workspace",
                                        "app", "resource", "adx", "arg"};
    static const char *const words[] = {"find", "search", "set", "declare", "alias", "restrict", "evaluate"};
    const struct token *token = parse_peek(parser);
    bool refused = false, more = token->kind == TOKEN_NAME && token[1].kind != TOKEN_END &&
                                 !parse_is_punct(parser, 1, "|") && !parse_is_punct(parser, 1, ";") &&
                                 !parse_is_punct(parser, 1, ")");
    for (size_t i = 0; more && i < sizeof calls / sizeof *calls; i++)
        refused = refused || (parse_is_punct(parser, 1, "(") && parse_is_word(parser, 0, calls[i]));
    for (size_t i = 0; more && i < sizeof words / sizeof *words; i++)
        refused = refused || parse_is_word(parser, 0, words[i]);
    if (refused)
        parse_fail(parser, token, "%.*s isn't supported here", STR_ARG(token->text));
    return refused;
}

static bool parse_source(struct parser *parser, struct pipeline *table) {
    const struct token *token = parse_peek(parser);
    if (parse_punct(parser, "(")) {
        table->source = SOURCE_PAREN;
        table->inner = parse_pipeline(parser);
        return table->inner && parse_expect(parser, ")");
    }
    if (parse_is_word(parser, 0, "materialize") && parse_is_punct(parser, 1, "(")) {
        parser->at += 2;
        table->source = SOURCE_PAREN;
        table->inner = parse_pipeline(parser);
        return table->inner && parse_expect(parser, ")");
    }
    if (parse_word(parser, "union")) {
        table->source = SOURCE_UNION;
        table->legs = arena_take(parser->arena, sizeof *table->legs);
        if (!table->legs)
            return err_memory(parser->err);
        *table->legs = (struct stage){.kind = STAGE_UNION, .name = STR("union"), .offset = token->offset, .length = token->length};
        return parse_union(parser, table->legs);
    }
    if (parse_word(parser, "datatable")) {
        table->source = SOURCE_DATATABLE;
        return parse_datatable(parser, table);
    }
    if (parse_word(parser, "print")) {
        table->source = SOURCE_PRINT;
        return parse_items(parser, &table->items, parse_named);
    }
    if (parse_word(parser, "range")) {
        table->source = SOURCE_RANGE;
        return parse_range(parser, table);
    }
    struct node *name = source_refuse(parser) ? NULL : parse_name(parser);
    if (!name)
        return false;
    table->name = name->text;
    if (!parse_punct(parser, "("))
        return true;
    table->source = SOURCE_CALL;
    return parse_arguments(parser, &table->items);
}

struct pipeline *parse_pipeline(struct parser *parser) {
    struct pipeline *table = arena_take(parser->arena, sizeof *table);
    if (!table) {
        err_memory(parser->err);
        return NULL;
    }
    if (++parser->depth > PARSE_MAX_DEPTH)
        return parse_fail(parser, parse_peek(parser), "the query is nested too deeply");
    table->offset = parse_peek(parser)->offset;
    if (!parse_source(parser, table))
        return NULL;
    const struct token *last = &parser->tokens[parser->at - 1];
    table->length = last->offset + last->length - table->offset;
    if (!parse_stages(parser, table))
        return NULL;
    parser->depth--;
    return table;
}
