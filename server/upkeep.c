#include "server/upkeep.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/worker.h"
#include "store/compact.h"

enum { EVERY_MS = 60000, BUSY_MS = 5000, FIRST_MS = 3000, FAILED_MS = 600000, MAX_QUIET = 30 * 86400 };

struct upkeep {
    struct service *service;
    struct retention retention;
    struct compaction *compaction; /* NULL: never */
    struct worker *dropper, *compactor;
};

bool upkeep_settings(const struct config *config, struct upkeep_settings *out, struct err *err) {
    struct retention *retention = &out->retention;
    long long seconds = 0;
    *out = (struct upkeep_settings){0};
    bool ok = config_timespan("retention", config->retention, &retention->events, err) &&
              config_timespan("run-retention", config->run_retention, &retention->runs, err) &&
              config_timespan("change-retention", config->change_retention, &retention->changes, err) &&
              config_timespan("rejected-retention", config->rejected_retention, &retention->rejected, err) &&
              config_number("compact-seconds", config->compact_seconds, 0, MAX_QUIET, &seconds, err);
    out->quiet = seconds * TICKS_SECOND;
    return ok;
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

static int drop_turn(void *context, const atomic_bool *stop) {
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

static void compact_tell(struct metrics *metrics, const struct compact_report *report) {
    atomic_fetch_add(&metrics->compacted, report->indexes);
    atomic_fetch_add(&metrics->compact_freed, report->freed_bytes);
    atomic_fetch_add(&metrics->compact_ms, report->ms);
    if (report->indexes)
        log_line(LOG_INFO, "compact.done", "%" PRId64 " indexes of past days, %" PRId64 " KB smaller, in %" PRId64 " ms",
                 report->indexes, report->freed_bytes / 1024, report->ms);
}

/* What failed has built an index for nothing: not again at once. */
static int compact_turn(void *context, const atomic_bool *stop) {
    struct upkeep *upkeep = context;
    struct metrics *metrics = &upkeep->service->metrics;
    struct compact_report report;
    struct err err = {0};
    bool ok = compaction_pass(upkeep->compaction, stop, &report, &err);
    compact_tell(metrics, &report);
    if (ok) {
        atomic_fetch_add(&metrics->compact_turns, report.ours && !report.left);
        return report.left ? BUSY_MS : EVERY_MS;
    }
    if (err.code != ERR_CANCELLED) {
        atomic_fetch_add(&metrics->compact_failures, 1);
        log_err("compact.failed", "", &err);
    }
    return FAILED_MS;
}

static void upkeep_end(struct upkeep *upkeep) {
    if (upkeep->compaction)
        compaction_cancel(upkeep->compaction);
    worker_stop(upkeep->compactor);
    worker_stop(upkeep->dropper);
    compaction_free(upkeep->compaction);
    free(upkeep);
}

void upkeep_stop(struct upkeep *upkeep) {
    if (upkeep)
        upkeep_end(upkeep);
}

static bool compactor_start(struct upkeep *upkeep, int64_t quiet, struct err *err) {
    if (!quiet)
        return true;
    upkeep->compaction = compaction_new(upkeep->service->db, quiet, err);
    upkeep->compactor = upkeep->compaction ? worker_start(compact_turn, upkeep, FIRST_MS, "making indexes smaller", err) : NULL;
    return upkeep->compactor != NULL;
}

struct upkeep *upkeep_start(struct service *service, const struct upkeep_settings *settings, struct err *err) {
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (!upkeep) {
        err_memory(err);
        return NULL;
    }
    upkeep->service = service;
    upkeep->retention = settings->retention;
    upkeep->dropper = worker_start(drop_turn, upkeep, 0, "dropping what is old", err);
    if (upkeep->dropper && compactor_start(upkeep, settings->quiet, err))
        return upkeep;
    upkeep_end(upkeep);
    return NULL;
}
