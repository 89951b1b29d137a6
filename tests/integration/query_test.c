/* POST /v1/query: what bounds a query, what its body may hold, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/server_fixture.h"

enum { CAP = 1 << 16 };

static const char *const times[] = {"2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z", "2026-07-02T12:00:00Z", "2026-07-08T00:00:00Z"};

static void add_event(struct buf *out, size_t id, const char *time) {
    buf_printf(out, "{\"Type\":\"DeviceProcessEvents\",\"Timestamp\":\"%s\",\"DeviceId\":\"d\",\"DeviceName\":\"d.example\","
               "\"ReportId\":%zu,\"FileName\":\"a.exe\"}\n", time, id);
}

/* Four events of July, and one of an hour ago. */
static int setup(void **state) {
    char text[TICKS_TEXT];
    if (server_fixture_setup(state))
        return -1;
    BUF_AUTO body = BUF(CAP);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        add_event(&body, i + 1, times[i]);
    ticks_print(ticks_now() - TICKS_HOUR, text);
    add_event(&body, 9, text);
    struct answer answer = server_send(&server_fixture, &(struct send){.path = "/v1/events", .body = body.ptr, .length = body.len});
    int code = answer.status == 200 && json_integer_value(json_at(answer.json, "stored")) == 5 ? 0 : -1;
    answer_free(&answer);
    if (code)
        server_fixture_teardown(state);
    return code;
}

static struct answer post(long status, const char *body) {
    return server_expect(&server_fixture, status, &(struct send){.path = "/v1/query", .body = body});
}

static void a_timespan_bounds_the_events_on_both_sides(void **state) {
    (void)state;
    static const struct {
        const char *timespan;
        long long events;
    } cases[] = {
        {"P1D", 1}, {"PT2H", 1}, {"PT30M", 0}, {"2h", 1},
        {"2026-07-01/2026-07-02", 2},
        {"2026-07-01T00:00:00.0000001Z/2026-07-02T00:00:00Z", 1},
        {"2026-07-02T00:00:00Z/PT12H", 2},
        {"P7D/2026-07-08", 4},
        {"P6D/2026-07-08T00:00:00Z", 3},
        {"2026-08-01/2026-08-02", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO body = BUF(CAP);
        buf_printf(&body, "{\"query\":\"DeviceProcessEvents | count\",\"timespan\":\"%s\"}", cases[i].timespan);
        ANSWER_AUTO answer = post(200, buf_cstr(&body));
        if (answer_int(&answer, "rows.0.0") != cases[i].events)
            fail_msg("%s: %lld events, want %lld", cases[i].timespan, answer_int(&answer, "rows.0.0"), cases[i].events);
    }
}

static void a_timespan_bounds_every_table_of_the_query(void **state) {
    (void)state;
    ANSWER_AUTO answer = post(200, "{\"query\":\"let P = DeviceProcessEvents; union (P | take 10), (DeviceProcessEvents | where "
                                   "ReportId in ((P | project ReportId))) | count\",\"timespan\":\"2026-07-01/2026-07-02\"}");
    assert_int_equal(answer_int(&answer, "rows.0.0"), 4);
}

static void what_is_no_timespan_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "P", "P1X", "yesterday", "2026-07-01", "2026-07-01/", "/P1D", "P1D/P1D", "2026-07-02/2026-07-01",
                                      "2026-13-01/P1D", "2026-07-01/2026-07-02/2026-07-03"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        BUF_AUTO body = BUF(CAP);
        buf_printf(&body, "{\"query\":\"DeviceProcessEvents | count\",\"timespan\":\"%s\"}", bad[i]);
        ANSWER_AUTO answer = post(400, buf_cstr(&body));
        assert_string_equal(answer_text(&answer, "code"), "bad_request");
        assert_string_equal(answer_text(&answer, "errors.0.field"), "timespan");
    }
}

static void an_unknown_member_is_named(void **state) {
    (void)state;
    ANSWER_AUTO answer = post(400, "{\"query\":\"print 1\",\"timespam\":\"P1D\"}");
    assert_non_null(strstr(answer_text(&answer, "detail"), "'timespam'"));
    assert_string_equal(answer_text(&answer, "errors.0.field"), "timespam");
    ANSWER_AUTO strict = post(400, "{\"query\":\"print 1\",\"strict\":\"yes\"}");
    assert_non_null(strstr(answer_text(&strict, "detail"), "strict must be true or false"));
}

static void too_many_rows_are_refused_with_their_number(void **state) {
    (void)state;
    ANSWER_AUTO fits = post(200, "{\"query\":\"range x from 1 to 30000 step 1\"}");
    assert_int_equal(json_array_size(answer_at(&fits, "rows")), 30000);
    ANSWER_AUTO answer = post(422, "{\"query\":\"range x from 1 to 30001 step 1\"}");
    assert_string_equal(answer_text(&answer, "code"), "limit");
    assert_non_null(strstr(answer_text(&answer, "detail"), "30000 rows"));
}

static void an_answer_of_too_many_bytes_is_refused(void **state) {
    (void)state;
    ANSWER_AUTO answer = post(422, "{\"query\":\"range x from 1 to 80000 step 4 | extend s = strrep(strrep('abcdefgh', 100), 6)\"}");
    assert_string_equal(answer_text(&answer, "code"), "limit");
    assert_non_null(strstr(answer_text(&answer, "detail"), "64 MiB"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timespan_bounds_the_events_on_both_sides),
        cmocka_unit_test(a_timespan_bounds_every_table_of_the_query),
        cmocka_unit_test(what_is_no_timespan_is_refused),
        cmocka_unit_test(an_unknown_member_is_named),
        cmocka_unit_test(too_many_rows_are_refused_with_their_number),
        cmocka_unit_test(an_answer_of_too_many_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
