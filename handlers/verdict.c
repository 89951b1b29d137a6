#include "handlers/verdict.h"

#include "base/str.h"

static bool is_word(const json_t *result, const char *member, const char *word) {
    const json_t *value = json_object_get(result, member);
    return json_is_string(value) && !strcmp(json_string_value(value), word);
}

const json_t *verdict_word(const json_t *result) {
    const json_t *verdict = json_object_get(result, "verdict");
    return verdict ? verdict : json_object_get(result, "state");
}

/* Of a hunt that failed, or that its run didn't come to. */
static struct str failure_text(struct arena *arena, const json_t *result) {
    const char *state = json_string_value(json_object_get(result, "state"));
    const char *message = json_string_value(json_object_get(json_object_get(result, "error"), "message"));
    return arena_printf(arena, "%s: %s", state, message ? message : "no result");
}

/* Of the tables without events in the window; all: of all that were read. "" when there are none. */
static struct str no_data_text(struct arena *arena, const json_t *result, bool all) {
    struct str tables = STR("");
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(result, "freshness"), name, value) {
        if (all || json_is_false(json_object_get(value, "has_events")))
            tables = arena_printf(arena, "%.*s%s%s", STR_ARG(tables), tables.len ? ", " : "", name);
    }
    return tables.len ? arena_printf(arena, "no data in %.*s in this window", STR_ARG(tables)) : tables;
}

static struct str data_text(struct arena *arena, const json_t *result) {
    if (is_word(result, "verdict", "no_data"))
        return no_data_text(arena, result, true);
    struct str blind = no_data_text(arena, result, false);
    if (!is_word(result, "verdict", "no_hits"))
        return blind;
    return blind.len ? arena_printf(arena, "no hits; %.*s", STR_ARG(blind)) : STR("no hits");
}

struct str verdict_text(struct arena *arena, const json_t *result) {
    if (json_object_get(result, "state") && !is_word(result, "state", "succeeded"))
        return failure_text(arena, result);
    struct str text = data_text(arena, result);
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(result, "warnings"), i, warning) {
        if (is_word(warning, "code", "events_deleted"))
            text = arena_printf(arena, "%.*s%s%s", STR_ARG(text), text.len ? "; " : "",
                                json_string_value(json_object_get(warning, "message")));
    }
    return text;
}

bool verdict_is_note(struct str text) {
    return text.len && !str_eq(text, STR("no hits"));
}

/* Among several a hunt that failed is named. */
static struct str line_text(struct arena *arena, const json_t *result, bool several) {
    struct str text = verdict_text(arena, result);
    const char *slug = json_string_value(json_object_get(json_object_get(result, "hunt"), "slug"));
    return several && slug && text.ptr && is_word(result, "state", "failed")
               ? arena_printf(arena, "%s %.*s", slug, STR_ARG(text))
               : text;
}

void verdict_add_lines(struct buf *out, struct arena *arena, const json_t *results) {
    size_t count = json_array_size(results);
    struct str *texts = arena_array(arena, count + 1, sizeof *texts);
    out->failed |= !texts;
    for (size_t i = 0; texts && i < count; i++) {
        texts[i] = line_text(arena, json_array_get(results, i), count > 1);
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
        if (count > 1 && !is_word(json_array_get(results, i), "state", "failed"))
            buf_printf(out, ": %zu hunt%s", same, same == 1 ? "" : "s");
        buf_add_char(out, '\n');
    }
}
