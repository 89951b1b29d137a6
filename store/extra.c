#include "store/extra.h"

#include "base/json.h"

enum { OBJECT_CAP = 16 << 20 };

static uint32_t hash_name(struct str name) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
    return hash ^ hash >> 15;
}

void extra_add(struct extra *extra, struct str name, struct str json) {
    uint32_t at = hash_name(name) % (2 * SCAN_MAX_KEYS);
    if (!extra->count)
        memset(extra->slots, 0, sizeof extra->slots);
    while (extra->slots[at] && !str_eq(extra->members[extra->slots[at] - 1].name, name))
        at = (at + 1) % (2 * SCAN_MAX_KEYS);
    if (!extra->slots[at]) {
        if (extra->count == SCAN_MAX_KEYS)
            return;
        extra->slots[at] = (uint16_t)++extra->count;
    }
    extra->members[extra->slots[at] - 1] = (struct extra_member){name, json};
}

bool extra_take(const struct extra *extra, struct arena *arena, struct str *object) {
    BUF_AUTO out = BUF(OBJECT_CAP);
    *object = (struct str){0};
    if (!extra->count)
        return true;
    for (size_t i = 0; i < extra->count; i++) {
        buf_add_char(&out, i ? ',' : '{');
        json_add_string(&out, extra->members[i].name);
        buf_add_char(&out, ':');
        buf_add_str(&out, extra->members[i].json);
    }
    buf_add_char(&out, '}');
    *object = out.failed ? (struct str){0} : arena_copy(arena, buf_str(&out));
    return object->ptr != NULL;
}
