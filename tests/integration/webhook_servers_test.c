/* Webhooks when servers die, share a database, or meet a receiver that doesn't answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/cluster_fixture.h"
#include "tests/support/hook_fixture.h"

enum { CHANGES = 400 };

static void a_receiver_that_does_not_answer_holds_up_no_other(void **state) {
    char stuck[24], quick[24];
    (void)state;
    world_open("yes");
    hook_make("/stuck", "", stuck, NULL);
    hook_make("/ok", "", quick, NULL);
    changes_make(20, "new_device", "RemotePC");
    assert_true(receiver_wait(world.receiver, "/stuck", "chg_1", 1));
    assert_true(receiver_wait(world.receiver, "/ok", NULL, 20));
    assert_int_equal(receiver_count(world.receiver, "/stuck", NULL), 1);
    receiver_release(world.receiver);
    assert_true(receiver_wait(world.receiver, "/stuck", NULL, 20));
}

/* Changes 1 to count came, in all at most one more than once: the one that was under way. */
static void check_none_lost(unsigned count) {
    char change[24];
    snprintf(change, sizeof change, "chg_%u", count);
    assert_true(receiver_wait(world.receiver, "/ok", change, 1));
    for (unsigned n = 1; n <= count; n++) {
        snprintf(change, sizeof change, "chg_%u", n);
        assert_true(receiver_count(world.receiver, "/ok", change) >= 1);
    }
    assert_true(receiver_count(world.receiver, "/ok", NULL) <= count + 1);
}

static void nothing_is_lost_around_a_kill(void **state) {
    char id[24];
    (void)state;
    world_open("yes");
    hook_make("/ok", "", id, NULL);
    changes_make(CHANGES, "new_device", "RemotePC");
    assert_true(receiver_wait(world.receiver, "/ok", NULL, 20));
    server_kill(&world.server);
    assert_true(receiver_count(world.receiver, "/ok", NULL) < CHANGES);
    changes_make(10, "grew", "RemotePC");
    assert_true(server_start(&world.server));
    check_none_lost(CHANGES + 10);
}

static void another_server_takes_over_from_one_that_was_killed(void **state) {
    char stuck[24], quick[24];
    (void)state;
    world_open("yes");
    hook_make("/stuck", "", stuck, NULL);
    changes_make(1, "new_device", "RemotePC");
    assert_true(receiver_wait(world.receiver, "/stuck", "chg_1", 1));
    assert_true(server_start(&world.other));
    hook_make("/ok", "", quick, NULL);
    server_kill(&world.server);
    server_remove(&world.server);
    world.server = world.other;
    world.other = (struct server){0};
    receiver_release(world.receiver);
    ANSWER_AUTO replayed = hook_ask("POST", quick, "/replay?since=2000-01-01", 202);
    changes_make(CHANGES, "grew", "RemotePC");
    check_none_lost(CHANGES + 1);
    assert_true(receiver_wait(world.receiver, "/stuck", "chg_1", 2));
}

static void two_servers_on_one_database_send_each_change_once(void **state) {
    enum { HOOKS = 4, ROUNDS = 10, EACH = 10 };
    char id[24], path[16], change[24];
    struct received before, message;
    (void)state;
    world_open("yes");
    assert_true(server_start(&world.other));
    for (unsigned hook = 0; hook < HOOKS; hook++) {
        snprintf(path, sizeof path, "/ok%u", hook);
        hook_make(path, "", id, NULL);
    }
    for (unsigned round = 0; round < ROUNDS; round++)
        changes_make(EACH, "new_device", "RemotePC");
    for (unsigned hook = 0; hook < HOOKS; hook++) {
        snprintf(path, sizeof path, "/ok%u", hook);
        assert_true(receiver_wait(world.receiver, path, NULL, ROUNDS * EACH));
    }
    assert_int_equal(server_stop(&world.other), 0);
    for (unsigned hook = 0; hook < HOOKS; hook++) {
        snprintf(path, sizeof path, "/ok%u", hook);
        for (unsigned n = 1; n <= ROUNDS * EACH; n++) {
            snprintf(change, sizeof change, "chg_%u", n);
            assert_int_equal(receiver_count(world.receiver, path, change), 1);
            assert_true(receiver_get(world.receiver, path, n - 1, &message));
            assert_true(n == 1 || strtoll(message.id + 4, NULL, 10) > strtoll(before.id + 4, NULL, 10));
            before = message;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_receiver_that_does_not_answer_holds_up_no_other, world_close),
        cmocka_unit_test_teardown(nothing_is_lost_around_a_kill, world_close),
        cmocka_unit_test_teardown(another_server_takes_over_from_one_that_was_killed, world_close),
        cmocka_unit_test_teardown(two_servers_on_one_database_send_each_change_once, world_close),
    };
    return cmocka_run_group_tests(tests, world_setup, cluster_fixture_stop);
}
