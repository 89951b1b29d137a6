/* Refuses requests that libmicrohttpd 0.9.75 would let through and that two servers could read in two ways: doubled or
 * contradicting lengths, broken header names, escapes that get cut. Runs before anything of the request is used; a
 * refused one ends its connection. Knows nothing of libmicrohttpd: headers come as pairs, so that tests can feed it. */
#pragma once
#include "handlers/request.h"

struct guard_input {
    struct str version; /* "HTTP/1.1" */
    struct str method, target;
    const struct pair *headers;
    size_t header_count;
};

/* False with ERR_BAD_REQUEST. RFC 9112 sections 3.2, 5.1, 6.1, 6.3; RFC 9110 section 5.6.2. */
bool guard_check(const struct guard_input *input, struct err *err);
