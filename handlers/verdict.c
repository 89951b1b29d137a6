#include "handlers/verdict.h"

#include "base/str.h"

static bool is_verdict(const json_t *result, const char *verdict) {
    const json_t *member = json_object_get(result, "verdict");
    return json_is_string(member) && !strcmp(json_string_value(member), verdict);
}

bool verdict_is_no_data(const json_t *result) {
    return is_verdict(result, "no_data");
}

struct str verdict_text(struct arena *arena, const json_t *result) {
    struct str tables = STR("");
    const char *name;
    const json_t *value;
    if (!verdict_is_no_data(result))
        return is_verdict(result, "no_hits") ? STR("no hits") : STR("");
    json_object_foreach((json_t *)(uintptr_t)json_object_get(result, "freshness"), name, value) {
        tables = arena_printf(arena, "%.*s%s%s", STR_ARG(tables), tables.len ? ", " : "", name);
        (void)value;
    }
    return arena_printf(arena, "no data in %.*s in this window", STR_ARG(tables));
}

void verdict_add_lines(struct buf *out, struct arena *arena, const json_t *results) {
    size_t count = json_array_size(results);
    struct str *texts = arena_array(arena, count + 1, sizeof *texts);
    out->failed |= !texts;
    for (size_t i = 0; texts && i < count; i++) {
        texts[i] = verdict_text(arena, json_array_get(results, i));
        out->failed |= !texts[i].ptr;
    }
    for (size_t i = 0; texts && i < count; i++) {
        size_t same = 0;
        bool first = true;
        for (size_t k = 0; k < count; k++) {
            first = first && (k >= i || !str_eq(texts[k], texts[i]));
            same += str_eq(texts[k], texts[i]);
        }
        if (!texts[i].len || !first)
            continue;
        buf_add_str(out, texts[i]);
        if (count > 1)
            buf_printf(out, ": %zu hunt%s", same, same == 1 ? "" : "s");
        buf_add_char(out, '\n');
    }
}
