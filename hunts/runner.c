#include "hunts/runner.h"

#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "hunts/ledger.h"
#include "hunts/registry.h"
#include "hunts/result.h"
#include "store/array.h"

enum {
    RUNNERS = 2,
    MAX_ROWS = 200000,
    STATEMENT_MS = 120000,
    QUERY_ARENA = 256 << 20,
    RESULT_CAP = 256 << 20,
};

struct work {
    struct work *next;
    int64_t run_id;
    struct db_conn *conn; /* while a statement may run on it */
    bool cancelled;
};

struct runner {
    struct db *db;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct work *queued, *running;
    bool stopping;
    pthread_t threads[RUNNERS];
    size_t thread_count;
};

struct run {
    struct runner *runner;
    struct work *work;
    struct db_conn *reads, *writes;
    int64_t as_of, from, to;
    char id[24];
    size_t failed, done;
    struct result_freshness freshness[SCHEMA_TABLES];
};

static int64_t statement_deadline(void) {
    return mono_ms() + STATEMENT_MS + 5000;
}

static bool snapshot_open(struct db_conn *conn, struct err *err) {
    return db_begin(conn, "ISOLATION LEVEL REPEATABLE READ READ ONLY", statement_deadline(), err) &&
           db_exec(conn, "SET LOCAL statement_timeout = 120000", NULL, 0, statement_deadline(), NULL, err);
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
static bool program_run(struct db_conn *conn, const struct kql_program *program, uint32_t max_rows,
                        int64_t deadline_ms, struct db_rows **rows, struct err *err) {
    BUF_AUTO sql = BUF(8u << 20);
    buf_add_str(&sql, program->sql);
    if (!buf_cstr(&sql))
        return err_memory(err);
    *rows = db_query(conn, sql.ptr, program->params, program->param_count, deadline_ms, err);
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

static bool result_save(struct run *run, const struct hunt *hunt, struct str body, const struct err *failure,
                        bool *go_on, struct err *err) {
    BUF_AUTO error = BUF(64 * 1024);
    char etag[35] = "";
    if (failure)
        registry_add_error(&error, failure, hunt->query);
    else
        etag_make(body, etag);
    struct str params[] = {str_from(run->id),
                           hunt->id,
                           failure ? STR("failed") : STR("succeeded"),
                           failure ? (struct str){0} : body,
                           failure ? (struct str){0} : str_from(etag),
                           buf_str(&error)};
    DB_ROWS_AUTO *rows = db_query(run->writes, db_statement("result_save"), params, 6, statement_deadline(), err);
    *go_on = rows && db_count(rows) > 0;
    return rows != NULL;
}

static bool hunt_answer(struct run *run, struct arena *arena, const struct hunt *hunt, int version, struct buf *body,
                        struct err *err) {
    struct kql_options options = {.now = run->as_of, .from = run->from, .to = run->to, .max_rows = MAX_ROWS};
    struct kql_program *program = kql_compile(arena, hunt->query, &options, err);
    struct db_rows *rows = NULL;
    if (!program)
        return false;
    struct result_context context = {.as_of = run->as_of,
                                     .from = run->from,
                                     .to = run->to,
                                     .hunt = hunt,
                                     .version = version,
                                     .program = program,
                                     .freshness = run->freshness,
                                     .run_id = run->work->run_id};
    bool ok = program_run(run->reads, program, MAX_ROWS, statement_deadline(), &rows, err) &&
              result_build(arena, &context, run->reads, rows, statement_deadline(), body, err);
    db_rows_free(rows);
    return ok;
}

/* A hunt's fault is its own: the snapshot goes on behind a savepoint. False: the run itself can't go on. */
static bool hunt_run(struct run *run, const struct hunt *hunt, int version, bool *go_on, struct err *err) {
    BUF_AUTO body = BUF(RESULT_CAP);
    struct err failure = {0};
    struct arena *arena = arena_new(QUERY_ARENA);
    if (!arena)
        return err_memory(err);
    bool ok = db_exec(run->reads, "SAVEPOINT hunt", NULL, 0, statement_deadline(), NULL, err);
    if (!ok) {
        arena_free(arena);
        return false;
    }
    bool answered = hunt_answer(run, arena, hunt, version, &body, &failure);
    if (answered)
        ok = db_exec(run->reads, "RELEASE SAVEPOINT hunt", NULL, 0, statement_deadline(), NULL, err);
    else
        ok = db_exec(run->reads, "ROLLBACK TO SAVEPOINT hunt", NULL, 0, statement_deadline(), NULL, err);
    if (!answered && err_status(failure.code) >= 500)
        log_err("hunt.failed", "", &failure);
    run->failed += !answered;
    run->done++;
    ok = result_save(run, hunt, buf_str(&body), answered ? NULL : &failure, go_on, err) && ok;
    arena_free(arena);
    return ok;
}

static bool run_hunts(struct run *run, struct err *err) {
    struct str id = str_from(run->id);
    DB_ROWS_AUTO *rows = db_query(run->writes, db_statement("run_work"), &id, 1, statement_deadline(), err);
    bool ok = rows && snapshot_open(run->reads, err), go_on = true;
    for (size_t r = 0; ok && go_on && !run->work->cancelled && r < db_count(rows); r++) {
        struct hunt hunt = {.id = db_text(rows, r, 0),   .slug = db_text(rows, r, 2), .name = db_text(rows, r, 3),
                            .tool = db_text(rows, r, 4), .signal = db_text(rows, r, 5), .query = db_text(rows, r, 6)};
        ok = hunt_run(run, &hunt, (int)db_int(rows, r, 1), &go_on, err);
    }
    db_rollback(run->reads);
    return ok;
}

static bool run_finish(struct run *run, bool ok, const struct err *failure, struct err *err) {
    BUF_AUTO error = BUF(64 * 1024);
    if (!ok)
        registry_add_error(&error, failure, STR(""));
    const char *state = !ok || (run->failed && run->failed == run->done) ? "failed" : "succeeded";
    struct str params[] = {str_from(run->id), str_from(state), buf_str(&error)};
    return db_exec(run->writes, db_statement("run_finish"), params, 3, statement_deadline(), NULL, err);
}

static bool run_begin(struct run *run, struct err *err) {
    struct str id = str_from(run->id);
    DB_ROWS_AUTO *rows = db_query(run->writes, db_statement("run_start"), &id, 1, statement_deadline(), err);
    if (!rows || !db_count(rows))
        return rows ? err_set(err, ERR_CANCELLED, "the run is not queued any more") : false;
    run->as_of = db_int(rows, 0, 0);
    run->from = db_int(rows, 0, 1);
    run->to = db_int(rows, 0, 2);
    return true;
}

/* A ledger that lags doesn't fail the run: the next one catches up. */
static void ledger_keep(struct run *run) {
    struct err err = {0};
    struct ledger_run ledger = {run->work->run_id, run->as_of, run->from, run->to};
    if (!ledger_advance(run->writes, &ledger, statement_deadline(), &err))
        log_err("ledger.failed", "", &err);
}

static void run_execute(struct runner *runner, struct work *work) {
    struct run run = {.runner = runner, .work = work};
    struct err err = {0}, failure = {0};
    snprintf(run.id, sizeof run.id, "%" PRId64, work->run_id);
    run.writes = db_take(runner->db, statement_deadline(), &err);
    run.reads = run.writes ? db_take(runner->db, statement_deadline(), &err) : NULL;
    if (run.reads && run_begin(&run, &err)) {
        pthread_mutex_lock(&runner->lock);
        work->conn = run.reads;
        pthread_mutex_unlock(&runner->lock);
        ledger_keep(&run);
        bool ok = run_hunts(&run, &failure);
        pthread_mutex_lock(&runner->lock);
        work->conn = NULL;
        pthread_mutex_unlock(&runner->lock);
        if (run_finish(&run, ok, &failure, &err))
            err.code = ERR_NONE;
    }
    if (err.code != ERR_NONE && err.code != ERR_CANCELLED)
        log_err("run.failed", "", &err);
    db_give(run.reads);
    db_give(run.writes);
}

static void work_remove(struct work **list, struct work *work) {
    while (*list && *list != work)
        list = &(*list)->next;
    if (*list)
        *list = work->next;
}

static void *runner_thread(void *argument) {
    struct runner *runner = argument;
    pthread_mutex_lock(&runner->lock);
    for (;;) {
        while (!runner->queued && !runner->stopping)
            pthread_cond_wait(&runner->changed, &runner->lock);
        if (runner->stopping)
            break;
        struct work *work = runner->queued;
        runner->queued = work->next;
        work->next = runner->running;
        runner->running = work;
        pthread_mutex_unlock(&runner->lock);
        run_execute(runner, work);
        pthread_mutex_lock(&runner->lock);
        work_remove(&runner->running, work);
        free(work);
        pthread_cond_broadcast(&runner->changed);
    }
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

static void runner_stop(struct runner *runner) {
    pthread_mutex_lock(&runner->lock);
    runner->stopping = true;
    for (struct work *work = runner->running; work; work = work->next) {
        work->cancelled = true;
        if (work->conn)
            db_cancel(work->conn);
    }
    pthread_cond_broadcast(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
    for (size_t i = 0; i < runner->thread_count; i++)
        pthread_join(runner->threads[i], NULL);
    while (runner->queued) {
        struct work *next = runner->queued->next;
        free(runner->queued);
        runner->queued = next;
    }
}

void runner_close(struct runner *runner) {
    if (!runner)
        return;
    runner_stop(runner);
    free(runner);
}

struct runner *runner_open(struct db *db, struct err *err) {
    struct runner *runner = calloc(1, sizeof *runner);
    pthread_condattr_t monotonic;
    if (!runner || sodium_init() < 0) {
        free(runner);
        err_memory(err);
        return NULL;
    }
    runner->db = db;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&runner->lock, NULL);
    pthread_cond_init(&runner->changed, &monotonic);
    for (; runner->thread_count < RUNNERS; runner->thread_count++)
        if (pthread_create(&runner->threads[runner->thread_count], NULL, runner_thread, runner) != 0) {
            err_set(err, ERR_OUT_OF_MEMORY, "no thread for runs");
            runner_stop(runner);
            free(runner);
            return NULL;
        }
    return runner;
}

bool runner_recover(struct db *db, struct err *err) {
    struct db_conn *conn = db_take(db, statement_deadline(), err);
    bool ok = conn && db_exec(conn, db_statement("runs_orphaned"), NULL, 0, statement_deadline(), NULL, err);
    db_give(conn);
    return ok;
}

static void add_selection(struct buf *out, const struct run_request *request) {
    buf_add_char(out, '{');
    if (request->all) {
        buf_add_str(out, STR("\"all\":true"));
    } else if (request->tool.len) {
        buf_add_str(out, STR("\"tool\":"));
        json_add_string(out, request->tool);
    } else {
        buf_add_str(out, STR("\"hunts\":["));
        for (size_t i = 0; i < request->hunt_count; i++) {
            json_add_comma(out);
            json_add_string(out, request->hunts[i]);
        }
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

static struct str ticks_param(struct arena *arena, int64_t ticks) {
    return ticks < 0 ? (struct str){0} : arena_printf(arena, "%" PRId64, ticks);
}

/* The run's row; *fresh is false when the idempotency key had made it before. */
static bool run_insert(struct db_conn *conn, struct arena *arena, const struct run_request *request, int64_t *run_id,
                       bool *fresh, struct err *err) {
    BUF_AUTO selection = BUF(1u << 20);
    int64_t as_of = request->as_of >= 0 ? request->as_of : request->to >= 0 ? request->to : ticks_now();
    add_selection(&selection, request);
    struct str params[] = {buf_str(&selection), ticks_param(arena, as_of), ticks_param(arena, request->from),
                           ticks_param(arena, request->to), request->idempotency_key};
    DB_ROWS_AUTO *rows = selection.failed ? (err_memory(err), NULL)
                                          : db_query(conn, db_statement("run_create"), params, 5,
                                                     statement_deadline(), err);
    if (!rows)
        return false;
    *fresh = db_count(rows) > 0;
    if (*fresh) {
        *run_id = db_int(rows, 0, 0);
        return true;
    }
    struct str keyed[] = {request->idempotency_key, params[0], params[2], params[3]};
    DB_ROWS_AUTO *known = db_query(conn, db_statement("run_by_key"), keyed, 4, statement_deadline(), err);
    if (known && db_count(known) && !str_eq(db_text(known, 0, 1), STR("t")))
        return err_set(err, ERR_CONFLICT, "the Idempotency-Key was used for another request; take a new one");
    if (known && db_count(known))
        *run_id = db_int(known, 0, 0);
    return known && (db_count(known) || err_set(err, ERR_CONFLICT, "the idempotency key is being used; try again"));
}

static bool selection_complete(const struct run_request *request, const struct db_rows *rows, struct err *err) {
    for (size_t i = 0; i < request->hunt_count; i++) {
        bool found = false;
        for (size_t r = 0; r < db_count(rows); r++)
            found = found || str_eq(request->hunts[i], db_text(rows, r, 0)) ||
                    str_eq(request->hunts[i], db_text(rows, r, 1));
        if (!found)
            return err_set(err, ERR_NOT_FOUND, "no hunt '%.*s'; GET /v1/hunts lists them", STR_ARG(request->hunts[i]));
    }
    if (!db_count(rows))
        return request->tool.len
                   ? err_set(err, ERR_NOT_FOUND, "no hunts of a tool '%.*s'; GET /v1/tools lists them",
                             STR_ARG(request->tool))
                   : err_set(err, ERR_BAD_REQUEST, "name \"hunts\":[…], a \"tool\", or \"all\":true");
    return true;
}

static bool run_create(struct db_conn *conn, struct arena *arena, const struct run_request *request, int64_t *run_id,
                       bool *fresh, struct err *err) {
    BUF_AUTO names = BUF(1u << 20);
    bool unknown;
    if (!db_begin(conn, "", statement_deadline(), err) || !run_insert(conn, arena, request, run_id, fresh, err))
        return false;
    if (*fresh) {
        for (size_t i = 0; i < request->hunt_count; i++)
            array_add(&names, request->hunts[i]);
        array_end(&names);
        struct str params[] = {arena_printf(arena, "%" PRId64, *run_id), buf_str(&names), request->tool,
                               request->all ? STR("t") : STR("f")};
        DB_ROWS_AUTO *rows = db_query(conn, db_statement("run_hunts_add"), params, 4, statement_deadline(), err);
        if (!rows || !selection_complete(request, rows, err))
            return false;
    }
    return db_commit(conn, statement_deadline(), &unknown, err);
}

static bool enqueue(struct runner *runner, int64_t run_id, struct err *err) {
    struct work *work = calloc(1, sizeof *work), **last;
    if (!work)
        return err_memory(err);
    work->run_id = run_id;
    pthread_mutex_lock(&runner->lock);
    for (last = &runner->queued; *last; last = &(*last)->next)
        ;
    *last = work;
    pthread_cond_broadcast(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
    return true;
}

bool runner_submit(struct runner *runner, const struct run_request *request, int64_t *run_id, struct err *err) {
    struct arena *arena = arena_new(1u << 20);
    struct db_conn *conn = arena ? db_take(runner->db, statement_deadline(), err) : (err_memory(err), NULL);
    bool fresh = false;
    bool ok = conn && run_create(conn, arena, request, run_id, &fresh, err);
    if (conn && !ok)
        db_rollback(conn);
    db_give(conn);
    arena_free(arena);
    return ok && (!fresh || enqueue(runner, *run_id, err));
}

static struct work *work_find(struct runner *runner, int64_t run_id) {
    for (struct work *work = runner->queued; work; work = work->next)
        if (work->run_id == run_id)
            return work;
    for (struct work *work = runner->running; work; work = work->next)
        if (work->run_id == run_id)
            return work;
    return NULL;
}

bool runner_wait(struct runner *runner, int64_t run_id, int64_t deadline_ms) {
    struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};
    pthread_mutex_lock(&runner->lock);
    while (work_find(runner, run_id) && !runner->stopping)
        if (pthread_cond_timedwait(&runner->changed, &runner->lock, &until) != 0)
            break;
    bool finished = !work_find(runner, run_id);
    pthread_mutex_unlock(&runner->lock);
    return finished;
}

bool runner_cancel(struct runner *runner, int64_t run_id, struct err *err) {
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, run_id);
    struct str param = str_from(id);
    struct db_conn *conn = db_take(runner->db, statement_deadline(), err);
    DB_ROWS_AUTO *rows = conn ? db_query(conn, db_statement("run_cancel"), &param, 1, statement_deadline(), err) : NULL;
    db_give(conn);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "no run %s", id);
    pthread_mutex_lock(&runner->lock);
    struct work *work = work_find(runner, run_id);
    if (work) {
        work->cancelled = true;
        if (work->conn)
            db_cancel(work->conn);
    }
    pthread_mutex_unlock(&runner->lock);
    return true;
}

bool query_run(struct db *db, struct arena *arena, struct str query, const struct kql_options *options,
               int64_t deadline_ms, struct buf *out, struct kql_program **program, struct err *err) {
    struct db_rows *rows = NULL;
    *program = kql_compile(arena, query, options, err);
    struct db_conn *conn = *program ? db_take(db, deadline_ms, err) : NULL;
    bool ok = conn && snapshot_open(conn, err) && program_run(conn, *program, options->max_rows, deadline_ms, &rows, err);
    if (ok)
        result_add_rows(out, *program, rows);
    db_rows_free(rows);
    if (conn)
        db_rollback(conn);
    db_give(conn);
    return ok && (!out->failed || err_set(err, ERR_LIMIT, "the answer is over the size limit; narrow the query"));
}
