/* A bounded memory of 64-bit keys seen lately: what it has was added, what it lacks may have been forgotten. Eight places
 * take the keys of one hash and the oldest falls out, so memory and cost don't grow. Any thread may call, without a lock. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct recent;
void recent_free(struct recent *recent);
/* bits: 2^bits keys at most, 8 bytes each; 3 to 30. */
OWNED_BY(recent_free) struct recent *recent_new(unsigned bits, struct err *err);
/* key: not 0. */
bool recent_has(const struct recent *recent, uint64_t key);
/* key: not 0. Of two threads that add at once, one may lose its key. */
void recent_add(struct recent *recent, uint64_t key);
void recent_clear(struct recent *recent);
