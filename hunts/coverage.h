/* What the answers rest on: which devices report and which went silent, what came late, what was rejected, which hunts
 * can't find anything for want of data, and what nobody can know. From counts that ingest keeps; events are looked at for
 * the devices of one day only. */
#pragma once
#include "base/buf.h"
#include "kql/schema.h"
#include "store/db.h"

struct coverage_request {
    const struct schema_table *table; /* NULL: all */
    struct str group;                 /* device group; ptr NULL: all */
    int64_t look_back;                /* ticks: devices and rows since the start of the day that far back */
    int64_t silent;                   /* ticks: a device that sent nothing for that long is silent */
};

/* The object of GET /v1/coverage. */
bool coverage_build(struct db *db, const struct coverage_request *request, int64_t deadline_ms, struct buf *out,
                    struct err *err);
/* Silent devices for list_reply: DeviceId and JSON. cursor: behind this DeviceId. NULL with err. */
struct db_rows *coverage_silent(struct db *db, const struct coverage_request *request, struct str cursor,
                                struct str limit, int64_t deadline_ms, struct err *err);
