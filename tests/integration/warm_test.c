/* A server that starts over a filled database has decided the hunts' conditions before the first one is asked for: what shows
 * it is a dictionary value that is another one by then, which decided conditions don't look at again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { WAIT_MS = 60000 };

#define TURNS "\nrmmhunt_prepare_turns_total "
#define FAILURES "\nrmmhunt_prepare_failures_total "
#define PROBES "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}"

static long long metric(const struct server *server, const char *series) {
    ANSWER_AUTO answer = server_expect(server, 200, &(struct send){.path = "/metrics"});
    const char *at = strstr(answer.body, series);
    if (!at)
        fail_msg("no series %s", series);
    return strtoll(at + strlen(series), NULL, 10);
}

static void await_turns(const struct server *server, long long least) {
    int64_t deadline = mono_ms() + WAIT_MS;
    while (metric(server, TURNS) < least && ms_left(deadline))
        sleep_ms(20);
    if (metric(server, TURNS) < least)
        fail_msg("%lld turns, not %lld", metric(server, TURNS), least);
}

static void restart(struct server *server) {
    assert_int_equal(server_stop(server), 0);
    assert_true(server_start(server));
    await_turns(server, 1);
    assert_int_equal(metric(server, FAILURES), 0);
}

static void send_probe(void) {
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, ",\"FileName\":\"probe.exe\"");
}

/* Devices that the process hunt's result names. */
static size_t found(const struct server *server) {
    ANSWER_AUTO run = hunt_run(server, PROBES);
    ANSWER_AUTO result = hunt_get(server, "/v1/hunts/probe-create-process/results");
    return json_array_size(answer_at(&result, "devices"));
}

static void the_first_hunt_of_a_server_is_answered_from_what_it_decided_when_it_started(void **state) {
    (void)state;
    send_probe();
    restart(&probe_server.server);
    database_do(probe_server.db, "UPDATE dict.image SET file_name = 'other.exe' WHERE file_name = 'probe.exe'");
    assert_int_equal(found(&probe_server.server), 1);
    restart(&probe_server.server);
    assert_int_equal(found(&probe_server.server), 0);
}

static void hunts_that_came_meanwhile_and_values_are_decided_when_they_are_asked_for(void **state) {
    (void)state;
    restart(&probe_server.server); /* no events: nothing is decided */
    assert_int_equal(found(&probe_server.server), 0);
    send_probe();
    assert_int_equal(found(&probe_server.server), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_hunt_of_a_server_is_answered_from_what_it_decided_when_it_started,
                                        probe_server_setup, probe_server_teardown),
        cmocka_unit_test_setup_teardown(hunts_that_came_meanwhile_and_values_are_decided_when_they_are_asked_for,
                                        probe_server_setup, probe_server_teardown),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
