/* The device groups of a body's rows: a small number for each name, so that a row needs two bytes for it. Owns copies of
 * the names. One thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { GROUPS_MAX = 1000, GROUPS_NAME_MAX = 256 }; /* bytes of a name: an index of rmm.days holds it */
#define GROUPS_OTHERS "(further groups)" /* the name of all beyond either: looking one up stays cheap */

struct groups {
    char **names;
    size_t count, last;
};

/* False when memory is out. */
bool groups_place(struct groups *groups, struct str name, uint16_t *place);
void groups_free(struct groups *groups);
