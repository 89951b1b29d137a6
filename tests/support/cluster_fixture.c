#include "tests/support/cluster_fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/clock.h"
#include "kql/schema.h"
#include "store/cluster.h"
#include "store/migrate.h"

enum { LIMIT_MS = 60 * 1000 };

static struct {
    char folder[64];
    struct cluster *cluster;
    char *conninfo;
    unsigned made;
} fixture;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

bool folder_make_temporary(char out[64]) {
    snprintf(out, 64, "/tmp/rmmhunt-test-XXXXXX");
    return mkdtemp(out) != NULL;
}

void folder_remove(const char *path) {
    nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static bool template_make(struct err *err) {
    struct db_options options = {cluster_conninfo(fixture.cluster), 1};
    struct db *db = db_open(&options, err);
    bool ok = db && migrate(db, mono_ms() + LIMIT_MS, err);
    db_close(db);
    return ok;
}

int cluster_fixture_start(void **state) {
    struct err err = {0};
    (void)state;
    schema_init();
    if (!folder_make_temporary(fixture.folder))
        return -1;
    fixture.cluster = cluster_open(fixture.folder, true, &err);
    if (fixture.cluster && template_make(&err))
        return 0;
    fprintf(stderr, "no database for the tests: %s\n", err.text);
    cluster_fixture_stop(NULL);
    return -1;
}

int cluster_fixture_stop(void **state) {
    (void)state;
    cluster_close(fixture.cluster);
    fixture.cluster = NULL;
    free(fixture.conninfo);
    fixture.conninfo = NULL;
    folder_remove(fixture.folder);
    return 0;
}

/* The admin's statement runs from the database postgres: a template must have no connection. */
static bool copy_make(const char *name, const char *base, struct err *err) {
    char sql[128], conninfo[1024];
    snprintf(conninfo, sizeof conninfo, "%s dbname=postgres", base);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE rmmhunt", name);
    struct db_options options = {conninfo, 1};
    struct db *db = db_open(&options, err);
    struct db_conn *conn = db ? db_take(db, mono_ms() + LIMIT_MS, err) : NULL;
    bool ok = conn && db_exec(conn, sql, NULL, 0, mono_ms() + LIMIT_MS, NULL, err);
    db_give(conn);
    db_close(db);
    return ok;
}

struct db *cluster_fixture_database(unsigned connections) {
    struct err err = {0};
    char name[32], conninfo[1024];
    const char *base = cluster_conninfo(fixture.cluster);
    snprintf(name, sizeof name, "test_%u", ++fixture.made);
    if (!copy_make(name, base, &err))
        fail_msg("no copy of the template: %s", err.text);
    snprintf(conninfo, sizeof conninfo, "%s dbname=%s", base, name);
    free(fixture.conninfo);
    fixture.conninfo = strdup(conninfo);
    struct db_options options = {fixture.conninfo, connections};
    struct db *db = db_open(&options, &err);
    if (!db)
        fail_msg("the copy can't be opened: %s", err.text);
    return db;
}

const char *cluster_fixture_conninfo(void) {
    return fixture.conninfo;
}

void cluster_fixture_close(struct db *db) {
    db_close(db);
}
