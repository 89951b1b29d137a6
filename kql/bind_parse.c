/* parse and parse-kv: columns out of a text, by one regular expression that is made of the pattern. */
#include "kql/internal.h"

enum { PARTS_MAX = 60 };

struct parsing {
    const struct stage *stage;
    bool regex, relaxed, lazy;
    struct buf pattern;
    struct column *outputs;
    size_t count;
    size_t places[PARTS_MAX]; /* of the pattern's columns in outputs */
    size_t columns;
};

static bool kind_read(struct kql *kql, const struct stage *stage, struct parsing *parsing) {
    struct str kind = stage->join_kind;
    parsing->regex = str_eq(kind, STR("regex"));
    parsing->relaxed = str_eq(kind, STR("relaxed"));
    if (kind.len && !parsing->regex && !parsing->relaxed && !str_eq(kind, STR("simple")))
        return kql_fail(kql, stage->offset, stage->name.len, "%.*s has no kind %.*s", STR_ARG(stage->name), STR_ARG(kind));
    for (size_t i = 0; i < stage->flags.len; i++) {
        char flag = stage->flags.ptr[i];
        if (!parsing->regex || (flag != 'i' && flag != 'U'))
            return kql_fail(kql, stage->offset, stage->name.len, "of the flags of %.*s only i and U with kind=regex are supported here",
                            STR_ARG(stage->name));
        parsing->lazy = parsing->lazy || flag == 'U';
        if (flag == 'i')
            buf_add_str(&parsing->pattern, STR("(?i)"));
    }
    return true;
}

/* What a column may match: as little as it can in the simple kinds, but for the last; as much in regex. */
static const char *column_pattern(const struct parsing *parsing, enum kql_type type, bool last, bool skips) {
    if (!parsing->regex && skips)
        return "([-+]?[0-9]+)";
    if (!parsing->regex)
        return last ? "(.*)" : "(.*?)";
    if (type == KQL_LONG || type == KQL_INT)
        return parsing->lazy ? "([-+]?[0-9]+?)" : "([-+]?[0-9]+)";
    return parsing->lazy ? "([^\\n]*?)" : "([^\\n]*)";
}

static bool part_text(struct kql *kql, struct parsing *parsing, const struct node *node) {
    const char *problem = NULL;
    if (!parsing->regex) {
        regex_quote(&parsing->pattern, node->literal.text);
        return true;
    }
    struct str text = regex_translate(kql, node->literal.text, REGEX_PART, &problem);
    if (problem)
        return kql_fail(kql, node->offset, node->length, "this regular expression can't be used: %s", problem);
    buf_add_str(&parsing->pattern, text);
    return true;
}

static bool part_column(struct kql *kql, struct parsing *parsing, const struct node *node, const struct node *next) {
    enum kql_type type = KQL_STRING;
    struct str wanted = node->args[0]->text;
    if (!literal_type_find(wanted, &type) && !str_eq(wanted, STR("string")))
        return kql_fail(kql, node->args[0]->offset, node->args[0]->length, "%.*s is not a type", STR_ARG(wanted));
    bool skips = next && next->kind == NODE_STAR;
    if (next && next->kind != NODE_LITERAL && !(skips && (type == KQL_LONG || type == KQL_INT)))
        return kql_fail(kql, next->offset, next->length, "a text must stand behind %.*s; only a long may be followed by *", STR_ARG(node->text));
    buf_add_str(&parsing->pattern, str_from(column_pattern(parsing, type, !next, skips)));
    size_t at = 0;
    while (at < parsing->count && (parsing->outputs[at].hidden || !str_eq(parsing->outputs[at].name, node->text)))
        at++;
    parsing->count += at == parsing->count;
    parsing->outputs[at] = (struct column){.name = node->text, .type = type, .nullable = type != KQL_STRING};
    parsing->places[parsing->columns++] = at;
    return true;
}

static bool pattern_read(struct kql *kql, const struct stage *stage, struct parsing *parsing) {
    if (!stage->pattern.count || stage->pattern.count > PARTS_MAX)
        return kql_fail(kql, stage->offset, stage->name.len, "%.*s needs a pattern of at most %d parts", STR_ARG(stage->name), PARTS_MAX);
    buf_add_str(&parsing->pattern, STR("^(?:"));
    for (size_t i = 0; i < stage->pattern.count; i++) {
        const struct node *node = stage->pattern.items[i];
        const struct node *next = i + 1 < stage->pattern.count ? stage->pattern.items[i + 1] : NULL;
        if (node->kind == NODE_STAR && next && next->kind != NODE_LITERAL)
            return kql_fail(kql, next->offset, next->length, "a text must stand behind *");
        if (node->kind == NODE_LITERAL ? !part_text(kql, parsing, node) : node->kind == NODE_NAME && !part_column(kql, parsing, node, next))
            return false;
        if (node->kind == NODE_STAR)
            buf_add_str(&parsing->pattern, parsing->lazy || (next && !parsing->regex) ? STR(".*?") : STR(".*"));
    }
    bool open = parsing->regex && stage->pattern.items[stage->pattern.count - 1]->kind == NODE_LITERAL;
    buf_add_str(&parsing->pattern, open ? STR("){1,1}") : STR("){1,1}$"));
    return true;
}

/* The converted columns as f.v0, …; in the simple kind one that can't be converted makes all of them null. */
static struct str columns_sql(struct kql *kql, struct parsing *parsing, struct str *all) {
    struct str list = {0};
    for (size_t i = 0; i < parsing->columns; i++) {
        struct column *column = &parsing->outputs[parsing->places[i]];
        struct expr value = {.type = KQL_STRING, .sql = sql_print(kql, "e.m[%zu]", i + 1)};
        expr_parse(kql, &value, column->type);
        list = sql_join(kql, list, ", ", sql_print(kql, "%.*s AS v%zu", STR_ARG(value.sql), i));
        *all = sql_join(kql, *all, " AND ", sql_print(kql, "f.v%zu IS NOT NULL", i));
    }
    for (size_t i = 0; i < parsing->columns; i++) {
        struct column *column = &parsing->outputs[parsing->places[i]];
        struct str value = sql_print(kql, "f.v%zu", i);
        if (!parsing->relaxed && !parsing->regex)
            value = sql_print(kql, "CASE WHEN %.*s THEN %.*s END", STR_ARG(*all), STR_ARG(value));
        column->sql = column->type == KQL_STRING ? sql_print(kql, "coalesce(%.*s, '')", STR_ARG(value)) : value;
    }
    return list;
}

static bool parse_finish(struct kql *kql, const struct stage *stage, struct scope *scope, struct parsing *parsing, struct expr *text) {
    struct str all = {0}, pattern = arena_copy(kql->arena, buf_str(&parsing->pattern));
    if (!pattern.ptr || parsing->pattern.failed)
        return err_memory(kql->err);
    struct str list = columns_sql(kql, parsing, &all);
    if (!list.len)
        list = STR("1 AS none");
    scope->join = sql_print(kql, "q%u r CROSS JOIN LATERAL (SELECT regexp_match(%.*s, %.*s) AS m OFFSET 0) e "
                            "CROSS JOIN LATERAL (SELECT %.*s OFFSET 0) f", scope->input->id, STR_ARG(sql_of(kql, text)),
                            STR_ARG(sql_text(kql, pattern)), STR_ARG(list));
    scope->join_deps = text->deps;
    struct expr matched = {.type = KQL_BOOL, .sql = all.len ? all : STR("e.m IS NOT NULL")};
    if (stage->kind == STAGE_PARSE_WHERE && !condition_add(kql, scope, &matched))
        return false;
    return scope_close(kql, scope, parsing->outputs, parsing->count, STR(""), NULL, false);
}

static bool text_bind(struct kql *kql, const struct stage *stage, struct scope *scope, struct expr *text) {
    const struct node *node = stage->items.items[0];
    if (!bind_expression(kql, scope, node, text))
        return false;
    if (text->type != KQL_STRING && text->type != KQL_DYNAMIC)
        return kql_fail(kql, node->offset, node->length, "%.*s reads a string; this is a %s", STR_ARG(stage->name), kql_type_name(text->type));
    expr_to_string(kql, text);
    return true;
}

static bool outputs_begin(struct kql *kql, const struct stage *stage, struct scope *scope, struct parsing *parsing) {
    if (!scope_close(kql, scope, scope->columns, scope->column_count, STR(""), NULL, false))
        return false;
    parsing->count = scope->column_count;
    parsing->outputs = take(kql, scope->column_count + stage->pattern.count + 1, sizeof *parsing->outputs);
    if (!parsing->outputs)
        return false;
    mem_copy(parsing->outputs, scope->columns, scope->column_count * sizeof *parsing->outputs);
    return true;
}

bool bind_parse(struct kql *kql, const struct stage *stage, struct scope *scope) {
    struct parsing parsing = {.stage = stage, .pattern = BUF(QUERY_MAX_BYTES * 2)};
    struct expr text;
    bool good = outputs_begin(kql, stage, scope, &parsing) && text_bind(kql, stage, scope, &text) && kind_read(kql, stage, &parsing) &&
                pattern_read(kql, stage, &parsing) && parse_finish(kql, stage, scope, &parsing, &text);
    buf_free(&parsing.pattern);
    return good;
}

/* A setting of parse-kv, a constant string. */
static bool setting_read(struct kql *kql, const struct stage *stage, const char *name, struct str *out) {
    for (size_t i = 0; i < stage->settings.count; i++) {
        const struct node *node = stage->settings.items[i];
        struct expr value;
        if (node->kind != NODE_NAMED || (!str_eq(node->text, STR("pair_delimiter")) && !str_eq(node->text, STR("kv_delimiter")) &&
                                         !str_eq(node->text, STR("quote"))))
            return kql_fail(kql, node->offset, node->length, "of parse-kv's settings pair_delimiter, kv_delimiter and quote are supported here");
        if (!str_eq(node->text, str_from(name)))
            continue;
        if (!bind_expression(kql, NULL, node->args[0], &value))
            return false;
        if (!value.constant || value.type != KQL_STRING || !value.literal.text.len)
            return kql_fail(kql, node->offset, node->length, "a constant string is needed here");
        *out = value.literal.text;
    }
    return true;
}

/* Where the key begins a pair: its value, up to the next pair; the first pair of a name counts. */
static struct str pair_pattern(struct kql *kql, struct str key, struct str pair, struct str between, struct str quote) {
    BUF_AUTO out = BUF(QUERY_MAX_BYTES);
    buf_add_str(&out, STR("(?:^|"));
    regex_quote(&out, pair);
    buf_add_str(&out, STR(")[[:space:]]*"));
    regex_quote(&out, key);
    buf_add_str(&out, STR("[[:space:]]*"));
    regex_quote(&out, between);
    buf_add_str(&out, STR("[[:space:]]*(?:"));
    if (quote.len) {
        regex_quote(&out, quote);
        buf_add_str(&out, STR("((?:(?!"));
        regex_quote(&out, quote);
        buf_add_str(&out, STR(").)*)"));
        regex_quote(&out, quote);
        buf_add_char(&out, '|');
    }
    buf_add_str(&out, STR("((?:(?!"));
    regex_quote(&out, pair);
    buf_add_str(&out, STR(").)*))"));
    struct str text = out.failed ? (struct str){0} : arena_copy(kql->arena, buf_str(&out));
    kql->failed = kql->failed || !text.ptr;
    return text;
}

bool bind_pairs(struct kql *kql, const struct stage *stage, struct scope *scope) {
    struct parsing parsing = {.stage = stage, .pattern = BUF(QUERY_MAX_BYTES)};
    struct str pair = {0}, between = {0}, quote = {0};
    struct expr text;
    bool good = outputs_begin(kql, stage, scope, &parsing) && text_bind(kql, stage, scope, &text) &&
                setting_read(kql, stage, "pair_delimiter", &pair) && setting_read(kql, stage, "kv_delimiter", &between) &&
                setting_read(kql, stage, "quote", &quote);
    if (good && (!pair.len || !between.len))
        good = kql_fail(kql, stage->offset, stage->name.len, "parse-kv needs with (pair_delimiter=…, kv_delimiter=…) here");
    for (size_t i = 0; i < stage->pattern.count && good; i++) {
        const struct node *node = stage->pattern.items[i];
        good = part_column(kql, &parsing, node, NULL);
        if (!good)
            break;
        struct column *column = &parsing.outputs[parsing.places[0]];
        struct str pattern = sql_text(kql, pair_pattern(kql, node->text, pair, between, quote));
        struct expr value = {.type = KQL_STRING, .deps = text.deps};
        value.sql = sql_print(kql, "coalesce((SELECT %s FROM regexp_match(%.*s, %.*s) m), '')",
                              quote.len ? "coalesce(m[1], btrim(m[2]))" : "btrim(m[1])", STR_ARG(sql_of(kql, &text)), STR_ARG(pattern));
        expr_parse(kql, &value, column->type);
        column_from(column, node->text, &value, kql);
        parsing.columns = 0; /* each column has a pattern of its own */
    }
    buf_free(&parsing.pattern);
    return good && scope_close(kql, scope, parsing.outputs, parsing.count, STR(""), NULL, false);
}
