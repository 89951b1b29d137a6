/* Ends connections at a total deadline, which libmicrohttpd's own timeout (of inactivity) doesn't: a thread that shuts
 * down the sockets whose time is over. Knows sockets and times only. */
#pragma once
#include "base/attr.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct watchdog;
struct watched; /* one connection */

void watchdog_free(struct watchdog *watchdog);
/* cut: counts the connections that were ended. NULL when a thread or memory is out. */
OWNED_BY(watchdog_free) struct watchdog *watchdog_new(atomic_llong *cut);
/* From now until watchdog_remove, at the deadline (mono_ms() value) the socket is shut down. NULL: memory is out. */
struct watched *watchdog_add(struct watchdog *watchdog, int fd, int64_t deadline_ms);
void watchdog_set(struct watched *watched, int64_t deadline_ms); /* INT64_MAX: none */
/* Must come before the socket is closed. NULL is fine. */
void watchdog_remove(struct watchdog *watchdog, struct watched *watched);
