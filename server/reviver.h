/* A thread that looks after the private PostgreSQL: one that was killed is started again within a second or two. */
#pragma once
#include "base/attr.h"
#include "store/cluster.h"

struct reviver;
void reviver_stop(struct reviver *reviver); /* before cluster_close; NULL is fine */
OWNED_BY(reviver_stop) struct reviver *reviver_start(struct cluster *cluster, struct err *err);
