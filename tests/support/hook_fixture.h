/* For tests of webhooks: a fresh database, a server on it and a receiver for each test, all of them `world`. A failure
 * fails the test that runs. */
#pragma once
#include "store/db.h"
#include "tests/support/receiver.h"
#include "tests/support/server_fixture.h"

struct world {
    struct db *db;
    struct server server, other; /* other: not started */
    struct receiver *receiver;
    char conninfo[1024];
};
extern struct world world;

/* cmocka's group setup; its teardown is cluster_fixture_stop. */
int world_setup(void **state);
/* private: RMMHUNT_WEBHOOK_PRIVATE of the servers. */
void world_open(const char *private);
/* cmocka's teardown of each test. */
int world_close(void **state);

/* Changes of that type and tool, as the ledger writes them: under its lock. */
void changes_make(unsigned count, const char *type, const char *tool);
/* POST /v1/webhooks with further members (",\"types\":[…]"); its id, and its secret unless that is NULL. */
void hook_make(const char *path, const char *more, char id[24], char secret[128]);
/* A request to /v1/webhooks/{id} and the rest; the status must be this one. */
struct answer hook_ask(const char *method, const char *id, const char *rest, long status);
/* Waits until the webhook's newest delivery is in that state, that many attempts made. */
struct answer delivery_await(const char *id, const char *state, int attempts);
/* The first message that comes to path. */
struct received first_message(const char *path);
