#include "store/internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/embed.h"
#include "base/mem.h"

enum { ROLLBACK_LIMIT_MS = 5000, IDLE_MS = 5000 };

static bool class_is(const char *state, const char *class) {
    return strncmp(state, class, 2) == 0;
}

static enum err_code code_of(const char *state, bool cancelled) {
    if (!strcmp(state, "40001") || !strcmp(state, "40P01") || !strcmp(state, "55P03"))
        return ERR_DATABASE_RETRY;
    if (!strcmp(state, "53100"))
        return ERR_DISK_FULL;
    if (!strcmp(state, "57014"))
        return cancelled ? ERR_CANCELLED : ERR_DEADLINE;
    if (!state[0] || class_is(state, "08") || class_is(state, "57") || class_is(state, "53"))
        return ERR_DATABASE;
    return ERR_INTERNAL;
}

/* libpq's messages are several lines; an err is one sentence. */
static void one_line(char *text) {
    size_t length = strlen(text);
    while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
        text[--length] = 0;
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
}

bool conn_fail(struct db_conn *conn, const PGresult *result, struct err *err) {
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    char text[400], code[6] = "";
    if (!message || !message[0])
        message = conn->pg ? PQerrorMessage(conn->pg) : "the connection to the database is closed";
    snprintf(text, sizeof text, "%s", message);
    snprintf(code, sizeof code, "%s", state ? state : "");
    one_line(text);
    conn->plans = PLANS_UNKNOWN;
    if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD || class_is(code, "08"))
        conn_break(conn);
    err_set(err, code_of(code, atomic_load(&conn->cancelled)), "database: %s", text);
    memcpy(err->sqlstate, code, sizeof code);
    return false;
}

static bool usable(struct db_conn *conn, struct err *err) {
    if (conn->pg && atomic_load(&conn->cancelled))
        conn_break(conn);
    if (conn->pg)
        return true;
    if (atomic_load(&conn->cancelled))
        return err_set(err, ERR_CANCELLED, "the statement was cancelled");
    return err_set(err, ERR_DATABASE, "the connection to the database is closed");
}

/* Sends what is queued, taking in what comes meanwhile, so that neither side waits for the other. */
static bool flush(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    int state;
    while ((state = PQflush(conn->pg)) > 0) {
        if (!conn_wait(conn, POLLIN | POLLOUT, deadline_ms, err))
            return false;
        if (!PQconsumeInput(conn->pg))
            return conn_fail(conn, NULL, err);
    }
    return state == 0 || conn_fail(conn, NULL, err);
}

/* The next result; NULL in *result: there is none more. */
static bool next_result(struct db_conn *conn, int64_t deadline_ms, PGresult **result, struct err *err) {
    *result = NULL;
    while (PQisBusy(conn->pg)) {
        if (!conn_wait(conn, POLLIN, deadline_ms, err))
            return false;
        if (!PQconsumeInput(conn->pg))
            return conn_fail(conn, NULL, err);
    }
    *result = PQgetResult(conn->pg);
    return true;
}

static bool result_bad(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_NONFATAL_ERROR;
}

/* Reads all results: the first bad one wins, else the last. A COPY state ends the reading: more come only after data. */
static PGresult *collect(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    PGresult *kept = NULL, *result;
    for (;;) {
        if (!next_result(conn, deadline_ms, &result, err)) {
            PQclear(kept);
            return NULL;
        }
        if (!result)
            break;
        if (kept && result_bad(kept)) {
            PQclear(result);
        } else {
            PQclear(kept);
            kept = result;
        }
        if (PQresultStatus(kept) == PGRES_COPY_IN)
            return kept;
    }
    if (kept && !result_bad(kept))
        return kept;
    conn_fail(conn, kept, err);
    PQclear(kept);
    return NULL;
}

/* Text parameters as libpq wants them: NUL-terminated, in one block that the caller frees. */
static bool params_copy(const struct str *params, size_t count, const char ***values, char **block, struct err *err) {
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += params[i].ptr ? params[i].len + 1 : 0;
    *values = calloc(count + 1, sizeof **values);
    *block = malloc(size);
    if (!*values || !*block)
        return err_memory(err);
    char *at = *block;
    for (size_t i = 0; i < count; i++) {
        if (!params[i].ptr)
            continue;
        if (str_find(params[i], '\0'))
            return err_set(err, ERR_BAD_VALUE, "a text holds a NUL character, which the database can't store");
        mem_copy(at, params[i].ptr, params[i].len);
        at[params[i].len] = 0;
        (*values)[i] = at;
        at += params[i].len + 1;
    }
    return true;
}

/* name NULL: the statement is sent as its text. */
static bool send(struct db_conn *conn, const char *sql, const char *name, const struct str *params, size_t count,
                 struct err *err) {
    const char **values = NULL;
    char *block = NULL;
    bool ok = params_copy(params, count, &values, &block, err);
    if (ok && !(name ? PQsendQueryPrepared(conn->pg, name, (int)count, values, NULL, NULL, 0)
                     : PQsendQueryParams(conn->pg, sql, (int)count, NULL, values, NULL, NULL, 0)))
        ok = conn_fail(conn, NULL, err);
    free(values);
    free(block);
    return ok;
}

static PGresult *run(struct db_conn *conn, const char *sql, const struct str *params, size_t count,
                     int64_t deadline_ms, struct err *err) {
    if (!sql) {
        err_set(err, ERR_INTERNAL, "a statement is missing");
        return NULL;
    }
    char name[STATEMENT_NAME];
    if (!usable(conn, err) || !statement_name(conn, sql, name, deadline_ms, err) ||
        (!name[0] && count && !plans_own(conn, deadline_ms, err)) ||
        !send(conn, sql, name[0] ? name : NULL, params, count, err) || !flush(conn, deadline_ms, err))
        return NULL;
    return collect(conn, deadline_ms, err);
}

static struct db_rows *rows_of(PGresult *result, struct err *err) {
    struct db_rows *rows = result ? calloc(1, sizeof *rows) : NULL;
    if (result && !rows) {
        PQclear(result);
        err_memory(err);
    }
    if (rows)
        *rows = (struct db_rows){
            .result = result, .count = (size_t)PQntuples(result), .columns = (size_t)PQnfields(result)};
    return rows;
}

struct db_rows *db_query(struct db_conn *conn, const char *sql, const struct str *params, size_t param_count,
                         int64_t deadline_ms, struct err *err) {
    return rows_of(run(conn, sql, params, param_count, deadline_ms, err), err);
}

struct db_rows *db_query_repeated(struct db_conn *conn, const char *sql, const struct str *params, size_t param_count,
                                  int64_t deadline_ms, struct err *err) {
    char name[STATEMENT_NAME];
    if (!usable(conn, err) || !statement_repeated(conn, sql, name, deadline_ms, err))
        return NULL;
    if (!name[0])
        return db_query(conn, sql, params, param_count, deadline_ms, err);
    if (!send(conn, sql, name, params, param_count, err) || !flush(conn, deadline_ms, err))
        return NULL;
    return rows_of(collect(conn, deadline_ms, err), err);
}

struct db_rows *db_rows_part(const struct db_rows *whole, size_t first, size_t count, size_t column, size_t columns) {
    struct db_rows *rows = calloc(1, sizeof *rows);
    if (rows)
        *rows = (struct db_rows){whole->result, true, whole->first + first, count, whole->column + column, columns};
    return rows;
}

bool db_exec(struct db_conn *conn, const char *sql, const struct str *params, size_t param_count, int64_t deadline_ms,
             int64_t *count, struct err *err) {
    PGresult *result = run(conn, sql, params, param_count, deadline_ms, err);
    if (!result)
        return false;
    long long affected = 0;
    if (count) {
        str_to_int64(str_from(PQcmdTuples(result)), &affected);
        *count = affected;
    }
    PQclear(result);
    return true;
}

bool conn_script(struct db_conn *conn, const char *sql, int64_t deadline_ms, struct err *err) {
    if (!usable(conn, err))
        return false;
    if (!PQsendQuery(conn->pg, sql))
        return conn_fail(conn, NULL, err);
    if (!flush(conn, deadline_ms, err))
        return false;
    PGresult *result = collect(conn, deadline_ms, err);
    PQclear(result);
    return result != NULL;
}

bool conn_prepare(struct db_conn *conn, const char *name, const char *sql, int64_t deadline_ms, struct err *err) {
    if (!PQsendPrepare(conn->pg, name, sql, 0, NULL))
        return conn_fail(conn, NULL, err);
    PGresult *result = flush(conn, deadline_ms, err) ? collect(conn, deadline_ms, err) : NULL;
    PQclear(result);
    return result != NULL;
}

const char *db_statement(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "store/sql/%s.sql", name);
    for (const struct embedded_file *file = embedded_files; file->name; file++)
        if (!strcmp(file->name, path))
            return (const char *)file->bytes; /* embed.sh puts a NUL behind each file */
    return NULL;
}

struct db_rows *db_query_alone(struct db *db, const char *name, const struct str *params, size_t param_count,
                               int64_t limit_ms, struct err *err) {
    struct db_conn *conn = db_take(db, mono_ms() + limit_ms, err);
    struct db_rows *rows = conn ? db_query(conn, db_statement(name), params, param_count, mono_ms() + limit_ms, err) : NULL;
    db_give(conn);
    return rows;
}

size_t db_count(const struct db_rows *rows) {
    return rows ? rows->count : 0;
}

size_t db_columns(const struct db_rows *rows) {
    return rows->columns;
}

bool db_is_null(const struct db_rows *rows, size_t row, size_t column) {
    return PQgetisnull(rows->result, (int)(rows->first + row), (int)(rows->column + column));
}

struct str db_text(const struct db_rows *rows, size_t row, size_t column) {
    int r = (int)(rows->first + row), c = (int)(rows->column + column);
    const char *value = PQgetvalue(rows->result, r, c);
    return value ? (struct str){value, (size_t)PQgetlength(rows->result, r, c)} : STR("");
}

int64_t db_int(const struct db_rows *rows, size_t row, size_t column) {
    long long value = 0;
    return str_to_int64(db_text(rows, row, column), &value) ? value : 0;
}

void db_rows_free(struct db_rows *rows) {
    if (!rows)
        return;
    if (!rows->borrowed)
        PQclear(rows->result);
    free(rows);
}

bool db_begin_snapshot(struct db_conn *conn, int statement_ms, int64_t deadline_ms, struct err *err) {
    char sql[128];
    conn->plans = PLANS_OWN;
    snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = %d", statement_ms);
    return conn_script(conn, sql, deadline_ms, err);
}

bool db_begin_briefly(struct db_conn *conn, const char *settings, int64_t deadline_ms, struct err *err) {
    char sql[192];
    conn->plans = PLANS_OWN;
    snprintf(sql, sizeof sql, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = %d%s", IDLE_MS, settings);
    return conn_script(conn, sql, deadline_ms, err);
}

bool db_begin(struct db_conn *conn, const char *mode, int64_t deadline_ms, struct err *err) {
    char sql[128];
    conn->plans = PLANS_OWN;
    snprintf(sql, sizeof sql, "BEGIN %s", mode);
    return db_exec(conn, sql, NULL, 0, deadline_ms, NULL, err);
}

bool db_commit(struct db_conn *conn, int64_t deadline_ms, bool *unknown, struct err *err) {
    *unknown = false;
    if (!usable(conn, err) || !send(conn, "COMMIT", NULL, NULL, 0, err))
        return false;
    PGresult *result = flush(conn, deadline_ms, err) ? collect(conn, deadline_ms, err) : NULL;
    if (!result) {
        /* without a server's verdict, or with "shutting down", the commit may have happened */
        *unknown = !err->sqlstate[0] || class_is(err->sqlstate, "08") || class_is(err->sqlstate, "57");
        return false;
    }
    bool committed = !strcmp(PQcmdStatus(result), "COMMIT");
    PQclear(result);
    return committed || err_set(err, ERR_INTERNAL, "the transaction had failed before and was rolled back");
}

void db_rollback(struct db_conn *conn) {
    struct err ignored = {0};
    if (!conn->pg)
        return;
    PGTransactionStatusType status = PQtransactionStatus(conn->pg);
    if (status == PQTRANS_IDLE)
        return;
    if ((status != PQTRANS_INTRANS && status != PQTRANS_INERROR) ||
        !db_exec(conn, "ROLLBACK", NULL, 0, mono_ms() + ROLLBACK_LIMIT_MS, NULL, &ignored))
        conn_break(conn);
}

bool db_copy_start(struct db_conn *conn, const char *sql, int64_t deadline_ms, struct err *err) {
    PGresult *result = run(conn, sql, NULL, 0, deadline_ms, err);
    if (!result)
        return false;
    bool copying = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    return copying || err_set(err, ERR_INTERNAL, "the statement isn't a COPY FROM STDIN");
}

bool db_copy_data(struct db_conn *conn, struct str bytes, int64_t deadline_ms, struct err *err) {
    enum { PIECE = 1 << 20 };
    while (bytes.len) {
        if (!usable(conn, err))
            return false;
        int piece = bytes.len > PIECE ? PIECE : (int)bytes.len;
        int queued = PQputCopyData(conn->pg, bytes.ptr, piece);
        if (queued < 0)
            return conn_fail(conn, NULL, err);
        if (queued) {
            bytes.ptr += piece;
            bytes.len -= (size_t)piece;
        }
        if (!flush(conn, deadline_ms, err))
            return false;
    }
    return true;
}

bool db_copy_end(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    int queued = 0;
    while (!queued) {
        if (!usable(conn, err))
            return false;
        queued = PQputCopyEnd(conn->pg, NULL);
        if (queued < 0)
            return conn_fail(conn, NULL, err);
        if (!flush(conn, deadline_ms, err))
            return false;
    }
    PGresult *result = collect(conn, deadline_ms, err);
    PQclear(result);
    return result != NULL;
}
