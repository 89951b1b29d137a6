#include "kql/kql.h"

#include "kql/internal.h"

/* Every let is bound once by itself, so that a mistake in one that isn't used is told too. */
static bool bind_lets(struct kql *kql) {
    for (size_t i = 0; i < kql->query.let_count; i++) {
        const struct let *let = &kql->query.lets[i];
        struct scope scope = {.order = -1};
        struct expr expr;
        kql->let_limit = i;
        if (let->function)
            continue;
        bool table = let->value && let->value->kind == NODE_NAME &&
                     (schema_table_find(let->value->text) || let_find(kql, let->value->text));
        if (let->table ? !bind_pipeline(kql, let->table, &scope) : !table && !bind_expression(kql, NULL, let->value, &expr))
            return false;
    }
    kql->let_limit = kql->query.let_count;
    kql->select_count = 0;
    kql->param_count = 0;
    kql->tables = 0;
    kql->aside = false;
    kql->predicate_count = 0;
    kql->subqueries = 0;
    kql->empty_without_events = false;
    return true;
}

static bool compile(struct kql *kql, struct kql_program *program) {
    struct scope scope = {.order = -1};
    if (!parse_query(kql->parser, &kql->query) || !bind_lets(kql))
        return false;
    kql->in_main = true;
    if (!bind_pipeline(kql, kql->query.main, &scope))
        return false;
    if (kql->options->hits != HITS_NONE && (!hits_check(kql) || (!kql->evidence_done && !hits_close(kql, &scope))))
        return false;
    if (kql->options->device.ptr && !kql->evidence_done && !bind_evidence(kql, &scope))
        return false;
    if (scope.table || scope.condition_count || scope.raw.ptr || !scope.input)
        if (!scope_close(kql, &scope, scope.columns, scope.column_count, STR(""), NULL, false))
            return false;
    return emit_program(kql, &scope, program);
}

/* The program and all that went into it, in the arena. */
static bool compile_in(struct arena *arena, struct str query, const struct kql_options *options,
                       struct kql_program *program, struct err *err) {
    struct token_list tokens;
    if (!token_scan(arena, query, &tokens, err))
        return false;
    struct parser parser = {.arena = arena, .text = query, .tokens = tokens.items, .strict = options->strict, .err = err};
    struct kql kql = {.arena = arena,
                      .text = query,
                      .options = options,
                      .err = err,
                      .parser = &parser,
                      .window_from = options->from,
                      .window_to = options->to,
                      .own_from = -1};
    kql.selects = arena_array(arena, SELECTS_MAX, sizeof *kql.selects);
    if (!kql.selects || !compile(&kql, program))
        return false;
    program->warnings = parser.warnings;
    program->warning_count = parser.warning_count;
    program->hit_table = kql.hit_table;
    program->empty_without_events = kql.empty_without_events;
    program->tables = kql.tables;
    program->window_from = kql.window_from;
    program->window_to = kql.window_to;
    program->own_from = kql.own_from;
    return true;
}

struct kql_program *kql_compile(struct arena *arena, struct str query, const struct kql_options *options,
                                struct err *err) {
    struct kql_program made = {0}, *program = NULL;
    struct arena *work = arena_new(arena_left(arena));
    *err = (struct err){0};
    if (work && compile_in(work, query, options, &made, err))
        program = program_keep(arena, &made);
    if (!program && (err->code == ERR_NONE || !work || arena_refused(work)))
        err_memory(err);
    arena_free(work);
    return program;
}
