/* The private cluster's place on disk: which folder, which binaries, initdb, the settings. Knows nothing of whether it
 * runs. */
#pragma once
#include "store/process.h"

enum { CLUSTER_PATH = 512 };

struct cluster_place {
    struct process_user user;
    char data[CLUSTER_PATH];    /* ours: absolute */
    char pg[CLUSTER_PATH];      /* PostgreSQL's data folder */
    char sockets[CLUSTER_PATH]; /* folder of the unix socket, 0700 */
    char log[CLUSTER_PATH];
    char bin[CLUSTER_PATH]; /* folder of initdb and postgres */
};

/* Makes and opens the folders, but for the socket's. */
bool cluster_place_open(const char *data_dir, struct cluster_place *place, struct err *err);
/* The socket's folder, which goes when PostgreSQL stops: call with the start lock held. */
bool cluster_place_sockets(struct cluster_place *place, struct err *err);
/* True when PostgreSQL's user (postgres where we are root) can get to the folder, or to the nearest one above it that
 * exists. */
bool cluster_place_reachable(const char *data_dir);
/* Finds the binaries, makes the cluster unless it is there, and writes its settings. Call with the start lock held. */
bool cluster_place_prepare(struct cluster_place *place, struct err *err);
