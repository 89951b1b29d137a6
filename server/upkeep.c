#include "server/upkeep.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"

enum { EVERY_MS = 60000, BUSY_MS = 5000 };

struct upkeep {
    struct service *service;
    struct retention retention;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    atomic_bool stop;
};

bool upkeep_settings(const struct config *config, struct retention *out, struct err *err) {
    *out = (struct retention){0};
    return config_timespan("retention", config->retention, &out->events, err) &&
           config_timespan("run-retention", config->run_retention, &out->runs, err) &&
           config_timespan("change-retention", config->change_retention, &out->changes, err) &&
           config_timespan("rejected-retention", config->rejected_retention, &out->rejected, err);
}

static void report_tell(struct service *service, const struct retention_report *report) {
    BUF_AUTO text = BUF(1024);
    for (int kind = 0; kind < RETENTION_COUNT; kind++) {
        atomic_fetch_add(&service->metrics.dropped[kind], report->dropped[kind]);
        if (report->dropped[kind])
            buf_printf(&text, "%s%" PRId64 " %s", text.len ? ", " : "", report->dropped[kind],
                       retention_name((enum retention_kind)kind));
    }
    atomic_fetch_add(&service->metrics.retention_turns, report->ours);
    if (text.len && buf_cstr(&text))
        log_line(LOG_INFO, "retention.dropped", "%s", text.ptr);
}

/* False when it is time to stop. */
static bool upkeep_wait(struct upkeep *upkeep, int64_t until_ms) {
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    pthread_mutex_lock(&upkeep->lock);
    while (!atomic_load(&upkeep->stop) && ms_left(until_ms) > 0)
        pthread_cond_timedwait(&upkeep->stopped, &upkeep->lock, &until);
    pthread_mutex_unlock(&upkeep->lock);
    return !atomic_load(&upkeep->stop);
}

static void *upkeep_thread(void *argument) {
    struct upkeep *upkeep = argument;
    struct retention_report report;
    do {
        struct err err = {0};
        if (!retention_pass(upkeep->service->db, &upkeep->retention, &upkeep->stop, &report, &err)) {
            atomic_fetch_add(&upkeep->service->metrics.retention_failures, 1);
            log_err("retention.failed", "", &err);
        }
        report_tell(upkeep->service, &report);
    } while (upkeep_wait(upkeep, mono_ms() + (report.busy ? BUSY_MS : EVERY_MS)));
    return NULL;
}

static void server_name(char *out, size_t size) {
    unsigned char random[16];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(out, size, random, sizeof random);
}

static void upkeep_free(struct upkeep *upkeep) {
    pthread_cond_destroy(&upkeep->stopped);
    pthread_mutex_destroy(&upkeep->lock);
    free(upkeep);
}

void upkeep_stop(struct upkeep *upkeep) {
    if (!upkeep)
        return;
    pthread_mutex_lock(&upkeep->lock);
    atomic_store(&upkeep->stop, true);
    pthread_cond_signal(&upkeep->stopped);
    pthread_mutex_unlock(&upkeep->lock);
    pthread_join(upkeep->thread, NULL);
    upkeep_free(upkeep);
}

struct upkeep *upkeep_start(struct service *service, const struct retention *retention, struct err *err) {
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    pthread_condattr_t monotonic;
    if (!upkeep) {
        err_memory(err);
        return NULL;
    }
    upkeep->service = service;
    upkeep->retention = *retention;
    server_name(upkeep->retention.server, sizeof upkeep->retention.server);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&upkeep->lock, NULL);
    pthread_cond_init(&upkeep->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&upkeep->thread, NULL, upkeep_thread, upkeep) == 0)
        return upkeep;
    upkeep_free(upkeep);
    err_set(err, ERR_OUT_OF_MEMORY, "no thread for dropping what is old");
    return NULL;
}
