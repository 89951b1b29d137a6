#include "hunts/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "hunts/names.h"
#include "hunts/selection.h"
#include "store/array.h"

static struct str ticks_param(struct arena *arena, int64_t ticks) {
    return ticks < 0 ? (struct str){0} : arena_printf(arena, "%" PRId64, ticks);
}

/* The run's row; *fresh is false when the idempotency key had made it before. */
static bool run_insert(struct db_conn *conn, struct arena *arena, const struct run_request *request, int64_t *run_id,
                       bool *fresh, struct err *err) {
    BUF_AUTO selection = BUF(1u << 20);
    int64_t as_of = request->as_of >= 0 ? request->as_of : request->to >= 0 ? request->to : ticks_now();
    selection_add(&selection, request);
    struct str params[] = {buf_str(&selection), ticks_param(arena, as_of), ticks_param(arena, request->from),
                           ticks_param(arena, request->to), request->idempotency_key};
    DB_ROWS_AUTO *rows = selection.failed ? (err_memory(err), NULL)
                                          : db_query(conn, db_statement("run_create"), params, 5,
                                                     mono_ms() + QUEUE_LIMIT_MS, err);
    if (!rows)
        return false;
    *fresh = db_count(rows) > 0;
    if (*fresh) {
        *run_id = db_int(rows, 0, 0);
        return true;
    }
    struct str keyed[] = {request->idempotency_key, params[0], params[2], params[3]};
    DB_ROWS_AUTO *known = db_query(conn, db_statement("run_by_key"), keyed, 4, mono_ms() + QUEUE_LIMIT_MS, err);
    if (known && db_count(known) && !str_eq(db_text(known, 0, 1), STR("t")))
        return err_set(err, ERR_CONFLICT, "the Idempotency-Key was used for another request; take a new one");
    if (known && db_count(known))
        *run_id = db_int(known, 0, 0);
    return known && (db_count(known) || err_set(err, ERR_CONFLICT, "the idempotency key is being used; try again"));
}

static bool selection_complete(struct db_conn *conn, const struct run_request *request, const struct db_rows *rows,
                               struct err *err) {
    for (size_t i = 0; i < request->hunt_count && !(request->without_missing && db_count(rows)); i++) {
        bool found = false;
        for (size_t r = 0; r < db_count(rows); r++)
            found = found || str_eq_nocase(request->hunts[i], db_text(rows, r, 0)) ||
                    str_eq_nocase(request->hunts[i], db_text(rows, r, 1));
        if (!found)
            return name_refuse_hunt(conn, ERR_BAD_REQUEST, request->hunts[i], err);
    }
    if (!db_count(rows))
        return request->tool.len
                   ? err_set(err, ERR_BAD_REQUEST, "tool: '%.*s' has no hunts in use; GET /v1/hunts lists them",
                             STR_ARG(request->tool))
                   : err_set(err, ERR_BAD_REQUEST, "name \"hunts\":[…], a \"tool\", or \"all\":true");
    return true;
}

/* ids or slugs as text[], tool, all: how statements want a selection. */
static bool selection_params(struct db_conn *conn, struct arena *arena, const struct run_request *request,
                             struct str params[3], struct err *err) {
    BUF_AUTO names = BUF(1u << 20);
    for (size_t i = 0; i < request->hunt_count; i++)
        array_add(&names, request->hunts[i]);
    array_end(&names);
    params[0] = names.failed ? (struct str){0} : arena_copy(arena, buf_str(&names));
    params[1] = request->tool;
    params[2] = request->all ? STR("t") : STR("f");
    if (!params[0].ptr)
        return err_memory(err);
    return !params[1].len || name_tool(conn, arena, ERR_BAD_REQUEST, &params[1], err);
}

bool queue_check_selection(struct db_conn *conn, struct arena *arena, const struct run_request *request,
                           struct err *err) {
    struct str params[3];
    if (!selection_params(conn, arena, request, params, err))
        return false;
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("selection_hunts"), params, 3, mono_ms() + QUEUE_LIMIT_MS, err);
    return rows && selection_complete(conn, request, rows, err);
}

bool queue_add(struct db_conn *conn, struct arena *arena, const struct run_request *request, int64_t *run_id,
               bool *fresh, struct err *err) {
    struct str params[4];
    if (!run_insert(conn, arena, request, run_id, fresh, err))
        return false;
    if (!*fresh)
        return true;
    params[0] = arena_printf(arena, "%" PRId64, *run_id);
    if (!params[0].ptr || !selection_params(conn, arena, request, &params[1], err))
        return params[0].ptr ? false : err_memory(err);
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("run_hunts_add"), params, 4, mono_ms() + QUEUE_LIMIT_MS, err);
    return rows && selection_complete(conn, request, rows, err);
}

/* One statement about one run (id 0: NULL), and for two parameters about who asks. */
static struct db_rows *run_query(struct db *db, const char *name, int64_t run_id, size_t param_count, struct err *err) {
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, run_id);
    struct str params[] = {run_id ? str_from(id) : (struct str){0}, str_from(db_name(db))};
    return db_query_alone(db, name, params, param_count, QUEUE_LIMIT_MS, err);
}

bool queue_claim(struct db *db, int64_t only, struct run_attempt **attempt, struct err *err) {
    *attempt = NULL;
    DB_ROWS_AUTO *rows = run_query(db, "run_claim", only, 2, err);
    if (!rows || !db_count(rows))
        return rows != NULL;
    *attempt = calloc(1, sizeof **attempt);
    if (!*attempt)
        return err_memory(err);
    pthread_mutex_init(&(*attempt)->lock, NULL);
    (*attempt)->run_id = db_int(rows, 0, 0);
    (*attempt)->attempt = db_int(rows, 0, 1);
    (*attempt)->as_of = db_int(rows, 0, 2);
    (*attempt)->from = db_int(rows, 0, 3);
    (*attempt)->to = db_int(rows, 0, 4);
    return true;
}

void queue_attempt_free(struct run_attempt *attempt) {
    if (!attempt)
        return;
    pthread_mutex_destroy(&attempt->lock);
    free(attempt);
}

/* The state in the first column; ERR_NOT_FOUND without a row. */
static bool run_known(const struct db_rows *rows, int64_t run_id, struct err *err) {
    return rows && (db_count(rows) || err_set(err, ERR_NOT_FOUND, "no run %" PRId64 "; GET /v1/runs lists them", run_id));
}

bool queue_is_over(struct db *db, int64_t run_id, bool *over, struct err *err) {
    DB_ROWS_AUTO *rows = run_query(db, "run_state", run_id, 1, err);
    if (!run_known(rows, run_id, err))
        return false;
    struct str state = db_text(rows, 0, 0);
    *over = !str_eq(state, STR("queued")) && !str_eq(state, STR("running"));
    return true;
}

bool queue_cancel(struct db *db, int64_t run_id, struct err *err) {
    DB_ROWS_AUTO *rows = run_query(db, "run_cancel", run_id, 1, err);
    return run_known(rows, run_id, err);
}
