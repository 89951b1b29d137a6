#include "hunts/warm.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/worker.h"
#include "hunts/query.h"
#include "store/presence.h"
#include "store/verdict.h"

/* VALUES: of a dictionary that are decided in well under a second, and kept at once: what breaks off goes on from
 * there. */
enum {
    TAKE_MS = 30000,
    REST_MS = 5000,
    FAILED_MS = 60000,
    AGAIN_MS = 3600000,
    VALUES = 100000,
    ARENA = 256 << 20,
    SQL_CAP = 16 << 20,
};

struct warmer {
    struct db *db;
    struct warm_counts *counts;
    struct worker *worker;
    pthread_mutex_t lock; /* over the two below */
    struct db_conn *conn; /* while a statement may run on it */
    bool stopping;
    bool begun; /* the turns' own */
};

/* A turn. */
struct warming {
    struct db_conn *conn;
    struct arena *arena;
    const struct kql_program **programs, **some; /* NULL: can't be run, or isn't wanted */
    size_t count;
    int64_t sizes[DICT_COUNT], largest;
};

/* When the newest event was, so that its days and those before it are the ones that are planned; -1: there is none. */
static bool newest_read(struct db_conn *conn, int64_t *newest, struct err *err) {
    *newest = -1;
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        struct presence presence;
        if (!presence_read(conn, t, 0, 0, &presence, query_deadline(), err))
            return false;
        *newest = presence.newest_event > *newest ? presence.newest_event : *newest;
    }
    return true;
}

static bool hunts_compile(struct warming *warming, const struct db_rows *hunts, int64_t now, struct err *err) {
    const struct kql_options options = {.now = now, .from = -1, .to = -1};
    struct err ignored;
    warming->count = db_count(hunts);
    warming->programs = arena_array(warming->arena, warming->count + 1, sizeof *warming->programs);
    warming->some = arena_array(warming->arena, warming->count + 1, sizeof *warming->some);
    if (!warming->programs || !warming->some)
        return err_memory(err);
    for (size_t h = 0; h < warming->count; h++)
        if (db_int(hunts, h, 2))
            warming->programs[h] = kql_compile(warming->arena, db_text(hunts, h, 1), &options, &ignored);
    return true;
}

/* One that can't be planned says so when it is run. */
static bool program_plan(struct db_conn *conn, const struct kql_program *program, struct err *err) {
    BUF_AUTO explain = BUF(SQL_CAP);
    struct err ignored = {0};
    buf_add_str(&explain, STR("EXPLAIN "));
    buf_add_str(&explain, program->sql);
    if (!buf_cstr(&explain))
        return err_memory(err);
    DB_ROWS_AUTO *plan =
        db_query(conn, explain.ptr, program->params, program->param_count, query_deadline(), &ignored);
    return plan || db_exec(conn, "ROLLBACK TO SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err);
}

static bool plans_warm(const struct warming *warming, const atomic_bool *stop, struct err *err) {
    bool ok = query_snapshot(warming->conn, err) &&
              db_exec(warming->conn, "SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err);
    for (size_t p = 0; ok && p < warming->count && !atomic_load(stop); p++)
        ok = !warming->programs[p] || program_plan(warming->conn, warming->programs[p], err);
    db_rollback(warming->conn);
    return ok;
}

static bool sizes_read(struct warming *warming, struct err *err) {
    BUF_AUTO sql = BUF(4096);
    for (size_t d = 0; d < DICT_COUNT; d++)
        buf_printf(&sql, "%s(SELECT max(id) FROM dict.%s)", d ? ", " : "SELECT ",
                   schema_dictionary((enum schema_dictionary_id)d)->name);
    if (!buf_cstr(&sql))
        return err_memory(err);
    DB_ROWS_AUTO *rows = db_query(warming->conn, sql.ptr, NULL, 0, query_deadline(), err);
    for (size_t d = 0; rows && d < DICT_COUNT; d++) {
        warming->sizes[d] = db_int(rows, 0, d);
        warming->largest = warming->sizes[d] > warming->largest ? warming->sizes[d] : warming->largest;
    }
    return rows != NULL;
}

static bool is_soon(const struct warming *warming, const struct kql_program *program) {
    bool soon = true;
    for (size_t i = 0; i < program->predicate_count; i++)
        soon = soon && warming->sizes[program->predicates[i].slot->dictionary] <= VALUES;
    return soon;
}

/* At most once through the dictionaries as they were at the turn's start. */
static bool values_decide(const struct warming *warming, const atomic_bool *stop, struct err *err) {
    bool ok = true, more = true;
    for (int64_t from = 0; ok && more && from <= warming->largest && !atomic_load(stop); from += VALUES) {
        ok = query_snapshot(warming->conn, err) &&
             verdicts_advance(warming->conn, warming->some, warming->count, VALUES, &more, query_deadline(), err);
        db_rollback(warming->conn);
    }
    return ok;
}

/* A table's hunts at a time, so that those of the others don't wait for its large dictionaries. */
static bool verdicts_warm(const struct warming *warming, bool all, const atomic_bool *stop, struct err *err) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        for (size_t p = 0; p < warming->count; p++) {
            const struct kql_program *program = warming->programs[p];
            warming->some[p] = program && program->tables >> t & 1 && (all || is_soon(warming, program)) ? program : NULL;
        }
        if (!values_decide(warming, stop, err))
            return false;
    }
    return true;
}

/* all: dictionaries that take seconds, too. */
static bool warm(struct warming *warming, bool all, const atomic_bool *stop, struct err *err) {
    int64_t newest;
    if (!newest_read(warming->conn, &newest, err))
        return false;
    DB_ROWS_AUTO *hunts = db_query(warming->conn, db_statement("coverage_hunts"), NULL, 0, query_deadline(), err);
    return hunts && (newest < 0 || (hunts_compile(warming, hunts, newest, err) && plans_warm(warming, stop, err) &&
                                    sizes_read(warming, err) && verdicts_warm(warming, all, stop, err)));
}

/* False: it is time to stop. */
static bool expose(struct warmer *warmer, struct db_conn *conn) {
    pthread_mutex_lock(&warmer->lock);
    bool go_on = !warmer->stopping;
    warmer->conn = go_on ? conn : NULL;
    pthread_mutex_unlock(&warmer->lock);
    return go_on;
}

static int warm_turn(void *context, const atomic_bool *stop) {
    struct warmer *warmer = context;
    struct err err = {0};
    bool first = !warmer->begun;
    struct warming warming = {.arena = arena_new(ARENA)};
    warming.conn = warming.arena ? db_take(warmer->db, mono_ms() + TAKE_MS, &err) : (err_memory(&err), NULL);
    bool ok = warming.conn && (!expose(warmer, warming.conn) || warm(&warming, !first, stop, &err));
    bool failed = expose(warmer, NULL) && !ok;
    if (failed)
        log_err("hunts.warm", "", &err);
    atomic_fetch_add(failed ? &warmer->counts->failures : &warmer->counts->turns, 1);
    db_give(warming.conn);
    arena_free(warming.arena);
    warmer->begun = true;
    return first ? REST_MS : failed ? FAILED_MS : AGAIN_MS;
}

void warmer_stop(struct warmer *warmer) {
    if (!warmer)
        return;
    pthread_mutex_lock(&warmer->lock);
    warmer->stopping = true;
    if (warmer->conn)
        db_cancel(warmer->conn);
    pthread_mutex_unlock(&warmer->lock);
    worker_stop(warmer->worker);
    pthread_mutex_destroy(&warmer->lock);
    free(warmer);
}

__attribute__((noinline)) static struct warmer *warmer_new(struct db *db, struct warm_counts *counts) {
    struct warmer *warmer = calloc(1, sizeof *warmer);
    if (!warmer)
        return NULL;
    warmer->db = db;
    warmer->counts = counts;
    pthread_mutex_init(&warmer->lock, NULL);
    return warmer;
}

struct warmer *warmer_start(struct db *db, struct warm_counts *counts, struct err *err) {
    struct warmer *warmer = warmer_new(db, counts);
    if (!warmer) {
        err_memory(err);
        return NULL;
    }
    warmer->worker = worker_start(warm_turn, warmer, 0, "warming", err);
    if (warmer->worker)
        return warmer;
    warmer_stop(warmer);
    return NULL;
}
