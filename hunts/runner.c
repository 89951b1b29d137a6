#include "hunts/runner.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/worker.h"
#include "hunts/queue.h"
#include "store/array.h"

enum {
    RUNNERS = 2,
    POLL_MS = 500,   /* how long what another server queued may wait for us */
    WAIT_MS = 200,   /* between looks at a run that another server has */
    BEAT_MS = 1000,
    BEAT_LIMIT_MS = 2500, /* well below the lease */
};

struct runner {
    struct db *db;
    bool own_only;
    pthread_mutex_t lock;
    pthread_cond_t queued;   /* or stopping */
    pthread_cond_t finished; /* or taken, or stopping */
    int hints;               /* runs queued here and not yet looked for */
    int64_t own;             /* with own_only: the run submitted here */
    unsigned changes;        /* of the list below */
    struct run_attempt *running;
    bool stopping;
    pthread_t threads[RUNNERS];
    size_t thread_count;
    struct worker *heart;       /* outlives the threads above */
    struct db_conn *heart_conn; /* its own, and so is: */
    bool heart_failing;         /* an outage is told once */
};

/* False: stopping. */
static bool wait_for_work(struct runner *runner) {
    int64_t until = mono_ms() + POLL_MS;
    pthread_mutex_lock(&runner->lock);
    while (!runner->hints && !runner->stopping && cond_wait(&runner->queued, &runner->lock, until)) {
    }
    runner->hints -= runner->hints > 0;
    bool go_on = !runner->stopping;
    pthread_mutex_unlock(&runner->lock);
    return go_on;
}

static void list_add(struct runner *runner, struct run_attempt *attempt) {
    pthread_mutex_lock(&runner->lock);
    attempt->next = runner->running;
    runner->running = attempt;
    runner->changes++;
    if (runner->stopping)
        run_stop(attempt, RUN_HANDED_BACK);
    pthread_cond_broadcast(&runner->finished);
    pthread_mutex_unlock(&runner->lock);
}

static void list_remove(struct runner *runner, struct run_attempt *attempt) {
    pthread_mutex_lock(&runner->lock);
    for (struct run_attempt **at = &runner->running; *at; at = &(*at)->next)
        if (*at == attempt) {
            *at = attempt->next;
            break;
        }
    runner->changes++;
    pthread_cond_broadcast(&runner->finished);
    pthread_mutex_unlock(&runner->lock);
}

static struct run_attempt *list_find(const struct runner *runner, int64_t run_id) {
    struct run_attempt *attempt = runner->running;
    while (attempt && attempt->run_id != run_id)
        attempt = attempt->next;
    return attempt;
}

/* False: there is nothing that may be claimed. */
static bool may_claim(struct runner *runner, int64_t *only) {
    pthread_mutex_lock(&runner->lock);
    *only = runner->own;
    bool may = !runner->stopping && (!runner->own_only || runner->own);
    pthread_mutex_unlock(&runner->lock);
    return may;
}

/* True when there was a run. */
static bool run_next(struct runner *runner, bool *failing) {
    struct run_attempt *attempt;
    struct err err = {0};
    int64_t only;
    if (!may_claim(runner, &only))
        return false;
    bool ok = queue_claim(runner->db, only, &attempt, &err);
    if (!ok && !*failing)
        log_err("run.claim", "", &err);
    *failing = !ok;
    if (!attempt)
        return false;
    list_add(runner, attempt);
    if (!run_execute(runner->db, attempt, &err))
        log_err("run.failed", "", &err);
    list_remove(runner, attempt);
    queue_attempt_free(attempt);
    return true;
}

static void *runner_thread(void *argument) {
    struct runner *runner = argument;
    bool failing = false; /* an outage is told once */
    while (wait_for_work(runner))
        while (run_next(runner, &failing))
            ;
    return NULL;
}

/* The runs whose leases are to be renewed; one that is being finished has its row locked by us, and needs no lease. */
static size_t held_list(struct runner *runner, struct buf arrays[3]) {
    size_t count = 0;
    pthread_mutex_lock(&runner->lock);
    for (struct run_attempt *attempt = runner->running; attempt; attempt = attempt->next) {
        attempt->asked = !atomic_load(&attempt->finishing);
        if (!attempt->asked)
            continue;
        array_add_int(&arrays[0], attempt->run_id);
        array_add_int(&arrays[1], attempt->attempt);
        array_add_int(&arrays[2], atomic_load(&attempt->done));
        count++;
    }
    pthread_mutex_unlock(&runner->lock);
    for (size_t i = 0; i < 3; i++)
        array_end(&arrays[i]);
    return count;
}

/* Those asked about that are not in rows belong to another attempt, unless they were finished meanwhile. */
static void held_check(struct runner *runner, const struct db_rows *rows) {
    pthread_mutex_lock(&runner->lock);
    for (struct run_attempt *attempt = runner->running; attempt; attempt = attempt->next) {
        size_t r = 0;
        while (r < db_count(rows) && db_int(rows, r, 0) != attempt->run_id)
            r++;
        if (r < db_count(rows) && str_eq(db_text(rows, r, 1), STR("t")))
            run_stop(attempt, RUN_CANCELLED);
        else if (r == db_count(rows) && attempt->asked && !atomic_load(&attempt->finishing))
            run_stop(attempt, RUN_LOST);
    }
    pthread_mutex_unlock(&runner->lock);
}

static bool beat(struct runner *runner, struct db_conn *conn, struct err *err) {
    struct buf arrays[] = {BUF(4096), BUF(4096), BUF(4096)};
    int64_t deadline = mono_ms() + BEAT_LIMIT_MS;
    bool ok = true;
    if (held_list(runner, arrays)) {
        struct str params[] = {buf_str(&arrays[0]), buf_str(&arrays[1]), buf_str(&arrays[2])};
        DB_ROWS_AUTO *rows = db_query(conn, db_statement("runs_renew"), params, 3, deadline, err);
        ok = rows != NULL;
        if (ok)
            held_check(runner, rows);
    }
    for (size_t i = 0; i < 3; i++)
        buf_free(&arrays[i]);
    return ok && db_exec(conn, db_statement("runs_expire"), NULL, 0, deadline, NULL, err);
}

/* Keeps a connection of its own, so that a pool that is used up costs no lease. */
static int heart_turn(void *context, const atomic_bool *stop) {
    struct runner *runner = context;
    struct err err = {0};
    (void)stop;
    if (!runner->heart_conn)
        runner->heart_conn = db_take(runner->db, mono_ms() + BEAT_LIMIT_MS, &err);
    bool ok = runner->heart_conn && beat(runner, runner->heart_conn, &err);
    if (!ok) {
        db_give(runner->heart_conn);
        runner->heart_conn = NULL;
    }
    if (!ok && !runner->heart_failing)
        log_err("run.lease", "", &err);
    runner->heart_failing = !ok;
    return BEAT_MS;
}

void runner_stop(struct runner *runner) {
    pthread_mutex_lock(&runner->lock);
    runner->stopping = true;
    for (struct run_attempt *attempt = runner->running; attempt; attempt = attempt->next)
        run_stop(attempt, RUN_HANDED_BACK);
    pthread_cond_broadcast(&runner->queued);
    pthread_cond_broadcast(&runner->finished);
    pthread_mutex_unlock(&runner->lock);
}

void runner_close(struct runner *runner) {
    if (!runner)
        return;
    runner_stop(runner);
    for (size_t i = 0; i < runner->thread_count; i++)
        pthread_join(runner->threads[i], NULL);
    worker_stop(runner->heart);
    db_give(runner->heart_conn);
    pthread_cond_destroy(&runner->queued);
    pthread_cond_destroy(&runner->finished);
    pthread_mutex_destroy(&runner->lock);
    free(runner);
}

__attribute__((noinline)) static struct runner *runner_new(struct db *db, bool own_only) {
    struct runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return NULL;
    runner->db = db;
    runner->own_only = own_only;
    pthread_mutex_init(&runner->lock, NULL);
    cond_init(&runner->queued);
    cond_init(&runner->finished);
    return runner;
}

struct runner *runner_open(struct db *db, bool own_only, struct err *err) {
    struct runner *runner = sodium_init() < 0 ? NULL : runner_new(db, own_only);
    if (!runner) {
        err_memory(err);
        return NULL;
    }
    runner->heart = worker_start(heart_turn, runner, BEAT_MS, "leases", err);
    bool ok = runner->heart != NULL;
    for (; ok && runner->thread_count < RUNNERS; runner->thread_count += ok)
        ok = pthread_create(&runner->threads[runner->thread_count], NULL, runner_thread, runner) == 0;
    if (ok)
        return runner;
    if (runner->heart)
        err_set(err, ERR_OUT_OF_MEMORY, "no thread for runs");
    runner_close(runner);
    return NULL;
}

void runner_hint(struct runner *runner, int64_t run_id) {
    pthread_mutex_lock(&runner->lock);
    runner->own = runner->own_only ? run_id : 0;
    runner->hints += runner->hints < RUNNERS; /* who wakes goes on until nothing is left */
    pthread_cond_signal(&runner->queued);
    pthread_mutex_unlock(&runner->lock);
}

static bool submit(struct db_conn *conn, struct arena *arena, const struct run_request *request, int64_t *run_id,
                   struct err *err) {
    bool fresh, unknown;
    return db_begin(conn, "", mono_ms() + QUEUE_LIMIT_MS, err) &&
           queue_add(conn, arena, request, run_id, &fresh, err) &&
           db_commit(conn, mono_ms() + QUEUE_LIMIT_MS, &unknown, err);
}

bool runner_submit(struct runner *runner, const struct run_request *request, int64_t *run_id, struct err *err) {
    struct arena *arena = arena_new(1u << 20);
    struct db_conn *conn = arena ? db_take(runner->db, mono_ms() + QUEUE_LIMIT_MS, err) : (err_memory(err), NULL);
    bool ok = conn && submit(conn, arena, request, run_id, err);
    db_give(conn);
    arena_free(arena);
    if (ok)
        runner_hint(runner, *run_id);
    return ok;
}

/* Until the run leaves us, or for a short while when another server has it; not at all when the list of runs here has
 * changed since `seen`. False: stopping. */
static bool wait_here(struct runner *runner, int64_t run_id, unsigned seen, int64_t deadline_ms) {
    int64_t soon = mono_ms() + WAIT_MS;
    pthread_mutex_lock(&runner->lock);
    bool ours = list_find(runner, run_id) != NULL;
    int64_t until = ours || soon > deadline_ms ? deadline_ms : soon;
    while (!runner->stopping && (ours ? list_find(runner, run_id) != NULL : runner->changes == seen) &&
           cond_wait(&runner->finished, &runner->lock, until)) {
    }
    bool go_on = !runner->stopping;
    pthread_mutex_unlock(&runner->lock);
    return go_on;
}

unsigned runner_changes(struct runner *runner) {
    pthread_mutex_lock(&runner->lock);
    unsigned changes = runner->changes;
    pthread_mutex_unlock(&runner->lock);
    return changes;
}

void runner_pause(struct runner *runner, unsigned seen, int64_t deadline_ms) {
    pthread_mutex_lock(&runner->lock);
    while (runner->changes == seen && cond_wait(&runner->finished, &runner->lock, deadline_ms)) {
    }
    pthread_mutex_unlock(&runner->lock);
}

bool runner_wait(struct runner *runner, int64_t run_id, int64_t deadline_ms) {
    for (;;) {
        struct err err = {0};
        bool over = false;
        unsigned seen = runner_changes(runner);
        if (queue_is_over(runner->db, run_id, &over, &err) && over)
            return true;
        if (err.code == ERR_NOT_FOUND || mono_ms() >= deadline_ms || !wait_here(runner, run_id, seen, deadline_ms))
            return false;
    }
}

bool runner_cancel(struct runner *runner, int64_t run_id, struct err *err) {
    if (!queue_cancel(runner->db, run_id, err))
        return false;
    pthread_mutex_lock(&runner->lock);
    struct run_attempt *attempt = list_find(runner, run_id);
    if (attempt)
        run_stop(attempt, RUN_CANCELLED);
    pthread_mutex_unlock(&runner->lock);
    return true;
}
