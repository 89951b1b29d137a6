/* Any bytes as one record, judged beside jansson: what one takes for JSON the other must too. Deliberate differences:
 * ours keeps numbers as text (jansson refuses those over 64 bits or a double), stops at 64 levels, judges the columns,
 * and refuses a NUL byte anywhere (jansson skips one behind a number). */
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#include "store/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned depth_of(const json_t *value) {
    unsigned deepest = 0;
    if (json_is_object(value))
        for (void *at = json_object_iter((json_t *)(uintptr_t)value); at;
             at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
            unsigned depth = depth_of(json_object_iter_value(at));
            deepest = depth > deepest ? depth : deepest;
        }
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        unsigned depth = depth_of(json_array_get(value, i));
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static void judge(const json_t *tree, const json_error_t *reason, bool ok, enum err_code code) {
    bool syntax = code == ERR_BAD_JSON || code == ERR_BAD_UTF8;
    if (!tree && ok && json_error_code(reason) != json_error_numeric_overflow)
        abort();
    if (tree && json_is_object(tree) && syntax)
        abort();
    if (tree && code == ERR_TOO_DEEP && depth_of(tree) <= 64)
        abort();
    if (tree && ok && (!json_is_object(tree) || depth_of(tree) > 66))
        abort();
    if (!ok && (code == ERR_NONE || err_status(code) != 422))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    struct err err = {0};
    struct event event;
    json_error_t reason;
    if (!started)
        schema_init();
    started = true;
    if (!size)
        return 0;
    struct arena *arena = arena_new(16 << 20);
    char *copy = malloc(size); /* so that one byte past the record is seen */
    if (!arena || !copy) {
        arena_free(arena);
        free(copy);
        return 0;
    }
    memcpy(copy, data, size);
    const struct schema_table *table = schema_table_find(STR("DeviceProcessEvents"));
    bool ok = event_decode(table, (struct str){copy, size}, arena, &event, &err);
    json_t *tree = json_loadb(copy, size, JSON_DECODE_ANY, &reason);
    bool nul = memchr(copy, '\0', size) != NULL;
    if (ok && nul)
        abort();
    if (!nul)
        judge(tree, &reason, ok, ok ? ERR_NONE : err.code);
    json_decref(tree);
    if (ok && event.extra.len) {
        tree = json_loadb(event.extra.ptr, event.extra.len, 0, &reason);
        if (!tree && json_error_code(&reason) != json_error_numeric_overflow)
            abort();
        json_decref(tree);
    }
    free(copy);
    arena_free(arena);
    return 0;
}
