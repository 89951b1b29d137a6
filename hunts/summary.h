/* What a hunt's rows say of each device: the figures behind the device summaries of a result. Only hunts/result,
 * groups and run_seen use it. Nothing is owned: all lives in the arena of the result. */
#pragma once
#include "hunts/result.h"

struct summary {
    struct str device_id, device_name, machine_group;
    int64_t named_at; /* of the row that gave the name; -1: of none, or it has no time */
    int64_t first, last, count;
    int64_t *reports; /* ascending, distinct once finished */
    size_t report_count, report_room;
};

struct device {
    struct summary total;
    const size_t *rows; /* places in the result */
    size_t row_count;
};

/* arena, context and rows are the caller's. */
struct summaries {
    struct arena *arena;
    const struct result_context *context;
    const struct db_rows *rows;
    struct device *devices; /* by device id */
    size_t device_count;
    bool keyed; /* the hunt groups by more than the device */
};

/* Of hunts/result.h. */
struct result {
    struct result_context context;
    struct summaries summaries;
};

/* Fills devices, without their groups, one for each value of the first column with this role; none without such a column. */
bool summaries_make(struct summaries *table, enum kql_role by, struct err *err);
/* One row into a summary whose first and last are -1 at the start. False: memory. */
bool summary_add_row(const struct summaries *table, struct summary *summary, size_t row);
/* Behind the last row: sorts the reports and drops repeats. */
void summary_finish(struct summary *summary);
