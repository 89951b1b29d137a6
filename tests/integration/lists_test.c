/* Lists of devices and findings: a state's filter gives what is shown in it; names of any length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 16 << 20, PATH = 4096 };
#define AS_OF ",\"as_of\":\"2026-07-20T00:00:00Z\"}"

static void run_both(void) {
    ANSWER_AUTO probe = hunt_run(&probe_server.server, "{\"tool\":\"Probe\"" AS_OF);
    ANSWER_AUTO rival = hunt_run(&probe_server.server, "{\"tool\":\"Rival\"" AS_OF);
}

/* Devices whose sightings of two tools begin, stop and begin again on other days of the sixty from `base` on. */
static void fill_histories(int64_t base) {
    BUF_AUTO body = BUF(CAP);
    for (int i = 0; i < 40; i++) {
        char device[32], time[TICKS_TEXT], more[64];
        snprintf(device, sizeof device, "h%02d", i);
        for (int n = 0; n < 1 + i % 4; n++) {
            int day = (i * 7 + n * (11 + i % 13)) % 60;
            ticks_print(base + day * TICKS_DAY + i % 24 * TICKS_HOUR, time);
            snprintf(more, sizeof more, ",\"FileName\":\"%s.exe\"", (i + n * (i % 3)) % 2 ? "rival" : "probe");
            hunt_add_event(&body, "DeviceProcessEvents", device, time, n, more);
        }
    }
    hunt_send_text(&probe_server.server, buf_cstr(&body));
    run_both();
}

/* Whether one of the device's tools is shown in the state. tool: NULL for any. */
static bool shows(const json_t *device, const char *tool, const char *wanted) {
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(device, "tools"), i, item) {
        const char *shown = json_string_value(json_object_get(item, "state")); /* none: seen later */
        if (shown && !strcmp(shown, wanted) && (!tool || !strcmp(hunt_text(item, "tool"), tool)))
            return true;
    }
    return false;
}

/* The list with the filter holds those of the whole list that show the state, in their order; how many. */
static size_t expect_filtered(const json_t *whole, const char *tool, const char *wanted, const char *as_of) {
    char path[PATH];
    size_t i;
    const json_t *device;
    json_t *expected = json_array();
    json_array_foreach(whole, i, device) {
        if (shows(device, tool, wanted))
            json_array_append(expected, (json_t *)(uintptr_t)device);
    }
    snprintf(path, sizeof path, "/v1/devices?limit=7&state=%s%s%s%s", wanted, as_of, tool ? "&tool=" : "",
             tool ? tool : "");
    json_t *got = hunt_walk(&probe_server.server, path, "devices");
    size_t count = json_array_size(expected);
    if (!json_equal(got, expected))
        fail_msg("%s: %zu devices instead of %zu, or other ones", path, json_array_size(got), count);
    json_decref(got);
    json_decref(expected);
    return count;
}

static void expect_findings_filtered(const char *wanted, const char *as_of) {
    char path[PATH];
    size_t i;
    const json_t *finding;
    snprintf(path, sizeof path, "/v1/findings?limit=1000%s", as_of);
    json_t *all = hunt_walk(&probe_server.server, path, "findings"), *expected = json_array();
    json_array_foreach(all, i, finding) {
        if (!strcmp(hunt_text(finding, "state"), wanted))
            json_array_append(expected, (json_t *)(uintptr_t)finding);
    }
    snprintf(path, sizeof path, "/v1/findings?limit=7&state=%s%s", wanted, as_of);
    json_t *got = hunt_walk(&probe_server.server, path, "findings");
    if (!json_equal(got, expected))
        fail_msg("%s: %zu findings instead of %zu, or other ones", path, json_array_size(got), json_array_size(expected));
    json_decref(got);
    json_decref(expected);
    json_decref(all);
}

/* &as_of= that day behind base; nothing for day 0: now, which other conditions are for. */
static const char *as_of_write(char text[64], int64_t base, int day) {
    char time[TICKS_TEXT];
    ticks_print(base + day * TICKS_DAY, time);
    text[0] = 0;
    if (day)
        snprintf(text, 64, "&as_of=%s", time);
    return text;
}

/* New days below, at and above the quiet ones: which of them comes first decides. Sightings are at least half an hour from
 * where a state ends now. */
static void a_state_s_filter_gives_what_is_shown_in_that_state(void **state) {
    static const char *const days[][2] = {{"14", "7"}, {"3", "9"}, {"5", "5"}};
    static const int times[] = {0, 19, 31, 46, 59, 120};
    static const char *const known[] = {"new", "known", "quiet", "returned"};
    static const char *const tools[] = {NULL, "Probe", "Rival"};
    char path[PATH], as_of[64];
    size_t counts[2][4] = {{0}};
    int64_t base = ticks_now() - 60 * TICKS_DAY + TICKS_HOUR / 2;
    (void)state;
    fill_histories(base);
    for (size_t d = 0; d < 3; d++) {
        assert_int_equal(server_stop(&probe_server.server), 0);
        setenv("RMMHUNT_QUIET_DAYS", days[d][0], 1);
        setenv("RMMHUNT_NEW_DAYS", days[d][1], 1);
        assert_true(server_start(&probe_server.server));
        for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
            snprintf(path, sizeof path, "/v1/devices?limit=1000%s", as_of_write(as_of, base, times[t]));
            json_t *whole = hunt_walk(&probe_server.server, path, "devices");
            assert_true(json_array_size(whole) == 40 || (times[t] > 0 && times[t] < 59));
            for (size_t s = 0; s < 12; s++)
                counts[t > 0][s % 4] += expect_filtered(whole, tools[s / 4], known[s % 4], as_of);
            for (size_t s = 0; s < 4; s++)
                expect_findings_filtered(known[s], as_of);
            json_decref(whole);
        }
    }
    unsetenv("RMMHUNT_QUIET_DAYS");
    unsetenv("RMMHUNT_NEW_DAYS");
    for (size_t s = 0; s < 8; s++)
        assert_true(counts[s / 4][s % 4] > 0);
}

/* Text that doesn't get smaller in an index, as much as an index doesn't take. */
static const char *long_text(char text[3001]) {
    uint32_t seed = 7;
    for (size_t i = 0; i < 3000; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)('a' + (seed >> 16) % 26);
    }
    text[3000] = 0;
    return text;
}

static void names_longer_than_an_index_takes_are_kept_whole(void **state) {
    char text[3001], more[16384], path[8192];
    (void)state;
    long_text(text);
    snprintf(more, sizeof more, ",\"FileName\":\"probe.exe\",\"DeviceName\":\"%s\",\"MachineGroup\":\"%s\"", text, text);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, more);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d2", "2026-07-18T11:00:00Z", 1, ",\"FileName\":\"probe.exe\",\"DeviceName\":\"pc\",\"MachineGroup\":\"g\"");
    run_both();
    snprintf(path, sizeof path, "/v1/devices?limit=1&sort=machine_group&group=%s", text);
    ANSWER_AUTO group = hunt_get(&probe_server.server, path);
    assert_int_equal(json_array_size(answer_at(&group, "devices")), 1);
    assert_string_equal(answer_text(&group, "devices.0.device_name"), text);
    path[strlen(path) - 1] = '!';
    ANSWER_AUTO none = server_expect(&probe_server.server, 404, &(struct send){.path = path});
    json_t *pages = hunt_walk(&probe_server.server, "/v1/devices?limit=1&sort=device_name", "devices");
    assert_int_equal(json_array_size(pages), 2);
    json_decref(pages);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_and_rival_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_state_s_filter_gives_what_is_shown_in_that_state),
        TEST(names_longer_than_an_index_takes_are_kept_whole),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
