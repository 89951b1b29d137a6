/* For tests against the real binary: a server with a private PostgreSQL in a folder of its own under /tmp, and HTTP to
 * talk to it. $RMMHUNT_BINARY names the binary. Any failure fails the test that runs; nothing waits without a deadline.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct server {
    char data[64], url[64];
    pid_t pid;
    int output; /* its stdout */
    const char *database_url; /* NULL: it brings its own PostgreSQL */
    bool schedules;           /* starts scheduled runs, which else would come between a test's own */
};

/* cmocka's group setup and teardown: one server for a program's tests, `server_fixture`. */
extern struct server server_fixture;
int server_fixture_setup(void **state);
int server_fixture_teardown(void **state);

/* Starts on server->data, or on a new folder when that is empty. False: said on stderr why. */
bool server_start(struct server *server);
/* SIGTERM; the exit code, or -1 when it had to be killed after 30 s. */
int server_stop(struct server *server);
/* SIGTERM only; server_wait then gives the exit code. */
void server_ask_to_stop(const struct server *server);
int server_wait(struct server *server);
/* SIGKILL, and waits until it is gone. The database's processes are left to themselves, as in a real crash. */
void server_kill(struct server *server);
void server_remove(struct server *server);

struct answer {
    long status;   /* 0: no answer came */
    char *headers; /* as they came */
    char *body;    /* NUL behind it */
    size_t length;
    json_t *json; /* NULL when the body isn't JSON */
};

struct send {
    const char *method, *path; /* method NULL: POST with a body, else GET */
    const char *headers[6];    /* "Name: value", NULL behind the last */
    const void *body;
    size_t length; /* 0 with a body: its strlen */
    bool chunked;
};

/* Any thread. */
struct answer server_send(const struct server *server, const struct send *send);
/* The same, and the status must be this one. */
struct answer server_expect(const struct server *server, long status, const struct send *send);
void answer_free(struct answer *answer);
#define ANSWER_AUTO __attribute__((cleanup(answer_free), unused)) struct answer
/* A header's value without white space around it into out; false when it isn't there. */
bool answer_header(const struct answer *answer, const char *name, char *out, size_t size);
/* A member on a path such as "devices.0.device_id"; fails the test when it isn't there. */
const json_t *answer_at(const struct answer *answer, const char *path);
const json_t *json_at(const json_t *root, const char *path);
long long answer_int(const struct answer *answer, const char *path);
const char *answer_text(const struct answer *answer, const char *path);

/* POST /v1/query that must work. */
struct answer server_query(const struct server *server, const char *kql);
/* The first cell of its first row, an integer. */
long long server_query_int(const struct server *server, const char *kql);
