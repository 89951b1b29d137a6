/* Any bytes as a hunt file: read or refused with a reason, never worse. */
#include <stdint.h>
#include <stdlib.h>

#include "hunts/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *arena = arena_new(4 << 20);
    struct hunt hunt;
    struct err err = {0};
    if (!arena)
        return 0;
    bool ok = hunt_load(arena, (struct str){(const char *)data, size}, STR("fuzz.yaml"), &hunt, &err);
    if (ok ? hunt.id.len != 36 || hunt.query.len == 0 : err.code == ERR_NONE) abort();
    arena_free(arena);
    return 0;
}
