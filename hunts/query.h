/* One KQL query in a read-only snapshot of the database, and what runs share with it: limits, the deadline, and the
 * check of what came back. Knows neither runs nor HTTP; memory is the caller's arena. */
#pragma once
#include "base/buf.h"
#include "kql/kql.h"
#include "store/db.h"

enum { QUERY_STATEMENT_MS = 120000 };

/* mono_ms() value: past it, a statement in a snapshot has been cut by the database itself. */
int64_t query_deadline(void);
/* " AND t.ts …", widened to whole days, so that the text, and what a session planned for it, is good for a day; ticks,
 * -1: open. Written out, not as parameters: days are left out as it is planned, and only then the index on time isn't
 * taken for the best way to anything. */
void query_add_days(struct buf *sql, int64_t from, int64_t to);
/* One snapshot for all statements until db_rollback. */
bool query_snapshot(struct db_conn *conn, struct err *err);
/* Rows of a program that was compiled with this max_rows: more are ERR_LIMIT, and freed. *rows NULL: err says why the
 * statement failed, and becomes BAD_QUERY where values are at fault. */
bool query_check(struct db_rows **rows, uint32_t max_rows, struct err *err);
/* options->max_rows: more rows than that are ERR_LIMIT. Columns, rows and warnings as JSON members into out. */
bool query_run(struct db *db, struct arena *arena, struct str query, const struct kql_options *options,
               int64_t deadline_ms, struct buf *out, struct kql_program **program, struct err *err);
