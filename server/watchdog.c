#include "server/watchdog.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/worker.h"

enum { LOOK_MS = 200 };

struct watched {
    int fd;
    bool cut;
    _Atomic int64_t deadline_ms;
    struct watched *next, *previous;
};

struct watchdog {
    pthread_mutex_t lock;
    struct worker *worker;
    struct watched *first;
    atomic_llong *cut;
};

static int look(void *context, const atomic_bool *stop) {
    struct watchdog *watchdog = context;
    int64_t now = mono_ms();
    (void)stop;
    pthread_mutex_lock(&watchdog->lock);
    for (struct watched *at = watchdog->first; at; at = at->next)
        if (!at->cut && atomic_load(&at->deadline_ms) <= now) {
            at->cut = true;
            shutdown(at->fd, SHUT_RDWR);
            atomic_fetch_add(watchdog->cut, 1);
        }
    pthread_mutex_unlock(&watchdog->lock);
    return LOOK_MS;
}

struct watchdog *watchdog_new(atomic_llong *cut) {
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    struct err err = {0};
    if (!watchdog)
        return NULL;
    watchdog->cut = cut;
    pthread_mutex_init(&watchdog->lock, NULL);
    watchdog->worker = worker_start(look, watchdog, LOOK_MS, "connections' deadlines", &err);
    if (watchdog->worker)
        return watchdog;
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
    return NULL;
}

void watchdog_free(struct watchdog *watchdog) {
    if (!watchdog)
        return;
    worker_stop(watchdog->worker);
    while (watchdog->first)
        watchdog_remove(watchdog, watchdog->first);
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
}

struct watched *watchdog_add(struct watchdog *watchdog, int fd, int64_t deadline_ms) {
    struct watched *watched = calloc(1, sizeof *watched);
    if (!watched)
        return NULL;
    watched->fd = fd;
    watched->deadline_ms = deadline_ms;
    pthread_mutex_lock(&watchdog->lock);
    watched->next = watchdog->first;
    if (watched->next)
        watched->next->previous = watched;
    watchdog->first = watched;
    pthread_mutex_unlock(&watchdog->lock);
    return watched;
}

void watchdog_set(struct watched *watched, int64_t deadline_ms) {
    atomic_store(&watched->deadline_ms, deadline_ms);
}

void watchdog_remove(struct watchdog *watchdog, struct watched *watched) {
    if (!watched)
        return;
    pthread_mutex_lock(&watchdog->lock);
    if (watched->next)
        watched->next->previous = watched->previous;
    if (watched->previous)
        watched->previous->next = watched->next;
    else
        watchdog->first = watched->next;
    pthread_mutex_unlock(&watchdog->lock);
    free(watched);
}
