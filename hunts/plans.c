#include "hunts/plans.h"

#include <stdlib.h>

#include "base/log.h"
#include "hunts/freshness.h"
#include "hunts/query.h"
#include "hunts/registry.h"
#include "hunts/sieve.h"
#include "hunts/together.h"

enum {
    MAX_ROWS = 200000,
    CHUNK_ROWS = 50000, /* rows held at once, after which answers are written */
    PLANS_ARENA = 1 << 30,
    CHUNK_ARENA = 512 << 20,
    RESULT_CAP = 256 << 20,
    RUN_CAP = 512 << 20,
};

/* A hunt, compiled. */
struct plan {
    struct hunt hunt;
    int64_t number; /* in the ledger */
    int version;
    struct err failure; /* program NULL: why */
};

struct plans {
    struct arena *arena;
    struct result_context context;
    struct run_seen *seen;
    struct plan *items;
    const struct kql_program **programs;
    struct verdict_ids **verdicts;
    bool *empty; /* nothing in the window can be found */
    struct together together; /* rows that are there already */
    size_t count, next, bytes;
    struct result_freshness freshness[SCHEMA_TABLES];
};

/* Hunts whose rows are there and whose answers aren't written yet. */
struct chunk {
    struct arena *arena;
    struct result **results; /* NULL: failed */
    struct db_rows **rows;
    struct err *failures;
    size_t count, row_count;
};

void answer_clear(struct answer *answer) {
    buf_free(&answer->body);
    buf_free(&answer->error);
}

void plans_free(struct plans *plans) {
    if (plans) {
        together_free(&plans->together);
        arena_free(plans->arena);
    }
    free(plans);
}

static bool plans_compile(struct plans *plans, const struct db_rows *work) {
    const struct result_context *context = &plans->context;
    struct kql_options options = {.now = context->as_of, .from = context->from, .to = context->to, .max_rows = MAX_ROWS};
    plans->count = db_count(work);
    plans->items = arena_array(plans->arena, plans->count + 1, sizeof *plans->items);
    plans->programs = arena_array(plans->arena, plans->count + 1, sizeof *plans->programs);
    plans->empty = arena_array(plans->arena, plans->count + 1, sizeof *plans->empty);
    if (!plans->items || !plans->programs || !plans->empty)
        return false;
    for (size_t r = 0; r < plans->count; r++) {
        struct plan *plan = &plans->items[r];
        plan->hunt = (struct hunt){.id = db_text(work, r, 0),   .slug = db_text(work, r, 2), .name = db_text(work, r, 3),
                                   .tool = db_text(work, r, 4), .signal = db_text(work, r, 5), .query = db_text(work, r, 6)};
        plan->version = (int)db_int(work, r, 1);
        plan->number = db_int(work, r, 7);
        plans->programs[r] = kql_compile(plans->arena, plan->hunt.query, &options, &plan->failure);
    }
    return true;
}

struct plans *plans_new(const struct db_rows *work, const struct result_context *context, struct run_seen *seen,
                        struct err *err) {
    struct arena *arena = arena_new(PLANS_ARENA);
    struct plans *plans = arena ? calloc(1, sizeof *plans) : NULL;
    if (plans) {
        plans->arena = arena;
        plans->context = *context;
        plans->seen = seen;
        plans->context.freshness = plans->freshness;
    }
    if (plans && plans_compile(plans, work))
        return plans;
    arena_free(arena);
    free(plans);
    err_memory(err);
    return NULL;
}

bool plans_late(struct plans *plans, struct db_conn *conn, struct late *late, struct err *err) {
    for (size_t p = 0; p < plans->count; p++) {
        struct result_context context = plans->context;
        context.program = plans->programs[p];
        if (context.program)
            late_add(late, plans->items[p].number, &context);
    }
    bool ok = late_read(late, plans->context.run_id, conn, query_deadline(), err);
    plans->context.late = late->rows;
    return ok;
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

/* What the dictionaries say, and the rows of hunts that one statement can answer. Where that fails, each program asks
 * them itself, and whose fault it was shows there. */
bool plans_decide(struct plans *plans, struct db_conn *conn, struct err *err) {
    struct err failure = {0};
    struct sieve sieve = window_of(plans);
    bool ok = verdicts_read(conn, plans->arena, plans->programs, plans->count, &plans->verdicts,
                            query_deadline(), &failure) &&
              (plans->count < 2 || sieve_run(conn, plans->arena, &sieve, plans->programs, plans->count,
                                             plans->verdicts, plans->empty, query_deadline(), &failure));
    if (ok)
        return plans->count < 2 || together_run(conn, plans->arena, plans->programs, plans->count, plans->verdicts,
                                                plans->empty, &plans->together, err);
    plans->verdicts = arena_array(plans->arena, plans->count + 1, sizeof *plans->verdicts);
    for (size_t p = 0; plans->verdicts && p < plans->count; p++) {
        plans->empty[p] = false;
        plans->verdicts[p] = arena_array(plans->arena, plans->programs[p] ? plans->programs[p]->predicate_count + 1 : 1,
                                         sizeof **plans->verdicts); /* all zero: KQL_INLINE */
        if (!plans->verdicts[p])
            return err_memory(err);
    }
    return plans->verdicts ? db_exec(conn, "ROLLBACK TO SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err)
                           : err_memory(err);
}

/* The hunt's rows: those read together with others', or by a statement of its own. */
static bool plan_rows(struct plans *plans, struct db_conn *conn, struct arena *arena, struct db_rows **rows, struct err *err) {
    size_t place = plans->next, count;
    struct str sql, *params;
    if (plans->together.count && plans->together.rows[place]) {
        *rows = plans->together.rows[place];
        plans->together.rows[place] = NULL;
        return true;
    }
    if (!verdicts_bind(arena, plans->programs[place], plans->verdicts[place], &sql, &params, &count, err))
        return false;
    *rows = db_query(conn, sql.ptr, params, count, query_deadline(), err); /* arena_copy puts a NUL behind it */
    return query_check(rows, MAX_ROWS, err);
}

/* The hunt's rows and what they say of devices, into the chunk. */
static bool plan_look(struct plans *plans, struct db_conn *conn, struct chunk *chunk, struct err *err) {
    size_t place = plans->next;
    const struct plan *plan = &plans->items[place];
    const struct kql_program *program = plans->programs[place];
    struct result_context context = plans->context;
    struct db_rows **rows = &chunk->rows[chunk->count];
    if (!program) {
        *err = plan->failure;
        return false;
    }
    if (!plans->empty[place] && !plan_rows(plans, conn, chunk->arena, rows, err))
        return false;
    context.hunt = &plan->hunt;
    context.version = plan->version;
    context.program = program;
    chunk->results[chunk->count] = result_prepare(chunk->arena, &context, *rows, err);
    return chunk->results[chunk->count] != NULL;
}

static bool failure_settle(struct db_conn *conn, const struct err *failure, struct err *err) {
    if (err_status(failure->code) >= 500)
        log_err("hunt.failed", "", failure);
    return db_exec(conn, "ROLLBACK TO SAVEPOINT hunts", NULL, 0, query_deadline(), NULL, err);
}

static bool chunk_fill(struct plans *plans, struct db_conn *conn, const atomic_bool *stop, atomic_llong *done,
                       struct chunk *chunk, struct err *err) {
    while (plans->next < plans->count && chunk->row_count < CHUNK_ROWS && !atomic_load(stop)) {
        struct err *failure = &chunk->failures[chunk->count];
        bool looked = plan_look(plans, conn, chunk, failure);
        chunk->row_count += db_count(chunk->rows[chunk->count]);
        chunk->count++; /* before anything else may fail: who clears the chunk must find the rows */
        plans->next++;
        if (!looked && !failure_settle(conn, failure, err))
            return false;
        if (looked || !atomic_load(stop)) /* one that was cut short isn't done */
            atomic_fetch_add(done, 1);
    }
    return true;
}

static bool answer_write(struct plans *plans, struct db_conn *conn, struct result *result, struct answer *answer,
                         struct err *err) {
    if (!result_write(result, conn, query_deadline(), &answer->body, err))
        return false;
    plans->bytes += answer->body.len;
    return plans->bytes <= RUN_CAP ||
           err_set(err, ERR_LIMIT, "the run's results are over %d MiB; run fewer hunts at once", RUN_CAP >> 20);
}

static bool chunk_write(struct plans *plans, struct db_conn *conn, struct chunk *chunk, struct answer *answers,
                        struct err *err) {
    if (!results_groups(chunk->results, chunk->count, conn, query_deadline(), err))
        return false;
    for (size_t i = 0; i < chunk->count; i++) {
        const struct plan *plan = &plans->items[plans->next - chunk->count + i];
        const struct hunt *hunt = &plan->hunt;
        struct answer *answer = &answers[i];
        bool looked = chunk->results[i] != NULL;
        *answer = (struct answer){.hunt = hunt->id, .body = BUF(RESULT_CAP), .error = BUF(64 * 1024)};
        const struct kql_program *program = plans->programs[plans->next - chunk->count + i];
        answer->cut = program && program->own_from >= 0 && plans->context.from > program->own_from;
        answer->failed = !looked || !answer_write(plans, conn, chunk->results[i], answer, &chunk->failures[i]);
        if (!answer->failed &&
            !run_seen_add(plans->seen, plan->number, chunk->results[i], conn, query_deadline(), err))
            return false;
        if (!answer->failed)
            continue;
        buf_free(&answer->body);
        registry_add_error(&answer->error, &chunk->failures[i], hunt->query);
        if (looked && !failure_settle(conn, &chunk->failures[i], err))
            return false;
    }
    return true;
}

bool plans_answer(struct plans *plans, struct db_conn *conn, const atomic_bool *stop, atomic_llong *done,
                  struct answer *answers, size_t *count, struct err *err) {
    size_t left = plans->count - plans->next;
    struct chunk chunk = {.arena = arena_new(CHUNK_ARENA)};
    *count = 0;
    if (chunk.arena) {
        chunk.results = arena_array(chunk.arena, left + 1, sizeof *chunk.results);
        chunk.rows = arena_array(chunk.arena, left + 1, sizeof *chunk.rows);
        chunk.failures = arena_array(chunk.arena, left + 1, sizeof *chunk.failures);
    }
    bool ok = chunk.results && chunk.rows && chunk.failures ? chunk_fill(plans, conn, stop, done, &chunk, err) : err_memory(err);
    if (ok && chunk.count) {
        ok = chunk_write(plans, conn, &chunk, answers, err);
        *count = ok ? chunk.count : 0;
        for (size_t i = 0; !ok && i < chunk.count; i++)
            answer_clear(&answers[i]);
    }
    for (size_t i = 0; i < chunk.count; i++)
        db_rows_free(chunk.rows[i]);
    arena_free(chunk.arena);
    return ok;
}

void plans_window(const struct plans *plans, int64_t *from, int64_t *to) {
    *from = INT64_MAX;
    *to = -1;
    for (size_t p = 0; p < plans->count; p++) {
        struct result_context context = plans->context;
        context.program = plans->programs[p];
        if (!context.program)
            continue;
        int64_t start = result_window_start(&context), end = result_window_end(&context);
        *from = start < *from ? start : *from;
        *to = end > *to ? end : *to;
    }
    *from = *from == INT64_MAX ? -1 : *from;
}
