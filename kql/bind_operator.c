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

/* Kusto's text operators take strings and dynamic values; strict mode too. */
static bool operand_text(struct kql *kql, const struct node *node, struct expr *operand) {
    bool text = operand->type == KQL_STRING || operand->type == KQL_DYNAMIC;
    if (!text && kql->options->strict)
        return kql_fail(kql, operand->offset, operand->length, "%.*s takes strings; this is a %s: convert it with tostring()",
                        STR_ARG(node->text), kql_type_name(operand->type));
    if (!text && !bind_warn(kql, operand->offset, sql_print(kql, "%.*s takes strings; this %s was read as one", STR_ARG(node->text),
                                                            kql_type_name(operand->type))))
        return false;
    expr_to_string(kql, operand);
    return true;
}

/* Text operators fold the needle at compile time where it makes a pattern. */
static bool bind_string(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    struct str name = node->text, sql = {0};
    bool negated = name.ptr[0] == '!';
    if (negated)
        name = str_eq(name, STR("!~")) ? STR("=~") : (struct str){name.ptr + 1, name.len - 1};
    if (!operand_text(kql, node, left) || !operand_text(kql, node, right))
        return false;
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
    if (!negated && left->plain && right->constant)
        out->needles = needles_of(kql, right->literal.text);
    return true;
}

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool bind_regex(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    if (!right->constant || right->type != KQL_STRING)
        return kql_fail(kql, node->offset, node->length, "matches regex needs a constant pattern here");
    if (!operand_text(kql, node, left))
        return false;
    const char *problem = NULL;
    struct str pattern = regex_translate(kql, right->literal.text, REGEX_TEST, &problem);
    if (problem)
        return kql_fail(kql, right->offset, right->length, "this regular expression can't be used: %s", problem);
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

/* NaN is equal to nothing, itself included, and neither less nor more than anything; PostgreSQL puts it above all. */
static const char *real_template(struct str op, bool nullable) {
    if (op.ptr[0] == '=')
        return nullable ? "((%1 = %2 AND %1 <> 'NaN'::float8) IS TRUE)" : "(%1 = %2 AND %1 <> 'NaN'::float8)";
    if (op.ptr[0] == '!' || str_eq(op, STR("<>")))
        return "(%1 IS DISTINCT FROM %2 OR %1 = 'NaN'::float8)";
    if (op.ptr[0] == '>')
        return op.len == 2 ? "(%1 >= %2 AND %1 <> 'NaN'::float8)" : "(%1 > %2 AND %1 <> 'NaN'::float8)";
    return op.len == 2 ? "(%1 <= %2 AND %2 <> 'NaN'::float8)" : "(%1 < %2 AND %2 <> 'NaN'::float8)";
}

static bool bind_compare(struct kql *kql, const struct node *node, struct expr *left, struct expr *right, struct expr *out) {
    struct expr args[2] = {*left, *right};
    enum kql_type type;
    bool equality = node->text.ptr[0] == '=';
    bool difference = str_eq(node->text, STR("!=")) || str_eq(node->text, STR("<>"));
    if (!expr_unify(kql, args, 2, &type))
        return types_fail(kql, node, left, right);
    result_set(out, &args[0], &args[1], KQL_BOOL, STR(""));
    if (type == KQL_REAL) {
        out->sql = sql_template(kql, real_template(node->text, out->nullable), args, 2);
        out->nullable = out->nullable && !equality && !difference;
        return true;
    }
    if (difference) {
        out->sql = sql_template(kql, out->nullable ? "(%1 IS DISTINCT FROM %2)" : "(%1 <> %2)", args, 2);
        out->nullable = false;
        return true;
    }
    if (equality) {
        if (type == KQL_STRING && args[0].plain && args[1].constant)
            out->needles = needles_of(kql, args[1].literal.text);
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
    bool time = is_time(left->type) || is_time(right->type), over = false;
    if (op == '+')
        over = __builtin_add_overflow(a, b, value);
    else if (op == '-')
        over = __builtin_sub_overflow(a, b, value);
    else if (op == '*')
        over = __builtin_mul_overflow(a, b, value);
    else
        return false;
    return !over || !time; /* Kusto's long wraps around */
}

static const char *arithmetic_template(char op, enum kql_type left, enum kql_type right, enum kql_type type) {
    bool real = left == KQL_REAL || right == KQL_REAL;
    if (type == KQL_TIMESPAN && real)
        return op == '*' ? "round((%1) * (%2))::bigint" : "round(kql.divide((%1)::float8, (%2)::float8))::bigint";
    bool wide = type == KQL_REAL || type == KQL_LONG; /* these don't fail where they overflow */
    switch (op) {
    case '+':
        return wide ? "kql.plus(%1, %2)" : "(%1 + %2)";
    case '-':
        return wide ? "kql.minus(%1, %2)" : "(%1 - %2)";
    case '*':
        return wide ? "kql.times(%1, %2)" : "(%1 * %2)";
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
        if (type == KQL_INT)
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
