#include "hunts/needs.h"

#include "kql/token.h"

enum { DEPTH = 64 };

static bool is_punct(const struct token *token, char c) {
    return token->kind == TOKEN_PUNCT && token->length == 1 && token->text.ptr[0] == c;
}

static bool is_where(const struct token *token) {
    return token->kind == TOKEN_NAME && (str_eq(token->text, STR("where")) || str_eq(token->text, STR("filter")));
}

static void tables_read(const struct token_list *tokens, struct needs *needs) {
    for (size_t i = 0; i < tokens->count; i++) {
        const struct schema_table *table =
            tokens->items[i].kind == TOKEN_NAME ? schema_table_find(tokens->items[i].text) : NULL;
        if (table)
            needs->tables |= 1u << schema_table_index(table);
    }
}

static void column_add(struct needs *needs, struct str name) {
    bool found = false;
    for (size_t i = 0; i < needs->column_count; i++)
        if (str_eq(needs->columns[i], name))
            return;
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        found = found || (needs->tables & 1u << t && schema_column_find(&schema_tables()[t], name));
    if (found && needs->column_count < NEEDS_COLUMNS)
        needs->columns[needs->column_count++] = name;
}

/* where … | and where … ; and where … ) of the parenthesis that the pipe stands in. */
static void columns_read(const struct token_list *tokens, struct needs *needs) {
    bool inside[DEPTH] = {false};
    size_t depth = 0;
    for (size_t i = 0; i + 1 < tokens->count; i++) {
        const struct token *token = &tokens->items[i];
        if (is_punct(token, '|') || is_punct(token, ';')) {
            inside[depth] = is_punct(token, '|') && is_where(token + 1);
            i += inside[depth];
        } else if (is_punct(token, '(') && depth + 1 < DEPTH) {
            inside[depth + 1] = inside[depth];
            depth++;
        } else if (is_punct(token, ')') && depth) {
            depth--;
        } else if (inside[depth] && token->kind == TOKEN_NAME && !is_punct(token + 1, '(')) {
            column_add(needs, token->text);
        }
    }
}

bool needs_read(struct arena *arena, struct str query, struct needs *needs) {
    struct token_list tokens;
    struct err err = {0};
    *needs = (struct needs){0};
    if (!token_scan(arena, query, &tokens, &err))
        return false;
    tables_read(&tokens, needs);
    columns_read(&tokens, needs);
    return true;
}
