/* Threads for what may take its time, so that the few which serve sockets never wait: as many as there is work at once, up
 * to a limit; idle ones go after a while. Knows nothing of HTTP. Any thread. */
#pragma once
#include "base/attr.h"
#include <stdbool.h>

struct work {
    struct work *next; /* the pool's */
    void (*run)(struct work *work);
};

struct workers;
void workers_free(struct workers *workers); /* after workers_finish; NULL is fine */
/* most: threads at once; more work waits its turn. NULL: memory is out. */
OWNED_BY(workers_free) struct workers *workers_open(unsigned most);
/* Takes no more, and waits until all that was given is done. NULL is fine. */
void workers_finish(struct workers *workers);
/* False, and not taken: it finishes, or there is no thread and none can be made. The work is the caller's memory until it has run. */
bool workers_give(struct workers *workers, struct work *work);
