#include "hunts/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/etag.h"
#include "base/log.h"
#include "hunts/ledger.h"
#include "hunts/plans.h"
#include "hunts/query.h"
#include "hunts/registry.h"
#include "store/pulse.h"

enum {
    WRITE_MS = 30000,
    LEDGER_MS = 120000,
    RETRY_SECONDS = 1,
    SAVE_ROWS = 100,
    SAVE_BYTES = 32 << 20,
};

struct run {
    struct run_attempt *attempt;
    struct db_conn *reads;
    struct answer *answers;
    struct late late;
    struct run_seen seen;
    size_t done, failed;
    bool in_ledger;   /* the pass at its beginning went well */
    int64_t from, to; /* what was looked at; -1: open */
};

void run_stop(struct run_attempt *attempt, enum run_stop reason) {
    pthread_mutex_lock(&attempt->lock);
    if (attempt->stop == RUN_GOES_ON)
        attempt->stop = reason;
    atomic_store(&attempt->stopping, true);
    if (attempt->conn)
        db_cancel(attempt->conn);
    pthread_mutex_unlock(&attempt->lock);
}

static enum run_stop stop_reason(struct run_attempt *attempt) {
    pthread_mutex_lock(&attempt->lock);
    enum run_stop reason = attempt->stop;
    pthread_mutex_unlock(&attempt->lock);
    return reason;
}

static void expose(struct run_attempt *attempt, struct db_conn *conn) {
    pthread_mutex_lock(&attempt->lock);
    attempt->conn = conn;
    pthread_mutex_unlock(&attempt->lock);
}

static bool plans_run(struct plans *plans, struct run *run, struct err *err) {
    struct run_attempt *attempt = run->attempt;
    size_t count = 1;
    while (count) {
        if (!plans_answer(plans, run->reads, &attempt->stopping, &attempt->done, &run->answers[run->done], &count, err))
            return false;
        for (size_t i = 0; i < count; i++)
            run->failed += run->answers[run->done++].failed;
    }
    return true;
}

static bool run_hunts(struct run *run, const struct db_rows *work, struct err *err) {
    const struct run_attempt *attempt = run->attempt;
    struct result_context context = {
        .run_id = attempt->run_id, .as_of = attempt->as_of, .from = attempt->from, .to = attempt->to};
    struct plans *plans = query_snapshot(run->reads, err) ? plans_new(work, &context, &run->seen, err) : NULL;
    if (plans)
        plans_window(plans, &run->from, &run->to);
    bool ok = plans && plans_late(plans, run->reads, &run->late, err) &&
              db_exec(run->reads, "SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err) &&
              plans_decide(plans, run->reads, err) && plans_run(plans, run, err);
    db_rollback(run->reads);
    plans_free(plans);
    return ok;
}

/* As many answers as one statement takes: their number. */
static size_t answers_page(const struct answer *answers, size_t count) {
    size_t bytes = 0, page = 0;
    while (page < count && page < SAVE_ROWS && (!page || bytes + answers[page].body.len <= SAVE_BYTES))
        bytes += answers[page++].body.len;
    return page;
}

static bool answers_save(struct db_conn *conn, struct str run_id, const struct answer *answers, size_t count,
                          struct err *err) {
    BUF_AUTO sql = BUF(SAVE_ROWS * 128);
    struct str params[1 + SAVE_ROWS * 5] = {run_id};
    char etags[SAVE_ROWS][ETAG_TEXT];
    size_t n = 1;
    buf_add_str(&sql,
                STR("UPDATE rmm.results r SET state = v.state, body = v.body, etag = v.etag, error = v.error::jsonb, "
                    "cut = v.cut, finished_at = clock_timestamp() FROM (VALUES "));
    for (size_t i = 0; i < count; i++) {
        const struct answer *answer = &answers[i];
        buf_printf(&sql, "%s($%zu::text, $%zu::text, $%zu::text, $%zu::text, $%zu::text, %s)", i ? ", " : "", n + 1,
                   n + 2, n + 3, n + 4, n + 5, answer->cut ? "true" : "false");
        params[n++] = answer->hunt;
        params[n++] = answer->failed ? STR("failed") : STR("succeeded");
        if (!answer->failed)
            etag_write(etags[i], buf_str(&answer->body));
        params[n++] = answer->failed ? (struct str){0} : buf_str(&answer->body);
        params[n++] = answer->failed ? (struct str){0} : str_from(etags[i]);
        params[n++] = buf_str(&answer->error);
    }
    buf_add_str(
        &sql,
        STR(") v (hunt_id, state, body, etag, error, cut) WHERE r.run_id = $1::bigint AND r.hunt_id = v.hunt_id"));
    return buf_cstr(&sql) ? db_exec(conn, sql.ptr, params, n, mono_ms() + WRITE_MS, NULL, err) : err_memory(err);
}

/* params: run, attempt. *held is false when another attempt has the run. */
static bool run_hold(struct db_conn *conn, const struct str params[2], bool *held, bool *cancelled, struct err *err) {
    if (!db_begin_briefly(conn, "", mono_ms() + WRITE_MS, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("run_hold"), params, 2, mono_ms() + WRITE_MS, err);
    *held = rows && db_count(rows) > 0;
    *cancelled = *held && str_eq(db_text(rows, 0, 0), STR("t"));
    return rows != NULL;
}

static bool run_failed(const struct run *run, const struct err *failure) {
    return failure || (run->failed && run->failed == run->done);
}

static bool run_end(struct db_conn *conn, const struct run *run, const struct str params[2], const struct err *failure,
                    struct err *err) {
    char done[24], from[24], to[24];
    BUF_AUTO error = BUF(64 * 1024);
    snprintf(done, sizeof done, "%lld", atomic_load(&run->attempt->done));
    snprintf(from, sizeof from, "%" PRId64, run->from);
    snprintf(to, sizeof to, "%" PRId64, run->to);
    if (failure)
        registry_add_error(&error, failure, STR(""));
    const char *state = run_failed(run, failure) ? "failed" : "succeeded";
    struct str end[] = {params[0],      str_from(state),
                        buf_str(&error), str_from(done),
                        run->from < 0 ? (struct str){0} : str_from(from), run->to < 0 ? (struct str){0} : str_from(to)};
    return db_exec(conn, db_statement("run_finish"), end, 6, mono_ms() + WRITE_MS, NULL, err) &&
           pulse_commit(conn, mono_ms() + WRITE_MS, err);
}

/* What only a run that succeeds leaves behind. */
static bool run_tell(struct db_conn *conn, struct run *run, struct err *err) {
    int64_t id = run->attempt->run_id, deadline = mono_ms() + LEDGER_MS;
    return late_tell(&run->late, id, conn, deadline, err) && run_seen_tell(&run->seen, id, conn, deadline, err) &&
           (!run->in_ledger || late_answer(&run->late, id, conn, deadline, err));
}

/* Results and the run's end, or nothing. failure NULL: the hunts were run. */
static bool run_write(struct db_conn *conn, struct run *run, const struct err *failure, struct err *err) {
    char id[24], number[24];
    bool held = false, cancelled = false;
    snprintf(id, sizeof id, "%" PRId64, run->attempt->run_id);
    snprintf(number, sizeof number, "%" PRId64, run->attempt->attempt);
    struct str params[] = {str_from(id), str_from(number)};
    bool ok = run_hold(conn, params, &held, &cancelled, err);
    for (size_t i = 0, page; ok && held && i < run->done; i += page) {
        page = answers_page(&run->answers[i], run->done - i);
        ok = answers_save(conn, str_from(id), &run->answers[i], page, err);
    }
    if (ok && held && !cancelled && !run_failed(run, failure))
        ok = run_tell(conn, run, err);
    if (ok && held)
        ok = run_end(conn, run, params, failure, err);
    else if (ok)
        log_line(LOG_WARN, "run.lost", "run %s: attempt %s came too late, its results are dropped", id, number);
    db_rollback(conn);
    return ok;
}

/* Back into the queue: at once, or after a pause when the world is at fault. */
static bool run_release(struct db_conn *conn, const struct run *run, const struct err *failure, struct err *err) {
    char id[24], number[24], pause[12];
    BUF_AUTO error = BUF(64 * 1024);
    snprintf(id, sizeof id, "%" PRId64, run->attempt->run_id);
    snprintf(number, sizeof number, "%" PRId64, run->attempt->attempt);
    snprintf(pause, sizeof pause, "%d", failure ? RETRY_SECONDS : 0);
    if (failure)
        registry_add_error(&error, failure, STR(""));
    struct str params[] = {str_from(id), str_from(number), str_from(pause), buf_str(&error)};
    return db_exec(conn, db_statement("run_release"), params, 4, mono_ms() + WRITE_MS, NULL, err);
}

static void run_log(const struct run *run, const struct err *failure) {
    log_line(LOG_WARN, "run.retry", "run %" PRId64 ", attempt %" PRId64 ": %.400s", run->attempt->run_id,
             run->attempt->attempt, failure->text);
}

static bool run_settle(struct db *db, struct run *run, bool ok, struct err *failure, struct err *err) {
    enum run_stop stop = stop_reason(run->attempt);
    struct db_conn *conn = stop == RUN_LOST ? NULL : db_take(db, mono_ms() + WRITE_MS, err);
    if (!conn)
        return stop == RUN_LOST;
    bool settled = false, again = !ok && stop == RUN_GOES_ON && err_status(failure->code) == 503;
    if (stop != RUN_HANDED_BACK && !again) {
        atomic_store(&run->attempt->finishing, true);
        settled = run_write(conn, run, ok || stop == RUN_CANCELLED ? NULL : failure, err);
        *failure = settled ? *failure : *err;
        db_give(conn);
        conn = settled ? NULL : db_take(db, mono_ms() + WRITE_MS, err);
    }
    if (conn && stop != RUN_HANDED_BACK)
        run_log(run, failure);
    settled = settled || (conn && run_release(conn, run, stop == RUN_HANDED_BACK ? NULL : failure, err));
    db_give(conn);
    return settled;
}

/* A ledger that lags doesn't fail the run: the next one catches up. Until then the run answers for nothing: what the
 * next pass finds would be late, though this run's results have it. */
static void ledger_keep(struct run *run) {
    struct err err = {0};
    struct run_attempt *attempt = run->attempt;
    struct ledger_run ledger = {attempt->run_id, attempt->as_of, attempt->from, attempt->to};
    run->in_ledger = ledger_advance(run->reads, &ledger, mono_ms() + LEDGER_MS, &err);
    if (!run->in_ledger && stop_reason(attempt) == RUN_GOES_ON)
        log_err("ledger.failed", "", &err);
}

bool run_execute(struct db *db, struct run_attempt *attempt, struct err *err) {
    char id[24];
    struct err failure = {0};
    struct run run = {.attempt = attempt, .from = -1, .to = -1, .reads = db_take(db, mono_ms() + WRITE_MS, &failure)};
    snprintf(id, sizeof id, "%" PRId64, attempt->run_id);
    struct str param = str_from(id);
    run_seen_start(&run.seen);
    late_start(&run.late);
    expose(attempt, run.reads);
    DB_ROWS_AUTO *work =
        run.reads ? db_query(run.reads, db_statement("run_work"), &param, 1, mono_ms() + WRITE_MS, &failure) : NULL;
    if (work)
        run.answers = calloc(db_count(work) + 1, sizeof *run.answers);
    if (work)
        ledger_keep(&run);
    bool ok = work && (run.answers || err_memory(&failure)) && run_hunts(&run, work, &failure);
    expose(attempt, NULL);
    db_give(run.reads);
    bool settled = run_settle(db, &run, ok, &failure, err);
    for (size_t i = 0; i < run.done; i++)
        answer_clear(&run.answers[i]);
    free(run.answers);
    run_seen_free(&run.seen);
    late_free(&run.late);
    return settled;
}

