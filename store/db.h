/* PostgreSQL through async libpq under deadlines: a pool of connections, parameters and results. The only module that
 * includes libpq-fe.h is this folder. Any thread may take a connection; one thread uses it at a time. */
#pragma once
#include "base/attr.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct db;
struct db_conn;
struct db_rows; /* one statement's result */

/* Where the database is and how many connections the pool may hold. */
struct db_options {
    const char *conninfo;
    unsigned connections; /* at most that many at once */
};

void db_close(struct db *db);
/* Connects once, checks version >= 15, UTF8 and C.UTF-8 ctype; err says what to change. */
OWNED_BY(db_close) struct db *db_open(const struct db_options *options, struct err *err);

/* application_name of the pool's sessions: this process's own. */
const char *db_name(const struct db *db);

/* A connection of the pool, waiting until the deadline; NULL with ERR_DATABASE or ERR_DEADLINE. */
struct db_conn *db_take(struct db *db, int64_t deadline_ms, struct err *err);
/* Gives it back, out of a transaction that wasn't committed; one that is broken is closed instead. NULL is fine. */
void db_give(struct db_conn *conn);

struct db_pool {
    unsigned open, busy, limit; /* connections: there, of them in use, at most */
};
/* As it is at the moment. */
struct db_pool db_pool(struct db *db);

/* One statement with text parameters (ptr NULL: SQL NULL), result in text. NULL with err: sqlstate set; ERR_DEADLINE
 * (the statement is cancelled and the connection closed), ERR_DATABASE_RETRY for 40001 and 40P01, ERR_DISK_FULL. */
struct db_rows *db_query(struct db_conn *conn, const char *sql, const struct str *params, size_t param_count,
                         int64_t deadline_ms, struct err *err);
/* The same for a text that comes again and again with other parameters, in a transaction: from its second time on the
 * session keeps it with one plan for all of them, which goes by indexes. */
struct db_rows *db_query_repeated(struct db_conn *conn, const char *sql, const struct str *params, size_t param_count,
                                  int64_t deadline_ms, struct err *err);
/* The same where no rows are wanted; affected rows through *count when not NULL. */
bool db_exec(struct db_conn *conn, const char *sql, const struct str *params, size_t param_count, int64_t deadline_ms,
             int64_t *count, struct err *err);
/* The statement store/sql/<name>.sql on a connection of the pool. limit_ms: for getting one, and again for
 * the statement. Rows without columns where it gives none. */
struct db_rows *db_query_alone(struct db *db, const char *name, const struct str *params, size_t param_count,
                               int64_t limit_ms, struct err *err);
/* store/sql/<name>.sql, embedded. NULL is a fault of ours: the name is a constant. */
const char *db_statement(const char *name);

/* Some of the rows and columns of another result, which must outlive it. To be freed by itself; NULL: memory is out. */
struct db_rows *db_rows_part(const struct db_rows *whole, size_t first, size_t count, size_t column, size_t columns);
size_t db_count(const struct db_rows *rows); /* NULL: 0 */
size_t db_columns(const struct db_rows *rows);
bool db_is_null(const struct db_rows *rows, size_t row, size_t column);
struct str db_text(const struct db_rows *rows, size_t row, size_t column); /* "" for NULL; valid until db_rows_free */
int64_t db_int(const struct db_rows *rows, size_t row, size_t column);     /* 0 for NULL */
void db_rows_free(struct db_rows *rows);
static inline void db_rows_freep(struct db_rows **rows) {
    db_rows_free(*rows);
}
#define DB_ROWS_AUTO __attribute__((cleanup(db_rows_freep))) struct db_rows

bool db_begin(struct db_conn *conn, const char *mode, int64_t deadline_ms, struct err *err); /* mode: "" or constant */
/* For writes under locks, in one round: a process stopped in here keeps them no longer than the session may be idle.
 * settings: "" or further constant ones, "; SET LOCAL …". */
bool db_begin_briefly(struct db_conn *conn, const char *settings, int64_t deadline_ms, struct err *err);
/* For reads: one snapshot for all statements, and a limit on each, in one round. */
bool db_begin_snapshot(struct db_conn *conn, int statement_ms, int64_t deadline_ms, struct err *err);
/* *unknown: COMMIT was sent and its answer did not come. */
bool db_commit(struct db_conn *conn, int64_t deadline_ms, bool *unknown, struct err *err);
/* Nothing outside of a transaction; where ROLLBACK fails, the connection is closed. */
void db_rollback(struct db_conn *conn);

/* COPY … FROM STDIN (FORMAT binary): start, data pieces, end. */
/* db_copy_data may be called any number of times; a failure breaks off the COPY with its transaction. */
bool db_copy_start(struct db_conn *conn, const char *sql, int64_t deadline_ms, struct err *err);
bool db_copy_data(struct db_conn *conn, struct str bytes, int64_t deadline_ms, struct err *err);
bool db_copy_end(struct db_conn *conn, int64_t deadline_ms, struct err *err);

/* Cancels what another thread runs on conn (a run's cancellation). */
void db_cancel(struct db_conn *conn);
