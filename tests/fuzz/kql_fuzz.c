/* Any text into the compiler, lenient and strict: an answer or an error with its place, never a crash. */
#include "kql/kql.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct str query = {(const char *)data, size};
    for (int strict = 0; strict < 2; strict++) {
        struct kql_options options = {.strict = strict, .now = INT64_C(639199803770463703), .from = -1, .to = -1};
        struct err err = {0};
        struct arena *arena = arena_new(64u << 20);
        schema_init();
        if (arena && !kql_compile(arena, query, &options, &err) && err.code == ERR_NONE)
            __builtin_trap();
        arena_free(arena);
    }
    return 0;
}
