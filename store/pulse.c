#include "store/pulse.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"
#include "store/internal.h"

enum { EVERY_MS = 250, LOOK_MS = 1000 };

/* Readers take no lock: they read fresh_until before n, writers set n before fresh_until. So a reader that finds the
 * number fresh has one that was not older. */
struct pulse {
    pthread_mutex_t lock; /* over changes */
    pthread_cond_t changed;
    _Atomic int64_t n, fresh_until; /* mono_ms() */
    atomic_uint changes; /* that have ended here */
    unsigned under_way;  /* under the lock */
};

struct pulse_keeper {
    struct db *db;
    pthread_t thread;
    bool stop; /* under the pulse's lock */
};

struct pulse *pulse_new(void) {
    struct pulse *pulse = calloc(1, sizeof *pulse);
    if (!pulse)
        return NULL;
    pthread_mutex_init(&pulse->lock, NULL);
    cond_init(&pulse->changed);
    return pulse;
}

void pulse_free(struct pulse *pulse) {
    if (!pulse)
        return;
    pthread_cond_destroy(&pulse->changed);
    pthread_mutex_destroy(&pulse->lock);
    free(pulse);
}

bool pulse_now(const struct db *db, int64_t *n) {
    int64_t fresh_until = atomic_load(&db->pulse->fresh_until);
    *n = atomic_load(&db->pulse->n);
    return mono_ms() < fresh_until;
}

struct pulse_look pulse_begin(const struct db *db) {
    return (struct pulse_look){mono_ms(), atomic_load(&db->pulse->changes)};
}

void pulse_learn(struct db *db, const struct pulse_look *look, int64_t n) {
    struct pulse *pulse = db->pulse;
    int64_t fresh_until = look->begun_ms + PULSE_FRESH_MS;
    pthread_mutex_lock(&pulse->lock);
    if (n > atomic_load(&pulse->n))
        atomic_store(&pulse->n, n);
    if (!pulse->under_way && look->changes == atomic_load(&pulse->changes) &&
        fresh_until > atomic_load(&pulse->fresh_until))
        atomic_store(&pulse->fresh_until, fresh_until);
    pthread_mutex_unlock(&pulse->lock);
}

void pulse_change_begin(struct db *db) {
    struct pulse *pulse = db->pulse;
    pthread_mutex_lock(&pulse->lock);
    pulse->under_way++;
    atomic_store(&pulse->fresh_until, 0);
    pthread_mutex_unlock(&pulse->lock);
}

void pulse_change_end(struct db *db) {
    struct pulse *pulse = db->pulse;
    pthread_mutex_lock(&pulse->lock);
    pulse->under_way--;
    atomic_fetch_add(&pulse->changes, 1);
    pthread_cond_broadcast(&pulse->changed);
    pthread_mutex_unlock(&pulse->lock);
}

bool pulse_commit(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    bool unknown;
    pulse_change_begin(conn->db);
    bool ok = db_commit(conn, deadline_ms, &unknown, err);
    pulse_change_end(conn->db);
    return ok;
}

bool pulse_commit_behind(struct db_conn *conn, bool raise, int64_t deadline_ms, struct err *err) {
    bool unknown;
    pulse_change_begin(conn->db);
    bool ok = db_commit(conn, deadline_ms, &unknown, err) &&
              (!raise || db_exec(conn, db_statement("pulse_raise"), NULL, 0, deadline_ms, NULL, err));
    pulse_change_end(conn->db);
    return ok;
}

/* *conn stays taken between looks, so that a pool that is used up doesn't keep the keeper waiting. */
static void keeper_look(struct db *db, struct db_conn **conn) {
    struct err err;
    struct pulse_look look = pulse_begin(db);
    int64_t deadline = look.begun_ms + LOOK_MS;
    if (!*conn)
        *conn = db_take(db, deadline, &err);
    DB_ROWS_AUTO *rows = *conn ? db_query(*conn, db_statement("pulse"), NULL, 0, deadline, &err) : NULL;
    if (rows && db_count(rows)) {
        pulse_learn(db, &look, db_int(rows, 0, 0));
        return;
    }
    db_give(*conn);
    *conn = NULL;
}

/* Until the next look is due or something has changed; false when it is time to stop. */
static bool keeper_wait(struct pulse_keeper *keeper, unsigned changes) {
    struct pulse *pulse = keeper->db->pulse;
    int64_t until_ms = mono_ms() + EVERY_MS;
    pthread_mutex_lock(&pulse->lock);
    while (!keeper->stop && changes == atomic_load(&pulse->changes) && ms_left(until_ms) > 0)
        cond_wait(&pulse->changed, &pulse->lock, until_ms);
    bool go_on = !keeper->stop;
    pthread_mutex_unlock(&pulse->lock);
    return go_on;
}

static void *keeper_thread(void *argument) {
    struct pulse_keeper *keeper = argument;
    struct db_conn *conn = NULL;
    unsigned changes;
    do {
        changes = atomic_load(&keeper->db->pulse->changes);
        keeper_look(keeper->db, &conn);
    } while (keeper_wait(keeper, changes));
    db_give(conn);
    return NULL;
}

void pulse_keeper_stop(struct pulse_keeper *keeper) {
    if (!keeper)
        return;
    struct pulse *pulse = keeper->db->pulse;
    pthread_mutex_lock(&pulse->lock);
    keeper->stop = true;
    pthread_cond_broadcast(&pulse->changed);
    pthread_mutex_unlock(&pulse->lock);
    pthread_join(keeper->thread, NULL);
    free(keeper);
}

struct pulse_keeper *pulse_keeper_start(struct db *db, struct err *err) {
    struct pulse_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper)
        keeper->db = db;
    if (keeper && pthread_create(&keeper->thread, NULL, keeper_thread, keeper) == 0)
        return keeper;
    free(keeper);
    err_set(err, ERR_OUT_OF_MEMORY, "no thread for asking whether answers are still good");
    return NULL;
}
