/* One request on its way through libmicrohttpd: guard, route, body under its limits, handler, answer. Made when the
 * request line has been read, freed when the answer is sent. One thread at a time: a socket's
 * and, while libmicrohttpd has the connection suspended, a worker's. For server/ only: the one header beside listen.c that
 * knows libmicrohttpd. */
#pragma once
#include <microhttpd.h>

#include "handlers/service.h"
#include "server/pace.h"
#include "server/watchdog.h"
#include "server/workers.h"

enum { CONNECTION_MEMORY = 48 * 1024 }; /* bytes of a connection's request line and headers */

/* What a daemon's callbacks get. */
struct port {
    struct service *service;
    struct watchdog *watchdog;
    struct workers *workers; /* for handlers; NULL: they run on the connection's own thread */
    struct pace pace;        /* of its threads, when handlers have workers */
    bool admin; /* health and metrics only */
    int64_t header_ms, request_ms;
};

/* Callbacks of libmicrohttpd; cls is a struct port. */
void *exchange_begin(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **state);
void exchange_end(void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code);
void exchange_connection(void *cls, struct MHD_Connection *connection, void **socket_state,
                         enum MHD_ConnectionNotificationCode code);
