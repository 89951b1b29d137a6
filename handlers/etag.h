/* What a client already has (RFC 9110, 13.1.2), told by entity tags: base/etag makes them. Pure: knows neither the cache nor
 * what answers say. */
#pragma once
#include "handlers/request.h"

/* Whether If-None-Match names the tag, compared weakly, or any ("*"): then the answer is 304. */
bool etag_known(const struct request *request, struct str tag);
