/* Which hunts can be told event by event, and what their searches for ever look for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hunts/catalogue.h"
#include "hunts/ledger.h"

enum { ARENA = 64 << 20 };
#define FOLD " | summarize min(Timestamp), max(Timestamp), make_set(ReportId), count() by DeviceId"

static struct arena *arena;

static int setup(void **state) {
    (void)state;
    schema_init();
    arena = arena_new(ARENA);
    return arena ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

static void each_query_is_told_as_exactly_as_it_can_be(void **state) {
    static const struct {
        const char *query;
        enum ledger_mode mode;
        const char *why;
    } cases[] = {
        {"DeviceProcessEvents | where FileName == 'a'" FOLD, LEDGER_EVENTS, ""},
        {"DeviceProcessEvents | extend F = tolower(FileName) | where F == 'a'" FOLD, LEDGER_EVENTS, ""},
        {"DeviceProcessEvents | extend Timestamp = Timestamp + 1h | where FileName == 'a'" FOLD, LEDGER_EVENTS, ""},
        {"DeviceProcessEvents | extend Timestamp = Timestamp + 1h | where Timestamp > ago(1d)" FOLD, LEDGER_RUN,
         "moves with now()"},
        {"DeviceProcessEvents | where Timestamp >= ago(5d) or FileName == 'a'" FOLD, LEDGER_RUN, "moves with now()"},
        {"DeviceProcessEvents | where ProcessCreationTime > ago(1d)" FOLD, LEDGER_RUN, "moves with now()"},
        {"DeviceProcessEvents | extend Age = now() - Timestamp | where FileName == 'a'" FOLD, LEDGER_EVENTS, ""},
        {"DeviceProcessEvents | where FileName == 'a' | project DeviceId, Timestamp", LEDGER_EVENTS, ""},
        {"DeviceProcessEvents | distinct DeviceId", LEDGER_EVENTS, ""},
        {"DeviceProcessEvents | where FileName == 'a'" FOLD " | sort by count_ | project DeviceId", LEDGER_EVENTS, ""},
        {"let names = dynamic(['a']); DeviceProcessEvents | where FileName in (names)" FOLD, LEDGER_EVENTS, ""},
        {"DeviceProcessEvents | where DeviceId in ((DeviceInfo | project DeviceId))" FOLD, LEDGER_RUN,
         "another event table"},
        {"let d = DeviceInfo | where OSPlatform == 'x' | distinct DeviceId; DeviceProcessEvents | where DeviceId in "
         "(d)" FOLD,
         LEDGER_RUN, "another event table"},
        {"DeviceProcessEvents" FOLD " | where count_ > 3", LEDGER_RESULT, "where looks at more than each event"},
        {"DeviceProcessEvents | take 5" FOLD, LEDGER_RESULT, "take looks at more"},
        {"DeviceProcessEvents | top 5 by Timestamp" FOLD, LEDGER_RESULT, "top looks at more"},
        {"DeviceProcessEvents | join kind=inner (DeviceInfo | project DeviceId) on DeviceId" FOLD, LEDGER_RESULT,
         "join looks at more"},
        {"DeviceProcessEvents | union DeviceFileEvents" FOLD, LEDGER_RESULT, "union looks at more"},
        {"DeviceProcessEvents | summarize count() by DeviceId | summarize sum(count_)", LEDGER_NONE,
         "summarize looks at more"},
        {"DeviceProcessEvents | summarize count() by DeviceName | where count_ > 3", LEDGER_RESULT,
         "where looks at more"},
        {"DeviceProcessEvents | summarize count() by FileName | where count_ > 3", LEDGER_NONE,
         "nor do its rows have a DeviceId or DeviceName"},
        {"print DeviceId = 'x'", LEDGER_NONE, "one event table"},
        {"DeviceProcessEvents | nonsense", LEDGER_NONE, "nonsense"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err why = {0};
        arena_reset(arena);
        enum ledger_mode mode = ledger_mode_of(arena, str_from(cases[i].query), &why);
        if (mode != cases[i].mode || !strstr(why.text, cases[i].why) ||
            (why.code == ERR_NONE) != (mode == LEDGER_EVENTS))
            fail_msg("%s: %d, '%s'", cases[i].query, mode, why.text);
    }
}

static struct kql_program *compile(const char *query, int64_t arrived_from) {
    struct err err = {0};
    struct kql_options options = {.from = -1, .to = -1, .hits = HITS_EVER, .arrived_from = arrived_from};
    assert_true(ticks_parse(STR("2026-07-20T00:00:00Z"), &options.now));
    arena_reset(arena);
    struct kql_program *program = kql_compile(arena, str_from(query), &options, &err);
    if (!program)
        fail_msg("%s: %s", query, err.text);
    return program;
}

static bool has_param(const struct kql_program *program, const char *text) {
    for (size_t i = 0; i < program->param_count; i++)
        if (str_eq(program->params[i], str_from(text)))
            return true;
    return false;
}

static bool has_time(const struct kql_program *program, const char *time) {
    char text[24];
    int64_t ticks;
    assert_true(ticks_parse_loose(str_from(time), &ticks));
    snprintf(text, sizeof text, "%lld", (long long)ticks);
    return has_param(program, text);
}

static void bounds_that_move_with_now_are_left_out_and_fixed_ones_stay(void **state) {
    static const struct {
        const char *query, *kept, *left_out;
    } cases[] = {
        {"DeviceProcessEvents | where Timestamp >= ago(5d)" FOLD, NULL, "2026-07-15"},
        {"let a = now(-5d); let b = now(); DeviceProcessEvents | where Timestamp between (a..b)" FOLD, NULL,
         "2026-07-15"},
        {"let a = datetime(2026-07-01); DeviceProcessEvents | where Timestamp >= a" FOLD, "2026-07-01", NULL},
        {"let a = datetime(2026-07-01); DeviceProcessEvents | where Timestamp >= a and Timestamp >= ago(5d)" FOLD,
         "2026-07-01", "2026-07-15"},
        {"DeviceProcessEvents | where Timestamp > datetime(2026-07-01) | where Timestamp < now()" FOLD, "2026-07-01",
         "2026-07-20"},
        {"DeviceProcessEvents | where TimeGenerated > ago(1d)" FOLD, NULL, "2026-07-19"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct kql_program *program = compile(cases[i].query, 77);
        assert_true(has_param(program, "77"));
        assert_non_null(memmem(program->sql.ptr, program->sql.len, "t.arrived >= ", 13));
        if (cases[i].kept && !has_time(program, cases[i].kept))
            fail_msg("%s: %s isn't kept", cases[i].query, cases[i].kept);
        if (cases[i].left_out && has_time(program, cases[i].left_out))
            fail_msg("%s: %s isn't left out", cases[i].query, cases[i].left_out);
    }
}

/* So that somebody who adds a hunt learns what the ledger will know of it. */
static void nearly_all_of_the_catalogue_is_told_event_by_event(void **state) {
    struct catalogue catalogue;
    struct err err = {0};
    size_t counts[LEDGER_NONE + 1] = {0};
    (void)state;
    struct arena *own = arena_new(ARENA);
    assert_true(own && catalogue_load(own, &catalogue, &err));
    for (size_t t = 0; t < catalogue.tool_count; t++)
        for (size_t i = 0; i < catalogue.tools[t].hunt_count; i++) {
            struct err why = {0};
            arena_reset(arena);
            counts[ledger_mode_of(arena, catalogue.tools[t].hunts[i].query, &why)]++;
        }
    arena_free(own);
    assert_true(counts[LEDGER_EVENTS] >= 104);
    assert_true(counts[LEDGER_RUN] <= 2 && counts[LEDGER_NONE] <= 2 && !counts[LEDGER_RESULT]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_query_is_told_as_exactly_as_it_can_be),
        cmocka_unit_test(bounds_that_move_with_now_are_left_out_and_fixed_ones_stay),
        cmocka_unit_test(nearly_all_of_the_catalogue_is_told_event_by_event),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
