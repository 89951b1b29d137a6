/* What is known of devices: states, flags, names, files, accounts, signers; lists with their filters, sorts and pages;
 * the same on the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/database.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 16 << 20, PATH = 4096, MANY = 23 };
#define AS_OF ",\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define NAMED(file, name, group) ",\"FileName\":\"" file "\",\"DeviceName\":\"" name "\",\"MachineGroup\":\"" group "\""

static void run_both(void) {
    ANSWER_AUTO probe = hunt_run(&probe_server.server, "{\"tool\":\"Probe\"" AS_OF);
    ANSWER_AUTO rival = hunt_run(&probe_server.server, "{\"tool\":\"Rival\"" AS_OF);
}

static void expect_state(const char *as_of, const char *state) {
    char path[PATH];
    static const char *const places[][2] = {{"/v1/findings?device=d1&as_of=", "findings.0.state"},
                                            {"/v1/devices?q=d1&as_of=", "devices.0.tools.0.state"},
                                            {"/v1/devices/d1?as_of=", "tools.0.state"},
                                            {"/v1/devices/d1?as_of=", "tools.0.by_signal.0.state"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s%s", places[i][0], as_of);
        ANSWER_AUTO answer = hunt_get(&probe_server.server, path);
        if (strcmp(answer_text(&answer, places[i][1]), state) != 0)
            fail_msg("%s at %s is %s instead of %s", places[i][1], as_of, answer_text(&answer, places[i][1]), state);
    }
    snprintf(path, sizeof path, "/v1/devices?state=%s&as_of=%s", state, as_of);
    ANSWER_AUTO devices = hunt_get(&probe_server.server, path);
    assert_int_equal(json_array_size(answer_at(&devices, "devices")), 1);
    snprintf(path, sizeof path, "/v1/findings?state=%s&as_of=%s", state, as_of);
    ANSWER_AUTO findings = hunt_get(&probe_server.server, path);
    assert_int_equal(json_array_size(answer_at(&findings, "findings")), 1);
}

static void states_change_at_the_tick(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-06-01T10:00:00Z", 1, NAMED("probe.exe", "pc", ""));
    run_both();
    expect_state("2026-06-01T10:00:00Z", "new");
    expect_state("2026-06-08T10:00:00Z", "new");
    expect_state("2026-06-08T10:00:00.0000001Z", "known");
    expect_state("2026-06-15T10:00:00Z", "known");
    expect_state("2026-06-15T10:00:00.0000001Z", "quiet");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-06-16T01:00:00Z", 2, NAMED("probe.exe", "pc", ""));
    run_both();
    expect_state("2026-06-16T01:00:00Z", "returned");
    expect_state("2026-06-23T01:00:00Z", "returned");
    expect_state("2026-06-23T01:00:00.0000001Z", "known");
    expect_state("2026-06-30T01:00:00Z", "known");
    expect_state("2026-06-30T01:00:00.0000001Z", "quiet");
}

static void expect_none_yet(const char *as_of) {
    char path[PATH];
    snprintf(path, sizeof path, "/v1/devices?as_of=%s", as_of);
    ANSWER_AUTO devices = hunt_get(&probe_server.server, path);
    hunt_expect_json(devices.json, "devices", "[]");
    snprintf(path, sizeof path, "/v1/findings?as_of=%s", as_of);
    ANSWER_AUTO findings = hunt_get(&probe_server.server, path);
    hunt_expect_json(findings.json, "findings", "[]");
    snprintf(path, sizeof path, "/v1/devices/d1?as_of=%s", as_of);
    ANSWER_AUTO device = hunt_get(&probe_server.server, path);
    hunt_expect_json(device.json, "tools.0.state", "null");
}

static void states_of_the_past_know_nothing_of_what_came_later(void **state) {
    static const char *const times[] = {"2026-07-01T22:00:00Z", "2026-06-16T01:00:00Z", "2026-06-01T10:00:00Z",
                                        "2026-06-16T03:00:00Z"};
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", times[i], (int)i + 1, NAMED("probe.exe", "pc", ""));
        run_both();
    }
    expect_none_yet("2026-06-01T09:59:59.9999999Z");
    expect_state("2026-06-01T10:00:00Z", "new");
    expect_state("2026-06-08T10:00:00.0000001Z", "known");
    expect_state("2026-06-15T10:00:00.0000001Z", "quiet");
    expect_state("2026-06-16T00:59:59.9999999Z", "quiet");
    expect_state("2026-06-16T01:00:00Z", "returned");
    expect_state("2026-06-23T01:00:00.0000001Z", "known");
    expect_state("2026-06-30T03:00:00Z", "known");
    expect_state("2026-06-30T03:00:00.0000001Z", "quiet");
    expect_state("2026-07-01T22:00:00Z", "returned");
}

static void states_whose_sightings_are_known_by_day_only_are_refused(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-06-01T10:00:00Z", 1, NAMED("probe.exe", "pc", ""));
    run_both();
    database_do(probe_server.db, "UPDATE rmm.ledger SET inexact_day = 739776"); /* 2026-06-10 */
    ANSWER_AUTO refused =
        server_expect(&probe_server.server, 400, &(struct send){.path = "/v1/findings?as_of=2026-06-24T23:59:59Z"});
    assert_string_equal(answer_text(&refused, "detail"), "states before 2026-06-25T00:00:00.0000000Z can't be told: of earlier "
                                                         "sightings only the days are known");
    expect_state("2026-06-25T00:00:00Z", "quiet");
}

static void other_days_count_from_the_next_start_on(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-06-01T10:00:00Z", 1, NAMED("probe.exe", "pc", ""));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-06-05T10:00:00Z", 2, NAMED("probe.exe", "pc", ""));
    run_both();
    expect_state("2026-06-05T11:00:00Z", "new");
    assert_int_equal(server_stop(&probe_server.server), 0);
    setenv("RMMHUNT_QUIET_DAYS", "3", 1);
    setenv("RMMHUNT_NEW_DAYS", "2", 1);
    assert_true(server_start(&probe_server.server));
    unsetenv("RMMHUNT_QUIET_DAYS");
    unsetenv("RMMHUNT_NEW_DAYS");
    expect_state("2026-06-05T11:00:00Z", "returned");
    expect_state("2026-06-08T00:00:00Z", "known");
    expect_state("2026-06-08T10:00:00.0000001Z", "quiet");
}

static void several_tools_are_a_flag_but_all_tools_is_none(void **state) {
    (void)state;
    static const char all_tools[] =
        "{\"name\":\"Check - All Tools - Create Process\",\"slug\":\"all-probe\",\"tool\":\"All "
        "Tools\",\"query\":\"DeviceProcessEvents | where "
        "FileName has_any ('probe', 'rival') or FileName startswith 'probe' | summarize min(Timestamp), "
        "max(Timestamp), make_set(ReportId), count() by DeviceId\"}";
    ANSWER_AUTO hunt = server_expect(&probe_server.server, 201, &(struct send){.path = "/v1/hunts/import", .body = all_tools});
    assert_string_equal(answer_text(&hunt, "tool"), "All Tools");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"aa\"");
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d1", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"probe\",\"SHA1\":\"aa\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d2", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "pc2", ""));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d2", "2026-07-18T11:00:00Z", 2, NAMED("rival.exe", "pc2", ""));
    ANSWER_AUTO all = hunt_run(&probe_server.server, "{\"hunts\":[\"all-probe\"]" AS_OF);
    run_both();
    ANSWER_AUTO alone = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(alone.json, "flags", "[]");
    ANSWER_AUTO both = hunt_get(&probe_server.server, "/v1/devices/d2");
    hunt_expect_json(both.json, "flags", "[{\"flag\":\"several_tools\",\"tools\":[\"Probe\",\"Rival\"]}]");
    ANSWER_AUTO page = hunt_get(&probe_server.server, "/v1/devices/d2?format=table");
    assert_non_null(strstr(page.body, "several tools: Probe, Rival\n"));
    ANSWER_AUTO several = hunt_get(&probe_server.server, "/v1/devices?min_tools=2");
    assert_int_equal(json_array_size(answer_at(&several, "devices")), 1);
}

static void a_file_signed_as_one_tool_and_named_as_another_is_a_flag(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d1", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"rival\",\"SHA1\":\"aa\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:01:00Z", 2, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"aa\"");
    /* each its own file */
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d2", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"rival\",\"SHA1\":\"bb\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d2", "2026-07-18T10:01:00Z", 2, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"cc\"");
    /* named as both */
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d3", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"rival\",\"SHA1\":\"dd\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d3", "2026-07-18T10:01:00Z", 2, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"dd\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d3", "2026-07-18T10:02:00Z", 3, NAMED("rival.exe", "pc", "") ",\"SHA1\":\"dd\"");
    run_both();
    ANSWER_AUTO flagged = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(flagged.json, "flags.1",
                "{\"flag\":\"signed_as_other\",\"sha1\":\"aa\",\"named_as\":\"Probe\",\"signed_as\":\"Rival\"}");
    for (const char *const *id = (const char *const[]){"d2", "d3", NULL}; *id; id++) {
        char path[PATH];
        snprintf(path, sizeof path, "/v1/devices/%s", *id);
        ANSWER_AUTO other = hunt_get(&probe_server.server, path);
        hunt_expect_json(other.json, "flags", "[{\"flag\":\"several_tools\",\"tools\":[\"Probe\",\"Rival\"]}]");
    }
}

#define SIGNED_REMOTEPC(sha1) ",\"Signer\":\"IDrive Incorporated\",\"SHA1\":\"" sha1 "\""
#define RUN_ALL "{\"all\":true" AS_OF

/* Nothing of the process says what it is but its name: no hunt finds it. */
static void a_signed_file_that_runs_under_another_tool_s_name_is_a_flag_whichever_came_first(void **state) {
    static const char flag[] =
        "[{\"flag\":\"signed_as_other\",\"sha1\":\"%s\",\"named_as\":\"%s\",\"signed_as\":\"RemotePC\"}]";
    static const char *const expected[][3] = {{"d1", "aa", "AnyDesk"}, {"d2", "bb", "TeamViewer"}};
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d1", "2026-07-18T10:00:00Z", 1, SIGNED_REMOTEPC("aa"));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d2", "2026-07-18T10:00:00Z", 1,
                    NAMED("TeamViewer.exe", "pc", "") ",\"SHA1\":\"bb\"");
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d3", "2026-07-18T10:00:00Z", 1, SIGNED_REMOTEPC("cc"));
    ANSWER_AUTO first = hunt_run(&probe_server.server, RUN_ALL);
    ANSWER_AUTO before = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(before.json, "flags", "[]");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T11:00:00Z", 2,
                    NAMED("AnyDesk.exe", "pc", "") ",\"SHA1\":\"aa\",\"AccountUpn\":\"bob@x\"");
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d2", "2026-07-18T11:00:00Z", 2, SIGNED_REMOTEPC("bb"));
    /* its own name, one that no tool has, and another file under another tool's name */
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d3", "2026-07-18T11:00:00Z", 2, NAMED("RemotePC.exe", "pc", "") ",\"SHA1\":\"cc\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d3", "2026-07-18T11:00:00Z", 3, NAMED("odd.exe", "pc", "") ",\"SHA1\":\"cc\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d3", "2026-07-18T11:00:00Z", 4, NAMED("AnyDesk.exe", "pc", "") ",\"SHA1\":\"dd\"");
    ANSWER_AUTO second = hunt_run(&probe_server.server, RUN_ALL);
    for (size_t i = 0; i < 2; i++) {
        char path[PATH], text[PATH];
        snprintf(path, sizeof path, "/v1/devices/%s", expected[i][0]);
        snprintf(text, sizeof text, flag, expected[i][1], expected[i][2]);
        ANSWER_AUTO flagged = hunt_get(&probe_server.server, path);
        hunt_expect_json(flagged.json, "flags", text);
    }
    ANSWER_AUTO own = hunt_get(&probe_server.server, "/v1/devices/d3");
    hunt_expect_json(own.json, "flags", "[]");
    ANSWER_AUTO account = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(account.json, "tools.0.accounts.0.value", "\"bob@x\"");
}

#define CONNECTS(file, sha1)                                                                                           \
    ",\"RemoteUrl\":\"web1.remotepc.com\",\"InitiatingProcessVersionInfoCompanyName\":\"IDrive\","                     \
    "\"InitiatingProcessVersionInfoProductName\":\"RemotePC\",\"InitiatingProcessFileName\":\"" file                   \
    "\",\"InitiatingProcessSHA1\":\"" sha1 "\""

static void a_tool_s_domain_reached_by_another_program_is_a_flag(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceNetworkEvents", "d1", "2026-07-18T10:00:00Z", 1, CONNECTS("powershell.exe", "aa"));
    hunt_send_event(&probe_server.server, "DeviceNetworkEvents", "d2", "2026-07-18T10:00:00Z", 1, CONNECTS("RemotePC.exe", "bb"));
    /* under another name, but the same file that another hunt knows for the tool's */
    hunt_send_event(&probe_server.server, "DeviceNetworkEvents", "d3", "2026-07-18T10:00:00Z", 1, CONNECTS("odd.exe", "cc"));
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d3", "2026-07-18T10:00:00Z", 1,
                    ",\"Signer\":\"IDrive, Inc.\",\"SHA1\":\"cc\"");
    ANSWER_AUTO run = hunt_run(&probe_server.server, "{\"tool\":\"RemotePC\"" AS_OF);
    ANSWER_AUTO flagged = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(flagged.json, "flags",
                "[{\"flag\":\"domain_by_other_program\",\"sha1\":\"aa\",\"tool\":\"RemotePC\",\"file_name\":"
                "\"powershell.exe\"}]");
    ANSWER_AUTO own = hunt_get(&probe_server.server, "/v1/devices/d2");
    hunt_expect_json(own.json, "flags", "[]");
    ANSWER_AUTO renamed = hunt_get(&probe_server.server, "/v1/devices/d3");
    hunt_expect_json(renamed.json, "flags", "[]");
}

/* Most tools' own hunts ask for the tool's company beside the domain, so that a stranger shows in the one over all tools. */
static void a_stranger_at_a_tool_s_domain_is_a_flag_whatever_its_own_hunts_ask_for(void **state) {
    static const char hunts[] = "{\"hunts\":[\"all-tools-network-connection\"]" AS_OF;
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceNetworkEvents", "d1", "2026-07-18T10:00:00Z", 1,
               ",\"RemoteUrl\":\"https://relay-1.net.anydesk.com/x\",\"InitiatingProcessFileName\":\"powershell.exe\","
               "\"InitiatingProcessVersionInfoCompanyName\":\"Microsoft Corporation\",\"InitiatingProcessSHA1\":\"aa\"");
    hunt_send_event(&probe_server.server, "DeviceNetworkEvents", "d2", "2026-07-18T10:00:00Z", 1,
               ",\"RemoteUrl\":\"relay-1.net.anydesk.com\",\"InitiatingProcessFileName\":\"AnyDesk.exe\","
               "\"InitiatingProcessSHA1\":\"bb\"");
    ANSWER_AUTO run = hunt_run(&probe_server.server, hunts);
    ANSWER_AUTO flagged = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(flagged.json, "flags",
                "[{\"flag\":\"domain_by_other_program\",\"sha1\":\"aa\",\"tool\":\"AnyDesk\",\"file_name\":"
                "\"powershell.exe\"}]");
    ANSWER_AUTO own = hunt_get(&probe_server.server, "/v1/devices/d2");
    hunt_expect_json(own.json, "flags", "[]");
}

#define TIMES(first, last)                                                                                             \
    "\"first_seen\":\"2026-07-18T" first ":00:00.0000000Z\",\"last_seen\":\"2026-07-18T" last ":00:00.0000000Z\""

static void a_result_calls_a_renamed_device_by_its_newest_name(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "aaa", "Lab"));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T12:00:00Z", 2, NAMED("probe.exe", "zzz", "Office"));
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T11:00:00Z", 3, NAMED("probe.exe", "mmm", "Lab"));
    ANSWER_AUTO result = hunt_run(&probe_server.server, "{\"hunts\":[\"probe-create-process\"]" AS_OF);
    assert_int_equal(json_array_size(answer_at(&result, "devices")), 1);
    hunt_expect_json(answer_at(&result, "devices.0"), "device_name", "\"zzz\"");
    hunt_expect_json(answer_at(&result, "devices.0"), "machine_group", "\"Office\"");
}

static void a_renamed_device_is_one_device_with_its_names_groups_files_and_accounts(void **state) {
    (void)state;
    hunt_send_event(
        &probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1,
        NAMED("probe.exe", "old", "Lab") ",\"SHA1\":\"aa\",\"FolderPath\":\"C:\\\\probe.exe\",\"AccountUpn\":\"a@x\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T12:00:00Z", 2,
                    NAMED("probe.exe", "new", "Office") ",\"SHA1\":\"aa\",\"AccountDomain\":\"corp\",\"AccountName\":\"b\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T11:00:00Z", 3,
                    NAMED("probe.exe", "old", "Lab") ",\"SHA1\":\"aa\"");
    hunt_send_event(&probe_server.server, "DeviceFileEvents", "d1", "2026-07-18T09:00:00Z", 4,
                    NAMED("innocent.exe", "old", "Lab") ",\"SHA1\":\"aa\",\"FolderPath\":\"D:\\\\\"");
    hunt_send_event(&probe_server.server, "DeviceImageLoadEvents", "d1", "2026-07-18T09:30:00Z", 5,
                    NAMED("loaded.dll", "old", "Lab") ",\"SHA1\":\"aa\"");
    hunt_send_event(&probe_server.server, "DeviceImageLoadEvents", "d2", "2026-07-18T09:30:00Z", 5,
                    NAMED("elsewhere.dll", "x", "Lab") ",\"SHA1\":\"aa\"");
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d1", "2026-07-18T13:00:00Z", 6,
                    ",\"Signer\":\"probe\",\"Issuer\":\"CA\",\"CertificateSerialNumber\":\"01\",\"SHA1\":\"aa\","
               "\"DeviceName\":\"new\"");
    hunt_send_event(&probe_server.server, "DeviceNetworkEvents", "d1", "2026-07-18T13:00:00Z", 7,
                    ",\"RemoteUrl\":\"https://u@A.probe.example:443/x\",\"DeviceName\":\"new\"");
    hunt_send_event(&probe_server.server, "DeviceInfo", "d1", "2026-07-19T01:00:00Z", 8, ",\"DeviceName\":\"new\"");
    hunt_merge_presence(&probe_server);
    run_both();
    ANSWER_AUTO list = hunt_get(&probe_server.server, "/v1/devices");
    assert_int_equal(json_array_size(answer_at(&list, "devices")), 1);
    static const char *const sought[][2] = {{"OLD", "1"}, {"new", "1"}, {"d1", "1"}, {"oldnew", "0"}, {"w%20o", "0"}};
    for (size_t i = 0; i < sizeof sought / sizeof *sought; i++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/devices?q=%s", sought[i][0]);
        ANSWER_AUTO found = hunt_get(&probe_server.server, path);
        assert_int_equal(json_array_size(answer_at(&found, "devices")), *sought[i][1] - '0');
    }
    ANSWER_AUTO device = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(device.json, "device_name", "\"new\"");
    hunt_expect_json(device.json, "machine_group", "\"Office\"");
    hunt_expect_json(device.json, "last_event_day", "\"2026-07-19\"");
    hunt_expect_json(device.json, "names",
                "[{\"value\":\"old\"," TIMES("10", "11") "},{\"value\":\"new\"," TIMES("12", "13") "}]");
    hunt_expect_json(device.json, "machine_groups",
                "[{\"value\":\"Lab\"," TIMES("10", "11") "},{\"value\":\"Office\"," TIMES("12", "12") "}]");
    hunt_expect_json(device.json, "tools.0.files",
                "[{\"sha1\":\"aa\"," TIMES("10", "13") ",\"names\":[\"innocent.exe\",\"loaded.dll\",\"probe.exe\"],"
                                                       "\"paths\":[\"C:\\\\probe.exe\",\"D:\\\\\"]}]");
    hunt_expect_json(device.json, "tools.0.accounts",
                "[{\"value\":\"a@x\"," TIMES("10", "10") "},{\"value\":\"corp\\\\b\"," TIMES("12", "12") "}]");
    hunt_expect_json(device.json, "tools.0.signers",
                "[{\"signer\":\"probe\",\"issuer\":\"CA\",\"serials\":[{\"value\":\"01\"," TIMES("13", "13") "}]}]");
    hunt_expect_json(device.json, "tools.0.domains", "[{\"value\":\"a.probe.example\"," TIMES("13", "13") "}]");
    hunt_expect_json(device.json, "tools.0.seen_by", "\"signature+process+network\"");
    hunt_expect_json(device.json, "tools.0.by_signal.1.hunts.0.report_ids", "[\"1\",\"2\",\"3\"]");
    hunt_expect_json(device.json, "tools.0.count", "5");
}

/* MANY devices: names with signs in them, equal times, tools by turns. */
static void expect_file(const char *names, const char *paths) {
    ANSWER_AUTO device = hunt_get(&probe_server.server, "/v1/devices/d1");
    hunt_expect_json(device.json, "tools.0.files.0.names", names);
    hunt_expect_json(device.json, "tools.0.files.0.paths", paths);
}

/* Whether it is what an event is about or what made it. */
static void a_file_has_the_names_and_paths_of_every_event_with_its_hash(void **state) {
    static const char *const made[] = {"DeviceProcessEvents", "DeviceNetworkEvents",  "DeviceFileEvents",
                                       "DeviceEvents",        "DeviceRegistryEvents", "DeviceImageLoadEvents",
                                       "DeviceLogonEvents"};
    char more[256];
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", "d1", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"probe\",\"SHA1\":\"aa\"");
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        snprintf(more, sizeof more,
                 ",\"InitiatingProcessSHA1\":\"aa\",\"InitiatingProcessFileName\":\"%zu.exe\","
                 "\"InitiatingProcessFolderPath\":\"C:\\\\%zu\"", i, i);
        hunt_send_event(&probe_server.server, made[i], "d1", "2026-07-18T11:00:00Z", (int)i + 2, more);
    }
    hunt_send_event(&probe_server.server, "DeviceEvents", "d1", "2026-07-18T12:00:00Z", 20,
                    ",\"SHA1\":\"aa\",\"FileName\":\"dev.exe\",\"FolderPath\":\"D:\\\\dev\"");
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T12:00:00Z", 21,
                    ",\"SHA1\":\"bb\",\"FileName\":\"other.exe\",\"InitiatingProcessSHA1\":\"cc\",\"InitiatingProcessFileName\":\"x.exe\"");
    run_both();
    expect_file("[\"0.exe\",\"1.exe\",\"2.exe\",\"3.exe\",\"4.exe\",\"5.exe\",\"6.exe\",\"dev.exe\"]",
                "[\"C:\\\\0\",\"C:\\\\1\",\"C:\\\\2\",\"C:\\\\3\",\"C:\\\\4\",\"C:\\\\5\",\"C:\\\\6\",\"D:\\\\dev\"]");
}

static void fill_many(void) {
    BUF_AUTO body = BUF(CAP);
    for (int i = 0; i < MANY; i++) {
        char device[32], time[40], more[256];
        snprintf(device, sizeof device, "m%02d", i);
        snprintf(time, sizeof time, "2026-07-18T10:0%d:00Z", i % 4);
        snprintf(more, sizeof more,
                 ",\"FileName\":\"%s.exe\",\"DeviceName\":\"n|%d\\u0001\xC3\xA9\",\"MachineGroup\":\"g%d|\"",
                 i % 3 ? "probe" : "rival", i % 5, i % 2);
        hunt_add_event(&body, "DeviceProcessEvents", device, time, i, more);
        if (i % 6 == 0)
            hunt_add_event(&body, "DeviceNetworkEvents", device, time, 100 + i, ",\"RemoteUrl\":\"x.probe.example\"");
    }
    hunt_send_text(&probe_server.server, buf_cstr(&body));
    run_both();
}

/* All pages of three are the whole, each item once, in the same order. */
static void expect_pages(const char *path, const char *member, size_t count) {
    char whole_path[PATH], page_path[PATH];
    snprintf(whole_path, sizeof whole_path, "%slimit=1000&as_of=2026-07-20", path);
    snprintf(page_path, sizeof page_path, "%slimit=3&as_of=2026-07-20", path);
    json_t *whole = hunt_walk(&probe_server.server, whole_path, member), *pages = hunt_walk(&probe_server.server, page_path, member);
    if (json_array_size(whole) != count || !json_equal(whole, pages))
        fail_msg("%s: %zu items, %zu in pages, not %zu", path, json_array_size(whole), json_array_size(pages), count);
    json_decref(whole);
    json_decref(pages);
}

static void every_filter_and_sort_can_be_paged_through(void **state) {
    static const struct {
        const char *path;
        size_t count;
    } devices[] = {{"sort=last_seen&", MANY},
                   {"sort=-last_seen&", MANY},
                   {"sort=first_seen&", MANY},
                   {"sort=-first_seen&", MANY},
                   {"sort=device_id&", MANY},
                   {"sort=-device_id&", MANY},
                   {"sort=device_name&", MANY},
                   {"sort=-device_name&", MANY},
                   {"sort=machine_group&", MANY},
                   {"sort=-machine_group&", MANY},
                   {"sort=tools&", MANY},
                   {"sort=-tools&", MANY},
                   {"", MANY},
                   {"tool=rival&", 8},
                   {"tool=Probe&", 19},
                   {"signal=network&", 4},
                   {"tool=Probe&signal=network&", 4},
                   {"tool=Rival&signal=network&", 0},
                   {"group=g1|&", 11},
                   {"state=new&", MANY},
                   {"state=quiet&", 0},
                   {"min_tools=2&", 4},
                   {"since=2026-07-18T10:02:00Z&", 11},
                   {"q=M0&", 10},
                   {"q=N|3&", 4},
                   {"q=n_3&", 0},
                   {"q=%25&", 0},
                   {"q=%5C&", 0},
                   {"q=&", MANY},
                   {"q=nope&", 0},
                   {"min_tools=2&sort=device_name&tool=Probe&", 4}},
      findings[] = {{"", MANY + 4},     {"tool=probe&", 19},      {"signal=network&", 4}, {"device=m06&", 2},
                    {"group=g0|&", 16}, {"state=new&", MANY + 4}, {"state=returned&", 0}};
    char path[PATH];
    (void)state;
    fill_many();
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        snprintf(path, sizeof path, "/v1/devices?%s", devices[i].path);
        expect_pages(path, "devices", devices[i].count);
    }
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++) {
        snprintf(path, sizeof path, "/v1/findings?%s", findings[i].path);
        expect_pages(path, "findings", findings[i].count);
    }
}

static void an_empty_estate_says_that_it_has_no_data(void **state) {
    static const char *const lists[] = {"/v1/devices", "/v1/findings", "/v1/changes"};
    char path[PATH];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        ANSWER_AUTO none = hunt_get(&probe_server.server, lists[i]);
        hunt_expect_json(none.json, "freshness", "{\"newest_event\":null,\"newest_arrival\":null}");
        snprintf(path, sizeof path, "%s?format=table", lists[i]);
        ANSWER_AUTO table = hunt_get(&probe_server.server, path);
        assert_non_null(strstr(table.body, "\nno data: no events have come yet"));
    }
    hunt_send_event(&probe_server.server, "DeviceInfo", "d1", "2026-07-18T10:00:00Z", 1, "");
    run_both();
    for (size_t i = 0; i < 3; i++) {
        ANSWER_AUTO clean = hunt_get(&probe_server.server, lists[i]);
        assert_string_equal(answer_text(&clean, "freshness.newest_event"), "2026-07-18T10:00:00.0000000Z");
        assert_non_null(answer_text(&clean, "freshness.newest_arrival"));
        snprintf(path, sizeof path, "%s?format=table", lists[i]);
        ANSWER_AUTO table = hunt_get(&probe_server.server, path);
        assert_null(strstr(table.body, "no data"));
    }
}

static void what_a_list_does_not_know_is_refused(void **state) {
    char path[PATH];
    static const struct {
        const char *path, *field;
    } cases[] = {{"/v1/devices?sort=size", "sort"},     {"/v1/devices?sort=-", "sort"},
                 {"/v1/devices?state=odd", "state"},    {"/v1/devices?min_tools=x", "min_tools"},
                 {"/v1/devices?since=soon", "since"},   {"/v1/devices?as_of=soon", "as_of"},
                 {"/v1/devices?cursor=AAAA", "cursor"}, {"/v1/findings?state=odd", "state"},
                 {"/v1/findings?as_of=x", "as_of"},     {"/v1/findings?cursor=m01", "cursor"},
                 {"/v1/devices?limit=0", "limit"},      {"/v1/devices/m01?as_of=x", "as_of"},
                 {"/v1/devices?signal=odd", "signal"},  {"/v1/findings?signal=odd", "signal"}};
    (void)state;
    fill_many();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ANSWER_AUTO answer = server_expect(&probe_server.server, 400, &(struct send){.path = cases[i].path});
        assert_string_equal(answer_text(&answer, "errors.0.field"), cases[i].field);
    }
    ANSWER_AUTO page = hunt_get(&probe_server.server, "/v1/devices?limit=3&sort=tools");
    static const char *const others[] = {"/v1/devices?limit=3&sort=last_seen",
                                         "/v1/devices?limit=3&sort=tools&tool=Probe", "/v1/findings?limit=3"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "%s&cursor=%s", others[i], answer_text(&page, "next"));
        ANSWER_AUTO answer = server_expect(&probe_server.server, 400, &(struct send){.path = path});
        assert_string_equal(answer_text(&answer, "errors.0.field"), "cursor");
    }
    ANSWER_AUTO none = server_expect(&probe_server.server, 404, &(struct send){.path = "/v1/devices/nobody"});
    assert_non_null(strstr(answer_text(&none, "detail"), "nobody"));
}

static void a_tool_shows_what_was_seen_of_it_in_the_estate(void **state) {
    char more[PATH], report[32];
    (void)state;
    ANSWER_AUTO before = hunt_get(&probe_server.server, "/v1/tools/Probe");
    hunt_expect_json(before.json, "seen",
                "{\"devices\":0,\"first_seen\":null,\"last_seen\":null,\"count\":0,"
                "\"signers\":{\"total\":0,\"newest\":[]},\"serials\":{\"total\":0,\"newest\":[]},"
                "\"sha1s\":{\"total\":0,\"newest\":[]},\"accounts\":{\"total\":0,\"newest\":[]},"
                "\"domains\":{\"total\":0,\"newest\":[]}}");
    for (int i = 0; i < 101; i++) {
        snprintf(more, sizeof more, ",\"Signer\":\"Probe Inc\",\"Issuer\":\"CA\",\"CertificateSerialNumber\":\"s%03d\"", i);
        snprintf(report, sizeof report, "2026-07-18T10:%02d:%02dZ", i / 60, i % 60);
        hunt_send_event(&probe_server.server, "DeviceFileCertificateInfo", i % 2 ? "d1" : "d2", report, i + 1, more);
    }
    run_both();
    ANSWER_AUTO tool = hunt_get(&probe_server.server, "/v1/tools/probe");
    hunt_expect_json(tool.json, "seen.devices", "2");
    hunt_expect_json(tool.json, "seen.count", "101");
    hunt_expect_json(tool.json, "seen.first_seen", "\"2026-07-18T10:00:00.0000000Z\"");
    hunt_expect_json(tool.json, "seen.last_seen", "\"2026-07-18T10:01:40.0000000Z\"");
    hunt_expect_json(tool.json, "seen.signers.total", "1");
    hunt_expect_json(tool.json, "seen.signers.newest.0.value", "\"Probe Inc\"");
    hunt_expect_json(tool.json, "seen.serials.total", "101");
    hunt_expect_json(tool.json, "seen.serials.newest.0.value", "\"s100\"");
    hunt_expect_json(tool.json, "seen.serials.newest.0.issuer", "\"CA\"");
    assert_int_equal(json_array_size(answer_at(&tool, "seen.serials.newest")), 100);
    ANSWER_AUTO other = hunt_get(&probe_server.server, "/v1/tools/Rival");
    hunt_expect_json(other.json, "seen.devices", "0");
}

static void the_command_line_gives_what_the_api_gives(void **state) {
    (void)state;
    fill_many();
    hunt_expect_command(&probe_server, 0, WORDS("devices"), "device_name");
    hunt_expect_command(&probe_server, 0, WORDS("devices", "--tool", "rival", "--format=csv"), "m03");
    hunt_expect_command(&probe_server, 0, WORDS("devices", "m06"), "\"seen_by\": \"network\"");
    hunt_expect_command(&probe_server, 0, WORDS("devices", "--min-tools=2", "--format", "ndjson"), "\"device_id\":\"m00\"");
    hunt_expect_command(&probe_server, 0, WORDS("findings", "--device=m00", "--signal", "network"), "Probe");
    hunt_expect_command(&probe_server, 0, WORDS("changes", "--types=new_tool"), "new_tool");
    hunt_expect_command(&probe_server, 0, WORDS("changes", "--latest"), "device_name");
    hunt_expect_command(&probe_server, 0, WORDS("coverage"), "DeviceNetworkEvents");
    hunt_expect_command(&probe_server, 0, WORDS("coverage", "--table=DeviceInfo", "--format", "json"), "\"limits\":[");
    hunt_expect_command(&probe_server, 0, WORDS("coverage", "silent", "--since=400d", "--format=ndjson"), "\"device_id\":\"m00\"");
    hunt_expect_command(&probe_server, 1, WORDS("coverage", "loud"), "");
    hunt_expect_command(&probe_server, 1, WORDS("devices", "nobody"), "");
    hunt_expect_command(&probe_server, 1, WORDS("devices", "--sort=size"), "");
    hunt_expect_command(&probe_server, 2, WORDS("findings", "--nonsense=1"), "");
    hunt_expect_command(&probe_server, 2, WORDS("devices", "--tool"), "");
    hunt_expect_command(&probe_server, 2, WORDS("devices", "m01", "m02"), "");
    char *command = hunt_command(&probe_server, 0, WORDS("findings", "--format=json", "--limit=1000", "--as-of=2026-07-20"));
    ANSWER_AUTO answer = hunt_get(&probe_server.server, "/v1/findings?limit=1000&as_of=2026-07-20");
    assert_string_equal(command, answer.body);
    free(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_and_rival_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(states_change_at_the_tick),
        TEST(states_of_the_past_know_nothing_of_what_came_later),
        TEST(states_whose_sightings_are_known_by_day_only_are_refused),
        TEST(other_days_count_from_the_next_start_on),
        TEST(several_tools_are_a_flag_but_all_tools_is_none),
        TEST(a_file_signed_as_one_tool_and_named_as_another_is_a_flag),
        TEST(a_signed_file_that_runs_under_another_tool_s_name_is_a_flag_whichever_came_first),
        TEST(a_tool_s_domain_reached_by_another_program_is_a_flag),
        TEST(a_stranger_at_a_tool_s_domain_is_a_flag_whatever_its_own_hunts_ask_for),
        TEST(a_result_calls_a_renamed_device_by_its_newest_name),
        TEST(a_renamed_device_is_one_device_with_its_names_groups_files_and_accounts),
        TEST(a_file_has_the_names_and_paths_of_every_event_with_its_hash),
        TEST(a_tool_shows_what_was_seen_of_it_in_the_estate),
        TEST(every_filter_and_sort_can_be_paged_through),
        TEST(an_empty_estate_says_that_it_has_no_data),
        TEST(what_a_list_does_not_know_is_refused),
        TEST(the_command_line_gives_what_the_api_gives),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
