#include "hunts/query.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "hunts/freshness.h"
#include "hunts/result.h"
#include "store/verdict.h"

int64_t query_deadline(void) {
    return mono_ms() + QUERY_STATEMENT_MS + 5000;
}

void query_add_days(struct buf *sql, int64_t from, int64_t to) {
    if (from >= 0)
        buf_printf(sql, " AND t.ts >= %" PRId64, from - from % TICKS_DAY);
    if (to >= 0)
        buf_printf(sql, " AND t.ts < %" PRId64, to - to % TICKS_DAY + TICKS_DAY);
}

bool query_snapshot(struct db_conn *conn, struct err *err) {
    return db_begin_snapshot(conn, QUERY_STATEMENT_MS, query_deadline(), err);
}

/* A number out of range, a pattern that isn't one: the query's fault or its data's, not the server's. */
static bool query_failed(struct err *err) {
    char text[400];
    if (err->code != ERR_INTERNAL || strncmp(err->sqlstate, "22", 2) != 0)
        return false;
    snprintf(text, sizeof text, "%.390s", err->text);
    return err_set(err, ERR_BAD_QUERY, "a value in the query or its data can't be used, %s", text);
}

/* max_rows: as compiled, so that one row more shows that there are too many. */
bool query_check(struct db_rows **rows, uint32_t max_rows, struct err *err) {
    if (!*rows)
        return query_failed(err);
    if (db_count(*rows) > max_rows) {
        db_rows_free(*rows);
        *rows = NULL;
        return err_set(err, ERR_LIMIT, "the query gives more than %u rows; summarize, or narrow it", max_rows);
    }
    return true;
}

static bool warnings_add(const struct kql_program *program, const struct kql_options *options, struct db_conn *conn,
                         int64_t deadline_ms, struct buf *out, struct err *err) {
    const struct result_context context = {
        .as_of = options->now, .from = options->from, .to = options->to, .program = program};
    json_add_key(out, "warnings");
    buf_add_char(out, '[');
    result_add_warnings(out, program, 0);
    bool ok = freshness_warn(out, &context, conn, deadline_ms, err);
    buf_add_char(out, ']');
    return ok;
}

bool query_run(struct db *db, struct arena *arena, struct str query, const struct kql_options *options,
               int64_t deadline_ms, struct buf *out, struct kql_program **program, struct err *err) {
    struct db_rows *rows = NULL;
    *program = kql_compile(arena, query, options, err);
    struct db_conn *conn = *program ? db_take(db, deadline_ms, err) : NULL;
    bool ok = conn && query_snapshot(conn, err);
    if (ok) {
        rows = verdicts_query(conn, arena, *program, deadline_ms, err);
        ok = query_check(&rows, options->max_rows, err);
    }
    if (ok)
        result_add_rows(out, *program, rows);
    ok = ok && warnings_add(*program, options, conn, deadline_ms, out, err);
    db_rows_free(rows);
    db_give(conn);
    return ok && (!out->failed || err_set(err, ERR_LIMIT, "the answer is over the size limit; narrow the query"));
}
