#include "hunts/ledger.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "hunts/ledger_facts.h"
#include "kql/kql.h"

enum { QUERY_ARENA = 64 << 20, SQL_CAP = 8 << 20, ANALYZE_ROWS = 1000 };

/* A process stopped in here keeps the lock no longer than the session may be idle. */
static const char limits[] = "SET LOCAL idle_in_transaction_session_timeout = 5000";
static const char work_clear[] =
    "TRUNCATE rmm.ledger_found, rmm.ledger_new, rmm.ledger_facts, rmm.ledger_touched, rmm.ledger_changed";

/* Events that a pass has to look at. */
struct reach {
    struct str snapshot; /* up to which the ledger has read; ptr NULL: nothing */
    bool known, any;
    int64_t arrived_from, from, to;
};

struct pass {
    struct db_conn *conn;
    const struct ledger_run *run;
    int64_t deadline_ms;
    struct arena *arena;
    char id[24];
    struct reach reach; /* of the hunt before: most hunts have read as far as each other */
    uint32_t tables;    /* bit schema_table_index(t): found events come from it */
};

static bool statement_run(struct pass *pass, const char *name, const struct str *params, size_t count, struct err *err) {
    return db_exec(pass->conn, db_statement(name), params, count, pass->deadline_ms, NULL, err);
}

static bool reach_find(struct pass *pass, struct str snapshot, struct err *err) {
    struct reach *reach = &pass->reach;
    if (reach->known && !reach->snapshot.ptr == !snapshot.ptr && str_eq(reach->snapshot, snapshot))
        return true;
    *reach = (struct reach){.snapshot = snapshot, .known = true, .any = true, .from = -1, .to = -1};
    if (!snapshot.ptr)
        return true;
    DB_ROWS_AUTO *rows = db_query(pass->conn, db_statement("ledger_floor"), &snapshot, 1, pass->deadline_ms, err);
    if (!rows)
        return false;
    reach->any = !db_is_null(rows, 0, 0);
    reach->arrived_from = db_int(rows, 0, 0);
    reach->from = db_int(rows, 0, 1);
    reach->to = db_int(rows, 0, 2);
    return true;
}

/* NULL when the hunt's sightings can't be told event by event, or its query isn't right: its own run says so. */
static struct kql_program *hits_compile(struct pass *pass, struct str query) {
    struct err ignored = {0};
    struct kql_options options = {.now = pass->run->as_of,
                                  .from = pass->reach.from,
                                  .to = pass->reach.to,
                                  .hits = HITS_EVER,
                                  .arrived_from = pass->reach.arrived_from};
    struct kql_program *program = kql_compile(pass->arena, query, &options, &ignored);
    if (program)
        return program;
    options = (struct kql_options){
        .now = pass->run->as_of, .from = pass->run->from, .to = pass->run->to, .hits = HITS_RUN};
    return kql_compile(pass->arena, query, &options, &ignored);
}

static bool hits_find(struct pass *pass, struct str number, const struct kql_program *program, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP);
    size_t table = schema_table_index(program->hit_table), n = program->param_count;
    struct str *params = arena_array(pass->arena, n + 2, sizeof *params);
    if (!params)
        return err_memory(err);
    if (n)
        memcpy(params, program->params, n * sizeof *params);
    params[n] = number;
    params[n + 1] = arena_printf(pass->arena, "%zu", table);
    buf_printf(&sql,
               "INSERT INTO rmm.ledger_found (hunt, event_table, ts, device, report_id, digest, arrived) SELECT "
               "$%zu::integer, $%zu::smallint, h.c0, h.c1::integer, h.c2, h.c3, h.c4 FROM (",
               n + 1, n + 2);
    buf_add_str(&sql, program->sql);
    buf_add_str(&sql, STR(") h"));
    if (!buf_cstr(&sql) || !params[n + 1].ptr)
        return err_memory(err);
    pass->tables |= UINT32_C(1) << table;
    return db_exec(pass->conn, sql.ptr, params, n + 2, pass->deadline_ms, NULL, err);
}

/* A hunt whose query fails on the data is left to its own run, which says why. */
static bool hunt_find(struct pass *pass, const struct db_rows *work, size_t row, struct err *err) {
    struct err failure = {0};
    struct str snapshot = db_is_null(work, row, 3) ? (struct str){0} : db_text(work, row, 3);
    if (!reach_find(pass, snapshot, err))
        return false;
    if (!pass->reach.any)
        return true;
    arena_reset(pass->arena);
    const struct kql_program *program = hits_compile(pass, db_text(work, row, 2));
    if (!program)
        return true;
    if (!db_exec(pass->conn, "SAVEPOINT hunt", NULL, 0, pass->deadline_ms, NULL, err))
        return false;
    bool found = hits_find(pass, db_text(work, row, 0), program, &failure);
    if (!found && failure.code != ERR_INTERNAL) {
        *err = failure;
        return false;
    }
    return db_exec(pass->conn, found ? "RELEASE SAVEPOINT hunt" : "ROLLBACK TO SAVEPOINT hunt", NULL, 0,
                   pass->deadline_ms, NULL, err);
}

static bool hunts_find(struct pass *pass, struct err *err) {
    struct str id = str_from(pass->id);
    DB_ROWS_AUTO *work = db_query(pass->conn, db_statement("ledger_work"), &id, 1, pass->deadline_ms, err);
    for (size_t r = 0; work && r < db_count(work); r++)
        if (!hunt_find(pass, work, r, err))
            return false;
    return work != NULL;
}

/* The order matters: each step builds on the rows of the one before. */
static bool books_keep(struct pass *pass, struct err *err) {
    struct str id = str_from(pass->id);
    return ledger_facts_collect(pass->conn, pass->tables, pass->deadline_ms, err) &&
           statement_run(pass, "ledger_findings", NULL, 0, err) && statement_run(pass, "ledger_device_tools", NULL, 0, err) &&
           statement_run(pass, "ledger_facts", NULL, 0, err) && statement_run(pass, "ledger_devices", NULL, 0, err) &&
           statement_run(pass, "ledger_flags", NULL, 0, err) && statement_run(pass, "ledger_changes", &id, 1, err) &&
           statement_run(pass, "ledger_told", NULL, 0, err) && statement_run(pass, "ledger_signers", &id, 1, err);
}

static bool hits_keep(struct pass *pass, struct err *err) {
    struct str id = str_from(pass->id);
    DB_ROWS_AUTO *rows = db_query(pass->conn, db_statement("ledger_hits"), &id, 1, pass->deadline_ms, err);
    if (!rows || !db_int(rows, 0, 0))
        return rows != NULL;
    if (db_int(rows, 0, 0) > ANALYZE_ROWS &&
        !db_exec(pass->conn, "ANALYZE rmm.ledger_new", NULL, 0, pass->deadline_ms, NULL, err))
        return false;
    return books_keep(pass, err);
}

/* The end of the window that the run answers, not later than now. */
static int64_t served_to(const struct ledger_run *run) {
    int64_t now = ticks_now(), to = run->to >= 0 && run->to < run->as_of ? run->to : run->as_of;
    return to < now ? to : now;
}

static bool pass_run(struct pass *pass, struct err *err) {
    char to[24];
    snprintf(to, sizeof to, "%" PRId64, served_to(pass->run));
    if (!db_exec(pass->conn, limits, NULL, 0, pass->deadline_ms, NULL, err))
        return false;
    DB_ROWS_AUTO *lock = db_query(pass->conn, db_statement("ledger_lock"), NULL, 0, pass->deadline_ms, err);
    if (!lock)
        return false;
    struct str params[] = {str_from(pass->id), db_text(lock, 0, 0), str_from(to)};
    return db_exec(pass->conn, work_clear, NULL, 0, pass->deadline_ms, NULL, err) && hunts_find(pass, err) && hits_keep(pass, err) &&
           statement_run(pass, "ledger_served", params, 3, err);
}

bool ledger_advance(struct db_conn *conn, const struct ledger_run *run, int64_t deadline_ms, struct err *err) {
    struct pass pass = {.conn = conn, .run = run, .deadline_ms = deadline_ms, .arena = arena_new(QUERY_ARENA)};
    bool unknown, ok = pass.arena ? db_begin(conn, "", deadline_ms, err) : err_memory(err);
    snprintf(pass.id, sizeof pass.id, "%" PRId64, run->run_id);
    if (ok) {
        ok = pass_run(&pass, err) && db_commit(conn, deadline_ms, &unknown, err);
        if (!ok)
            db_rollback(conn);
    }
    arena_free(pass.arena);
    return ok;
}
