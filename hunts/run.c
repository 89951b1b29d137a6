#include "hunts/run.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "hunts/ledger.h"
#include "hunts/registry.h"
#include "hunts/result.h"
#include "hunts/sieve.h"
#include "hunts/runner.h"

enum {
    MAX_ROWS = 200000,
    STATEMENT_MS = 120000,
    WRITE_MS = 30000,
    LEDGER_MS = 120000,
    RETRY_SECONDS = 1,
    QUERY_ARENA = 256 << 20,
    PLANS_ARENA = 1 << 30,
    RESULT_CAP = 256 << 20,
    RUN_CAP = 512 << 20,
    SAVE_ROWS = 100,
    SAVE_BYTES = 32 << 20,
};

/* What one hunt gave, kept until all are written at once. */
struct outcome {
    struct str hunt; /* id, in the run's rows */
    struct buf body, error;
    bool failed;
};

struct run {
    struct run_attempt *attempt;
    struct db_conn *reads;
    struct outcome *outcomes;
    struct db_rows *late;
    size_t done, failed, bytes;
    struct result_freshness freshness[SCHEMA_TABLES];
};

static int64_t statement_deadline(void) {
    return mono_ms() + STATEMENT_MS + 5000;
}

static bool snapshot_open(struct db_conn *conn, struct err *err) {
    return db_begin_snapshot(conn, STATEMENT_MS, statement_deadline(), err);
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
static bool rows_check(struct db_rows **rows, uint32_t max_rows, struct err *err) {
    if (!*rows)
        return query_failed(err);
    if (db_count(*rows) > max_rows) {
        db_rows_free(*rows);
        *rows = NULL;
        return err_set(err, ERR_LIMIT, "the query gives more than %u rows; summarize, or narrow it", max_rows);
    }
    return true;
}

static void etag_make(struct str body, char etag[35]) {
    unsigned char digest[16];
    crypto_generichash(digest, sizeof digest, (const unsigned char *)body.ptr, body.len, NULL, 0);
    etag[0] = '"';
    sodium_bin2hex(etag + 1, 33, digest, sizeof digest);
    etag[33] = '"';
    etag[34] = '\0';
}


void run_stop(struct run_attempt *attempt, enum run_stop reason) {
    pthread_mutex_lock(&attempt->lock);
    if (attempt->stop == RUN_GOES_ON)
        attempt->stop = reason;
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

/* A hunt, compiled. */
struct plan {
    struct hunt hunt;
    int version;
    struct err failure; /* program NULL: why */
};

/* The run's hunts with what is known of them before the first is run. */
struct plans {
    struct arena *arena;
    struct plan *items;
    const struct kql_program **programs;
    struct verdict **verdicts;
    bool *empty; /* nothing in the window can be found */
    size_t count;
};

static bool plan_run(struct run *run, const struct plans *plans, size_t place, struct arena *arena, struct db_rows **rows,
                     struct err *err) {
    const struct kql_program *program = plans->programs[place];
    struct str sql, *params;
    size_t count;
    *rows = NULL;
    if (plans->empty[place])
        return true;
    if (!verdicts_bind(arena, program, plans->verdicts[place], &sql, &params, &count, err))
        return false;
    *rows = db_query(run->reads, sql.ptr, params, count, statement_deadline(), err); /* arena_copy puts a NUL behind it */
    return rows_check(rows, MAX_ROWS, err);
}

static bool hunt_answer(struct run *run, const struct plans *plans, size_t place, struct arena *arena, struct buf *body,
                        struct err *err) {
    struct run_attempt *attempt = run->attempt;
    const struct plan *plan = &plans->items[place];
    struct db_rows *rows = NULL;
    if (!plans->programs[place]) {
        *err = plan->failure;
        return false;
    }
    struct result_context context = {.as_of = attempt->as_of,
                                     .from = attempt->from,
                                     .to = attempt->to,
                                     .hunt = &plan->hunt,
                                     .version = plan->version,
                                     .program = plans->programs[place],
                                     .late = run->late,
                                     .freshness = run->freshness,
                                     .run_id = attempt->run_id};
    bool ok = plan_run(run, plans, place, arena, &rows, err) &&
              result_build(arena, &context, run->reads, rows, statement_deadline(), body, err);
    db_rows_free(rows);
    if (ok && run->bytes + body->len > RUN_CAP)
        ok = err_set(err, ERR_LIMIT, "the run's results are over %d MiB; run fewer hunts at once", RUN_CAP >> 20);
    return ok;
}

/* A hunt's fault is its own: the snapshot goes on behind the savepoint. False: the run itself can't go on. */
static bool hunt_run(struct run *run, const struct plans *plans, size_t place, struct arena *arena, struct err *err) {
    const struct hunt *hunt = &plans->items[place].hunt;
    struct outcome *outcome = &run->outcomes[run->done];
    struct err failure = {0};
    bool ok = true;
    *outcome = (struct outcome){.hunt = hunt->id, .body = BUF(RESULT_CAP), .error = BUF(64 * 1024)};
    arena_reset(arena);
    outcome->failed = !hunt_answer(run, plans, place, arena, &outcome->body, &failure);
    if (outcome->failed) {
        ok = db_exec(run->reads, "ROLLBACK TO SAVEPOINT hunts", NULL, 0, statement_deadline(), NULL, err);
        buf_free(&outcome->body);
        registry_add_error(&outcome->error, &failure, hunt->query);
        if (ok && err_status(failure.code) >= 500)
            log_err("hunt.failed", "", &failure);
    }
    run->failed += outcome->failed;
    run->bytes += outcome->body.len;
    run->done++;
    return ok;
}

static bool plans_make(struct plans *plans, struct run *run, const struct db_rows *work, struct err *err) {
    struct run_attempt *attempt = run->attempt;
    struct kql_options options = {.now = attempt->as_of, .from = attempt->from, .to = attempt->to, .max_rows = MAX_ROWS};
    plans->count = db_count(work);
    plans->items = arena_array(plans->arena, plans->count + 1, sizeof *plans->items);
    plans->programs = arena_array(plans->arena, plans->count + 1, sizeof *plans->programs);
    plans->empty = arena_array(plans->arena, plans->count + 1, sizeof *plans->empty);
    if (!plans->items || !plans->programs || !plans->empty)
        return err_memory(err);
    for (size_t r = 0; r < plans->count; r++) {
        struct plan *plan = &plans->items[r];
        plan->hunt = (struct hunt){.id = db_text(work, r, 0),   .slug = db_text(work, r, 2), .name = db_text(work, r, 3),
                                   .tool = db_text(work, r, 4), .signal = db_text(work, r, 5), .query = db_text(work, r, 6)};
        plan->version = (int)db_int(work, r, 1);
        plans->programs[r] = kql_compile(plans->arena, plan->hunt.query, &options, &plan->failure);
    }
    return true;
}

/* The widest window of the programs. */
static struct sieve window_of(const struct plans *plans) {
    struct sieve sieve = {.from = INT64_MAX, .to = -1};
    bool open = false;
    for (size_t p = 0; p < plans->count; p++) {
        const struct kql_program *program = plans->programs[p];
        if (!program)
            continue;
        sieve.from = program->window_from < sieve.from ? program->window_from : sieve.from;
        open = open || program->window_to < 0;
        sieve.to = program->window_to > sieve.to ? program->window_to : sieve.to;
    }
    if (open)
        sieve.to = -1;
    return sieve;
}

/* What the dictionaries say. Where that fails, each program asks them itself, and whose fault it was shows there. */
static bool plans_decide(struct plans *plans, struct run *run, struct err *err) {
    struct err failure = {0};
    struct sieve sieve = window_of(plans);
    bool ok = verdicts_read(run->reads, plans->arena, plans->programs, plans->count, &plans->verdicts,
                            statement_deadline(), &failure) &&
              (plans->count < 2 || sieve_run(run->reads, plans->arena, &sieve, plans->programs, plans->count,
                                             plans->verdicts, plans->empty, statement_deadline(), &failure));
    if (ok)
        return true;
    plans->verdicts = arena_array(plans->arena, plans->count + 1, sizeof *plans->verdicts);
    for (size_t p = 0; plans->verdicts && p < plans->count; p++) {
        plans->empty[p] = false;
        plans->verdicts[p] = arena_array(plans->arena, plans->programs[p] ? plans->programs[p]->predicate_count + 1 : 1,
                                         sizeof **plans->verdicts); /* all zero: KQL_INLINE */
        if (!plans->verdicts[p])
            return err_memory(err);
    }
    return plans->verdicts ? db_exec(run->reads, "ROLLBACK TO SAVEPOINT hunts", NULL, 0, statement_deadline(), NULL, err)
                           : err_memory(err);
}

static bool late_read(struct run *run, struct err *err) {
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, run->attempt->run_id);
    struct str param = str_from(id);
    run->late = db_query(run->reads, db_statement("late_hits"), &param, 1, statement_deadline(), err);
    return run->late != NULL;
}

static bool plans_run(struct plans *plans, struct run *run, struct err *err) {
    struct arena *arena = arena_new(QUERY_ARENA);
    bool ok = arena || err_memory(err);
    for (size_t p = 0; ok && stop_reason(run->attempt) == RUN_GOES_ON && p < plans->count; p++) {
        ok = hunt_run(run, plans, p, arena, err);
        atomic_store(&run->attempt->done, (long long)run->done);
    }
    arena_free(arena);
    return ok;
}

static bool run_hunts(struct run *run, const struct db_rows *work, struct err *err) {
    struct plans plans = {.arena = arena_new(PLANS_ARENA)};
    bool ok = (plans.arena || err_memory(err)) && snapshot_open(run->reads, err) && late_read(run, err) &&
              db_exec(run->reads, "SAVEPOINT hunts", NULL, 0, statement_deadline(), NULL, err) &&
              plans_make(&plans, run, work, err) && plans_decide(&plans, run, err) && plans_run(&plans, run, err);
    db_rollback(run->reads);
    arena_free(plans.arena);
    return ok;
}

/* As many outcomes as one statement takes: their number. */
static size_t outcomes_page(const struct outcome *outcomes, size_t count) {
    size_t bytes = 0, page = 0;
    while (page < count && page < SAVE_ROWS && (!page || bytes + outcomes[page].body.len <= SAVE_BYTES))
        bytes += outcomes[page++].body.len;
    return page;
}

static bool outcomes_save(struct db_conn *conn, struct str run_id, const struct outcome *outcomes, size_t count,
                          struct err *err) {
    BUF_AUTO sql = BUF(SAVE_ROWS * 128);
    struct str params[1 + SAVE_ROWS * 5] = {run_id};
    char etags[SAVE_ROWS][35];
    size_t n = 1;
    buf_add_str(&sql, STR("UPDATE rmm.results r SET state = v.state, body = v.body, etag = v.etag, error = v.error::jsonb, "
                          "finished_at = clock_timestamp() FROM (VALUES "));
    for (size_t i = 0; i < count; i++) {
        const struct outcome *outcome = &outcomes[i];
        buf_printf(&sql, "%s($%zu::text, $%zu::text, $%zu::text, $%zu::text, $%zu::text)", i ? ", " : "", n + 1, n + 2, n + 3,
                   n + 4, n + 5);
        params[n++] = outcome->hunt;
        params[n++] = outcome->failed ? STR("failed") : STR("succeeded");
        if (!outcome->failed)
            etag_make(buf_str(&outcome->body), etags[i]);
        params[n++] = outcome->failed ? (struct str){0} : buf_str(&outcome->body);
        params[n++] = outcome->failed ? (struct str){0} : str_from(etags[i]);
        params[n++] = buf_str(&outcome->error);
    }
    buf_add_str(&sql, STR(") v (hunt_id, state, body, etag, error) WHERE r.run_id = $1::bigint AND r.hunt_id = v.hunt_id"));
    return buf_cstr(&sql) ? db_exec(conn, sql.ptr, params, n, mono_ms() + WRITE_MS, NULL, err) : err_memory(err);
}

/* params: run, attempt. *held is false when another attempt has the run. A process stopped in here keeps the row locked no
 * longer than the session may be idle. */
static bool run_hold(struct db_conn *conn, const struct str params[2], bool *held, struct err *err) {
    if (!db_begin(conn, "", mono_ms() + WRITE_MS, err) ||
        !db_exec(conn, "SET LOCAL idle_in_transaction_session_timeout = 5000", NULL, 0, mono_ms() + WRITE_MS, NULL, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("run_hold"), params, 2, mono_ms() + WRITE_MS, err);
    *held = rows && db_count(rows) > 0;
    return rows != NULL;
}

/* Results and the run's end, or nothing. failure NULL: the hunts were run. */
static bool run_write(struct db_conn *conn, struct run *run, const struct err *failure, struct err *err) {
    char id[24], number[24], done[24];
    bool held = false, unknown;
    BUF_AUTO error = BUF(64 * 1024);
    snprintf(id, sizeof id, "%" PRId64, run->attempt->run_id);
    snprintf(number, sizeof number, "%" PRId64, run->attempt->attempt);
    snprintf(done, sizeof done, "%zu", run->done);
    if (failure)
        registry_add_error(&error, failure, STR(""));
    struct str params[] = {str_from(id), str_from(number)};
    const char *state = failure || (run->failed && run->failed == run->done) ? "failed" : "succeeded";
    struct str end[] = {str_from(id), str_from(state), buf_str(&error), str_from(done)};
    bool ok = run_hold(conn, params, &held, err);
    for (size_t i = 0, page; ok && held && i < run->done; i += page) {
        page = outcomes_page(&run->outcomes[i], run->done - i);
        ok = outcomes_save(conn, str_from(id), &run->outcomes[i], page, err);
    }
    if (ok && held)
        ok = db_exec(conn, db_statement("run_finish"), end, 4, mono_ms() + WRITE_MS, NULL, err) &&
             db_commit(conn, mono_ms() + WRITE_MS, &unknown, err);
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

/* A ledger that lags doesn't fail the run: the next one catches up. */
static void ledger_keep(struct run *run) {
    struct err err = {0};
    struct run_attempt *attempt = run->attempt;
    struct ledger_run ledger = {attempt->run_id, attempt->as_of, attempt->from, attempt->to};
    if (!ledger_advance(run->reads, &ledger, mono_ms() + LEDGER_MS, &err) && stop_reason(attempt) == RUN_GOES_ON)
        log_err("ledger.failed", "", &err);
}

bool run_execute(struct db *db, struct run_attempt *attempt, struct err *err) {
    char id[24];
    struct err failure = {0};
    struct run run = {.attempt = attempt, .reads = db_take(db, mono_ms() + WRITE_MS, &failure)};
    snprintf(id, sizeof id, "%" PRId64, attempt->run_id);
    struct str param = str_from(id);
    expose(attempt, run.reads);
    DB_ROWS_AUTO *work =
        run.reads ? db_query(run.reads, db_statement("run_work"), &param, 1, mono_ms() + WRITE_MS, &failure) : NULL;
    if (work)
        run.outcomes = calloc(db_count(work) + 1, sizeof *run.outcomes);
    if (work)
        ledger_keep(&run);
    bool ok = work && (run.outcomes || err_memory(&failure)) && run_hunts(&run, work, &failure);
    expose(attempt, NULL);
    db_give(run.reads);
    bool settled = run_settle(db, &run, ok, &failure, err);
    for (size_t i = 0; i < run.done; i++) {
        buf_free(&run.outcomes[i].body);
        buf_free(&run.outcomes[i].error);
    }
    free(run.outcomes);
    db_rows_free(run.late);
    return settled;
}

bool query_run(struct db *db, struct arena *arena, struct str query, const struct kql_options *options,
               int64_t deadline_ms, struct buf *out, struct kql_program **program, struct err *err) {
    struct db_rows *rows = NULL;
    *program = kql_compile(arena, query, options, err);
    struct db_conn *conn = *program ? db_take(db, deadline_ms, err) : NULL;
    bool ok = conn && snapshot_open(conn, err);
    if (ok) {
        rows = verdicts_query(conn, arena, *program, deadline_ms, err);
        ok = rows_check(&rows, options->max_rows, err);
    }
    if (ok)
        result_add_rows(out, *program, rows);
    db_rows_free(rows);
    if (conn)
        db_rollback(conn);
    db_give(conn);
    return ok && (!out->failed || err_set(err, ERR_LIMIT, "the answer is over the size limit; narrow the query"));
}
