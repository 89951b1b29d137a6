/* A hunt's result as JSON: the rows as Kusto gives them, and the summary per device that is derived from them. Same rows,
 * same bytes. Written in two steps, since the machine groups of many results are read at once in between. One thread a
 * result. */
#pragma once
#include "base/buf.h"
#include "hunts/hunt.h"
#include "store/db.h"
#include "store/presence.h"

/* What a run knows of a table's freshness: read once for all its hunts that look through the same window. */
struct result_freshness {
    bool known;
    int64_t from, to;
    int64_t newest_event, newest_arrival; /* ticks; -1: none */
    int64_t devices_reporting;
    bool has_events; /* any, in the window to the tick */
    struct presence_gone gone;
};

struct result_context {
    int64_t run_id;   /* 0: an answer that belongs to no run */
    int64_t as_of, from, to; /* ticks; from and to -1: the query's own window only */
    const struct hunt *hunt;
    int version;
    const struct kql_program *program;
    const struct db_rows *late; /* of late_hits for the run; NULL: none */
    struct result_freshness *freshness; /* SCHEMA_TABLES of them, zeroed before the run's first hunt */
};

/* {"line","column","message"},… into an open array; query_line: of the query's first line in its file, for "file_line",
 * 0: unknown. */
void result_add_warnings(struct buf *out, const struct kql_program *program, size_t query_line);
/* One cell of a row as JSON. */
void result_add_cell(struct buf *out, const struct db_rows *rows, size_t row, size_t column, enum kql_type type);
/* [{"name","type"},…] */
void result_add_columns(struct buf *out, const struct kql_program *program);
/* "columns":[…] and "rows":[…] */
void result_add_rows(struct buf *out, const struct kql_program *program, const struct db_rows *rows);
/* A result on its way: the summaries of its devices, before their groups are known. Lives in the arena; context is copied,
 * what it points at and rows must outlive it. NULL: memory is out. */
struct result;
struct result *result_prepare(struct arena *arena, const struct result_context *context, const struct db_rows *rows,
                              struct err *err);
/* The machine groups of all their devices, by one statement a table; NULLs are passed over. conn: in the run's snapshot. */
bool results_groups(struct result *const *results, size_t count, struct db_conn *conn, int64_t deadline_ms,
                    struct err *err);
/* The whole object of GET /v1/hunts/{id}/results. conn: for freshness, in the run's snapshot. */
bool result_write(const struct result *result, struct db_conn *conn, int64_t deadline_ms, struct buf *out,
                  struct err *err);
