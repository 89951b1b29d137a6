/* The private PostgreSQL of one data folder, for those who name no database: made on first start, reached through a
 * unix socket only, stopped with the server that owns its folder, or with the last of the tools that use it when one of
 * them started it. A server owns its folder alone; command-line tools join in. <data>/pg is PostgreSQL's, postgres.log
 * beside it is what it says. */
#pragma once
#include "base/err.h"

struct cluster;

/* Stops PostgreSQL when we own it, or a tool started it and nobody else uses it. NULL is fine. */
void cluster_close(struct cluster *cluster);
/* own: for a server, which holds <data>/server.lock; else attach, starting PostgreSQL only when it isn't running.
 * Takes up to a minute the first time. */
struct cluster *cluster_open(const char *data_dir, bool own, struct err *err);
/* Starts PostgreSQL again when it died; at once when it lives. One thread at a time, not beside cluster_close. False: it
 * didn't come back, for now. */
bool cluster_revive(struct cluster *cluster, struct err *err);
/* Of the database rmmhunt; valid until close. */
const char *cluster_conninfo(const struct cluster *cluster);
/* Process id of the postmaster, for tests. */
int cluster_pid(const struct cluster *cluster);
/* Whether a database was made in that folder before. */
bool cluster_made(const char *data_dir);
/* False: PostgreSQL's user can't get to that folder, choose another. */
bool cluster_reachable(const char *data_dir);
