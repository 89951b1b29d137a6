/* The entity tag of an answer: a digest of its very bytes (strong, RFC 9110 8.8.1 and 8.8.3), so that the same bytes have
 * the same tag whoever made them. Matching it with what a client knows is handlers/etag's. No state, any thread. */
#pragma once
#include "base/str.h"

enum { ETAG_TEXT = 35 }; /* 32 hex digits in quotes, and NUL */

void etag_write(char out[ETAG_TEXT], struct str body);
