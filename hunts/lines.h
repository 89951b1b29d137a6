/* The tolerant reader behind hunts/loader: hunt files that YAML refuses, read line by line. Finds the known top-level keys
 * of the Sentinel hunting-query format whatever the indentation between them has become, and their texts. Knows no KQL. */
#pragma once
#include "hunts/hunt.h"

/* Fills the hunt's texts (without id checks or derived names) from bytes that are valid UTF-8. The shape becomes
 * HUNT_CARD, HUNT_FLATTENED or HUNT_MISINDENTED. id_line: line of the id, 0 without one. False only when no known key was
 * found (ERR_UNPROCESSABLE) or memory is out. */
bool lines_read(struct arena *arena, struct str bytes, struct hunt *hunt, size_t *id_line, struct err *err);
