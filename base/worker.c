#include "base/worker.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"

struct worker {
    int (*turn)(void *context, const atomic_bool *stop);
    void *context;
    int first_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    atomic_bool stop;
};

/* False when it is time to stop. */
static bool worker_wait(struct worker *worker, int64_t until_ms) {
    pthread_mutex_lock(&worker->lock);
    while (!atomic_load(&worker->stop) && cond_wait(&worker->stopped, &worker->lock, until_ms)) {
    }
    pthread_mutex_unlock(&worker->lock);
    return !atomic_load(&worker->stop);
}

static void *worker_thread(void *argument) {
    struct worker *worker = argument;
    int wait_ms = worker->first_ms;
    while (worker_wait(worker, mono_ms() + wait_ms))
        wait_ms = worker->turn(worker->context, &worker->stop);
    return NULL;
}

static void worker_free(struct worker *worker) {
    pthread_cond_destroy(&worker->stopped);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

void worker_stop(struct worker *worker) {
    if (!worker)
        return;
    pthread_mutex_lock(&worker->lock);
    atomic_store(&worker->stop, true);
    pthread_cond_signal(&worker->stopped);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}

struct worker *worker_start(int (*turn)(void *context, const atomic_bool *stop), void *context, int first_ms,
                            const char *what, struct err *err) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        err_memory(err);
        return NULL;
    }
    worker->turn = turn;
    worker->context = context;
    worker->first_ms = first_ms;
    pthread_mutex_init(&worker->lock, NULL);
    cond_init(&worker->stopped);
    if (pthread_create(&worker->thread, NULL, worker_thread, worker) == 0)
        return worker;
    worker_free(worker);
    err_set(err, ERR_OUT_OF_MEMORY, "no thread for %s", what);
    return NULL;
}
