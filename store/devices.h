/* Lists of devices with findings and of findings: the queries of the service that are put together from parts, so that
 * each filter may use its index. All text is borrowed. */
#pragma once
#include "store/db.h"

struct devices_filter {
    struct str tool, signal, group, state, q; /* ptr NULL: any; tool and q without regard to case */
    struct str device;                        /* findings: a device's id */
    struct str min_tools, since;              /* devices: numbers as text: tools, ticks */
    struct str sort;                          /* devices: last_seen, tools, …; "-" before it: descending; len 0: -last_seen */
    struct str cursor;                        /* ptr NULL: from the start; else as given by the row before */
    struct str limit;                         /* devices or findings wanted */
    int64_t now;                              /* ticks: what states are told from */
    bool past;                                /* from what was seen by then; else from all there is */
};

/* Columns of a list: a row a device and tool, the rows of a device together. Times in ticks, flags and signals as JSON. */
enum devices_column {
    DEVICES_CURSOR, /* of the device: behind it the next page starts */
    DEVICES_ID,
    DEVICES_NAME,
    DEVICES_GROUP,
    DEVICES_FIRST_SEEN,
    DEVICES_LAST_SEEN,
    DEVICES_LAST_EVENT_DAY, /* a date; NULL: no event is kept */
    DEVICES_SILENT,
    DEVICES_FLAGS,
    DEVICES_TOOL,
    DEVICES_TOOL_SIGNALS,
    DEVICES_TOOL_SEEN_BY,
    DEVICES_TOOL_FIRST_SEEN,
    DEVICES_TOOL_LAST_SEEN,
    DEVICES_TOOL_COUNT,
    DEVICES_TOOL_STATE,
};

/* False with ERR_BAD_PARAMETER when states of that time, in ticks, can't be told. */
bool devices_past_check(struct db_conn *conn, int64_t at, int64_t deadline_ms, struct err *err);
/* ERR_BAD_PARAMETER for an unknown sort or a cursor of another one. Owned by the caller. */
struct db_rows *devices_list(struct db_conn *conn, const struct devices_filter *filter, int64_t deadline_ms,
                             struct err *err);
/* Rows of (cursor, JSON object), by device, tool and signal. Owned by the caller. */
struct db_rows *findings_list(struct db_conn *conn, const struct devices_filter *filter, int64_t deadline_ms,
                              struct err *err);
