/* What the routes that take events in share: storing a body and answering for it. The status contract with senders: 200
 * only behind the COMMIT; 422 and 4xx mean nothing is stored; 429 and 503 ask for the same bytes again, 503 says whether
 * the outcome is known. */
#pragma once
#include "handlers/request.h"
#include "store/ingest.h"

struct intake {
    struct reader_options options;
    struct zone zone; /* options.zone points here once intake_zone was called */
    bool atomic, unknown;
    struct ingest_result *result; /* in the request's arena */
};

/* Room for the result. */
bool intake_init(struct request *request, struct intake *intake, struct err *err);
/* The zone of CSV's local times by its name. */
bool intake_zone(struct request *request, struct str name, struct intake *intake, struct err *err);
/* ingest_body under the request's deadline, counted in the metrics. */
bool intake_store(struct request *request, struct intake *intake, struct str body, struct err *err);
/* The answer behind a COMMIT. */
void intake_write(const struct request *request, const struct intake *intake, struct buf *out);
/* The answer when intake_store, or what came before it, failed: a problem that tells which records were bad. */
void intake_fail(struct request *request, struct reply *reply, const struct intake *intake, const struct err *err);
