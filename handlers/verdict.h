/* What a result without devices means, in words, for formats that show nothing but lines: "no data" must not look like "no
 * hits". Works on stored result bodies. */
#pragma once
#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"

/* True for a result whose tables have no event in its window. */
bool verdict_is_no_data(const json_t *result);
/* "no data in DeviceProcessEvents in this window", "no hits", or "" for a result with hits; ptr NULL past
 * the arena's cap. */
struct str verdict_text(struct arena *arena, const json_t *result);
/* A line for each text that some of the results have, with how many hunts it is about when there are several. */
void verdict_add_lines(struct buf *out, struct arena *arena, const json_t *results);
