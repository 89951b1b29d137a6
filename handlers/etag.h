/* Strong entity tags (RFC 9110, 8.8.3 and 13.1.2) of a reply's very bytes, so that each format has its own. */
#pragma once
#include "handlers/request.h"

/* Adds ETag, Cache-Control and Vary to a finished reply; makes it 304 without a body when If-None-Match names the tag. */
void etag_apply(struct request *request, struct reply *reply);
