/* application/problem+json (RFC 9457) out of a struct err, with the member `error` that Azure clients read. The one place
 * where an error becomes an answer; logging it is for handlers/routes to do. */
#pragma once
#include "handlers/request.h"

/* Makes status, content type and body of reply from err. Faults of ours show no detail. Errors with a place in
 * request->source add line, column and an excerpt with a caret. */
void problem_reply(const struct request *request, struct reply *reply, const struct err *err);
/* The same with one more member at the end: name and raw JSON text. */
void problem_reply_with(const struct request *request, struct reply *reply, const struct err *err, const char *name,
                        const char *json);
