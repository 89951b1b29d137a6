/* Strong entity tags (RFC 9110, 8.8.3 and 13.1.2) of an answer's very bytes, so that each format has its own. Pure: knows
 * neither the cache nor what answers say. */
#pragma once
#include "handlers/request.h"

enum { ETAG_TEXT = 35 }; /* 32 hex digits in quotes, and NUL */

void etag_write(char out[ETAG_TEXT], struct str body);
/* Whether If-None-Match names the tag, compared weakly, or any ("*"): then the answer is 304. */
bool etag_known(const struct request *request, struct str tag);
