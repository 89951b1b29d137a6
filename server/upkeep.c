#include "server/upkeep.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/worker.h"

enum { EVERY_MS = 60000, BUSY_MS = 5000 };

struct upkeep {
    struct service *service;
    struct retention retention;
    struct worker *worker;
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

static int upkeep_turn(void *context, const atomic_bool *stop) {
    struct upkeep *upkeep = context;
    struct retention_report report;
    struct err err = {0};
    if (!retention_pass(upkeep->service->db, &upkeep->retention, stop, &report, &err)) {
        atomic_fetch_add(&upkeep->service->metrics.retention_failures, 1);
        log_err("retention.failed", "", &err);
    }
    report_tell(upkeep->service, &report);
    return report.busy ? BUSY_MS : EVERY_MS;
}

void upkeep_stop(struct upkeep *upkeep) {
    if (!upkeep)
        return;
    worker_stop(upkeep->worker);
    free(upkeep);
}

struct upkeep *upkeep_start(struct service *service, const struct retention *retention, struct err *err) {
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (!upkeep) {
        err_memory(err);
        return NULL;
    }
    upkeep->service = service;
    upkeep->retention = *retention;
    upkeep->worker = worker_start(upkeep_turn, upkeep, 0, "dropping what is old", err);
    if (upkeep->worker)
        return upkeep;
    free(upkeep);
    return NULL;
}
