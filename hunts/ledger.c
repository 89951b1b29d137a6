#include "hunts/ledger.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "hunts/ledger_facts.h"
#include "hunts/sieve.h"
#include "store/array.h"
#include "store/pulse.h"

enum { PASS_ARENA = 1 << 30, SQL_CAP = 8 << 20, LIST_CAP = 1 << 20, ANALYZE_ROWS = 1000, TRIES = 5 };

/* All of a pass sees one moment: no event, of whatever table a hunt reads, has values that came after they were
 * decided. A pass that finds nothing only notes how far it read. A crash may take that back: the next pass reads it
 * again, and a run that answers for it commits later, which makes it last. */
static const char pass_settings[] =
    "; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL synchronous_commit = off";
static const char *const work_tables[] = {"found", "new", "facts", "touched", "changed"};

/* Events that a pass has to look at. */
struct reach {
    struct str snapshot; /* up to which the ledger has read; ptr NULL: nothing */
    bool known, any;
    int64_t arrived_from, from, to;
};

/* The run's hunts, as far as their sightings can be told event by event and something came for them. */
struct searches {
    struct str *numbers;
    const struct kql_program **programs, **ever; /* ever: those that look at what came only; NULL for the others */
    struct verdict_ids **verdicts;
    bool *empty;
    size_t count;
    struct sieve sieve;
};

struct pass {
    struct db_conn *conn;
    const struct ledger_run *run;
    int64_t deadline_ms;
    struct arena *arena;
    char id[24];
    struct str snapshot; /* the batches that are looked at */
    struct str ran;      /* those that were looked at for runs of signed files; ptr NULL: none */
    struct reach reach; /* of the hunt before: most hunts have read as far as each other */
    uint32_t tables;    /* bit schema_table_index(t): found events come from it */
    bool found;         /* something is in rmm.ledger_found */
    struct buf failed;  /* arrays of hunt numbers: those that have to look again */
    struct buf by_run;  /* those whose sightings depend on the run's window */
};

static bool statement_do(struct pass *pass, const char *name, const struct str *params, size_t count,
                         struct err *err) {
    return db_exec(pass->conn, db_statement(name), params, count, pass->deadline_ms, NULL, err);
}

static bool reach_find(struct pass *pass, struct str snapshot, struct err *err) {
    struct reach *reach = &pass->reach;
    if (reach->known && !reach->snapshot.ptr == !snapshot.ptr && str_eq(reach->snapshot, snapshot))
        return true;
    *reach = (struct reach){.any = true, .from = -1, .to = -1};
    if (snapshot.ptr &&
        !(reach->snapshot = arena_copy(pass->arena, snapshot)).ptr) /* it outlives the rows it is from */
        return err_memory(err);
    reach->known = true;
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

static void sieve_widen(struct sieve *sieve, const struct reach *reach) {
    sieve->arrived_from = reach->arrived_from < sieve->arrived_from ? reach->arrived_from : sieve->arrived_from;
    sieve->from = reach->from < sieve->from ? reach->from : sieve->from;
    sieve->to = reach->to < 0 || sieve->to == -1 ? -1 : reach->to > sieve->to ? reach->to : sieve->to;
}

static bool is_same(const struct kql_program *a, const struct kql_program *b) {
    bool same = a->param_count == b->param_count && str_eq(a->sql, b->sql);
    for (size_t i = 0; same && i < a->param_count; i++)
        same = !a->params[i].ptr == !b->params[i].ptr && str_eq(a->params[i], b->params[i]);
    return same;
}

/* What moves with now() beside the bounds on Timestamp shows when the query is compiled for another day. */
static bool is_timeless(struct arena *arena, struct str query, const struct kql_options *options,
                        const struct kql_program *program, struct err *why) {
    struct kql_options later = *options;
    later.now += TICKS_DAY;
    const struct kql_program *other = kql_compile(arena, query, &later, why);
    return other &&
           (is_same(program, other) || err_set(why, ERR_BAD_QUERY,
                                               "a condition that isn't a bound on Timestamp moves with now(), so that "
                                               "sightings can't be told event by event"));
}

static bool names_device(const struct kql_program *program) {
    bool named = false;
    for (size_t c = 0; program && c < program->column_count; c++)
        named = named || program->columns[c].role == ROLE_DEVICE_ID || program->columns[c].role == ROLE_DEVICE_NAME;
    return named;
}

bool ledger_is_by_result(struct arena *arena, struct str query, const struct kql_program *program,
                         const struct kql_options *options) {
    struct err why = {0};
    struct kql_options hits = *options;
    hits.hits = HITS_RUN;
    return names_device(program) && !kql_compile(arena, query, &hits, &why) && why.code == ERR_BAD_QUERY;
}

enum ledger_mode ledger_mode_of(struct arena *arena, struct str query, struct err *why) {
    struct err ignored = {0};
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1, .hits = HITS_EVER};
    const struct kql_program *program = kql_compile(arena, query, &options, why);
    if (program && is_timeless(arena, query, &options, program, why))
        return LEDGER_EVENTS;
    options.hits = HITS_RUN;
    if (kql_compile(arena, query, &options, &ignored))
        return LEDGER_RUN;
    options.hits = HITS_NONE;
    program = kql_compile(arena, query, &options, &ignored);
    if (names_device(program))
        return LEDGER_RESULT;
    char text[sizeof why->text];
    snprintf(text, sizeof text, "%s", why->text);
    if (program)
        err_set(why, ERR_BAD_QUERY, "%.300s; nor do its rows have a DeviceId or DeviceName", text);
    return LEDGER_NONE;
}

static void list_add(struct buf *list, struct str number) {
    long long hunt;
    if (str_to_int64(number, &hunt))
        array_add_int(list, hunt);
}

/* work: of ledger_work. */
static bool row_is_by_run(const struct db_rows *work, size_t row) {
    return str_eq(db_text(work, row, 4), STR("t"));
}

/* A hunt whose sightings can't be told event by event, or whose query isn't right, is left out: its own run says why.
 */
static bool search_add(struct pass *pass, struct searches *searches, const struct db_rows *work, size_t row) {
    struct err ignored = {0};
    struct str number = db_text(work, row, 0), query = db_text(work, row, 2);
    bool fresh = db_is_null(work, row, 3), by_run = row_is_by_run(work, row);
    struct kql_options options = {.now = pass->run->as_of,
                                  .from = pass->reach.from,
                                  .to = pass->reach.to,
                                  .hits = HITS_EVER,
                                  .arrived_from = pass->reach.arrived_from};
    const struct kql_program *ever = by_run ? NULL : kql_compile(pass->arena, query, &options, &ignored);
    if (ever && fresh && !is_timeless(pass->arena, query, &options, ever, &ignored))
        ever = NULL;
    const struct kql_program *program = ever;
    if (ever) {
        sieve_widen(&searches->sieve, &pass->reach);
    } else {
        options = (struct kql_options){
            .now = pass->run->as_of, .from = pass->run->from, .to = pass->run->to, .hits = HITS_RUN};
        program = kql_compile(pass->arena, query, &options, &ignored);
    }
    if (!program)
        return ignored.code != ERR_OUT_OF_MEMORY;
    if (!ever)
        list_add(&pass->by_run, number);
    searches->numbers[searches->count] = number;
    searches->ever[searches->count] = ever;
    searches->programs[searches->count++] = program;
    return true;
}

static bool searches_make(struct pass *pass, struct searches *searches, const struct db_rows *work, struct err *err) {
    size_t most = db_count(work) + 1;
    *searches = (struct searches){.numbers = arena_array(pass->arena, most, sizeof *searches->numbers),
                                  .programs = arena_array(pass->arena, most, sizeof *searches->programs),
                                  .ever = arena_array(pass->arena, most, sizeof *searches->ever),
                                  .empty = arena_array(pass->arena, most, sizeof *searches->empty),
                                  .sieve = {.from = INT64_MAX, .to = 0, .arrived_from = INT64_MAX}};
    if (!searches->numbers || !searches->programs || !searches->ever || !searches->empty)
        return err_memory(err);
    for (size_t r = 0; r < db_count(work); r++) {
        struct str snapshot = db_is_null(work, r, 3) ? (struct str){0} : db_text(work, r, 3);
        if (!reach_find(pass, snapshot, err))
            return false;
        /* what depends on the run's window is looked for even when nothing came */
        if ((pass->reach.any || row_is_by_run(work, r)) && !search_add(pass, searches, work, r))
            return err_memory(err);
    }
    return true;
}

static bool hits_insert(struct pass *pass, const struct searches *searches, size_t place, struct err *err) {
    const struct kql_program *program = searches->programs[place];
    BUF_AUTO sql = BUF(SQL_CAP);
    size_t table = schema_table_index(program->hit_table), n;
    struct str select, *bound;
    if (!verdicts_bind(pass->arena, program, searches->verdicts[place], &select, &bound, &n, err))
        return false;
    struct str *params = arena_array(pass->arena, n + 2, sizeof *params);
    if (!params)
        return err_memory(err);
    mem_copy(params, bound, n * sizeof *params);
    params[n] = searches->numbers[place];
    params[n + 1] = arena_printf(pass->arena, "%zu", table);
    buf_printf(&sql,
               "INSERT INTO rmm.ledger_found (hunt, event_table, ts, device, report_id, digest, arrived) SELECT "
               "$%zu::integer, $%zu::smallint, h.c0, h.c1::integer, h.c2, h.c3, h.c4 FROM (",
               n + 1, n + 2);
    buf_add_str(&sql, select);
    buf_add_str(&sql, STR(") h"));
    if (!buf_cstr(&sql) || !params[n + 1].ptr)
        return err_memory(err);
    int64_t count = 0;
    bool ok = db_exec(pass->conn, sql.ptr, params, n + 2, pass->deadline_ms, &count, err);
    pass->found = pass->found || count > 0;
    pass->tables |= ok && count ? UINT32_C(1) << table : 0;
    return ok;
}

/* A hunt whose query fails on the data is left to its own run, which says why, and looks again the next time. */
static bool hunt_find(struct pass *pass, const struct searches *searches, size_t place, struct err *err) {
    struct err failure = {0};
    if (!db_exec(pass->conn, "SAVEPOINT hunt", NULL, 0, pass->deadline_ms, NULL, err))
        return false;
    bool found = hits_insert(pass, searches, place, &failure);
    if (!found && failure.code != ERR_INTERNAL) {
        *err = failure;
        return false;
    }
    if (!found)
        list_add(&pass->failed, searches->numbers[place]);
    return db_exec(pass->conn, found ? "RELEASE SAVEPOINT hunt" : "ROLLBACK TO SAVEPOINT hunt", NULL, 0,
                   pass->deadline_ms, NULL, err);
}

static bool hunts_find(struct pass *pass, struct err *err) {
    struct str id = str_from(pass->id);
    struct searches searches;
    DB_ROWS_AUTO *work = db_query(pass->conn, db_statement("ledger_work"), &id, 1, pass->deadline_ms, err);
    if (!work || !searches_make(pass, &searches, work, err))
        return false;
    if (!searches.count)
        return true;
    if (!verdicts_read(pass->conn, pass->arena, searches.programs, searches.count, &searches.verdicts,
                       pass->deadline_ms, err) ||
        !sieve_run(pass->conn, pass->arena, &searches.sieve, searches.ever, searches.count, searches.verdicts,
                   searches.empty, pass->deadline_ms, err))
        return false;
    for (size_t i = 0; i < searches.count; i++)
        if (!searches.empty[i] && !hunt_find(pass, &searches, i, err))
            return false;
    return true;
}

/* What follows from findings that were touched. The order matters: each step builds on the rows of the one before. */
static bool books_close(struct pass *pass, struct err *err) {
    struct str id = str_from(pass->id);
    return statement_do(pass, "ledger_device_tools", NULL, 0, err) &&
           statement_do(pass, "ledger_facts", NULL, 0, err) && statement_do(pass, "ledger_devices", NULL, 0, err) &&
           statement_do(pass, "ledger_flags", NULL, 0, err) && statement_do(pass, "ledger_changes", &id, 1, err) &&
           statement_do(pass, "ledger_told", NULL, 0, err) && statement_do(pass, "ledger_signers", &id, 1, err);
}

/* Runs of signed files are told from all events, whether or not a hunt finds them; *any: there were some. */
static bool runs_follow(struct pass *pass, bool *any, struct err *err) {
    struct str params[3] = {{0}};
    if (!reach_find(pass, pass->ran, err))
        return false;
    const struct reach *reach = &pass->reach;
    if (!reach->any && !pass->found)
        return true;
    const int64_t bounds[] = {reach->arrived_from, reach->from < 0 ? 0 : reach->from,
                              reach->to < 0 ? INT64_MAX : reach->to};
    for (size_t i = 0; reach->any && i < 3; i++)
        if (!(params[i] = arena_printf(pass->arena, "%" PRId64, bounds[i])).ptr)
            return err_memory(err);
    DB_ROWS_AUTO *rows = db_query(pass->conn, db_statement("ledger_ran"), params, 3, pass->deadline_ms, err);
    *any = rows && db_int(rows, 0, 0) > 0;
    return rows && (!reach->any || statement_do(pass, "ledger_ran_to", &pass->snapshot, 1, err));
}

/* Rows are deleted, not truncated: that costs files and a lock, and most passes have few. */
static bool work_clear(struct pass *pass, struct err *err) {
    for (size_t i = 0; i < sizeof work_tables / sizeof *work_tables; i++) {
        BUF_AUTO sql = BUF(64);
        buf_printf(&sql, "DELETE FROM rmm.ledger_%s", work_tables[i]);
        if (!buf_cstr(&sql) || !db_exec(pass->conn, sql.ptr, NULL, 0, pass->deadline_ms, NULL, err))
            return err->code != ERR_NONE ? false : err_memory(err);
    }
    return true;
}

/* *any: some that the ledger didn't know. */
static bool hits_take(struct pass *pass, bool *any, struct err *err) {
    struct str id = str_from(pass->id);
    if (!db_exec(pass->conn, "SET LOCAL synchronous_commit TO DEFAULT", NULL, 0, pass->deadline_ms, NULL, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(pass->conn, db_statement("ledger_hits"), &id, 1, pass->deadline_ms, err);
    if (!rows)
        return false;
    if (db_int(rows, 0, 1))
        log_line(LOG_WARN, "ledger.skipped", "run %s: %" PRId64 " found events of devices whose id has over 1024 bytes",
                 pass->id, db_int(rows, 0, 1));
    *any = db_int(rows, 0, 0) > 0;
    bool many = db_int(rows, 0, 0) > ANALYZE_ROWS;
    return (!many || db_exec(pass->conn, "ANALYZE rmm.ledger_new", NULL, 0, pass->deadline_ms, NULL, err)) &&
           (!*any || ledger_facts_collect(pass->conn, pass->tables, pass->deadline_ms, err));
}

static bool books_keep(struct pass *pass, struct err *err) {
    bool hits = false, runs = false;
    return (!pass->found || hits_take(pass, &hits, err)) && runs_follow(pass, &runs, err) &&
           (!hits || (statement_do(pass, "ledger_times", NULL, 0, err) &&
                      statement_do(pass, "ledger_findings", NULL, 0, err))) &&
           (!(hits || runs) || books_close(pass, err)) && (!(pass->found || runs) || work_clear(pass, err));
}

static bool pass_run(struct pass *pass, struct err *err) {
    DB_ROWS_AUTO *now = ledger_lock(pass->conn, pass->deadline_ms, err)
                            ? db_query(pass->conn, db_statement("ledger_snapshot"), NULL, 0, pass->deadline_ms, err)
                            : NULL;
    if (!now)
        return false;
    pass->snapshot = db_text(now, 0, 0);
    pass->ran = db_is_null(now, 0, 1) ? (struct str){0} : db_text(now, 0, 1);
    if (!hunts_find(pass, err) || !books_keep(pass, err))
        return false;
    array_end(&pass->failed);
    array_end(&pass->by_run);
    struct str params[] = {str_from(pass->id), pass->snapshot, buf_str(&pass->failed), buf_str(&pass->by_run)};
    return pass->failed.failed || pass->by_run.failed ? err_memory(err)
                                                      : statement_do(pass, "ledger_served", params, 4, err);
}

static bool pass_try(struct db_conn *conn, const struct ledger_run *run, int64_t deadline_ms, struct err *err) {
    struct pass pass = {.conn = conn,
                        .run = run,
                        .deadline_ms = deadline_ms,
                        .arena = arena_new(PASS_ARENA),
                        .failed = BUF(LIST_CAP),
                        .by_run = BUF(LIST_CAP)};
    bool ok = pass.arena ? db_begin_briefly(conn, pass_settings, deadline_ms, err) : err_memory(err);
    snprintf(pass.id, sizeof pass.id, "%" PRId64, run->run_id);
    if (ok) {
        ok = pass_run(&pass, err) && pulse_commit_behind(conn, pass.found, deadline_ms, err);
        if (!ok)
            db_rollback(conn);
    }
    arena_free(pass.arena);
    buf_free(&pass.failed);
    buf_free(&pass.by_run);
    return ok;
}

/* Rows that others wrote since the pass began end it without a trace; the next try sees them. */
bool ledger_advance(struct db_conn *conn, const struct ledger_run *run, int64_t deadline_ms, struct err *err) {
    for (int left = TRIES; left > 0; left--) {
        *err = (struct err){0};
        if (pass_try(conn, run, deadline_ms, err))
            return true;
        if (err->code != ERR_DATABASE_RETRY)
            return false;
    }
    return false;
}

/* Reads go on; whoever takes the row for update waits, too. It takes no snapshot: in a transaction that it begins, the
 * one snapshot is taken behind the lock. */
bool ledger_lock(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    return db_exec(conn, "LOCK TABLE rmm.ledger IN EXCLUSIVE MODE", NULL, 0, deadline_ms, NULL, err);
}

bool ledger_retag(struct db_conn *conn, const struct str left[3], int64_t deadline_ms, struct err *err) {
    struct pass pass = {.conn = conn, .deadline_ms = deadline_ms};
    return statement_do(&pass, "ledger_retag_times", left, 3, err) &&
           statement_do(&pass, "ledger_retag", left, 3, err) &&
           statement_do(&pass, "ledger_forget", &left[1], 1, err) &&
           statement_do(&pass, "ledger_device_tools", NULL, 0, err) &&
           statement_do(&pass, "ledger_devices", NULL, 0, err) && statement_do(&pass, "ledger_flags", NULL, 0, err) &&
           work_clear(&pass, err);
}

bool ledger_take(struct db_conn *conn, int64_t run_id, const struct str lists[LEDGER_LISTS], int64_t deadline_ms,
                 struct err *err) {
    struct pass pass = {.conn = conn, .deadline_ms = deadline_ms};
    snprintf(pass.id, sizeof pass.id, "%" PRId64, run_id);
    if (!ledger_lock(conn, deadline_ms, err))
        return false;
    DB_ROWS_AUTO *touched = db_query(conn, db_statement("ledger_results"), lists, LEDGER_LISTS, deadline_ms, err);
    return touched && (!db_int(touched, 0, 0) || (books_close(&pass, err) && work_clear(&pass, err)));
}

static bool settings_write(struct db_conn *conn, const struct str params[2], int64_t deadline_ms, struct err *err) {
    bool unknown;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("ledger_settings"), params, 2, deadline_ms, err);
    if (!rows)
        return false;
    bool other = str_eq(db_text(rows, 0, 0), STR("t"));
    return (!other || db_exec(conn, db_statement("ledger_streaks"), NULL, 0, deadline_ms, NULL, err)) &&
           db_commit(conn, deadline_ms, &unknown, err);
}

bool ledger_configure(struct db *db, long long quiet_days, long long new_days, int64_t deadline_ms, struct err *err) {
    char quiet[24], fresh[24];
    snprintf(quiet, sizeof quiet, "%lld", quiet_days);
    snprintf(fresh, sizeof fresh, "%lld", new_days);
    struct str params[] = {str_from(quiet), str_from(fresh)};
    struct db_conn *conn = db_take(db, deadline_ms, err);
    bool ok = conn && db_begin(conn, "", deadline_ms, err) && settings_write(conn, params, deadline_ms, err);
    db_give(conn);
    return ok;
}
