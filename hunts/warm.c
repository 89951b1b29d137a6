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

enum { TAKE_MS = 30000, AGAIN_MS = 3600000, ARENA = 256 << 20, SQL_CAP = 16 << 20 };

struct warmer {
    struct db *db;
    struct worker *worker;
    pthread_mutex_t lock; /* over the two below */
    struct db_conn *conn; /* while a statement may run on it */
    bool stopping;
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

/* One that can't be planned says so when it is run. */
static bool program_plan(struct db_conn *conn, struct arena *arena, const struct kql_program *program,
                         const struct verdict_ids *verdicts, struct err *err) {
    BUF_AUTO explain = BUF(SQL_CAP);
    struct str sql, *params;
    struct err ignored = {0};
    size_t count;
    if (!verdicts_bind(arena, program, verdicts, &sql, &params, &count, err))
        return false;
    buf_add_str(&explain, STR("EXPLAIN "));
    buf_add_str(&explain, sql);
    if (!buf_cstr(&explain))
        return err_memory(err);
    DB_ROWS_AUTO *plan = db_query(conn, explain.ptr, params, count, query_deadline(), &ignored);
    return plan || db_exec(conn, "ROLLBACK TO SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err);
}

/* The hunts of a table. */
static bool table_warm(struct db_conn *conn, struct arena *arena, const struct kql_program *const *programs, size_t count,
                       const atomic_bool *stop, struct err *err) {
    struct verdict_ids **verdicts;
    bool ok = query_snapshot(conn, err) && db_exec(conn, "SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err) &&
              verdicts_read(conn, arena, programs, count, &verdicts, query_deadline(), err);
    for (size_t p = 0; ok && p < count && !atomic_load(stop); p++)
        ok = !programs[p] || program_plan(conn, arena, programs[p], verdicts[p], err);
    db_rollback(conn);
    return ok;
}

static bool tables_warm(struct db_conn *conn, struct arena *arena, const atomic_bool *stop, struct err *err) {
    struct kql_options options = {.from = -1, .to = -1};
    struct err ignored;
    DB_ROWS_AUTO *hunts = newest_read(conn, &options.now, err)
                              ? db_query(conn, db_statement("coverage_hunts"), NULL, 0, query_deadline(), err)
                              : NULL;
    const struct kql_program **all = arena_array(arena, db_count(hunts) + 1, sizeof *all);
    const struct kql_program **some = arena_array(arena, db_count(hunts) + 1, sizeof *some);
    if (!hunts)
        return false;
    if (!all || !some)
        return err_memory(err);
    for (size_t h = 0; options.now >= 0 && h < db_count(hunts); h++)
        all[h] = db_int(hunts, h, 2) ? kql_compile(arena, db_text(hunts, h, 1), &options, &ignored) : NULL;
    for (size_t t = 0; options.now >= 0 && t < SCHEMA_TABLES && !atomic_load(stop); t++) {
        size_t wanted = 0;
        for (size_t h = 0; h < db_count(hunts); h++) {
            some[h] = all[h] && all[h]->tables >> t & 1 ? all[h] : NULL;
            wanted += some[h] != NULL;
        }
        if (wanted && !table_warm(conn, arena, some, db_count(hunts), stop, err))
            return false;
    }
    return true;
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
    struct arena *arena = arena_new(ARENA);
    struct db_conn *conn = arena ? db_take(warmer->db, mono_ms() + TAKE_MS, &err) : (err_memory(&err), NULL);
    bool ok = conn && (!expose(warmer, conn) || tables_warm(conn, arena, stop, &err));
    if (expose(warmer, NULL) && !ok)
        log_err("hunts.warm", "", &err);
    db_give(conn);
    arena_free(arena);
    return AGAIN_MS;
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

__attribute__((noinline)) static struct warmer *warmer_new(struct db *db) {
    struct warmer *warmer = calloc(1, sizeof *warmer);
    if (!warmer)
        return NULL;
    warmer->db = db;
    pthread_mutex_init(&warmer->lock, NULL);
    return warmer;
}

struct warmer *warmer_start(struct db *db, struct err *err) {
    struct warmer *warmer = warmer_new(db);
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
