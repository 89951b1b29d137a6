/* What a result without devices means, in words, for formats that show nothing but lines: "no data", "cancelled" and
 * "failed" must not look like "no hits". Works on stored result bodies. */
#pragma once
#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"

/* One word: hits, no_hits, no_data; the state of a hunt that gave no result; NULL: of an answer that has neither. */
const json_t *verdict_word(const json_t *result);
/* "no data in DeviceProcessEvents in this window", "cancelled: …", "failed: …", "no hits", or "" where the lines say it
 * all; ptr NULL past the arena's cap. */
struct str verdict_text(struct arena *arena, const json_t *result);
/* Whether that text must be told even where a hunt without hits needs no line. */
bool verdict_is_note(struct str text);
/* A line for each text that some of the results have, with how many hunts it is about when there are several; for
 * each of several that failed one with its name. */
void verdict_add_lines(struct buf *out, struct arena *arena, const json_t *results);
