/* Evidence pages and cursors over real HTTP: each event once, whole, with the hunts that counted it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tests/support/server_fixture.h"

enum { MANY = 12000, CAP = 16 << 20, PATH = 4096 };

#define HUNT(id, slug, tool, query)                                                                                    \
    "{\"id\":\"" id "\",\"slug\":\"" slug "\",\"name\":\"Check - " tool " - Create Process\",\"query\":\"" query "\"}"
#define FOLD " | summarize First=min(Timestamp), Last=max(Timestamp), Report=make_set(ReportId), Count=count() by DeviceId"

static const char *const hunts[] = {
    HUNT("7c1f1d1e-0000-4000-8000-00000000a001", "probe-all", "Probe", "DeviceProcessEvents | where FileName startswith 'probe'" FOLD),
    HUNT("7c1f1d1e-0000-4000-8000-00000000a002", "probe-even", "Probe",
         "DeviceProcessEvents | extend FileName = toupper(FileName), Timestamp = Timestamp + 0s | where ReportId % 2 == 0 "
         "and FileName startswith 'probe'" FOLD),
    HUNT("7c1f1d1e-0000-4000-8000-00000000a003", "probe-network", "Wire", "DeviceNetworkEvents | where RemoteUrl has 'probe'" FOLD),
    HUNT("7c1f1d1e-0000-4000-8000-00000000a004", "probe-nothing", "Wire", "print DeviceId = 'many', Count = 1"),
};

static void add_event(struct buf *out, int i) {
    buf_printf(out,
               "{\"Type\":\"DeviceProcessEvents\",\"Timestamp\":\"2026-07-16T02:%02d:%02d.%07dZ\",\"DeviceId\":\"many\","
               "\"DeviceName\":\"many.example\",\"ReportId\":%d,\"FileName\":\"probe.exe\"}\n",
               i / 3600, i / 60 % 60, i % 60 / 3, i);
}

static void post(const char *path, const char *body, size_t length) {
    struct answer answer = server_send(&server_fixture, &(struct send){.path = path, .body = body, .length = length});
    if (answer.status / 100 != 2)
        fail_msg("%s: %ld %.1000s", path, answer.status, answer.body ? answer.body : "");
    answer_free(&answer);
}

#define RUN "{\"hunts\":[\"probe-all\",\"probe-even\",\"probe-network\",\"probe-nothing\"],\"as_of\":\"2026-07-20T00:00:00Z\"}"

static int setup(void **state) {
    BUF_AUTO body = BUF(CAP);
    if (server_fixture_setup(state))
        return -1;
    for (int i = 0; i < MANY; i++)
        add_event(&body, i);
    buf_printf(&body, "{\"Type\":\"DeviceNetworkEvents\",\"Timestamp\":\"2026-07-16T01:00:00.7654321Z\",\"DeviceId\":\"few\","
                      "\"ReportId\":639199803770463703,\"RemoteUrl\":\"probe.example\",\"RemotePort\":443,"
                      "\"Brand New\":{\"a\":[1,\"\\u00e9\"]},\"Other\":1.50}\n"
                      "{\"Type\":\"DeviceProcessEvents\",\"Timestamp\":\"2026-07-16T01:00:00.7654320Z\",\"DeviceId\":\"few\","
                      "\"ReportId\":2,\"FileName\":\"Probe.exe\",\"ProcessCommandLine\":\"=cmd\"}\n"
                      "{\"Type\":\"DeviceInfo\",\"Timestamp\":\"2026-07-16T01:00:00Z\",\"DeviceId\":\"idle\",\"ReportId\":2}\n");
    post("/v1/events", body.ptr, body.len);
    for (size_t i = 0; i < sizeof hunts / sizeof *hunts; i++)
        post("/v1/hunts/import", hunts[i], strlen(hunts[i]));
    post("/v1/runs", RUN, strlen(RUN));
    return 0;
}

struct walk {
    size_t pages, events, both;
    bool *seen; /* by ReportId */
};

static void page_count(const struct answer *page, struct walk *walk) {
    size_t i;
    const json_t *event;
    json_array_foreach(answer_at(page, "events"), i, event) {
        json_int_t report = json_integer_value(json_at(event, "event.ReportId"));
        assert_true(report >= 0 && report < MANY && !walk->seen[report]);
        walk->seen[report] = true;
        walk->events++;
        walk->both += json_array_size(json_at(event, "hunts")) == 2;
        assert_string_equal(json_string_value(json_at(event, "event.FileName")), "probe.exe");
    }
    walk->pages++;
}

/* Follows Link: rel="next", which has to be what the body's next says. */
static void walk_all(const char *first, struct walk *walk) {
    char path[PATH], link[PATH];
    snprintf(path, sizeof path, "%s", first);
    for (;;) {
        ANSWER_AUTO page = server_expect(&server_fixture, 200, &(struct send){.path = path});
        page_count(&page, walk);
        bool linked = answer_header(&page, "Link", link, sizeof link);
        assert_int_equal(linked, json_is_string(answer_at(&page, "next")));
        if (!linked)
            return;
        assert_non_null(strstr(link, answer_text(&page, "next")));
        snprintf(path, sizeof path, "%.*s", (int)strcspn(link + 1, ">"), link + 1);
    }
}

static void all_pages_together_are_all_events_and_none_comes_twice(void **state) {
    struct walk walk = {.seen = calloc(MANY, sizeof *walk.seen)};
    (void)state;
    walk_all("/v1/devices/many/evidence?tool=probe&limit=1000", &walk);
    assert_int_equal(walk.events, MANY);
    assert_int_equal(walk.pages, MANY / 1000);
    assert_int_equal(walk.both, MANY / 2);
    free(walk.seen);
}

static void one_hunt_gives_what_it_counted_alone(void **state) {
    struct walk walk = {.seen = calloc(MANY, sizeof *walk.seen)};
    (void)state;
    walk_all("/v1/devices/many/evidence?hunt=probe-even&limit=999", &walk);
    assert_int_equal(walk.events, MANY / 2);
    assert_int_equal(walk.both, 0);
    free(walk.seen);
}

static void an_event_comes_with_every_column_its_table_and_its_hunts(void **state) {
    (void)state;
    ANSWER_AUTO page = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/few/evidence"});
    assert_int_equal(json_array_size(answer_at(&page, "events")), 2);
    assert_string_equal(answer_text(&page, "events.0.table"), "DeviceProcessEvents");
    assert_string_equal(answer_text(&page, "events.0.event.FileName"), "Probe.exe");
    assert_string_equal(answer_text(&page, "events.0.hunts.0"), "probe-all");
    assert_string_equal(answer_text(&page, "events.0.hunts.1"), "probe-even");
    assert_string_equal(answer_text(&page, "events.1.table"), "DeviceNetworkEvents");
    assert_string_equal(answer_text(&page, "events.1.event.Timestamp"), "2026-07-16T01:00:00.7654321Z");
    assert_int_equal(answer_int(&page, "events.1.event.ReportId"), 639199803770463703LL);
    assert_string_equal(answer_text(&page, "events.1.report_id"), "639199803770463703");
    assert_int_equal(answer_int(&page, "events.1.event.RemotePort"), 443);
    assert_string_equal(answer_text(&page, "events.1.event.Brand New.a.1"), "\xC3\xA9");
    assert_non_null(strstr(page.body, "\"Other\":1.50"));
    assert_true(json_is_null(answer_at(&page, "next")));
}

/* They arrive as the first of their tables, at one moment: neither stands for the other, nor is lost between two pages. */
static void events_of_two_tables_at_one_moment_are_two(void **state) {
    static const char body[] =
        "{\"Type\":\"DeviceNetworkEvents\",\"Timestamp\":\"2026-07-17T01:00:00Z\",\"DeviceId\":\"twin\",\"ReportId\":1,"
        "\"RemoteUrl\":\"probe.example\"}\n"
        "{\"Type\":\"DeviceProcessEvents\",\"Timestamp\":\"2026-07-17T01:00:00Z\",\"DeviceId\":\"twin\",\"ReportId\":2,"
        "\"FileName\":\"probe.exe\"}\n";
    char path[PATH];
    (void)state;
    post("/v1/events", body, strlen(body));
    post("/v1/runs", RUN, strlen(RUN));
    ANSWER_AUTO whole = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/twin/evidence"});
    assert_int_equal(json_array_size(answer_at(&whole, "events")), 2);
    assert_string_equal(answer_text(&whole, "events.0.table"), "DeviceNetworkEvents");
    assert_int_equal(json_array_size(answer_at(&whole, "events.0.hunts")), 1);
    assert_string_equal(answer_text(&whole, "events.1.table"), "DeviceProcessEvents");
    assert_int_equal(json_array_size(answer_at(&whole, "events.1.hunts")), 2);
    ANSWER_AUTO first = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/twin/evidence?limit=1"});
    snprintf(path, sizeof path, "/v1/devices/twin/evidence?limit=1&cursor=%s", answer_text(&first, "next"));
    ANSWER_AUTO second = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_true(json_equal(answer_at(&first, "events.0"), answer_at(&whole, "events.0")));
    assert_true(json_equal(answer_at(&second, "events.0"), answer_at(&whole, "events.1")));
    assert_true(json_is_null(answer_at(&second, "next")));
}

static void a_hunt_without_events_is_told_beside_the_others(void **state) {
    (void)state;
    ANSWER_AUTO page = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/many/evidence?tool=Wire"});
    assert_int_equal(json_array_size(answer_at(&page, "events")), 0);
    assert_string_equal(answer_text(&page, "warnings.0.hunt"), "probe-nothing");
    ANSWER_AUTO alone =
        server_expect(&server_fixture, 422, &(struct send){.path = "/v1/devices/many/evidence?hunt=probe-nothing"});
    assert_non_null(strstr(answer_text(&alone, "detail"), "DeviceId"));
}

static void what_is_not_there_is_named(void **state) {
    static const struct {
        long status;
        const char *path, *detail;
    } cases[] = {
        {404, "/v1/devices/nobody/evidence", "no device 'nobody'"},
        {400, "/v1/devices/few/evidence?hunt=remotepc-file-signatur", "did you mean 'remotepc-file-signature'?"},
        {400, "/v1/devices/few/evidence?tool=RemotPC", "did you mean 'RemotePC'?"},
        {404, "/v1/devices/few/evidence?run=99", "no run '99'"},
        {404, "/v1/devices/few/evidence?run=x", "no run 'x'"},
        {404, "/v1/devices/few/evidence?run=1&hunt=remotepc-file-signature", "run 1 has no finished result"},
        {404, "/v1/devices/few/evidence?hunt=remotepc-file-signature", "no result of such a hunt is finished"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ANSWER_AUTO answer = server_expect(&server_fixture, cases[i].status, &(struct send){.path = cases[i].path});
        assert_non_null(strstr(answer_text(&answer, "detail"), cases[i].detail));
    }
    ANSWER_AUTO idle = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/idle/evidence"});
    assert_int_equal(json_array_size(answer_at(&idle, "events")), 0);
}

static void evidence_in_csv_has_the_same_columns_on_each_page(void **state) {
    char path[PATH];
    (void)state;
    ANSWER_AUTO first = server_expect(&server_fixture, 200,
                                      &(struct send){.path = "/v1/devices/few/evidence?limit=1&format=csv"});
    ANSWER_AUTO json = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/few/evidence?limit=1"});
    snprintf(path, sizeof path, "/v1/devices/few/evidence?limit=1&format=csv&cursor=%s", answer_text(&json, "next"));
    ANSWER_AUTO second = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_memory_equal(first.body, second.body, strcspn(first.body, "\r"));
    assert_non_null(strstr(first.body, "\"'=cmd\""));
    assert_non_null(strstr(second.body, "Brand New"));
    assert_null(strstr(first.body, "Brand New"));
}

/* What a link of the ledger leads to doesn't end with the window of the newest run; what a run's own link leads to does. */
static void evidence_reaches_back_as_far_as_the_ledger(void **state) {
    static const char past[] = "{\"hunts\":[\"relic\"],\"as_of\":\"2026-07-17T00:00:00Z\"}",
                      empty[] = "{\"hunts\":[\"relic\"],\"as_of\":\"2026-08-17T00:00:00Z\"}";
    static const char hunt[] = HUNT("7c1f1d1e-0000-4000-8000-00000000a00b", "relic", "Past",
                                    "DeviceProcessEvents | where Timestamp > ago(5d) and FileName =~ 'past.exe'" FOLD);
    static const char events[] =
        "{\"Type\":\"DeviceProcessEvents\",\"Timestamp\":\"2026-07-16T02:00:00Z\",\"DeviceId\":\"past\",\"ReportId\":1,\"FileName\":\"past.exe\"}\n"
        "{\"Type\":\"DeviceProcessEvents\",\"Timestamp\":\"2026-06-01T02:00:00Z\",\"DeviceId\":\"past\",\"ReportId\":2,\"FileName\":\"past.exe\"}";
    char path[PATH];
    (void)state;
    post("/v1/hunts/import", hunt, strlen(hunt));
    post("/v1/events", events, strlen(events));
    post("/v1/runs", past, strlen(past));
    ANSWER_AUTO later = server_expect(&server_fixture, 201, &(struct send){.path = "/v1/runs", .body = empty});
    ANSWER_AUTO device = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/past"});
    assert_int_equal(answer_int(&device, "tools.0.count"), 2);
    ANSWER_AUTO first = server_expect(
        &server_fixture, 200, &(struct send){.path = answer_text(&device, "tools.0.by_signal.0.hunts.0.evidence.url")});
    assert_int_equal(json_array_size(answer_at(&first, "events")), 2);
    assert_string_equal(answer_text(&first, "events.0.report_id"), "2");
    assert_string_equal(answer_text(&first, "events.1.event.FileName"), "past.exe");
    snprintf(path, sizeof path, "/v1/devices/past/evidence?hunt=relic&run=%s", answer_text(&later, "run_id"));
    ANSWER_AUTO none = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_int_equal(json_array_size(answer_at(&none, "events")), 0);
}

static void a_later_run_changes_nothing_between_two_pages(void **state) {
    char path[PATH];
    (void)state;
    ANSWER_AUTO first = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/devices/few/evidence?limit=1"});
    post("/v1/runs", "{\"hunts\":[\"probe-network\"],\"as_of\":\"2026-07-21T00:00:00Z\",\"to\":\"2026-07-01T00:00:00Z\"}", 0);
    post("/v1/runs", "{\"hunts\":[\"probe-network\"],\"as_of\":\"2026-07-19T00:00:00Z\"}", 0);
    snprintf(path, sizeof path, "/v1/devices/few/evidence?limit=1&cursor=%s", answer_text(&first, "next"));
    ANSWER_AUTO second = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&second, "events.0.table"), "DeviceNetworkEvents");
}

/* Every list that has a cursor: its own is taken, no other. */
static void a_cursor_is_good_for_the_list_that_gave_it_only(void **state) {
    static const char *const lists[] = {"/v1/hunts?limit=1", "/v1/tools?limit=1", "/v1/runs?limit=1",
                                        "/v1/devices/few/evidence?limit=1", "/v1/hunts?limit=1&signal=process"};
    enum { LISTS = sizeof lists / sizeof *lists };
    char cursors[LISTS][PATH / 4], path[PATH];
    (void)state;
    post("/v1/runs", RUN, strlen(RUN));
    for (size_t i = 0; i < LISTS; i++) {
        ANSWER_AUTO page = server_expect(&server_fixture, 200, &(struct send){.path = lists[i]});
        snprintf(cursors[i], sizeof cursors[i], "%s", answer_text(&page, "next"));
        assert_int_equal(strspn(cursors[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                         strlen(cursors[i]));
    }
    for (size_t i = 0; i < LISTS; i++)
        for (size_t k = 0; k < LISTS; k++) {
            snprintf(path, sizeof path, "%s&cursor=%s", lists[i], cursors[k]);
            ANSWER_AUTO answer = server_expect(&server_fixture, i == k ? 200 : 400, &(struct send){.path = path});
            if (i != k)
                assert_non_null(strstr(answer_text(&answer, "detail"), "not one that this list gave"));
        }
}

static void a_cursor_that_was_altered_is_refused(void **state) {
    char path[PATH], cursor[PATH / 4];
    (void)state;
    ANSWER_AUTO page = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/runs?limit=1"});
    snprintf(cursor, sizeof cursor, "%s", answer_text(&page, "next"));
    for (size_t i = 0; cursor[i]; i++) {
        char kept = cursor[i];
        cursor[i] = kept == 'A' ? 'B' : 'A';
        snprintf(path, sizeof path, "/v1/runs?limit=1&cursor=%s", cursor);
        ANSWER_AUTO answer = server_expect(&server_fixture, 400, &(struct send){.path = path});
        assert_string_equal(answer_text(&answer, "errors.0.field"), "cursor");
        cursor[i] = kept;
    }
    static const char *const bad[] = {"", "1", "AQ", "probe-all", "%00", "AAAA%2B", "9223372036854775807"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(path, sizeof path, "/v1/hunts?cursor=%s", bad[i]);
        ANSWER_AUTO answer = server_expect(&server_fixture, 400, &(struct send){.path = path});
        assert_non_null(strstr(answer_text(&answer, "detail"), i == 4 ? "escape" : "cursor"));
    }
}

/* Pages go by a key: what is added or retired between two of them moves nothing else. */
static void a_list_is_stable_under_inserts(void **state) {
    char path[PATH];
    (void)state;
    ANSWER_AUTO first = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/hunts?q=probe-&limit=2"});
    assert_string_equal(answer_text(&first, "hunts.1.slug"), "probe-even");
    post("/v1/hunts/import", HUNT("7c1f1d1e-0000-4000-8000-00000000a009", "probe-abc", "Probe", "DeviceInfo | take 1"), 0);
    snprintf(path, sizeof path, "/v1/hunts?q=probe-&limit=2&cursor=%s", answer_text(&first, "next"));
    ANSWER_AUTO second = server_expect(&server_fixture, 200, &(struct send){.path = path});
    assert_string_equal(answer_text(&second, "hunts.0.slug"), "probe-network");
    assert_string_equal(answer_text(&second, "hunts.1.slug"), "probe-nothing");
    assert_true(json_is_null(answer_at(&second, "next")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pages_together_are_all_events_and_none_comes_twice),
        cmocka_unit_test(one_hunt_gives_what_it_counted_alone),
        cmocka_unit_test(an_event_comes_with_every_column_its_table_and_its_hunts),
        cmocka_unit_test(events_of_two_tables_at_one_moment_are_two),
        cmocka_unit_test(a_hunt_without_events_is_told_beside_the_others),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(evidence_in_csv_has_the_same_columns_on_each_page),
        cmocka_unit_test(evidence_reaches_back_as_far_as_the_ledger),
        cmocka_unit_test(a_later_run_changes_nothing_between_two_pages),
        cmocka_unit_test(a_cursor_is_good_for_the_list_that_gave_it_only),
        cmocka_unit_test(a_cursor_that_was_altered_is_refused),
        cmocka_unit_test(a_list_is_stable_under_inserts),
    };
    return cmocka_run_group_tests(tests, setup, server_fixture_teardown);
}
