/* Predicates over dictionaries, and the last step to SQL text: parameters get their numbers, predicates their form. In the
 * raw text a parameter is \x01 index \x02, a predicate \x03 index \x02 and the main table \x04 index \x02; none can come from a
 * query. */
#include "kql/internal.h"

/* Only the running statement can tell the values. When there are none, the second part is false before any event is read. */
static struct str inner_sql(struct kql *kql, const struct schema_slot *slot, struct str condition) {
    const char *name = schema_dictionary(slot->dictionary)->name;
    return sql_print(kql,
                     "(t.%s = ANY(ARRAY(SELECT %s.id FROM dict.%s %s WHERE %.*s)) AND EXISTS (SELECT FROM dict.%s %s WHERE "
                     "%.*s))",
                     slot->sql, slot->sql, name, slot->sql, STR_ARG(condition), name, slot->sql, STR_ARG(condition));
}

struct str predicate_add(struct kql *kql, const struct schema_table *table, const struct schema_slot *slot,
                         const struct condition *condition, bool gate) {
    if (condition->inner)
        return inner_sql(kql, slot, condition->sql);
    struct predicate *grown = grow(kql, kql->predicates, kql->predicate_count, &kql->predicate_size, sizeof *grown);
    if (!grown)
        return STR("false");
    kql->predicates = grown;
    kql->predicates[kql->predicate_count++] =
        (struct predicate){table, slot, gate, condition->sql, condition->needles};
    return sql_print(kql, "\x03%zu\x02", kql->predicate_count - 1);
}

/* A text being written: $n for each parameter as it comes up. */
struct writing {
    struct arena *arena;
    const struct kql_template *template;
    const struct kql_binding *binding;
    struct buf *out;
    uint32_t *numbers; /* of each value; 0: none yet */
    struct str *params;
    size_t count;
};

static size_t index_read(struct str raw, size_t *at) {
    size_t index = 0;
    for ((*at)++; *at < raw.len && raw.ptr[*at] != '\x02'; (*at)++)
        index = index * 10 + (size_t)(raw.ptr[*at] - '0');
    return index;
}

static void write_parameter(struct writing *writing, size_t index) {
    if (!writing->numbers[index]) {
        writing->params[writing->count++] = writing->template->values[index];
        writing->numbers[index] = (uint32_t)writing->count;
    }
    buf_printf(writing->out, "$%zu", writing->binding->params_before + writing->numbers[index]);
}

static bool write_text(struct writing *writing, struct str raw);

static bool write_predicate(struct writing *writing, size_t index) {
    const struct predicate *predicate = &writing->template->predicates[index];
    size_t place = writing->template->places ? writing->template->places[index] : SIZE_MAX;
    const struct kql_choice *choices = writing->binding->choices;
    const struct kql_choice *choice = choices && place != SIZE_MAX ? &choices[place] : NULL;
    const char *slot = predicate->slot->sql, *name = schema_dictionary(predicate->slot->dictionary)->name;
    if (choice && (choice->form == KQL_AMONG || choice->form == KQL_NOT_AMONG)) {
        writing->params[writing->count++] = choice->ids;
        buf_printf(writing->out, choice->form == KQL_AMONG ? "t.%s = ANY($%zu::integer[])" : "t.%s <> ALL($%zu::integer[])",
                   slot, writing->binding->params_before + writing->count);
        return true;
    }
    bool hashed = choice && choice->form == KQL_HASHED;
    buf_printf(writing->out, hashed ? "t.%s IN (SELECT %s.id FROM dict.%s %s WHERE " : "t.%s = ANY(ARRAY(SELECT %s.id FROM dict.%s %s WHERE ",
               slot, slot, name, slot);
    if (!write_text(writing, predicate->sql))
        return false;
    buf_add_str(writing->out, hashed ? STR(")") : STR("))"));
    return true;
}

static void write_source(struct writing *writing, size_t table) {
    if (writing->binding->source)
        buf_add_str(writing->out, str_from(writing->binding->source));
    else
        buf_printf(writing->out, "data.%s", schema_tables()[table].sql);
}

static bool write_text(struct writing *writing, struct str raw) {
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c != '\x01' && c != '\x03' && c != '\x04') {
            buf_add_char(writing->out, c);
            continue;
        }
        size_t index = index_read(raw, &i);
        if (c == '\x01' && index < writing->template->value_count)
            write_parameter(writing, index);
        else if (c == '\x04')
            write_source(writing, index);
        else if (c != '\x03' || index >= writing->template->predicate_count || !write_predicate(writing, index))
            return false;
    }
    return !writing->out->failed;
}

/* raw with its parameters; the text is copied into the arena. */
static bool text_finish(struct arena *arena, const struct kql_template *template, struct str raw,
                        const struct kql_binding *binding, struct str *sql, struct str **params, size_t *count) {
    BUF_AUTO out = BUF(QUERY_MAX_BYTES * 16);
    struct writing writing = {.arena = arena, .template = template, .binding = binding, .out = &out};
    size_t most = template->value_count + template->predicate_count + 1;
    writing.numbers = arena_array(arena, most, sizeof *writing.numbers);
    writing.params = arena_array(arena, most, sizeof *writing.params);
    if (!writing.numbers || !writing.params || !write_text(&writing, raw))
        return false;
    *sql = arena_copy(arena, buf_str(&out));
    *params = writing.params;
    *count = writing.count;
    return sql->ptr != NULL;
}

static const struct kql_binding unbound;

/* Predicates whose mark the text holds: those of lets that are bound and not used fall away. */
static bool predicates_list(struct kql *kql, struct kql_template *template, struct kql_program *program) {
    size_t *places = take(kql, template->predicate_count + 1, sizeof *places);
    program->predicates = take(kql, template->predicate_count + 1, sizeof *program->predicates);
    if (!places || !program->predicates)
        return false;
    for (size_t i = 0; i < template->predicate_count; i++)
        places[i] = SIZE_MAX;
    for (size_t at = 0; at < template->raw.len; at++) {
        if (template->raw.ptr[at] != '\x03')
            continue;
        size_t index = index_read(template->raw, &at);
        if (index >= template->predicate_count || places[index] != SIZE_MAX)
            continue;
        const struct predicate *from = &template->predicates[index];
        struct kql_predicate *to = &program->predicates[program->predicate_count];
        places[index] = program->predicate_count++;
        *to = (struct kql_predicate){.table = from->table, .slot = from->slot, .gate = from->gate,
                                     .needles = from->needles.items, .needle_count = from->needles.count};
        if (!text_finish(kql->arena, template, from->sql, &unbound, &to->sql, &to->params, &to->param_count))
            return false;
    }
    template->places = places;
    return true;
}

bool program_finish(struct kql *kql, struct str raw, struct kql_program *program) {
    struct kql_template *template = take(kql, 1, sizeof *template);
    if (!template)
        return false;
    *template = (struct kql_template){.raw = arena_copy(kql->arena, raw), .values = kql->params,
                                      .value_count = kql->param_count, .predicates = kql->predicates,
                                      .predicate_count = kql->predicate_count};
    program->template = template;
    for (size_t i = 0; i < raw.len; i++)
        program->sources += raw.ptr[i] == '\x04';
    return template->raw.ptr && predicates_list(kql, template, program) &&
           text_finish(kql->arena, template, template->raw, &unbound, &program->sql, &program->params, &program->param_count);
}

bool kql_program_bind(struct arena *arena, const struct kql_program *program, const struct kql_binding *binding,
                      struct str *sql, struct str **params, size_t *param_count, struct err *err) {
    return text_finish(arena, program->template, program->template->raw, binding, sql, params, param_count) ||
           err_memory(err);
}
