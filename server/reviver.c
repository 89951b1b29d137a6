#include "server/reviver.h"

#include "base/log.h"

enum { LOOK_MS = 1000 };

static int look(void *context, const atomic_bool *stop) {
    struct err err = {0};
    (void)stop;
    if (!cluster_revive(context, &err))
        log_err("cluster.revive", "", &err);
    return LOOK_MS;
}

struct worker *reviver_start(struct cluster *cluster, struct err *err) {
    return worker_start(look, cluster, LOOK_MS, "looking after PostgreSQL", err);
}
