/* For tests of what hunts leave behind: servers over databases of one cluster, events from an estate or made one by
 * one, runs, and lists walked to their end. Any failure fails the test. */
#pragma once
#include <sys/types.h>

#include "base/buf.h"
#include "base/str.h"
#include "hunts/estate.h"
#include "store/db.h"
#include "tests/support/server_fixture.h"

/* A server on a fresh database, which the test may look into as well. */
struct hunt_server {
    struct server server;
    struct db *db;
    char database_url[1024];
};

/* Needs cluster_fixture_start. */
void hunt_server_start(struct hunt_server *server);
void hunt_server_stop(struct hunt_server *server);
/* Which devices sent on which days, as the server merges it each minute. */
void hunt_merge_presence(const struct hunt_server *server);

/* A test's server with the hunts of a tool "Probe" (word "probe"), for cmocka's setup and teardown. */
extern struct hunt_server probe_server;
int probe_server_setup(void **state);
int probe_and_rival_setup(void **state); /* and those of a tool "Rival" (word "rival") */
int probe_server_teardown(void **state);

/* The estate's records in the order in which they arrive. */
struct hunt_lines {
    struct buf text;
    struct str *lines;
    size_t count;
    struct estate *estate; /* for its plants */
};
void hunt_lines_make(const struct estate_options *options, struct hunt_lines *lines);
void hunt_lines_shuffle(struct hunt_lines *lines, uint64_t seed);
void hunt_lines_free(struct hunt_lines *lines);

/* Those of lines[from], lines[from + step], … below `to`, in one body. */
void hunt_send(const struct server *server, const struct hunt_lines *lines, size_t from, size_t to, size_t step);
void hunt_send_text(const struct server *server, const char *ndjson);
/* As a sender does: the same bytes again until they are acknowledged. The last answer, whatever it is; fails no test, so
 * that threads may use it. */
struct answer hunt_send_again(const struct server *server, const char *ndjson);
/* One event as a line; more: further members (",\"FileName\":\"a\""), or "". */
void hunt_add_event(struct buf *out, const char *table, const char *device, const char *time, int report,
                    const char *more);
/* The same, sent by itself. */
void hunt_send_event(const struct server *server, const char *table, const char *device, const char *time, int report,
                     const char *more);
/* Hunts of a tool "<tool>": a process named <word>…, a signer with <word>, a URL with <word>; slugs
 * <word>-create-process, <word>-file-signature, <word>-network-connection. */
void hunt_import(const struct server *server, const char *tool, const char *word);
/* POST /v1/runs to the end: the results. */
struct answer hunt_run(const struct server *server, const char *body);
struct answer hunt_get(const struct server *server, const char *path);
/* All pages of a list, its items in one array that the caller owns. path: with a "?" in it. */
json_t *hunt_walk(const struct server *server, const char *path, const char *member);
/* A command's words, for those below. */
#define WORDS(...)                                                                                                     \
    (const char *const[]) {                                                                                            \
        __VA_ARGS__, NULL                                                                                              \
    }
/* The binary with these words, on the server's database: its process, and its stdout's end to read. */
pid_t hunt_command_start(struct hunt_server *server, const char *const *words, int *output);
/* The same to its end, with this exit code: its stdout, which the caller frees; of one that fails with its stderr. */
char *hunt_command(struct hunt_server *server, int code, const char *const *words);
/* The same on a terminal of 80 columns, exit code 0. */
char *hunt_command_terminal(struct hunt_server *server, const char *const *words);
/* The same, in which the words `wanted` must be. */
void hunt_expect_command(struct hunt_server *server, int code, const char *const *words, const char *wanted);
/* The first item whose member `name` is value, or NULL. */
const json_t *hunt_item(const json_t *items, const char *name, const char *value);
/* The text of a member, "" when it is none. */
const char *hunt_text(const json_t *object, const char *path);
/* What is at the path, written compactly, is `expected`. */
void hunt_expect_json(const json_t *root, const char *path, const char *expected);
