/* The thread that looks after the private PostgreSQL: one that was killed is started again within a second or two.
 * worker_stop it before cluster_close. */
#pragma once
#include "base/worker.h"
#include "store/cluster.h"

OWNED_BY(worker_stop) struct worker *reviver_start(struct cluster *cluster, struct err *err);
