/* What follows from an attempt: delivered, again later, or given up. Pure: no I/O, no clock, chance comes in as a number,
 * so that a table of cases can test it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum webhook_outcome { WEBHOOK_DELIVERED, WEBHOOK_RETRIED, WEBHOOK_FAILED, WEBHOOK_OUTCOMES };

struct webhook_attempt {
    long status;        /* 0: no answer */
    long retry_after_s; /* 0: not asked for */
    int attempts;       /* of this delivery before this one */
    int failures;       /* of the webhook, since the last that went well */
    bool once;          /* a test: no second attempt */
};

struct webhook_verdict {
    enum webhook_outcome outcome;
    int64_t delay_ms; /* until the delivery's next attempt */
    int64_t pause_ms; /* until the webhook's next attempt of any: a receiver that is down isn't asked all the time */
    bool disable;     /* 410: the receiver is gone for good */
};

/* random spreads the attempts of many. */
struct webhook_verdict webhook_judge(const struct webhook_attempt *attempt, uint32_t random);
/* "delivered", "retried", "failed": the label of metrics. */
const char *webhook_outcome_name(enum webhook_outcome outcome);
