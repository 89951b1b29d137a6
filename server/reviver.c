#include "server/reviver.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

enum { LOOK_MS = 1000 };

struct reviver {
    struct cluster *cluster;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
};

static bool wait_a_moment(struct reviver *reviver) {
    int64_t until_ms = mono_ms() + LOOK_MS;
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    pthread_mutex_lock(&reviver->lock);
    while (!reviver->stopping && pthread_cond_timedwait(&reviver->changed, &reviver->lock, &until) == 0) {
    }
    bool go_on = !reviver->stopping;
    pthread_mutex_unlock(&reviver->lock);
    return go_on;
}

static void *reviver_thread(void *argument) {
    struct reviver *reviver = argument;
    while (wait_a_moment(reviver)) {
        struct err err = {0};
        if (!cluster_revive(reviver->cluster, &err))
            log_err("cluster.revive", "", &err);
    }
    return NULL;
}

static void reviver_free(struct reviver *reviver) {
    pthread_cond_destroy(&reviver->changed);
    pthread_mutex_destroy(&reviver->lock);
    free(reviver);
}

void reviver_stop(struct reviver *reviver) {
    if (!reviver)
        return;
    pthread_mutex_lock(&reviver->lock);
    reviver->stopping = true;
    pthread_cond_signal(&reviver->changed);
    pthread_mutex_unlock(&reviver->lock);
    pthread_join(reviver->thread, NULL);
    reviver_free(reviver);
}

struct reviver *reviver_start(struct cluster *cluster, struct err *err) {
    struct reviver *reviver = calloc(1, sizeof *reviver);
    pthread_condattr_t monotonic;
    if (!reviver) {
        err_memory(err);
        return NULL;
    }
    reviver->cluster = cluster;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&reviver->lock, NULL);
    pthread_cond_init(&reviver->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&reviver->thread, NULL, reviver_thread, reviver) == 0)
        return reviver;
    reviver_free(reviver);
    err_set(err, ERR_OUT_OF_MEMORY, "no thread to look after PostgreSQL");
    return NULL;
}
