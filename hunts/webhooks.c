#include "hunts/webhooks.h"

#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "hunts/webhook_send.h"
#include "hunts/webhook_sign.h"
#include "store/array.h"

/* Longer than an attempt can take and its outcome be written. */
#define LEASE_SECONDS "30"

enum {
    AT_ONCE = 64,
    LOOK_MS = 1000,
    AGAIN_MS = 5000,
    STOP_MS = 5000,
    DATABASE_MS = 5000,
    TIDY_MS = 3600 * 1000,
    LIST_CAP = 4096
};

struct webhooks {
    struct db *db;
    struct webhook_sender *sender;
    atomic_bool stopping, woken;
    atomic_llong counts[WEBHOOK_OUTCOMES];
    size_t active;
    int64_t look_at_ms, tidy_at_ms;
    pthread_t thread;
};

/* A delivery under way. */
struct delivery {
    char id[24], webhook[24];
    int attempts, failures;
    bool once;
};

static int64_t database_deadline(void) {
    return mono_ms() + DATABASE_MS;
}

static bool message_sign(const struct db_rows *rows, size_t row, struct webhook_message *message,
                         struct buf *signatures, struct err *err) {
    struct str secret, old = db_is_null(rows, row, 9) ? STR("") : db_text(rows, row, 9);
    bool ok = webhook_sign(db_text(rows, row, 8), message->id, message->timestamp, message->body, signatures);
    while (ok && old.len) {
        str_cut(old, ' ', &secret, &old);
        ok = webhook_sign(secret, message->id, message->timestamp, message->body, signatures);
    }
    message->signature = buf_str(signatures);
    return ok || err_set(err, ERR_INTERNAL, "a webhook's secret can't be used");
}

/* A row of webhooks_claim on its way. */
static bool delivery_start(struct webhooks *webhooks, const struct db_rows *rows, size_t row, struct err *err) {
    BUF_AUTO signatures = BUF(512);
    struct webhook_message message = {.url = db_text(rows, row, 2),
                                      .id = db_text(rows, row, 3),
                                      .body = db_text(rows, row, 4),
                                      .timestamp = (int64_t)time(NULL)};
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery)
        return err_memory(err);
    snprintf(delivery->id, sizeof delivery->id, "%.*s", STR_ARG(db_text(rows, row, 0)));
    snprintf(delivery->webhook, sizeof delivery->webhook, "%.*s", STR_ARG(db_text(rows, row, 1)));
    delivery->attempts = (int)db_int(rows, row, 5);
    delivery->once = str_eq(db_text(rows, row, 6), STR("t"));
    delivery->failures = (int)db_int(rows, row, 7);
    if (message_sign(rows, row, &message, &signatures, err) &&
        webhook_sender_start(webhooks->sender, &message, delivery, err)) {
        webhooks->active++;
        return true;
    }
    free(delivery);
    return false;
}

static struct str ids_list(const struct db_rows *rows, struct buf *out) {
    for (size_t r = 0; r < db_count(rows); r++)
        array_add(out, db_text(rows, r, 0));
    array_end(out);
    return buf_str(out);
}

/* Locks webhooks that have something to do, makes their deliveries, leases those with a due one. *rows NULL: nothing to
 * do. */
static bool claim(struct webhooks *webhooks, struct db_conn *conn, struct db_rows **rows, struct err *err) {
    char room[24];
    BUF_AUTO ids = BUF(LIST_CAP);
    snprintf(room, sizeof room, "%zu", AT_ONCE - webhooks->active);
    struct str limit = str_from(room);
    *rows = NULL;
    DB_ROWS_AUTO *locked = db_query(conn, db_statement("webhooks_lock"), &limit, 1, database_deadline(), err);
    if (!locked || !db_count(locked))
        return locked != NULL;
    struct str params[] = {ids_list(locked, &ids), str_from(db_name(webhooks->db)), STR(LEASE_SECONDS)};
    if (ids.failed)
        return err_memory(err);
    if (db_exec(conn, db_statement("webhooks_fan_out"), params, 1, database_deadline(), NULL, err))
        *rows = db_query(conn, db_statement("webhooks_claim"), params, 3, database_deadline(), err);
    return *rows != NULL;
}

static bool claim_committed(struct webhooks *webhooks, struct db_rows **rows, struct err *err) {
    bool unknown, ok;
    struct db_conn *conn = db_take(webhooks->db, database_deadline(), err);
    *rows = NULL;
    ok = conn && db_begin(conn, "", database_deadline(), err) && claim(webhooks, conn, rows, err) &&
         db_commit(conn, database_deadline(), &unknown, err);
    db_give(conn);
    return ok;
}

/* Starts what is due. What can't be started is another's, or tried again, when its lease is over. */
static void look(struct webhooks *webhooks) {
    struct err err = {0};
    struct db_rows *rows;
    if (!claim_committed(webhooks, &rows, &err)) {
        log_err("webhooks.look", "", &err);
        webhooks->look_at_ms = mono_ms() + AGAIN_MS;
    } else {
        webhooks->look_at_ms = rows ? 0 : mono_ms() + LOOK_MS;
        for (size_t r = 0; rows && r < db_count(rows); r++)
            if (!delivery_start(webhooks, rows, r, &err))
                log_err("webhooks.start", "", &err);
    }
    db_rows_free(rows);
}

static bool statement_do(struct webhooks *webhooks, const char *name, const struct str *params, size_t count,
                         struct err *err) {
    DB_ROWS_AUTO *rows = db_query_alone(webhooks->db, name, params, count, DATABASE_MS, err);
    return rows != NULL;
}

static void verdict_log(const struct delivery *delivery, const struct webhook_verdict *verdict, const char *error) {
    if (verdict->outcome == WEBHOOK_DELIVERED)
        log_line(LOG_DEBUG, "webhook.delivered", "webhook %s: delivery %s", delivery->webhook, delivery->id);
    else if (verdict->outcome == WEBHOOK_RETRIED)
        log_line(LOG_INFO, "webhook.retried", "webhook %s: delivery %s: %s; again in %" PRId64 " s", delivery->webhook,
                 delivery->id, error, verdict->delay_ms / 1000);
    else
        log_line(LOG_WARN, "webhook.failed", "webhook %s: delivery %s is given up: %s", delivery->webhook, delivery->id,
                 error);
    if (verdict->disable)
        log_line(LOG_WARN, "webhook.disabled", "webhook %s: the receiver answered 410", delivery->webhook);
}

/* The state that a row has after an attempt. */
static struct str state_after(enum webhook_outcome outcome) {
    return outcome == WEBHOOK_DELIVERED ? STR("delivered") : outcome == WEBHOOK_FAILED ? STR("failed") : STR("pending");
}

static void verdict_save(struct webhooks *webhooks, const struct delivery *delivery,
                         const struct webhook_result *result, const struct webhook_verdict *verdict,
                         const char *error) {
    char status[24], delay[24], pause[24];
    struct err err = {0};
    struct str none = {0};
    bool well = verdict->outcome == WEBHOOK_DELIVERED;
    snprintf(status, sizeof status, "%ld", result->status);
    snprintf(delay, sizeof delay, "%" PRId64, verdict->delay_ms);
    snprintf(pause, sizeof pause, "%" PRId64, verdict->pause_ms);
    struct str params[] = {str_from(delivery->id),
                           str_from(db_name(webhooks->db)),
                           state_after(verdict->outcome),
                           result->status ? str_from(status) : none,
                           well ? none : str_from(error),
                           str_from(delay),
                           str_from(pause),
                           verdict->disable ? STR("the receiver answered 410 Gone") : none};
    if (!statement_do(webhooks, "webhooks_finish", params, 8, &err))
        log_err("webhooks.finish", "", &err); /* sent again once the lease is over */
}

static void finish(struct webhooks *webhooks, const struct webhook_result *result) {
    struct delivery *delivery = result->tag;
    const struct webhook_attempt attempt = {.status = result->status,
                                            .retry_after_s = result->retry_after_s,
                                            .attempts = delivery->attempts,
                                            .failures = delivery->failures,
                                            .once = delivery->once};
    struct webhook_verdict verdict = webhook_judge(&attempt, randombytes_random());
    char error[sizeof result->error];
    if (result->status)
        snprintf(error, sizeof error, "the receiver answered %ld", result->status);
    else
        snprintf(error, sizeof error, "%s", result->error);
    verdict_save(webhooks, delivery, result, &verdict, error);
    verdict_log(delivery, &verdict, error);
    atomic_fetch_add(&webhooks->counts[verdict.outcome], 1);
    webhooks->active--;
    webhooks->look_at_ms = 0;
    free(delivery);
}

static void tidy(struct webhooks *webhooks) {
    struct err err = {0};
    if (!statement_do(webhooks, "webhooks_tidy", NULL, 0, &err))
        log_err("webhooks.tidy", "", &err);
    webhooks->tidy_at_ms = mono_ms() + TIDY_MS;
}

static void wait_and_finish(struct webhooks *webhooks, int timeout_ms) {
    struct webhook_result result;
    webhook_sender_wait(webhooks->sender, timeout_ms);
    if (atomic_exchange(&webhooks->woken, false))
        webhooks->look_at_ms = 0;
    while (webhook_sender_next(webhooks->sender, &result))
        finish(webhooks, &result);
}

static void *work(void *argument) {
    struct webhooks *webhooks = argument;
    while (!atomic_load(&webhooks->stopping)) {
        if (mono_ms() >= webhooks->tidy_at_ms)
            tidy(webhooks);
        if (webhooks->active < AT_ONCE && mono_ms() >= webhooks->look_at_ms)
            look(webhooks);
        bool full = webhooks->active >= AT_ONCE;
        wait_and_finish(webhooks, full ? LOOK_MS : ms_left(webhooks->look_at_ms));
    }
    int64_t deadline = mono_ms() + STOP_MS;
    while (webhooks->active && mono_ms() < deadline)
        wait_and_finish(webhooks, ms_left(deadline));
    return NULL;
}

struct webhooks *webhooks_open(struct db *db, bool private_allowed, struct err *err) {
    struct webhooks *webhooks = calloc(1, sizeof *webhooks);
    if (!webhooks) {
        err_memory(err);
        return NULL;
    }
    webhooks->db = db;
    webhooks->sender = webhook_sender_open(private_allowed, err);
    if (webhooks->sender && !pthread_create(&webhooks->thread, NULL, work, webhooks))
        return webhooks;
    if (webhooks->sender)
        err_set(err, ERR_OUT_OF_MEMORY, "no thread for webhooks");
    webhook_sender_close(webhooks->sender);
    free(webhooks);
    return NULL;
}

void webhooks_close(struct webhooks *webhooks) {
    struct err err = {0};
    struct delivery *cut;
    if (!webhooks)
        return;
    atomic_store(&webhooks->stopping, true);
    webhook_sender_wake(webhooks->sender);
    pthread_join(webhooks->thread, NULL);
    struct str lease = str_from(db_name(webhooks->db));
    if (webhooks->active && !statement_do(webhooks, "webhooks_release", &lease, 1, &err))
        log_err("webhooks.release", "", &err);
    while ((cut = webhook_sender_cut(webhooks->sender)) != NULL)
        free(cut);
    webhook_sender_close(webhooks->sender);
    free(webhooks);
}

void webhooks_wake(struct webhooks *webhooks) {
    if (!webhooks)
        return;
    atomic_store(&webhooks->woken, true);
    webhook_sender_wake(webhooks->sender);
}

long long webhooks_count(const struct webhooks *webhooks, enum webhook_outcome outcome) {
    return atomic_load(&webhooks->counts[outcome]);
}
