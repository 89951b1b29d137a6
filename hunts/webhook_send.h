/* HTTP out: many POSTs at once, none of which holds up another. The only file that includes libcurl. Addresses are
 * checked as they are connected to, so that no name can lead elsewhere meanwhile; redirects and proxies aren't
 * followed. One thread uses a sender; only webhook_sender_wake may be called by any. */
#pragma once
#include "base/attr.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct webhook_sender;

struct webhook_message {
    struct str url, id, body, signature;
    int64_t timestamp; /* seconds since 1970 */
};

struct webhook_result {
    void *tag;
    long status;        /* 0: no whole answer came, error says why */
    long retry_after_s; /* 0: the answer has none */
    bool refused;       /* the address isn't allowed */
    char error[256];
};

void webhook_sender_close(struct webhook_sender *sender);
/* private_allowed: addresses that aren't public may be reached. */
OWNED_BY(webhook_sender_close) struct webhook_sender *webhook_sender_open(bool private_allowed, struct err *err);
/* The message is copied. tag comes back with the result. */
bool webhook_sender_start(struct webhook_sender *sender, const struct webhook_message *message, void *tag,
                          struct err *err);
/* Works until something ended, the time is over, or it is woken. */
void webhook_sender_wait(struct webhook_sender *sender, int timeout_ms);
/* The next one that ended; false: none. */
bool webhook_sender_next(struct webhook_sender *sender, struct webhook_result *result);
/* Cuts one that is under way; its tag, NULL when there is none. */
void *webhook_sender_cut(struct webhook_sender *sender);
/* Ends a wait under way, or the next one at once. Any thread. */
void webhook_sender_wake(struct webhook_sender *sender);

/* http or https, a host, no user or password; a literal address must be allowed. ERR_BAD_REQUEST. */
bool webhook_url_check(struct str url, bool private_allowed, struct err *err);
