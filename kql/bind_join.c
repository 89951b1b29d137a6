/* join and lookup: both sides become SELECTs of their own; the joined rows read from them. Null keys match each other. */
#include "kql/internal.h"

enum join_kind { JOIN_INNERUNIQUE, JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL, JOIN_LEFTSEMI, JOIN_LEFTANTI, JOIN_RIGHTSEMI, JOIN_RIGHTANTI };

static bool kind_find(struct kql *kql, const struct stage *stage, enum join_kind *kind) {
    static const struct {
        const char *name;
        enum join_kind kind;
    } kinds[] = {{"innerunique", JOIN_INNERUNIQUE}, {"inner", JOIN_INNER}, {"leftouter", JOIN_LEFT}, {"rightouter", JOIN_RIGHT},
                 {"fullouter", JOIN_FULL}, {"leftsemi", JOIN_LEFTSEMI}, {"leftanti", JOIN_LEFTANTI}, {"anti", JOIN_LEFTANTI},
                 {"leftantisemi", JOIN_LEFTANTI}, {"rightsemi", JOIN_RIGHTSEMI}, {"rightanti", JOIN_RIGHTANTI},
                 {"rightantisemi", JOIN_RIGHTANTI}};
    bool lookup = stage->kind == STAGE_LOOKUP;
    *kind = lookup ? JOIN_LEFT : JOIN_INNERUNIQUE;
    if (lookup && stage->join_kind.len && !str_eq(stage->join_kind, STR("leftouter")) && !str_eq(stage->join_kind, STR("inner")))
        return kql_fail(kql, stage->offset, stage->name.len, "lookup has no kind %.*s", STR_ARG(stage->join_kind));
    if (!stage->join_kind.len)
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_eq(stage->join_kind, str_from(kinds[i].name))) {
            *kind = kinds[i].kind;
            return true;
        }
    return kql_fail(kql, stage->offset, stage->name.len, "join has no kind %.*s", STR_ARG(stage->join_kind));
}

/* The names of a key on both sides: `a`, or `$left.a == $right.b` in either order. */
static bool key_names(struct kql *kql, const struct node *node, struct node *left, struct node *right) {
    *left = *right = (struct node){.kind = NODE_NAME, .text = node->text, .offset = node->offset, .length = node->length};
    if (node->kind == NODE_NAME)
        return true;
    if (node->kind == NODE_BINARY && str_eq(node->text, STR("==")) && node->args[0]->kind == NODE_MEMBER &&
        node->args[1]->kind == NODE_MEMBER) {
        struct str first = node->args[0]->args[0]->text, second = node->args[1]->args[0]->text;
        bool straight = str_eq(first, STR("$left")) && str_eq(second, STR("$right"));
        bool crossed = str_eq(first, STR("$right")) && str_eq(second, STR("$left"));
        left->text = node->args[crossed]->text;
        right->text = node->args[!crossed]->text;
        if (straight || crossed)
            return true;
    }
    return kql_fail(kql, node->offset, node->length, "a join's key is a column, or $left.a == $right.b");
}

struct join {
    struct scope left, right;
    struct str on;
    struct str left_keys; /* r.c0, … for DISTINCT ON */
    struct deps deps;
};

static bool key_add(struct kql *kql, struct join *join, const struct node *node, bool lookup) {
    struct node names[2];
    struct expr keys[2];
    enum kql_type type;
    if (!key_names(kql, node, &names[0], &names[1]) || !bind_name(kql, &join->left, &names[0], &keys[0]) ||
        !bind_name(kql, &join->right, &names[1], &keys[1]))
        return false;
    struct deps plain = keys[0].deps;
    deps_add(&plain, &keys[1].deps);
    if (keys[0].constant || keys[1].constant || !expr_unify(kql, keys, 2, &type))
        return kql_fail(kql, node->offset, node->length, "these columns can't be joined: a %s and a %s", kql_type_name(keys[0].type),
                        kql_type_name(keys[1].type));
    bool nullable = keys[0].nullable && keys[1].nullable;
    bool whole = type == KQL_LONG || type == KQL_INT || type == KQL_DATETIME || type == KQL_TIMESPAN;
    const char *total = whole ? "coalesce(%1, 0) = coalesce(%2, 0) AND (%1 IS NULL) = (%2 IS NULL)" /* fit for hash joins */
                              : "coalesce((%1)::text, '') = coalesce((%2)::text, '') AND (%1 IS NULL) = (%2 IS NULL)";
    struct str on = sql_template(kql, nullable ? total : "%1 = %2", keys, 2);
    join->on = sql_join(kql, join->on, " AND ", on);
    struct column *right = scope_find(&join->right, names[1].text);
    if (lookup && right) /* the right side's keys are not repeated */
        right->hidden = true;
    join->left_keys = sql_join(kql, join->left_keys, ", ", keys[0].sql);
    deps_add(&join->deps, &plain);
    return true;
}

/* Both sides closed, so that the joined SELECT reads r.c… and s.c…; the right one's columns follow the left one's. */
static bool sides_close(struct kql *kql, const struct stage *stage, struct scope *scope, struct join *join) {
    bool in_main = kql->in_main;
    if (!scope_close(kql, scope, scope->columns, scope->column_count, STR(""), NULL, false))
        return false;
    join->left = *scope;
    join->right = (struct scope){.order = -1};
    kql->in_main = false;
    if (!bind_pipeline(kql, stage->right, &join->right))
        return false;
    kql->in_main = in_main;
    if (!scope_close(kql, &join->right, join->right.columns, join->right.column_count, STR(""), NULL, false))
        return false;
    size_t width = join->left.column_count;
    if (width + join->right.column_count > COLUMNS_MAX - 2)
        return kql_fail(kql, stage->offset, stage->name.len, "the join has more than %d columns", COLUMNS_MAX - 2);
    for (size_t i = 0; i < join->right.column_count; i++) {
        struct column *column = &join->right.columns[i];
        column->sql = sql_print(kql, "s.c%zu", i);
        column->deps = (struct deps){0};
        column->deps.bits[(width + i) / 64] = UINT64_C(1) << ((width + i) % 64);
    }
    return true;
}

static struct str from_text(struct kql *kql, const struct join *join, enum join_kind kind) {
    static const char *const words[] = {"JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"};
    unsigned left = join->left.input->id, right = join->right.input->id;
    if (kind == JOIN_INNERUNIQUE)
        return sql_print(kql, "(SELECT DISTINCT ON (%.*s) * FROM q%u r) r JOIN q%u s ON %.*s", STR_ARG(join->left_keys), left,
                         right, STR_ARG(join->on));
    if (kind <= JOIN_FULL)
        return sql_print(kql, "q%u r %s q%u s ON %.*s", left, words[kind], right, STR_ARG(join->on));
    bool keep_left = kind == JOIN_LEFTSEMI || kind == JOIN_LEFTANTI;
    bool anti = kind == JOIN_LEFTANTI || kind == JOIN_RIGHTANTI;
    return sql_print(kql, "q%u %c WHERE %sEXISTS (SELECT FROM q%u %c WHERE %.*s)", keep_left ? left : right, keep_left ? 'r' : 's',
                     anti ? "NOT " : "", keep_left ? right : left, keep_left ? 's' : 'r', STR_ARG(join->on));
}

static bool name_taken(const struct column *columns, size_t count, struct str name) {
    for (size_t i = 0; i < count; i++)
        if (str_eq(columns[i].name, name))
            return true;
    return false;
}

/* A side's columns; an unmatched string is "". Clashing names of the right side get 1, 2, … */
static size_t side_columns(struct kql *kql, const struct scope *side, bool unmatched, struct column *outputs, size_t count) {
    for (size_t i = 0; i < side->column_count; i++) {
        struct column column = side->columns[i];
        if (column.hidden)
            continue;
        struct str name = column.name;
        for (unsigned n = 1; name_taken(outputs, count, column.name) && n < COLUMNS_MAX; n++)
            column.name = sql_print(kql, "%.*s%u", STR_ARG(name), n);
        if (unmatched && column.type == KQL_STRING)
            column.sql = sql_print(kql, "coalesce(%.*s, '')", STR_ARG(column.sql));
        else if (unmatched)
            column.nullable = true;
        column.timestamp = false;
        outputs[count++] = column;
    }
    return count;
}

bool bind_join(struct kql *kql, const struct stage *stage, struct scope *scope) {
    struct join join = {0};
    enum join_kind kind;
    if (!kind_find(kql, stage, &kind) || !sides_close(kql, stage, scope, &join))
        return false;
    for (size_t i = 0; i < stage->by.count; i++)
        if (!key_add(kql, &join, stage->by.items[i], stage->kind == STAGE_LOOKUP))
            return false;
    struct column *outputs = take(kql, join.left.column_count + join.right.column_count, sizeof *outputs);
    size_t count = 0;
    if (!outputs)
        return false;
    if (kind <= JOIN_FULL || kind == JOIN_LEFTSEMI || kind == JOIN_LEFTANTI)
        count = side_columns(kql, &join.left, kind == JOIN_RIGHT || kind == JOIN_FULL, outputs, count);
    if (kind <= JOIN_FULL || kind == JOIN_RIGHTSEMI || kind == JOIN_RIGHTANTI)
        count = side_columns(kql, &join.right, kind == JOIN_LEFT || kind == JOIN_FULL, outputs, count);
    *scope = (struct scope){.input = join.left.input, .right = join.right.input, .order = -1, .main = scope->main,
                            .join = from_text(kql, &join, kind), .join_deps = join.deps};
    return scope_close(kql, scope, outputs, count, STR(""), NULL, false);
}
