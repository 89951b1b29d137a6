/* Which hunts a run or a schedule is about, as JSON: {"hunts":[…]}, {"tool":"…"} or {"all":true}. Whether such hunts
 * are there is for hunts/queue to say. */
#pragma once
#include <jansson.h>

#include "hunts/runner.h"

/* Other members are passed over; those that are null aren't there. *field names the one that is wrong. */
bool selection_parse(struct arena *arena, const json_t *root, struct run_request *request, const char **field,
                     struct err *err);
/* The request's selection as such an object. */
void selection_add(struct buf *out, const struct run_request *request);
