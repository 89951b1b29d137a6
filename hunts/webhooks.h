/* Webhooks: changes of the ledger sent to receivers, by a thread of this process. Several servers on one database share
 * the work: a webhook is leased to one at a time, and its deliveries go out one after the other. What a server that
 * dies had under way is sent again once its lease is over. */
#pragma once
#include "base/attr.h"
#include "hunts/webhook_retry.h"
#include "store/db.h"

struct webhooks;

void webhooks_close(struct webhooks *webhooks); /* lets what is under way end, for a few seconds */
/* private_allowed: receivers may be at addresses that aren't public. */
OWNED_BY(webhooks_close) struct webhooks *webhooks_open(struct db *db, bool private_allowed, struct err *err);
/* There is something to do now. Any thread. NULL: other processes send; they look every second. */
void webhooks_wake(struct webhooks *webhooks);
/* Attempts with that outcome since the start. Any thread. */
long long webhooks_count(const struct webhooks *webhooks, enum webhook_outcome outcome);
