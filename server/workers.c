#include "server/workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"

enum { STACK = 512 * 1024, IDLE_MS = 10000 };

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t given, ended;
    struct work *first, **last;
    unsigned threads, idle, waiting, most;
    bool finishing;
};

struct workers *workers_open(unsigned most) {
    struct workers *workers = calloc(1, sizeof *workers);
    if (!workers)
        return NULL;
    workers->most = most;
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    cond_init(&workers->given);
    cond_init(&workers->ended);
    return workers;
}

/* The next work, or NULL when the thread is to end: nothing came for long, or all is over. */
static struct work *work_take(struct workers *workers) {
    int64_t until_ms = mono_ms() + IDLE_MS;
    workers->idle++;
    while (!workers->first && !workers->finishing && ms_left(until_ms) > 0)
        cond_wait(&workers->given, &workers->lock, until_ms);
    workers->idle--;
    struct work *work = workers->first;
    if (work) {
        workers->first = work->next;
        workers->last = workers->first ? workers->last : &workers->first;
        workers->waiting--;
    }
    return work;
}

static void *worker(void *argument) {
    struct workers *workers = argument;
    pthread_mutex_lock(&workers->lock);
    for (struct work *work; (work = work_take(workers)) != NULL;) {
        pthread_mutex_unlock(&workers->lock);
        work->run(work);
        pthread_mutex_lock(&workers->lock);
    }
    workers->threads--;
    pthread_cond_signal(&workers->ended);
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static bool thread_start(struct workers *workers) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, worker, workers) == 0;
    pthread_attr_destroy(&attributes);
    workers->threads += started;
    return started;
}

bool workers_give(struct workers *workers, struct work *work) {
    pthread_mutex_lock(&workers->lock);
    bool enough = workers->idle > workers->waiting || workers->threads >= workers->most;
    bool taken = !workers->finishing && (enough || thread_start(workers) || workers->threads > 0);
    if (taken) {
        work->next = NULL;
        *workers->last = work;
        workers->last = &work->next;
        workers->waiting++;
        pthread_cond_signal(&workers->given);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}

void workers_finish(struct workers *workers) {
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->finishing = true;
    pthread_cond_broadcast(&workers->given);
    while (workers->threads)
        pthread_cond_wait(&workers->ended, &workers->lock);
    pthread_mutex_unlock(&workers->lock);
}

void workers_free(struct workers *workers) {
    if (!workers)
        return;
    pthread_cond_destroy(&workers->given);
    pthread_cond_destroy(&workers->ended);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
