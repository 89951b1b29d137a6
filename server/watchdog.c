#include "server/watchdog.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"

enum { LOOK_MS = 200 };

struct watched {
    int fd;
    bool cut;
    _Atomic int64_t deadline_ms;
    struct watched *next, *previous;
};

struct watchdog {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool stop;
    struct watched *first;
    atomic_llong *cut;
};

static void look(struct watchdog *watchdog) {
    int64_t now = mono_ms();
    for (struct watched *at = watchdog->first; at; at = at->next)
        if (!at->cut && atomic_load(&at->deadline_ms) <= now) {
            at->cut = true;
            shutdown(at->fd, SHUT_RDWR);
            atomic_fetch_add(watchdog->cut, 1);
        }
}

static void *watch(void *argument) {
    struct watchdog *watchdog = argument;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&watchdog->wake, &watchdog->lock, &until);
        look(watchdog);
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

struct watchdog *watchdog_new(atomic_llong *cut) {
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    pthread_condattr_t attributes;
    if (!watchdog)
        return NULL;
    watchdog->cut = cut;
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!pthread_create(&watchdog->thread, NULL, watch, watchdog))
        return watchdog;
    free(watchdog);
    return NULL;
}

void watchdog_free(struct watchdog *watchdog) {
    if (!watchdog)
        return;
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stop = true;
    pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    while (watchdog->first)
        watchdog_remove(watchdog, watchdog->first);
    pthread_cond_destroy(&watchdog->wake);
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
