/* Requests that a command answers itself, by the handlers of the API, without a server. One thread. */
#pragma once
#include <jansson.h>

#include "handlers/routes.h"
#include "handlers/service.h"
#include "server/database.h"

struct call {
    struct database database;
    struct service service;
    struct request request;
    struct reply reply;
};

/* The database with its schema and catalogue up to date. call_close it in either case. */
bool call_open(struct call *call, enum database_use use, struct err *err);
void call_close(struct call *call);
/* One request as the server would answer it, with one query parameter: its reply in call->reply, whose body the caller
 * frees. id: of the path, or NULL. */
bool call_ask(struct call *call, route_handler *handler, const char *id, const char *name, const char *value,
              struct err *err);
/* The same on stdout: a list as a table, or an object: its members as lines on a terminal, else JSON. */
bool call_show(struct call *call, route_handler *handler, const char *id, bool list, struct err *err);
/* An object as the answer to one. */
bool call_show_with(struct call *call, route_handler *handler, const char *id, const json_t *body, struct err *err);
