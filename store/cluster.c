#include "store/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/cluster_setup.h"
#include "store/db.h"

struct cluster {
    struct cluster_place place;
    bool own, started;
    int server_lock; /* -1: not held */
    int users_lock;  /* shared by all who use PostgreSQL, got and given up with the start lock held; -1: not held */
    pid_t postmaster;
    char *conninfo;
};

enum { START_LIMIT_MS = 90 * 1000, STOP_LIMIT_MS = 60 * 1000, TICK_MS = 20 };

static int lock_open(const char *data, const char *name) {
    char path[CLUSTER_PATH + 32];
    snprintf(path, sizeof path, "%s/%s", data, name);
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static int lock_take(const char *data, const char *name, bool wait) {
    int fd = lock_open(data, name);
    if (fd < 0)
        return -1;
    int64_t deadline = mono_ms() + START_LIMIT_MS;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (!wait || !ms_left(deadline)) {
            close(fd);
            return -1;
        }
        sleep_ms(TICK_MS);
    }
    return fd;
}

static void lock_drop(int fd) {
    if (fd >= 0)
        close(fd);
}

/* The number in the first line; 0: there is none. */
static pid_t pid_read(int fd) {
    char text[32] = "";
    long long pid = 0;
    if (pread(fd, text, sizeof text - 1, 0) > 0)
        str_to_int64((struct str){text, strcspn(text, "\n")}, &pid);
    return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* First line of postmaster.pid; 0: no such file. */
static pid_t pid_noted(const struct cluster *cluster) {
    char path[CLUSTER_PATH + 32];
    snprintf(path, sizeof path, "%s/postmaster.pid", cluster->place.pg);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    pid_t pid = pid_read(fd);
    close(fd);
    return pid;
}

/* The lock's file names the postmaster that a tool started: whoever leaves last stops that one, and no other. */
static bool users_join(struct cluster *cluster, struct err *err) {
    cluster->users_lock = lock_open(cluster->place.data, "users.lock");
    if (cluster->users_lock < 0 || flock(cluster->users_lock, LOCK_SH | LOCK_NB) < 0)
        return err_set(err, ERR_CONFIG, "can't lock %.300s/users.lock: %s", cluster->place.data, strerror(errno));
    if (!cluster->own && cluster->started &&
        (ftruncate(cluster->users_lock, 0) < 0 || dprintf(cluster->users_lock, "%d\n", (int)cluster->postmaster) < 0))
        return err_set(err, ERR_CONFIG, "can't write %.300s/users.lock: %s", cluster->place.data, strerror(errno));
    return true;
}

/* Gives the lock up: nobody joins while the start lock is held. True: a tool started PostgreSQL and nobody uses it now.
 */
static bool users_leave(const struct cluster *cluster) {
    return (cluster->started || (cluster->users_lock >= 0 && pid_read(cluster->users_lock) == cluster->postmaster)) &&
           (cluster->users_lock < 0 || flock(cluster->users_lock, LOCK_EX | LOCK_NB) == 0);
}

/* A process is our postmaster when it works in our data folder: process ids are used again. */
static bool is_ours(const struct cluster *cluster, pid_t pid) {
    char link[64], folder[CLUSTER_PATH + 1];
    snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
    ssize_t length = readlink(link, folder, sizeof folder - 1);
    if (length <= 0)
        return false;
    folder[length] = 0;
    return !strcmp(folder, cluster->place.pg);
}

static void note_remove(const struct cluster *cluster) {
    char path[CLUSTER_PATH + 32];
    snprintf(path, sizeof path, "%s/postmaster.pid", cluster->place.pg);
    log_line(LOG_WARN, "cluster.stale_pid", "%s names another program's process: removed", path);
    unlink(path);
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432.lock", cluster->place.sockets);
    unlink(path);
}

/* The postmaster that runs already, or 0. A pid file that names a living process of another program is removed; one that
 * names none is left to PostgreSQL, which also looks for backends that outlived their postmaster. */
static pid_t running(const struct cluster *cluster) {
    pid_t pid = pid_noted(cluster);
    if (!pid || !process_lives(pid))
        return 0;
    if (is_ours(cluster, pid))
        return pid;
    note_remove(cluster);
    return 0;
}

static bool postmaster_start(struct cluster *cluster, struct err *err) {
    char program[CLUSTER_PATH + 32];
    snprintf(program, sizeof program, "%s/postgres", cluster->place.bin);
    const char *const argv[] = {program, "-D", cluster->place.pg, NULL};
    cluster->postmaster = process_start(argv, &cluster->place.user, cluster->place.log, err);
    cluster->started = cluster->postmaster > 0;
    return cluster->started;
}

static bool conninfo_make(struct cluster *cluster, const char *database, char **out, struct err *err) {
    BUF_AUTO text = BUF(4096);
    buf_printf(&text, "host='");
    for (const char *c = cluster->place.sockets; *c; c++) {
        if (*c == '\'' || *c == '\\')
            buf_add_char(&text, '\\');
        buf_add_char(&text, *c);
    }
    buf_printf(&text, "' port=5432 user=rmmhunt dbname=%s", database);
    free(*out);
    *out = buf_cstr(&text) ? strdup(text.ptr) : NULL;
    return *out || err_memory(err);
}

static bool database_make(struct db *db, struct err *err) {
    int64_t deadline = mono_ms() + START_LIMIT_MS;
    struct db_conn *conn = db_take(db, deadline, err);
    if (!conn)
        return false;
    DB_ROWS_AUTO *rows =
        db_query(conn, "SELECT FROM pg_database WHERE datname = 'rmmhunt'", NULL, 0, deadline, err);
    bool ok = rows && (db_count(rows) || db_exec(conn, "CREATE DATABASE rmmhunt", NULL, 0, deadline, NULL, err));
    db_give(conn);
    return ok;
}

/* Waits until PostgreSQL answers; NULL when it ended or the time is over. */
static struct db *postmaster_await(struct cluster *cluster, int64_t deadline_ms, struct err *err) {
    struct db_options options = {cluster->conninfo, 1};
    while (process_lives(cluster->postmaster) && ms_left(deadline_ms)) {
        struct db *db = db_open(&options, err);
        if (db || err->code == ERR_CONFIG)
            return db;
        sleep_ms(TICK_MS);
    }
    err_set(err, ERR_DATABASE, "PostgreSQL did not start: see %.300s", cluster->place.log);
    return NULL;
}

/* With the start lock held. A postmaster that was just stopping is started once more. */
static bool cluster_run(struct cluster *cluster, struct err *err) {
    int64_t deadline = mono_ms() + START_LIMIT_MS;
    struct db *db = NULL;
    if (!conninfo_make(cluster, "postgres", &cluster->conninfo, err))
        return false;
    for (int try = 0; try < 2 && !db; try++) {
        cluster->postmaster = running(cluster);
        cluster->started = false;
        if (!cluster->postmaster &&
            (!cluster_place_prepare(&cluster->place, err) || !postmaster_start(cluster, err)))
            return false;
        db = postmaster_await(cluster, deadline, err);
        if (!db && cluster->started)
            break;
    }
    bool ok = db && database_make(db, err) && conninfo_make(cluster, "rmmhunt", &cluster->conninfo, err);
    db_close(db);
    return ok;
}

static bool server_lock_take(struct cluster *cluster, struct err *err) {
    cluster->server_lock = lock_take(cluster->place.data, "server.lock", false);
    return cluster->server_lock >= 0 ||
           err_set(err, ERR_CONFIG,
                   "another rmmhunt server uses the data folder %.300s: stop it, or give this one its own folder "
                   "(RMMHUNT_DATA)",
                   cluster->place.data);
}

static bool cluster_begin(struct cluster *cluster, const char *data_dir, struct err *err) {
    if (!cluster_place_open(data_dir, &cluster->place, err) || (cluster->own && !server_lock_take(cluster, err)))
        return false;
    int lock = lock_take(cluster->place.data, "start.lock", true);
    if (lock < 0)
        return err_set(err, ERR_CONFIG, "can't lock %.300s/start.lock: another rmmhunt holds it, or it can't be written",
                       cluster->place.data);
    bool ok = cluster_place_sockets(&cluster->place, err) && cluster_run(cluster, err) && users_join(cluster, err);
    lock_drop(lock);
    if (ok)
        log_line(LOG_INFO, "cluster.ready", "%s PostgreSQL in %s, process %d", cluster->started ? "started" : "found",
                 cluster->place.data, (int)cluster->postmaster);
    return ok;
}

struct cluster *cluster_open(const char *data_dir, bool own, struct err *err) {
    struct cluster *cluster = calloc(1, sizeof *cluster);
    if (!cluster) {
        err_memory(err);
        return NULL;
    }
    cluster->own = own;
    cluster->server_lock = cluster->users_lock = -1;
    if (cluster_begin(cluster, data_dir, err))
        return cluster;
    /* only what we started is stopped: someone else's may be what made us fail */
    cluster->own = false;
    cluster_close(cluster);
    return NULL;
}

/* Of a tool's child that the tool hasn't waited for, the process id lives on. */
static bool stopped_within(const struct cluster *cluster, pid_t pid, int limit_ms) {
    int64_t deadline = mono_ms() + limit_ms;
    while (process_lives(pid) && is_ours(cluster, pid)) {
        if (!ms_left(deadline))
            return false;
        sleep_ms(TICK_MS);
    }
    return true;
}

/* SIGINT: a fast shutdown, with a checkpoint; SIGQUIT when that takes too long. */
static void postmaster_stop(const struct cluster *cluster) {
    pid_t pid = cluster->postmaster;
    if (pid <= 0 || !process_lives(pid) || (!cluster->started && !is_ours(cluster, pid)))
        return;
    kill(pid, SIGINT);
    if (stopped_within(cluster, pid, STOP_LIMIT_MS))
        return;
    log_line(LOG_WARN, "cluster.stop", "PostgreSQL did not stop in time: stopping it at once");
    kill(pid, SIGQUIT);
    stopped_within(cluster, pid, STOP_LIMIT_MS);
}

void cluster_close(struct cluster *cluster) {
    if (!cluster)
        return;
    int lock = cluster->place.data[0] ? lock_take(cluster->place.data, "start.lock", true) : -1;
    if (cluster->own || users_leave(cluster)) {
        postmaster_stop(cluster);
        rmdir(cluster->place.sockets); /* made again at the next start; stays when PostgreSQL still runs */
    }
    lock_drop(cluster->server_lock);
    lock_drop(cluster->users_lock);
    lock_drop(lock);
    free(cluster->conninfo);
    free(cluster);
}

bool cluster_revive(struct cluster *cluster, struct err *err) {
    if (process_lives(cluster->postmaster))
        return true;
    int lock = lock_take(cluster->place.data, "start.lock", true);
    if (lock < 0)
        return err_set(err, ERR_DATABASE, "can't lock %.300s/start.lock", cluster->place.data);
    log_line(LOG_WARN, "cluster.died", "PostgreSQL in %s has ended: starting it again", cluster->place.data);
    cluster->postmaster = running(cluster);
    bool ok = cluster->postmaster || postmaster_start(cluster, err);
    struct db *db = ok ? postmaster_await(cluster, mono_ms() + START_LIMIT_MS, err) : NULL;
    db_close(db);
    lock_drop(lock);
    return db != NULL;
}

const char *cluster_conninfo(const struct cluster *cluster) {
    return cluster->conninfo;
}

int cluster_pid(const struct cluster *cluster) {
    return (int)cluster->postmaster;
}

bool cluster_reachable(const char *data_dir) {
    return cluster_place_reachable(data_dir);
}

bool cluster_made(const char *data_dir) {
    char path[CLUSTER_PATH + 32];
    snprintf(path, sizeof path, "%s/pg/PG_VERSION", data_dir);
    return access(path, F_OK) == 0 || errno == EACCES; /* who may not look may still connect */
}
