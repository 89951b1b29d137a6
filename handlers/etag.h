/* What a client already has (RFC 9110, 13.1), told by entity tags: base/etag makes them. Pure: knows neither the cache
 * nor what answers say. */
#pragma once
#include "handlers/request.h"

/* Whether the header, If-None-Match or If-Match, names the tag, or any ("*"). Compared weakly in either: proxies that
 * compress make a tag weak, and who sends it back must not be refused for that. */
bool etag_named(const struct request *request, const char *header, struct str tag);
