/* The threads that drop what is old and that make indexes of past days smaller: soon after the start, then about once a
 * minute. What they do is in store/retention and store/compact; this decides when, and tells the log and the metrics. */
#pragma once
#include "base/attr.h"
#include "handlers/service.h"
#include "server/config.h"
#include "store/retention.h"

struct upkeep_settings {
    struct retention retention;
    int64_t quiet; /* ticks without an arrival after which a past day's indexes are built anew; 0: never */
};

/* The settings' texts; ERR_CONFIG names the wrong one. */
bool upkeep_settings(const struct config *config, struct upkeep_settings *out, struct err *err);

struct upkeep;
void upkeep_stop(struct upkeep *upkeep); /* waits for the step of dropping that runs; breaks off the building of an index */
OWNED_BY(upkeep_stop) struct upkeep *upkeep_start(struct service *service, const struct upkeep_settings *settings,
                                                 struct err *err);
