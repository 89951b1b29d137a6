/* Hunts that are run together find what each finds alone: looking for all their values at once changes no answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "hunts/estate.h"
#include "tests/support/server_fixture.h"

enum { RECORDS = 4000, CAP = 64 << 20 };
#define END INT64_C(639201888000000000) /* 2026-07-20T00:00:00Z */

static int setup(void **state) {
    schema_init();
    if (server_fixture_setup(state))
        return -1;
    struct estate_options options = {.seed = 11, .devices = 60, .days = 8, .end = END, .late_rate = 0.01, .repeat_rate = 0.02};
    struct estate *estate = estate_new(&options);
    BUF_AUTO body = BUF(CAP);
    while (estate && estate_next(estate, &body, RECORDS)) {
        struct answer answer =
            server_send(&server_fixture, &(struct send){.path = "/v1/events", .body = body.ptr, .length = body.len});
        long status = answer.status;
        answer_free(&answer);
        body.len = 0;
        if (status != 200)
            return -1;
    }
    estate_free(estate);
    return estate ? 0 : -1;
}

/* Without what names the run. */
static char *essence(json_t *result) {
    size_t i;
    json_t *device;
    json_auto_t *kept = json_object();
    static const char *const members[] = {"hunt", "window", "columns", "rows", "devices", "freshness", "verdict", "warnings"};
    json_array_foreach(json_object_get(result, "devices"), i, device) json_object_del(device, "evidence");
    for (size_t m = 0; m < sizeof members / sizeof *members; m++)
        json_object_set(kept, members[m], json_object_get(result, members[m]));
    return json_dumps(kept, JSON_SORT_KEYS | JSON_COMPACT);
}

static void hunts_together_find_what_each_finds_alone(void **state) {
    (void)state;
    size_t i, found = 0;
    json_t *together;
    ANSWER_AUTO all = server_expect(&server_fixture, 201,
                                    &(struct send){.path = "/v1/runs", .headers = {"Prefer: wait=60"},
                                                   .body = "{\"all\":true,\"as_of\":\"2026-07-20T00:00:00Z\"}"});
    assert_true(json_array_size(json_object_get(all.json, "hunts")) > 100);
    json_array_foreach(json_object_get(all.json, "hunts"), i, together) {
        const char *slug = json_string_value(json_at(together, "hunt.slug"));
        BUF_AUTO body = BUF(1024);
        buf_printf(&body, "{\"hunts\":[\"%s\"],\"as_of\":\"2026-07-20T00:00:00Z\"}", slug);
        ANSWER_AUTO alone = server_expect(&server_fixture, 201,
                                          &(struct send){.path = "/v1/runs", .headers = {"Prefer: wait=60"},
                                                         .body = body.ptr, .length = body.len});
        found += json_array_size(json_object_get(alone.json, "devices")) > 0;
        char *one = essence(together), *other = essence(alone.json);
        if (strcmp(one, other) != 0)
            fail_msg("%s\ntogether %s\nalone    %s", slug, one, other);
        free(one);
        free(other);
    }
    assert_true(found > 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hunts_together_find_what_each_finds_alone),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
