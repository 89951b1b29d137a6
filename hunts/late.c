#include "hunts/late.h"

#include <inttypes.h>
#include <stdio.h>

#include "hunts/freshness.h"
#include "hunts/ledger.h"
#include "store/array.h"

enum { LIST_CAP = 256 << 20, TOLD = 3 };

void late_start(struct late *late) {
    *late = (struct late){0};
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        late->windows[i] = BUF(LIST_CAP);
}

void late_free(struct late *late) {
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        buf_free(&late->windows[i]);
    db_rows_free(late->rows);
}

void late_add(struct late *late, int64_t number, const struct result_context *context) {
    array_add_int(&late->windows[0], number);
    array_add_int(&late->windows[1], result_window_start(context));
    array_add_int(&late->windows[2], result_window_end(context));
}

/* The run and its windows, as late_hits and ledger_answered take them. */
static void params_set(const struct late *late, int64_t run_id, char id[24], struct str params[1 + LATE_WINDOWS]) {
    snprintf(id, 24, "%" PRId64, run_id);
    params[0] = str_from(id);
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        params[1 + i] = buf_str(&late->windows[i]);
}

bool late_read(struct late *late, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    char id[24];
    struct str params[1 + LATE_WINDOWS];
    bool failed = false;
    for (size_t i = 0; i < LATE_WINDOWS; i++) {
        array_end(&late->windows[i]);
        failed = failed || late->windows[i].failed;
    }
    if (failed)
        return err_memory(err);
    params_set(late, run_id, id, params);
    late->rows = db_query(conn, db_statement("late_hits"), params, 1 + LATE_WINDOWS, deadline_ms, err);
    return late->rows != NULL;
}

bool late_tell(const struct late *late, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    struct buf lists[TOLD] = {BUF(LIST_CAP), BUF(LIST_CAP), BUF(LIST_CAP)};
    struct str params[1 + TOLD];
    char id[24];
    bool failed = false;
    if (!db_count(late->rows))
        return true;
    for (size_t r = 0; r < db_count(late->rows); r++) {
        array_add_int(&lists[0], db_int(late->rows, r, 7));
        array_add(&lists[1], db_text(late->rows, r, 8));
        array_add(&lists[2], db_text(late->rows, r, 9));
    }
    snprintf(id, sizeof id, "%" PRId64, run_id);
    params[0] = str_from(id);
    for (size_t i = 0; i < TOLD; i++) {
        array_end(&lists[i]);
        params[1 + i] = buf_str(&lists[i]);
        failed = failed || lists[i].failed;
    }
    bool ok = failed ? err_memory(err)
                     : ledger_lock(conn, deadline_ms, err) &&
                           db_exec(conn, db_statement("late_told"), params, 1 + TOLD, deadline_ms, NULL, err);
    for (size_t i = 0; i < TOLD; i++)
        buf_free(&lists[i]);
    return ok;
}

bool late_answer(const struct late *late, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    char id[24];
    struct str params[1 + LATE_WINDOWS];
    params_set(late, run_id, id, params);
    return db_exec(conn, db_statement("ledger_answered"), params, 1 + LATE_WINDOWS, deadline_ms, NULL, err);
}
