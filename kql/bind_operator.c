/* Binary operators: strings, comparison, arithmetic, between. */
#include "base/clock.h"
#include "kql/internal.h"

static const struct {
    const char *name, *template;
} string_operators[] = {
#define STRING_OPERATOR(name, template) {name, template},
#include "kql/string_operators.def"
#undef STRING_OPERATOR
};

static void result_set(struct expr *out, const struct expr *left, const struct expr *right, enum kql_type type, struct str sql) {
    *out = (struct expr){.type = type, .sql = sql, .low = -1, .high = -1};
    expr_merge(out, left);
    expr_merge(out, right);
}

static bool types_fail(struct kql *kql, const struct node *node, const struct expr *left, const struct expr *right) {
    const char *hint = "";
    if ((left->type == KQL_DATETIME && right->type == KQL_STRING) || (left->type == KQL_STRING && right->type == KQL_DATETIME))
        hint = "; write the time as datetime(…)";
    else if ((left->type == KQL_STRING) != (right->type == KQL_STRING))
        hint = "; convert one of them, as with tostring() or tolong()";
    return kql_fail(kql, node->offset, node->length, "%.*s can't take a %s and a %s%s", STR_ARG(node->text),
                    kql_type_name(left->type), kql_type_name(right->type), hint);
}

/* Text operators fold the needle at compile time where it makes a pattern. */
static bool bind_string(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    struct str name = node->text, sql = {0};
    bool negated = name.ptr[0] == '!';
    if (negated)
        name = str_eq(name, STR("!~")) ? STR("=~") : (struct str){name.ptr + 1, name.len - 1};
    expr_to_string(kql, left);
    expr_to_string(kql, right);
    if (right->constant && str_starts(name, STR("has"))) {
        bool prefix = str_starts(name, STR("hasprefix")), suffix = str_starts(name, STR("hassuffix"));
        struct str pattern = has_pattern(kql, right->literal.text, !suffix, !prefix);
        struct expr args[2] = {*left, expr_constant(node, (struct literal){.type = KQL_STRING, .text = pattern})};
        sql = sql_template(kql, str_ends(name, STR("_cs")) ? "(%1 ~ %2)" : "(%1 ~* %2)", args, 2);
    } else {
        struct expr args[2] = {*left, *right};
        for (size_t i = 0; i < sizeof string_operators / sizeof *string_operators && !sql.ptr; i++)
            if (str_eq(name, str_from(string_operators[i].name)))
                sql = sql_template(kql, string_operators[i].template, args, 2);
    }
    if (!sql.ptr)
        return kql_fail(kql, node->offset, node->length, "%.*s isn't supported here", STR_ARG(node->text));
    if (negated)
        sql = sql_print(kql, "(NOT %.*s)", STR_ARG(sql));
    result_set(out, left, right, KQL_BOOL, sql);
    out->nullable = false;
    return true;
}

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* RE2's syntax to PostgreSQL's; NULL where they differ too much. */
static struct str regex_translate(struct kql *kql, struct str pattern) {
    BUF_AUTO out = BUF(QUERY_MAX_BYTES * 2);
    bool class = false;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i], next = i + 1 < pattern.len ? pattern.ptr[i + 1] : '\0';
        if (c == '\\') {
            i++;
            if (next == '\0' || (next >= '1' && next <= '9') || next == 'p' || next == 'P' || next == 'Q' || next == 'C')
                return (struct str){0};
            bool edge = !class && (next == 'b' || next == 'B' || next == 'z');
            buf_add_char(&out, '\\');
            buf_add_char(&out, edge ? (next == 'b' ? 'y' : next == 'B' ? 'Y' : 'Z') : next);
            continue;
        }
        if (!class && c == '(' && next == '?' && i + 2 < pattern.len) {
            char kind = pattern.ptr[i + 2];
            bool flag = i == 0 && kind == 'i' && i + 3 < pattern.len && pattern.ptr[i + 3] == ')';
            if (kind != ':' && !flag)
                return (struct str){0};
        }
        if (!class && c == '.') {
            buf_add_str(&out, STR("[^\\n]"));
            continue;
        }
        class = c == '[' ? true : c == ']' ? false : class;
        buf_add_char(&out, c);
    }
    return out.failed ? (struct str){0} : arena_copy(kql->arena, buf_str(&out));
}

static bool bind_regex(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    if (!right->constant || right->type != KQL_STRING)
        return kql_fail(kql, node->offset, node->length, "matches regex needs a constant pattern here");
    expr_to_string(kql, left);
    struct str pattern = regex_translate(kql, right->literal.text);
    if (!pattern.ptr && right->literal.text.len)
        return kql_fail(kql, right->offset, right->length, "this regular expression uses syntax that isn't supported here");
    struct expr args[2] = {*left, expr_constant(node, (struct literal){.type = KQL_STRING, .text = pattern})};
    result_set(out, left, right, KQL_BOOL, sql_template(kql, "(%1 ~ %2)", args, 2));
    out->nullable = false;
    return true;
}

static void bounds_set(const struct expr *time, const struct expr *value, char op, bool equal, struct expr *out) {
    if (!time->timestamp || !value->constant || value->literal.null || value->literal.number > TICKS_MAX || value->literal.number < 0)
        return;
    out->bounds = true;
    if (op == '>' || op == '=')
        out->low = value->literal.number + (op == '>' && !equal);
    if (op == '<' || op == '=')
        out->high = value->literal.number - (op == '<' && !equal);
}

static bool bind_compare(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    struct expr args[2] = {*left, *right};
    enum kql_type type;
    bool equality = node->text.ptr[0] == '=';
    bool difference = str_eq(node->text, STR("!=")) || str_eq(node->text, STR("<>"));
    if (!expr_unify(kql, args, 2, &type))
        return types_fail(kql, node, left, right);
    result_set(out, &args[0], &args[1], KQL_BOOL, STR(""));
    if (difference) {
        out->sql = sql_template(kql, out->nullable ? "(%1 IS DISTINCT FROM %2)" : "(%1 <> %2)", args, 2);
        out->nullable = false;
        return true;
    }
    if (equality) {
        out->sql = sql_template(kql, out->nullable ? "((%1 = %2) IS TRUE)" : "(%1 = %2)", args, 2);
        out->nullable = false;
    } else {
        const char *collate = type == KQL_STRING ? " COLLATE \"C\"" : "";
        struct str template = sql_print(kql, "(%%1%s %.*s %%2)", collate, STR_ARG(node->text));
        if (template.ptr)
            out->sql = sql_template(kql, template.ptr, args, 2);
    }
    char op = node->text.ptr[0];
    bool equal = node->text.len == 2;
    bounds_set(&args[0], &args[1], op, equal, out);
    bounds_set(&args[1], &args[0], op == '<' ? '>' : op == '>' ? '<' : '=', equal, out);
    return true;
}

static bool is_time(enum kql_type type) {
    return type == KQL_DATETIME || type == KQL_TIMESPAN;
}

/* The type of left op right, and whether the operands are to be made the same type first. */
static bool arithmetic_type(char op, enum kql_type left, enum kql_type right, enum kql_type *type) {
    if (op == '+' && is_time(left) && is_time(right) && (left == KQL_TIMESPAN || right == KQL_TIMESPAN))
        *type = left == KQL_DATETIME || right == KQL_DATETIME ? KQL_DATETIME : KQL_TIMESPAN;
    else if (op == '-' && left == KQL_DATETIME && is_time(right))
        *type = right == KQL_DATETIME ? KQL_TIMESPAN : KQL_DATETIME;
    else if (op == '-' && left == KQL_TIMESPAN && right == KQL_TIMESPAN)
        *type = KQL_TIMESPAN;
    else if (op == '*' && ((left == KQL_TIMESPAN && type_is_number(right)) || (type_is_number(left) && right == KQL_TIMESPAN)))
        *type = KQL_TIMESPAN;
    else if (op == '/' && left == KQL_TIMESPAN && right == KQL_TIMESPAN)
        *type = KQL_REAL;
    else if (op == '/' && left == KQL_TIMESPAN && type_is_number(right))
        *type = KQL_TIMESPAN;
    else if (op == '%' && is_time(left) && right == KQL_TIMESPAN)
        *type = KQL_TIMESPAN;
    else
        return false;
    return true;
}

static bool fold(char op, const struct expr *left, const struct expr *right, int64_t *value) {
    if (!left->constant || !right->constant || left->literal.null || right->literal.null)
        return false;
    int64_t a = left->literal.number, b = right->literal.number;
    if (left->type == KQL_REAL || right->type == KQL_REAL || left->type == KQL_DECIMAL || right->type == KQL_DECIMAL)
        return false;
    if (op == '+')
        return !__builtin_add_overflow(a, b, value);
    if (op == '-')
        return !__builtin_sub_overflow(a, b, value);
    return op == '*' && !__builtin_mul_overflow(a, b, value);
}

static const char *arithmetic_template(char op, enum kql_type left, enum kql_type right, enum kql_type type) {
    bool real = left == KQL_REAL || right == KQL_REAL;
    if (type == KQL_TIMESPAN && real)
        return op == '*' ? "round((%1) * (%2))::bigint" : "round(kql.divide((%1)::float8, (%2)::float8))::bigint";
    switch (op) {
    case '+':
        return "(%1 + %2)";
    case '-':
        return "(%1 - %2)";
    case '*':
        return "(%1 * %2)";
    case '/':
        return type == KQL_REAL ? "kql.divide((%1)::float8, (%2)::float8)" : "kql.divide(%1, %2)";
    default:
        return "kql.modulo(%1, %2)";
    }
}

static bool bind_arithmetic(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    struct expr args[2] = {*left, *right};
    enum kql_type type;
    char op = node->text.ptr[0];
    int64_t value;
    bool dynamic = args[0].type == KQL_DYNAMIC || args[1].type == KQL_DYNAMIC;
    if (dynamic && args[0].type != args[1].type)
        expr_convert(kql, &args[args[0].type != KQL_DYNAMIC], args[args[0].type == KQL_DYNAMIC].type);
    if (args[0].type == KQL_DYNAMIC)
        for (size_t i = 0; i < 2; i++)
            expr_convert(kql, &args[i], KQL_REAL);
    if (!arithmetic_type(op, args[0].type, args[1].type, &type)) {
        if (!type_is_number(args[0].type) || !type_is_number(args[1].type) || !expr_unify(kql, args, 2, &type))
            return types_fail(kql, node, left, right);
        if (type == KQL_INT && args[0].constant && args[1].constant)
            type = KQL_LONG;
    }
    if (fold(op, &args[0], &args[1], &value)) {
        bool null = type == KQL_DATETIME && (value < 0 || value > TICKS_MAX);
        *out = expr_constant(node, (struct literal){.type = type, .number = value, .null = null});
        return true;
    }
    result_set(out, &args[0], &args[1], type, sql_template(kql, arithmetic_template(op, args[0].type, args[1].type, type), args, 2));
    out->nullable = out->nullable || op == '/' || op == '%';
    return true;
}

bool bind_binary(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    char op = node->text.ptr[0];
    if (node->text.len == 1 && memchr("+-*/%", op, 5))
        return bind_arithmetic(kql, node, left, right, out);
    if (str_eq(node->text, STR("matches regex")))
        return bind_regex(kql, node, left, right, out);
    if (str_eq(node->text, STR("=~")) || str_eq(node->text, STR("!~")) || is_word(op) || (op == '!' && is_word(node->text.ptr[1])))
        return bind_string(kql, node, left, right, out);
    return bind_compare(kql, node, left, right, out);
}

bool bind_between(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct expr args[3];
    enum kql_type type;
    for (size_t i = 0; i < 3; i++)
        if (!bind_expression(kql, scope, node->args[i], &args[i]))
            return false;
    if (args[0].type == KQL_DATETIME && args[2].type == KQL_TIMESPAN) {
        struct node plus = {.kind = NODE_BINARY, .text = STR("+"), .offset = node->offset, .length = node->length};
        struct expr end;
        if (!bind_binary(kql, &plus, &args[1], &args[2], &end))
            return false;
        args[2] = end;
    }
    if (!expr_unify(kql, args, 3, &type) || type == KQL_STRING || type == KQL_BOOL || type == KQL_DYNAMIC)
        return kql_fail(kql, node->offset, node->length, "between can't compare a %s, a %s and a %s", kql_type_name(args[0].type),
                        kql_type_name(args[1].type), kql_type_name(args[2].type));
    bool negated = node->text.ptr[0] == '!';
    result_set(out, &args[0], &args[1], KQL_BOOL, STR(""));
    expr_merge(out, &args[2]);
    const char *yes = out->nullable ? "((%1 >= %2 AND %1 <= %3) IS TRUE)" : "(%1 >= %2 AND %1 <= %3)";
    out->sql = sql_template(kql, negated ? "((%1 >= %2 AND %1 <= %3) IS NOT TRUE)" : yes, args, 3);
    out->nullable = false;
    if (!negated) {
        bounds_set(&args[0], &args[1], '>', true, out);
        bounds_set(&args[0], &args[2], '<', true, out);
    }
    return true;
}
