#include "store/internal.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cond.h"
#include "store/pulse.h"
#include "store/verdict.h"

enum { OPEN_LIMIT_MS = 20 * 1000, SERVER_OLDEST = 150000 };

static void notice_ignore(void *context, const char *message) {
    (void)context;
    (void)message;
}

void conn_break(struct db_conn *conn) {
    PQfinish(conn->pg);
    conn->pg = NULL;
}

void conn_free(struct db_conn *conn) {
    if (!conn)
        return;
    conn_break(conn);
    statements_forget(conn);
    if (conn->wake >= 0)
        close(conn->wake);
    free(conn);
}

bool conn_wait(struct db_conn *conn, short events, int64_t deadline_ms, struct err *err) {
    for (;;) {
        struct pollfd fds[2] = {{.fd = PQsocket(conn->pg), .events = events}, {.fd = conn->wake, .events = POLLIN}};
        int left = ms_left(deadline_ms);
        int ready = poll(fds, 2, left);
        if (atomic_load(&conn->cancelled)) {
            conn_break(conn);
            return err_set(err, ERR_CANCELLED, "the statement was cancelled");
        }
        if (ready > 0)
            return true;
        if (ready < 0 && errno == EINTR)
            continue;
        conn_break(conn);
        if (ready < 0)
            return err_set(err, ERR_INTERNAL, "poll failed: errno %d", errno);
        return err_set(err, ERR_DEADLINE, "the database did not answer within the time limit");
    }
}

static bool handshake(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        if (PQstatus(conn->pg) == CONNECTION_BAD || state == PGRES_POLLING_FAILED)
            return conn_fail(conn, NULL, err);
        if (!conn_wait(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms, err))
            return false;
        state = PQconnectPoll(conn->pg);
    }
    return PQsetnonblocking(conn->pg, 1) == 0 || conn_fail(conn, NULL, err);
}

/* client_connection_check_interval is what makes closing a connection cancel its statement. */
static bool session_set(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    static const char sql[] =
        "SELECT set_config('search_path', '', false), set_config('TimeZone', 'UTC', false), "
        "set_config('jit', 'off', false), set_config('standard_conforming_strings', 'on', false), "
        "set_config('DateStyle', 'ISO', false), set_config('client_connection_check_interval', '500ms', false)";
    return db_exec(conn, sql, NULL, 0, deadline_ms, NULL, err);
}

struct db_conn *conn_connect(struct db *db, int64_t deadline_ms, struct err *err) {
    static const char *const names[] = {"dbname", "application_name", "client_encoding", NULL};
    const char *const values[] = {db->conninfo, db->name, "UTF8", NULL};
    struct db_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        err_memory(err);
        return NULL;
    }
    conn->db = db;
    conn->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    conn->pg = PQconnectStartParams(names, values, 1);
    if (conn->wake < 0 || !conn->pg) {
        err_memory(err);
        conn_free(conn);
        return NULL;
    }
    PQsetNoticeProcessor(conn->pg, notice_ignore, NULL);
    if (!handshake(conn, deadline_ms, err) || !session_set(conn, deadline_ms, err)) {
        conn_free(conn);
        return NULL;
    }
    return conn;
}

/* Nobody writes to an idle connection but a server that closes it. */
bool conn_alive(struct db_conn *conn) {
    struct pollfd fd = {.fd = PQsocket(conn->pg), .events = POLLIN};
    return poll(&fd, 1, 0) == 0;
}

static bool server_check(struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    static const char sql[] = "SELECT current_setting('server_encoding'), datctype, datname FROM pg_database "
                              "WHERE datname = current_database()";
    int version = PQserverVersion(conn->pg);
    DB_ROWS_AUTO *rows = db_query(conn, sql, NULL, 0, deadline_ms, err);
    if (!rows)
        return false;
    if (version < SERVER_OLDEST)
        return err_set(err, ERR_CONFIG, "PostgreSQL %d is too old: rmmhunt needs version 15 or newer", version / 10000);
    if (!str_eq(db_text(rows, 0, 0), STR("UTF8")))
        return err_set(err, ERR_CONFIG, "the database's encoding is %.*s: create it with ENCODING 'UTF8'",
                       STR_ARG(db_text(rows, 0, 0)));
    if (!str_eq_nocase(db_text(rows, 0, 1), STR("C.UTF-8")) && !str_eq_nocase(db_text(rows, 0, 1), STR("C.UTF8")))
        return err_set(err, ERR_CONFIG,
                       "the database's ctype is %.*s: create it with TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE "
                       "'C.UTF-8' LC_CTYPE 'C.UTF-8'",
                       STR_ARG(db_text(rows, 0, 1)));
    return true;
}

static void name_make(char *name, size_t size) {
    unsigned char random[8];
    char hex[2 * sizeof random + 1];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(hex, sizeof hex, random, sizeof random);
    snprintf(name, size, "rmmhunt-%s", hex);
}

const char *db_name(const struct db *db) {
    return db->name;
}

/* noinline: gcc would else see calloc's pointer go to db_close and call that a mismatch. */
__attribute__((noinline)) static struct db *pool_new(const struct db_options *options) {
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        return NULL;
    db->conninfo = strdup(options->conninfo ? options->conninfo : "");
    statements_find(db);
    db->verdicts = verdicts_new();
    name_make(db->name, sizeof db->name);
    db->pulse = pulse_new();
    db->limit = options->connections ? options->connections : 1;
    pthread_mutex_init(&db->lock, NULL);
    pthread_mutex_init(&db->days_lock, NULL);
    pthread_mutex_init(&db->presence_lock, NULL);
    pthread_mutex_init(&db->texts_lock, NULL);
    cond_init(&db->given);
    return db;
}

struct db *db_open(const struct db_options *options, struct err *err) {
    int64_t deadline = mono_ms() + OPEN_LIMIT_MS;
    struct db *db = pool_new(options);
    if (!db || !db->conninfo || !db->verdicts || !db->pulse) {
        err_memory(err);
        db_close(db);
        return NULL;
    }
    struct db_conn *conn = db_take(db, deadline, err);
    bool ok = conn && server_check(conn, deadline, err);
    db_give(conn);
    if (ok)
        return db;
    db_close(db);
    return NULL;
}

void db_close(struct db *db) {
    if (!db)
        return;
    while (db->idle) {
        struct db_conn *conn = db->idle;
        db->idle = conn->next;
        conn_free(conn);
    }
    pthread_cond_destroy(&db->given);
    pthread_mutex_destroy(&db->lock);
    pthread_mutex_destroy(&db->days_lock);
    pthread_mutex_destroy(&db->presence_lock);
    pthread_mutex_destroy(&db->texts_lock);
    free(db->days);
    verdicts_free(db->verdicts);
    pulse_free(db->pulse);
    free(db->conninfo);
    free(db);
}

static void place_release(struct db *db) {
    pthread_mutex_lock(&db->lock);
    db->open--;
    pthread_cond_signal(&db->given);
    pthread_mutex_unlock(&db->lock);
}

/* An idle connection, or NULL with the right to make one. False when the deadline came first. */
static bool place_take(struct db *db, int64_t deadline_ms, struct db_conn **conn) {
    bool got = true;
    *conn = NULL;
    pthread_mutex_lock(&db->lock);
    while (got && !db->idle && db->open >= db->limit)
        got = cond_wait(&db->given, &db->lock, deadline_ms);
    got = db->idle || db->open < db->limit;
    if (db->idle) {
        *conn = db->idle;
        db->idle = (*conn)->next;
        (*conn)->next = NULL;
    } else if (got) {
        db->open++;
    }
    pthread_mutex_unlock(&db->lock);
    return got;
}

struct db_conn *db_take(struct db *db, int64_t deadline_ms, struct err *err) {
    struct db_conn *conn;
    for (;;) {
        if (!place_take(db, deadline_ms, &conn)) {
            err_set(err, ERR_DEADLINE, "no database connection got free within the time limit");
            return NULL;
        }
        if (!conn)
            break;
        if (conn_alive(conn))
            return conn;
        conn_free(conn);
        place_release(db);
    }
    conn = conn_connect(db, deadline_ms, err);
    if (!conn)
        place_release(db);
    return conn;
}

void db_give(struct db_conn *conn) {
    if (!conn)
        return;
    struct db *db = conn->db;
    if (!atomic_load(&conn->cancelled))
        db_rollback(conn);
    if (!conn->pg || atomic_load(&conn->cancelled) || PQtransactionStatus(conn->pg) != PQTRANS_IDLE) {
        conn_free(conn);
        place_release(db);
        return;
    }
    pthread_mutex_lock(&db->lock);
    conn->next = db->idle;
    db->idle = conn;
    pthread_cond_signal(&db->given);
    pthread_mutex_unlock(&db->lock);
}

struct db_pool db_pool(struct db *db) {
    pthread_mutex_lock(&db->lock);
    struct db_pool pool = {.open = db->open, .busy = db->open, .limit = db->limit};
    for (const struct db_conn *conn = db->idle; conn; conn = conn->next)
        pool.busy--;
    pthread_mutex_unlock(&db->lock);
    return pool;
}

void db_cancel(struct db_conn *conn) {
    uint64_t one = 1;
    atomic_store(&conn->cancelled, true);
    if (write(conn->wake, &one, sizeof one) < 0)
        return; /* the counter is full: it is readable already */
}
