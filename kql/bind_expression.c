/* Expressions: names, literals, conversions, and, or, minus, index, member. */
#include <stdio.h>

#include "kql/internal.h"

bool type_is_number(enum kql_type type) {
    return type == KQL_LONG || type == KQL_INT || type == KQL_REAL || type == KQL_DECIMAL;
}

void expr_merge(struct expr *out, const struct expr *part) {
    deps_add(&out->deps, &part->deps);
    out->nullable = out->nullable || (part->constant ? part->literal.null : part->nullable);
    out->inner = out->inner || part->inner;
}

struct expr expr_constant(const struct node *node, struct literal literal) {
    struct expr expr = {.type = literal.type, .constant = true, .literal = literal, .low = -1, .high = -1};
    expr.offset = node ? node->offset : 0;
    expr.length = node ? node->length : 0;
    return expr;
}

static void computed(struct expr *expr, enum kql_type type, struct str sql) {
    expr->type = type;
    expr->sql = sql;
    expr->constant = false;
    expr->nullable = type != KQL_STRING;
    expr->role = ROLE_NONE;
    expr->timestamp = false;
}

void expr_to_string(struct kql *kql, struct expr *expr) {
    static const char *const templates[] = {"%1",
                                            "coalesce((%1)::text, '')",
                                            "coalesce((%1)::text, '')",
                                            "kql.bool_text(%1)",
                                            "kql.datetime_text(%1)",
                                            "kql.timespan_text(%1)",
                                            "kql.real_text(%1)",
                                            "coalesce((%1)::text, '')",
                                            "coalesce(%1, '')",
                                            "kql.dynamic_text(%1)"};
    if (expr->type != KQL_STRING)
        computed(expr, KQL_STRING, sql_template(kql, templates[expr->type], expr, 1));
}

void expr_to_dynamic(struct kql *kql, struct expr *expr) {
    if (expr->type == KQL_DYNAMIC)
        return;
    if (expr->type == KQL_DATETIME || expr->type == KQL_TIMESPAN) {
        const char *template = expr->type == KQL_DATETIME ? "to_jsonb(nullif(kql.datetime_text(%1), ''))"
                                                          : "to_jsonb(nullif(kql.timespan_text(%1), ''))";
        computed(expr, KQL_DYNAMIC, sql_template(kql, template, expr, 1));
        return;
    }
    computed(expr, KQL_DYNAMIC, sql_template(kql, expr->type == KQL_DECIMAL ? "to_jsonb((%1)::text)" : "to_jsonb(%1)", expr, 1));
}

static bool convert_dynamic(struct kql *kql, struct expr *expr, enum kql_type type) {
    static const char *const templates[] = {
        "kql.dynamic_text(%1)", "kql.dynamic_long(%1)", "kql.dynamic_long(%1)",
        "kql.dynamic_bool(%1)", "kql.to_datetime(kql.dynamic_text(%1))",
        "kql.to_timespan(kql.dynamic_text(%1))", "kql.dynamic_real(%1)",
        "kql.to_decimal(kql.dynamic_text(%1))", "nullif(kql.dynamic_text(%1), '')", "%1"};
    computed(expr, type, sql_template(kql, templates[type], expr, 1));
    return true;
}

bool expr_parse(struct kql *kql, struct expr *expr, enum kql_type type) {
    static const char *const templates[] = {"%1", "kql.to_long(%1)", "kql.to_int(kql.to_long(%1))", "kql.to_bool(%1)",
                                            "kql.to_datetime(%1)", "kql.to_timespan(%1)", "kql.to_real(%1)",
                                            "kql.to_decimal(%1)", "kql.to_guid(%1)", "kql.parse_json(%1)"};
    if (expr->type != KQL_STRING)
        return expr_convert(kql, expr, type);
    if (type != KQL_STRING)
        computed(expr, type, sql_template(kql, templates[type], expr, 1));
    return true;
}

bool expr_convert(struct kql *kql, struct expr *expr, enum kql_type type) {
    bool whole = expr->type == KQL_LONG || expr->type == KQL_INT;
    if (expr->type == type)
        return true;
    if (expr->constant && expr->literal.null && expr->type == KQL_DYNAMIC && type != KQL_STRING) {
        expr->type = expr->literal.type = type;
        return true;
    }
    if (whole && (type == KQL_LONG || type == KQL_INT)) {
        expr->type = type;
        expr->literal.type = type;
        return true;
    }
    if (whole && type == KQL_REAL && expr->constant) {
        expr->literal.real = (double)expr->literal.number;
        expr->type = expr->literal.type = KQL_REAL;
        return true;
    }
    if ((whole || expr->type == KQL_DECIMAL) && type == KQL_REAL) {
        computed(expr, KQL_REAL, sql_template(kql, "(%1)::float8", expr, 1));
        return true;
    }
    if (type_is_number(expr->type) && type == KQL_DECIMAL) {
        computed(expr, KQL_DECIMAL, sql_template(kql, "(%1)::numeric", expr, 1));
        return true;
    }
    if (expr->type == KQL_DYNAMIC)
        return convert_dynamic(kql, expr, type);
    if (expr->type == KQL_GUID && type == KQL_STRING) {
        expr_to_string(kql, expr);
        return true;
    }
    return false;
}

bool expr_unify(struct kql *kql, struct expr *exprs, size_t count, enum kql_type *type) {
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        bool null = exprs[i].constant && exprs[i].literal.null && exprs[i].type == KQL_DYNAMIC;
        if (null)
            continue;
        if (!found)
            *type = exprs[i].type;
        else if (type_is_number(*type) && type_is_number(exprs[i].type))
            *type = *type == KQL_REAL || exprs[i].type == KQL_REAL ? KQL_REAL
                    : *type == KQL_DECIMAL || exprs[i].type == KQL_DECIMAL ? KQL_DECIMAL
                    : *type == exprs[i].type ? *type : KQL_LONG;
        else if (*type == KQL_DYNAMIC)
            *type = exprs[i].type;
        found = true;
    }
    if (!found)
        *type = KQL_DYNAMIC;
    for (size_t i = 0; i < count; i++)
        if (!expr_convert(kql, &exprs[i], *type))
            return false;
    return true;
}

bool bind_warn(struct kql *kql, size_t offset, struct str text) {
    struct parser *parser = kql->parser;
    struct err place;
    err_set(&place, ERR_BAD_QUERY, "%s", "");
    err_place(&place, kql->text, offset, 0);
    for (size_t i = 0; i < parser->warning_count; i++)
        if (parser->warnings[i].line == place.line && parser->warnings[i].column == place.column &&
            str_eq(parser->warnings[i].text, text))
            return true;
    return parse_warn(parser, offset, text);
}

bool key_check(struct kql *kql, const struct expr *expr) {
    return expr->type != KQL_DYNAMIC || !kql->options->strict ||
           kql_fail(kql, expr->offset, expr->length, "a dynamic value can't be grouped or sorted by; convert it, as with tostring()");
}

/* The column that a defective but published name means, in lenient mode. */
static struct column *column_mend(struct kql *kql, struct scope *scope, const struct node *node) {
    struct column *column = NULL;
    struct str name = node->text;
    if (kql->options->strict)
        return NULL;
    for (size_t i = 0; i < scope->column_count; i++)
        if (name.len && !scope->columns[i].hidden && str_eq_nocase(scope->columns[i].name, name)) {
            column = &scope->columns[i];
            break;
        }
    if (!column && str_eq_nocase(name, STR("AccountUpn"))) {
        column = scope_find(scope, STR("InitiatingProcessAccountUpn"));
        if (column && !column->schema)
            column = NULL;
    }
    if (!column)
        return NULL;
    struct str text = sql_print(kql, "%.*s is not a column here; %.*s was taken instead", STR_ARG(name), STR_ARG(column->name));
    return bind_warn(kql, node->offset, text) ? column : NULL;
}

static bool column_unknown(struct kql *kql, struct scope *scope, const struct node *node) {
    char where[160] = "known here";
    const struct column *best = NULL;
    unsigned least = (unsigned)(2 + node->text.len / 4);
    if (scope && scope->table)
        snprintf(where, sizeof where, "a column of %s", scope->table->name);
    else if (scope && scope->origin && schema_column_find(scope->origin, node->text))
        snprintf(where, sizeof where, "a column here any more: an operator before this dropped what %s has", scope->origin->name);
    else if (scope && scope->origin)
        snprintf(where, sizeof where, "a column of what is left of %s here", scope->origin->name);
    else if (scope)
        snprintf(where, sizeof where, "a column here");
    for (size_t i = 0; scope && i < scope->column_count; i++) {
        const struct column *column = &scope->columns[i];
        unsigned distance = str_distance(column->name, node->text);
        if (column->hidden)
            continue;
        if (str_eq_nocase(column->name, node->text))
            distance = 0;
        else if (node->text.len > 5 && str_ends(column->name, node->text))
            distance = 1;
        if (distance < least) {
            least = distance;
            best = column;
        }
    }
    if (best)
        return kql_fail(kql, node->offset, node->length, "%.*s is not %s; did you mean %.*s?", STR_ARG(node->text), where,
                        STR_ARG(best->name));
    return kql_fail(kql, node->offset, node->length, "%.*s is not %s", STR_ARG(node->text), where);
}

static void column_read(const struct column *column, const struct node *node, struct expr *out) {
    *out = (struct expr){.type = column->type, .sql = column->sql, .deps = column->deps, .nullable = column->nullable,
                         .role = column->role, .timestamp = column->timestamp, .name = node->text,
                         .plain = column->schema && column->type == KQL_STRING,
                         .offset = node->offset, .length = node->length, .low = -1, .high = -1};
}

static bool let_read(struct kql *kql, const struct let *let, const struct node *node, struct expr *out) {
    size_t limit = kql->let_limit;
    if (let->bound) {
        *out = *let->bound;
        return true;
    }
    if (let->table || !let->value)
        return kql_fail(kql, node->offset, node->length, "%.*s is a table, not a value", STR_ARG(node->text));
    kql->let_limit = (size_t)(let - kql->query.lets);
    bool good = bind_expression(kql, NULL, let->value, out);
    kql->let_limit = limit;
    out->offset = node->offset;
    out->length = node->length;
    return good;
}

bool bind_name(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct column *column = scope_find(scope, node->text);
    const struct let *let = column ? NULL : let_find(kql, node->text);
    bool yes = str_eq(node->text, STR("true"));
    if (column && kql->aggregates == AGGREGATES_AROUND)
        return kql_fail(kql, node->offset, node->length, "%.*s must be inside of an aggregate such as take_any(), or be a key behind `by`",
                        STR_ARG(node->text));
    if (column) {
        column_read(column, node, out);
        return true;
    }
    if (let)
        return let_read(kql, let, node, out);
    if (yes || str_eq(node->text, STR("false"))) {
        *out = expr_constant(node, (struct literal){.type = KQL_BOOL, .number = yes});
        return true;
    }
    column = scope ? column_mend(kql, scope, node) : NULL;
    if (!column)
        return kql->failed ? false : column_unknown(kql, scope, node);
    column_read(column, node, out);
    return true;
}

/* `and` and `or` over the whole chain. Beside the plain SQL, the base form in which each part is left to its slot. */
static bool bind_chain(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    bool conjunction = str_eq(node->text, STR("and"));
    const char *word = conjunction ? " AND " : " OR ";
    BUF_AUTO plain = BUF(QUERY_MAX_BYTES * 4);
    BUF_AUTO base = BUF(QUERY_MAX_BYTES * 4);
    *out = (struct expr){.type = KQL_BOOL, .low = -1, .high = -1};
    for (size_t i = 0; i < node->count; i++) {
        struct expr part;
        if (!bind_expression(kql, scope, node->args[i], &part))
            return false;
        if (!expr_convert(kql, &part, KQL_BOOL))
            return kql_fail(kql, node->args[i]->offset, node->args[i]->length, "a condition is needed here; this is a %s",
                            kql_type_name(part.type));
        struct str sql = sql_of(kql, &part);
        uint8_t slot = part.constant ? NO_SLOT : scope_slot(scope, &part.deps);
        buf_add_str(&plain, i ? str_from(word) : STR("("));
        buf_add_str(&base, i ? str_from(word) : STR("("));
        buf_add_str(&plain, sql);
        if (slot != NO_SLOT) {
            struct condition condition = {.sql = sql, .inner = part.inner, .needles = part.needles};
            buf_add_str(&base, predicate_add(kql, scope->table, &scope->table->slots[slot], &condition, false));
        } else {
            buf_add_str(&base, part.condition.ptr ? part.condition : sql);
            deps_add(&out->condition_deps, part.condition.ptr ? &part.condition_deps : &part.deps);
        }
        out->needles = !i          ? part.needles
                       : conjunction ? needles_better(out->needles, part.needles)
                                     : needles_either(kql, out->needles, part.needles);
        expr_merge(out, &part);
    }
    buf_add_char(&plain, ')');
    buf_add_char(&base, ')');
    out->sql = arena_copy(kql->arena, buf_str(&plain));
    out->condition = scope && scope->table ? arena_copy(kql->arena, buf_str(&base)) : (struct str){0};
    return (out->sql.ptr && !plain.failed && !base.failed) || err_memory(kql->err);
}

static bool bind_minus(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    if (!bind_expression(kql, scope, node->args[0], out))
        return false;
    if (!type_is_number(out->type) && out->type != KQL_TIMESPAN)
        return kql_fail(kql, node->offset, node->length, "a %s has no negative", kql_type_name(out->type));
    if (out->constant && out->type != KQL_DECIMAL) {
        out->literal.number = (int64_t)(0 - (uint64_t)out->literal.number);
        out->literal.real = -out->literal.real;
        return true;
    }
    bool nullable = out->nullable;
    computed(out, out->type, sql_template(kql, "(-%1)", out, 1));
    out->nullable = nullable;
    out->name = (struct str){0};
    return true;
}

static bool bind_item(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct expr args[2];
    if (!bind_expression(kql, scope, node->args[0], &args[0]))
        return false;
    if (node->kind == NODE_MEMBER)
        args[1] = expr_constant(node, (struct literal){.type = KQL_STRING, .text = node->text});
    else if (!bind_expression(kql, scope, node->args[1], &args[1]))
        return false;
    struct str name = args[0].name;
    if (args[0].type == KQL_STRING && str_eq(name, STR("AdditionalFields")))
        computed(&args[0], KQL_DYNAMIC, sql_template(kql, "kql.parse_json(%1)", args, 1));
    if (args[0].type != KQL_DYNAMIC)
        return kql_fail(kql, node->offset, node->length, "only a dynamic value has members; this is a %s", kql_type_name(args[0].type));
    bool whole = args[1].type == KQL_LONG || args[1].type == KQL_INT;
    if (!whole)
        expr_to_string(kql, &args[1]);
    *out = args[0];
    expr_merge(out, &args[1]);
    computed(out, KQL_DYNAMIC, sql_template(kql, whole ? "kql.item(%1, %2)" : "kql.member(%1, %2)", args, 2));
    out->name = (struct str){0};
    if (name.len && node->kind == NODE_MEMBER)
        out->name = sql_print(kql, "%.*s_%.*s", STR_ARG(name), STR_ARG(node->text));
    else if (name.len && args[1].constant && args[1].type == KQL_STRING)
        out->name = sql_print(kql, "%.*s_%.*s", STR_ARG(name), STR_ARG(args[1].literal.text));
    else if (name.len && args[1].constant)
        out->name = sql_print(kql, "%.*s_%lld", STR_ARG(name), (long long)args[1].literal.number);
    return true;
}

/* `* has "x"`: true when it is of one of the columns that hold text; numbers and times are looked at for `* == 5`. */
static bool bind_star(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct node chain = {.kind = NODE_BINARY, .text = STR("or"), .offset = node->offset, .length = node->length};
    size_t count = scope ? scope->column_count : 0;
    struct node *parts = take(kql, count + 1, sizeof *parts), *names = take(kql, count + 1, sizeof *names);
    struct expr value = {.type = KQL_STRING};
    chain.args = take(kql, count + 1, sizeof *chain.args);
    if (!parts || !names || !chain.args)
        return false;
    if (node->count == 2 && node->args[1]->kind != NODE_TABLE && !bind_expression(kql, scope, node->args[1], &value))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct column *column = &scope->columns[i];
        bool text = column->type == KQL_STRING || column->type == KQL_DYNAMIC;
        bool same = text == (value.type == KQL_STRING) && (text || column->type == value.type ||
                                                           (type_is_number(column->type) && type_is_number(value.type)));
        struct node **args = same && !column->hidden ? take(kql, node->count, sizeof *args) : NULL;
        if (!args)
            continue;
        names[i] = (struct node){.kind = NODE_NAME, .text = column->name, .offset = node->offset, .length = node->length};
        mem_copy(args, node->args, node->count * sizeof *args);
        args[0] = &names[i];
        parts[i] = *node;
        parts[i].args = args;
        chain.args[chain.count++] = &parts[i];
    }
    if (!chain.count)
        return kql_fail(kql, node->offset, node->length, "* finds no column that can be compared with this");
    return bind_chain(kql, scope, &chain, out);
}

static bool bind_operands(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    struct expr left, right;
    if (node->args[0]->kind == NODE_STAR)
        return bind_star(kql, scope, node, out);
    if (!bind_expression(kql, scope, node->args[0], &left) || !bind_expression(kql, scope, node->args[1], &right))
        return false;
    return bind_binary(kql, node, &left, &right, out);
}

bool bind_expression(struct kql *kql, struct scope *scope, const struct node *node, struct expr *out) {
    bool good = false;
    uint32_t subqueries = kql->subqueries;
    if (++kql->work > PARSE_MAX_NODES)
        return kql_fail(kql, node->offset, node->length, "the query is too large");
    if (++kql->depth > BIND_MAX_DEPTH)
        return kql_fail(kql, node->offset, node->length, "the query is nested too deeply");
    *out = (struct expr){.low = -1, .high = -1};
    switch (node->kind) {
    case NODE_LITERAL:
        *out = expr_constant(node, node->literal);
        good = true;
        break;
    case NODE_NAME:
        good = bind_name(kql, scope, node, out);
        break;
    case NODE_CALL:
        good = bind_call(kql, scope, node, out);
        break;
    case NODE_BINARY:
        good = str_eq(node->text, STR("and")) || str_eq(node->text, STR("or")) ? bind_chain(kql, scope, node, out)
                                                                              : bind_operands(kql, scope, node, out);
        break;
    case NODE_MINUS:
        good = bind_minus(kql, scope, node, out);
        break;
    case NODE_LIST:
        good = node->args[0]->kind == NODE_STAR ? bind_star(kql, scope, node, out) : bind_list(kql, scope, node, out);
        break;
    case NODE_BETWEEN:
        good = bind_between(kql, scope, node, out);
        break;
    case NODE_INDEX:
    case NODE_MEMBER:
        good = bind_item(kql, scope, node, out);
        break;
    case NODE_STAR:
    case NODE_NAMED:
    case NODE_ORDER:
    case NODE_TABLE:
        kql_fail(kql, node->offset, node->length, "a value is expected here");
        break;
    }
    kql->depth--;
    out->offset = node->offset;
    out->length = node->length;
    out->inner = out->inner || kql->subqueries != subqueries;
    return good;
}
