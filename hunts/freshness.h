/* How fresh the tables are that a result read, so that "no hits" can be told from "no data". For hunts/result and
 * hunts/plans, whose context keeps what was read, so that the hunts of one run ask once. */
#pragma once
#include "hunts/result.h"

/* Ticks: the window that the result answers for; the start is -1 when it is open. */
int64_t result_window_start(const struct result_context *context);
int64_t result_window_end(const struct result_context *context);
/* "freshness":{…}, and context->freshness of the program's tables. */
bool freshness_add(struct buf *out, const struct result_context *context, struct db_conn *conn, int64_t deadline_ms,
                   struct err *err);
/* The object of a warning into an open array: a window without those days of the table; nothing when there are none. */
void freshness_add_gone(struct buf *out, size_t table, const struct presence_gone *gone);
/* The same of all tables that the program reads, read by itself, for an answer that has no freshness. */
bool freshness_warn(struct buf *out, const struct result_context *context, struct db_conn *conn, int64_t deadline_ms,
                    struct err *err);
