/* Every handler, declared from the list of routes. A handler parses, calls one module below, builds the reply; false
 * with *err makes a problem document. */
#pragma once
#include "handlers/request.h"

#define ROUTE(method, pattern, body, scope, handler, parameters, title)                                                \
    bool handler(struct request *request, struct reply *reply, struct err *err);
#include "handlers/routes.def"
#undef ROUTE
