#include "hunts/run_seen.h"

#include "base/log.h"
#include "hunts/freshness.h"
#include "hunts/summary.h"
#include "store/array.h"

enum { LIST_CAP = 256 << 20, COUNTED = 2 };

void run_seen_start(struct run_seen *seen) {
    *seen = (struct run_seen){0};
    for (size_t i = 0; i < COUNTED; i++)
        seen->counted[i] = BUF(LIST_CAP);
    for (size_t i = 0; i < LEDGER_LISTS; i++)
        seen->results[i] = BUF(LIST_CAP);
}

void run_seen_free(struct run_seen *seen) {
    for (size_t i = 0; i < COUNTED; i++)
        buf_free(&seen->counted[i]);
    for (size_t i = 0; i < LEDGER_LISTS; i++)
        buf_free(&seen->results[i]);
}

/* First and last sighting, in this order; false: the rows have no times, and these are the window's. */
static bool times_find(const struct result_context *context, const struct summary *total, int64_t times[2]) {
    int64_t from = result_window_start(context), to = result_window_end(context);
    bool timed = total->first >= 0 || total->last >= 0;
    int64_t first = timed ? total->first : from, last = timed ? total->last : to;
    first = first < 0 ? last : first;
    last = last < 0 ? first : last;
    times[0] = first < last ? first : last;
    times[1] = first < last ? last : first;
    return timed;
}

static void result_add(struct run_seen *seen, int64_t number, const struct result_context *context,
                       const struct summary *total) {
    int64_t times[2];
    bool timed = times_find(context, total, times);
    array_add_int(&seen->results[0], number);
    array_add(&seen->results[1], total->device_id);
    array_add(&seen->results[2], total->device_name);
    array_add(&seen->results[3], total->machine_group);
    array_add_int(&seen->results[4], times[0]);
    array_add_int(&seen->results[5], times[1]);
    array_add_int(&seen->results[6], total->count > 0 ? total->count : 1);
    array_add(&seen->results[7], timed ? STR("t") : STR("f"));
    seen->result_count++;
}

static bool is_by_result(const struct result *result) {
    const struct result_context *context = &result->context;
    const struct kql_options options = {.now = context->as_of, .from = context->from, .to = context->to};
    return db_count(result->summaries.rows) &&
           ledger_is_by_result(result->summaries.arena, context->hunt->query, context->program, &options);
}

/* The devices' ids by their names, empty where a name doesn't say which device it is. */
static bool ids_find(struct summaries *named, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    BUF_AUTO names = BUF(LIST_CAP);
    for (size_t i = 0; i < named->device_count; i++)
        array_add(&names, named->devices[i].total.device_name);
    array_end(&names);
    struct str param = buf_str(&names);
    DB_ROWS_AUTO *ids =
        names.failed ? (err_memory(err), NULL) : db_query(conn, db_statement("devices_named"), &param, 1, deadline_ms, err);
    bool ok = ids != NULL;
    for (size_t i = 0, r = 0; ok && i < named->device_count && r < db_count(ids); i++) { /* both by name */
        struct summary *total = &named->devices[i].total;
        if (!str_eq(db_text(ids, r, 0), total->device_name))
            continue;
        total->device_id = arena_copy(named->arena, db_text(ids, r++, 1));
        ok = total->device_id.ptr || err_memory(err);
    }
    return ok;
}

static bool list_add(struct run_seen *seen, int64_t number, const struct summaries *table, bool by_result, struct err *err) {
    for (size_t i = 0; i < table->device_count; i++) {
        const struct summary *total = &table->devices[i].total;
        if (by_result && !total->device_id.len) /* an outer join has rows of no device */
            continue;
        array_add_int(&seen->counted[0], number);
        array_add(&seen->counted[1], total->device_id);
        seen->count++;
        if (by_result)
            result_add(seen, number, table->context, total);
    }
    bool ok = !seen->counted[0].failed && !seen->counted[1].failed;
    for (size_t i = 0; i < LEDGER_LISTS; i++)
        ok = ok && !seen->results[i].failed;
    return ok || err_memory(err);
}

bool run_seen_add(struct run_seen *seen, int64_t number, const struct result *result, struct db_conn *conn,
              int64_t deadline_ms, struct err *err) {
    const struct summaries *table = &result->summaries;
    struct summaries named = {.arena = table->arena, .context = table->context, .rows = table->rows};
    bool by_result = is_by_result(result), by_name = by_result && !table->device_count;
    if (by_name && (!summaries_make(&named, ROLE_DEVICE_NAME, err) || !ids_find(&named, conn, deadline_ms, err)))
        return false;
    return list_add(seen, number, by_name ? &named : table, by_result, err);
}

static bool lists_end(struct buf *lists, struct str *params, size_t count, struct err *err) {
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        array_end(&lists[i]);
        params[i] = buf_str(&lists[i]);
        ok = ok && !lists[i].failed;
    }
    return ok || err_memory(err);
}

/* A ledger that can't take it doesn't fail the run: what is still there the next run sees again. */
static bool results_tell(struct run_seen *seen, int64_t run_id, struct db_conn *conn, int64_t deadline_ms,
                         struct err *err) {
    struct str params[LEDGER_LISTS];
    struct err failure = {0};
    if (!lists_end(seen->results, params, LEDGER_LISTS, err) ||
        !db_exec(conn, "SAVEPOINT results", NULL, 0, deadline_ms, NULL, err))
        return false;
    if (ledger_take(conn, run_id, params, deadline_ms, &failure))
        return true;
    log_err("ledger.failed", "", &failure);
    return db_exec(conn, "ROLLBACK TO SAVEPOINT results", NULL, 0, deadline_ms, NULL, err);
}

bool run_seen_tell(struct run_seen *seen, int64_t run_id, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    struct str params[COUNTED];
    if (seen->result_count && !results_tell(seen, run_id, conn, deadline_ms, err))
        return false;
    return !seen->count || (lists_end(seen->counted, params, COUNTED, err) &&
                            db_exec(conn, db_statement("ledger_runs"), params, COUNTED, deadline_ms, NULL, err));
}
