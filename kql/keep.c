/* What stays of a compilation: the program, moved out of the memory in which it was made. Tokens, tree and bindings are twenty
 * times as much, and a run has the programs of all its hunts at once. */
#include "kql/internal.h"

static bool str_keep(struct arena *arena, struct str *s) {
    if (s->ptr)
        *s = arena_copy(arena, *s);
    return s->ptr != NULL;
}

/* A copy of the items; NULL when memory is out. */
static void *array_keep(struct arena *arena, const void *items, size_t count, size_t size) {
    void *copy = arena_array(arena, count + 1, size);
    if (copy && count)
        memcpy(copy, items, count * size);
    return copy;
}

/* SQL NULLs among them stay what they are. */
static struct str *strs_keep(struct arena *arena, const struct str *items, size_t count) {
    struct str *copy = array_keep(arena, items, count, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++)
        if (copy[i].ptr && !str_keep(arena, &copy[i]))
            return NULL;
    return copy;
}

static bool columns_keep(struct arena *arena, struct kql_program *program) {
    program->columns = array_keep(arena, program->columns, program->column_count, sizeof *program->columns);
    bool ok = program->columns != NULL;
    for (size_t i = 0; ok && i < program->column_count; i++)
        ok = str_keep(arena, &program->columns[i].name);
    return ok;
}

static bool warnings_keep(struct arena *arena, struct kql_program *program) {
    program->warnings = array_keep(arena, program->warnings, program->warning_count, sizeof *program->warnings);
    bool ok = program->warnings != NULL;
    for (size_t i = 0; ok && i < program->warning_count; i++)
        ok = str_keep(arena, &program->warnings[i].text);
    return ok;
}

static bool predicates_keep(struct arena *arena, struct kql_program *program) {
    program->predicates = array_keep(arena, program->predicates, program->predicate_count, sizeof *program->predicates);
    bool ok = program->predicates != NULL;
    for (size_t i = 0; ok && i < program->predicate_count; i++) {
        struct kql_predicate *predicate = &program->predicates[i];
        predicate->params = strs_keep(arena, predicate->params, predicate->param_count);
        predicate->needles = strs_keep(arena, predicate->needles, predicate->needle_count);
        ok = str_keep(arena, &predicate->sql) && predicate->params && predicate->needles;
    }
    return ok;
}

/* Its predicates are only written from here on: they need no needles. */
static bool template_keep(struct arena *arena, struct kql_program *program) {
    struct kql_template *template = array_keep(arena, program->template, 1, sizeof *template);
    if (!template || !str_keep(arena, &template->raw))
        return false;
    struct predicate *predicates = array_keep(arena, template->predicates, template->predicate_count, sizeof *predicates);
    bool ok = predicates != NULL;
    for (size_t i = 0; ok && i < template->predicate_count; i++) {
        predicates[i].needles = (struct needles){0};
        ok = str_keep(arena, &predicates[i].sql);
    }
    template->predicates = predicates;
    template->values = strs_keep(arena, template->values, template->value_count);
    template->places = array_keep(arena, template->places, template->predicate_count, sizeof *template->places);
    program->template = template;
    return ok && template->values && template->places;
}

struct kql_program *program_keep(struct arena *arena, const struct kql_program *made) {
    struct kql_program *program = array_keep(arena, made, 1, sizeof *program);
    if (!program)
        return NULL;
    program->params = strs_keep(arena, made->params, made->param_count);
    bool ok = program->params && str_keep(arena, &program->sql) && columns_keep(arena, program) &&
              warnings_keep(arena, program) && predicates_keep(arena, program) && template_keep(arena, program);
    return ok ? program : NULL;
}
