/* Statements that a session parses and plans once. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/internal.h"

enum { TEXT_BYTES_MOST = 1 << 20 };

/* Of these each run does all, mostly planning, and their best plan doesn't depend on parameters. Those over arrays and
 * optional filters are planned for what they are asked. */
static const char *const constant_statements[KEPT_STATEMENTS] = {
    "dropped_days",    "late_hits",   "ledger_floor", "ledger_served", "ledger_snapshot", "ledger_work",
    "presence_counts", "pulse",       "run_claim",    "run_create",    "run_finish",      "run_hold",
    "run_read",        "run_results", "run_state",    "run_work",      "schedules_wait",
};

/* One plan for all parameters: it finds what it is asked for by indexes. Estimates
 * don't know the parameters, and by them reading whole tables can look cheaper. */
static const char plans_shared_sql[] =
    "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; "
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
static const char plans_own_sql[] = "SET LOCAL plan_cache_mode = auto; SET LOCAL enable_seqscan = on; "
                                    "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

void statements_find(struct db *db) {
    for (size_t i = 0; i < KEPT_STATEMENTS; i++)
        db->kept[i] = db_statement(constant_statements[i]);
}

void statements_forget(struct db_conn *conn) {
    for (size_t i = 0; i < REPEATED_STATEMENTS; i++)
        free(conn->repeated[i].sql);
}

bool statement_name(struct db_conn *conn, const char *sql, char name[STATEMENT_NAME], int64_t deadline_ms,
                    struct err *err) {
    size_t place = 0;
    while (place < KEPT_STATEMENTS && conn->db->kept[place] != sql)
        place++;
    name[0] = 0;
    if (place == KEPT_STATEMENTS)
        return true;
    snprintf(name, STATEMENT_NAME, "kept%zu", place);
    if (conn->prepared >> place & 1)
        return true;
    bool ok = conn_prepare(conn, name, sql, deadline_ms, err);
    conn->prepared |= (uint32_t)ok << place;
    return ok;
}

static uint64_t text_hash(const char *sql) {
    static const unsigned char key[crypto_shorthash_KEYBYTES]; /* texts are our own: nobody aims at it */
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)sql, strlen(sql), key);
    return hash;
}

/* A text that is asked once is planned for its parameters, as that is cheaper; this tells whether one came before. */
static bool text_is_known(struct db *db, uint64_t hash) {
    bool known = false;
    pthread_mutex_lock(&db->texts_lock);
    for (size_t i = 0; !known && i < TEXTS_SEEN; i++)
        known = db->texts[i] == hash;
    if (!known)
        db->texts[db->texts_next++ % TEXTS_SEEN] = hash;
    pthread_mutex_unlock(&db->texts_lock);
    return known;
}

/* The place of a statement in the session: its own, or the one used longest ago. */
static size_t place_find(const struct db_conn *conn, const char *sql, uint64_t hash) {
    size_t oldest = 0;
    for (size_t i = 0; i < REPEATED_STATEMENTS; i++) {
        const struct repeated *kept = &conn->repeated[i];
        if (kept->sql && kept->hash == hash && !strcmp(kept->sql, sql))
            return i;
        if (kept->used < conn->repeated[oldest].used)
            oldest = i;
    }
    return oldest;
}

static bool place_take(struct db_conn *conn, size_t place, const char *sql, uint64_t hash, const char *name,
                       int64_t deadline_ms, struct err *err) {
    struct repeated *kept = &conn->repeated[place];
    char drop[STATEMENT_NAME + 16];
    snprintf(drop, sizeof drop, "DEALLOCATE %s", name);
    if (kept->sql && !conn_script(conn, drop, deadline_ms, err))
        return false;
    free(kept->sql);
    *kept = (struct repeated){0};
    if (!conn_prepare(conn, name, sql, deadline_ms, err))
        return false;
    kept->sql = strdup(sql);
    kept->hash = hash;
    if (kept->sql)
        return true;
    conn_break(conn); /* it would have a statement that we don't know of */
    return err_memory(err);
}

static bool plans_set(struct db_conn *conn, enum plans plans, int64_t deadline_ms, struct err *err) {
    if (conn->plans == plans)
        return true;
    if (!conn_script(conn, plans == PLANS_SHARED ? plans_shared_sql : plans_own_sql, deadline_ms, err))
        return false;
    conn->plans = plans;
    return true;
}

bool plans_own(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    return PQtransactionStatus(conn->pg) != PQTRANS_INTRANS || plans_set(conn, PLANS_OWN, deadline_ms, err);
}

bool statement_repeated(struct db_conn *conn, const char *sql, char name[STATEMENT_NAME], int64_t deadline_ms,
                        struct err *err) {
    uint64_t hash = text_hash(sql);
    name[0] = 0;
    if (PQtransactionStatus(conn->pg) != PQTRANS_INTRANS || !text_is_known(conn->db, hash) ||
        strlen(sql) > TEXT_BYTES_MOST)
        return true;
    size_t place = place_find(conn, sql, hash);
    struct repeated *kept = &conn->repeated[place];
    snprintf(name, STATEMENT_NAME, "repeated%zu", place);
    bool ours = kept->sql && kept->hash == hash && !strcmp(kept->sql, sql);
    if ((!ours && !place_take(conn, place, sql, hash, name, deadline_ms, err)) ||
        !plans_set(conn, PLANS_SHARED, deadline_ms, err))
        return false;
    kept->used = ++conn->uses;
    return true;
}
