#include "hunts/webhook_retry.h"

#include <stddef.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static const int64_t delays[] = {5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR};
static const int64_t pauses[] = {5 * SECOND, MINUTE, 5 * MINUTE};

enum { DELAYS = sizeof delays / sizeof *delays, PAUSES = sizeof pauses / sizeof *pauses };

static int64_t longer(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Up to a fifth more. */
static int64_t spread(int64_t ms, uint32_t random) {
    return ms + (int64_t)(random % (uint32_t)(ms / 5 + 1));
}

struct webhook_verdict webhook_judge(const struct webhook_attempt *attempt, uint32_t random) {
    struct webhook_verdict verdict = {.outcome = WEBHOOK_DELIVERED};
    int64_t asked = attempt->retry_after_s < 24 * 3600 ? attempt->retry_after_s * SECOND : 24 * HOUR;
    if (attempt->status >= 200 && attempt->status < 300)
        return verdict;
    verdict.disable = attempt->status == 410;
    verdict.outcome = WEBHOOK_FAILED;
    verdict.pause_ms = longer(pauses[attempt->failures < PAUSES ? attempt->failures : PAUSES - 1], asked);
    if (verdict.disable || attempt->once || attempt->attempts >= DELAYS)
        return verdict;
    verdict.outcome = WEBHOOK_RETRIED;
    verdict.delay_ms = longer(spread(delays[attempt->attempts], random), asked);
    if (!attempt->attempts) /* others wait behind the second attempt: a hiccup doesn't change the order */
        verdict.pause_ms = longer(verdict.pause_ms, verdict.delay_ms);
    return verdict;
}

const char *webhook_outcome_name(enum webhook_outcome outcome) {
    static const char *const names[] = {"delivered", "retried", "failed"};
    return names[outcome];
}
