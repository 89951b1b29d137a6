/* Names in filters and selections: any spelling of a tool that is known, and a refusal with the nearest name for tools,
 * hunts, machine groups and devices that nothing here knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/cluster_fixture.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 1 << 20, PATH = 512 };

static const char *const lists[] = {"hunts", "devices", "findings", "changes"};
enum { LISTS = sizeof lists / sizeof *lists };

static void expect_refusal(const struct answer *answer, const char *words) {
    assert_string_equal(answer_text(answer, "errors.0.field"), "tool");
    if (!strstr(answer_text(answer, "detail"), words))
        fail_msg("no '%s' in: %s", words, answer_text(answer, "detail"));
}

static void a_tool_that_nothing_knows_is_refused_with_the_nearest_name(void **state) {
    static const char *const cases[][2] = {{"Prob", "did you mean 'Probe'?"},
                                           {"teamviewr", "did you mean 'TeamViewer'?"},
                                           {"Viewer", "did you mean '"},
                                           {"zzzzzzzz", "none called 'zzzzzzzz'; GET /v1/tools"},
                                           {"", "none called ''; GET /v1/tools"},
                                           {"%27%20OR%201=1", "none called '' OR 1=1'; GET /v1/tools"}};
    char path[PATH];
    (void)state;
    for (size_t i = 0; i < LISTS; i++)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            snprintf(path, sizeof path, "/v1/%s?tool=%s", lists[i], cases[c][0]);
            ANSWER_AUTO answer = server_expect(&probe_server.server, 400, &(struct send){.path = path});
            assert_string_equal(answer_text(&answer, "code"), "bad_parameter");
            expect_refusal(&answer, cases[c][1]);
        }
    ANSWER_AUTO hook = server_expect(
        &probe_server.server, 400,
        &(struct send){.path = "/v1/webhooks", .body = "{\"url\":\"https://hooks.example/\",\"tool\":\"teamviewr\"}"});
    expect_refusal(&hook, "did you mean 'TeamViewer'?");
}

static void names_in_any_case_ids_and_aliases_are_one_tool(void **state) {
    char path[PATH];
    static const char *const known[][2] = {{"REMOTEPC", "RemotePC"}, {"teamviewer%20desktop", "TeamViewer"}, {"probe", "Probe"}};
    (void)state;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        for (size_t i = 0; i < LISTS; i++) {
            snprintf(path, sizeof path, "/v1/%s?tool=%s", lists[i], known[k][0]);
            ANSWER_AUTO answer = hunt_get(&probe_server.server, path);
            if (i == 0)
                assert_string_equal(answer_text(&answer, "hunts.0.tool"), known[k][1]);
        }
    ANSWER_AUTO hook = server_expect(
        &probe_server.server, 201,
        &(struct send){.path = "/v1/webhooks", .body = "{\"url\":\"https://hooks.example/\",\"tool\":\"remotepc\"}"});
    assert_string_equal(answer_text(&hook, "tool"), "RemotePC");
}

/* Lists and bodies alike. */
static void selections_of_what_is_not_there_are_refused_with_the_nearest_name(void **state) {
    static const char *const cases[][3] = {
        {"\"tool\":\"RemotPC\"", "tool", "did you mean 'RemotePC'?"},
        {"\"tool\":\"zzzzzzzz\"", "tool", "none called 'zzzzzzzz'; GET /v1/tools"},
        {"\"hunts\":[\"probe-create-process\",\"remotepc-file-signatur\"]", "hunts", "did you mean 'remotepc-file-signature'?"},
        {"\"hunts\":[\"zzzzzzzz\"]", "hunts", "none called 'zzzzzzzz'; GET /v1/hunts"}};
    static const char *const targets[][3] = {{"POST", "/v1/runs", "{%s}"},
                                             {"POST", "/v1/schedules", "{\"id\":\"s\",\"every\":\"1h\",%s}"},
                                             {"PUT", "/v1/schedules/s", "{\"every\":\"1h\",%s}"}};
    char body[PATH];
    (void)state;
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            int half = (int)(strchr(targets[t][2], '%') - targets[t][2]);
            snprintf(body, sizeof body, "%.*s%s}", half, targets[t][2], cases[c][0]);
            ANSWER_AUTO answer = server_expect(
                &probe_server.server, 400, &(struct send){.method = targets[t][0], .path = targets[t][1], .body = body});
            assert_string_equal(answer_text(&answer, "code"), "bad_request");
            if (t > 0)
                assert_string_equal(answer_text(&answer, "errors.0.field"), cases[c][1]);
            if (!strstr(answer_text(&answer, "detail"), cases[c][2]))
                fail_msg("no '%s' in: %s", cases[c][2], answer_text(&answer, "detail"));
        }
    ANSWER_AUTO alias = hunt_run(&probe_server.server, "{\"tool\":\"teamviewer desktop\"}");
    assert_string_equal(answer_text(&alias, "hunts.0.hunt.tool"), "TeamViewer");
    ANSWER_AUTO upper = hunt_run(&probe_server.server, "{\"hunts\":[\"889CDB9B-AE6A-4BF5-9808-23E85367C6D0\",\"Probe-Create-Process\"]}");
    hunt_expect_json(upper.json, "hunts.1.hunt.slug", "\"remotepc-file-signature\"");
    ANSWER_AUTO hunt = server_expect(&probe_server.server, 404, &(struct send){.path = "/v1/hunts/prob-create-process/results"});
    assert_non_null(strstr(answer_text(&hunt, "detail"), "did you mean 'probe-create-process'?"));
    free(hunt_command(&probe_server, 1, WORDS("run", "--tool", "RemotPC")));
}

static void expect_group_refusal(const char *path, const char *words) {
    ANSWER_AUTO answer = server_expect(&probe_server.server, 404, &(struct send){.path = path});
    assert_string_equal(answer_text(&answer, "errors.0.field"), "group");
    if (!strstr(answer_text(&answer, "detail"), words))
        fail_msg("no '%s' in: %s", words, answer_text(&answer, "detail"));
}

/* A group that sends events and has no finding is empty; one that nothing came from would look just so. */
static void a_group_or_device_that_was_never_seen_is_not_an_empty_list(void **state) {
    static const char *const paths[] = {"/v1/devices", "/v1/findings", "/v1/coverage", "/v1/coverage/silent"};
    char path[PATH];
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "m1", "2026-07-18T10:00:00Z", 1,
                    ",\"FileName\":\"calm.exe\",\"DeviceName\":\"calm.example\",\"MachineGroup\":\"Workstations\"");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(path, sizeof path, "%s?group=Workstation", paths[i]);
        expect_group_refusal(path, "did you mean 'Workstations'?");
        snprintf(path, sizeof path, "%s?group=zzzzzzzz", paths[i]);
        expect_group_refusal(path, "none called 'zzzzzzzz'; GET /v1/coverage");
        snprintf(path, sizeof path, "%s?group=Workstations", paths[i]);
        ANSWER_AUTO known = hunt_get(&probe_server.server, path);
        snprintf(path, sizeof path, "%s?group=", paths[i]);
        ANSWER_AUTO none = hunt_get(&probe_server.server, path);
    }
    ANSWER_AUTO never = server_expect(&probe_server.server, 404, &(struct send){.path = "/v1/findings?device=m2"});
    assert_string_equal(answer_text(&never, "errors.0.field"), "device");
    ANSWER_AUTO calm = hunt_get(&probe_server.server, "/v1/findings?device=m1");
    assert_int_equal(json_array_size(answer_at(&calm, "findings")), 0);
    ANSWER_AUTO device = server_expect(&probe_server.server, 404, &(struct send){.path = "/v1/devices/m1"});
    assert_non_null(strstr(answer_text(&device, "detail"), "sends events"));
    ANSWER_AUTO nobody = server_expect(&probe_server.server, 404, &(struct send){.path = "/v1/devices/m2"});
    assert_non_null(strstr(answer_text(&nobody, "detail"), "none called 'm2'"));
    ANSWER_AUTO name = server_expect(&probe_server.server, 404, &(struct send){.path = "/v1/devices/calm.example"});
    assert_non_null(strstr(answer_text(&name, "detail"), "'calm.example' is the name of device 'm1'"));
}

static void a_retired_tool_stays_known(void **state) {
    BUF_AUTO body = BUF(CAP);
    (void)state;
    hunt_add_event(&body, "DeviceProcessEvents", "m1", "2026-07-18T10:00:00Z", 1, ",\"FileName\":\"probe.exe\"");
    hunt_send_text(&probe_server.server, buf_cstr(&body));
    ANSWER_AUTO run = hunt_run(&probe_server.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    static const char *const slugs[] = {"probe-create-process", "probe-file-signature", "probe-network-connection"};
    for (size_t i = 0; i < 3; i++) {
        char path[PATH];
        snprintf(path, sizeof path, "/v1/hunts/%s", slugs[i]);
        ANSWER_AUTO gone = server_expect(&probe_server.server, 204, &(struct send){.method = "DELETE", .path = path});
    }
    ANSWER_AUTO devices = hunt_get(&probe_server.server, "/v1/devices?tool=PROBE");
    assert_string_equal(answer_text(&devices, "devices.0.device_id"), "m1");
}

static void commands_refuse_it_as_well(void **state) {
    (void)state;
    for (size_t i = 1; i < LISTS; i++) {
        free(hunt_command(&probe_server, 1, WORDS(lists[i], "--tool=Foo")));
        free(hunt_command(&probe_server, 0, WORDS(lists[i], "--tool=probe")));
    }
    free(hunt_command(&probe_server, 1, WORDS("changes", "--follow", "--tool=Foo")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_server_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_tool_that_nothing_knows_is_refused_with_the_nearest_name),
        TEST(names_in_any_case_ids_and_aliases_are_one_tool),
        TEST(selections_of_what_is_not_there_are_refused_with_the_nearest_name),
        TEST(a_group_or_device_that_was_never_seen_is_not_an_empty_list),
        TEST(a_retired_tool_stays_known),
        TEST(commands_refuse_it_as_well),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
