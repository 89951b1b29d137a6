#include "tests/support/hook_fixture.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

enum { LIMIT_MS = 60000 };

struct world world;

void world_open(const char *private) {
    world.db = cluster_fixture_database(4);
    world.receiver = receiver_start();
    assert_non_null(world.receiver);
    snprintf(world.conninfo, sizeof world.conninfo, "%s", cluster_fixture_conninfo());
    setenv("RMMHUNT_WEBHOOK_PRIVATE", private, 1);
    world.server = world.other = (struct server){.database_url = world.conninfo};
    assert_true(server_start(&world.server));
}

static int server_end(struct server *server) {
    int code = server->pid ? server_stop(server) : 0;
    if (server->data[0])
        server_remove(server);
    return code;
}

int world_close(void **state) {
    (void)state;
    int code = server_end(&world.server) | server_end(&world.other);
    if (world.receiver)
        receiver_stop(world.receiver);
    cluster_fixture_close(world.db);
    world.db = NULL;
    world.receiver = NULL;
    return code;
}

void changes_make(unsigned count, const char *type, const char *tool) {
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH lock AS MATERIALIZED (SELECT FROM rmm.ledger FOR UPDATE) INSERT INTO rmm.changes (type, device_id, "
             "device_name, tool, detail) SELECT '%s', 'dev-' || n, 'pc-\" ' || n, '%s', '{\"count\": 3}' "
             "FROM generate_series(1, %u) n WHERE EXISTS (SELECT FROM lock)",
             type, tool, count);
    database_do(world.db, sql);
}

void hook_make(const char *path, const char *more, char id[24], char secret[128]) {
    char url[128], body[512];
    receiver_url(world.receiver, path, url);
    snprintf(body, sizeof body, "{\"url\":\"%s\"%s}", url, more);
    ANSWER_AUTO made = server_expect(&world.server, 201, &(struct send){.path = "/v1/webhooks", .body = body});
    snprintf(id, 24, "%s", answer_text(&made, "id"));
    if (secret)
        snprintf(secret, 128, "%s", answer_text(&made, "secret"));
}

struct answer hook_ask(const char *method, const char *id, const char *rest, long status) {
    char path[256];
    snprintf(path, sizeof path, "/v1/webhooks/%s%s", id, rest);
    return server_expect(&world.server, status, &(struct send){.method = method, .path = path});
}

struct answer delivery_await(const char *id, const char *state, int attempts) {
    int64_t deadline = mono_ms() + LIMIT_MS;
    for (;;) {
        struct answer answer = hook_ask("GET", id, "/deliveries?limit=1", 200);
        const json_t *first = json_at(answer.json, "deliveries.0");
        if (first && !strcmp(json_string_value(json_at(first, "state")), state) &&
            json_integer_value(json_at(first, "attempts")) == attempts)
            return answer;
        if (mono_ms() > deadline)
            fail_msg("no delivery got %s: %s", state, answer.body);
        answer_free(&answer);
    }
}

struct received first_message(const char *path) {
    struct received message;
    assert_true(receiver_wait(world.receiver, path, NULL, 1));
    assert_true(receiver_get(world.receiver, path, 0, &message));
    return message;
}

int world_setup(void **state) {
    return sodium_init() < 0 ? -1 : cluster_fixture_start(state);
}
