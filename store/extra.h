/* A record's unknown columns on their way to one JSON object, in which each name stands once. Large enough for the most
 * members that a record may have, so it never allocates before the end; one a decoding, on the stack. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "store/scan.h"

struct extra_member {
    struct str name, json;
};

/* Start with count 0; the rest need not be set. */
struct extra {
    size_t count;
    struct extra_member members[SCAN_MAX_KEYS];
    uint16_t slots[2 * SCAN_MAX_KEYS]; /* by hash of the name: place + 1, 0: free */
};

/* name and json (a valid value) are borrowed until extra_take. A name that was there gets the new value: of members with
 * one name the last counts, as with most readers of JSON (RFC 8259, 4). At most SCAN_MAX_KEYS; more are dropped, so the
 * caller counts. */
void extra_add(struct extra *extra, struct str name, struct str json);
/* The object, in the arena: len 0 when nothing was added. False when memory is out. */
bool extra_take(const struct extra *extra, struct arena *arena, struct str *object);
