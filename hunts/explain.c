#include "hunts/explain.h"

#include "base/json.h"
#include "store/schema_sync.h"

const char *explain_way(const struct kql_program *program, const struct kql_predicate *predicate) {
    bool gate = predicate->gate && program->empty_without_events;
    if (!schema_slot_is_indexed(predicate->slot))
        return "decided once a value; events of the window are then filtered by the value's id, without an index";
    return gate ? "decided once a value; events come by an index on the value's id, and a run leaves the hunt out when no "
                  "such value occurs in the window"
                : "decided once a value; events come by an index on the value's id where the planner finds that cheaper";
}

static void add_predicate(struct buf *out, const struct kql_program *program, const struct kql_predicate *predicate) {
    json_add_comma(out);
    buf_add_str(out, STR("{\"table\":"));
    json_add_string(out, str_from(predicate->table->name));
    json_add_string_member(out, "slot", str_from(predicate->slot->sql));
    json_add_string_member(out, "dictionary", str_from(schema_dictionary(predicate->slot->dictionary)->name));
    json_add_string_member(out, "condition", predicate->sql);
    json_add_key(out, "words");
    buf_add_char(out, '[');
    for (size_t i = 0; i < predicate->needle_count; i++) {
        json_add_comma(out);
        json_add_string(out, predicate->needles[i]);
    }
    buf_add_char(out, ']');
    json_add_string_member(out, "way", str_from(explain_way(program, predicate)));
    buf_add_char(out, '}');
}

void explain_add_predicates(struct buf *out, const struct kql_program *program) {
    json_add_key(out, "predicates");
    buf_add_char(out, '[');
    for (size_t i = 0; i < program->predicate_count; i++)
        add_predicate(out, program, &program->predicates[i]);
    buf_add_char(out, ']');
    json_add_key(out, "skipped_without_events");
    buf_add_str(out, program->empty_without_events ? STR("true") : STR("false"));
}
