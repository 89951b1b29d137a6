/* Results as CSV and tables under any limit of memory: whole, or an error; never with empty places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handlers/list.h"

enum { ROWS = 200, ENOUGH = 1 << 20, STEP = 4096 };

static void body_make(struct buf *body) {
    buf_add_str(body, STR("{\"columns\":[{\"name\":\"DeviceId\"},{\"name\":\"Report\"},{\"name\":\"Count\"}],\"rows\":["));
    for (int i = 0; i < ROWS; i++)
        buf_printf(body, "%s[\"d%d\",[%d,%d],%d]", i ? "," : "", i, i, i + 1, 2);
    buf_add_str(body, STR("],\"devices\":["));
    for (int i = 0; i < ROWS; i++)
        buf_printf(body, "%s{\"device_id\":\"d%d\",\"machine_group\":\"g\",\"report_ids\":[\"%d\"],\"count\":2}", i ? "," : "", i, i);
    buf_add_str(body, STR("],\"hunt\":{\"slug\":\"s\"},\"verdict\":\"hits\"}"));
}

/* The body in that format with so much memory; false: an error, which must be that of memory. */
static bool convert(struct str body, const char *format, size_t cap, struct buf *out) {
    struct arena *arena = arena_new(cap);
    struct pair query = {STR("format"), str_from(format)};
    struct request request = {.arena = arena, .query = &query, .query_count = 1};
    struct reply reply = {.status = 200};
    struct err err = {0};
    bool ok = result_reply(&request, &reply, body, &err);
    assert_int_equal(err.code, ok ? ERR_NONE : ERR_OUT_OF_MEMORY);
    out->len = 0;
    buf_add_str(out, buf_str(&reply.body));
    buf_free(&reply.body);
    arena_free(arena);
    return ok;
}

static void results_are_whole_or_an_error_whatever_memory_there_is(void **state) {
    static const char *const formats[] = {"csv", "table", "ndjson"};
    BUF_AUTO body = BUF(ENOUGH), whole = BUF(ENOUGH), some = BUF(ENOUGH);
    (void)state;
    body_make(&body);
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        size_t whole_times = 0, errors = 0;
        assert_true(convert(buf_str(&body), formats[f], ENOUGH, &whole));
        for (size_t cap = 0; cap < ENOUGH / 4; cap += STEP) {
            bool ok = convert(buf_str(&body), formats[f], cap, &some);
            assert_true(!ok || str_eq(buf_str(&some), buf_str(&whole)));
            *(ok ? &whole_times : &errors) += 1;
        }
        assert_true(whole_times && errors);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_whole_or_an_error_whatever_memory_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
