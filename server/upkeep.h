/* The thread that drops what is old: soon after the start, then about once a minute. What it does is in store/retention;
 * this decides when, and tells the log and the metrics. */
#pragma once
#include "base/attr.h"
#include "handlers/service.h"
#include "server/config.h"
#include "store/retention.h"

/* The settings' texts; ERR_CONFIG names the wrong one. */
bool upkeep_settings(const struct config *config, struct retention *out, struct err *err);

struct upkeep;
void upkeep_stop(struct upkeep *upkeep); /* waits for the step that runs */
OWNED_BY(upkeep_stop) struct upkeep *upkeep_start(struct service *service, const struct retention *retention,
                                                 struct err *err);
