/* Answers with an entity tag: what GET gives is compressed for who takes that, and 304 for who has it already. Answers
 * about devices, which are polled, are kept (handlers/cache.h) by path, query, form and minute, as they tell states as
 * of a minute. One thread a request. */
#pragma once
#include "handlers/finished.h"
#include "handlers/request.h"
#include "handlers/routes.h"

/* The answer by the route's handler, or out of the cache; with its tag when it is a GET's of what keys may read. */
bool tagged_answer(struct request *request, struct reply *reply, struct err *err);
/* Answers out of the cache; false when the route's answers aren't kept, or this one isn't. Never waits. */
bool tagged_kept(struct request *request, struct reply *reply);
/* The reply's body in the form and encoding that the request asked for; the body is given up. NULL with err. */
struct finished *tagged_finish(const struct request *request, struct reply *reply, struct str source, struct err *err);
/* The reply is this, which it holds from now on, or 304. */
void tagged_send(const struct request *request, struct reply *reply, struct finished *finished);
/* Before a change: ERR_CHANGED unless If-Match is absent or names what the handler of GET answers now. */
bool tagged_match(struct request *request, route_handler *get, struct err *err);
