#include "store/groups.h"

#include <stdlib.h>

static bool is_name(const struct groups *groups, size_t place, struct str name) {
    return str_eq(str_from(groups->names[place]), name);
}

static bool name_add(struct groups *groups, struct str name) {
    if (!groups->names)
        groups->names = calloc(GROUPS_MAX + 1, sizeof *groups->names);
    if (!groups->names)
        return false;
    if (groups->count == GROUPS_MAX)
        name = STR(GROUPS_OTHERS);
    groups->names[groups->count] = strndup(name.len ? name.ptr : "", name.len);
    return groups->names[groups->count] && ++groups->count;
}

bool groups_place(struct groups *groups, struct str name, uint16_t *place) {
    size_t at = 0;
    if (name.len > GROUPS_NAME_MAX)
        name = STR(GROUPS_OTHERS);
    if (groups->count && is_name(groups, groups->last, name)) {
        *place = (uint16_t)groups->last;
        return true;
    }
    while (at < groups->count && at < GROUPS_MAX && !is_name(groups, at, name))
        at++;
    if (at == groups->count && !name_add(groups, name))
        return false;
    groups->last = at;
    *place = (uint16_t)at;
    return true;
}

void groups_free(struct groups *groups) {
    for (size_t i = 0; i < groups->count; i++)
        free(groups->names[i]);
    free(groups->names);
    *groups = (struct groups){0};
}
