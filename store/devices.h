/* Devices with findings, for lists: the one query of the service that is put together from parts, so that each filter
 * may use its index. All text is borrowed. */
#pragma once
#include "store/db.h"

struct devices_filter {
    struct str tool, signal, group, state, q; /* ptr NULL: any; tool and q without regard to case */
    struct str min_tools, since;              /* numbers as text: tools, ticks */
    struct str sort;                          /* last_seen, tools, …; "-" before it: descending; len 0: -last_seen */
    struct str cursor;                        /* ptr NULL: from the start; else as given by the row before */
    struct str limit;                         /* rows wanted */
    struct str now;                           /* ticks: what states are told from */
};

/* Rows of (cursor, JSON object); ERR_BAD_PARAMETER for an unknown sort or a cursor of another one. Owned by the caller.
 */
struct db_rows *devices_list(struct db_conn *conn, const struct devices_filter *filter, int64_t deadline_ms,
                             struct err *err);
