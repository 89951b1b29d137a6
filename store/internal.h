/* What the files of store/ that speak libpq share: a connection's inside, and waiting on it under a deadline.
 * A connection is used by one thread at a time; only db_cancel touches it from another, through `wake` alone. */
#pragma once
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/batch.h"
#include "store/db.h"

enum {
    PRESENCE_COUNTS = 128,
    KEPT_STATEMENTS = 17,     /* fixed ones */
    REPEATED_STATEMENTS = 32, /* others, a session */
    TEXTS_SEEN = 256,
    STATEMENT_NAME = 32,
};

/* How many devices reported, as long as the rows are as many; see presence.c. rows 0: none. */
struct presence_count {
    size_t table;
    int64_t from_day, to_day, rows, devices;
};

struct db {
    char *conninfo;
    char name[32]; /* application_name of its sessions */
    unsigned limit;
    const char *kept[KEPT_STATEMENTS]; /* statements that sessions keep, see statements.c */
    pthread_mutex_t texts_lock;
    uint64_t texts[TEXTS_SEEN]; /* hashes of others that came lately, 0: none; a ring */
    size_t texts_next;
    pthread_mutex_t lock;
    pthread_cond_t given; /* a connection came back or a place got free */
    struct db_conn *idle; /* last used first */
    unsigned open;        /* taken and idle ones and those being connected */
    pthread_mutex_t days_lock;
    uint64_t *days; /* partitions known to exist, see partition.c */
    size_t day_count, day_room;
    struct verdicts *verdicts; /* see verdict.c */
    struct pulse *pulse;       /* see pulse.c */
    pthread_mutex_t presence_lock;
    struct presence_count presence[PRESENCE_COUNTS];
    size_t presence_next;
    uint64_t filled[SCHEMA_TABLES][BATCH_FILLED]; /* columns known to have had a value, see tally.c; under days_lock */
};

/* How a transaction's statements with parameters are planned. Behind a failure, when a savepoint may have taken the
 * setting back, that isn't known; taken back without one, some statements are planned for their parameters, and slower.
 */
enum plans { PLANS_OWN, PLANS_SHARED, PLANS_UNKNOWN };

struct repeated {
    char *sql; /* NULL: free */
    uint64_t hash, used;
};

struct db_conn {
    struct db *db;
    PGconn *pg; /* NULL once broken: everything on it fails until it is given back */
    struct db_conn *next;
    int wake; /* eventfd: readable once db_cancel was called */
    uint32_t prepared; /* bits: those of db->kept that the session has */
    struct repeated repeated[REPEATED_STATEMENTS];
    uint64_t uses;
    enum plans plans;
    atomic_bool cancelled;
};

struct db_rows {
    PGresult *result;
    bool borrowed; /* a part: the result is another's, which has more */
    size_t first, count, column, columns;
};

/* Finds what sessions keep; once, before there is one. */
void statements_find(struct db *db);
/* The session is closed. */
void statements_forget(struct db_conn *conn);
/* The statement's name in the session, which learns it on its first use; "" for those that aren't kept. */
bool statement_name(struct db_conn *conn, const char *sql, char name[STATEMENT_NAME], int64_t deadline_ms,
                    struct err *err);
/* The same for db_query_repeated: from the text's second time on, in a transaction. */
bool statement_repeated(struct db_conn *conn, const char *sql, char name[STATEMENT_NAME], int64_t deadline_ms,
                        struct err *err);
/* Statements are planned for their parameters again. */
bool plans_own(struct db_conn *conn, int64_t deadline_ms, struct err *err);
/* A new connection with its session set up. NULL with err. */
struct db_conn *conn_connect(struct db *db, int64_t deadline_ms, struct err *err);
void conn_free(struct db_conn *conn);
/* Closes the connection but keeps the struct: the backend sees the socket go and stops what it runs. */
void conn_break(struct db_conn *conn);
/* False at once when idle and the server closed it meanwhile. */
bool conn_alive(struct db_conn *conn);
/* Waits for events (POLLIN, POLLOUT) on the connection's socket. On ERR_DEADLINE or ERR_CANCELLED it is broken. */
bool conn_wait(struct db_conn *conn, short events, int64_t deadline_ms, struct err *err);
/* Fails with what the server (result) or the connection (result NULL) says. Gives false. */
bool conn_fail(struct db_conn *conn, const PGresult *result, struct err *err);
bool conn_prepare(struct db_conn *conn, const char *name, const char *sql, int64_t deadline_ms, struct err *err);
/* Several statements without parameters through the simple protocol; for migrations. */
bool conn_script(struct db_conn *conn, const char *sql, int64_t deadline_ms, struct err *err);
