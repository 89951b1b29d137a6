/* Membership: in and has_any / has_all, over lists, dynamic arrays and tables. */
#include <locale.h>
#include <wctype.h>

#include "kql/internal.h"

struct list {
    struct expr *items;
    size_t count;
    struct str table; /* a subquery instead; ptr NULL: none */
    enum kql_type table_type;
    struct expr array; /* a dynamic that is only known when the query runs; type KQL_DYNAMIC and sql set */
    bool has_array;
    bool written; /* items come from a datatable */
};

/* The code point at s.ptr[at], and the one that ends at its end. The query is valid UTF-8. */
static wint_t code_at(struct str s, size_t at) {
    unsigned char c = (unsigned char)s.ptr[at];
    size_t more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    wint_t code = more == 0 ? c : c & (0x3FU >> more);
    for (size_t i = 1; i <= more && at + i < s.len; i++)
        code = code << 6 | ((unsigned char)s.ptr[at + i] & 0x3F);
    return code;
}

static wint_t code_last(struct str s) {
    size_t at = s.len - 1;
    while (at && ((unsigned char)s.ptr[at] & 0xC0) == 0x80)
        at--;
    return code_at(s, at);
}

/* As PostgreSQL decides [[:alnum:]] under C.UTF-8: by the C library. */
static bool edge_alnum(wint_t code) {
    if (code < 128)
        return (code >= '0' && code <= '9') || ((code | 32) >= 'a' && (code | 32) <= 'z');
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!locale)
        return true;
    bool alnum = iswalnum_l(code, locale);
    freelocale(locale);
    return alnum;
}

struct str has_pattern(struct kql *kql, struct str needle, bool left, bool right) {
    BUF_AUTO out = BUF(QUERY_MAX_BYTES * 2);
    if (needle.len && left && edge_alnum(code_at(needle, 0)))
        buf_add_str(&out, STR("(?:^|[^[:alnum:]])"));
    regex_quote(&out, needle);
    if (needle.len && right && edge_alnum(code_last(needle)))
        buf_add_str(&out, STR("(?:$|[^[:alnum:]])"));
    if (!out.len)
        buf_add_str(&out, STR("(?:)"));
    struct str text = out.failed ? (struct str){0} : arena_copy(kql->arena, buf_str(&out));
    kql->failed = kql->failed || !text.ptr;
    return text;
}

/* The let's table, or the node's own; NULL: none. */
static const struct pipeline *table_of(const struct kql *kql, const struct pipeline *table) {
    const struct let *let = table->source == SOURCE_NAME ? let_find(kql, table->name) : NULL;
    return let && let->table ? let->table : NULL;
}

/* The place of a plain column among the datatable's; the first one without a name. */
static bool datatable_place(const struct pipeline *table, const struct stage *stage, size_t *place) {
    *place = 0;
    if (!stage)
        return true;
    if ((stage->kind != STAGE_DISTINCT && stage->kind != STAGE_PROJECT) || stage->items.count != 1 ||
        stage->items.items[0]->kind != NODE_NAME)
        return false;
    for (; *place < table->columns.count; (*place)++)
        if (str_eq(table->columns.items[*place]->text, stage->items.items[0]->text))
            return true;
    return false;
}

/* A column of texts that the query itself writes down (a datatable, or one behind a let) is a list like any other. */
static bool list_written(struct kql *kql, const struct pipeline *use, struct list *list, bool *found) {
    const struct pipeline *table = use->source == SOURCE_DATATABLE ? use : table_of(kql, use);
    size_t place = 0, width = table ? table->columns.count : 0;
    const struct stage *stage = use->stage_count ? &use->stages[0] : NULL;
    *found = table && table->source == SOURCE_DATATABLE && (use == table || !table->stage_count) && use->stage_count < 2 &&
             width && table->items.count && table->items.count % width == 0 && datatable_place(table, stage, &place) &&
             str_eq(table->columns.items[place]->args[0]->text, STR("string"));
    for (size_t i = place; *found && i < table->items.count; i += width)
        *found = table->items.items[i]->kind == NODE_LITERAL && table->items.items[i]->literal.type == KQL_STRING;
    if (!*found)
        return true;
    list->items = take(kql, table->items.count / width + 1, sizeof *list->items);
    if (!list->items)
        return false;
    for (size_t i = place; i < table->items.count; i += width)
        list->items[list->count++] = expr_constant(table->items.items[i], table->items.items[i]->literal);
    return true;
}

static bool list_table(struct kql *kql, const struct node *node, struct list *list, bool *found) {
    struct pipeline named = {.source = SOURCE_NAME, .offset = node->offset, .length = node->length, .name = node->text};
    const struct pipeline *table = NULL;
    if (node->kind == NODE_TABLE)
        table = node->table;
    const struct let *let = node->kind == NODE_NAME ? let_find(kql, node->text) : NULL;
    if (let && (let->table || let->rows || let->function || (let->value && let->value->kind == NODE_NAME && schema_table_find(let->value->text))))
        table = &named;
    *found = table != NULL;
    if (table && !list_written(kql, table, list, &list->written))
        return false;
    return !table || list->written || bind_subquery(kql, table, &list->table, &list->table_type);
}

static bool list_item(struct kql *kql, struct list *list, struct expr *item, const struct node *node, bool alone) {
    if (!item->constant && item->type == KQL_DYNAMIC && alone) {
        list->array = *item;
        list->has_array = true;
        return true;
    }
    if (!item->constant || item->type != KQL_DYNAMIC || !item->literal.array) {
        list->items[list->count++] = *item;
        return true;
    }
    struct expr *grown = take(kql, list->count + item->literal.count + node->count, sizeof *grown);
    if (!grown)
        return false;
    mem_copy(grown, list->items, list->count * sizeof *grown);
    list->items = grown;
    for (size_t i = 0; i < item->literal.count; i++)
        list->items[list->count++] = expr_constant(node, item->literal.items[i]);
    return true;
}

static bool list_bind(struct kql *kql, struct scope *scope, const struct node *node, struct list *list) {
    list->items = take(kql, node->count, sizeof *list->items);
    if (!list->items)
        return false;
    for (size_t i = 1; i < node->count; i++) {
        struct expr item;
        bool found;
        struct column *column = node->args[i]->kind == NODE_NAME ? scope_find(scope, node->args[i]->text) : NULL;
        if (!column && !list_table(kql, node->args[i], list, &found))
            return false;
        if ((list->table.ptr || list->written) && node->count > 2)
            return kql_fail(kql, node->args[i]->offset, node->args[i]->length, "a table must be alone in this list");
        if (list->table.ptr || list->written)
            return true;
        if (!bind_expression(kql, scope, node->args[i], &item) || !list_item(kql, list, &item, node, node->count == 2))
            return false;
    }
    return true;
}

/* x in (…) with x already converted to the items' type. */
static struct str in_sql(struct kql *kql, struct expr *left, struct list *list, bool fold, bool *nullable) {
    const char *open = fold ? "lower(" : "(";
    struct str sql = sql_of(kql, left);
    BUF_AUTO out = BUF(QUERY_MAX_BYTES * 4);
    if (list->table.ptr) {
        *nullable = *nullable || list->table_type != KQL_STRING;
        if (fold)
            return sql_print(kql, "lower(%.*s) IN (SELECT lower(x.v) FROM %.*s x(v))", STR_ARG(sql), STR_ARG(list->table));
        return sql_print(kql, "%.*s IN %.*s", STR_ARG(sql), STR_ARG(list->table));
    }
    if (!list->count)
        return STR("false");
    buf_printf(&out, "%s%.*s) IN (", open, STR_ARG(sql));
    for (size_t i = 0; i < list->count; i++) {
        struct str item = sql_of(kql, &list->items[i]);
        *nullable = *nullable || (list->items[i].constant ? list->items[i].literal.null : list->items[i].nullable);
        buf_printf(&out, "%s%s%.*s)", i ? ", " : "", open, STR_ARG(item));
    }
    buf_add_char(&out, ')');
    struct str text = out.failed ? (struct str){0} : arena_copy(kql->arena, buf_str(&out));
    kql->failed = kql->failed || !text.ptr;
    return text;
}

static bool bind_in(struct kql *kql, const struct node *node, struct expr *left, struct list *list, struct expr *out) {
    bool negated = node->text.ptr[0] == '!', fold = str_ends(node->text, STR("~"));
    bool nullable = left->constant ? left->literal.null : left->nullable;
    struct str sql;
    if (list->has_array) {
        struct expr args[2] = {*left, list->array};
        expr_to_string(kql, &args[0]);
        sql = sql_template(kql, fold ? "EXISTS (SELECT FROM kql.elements(%2) e WHERE lower(e) = lower(%1))"
                                     : "EXISTS (SELECT FROM kql.elements(%2) e WHERE e = %1)", args, 2);
        expr_merge(out, &list->array);
    } else {
        enum kql_type type = list->table.ptr ? list->table_type : left->type;
        struct expr *all = take(kql, list->count + 1, sizeof *all);
        if (!all)
            return false;
        all[0] = *left;
        mem_copy(all + 1, list->items, list->count * sizeof *all);
        bool good = list->table.ptr ? expr_convert(kql, &all[0], type) : expr_unify(kql, all, list->count + 1, &type);
        if (!good && !list->table.ptr && left->type == KQL_STRING)
            for (size_t i = good = true; i <= list->count; i++)
                expr_to_string(kql, &all[i]);
        if (!good || (fold && all[0].type != KQL_STRING))
            return kql_fail(kql, node->offset, node->length, "%.*s can't compare these types with a %s", STR_ARG(node->text),
                            kql_type_name(left->type));
        *left = all[0];
        list->items = all + 1;
        for (size_t i = 0; i < list->count; i++)
            expr_merge(out, &list->items[i]);
        sql = in_sql(kql, left, list, fold, &nullable);
    }
    if (negated)
        out->sql = sql_print(kql, nullable ? "((%.*s) IS NOT TRUE)" : "(NOT (%.*s))", STR_ARG(sql));
    else
        out->sql = sql_print(kql, nullable ? "((%.*s) IS TRUE)" : "(%.*s)", STR_ARG(sql));
    return true;
}

/* has_any of constants is one alternation; has_all a conjunction. */
static struct str has_constants(struct kql *kql, const struct expr *left, const struct list *list, bool all) {
    BUF_AUTO out = BUF(QUERY_MAX_BYTES * 4);
    struct str sql = sql_of(kql, left);
    if (!list->count)
        return all ? STR("true") : STR("false");
    for (size_t i = 0; i < list->count; i++) {
        struct str pattern = has_pattern(kql, list->items[i].literal.text, true, true);
        if (all)
            buf_printf(&out, "%s%.*s ~* %.*s", i ? " AND " : "", STR_ARG(sql), STR_ARG(sql_text(kql, pattern)));
        else
            buf_printf(&out, "%s%.*s", i ? "|" : "", STR_ARG(pattern));
    }
    struct str text = out.failed ? (struct str){0} : arena_copy(kql->arena, buf_str(&out));
    kql->failed = kql->failed || !text.ptr;
    return all ? text : sql_print(kql, "%.*s ~* %.*s", STR_ARG(sql), STR_ARG(sql_text(kql, text)));
}

static struct str has_each(struct kql *kql, struct expr *left, struct list *list, bool all, struct expr *out) {
    struct str sql = {0};
    for (size_t i = 0; i < list->count; i++) {
        struct expr args[2] = {*left, list->items[i]};
        expr_to_string(kql, &args[1]);
        sql = sql_join(kql, sql, all ? " AND " : " OR ", sql_template(kql, "(%1 ~* kql.has_pattern(%2, true, true))", args, 2));
        expr_merge(out, &list->items[i]);
    }
    return sql.len ? sql : all ? STR("true") : STR("false");
}

static bool bind_has_list(struct kql *kql, const struct node *node, struct expr *left, struct list *list, struct expr *out) {
    bool negated = node->text.ptr[0] == '!', all = str_ends(node->text, STR("all")), constants = true;
    struct str sql;
    expr_to_string(kql, left);
    for (size_t i = 0; i < list->count; i++)
        constants = constants && list->items[i].constant && list->items[i].type == KQL_STRING;
    struct str value = sql_of(kql, left);
    const char *quantifier = all ? "NOT EXISTS" : "EXISTS", *test = all ? "!~*" : "~*";
    if (list->table.ptr && list->table_type != KQL_STRING)
        return kql_fail(kql, node->offset, node->length, "%.*s needs a table whose first column is a string", STR_ARG(node->text));
    if (list->table.ptr) {
        sql = sql_print(kql, "%s (SELECT FROM %.*s x(v) WHERE %.*s %s kql.has_pattern(x.v, true, true))", quantifier,
                        STR_ARG(list->table), STR_ARG(value), test);
    } else if (list->has_array) {
        struct str array = sql_of(kql, &list->array);
        sql = sql_print(kql, "%s (SELECT FROM kql.elements(%.*s) e WHERE %.*s %s kql.has_pattern(e, true, true))", quantifier,
                        STR_ARG(array), STR_ARG(value), test);
        expr_merge(out, &list->array);
    } else {
        sql = constants ? has_constants(kql, left, list, all) : has_each(kql, left, list, all, out);
    }
    out->sql = sql_print(kql, negated ? "(NOT (%.*s))" : "(%.*s)", STR_ARG(sql));
    return true;
}

/* Of all items for a list of which one must be there; the best one's where all must. */
static struct needles list_needles(struct kql *kql, const struct list *list, bool all) {
    struct needles needles = {.items = take(kql, list->count + 1, sizeof *needles.items)}, best = {0};
    if (list->table.ptr || list->has_array || !needles.items)
        return best;
    for (size_t i = 0; i < list->count; i++) {
        const struct expr *item = &list->items[i];
        bool text = item->constant && item->type == KQL_STRING;
        struct needles one = text ? needles_of(kql, item->literal.text) : (struct needles){0};
        if (!one.count && !all)
            return best;
        best = needles_better(best, one);
        if (one.count)
            needles.items[needles.count++] = one.items[0];
    }
    return all ? best : needles;
}

bool bind_list(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct list list = {0};
    struct expr left;
    if (!bind_expression(kql, scope, node->args[0], &left) || !list_bind(kql, scope, node, &list))
        return false;
    *out = (struct expr){.type = KQL_BOOL, .deps = left.deps, .low = -1, .high = -1};
    bool has = str_starts(node->text, STR("has")) || str_starts(node->text, STR("!has"));
    bool good = has ? bind_has_list(kql, node, &left, &list, out) : bind_in(kql, node, &left, &list, out);
    out->nullable = false;
    if (good && left.plain && node->text.ptr[0] != '!')
        out->needles = list_needles(kql, &list, has && str_ends(node->text, STR("all")));
    return good;
}
