/* Function calls: those of the table, and the few whose types or arguments need code. */
#include "kql/internal.h"

static const struct scalar {
    const char *name, *types, *result, *template;
} functions[] = {
#define FUNCTION(name, types, result, template) {name, types, result, template},
#include "kql/functions.def"
#undef FUNCTION
};

/* Those that bind_special knows beside the table. */
static const char *const special[] = {"now", "ago", "iff", "iif", "case", "coalesce", "min_of", "max_of", "column_ifexists", "columnifexists", "parse_command_line"};

enum { ARGUMENTS_MAX = 64 };

static bool type_letter(char letter, enum kql_type *type) {
    static const char letters[] = "slibdtrRXYgDj";
    static const enum kql_type types[] = {KQL_STRING, KQL_LONG, KQL_INT, KQL_BOOL, KQL_DATETIME,
                                          KQL_TIMESPAN, KQL_REAL, KQL_STRING, KQL_STRING, KQL_STRING, KQL_GUID, KQL_DECIMAL, KQL_DYNAMIC};
    const char *at = memchr(letters, letter, sizeof letters - 1);
    if (!at)
        return false;
    *type = types[at - letters];
    return true;
}

static bool letter_fits(char letter, const struct expr *arg, bool convert) {
    enum kql_type type;
    bool whole = arg->type == KQL_INT || arg->type == KQL_LONG;
    if (letter == 'S' || letter == 'x' || letter == 'J')
        return true;
    if (!type_letter(letter, &type))
        return false;
    if (arg->type == type || (whole && type == KQL_LONG))
        return true;
    return convert && ((type == KQL_REAL && type_is_number(arg->type)) || (arg->type == KQL_DYNAMIC && type != KQL_DYNAMIC));
}

static bool function_fits(const struct scalar *function, const struct expr *args, size_t count, bool convert) {
    const char *types = function->types;
    size_t length = strlen(types);
    bool many = length && types[length - 1] == '+';
    if (many ? count < 1 : count != length)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!letter_fits(many ? types[length - 2] : types[i], &args[i], convert))
            return false;
    return true;
}

static void argument_convert(struct kql *kql, char letter, struct expr *arg) {
    enum kql_type type;
    if (letter == 'S')
        expr_to_string(kql, arg);
    else if (letter == 'J')
        expr_to_dynamic(kql, arg);
    else if (type_letter(letter, &type))
        expr_convert(kql, arg, type);
}

static bool function_apply(struct kql *kql, const struct scalar *function, struct expr *args, size_t count, struct expr *out) {
    size_t length = strlen(function->types);
    bool many = length && function->types[length - 1] == '+';
    enum kql_type type = KQL_STRING;
    type_letter(function->result[0], &type);
    for (size_t i = 0; i < count; i++) {
        argument_convert(kql, many ? function->types[length - 2] : function->types[i], &args[i]);
        expr_merge(out, &args[i]);
    }
    out->type = type;
    out->nullable = type != KQL_STRING && function->result[1] != '!';
    if (many) {
        struct str list = {0};
        for (size_t i = 0; i < count; i++)
            list = sql_join(kql, list, ", ", sql_of(kql, &args[i]));
        struct expr whole = {.sql = list};
        out->sql = sql_template(kql, function->template, &whole, 1);
    } else {
        out->sql = sql_template(kql, function->template, args, count);
    }
    return true;
}

static bool function_unknown(struct kql *kql, const struct node *node, bool known) {
    const char *best = NULL;
    unsigned least = (unsigned)(1 + node->text.len / 4);
    if (known)
        return kql_fail(kql, node->offset, node->length, "%.*s can't take these arguments", STR_ARG(node->text));
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (str_distance(node->text, str_from(functions[i].name)) < least) {
            best = functions[i].name;
            least = str_distance(node->text, str_from(best));
        }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (str_distance(node->text, str_from(special[i])) < least) {
            best = special[i];
            least = str_distance(node->text, str_from(best));
        }
    if (best)
        return kql_fail(kql, node->offset, node->text.len, "%.*s() isn't a function that is supported here; did you mean %s()?",
                        STR_ARG(node->text), best);
    return kql_fail(kql, node->offset, node->text.len, "%.*s() isn't a function that is supported here", STR_ARG(node->text));
}

/* now([offset]), ago(timespan): fixed when the query is compiled. */
static bool bind_now(struct kql *kql, const struct node *node, struct expr *args, size_t count, struct expr *out) {
    bool ago = str_eq(node->text, STR("ago"));
    struct literal now = {.type = KQL_DATETIME, .number = kql->options->now};
    if (count > 1 || (ago && count == 0) || (count && args[0].type != KQL_TIMESPAN))
        return kql_fail(kql, node->offset, node->length, "%.*s takes %s timespan", STR_ARG(node->text), ago ? "one" : "at most one");
    *out = expr_constant(node, now);
    if (!count)
        return true;
    if (args[0].constant) {
        int64_t by = args[0].literal.number;
        bool over = ago ? __builtin_sub_overflow(now.number, by, &out->literal.number)
                        : __builtin_add_overflow(now.number, by, &out->literal.number);
        return !over ||
               kql_fail(kql, node->offset, node->length, "this time is out of range");
    }
    struct expr pair[2] = {*out, args[0]};
    *out = (struct expr){.type = KQL_DATETIME, .sql = sql_template(kql, ago ? "(%1 - %2)" : "(%1 + %2)", pair, 2)};
    expr_merge(out, &args[0]);
    return true;
}

/* iff(condition, a, b) and case(condition, a, …, else). */
static bool bind_case(struct kql *kql, const struct node *node, struct expr *args, size_t count, struct expr *out) {
    struct expr values[ARGUMENTS_MAX];
    size_t n = 0;
    if (count < 3 || count % 2 == 0)
        return kql_fail(kql, node->offset, node->length, "%.*s needs conditions, their values and a last value", STR_ARG(node->text));
    for (size_t i = 1; i < count; i += 2)
        values[n++] = args[i];
    values[n++] = args[count - 1];
    if (!expr_unify(kql, values, n, &out->type))
        return kql_fail(kql, node->offset, node->length, "the values of %.*s are of different types", STR_ARG(node->text));
    struct str sql = STR("(CASE");
    for (size_t i = 0; i + 1 < n; i++) {
        if (!expr_convert(kql, &args[2 * i], KQL_BOOL))
            return kql_fail(kql, args[2 * i].offset, args[2 * i].length, "a condition is needed here");
        sql = sql_print(kql, "%.*s WHEN %.*s THEN %.*s", STR_ARG(sql), STR_ARG(sql_of(kql, &args[2 * i])),
                        STR_ARG(sql_of(kql, &values[i])));
        expr_merge(out, &args[2 * i]);
        expr_merge(out, &values[i]);
    }
    out->sql = sql_print(kql, "%.*s ELSE %.*s END)", STR_ARG(sql), STR_ARG(sql_of(kql, &values[n - 1])));
    expr_merge(out, &values[n - 1]);
    out->nullable = out->type != KQL_STRING;
    return true;
}

static bool bind_coalesce(struct kql *kql, const struct node *node, struct expr *args, size_t count, struct expr *out) {
    struct str list = {0};
    if (count < 2 || !expr_unify(kql, args, count, &out->type))
        return kql_fail(kql, node->offset, node->length, "coalesce needs two or more values of one type");
    for (size_t i = 0; i < count; i++) {
        list = sql_join(kql, list, out->type == KQL_STRING ? ", ''), nullif(" : ", ", sql_of(kql, &args[i]));
        expr_merge(out, &args[i]);
    }
    out->nullable = out->type != KQL_STRING;
    out->sql = sql_print(kql, out->type == KQL_STRING ? "coalesce(nullif(%.*s, ''), '')" : "coalesce(%.*s)", STR_ARG(list));
    return true;
}

static bool bind_extreme(struct kql *kql, const struct node *node, struct expr *args, size_t count, struct expr *out) {
    struct str list = {0};
    if (count < 2 || !expr_unify(kql, args, count, &out->type))
        return kql_fail(kql, node->offset, node->length, "%.*s needs two or more values of one type", STR_ARG(node->text));
    for (size_t i = 0; i < count; i++) {
        list = sql_join(kql, list, ", ", sql_of(kql, &args[i]));
        expr_merge(out, &args[i]);
    }
    bool least = str_eq(node->text, STR("min_of"));
    if (least && out->type == KQL_REAL) /* NaN wins, as it does by itself in greatest */
        out->sql = sql_print(kql, "CASE WHEN 'NaN'::float8 IN (%.*s) THEN 'NaN'::float8 ELSE least(%.*s) END", STR_ARG(list), STR_ARG(list));
    else
        out->sql = sql_print(kql, "%s(%.*s)", least ? "least" : "greatest", STR_ARG(list));
    return true;
}

static bool bind_special(struct kql *kql, const struct node *node, struct expr *args, size_t count, struct expr *out, bool *found) {
    struct str name = node->text;
    *found = true;
    if (str_eq(name, STR("now")) || str_eq(name, STR("ago")))
        return bind_now(kql, node, args, count, out);
    if (str_eq(name, STR("iff")) || str_eq(name, STR("iif")) || str_eq(name, STR("case")))
        return bind_case(kql, node, args, count, out);
    if (str_eq(name, STR("coalesce")))
        return bind_coalesce(kql, node, args, count, out);
    if (str_eq(name, STR("min_of")) || str_eq(name, STR("max_of")))
        return bind_extreme(kql, node, args, count, out);
    if (str_eq(name, STR("gettype")) && count == 1 && args[0].type != KQL_DYNAMIC) {
        *out = expr_constant(node, (struct literal){.type = KQL_STRING, .text = str_from(kql_type_name(args[0].type))});
        return true;
    }
    if (str_eq(name, STR("parse_command_line")) && count == 2) {
        if (!args[1].constant || !str_eq(args[1].literal.text, STR("windows")))
            return kql_fail(kql, args[1].offset, args[1].length, "parse_command_line knows \"windows\" only");
        expr_to_string(kql, &args[0]);
        *out = (struct expr){.type = KQL_DYNAMIC, .nullable = true, .sql = sql_template(kql, "kql.parse_command_line(%1)", args, 1)};
        deps_add(&out->deps, &args[0].deps);
        return true;
    }
    if (str_eq(name, STR("tostring")) && count == 1) {
        *out = args[0];
        expr_to_string(kql, out);
        return true;
    }
    *found = false;
    return true;
}

static bool bind_arguments(struct kql *kql, struct scope *scope, const struct node *node, struct expr *args) {
    if (node->count > ARGUMENTS_MAX)
        return kql_fail(kql, node->offset, node->length, "more than %d arguments", ARGUMENTS_MAX);
    for (size_t i = 0; i < node->count; i++)
        if (!bind_expression(kql, scope, node->args[i], &args[i]))
            return false;
    return true;
}

/* The name that Kusto gives a column made by this call. */
static struct str call_name(struct kql *kql, const struct node *node, const struct expr *args) {
    static const struct {
        const char *function, *prefix;
    } names[] = {
#define RESULT_NAME(function, prefix) {function, prefix},
#include "kql/names.def"
#undef RESULT_NAME
    };
    for (size_t i = 0; node->count && args[0].name.len && i < sizeof names / sizeof *names; i++)
        if (str_eq(node->text, str_from(names[i].function)))
            return *names[i].prefix ? sql_print(kql, "%s%.*s", names[i].prefix, STR_ARG(args[0].name)) : args[0].name;
    return (struct str){0};
}

/* A constant pattern of the argument that the letter R or X stands for, as PostgreSQL reads it. */
static bool patterns_translate(struct kql *kql, const struct node *node, const struct scalar *function, struct expr *args) {
    const char *place = strpbrk(function->types, "RXY"), *problem = NULL;
    if (!place)
        return true;
    struct expr *arg = &args[place - function->types];
    if (!arg->constant)
        return kql_fail(kql, arg->offset, arg->length, "%.*s needs a constant pattern here", STR_ARG(node->text));
    arg->literal.text = regex_translate(kql, arg->literal.text, *place == 'R' ? REGEX_PLAIN : *place == 'X' ? REGEX_GROUPS : REGEX_ALL_GROUPS, &problem);
    return !problem || kql_fail(kql, arg->offset, arg->length, "this regular expression can't be used: %s", problem);
}

/* toscalar(pipeline): the first column of its first row. */
static bool bind_scalar(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct str table;
    struct pipeline named = {.source = SOURCE_NAME, .offset = node->offset, .length = node->length};
    if (node->count != 1)
        return kql_fail(kql, node->offset, node->length, "toscalar takes one table");
    if (node->args[0]->kind != NODE_TABLE && node->args[0]->kind != NODE_NAME)
        return bind_expression(kql, scope, node->args[0], out);
    named.name = node->args[0]->text;
    if (!bind_subquery(kql, node->args[0]->kind == NODE_TABLE ? node->args[0]->table : &named, &table, &out->type))
        return false;
    bool text = out->type == KQL_STRING;
    out->sql = sql_print(kql, text ? "coalesce((SELECT x.v FROM %.*s x(v) LIMIT 1), '')" : "(SELECT x.v FROM %.*s x(v) LIMIT 1)", STR_ARG(table));
    out->nullable = !text;
    return true;
}

/* column_ifexists(name, otherwise) */
static bool bind_if_exists(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct expr name;
    if (node->count != 2)
        return kql_fail(kql, node->offset, node->length, "%.*s takes a column's name and a value", STR_ARG(node->text));
    if (!bind_expression(kql, scope, node->args[0], &name))
        return false;
    if (!name.constant || name.type != KQL_STRING)
        return kql_fail(kql, node->args[0]->offset, node->args[0]->length, "the column's name must be a constant string");
    struct node column = {.kind = NODE_NAME, .text = name.literal.text, .offset = node->offset, .length = node->length};
    if (scope_find(scope, name.literal.text))
        return bind_name(kql, scope, &column, out);
    if (!bind_expression(kql, scope, node->args[1], out))
        return false;
    out->name = name.literal.text;
    return true;
}

/* extract(…, typeof(long)) and its kin: the text, read as the type. */
static bool call_typed(const struct node *node) {
    const struct node *last = node->count ? node->args[node->count - 1] : NULL;
    return last && last->kind == NODE_LITERAL && str_eq(last->text, STR("typeof")) && str_starts(node->text, STR("extract"));
}

static bool bind_typed(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct node plain = *node;
    struct str type = node->args[--plain.count]->literal.text;
    enum kql_type wanted = KQL_STRING;
    literal_type_find(type, &wanted);
    return bind_call(kql, scope, &plain, out) && expr_parse(kql, out, wanted);
}

/* pack_all([ignore null and empty]): all columns in a bag. */
static bool bind_pack_all(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct str pairs = {0};
    bool filled = node->count && node->args[0]->kind == NODE_NAME && str_eq(node->args[0]->text, STR("true"));
    if (node->count > 1 || (node->count && !filled && !str_eq(node->args[0]->text, STR("false"))))
        return kql_fail(kql, node->offset, node->length, "pack_all takes true, false or nothing");
    *out = (struct expr){.type = KQL_DYNAMIC, .low = -1, .high = -1};
    for (size_t i = 0; scope && i < scope->column_count; i++) {
        struct column *column = &scope->columns[i];
        struct node name = {.kind = NODE_NAME, .text = column->name, .offset = node->offset, .length = node->length};
        struct expr value;
        if (column->hidden)
            continue;
        if (!bind_name(kql, scope, &name, &value))
            return false;
        expr_to_dynamic(kql, &value);
        expr_merge(out, &value);
        pairs = sql_join(kql, pairs, ", ", sql_print(kql, "to_jsonb(%.*s), %.*s", STR_ARG(sql_text(kql, column->name)), STR_ARG(value.sql)));
    }
    out->nullable = false;
    out->sql = sql_print(kql, "%s(%.*s)", filled ? "kql.pack_filled" : "kql.pack", STR_ARG(pairs));
    return true;
}

/* countof(text, search, "normal" or "regex") */
static bool bind_countof(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    const struct node *kind = node->args[2];
    struct node plain = *node;
    bool regex = kind->kind == NODE_LITERAL && str_eq(kind->literal.text, STR("regex"));
    if (!regex && !(kind->kind == NODE_LITERAL && str_eq(kind->literal.text, STR("normal"))))
        return kql_fail(kql, kind->offset, kind->length, "countof counts \"normal\" or \"regex\"");
    plain.count = 2;
    plain.text = regex ? STR("countof regex") : node->text;
    return bind_call(kql, scope, &plain, out);
}

bool bind_call(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct expr args[ARGUMENTS_MAX];
    bool found, known = false;
    size_t rows = sizeof functions / sizeof *functions;
    if (function_find(kql, node->text))
        return bind_function(kql, scope, node, out);
    if (str_eq(node->text, STR("toscalar")))
        return bind_scalar(kql, scope, node, out);
    if (call_typed(node))
        return bind_typed(kql, scope, node, out);
    if (str_eq(node->text, STR("pack_all")))
        return bind_pack_all(kql, scope, node, out);
    if (str_eq(node->text, STR("countof")) && node->count == 3)
        return bind_countof(kql, scope, node, out);
    if (str_eq(node->text, STR("column_ifexists")) || str_eq(node->text, STR("columnifexists")))
        return bind_if_exists(kql, scope, node, out);
    if (kql->aggregates == AGGREGATES_AROUND && aggregate_known(node->text))
        return bind_aggregate(kql, scope, node, out);
    for (size_t i = 0; i < rows && !known; i++)
        known = str_eq(node->text, str_from(functions[i].name));
    for (size_t i = 0; i < sizeof special / sizeof *special && !known; i++)
        known = str_eq(node->text, str_from(special[i]));
    if (!known)
        return function_unknown(kql, node, false);
    if (!bind_arguments(kql, scope, node, args) || !arguments_check(kql, node, args) || !bind_special(kql, node, args, node->count, out, &found))
        return false;
    for (int convert = 0; convert < 2 && !found; convert++)
        for (size_t i = 0; i < rows && !found; i++)
            if (str_eq(node->text, str_from(functions[i].name)) && function_fits(&functions[i], args, node->count, convert)) {
                found = true;
                if (!patterns_translate(kql, node, &functions[i], args) || !function_apply(kql, &functions[i], args, node->count, out))
                    return false;
            }
    if (!found)
        return function_unknown(kql, node, known);
    out->name = call_name(kql, node, args);
    bool weeks = str_eq(node->text, STR("datetime_diff")) && str_eq_nocase(args[0].literal.text, STR("week"));
    return !weeks || expr_convert(kql, out, KQL_REAL); /* weeks alone come as a real */
}
