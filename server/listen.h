/* HTTP by libmicrohttpd: guard, limits and deadlines, body in memory, then a handler. A few threads serve the API's sockets
 * (epoll) and answer what is in memory; handlers that may wait run on workers. Health and metrics are on a port of their
 * own, a thread a connection, so that a full house can't shut them out. Only this module includes
 * microhttpd.h. */
#pragma once
#include "handlers/service.h"
#include "server/config.h"

struct listener;

/* Closes connections at once; after listener_drain nothing is under way any more. */
void listener_close(struct listener *listener);
/* Opens both ports. service is borrowed and must outlive it. */
struct listener *listener_open(const struct config *config, struct service *service, struct err *err);
/* "http://127.0.0.1:8080" */
const char *listener_url(const struct listener *listener);
/* The same of health and metrics. */
const char *listener_admin_url(const struct listener *listener);
/* Accepts nothing more, answers what is under way, for at most limit_ms. False when some was left. */
bool listener_drain(struct listener *listener, int64_t limit_ms);
