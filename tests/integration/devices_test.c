/* What is known of devices: states, flags, names, files, accounts, signers; lists with their filters, sorts and pages;
 * the difference between two runs; the same on the command line. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/database.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 16 << 20, PATH = 4096, MANY = 23, FOLLOW_MS = 30000 };
#define AS_OF ",\"as_of\":\"2026-07-20T00:00:00Z\"}"
#define NAMED(file, name, group) ",\"FileName\":\"" file "\",\"DeviceName\":\"" name "\",\"MachineGroup\":\"" group "\""

static struct hunt_server one;

static int setup(void **state) {
    (void)state;
    hunt_server_start(&one);
    hunt_import(&one.server, "Probe", "probe");
    hunt_import(&one.server, "Rival", "rival");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hunt_server_stop(&one);
    return 0;
}

static void send_event(const char *table, const char *device, const char *time, int report, const char *more) {
    BUF_AUTO body = BUF(CAP);
    hunt_add_event(&body, table, device, time, report, more);
    hunt_send_text(&one.server, buf_cstr(&body));
}

static void run_both(void) {
    ANSWER_AUTO probe = hunt_run(&one.server, "{\"tool\":\"Probe\"" AS_OF);
    ANSWER_AUTO rival = hunt_run(&one.server, "{\"tool\":\"Rival\"" AS_OF);
}

static void expect_json(const json_t *root, const char *path, const char *expected) {
    const json_t *at = json_at(root, path);
    char *text = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (!text || strcmp(text, expected) != 0)
        fail_msg("%s is %s instead of %s", path, text ? text : "missing", expected);
    free(text);
}

static void expect_state(const char *as_of, const char *state) {
    char path[PATH];
    static const char *const places[][2] = {{"/v1/findings?device=d1&as_of=", "findings.0.state"},
                                            {"/v1/devices?q=d1&as_of=", "devices.0.tools.0.state"},
                                            {"/v1/devices/d1?as_of=", "tools.0.state"},
                                            {"/v1/devices/d1?as_of=", "tools.0.by_signal.0.state"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s%s", places[i][0], as_of);
        ANSWER_AUTO answer = hunt_get(&one.server, path);
        if (strcmp(answer_text(&answer, places[i][1]), state) != 0)
            fail_msg("%s at %s is %s instead of %s", places[i][1], as_of, answer_text(&answer, places[i][1]), state);
    }
    snprintf(path, sizeof path, "/v1/devices?state=%s&as_of=%s", state, as_of);
    ANSWER_AUTO devices = hunt_get(&one.server, path);
    assert_int_equal(json_array_size(answer_at(&devices, "devices")), 1);
    snprintf(path, sizeof path, "/v1/findings?state=%s&as_of=%s", state, as_of);
    ANSWER_AUTO findings = hunt_get(&one.server, path);
    assert_int_equal(json_array_size(answer_at(&findings, "findings")), 1);
}

static void states_change_at_the_tick(void **state) {
    (void)state;
    send_event("DeviceProcessEvents", "d1", "2026-06-01T10:00:00Z", 1, NAMED("probe.exe", "pc", ""));
    run_both();
    expect_state("2026-06-01T10:00:00Z", "new");
    expect_state("2026-06-08T10:00:00Z", "new");
    expect_state("2026-06-08T10:00:00.0000001Z", "known");
    expect_state("2026-06-15T10:00:00Z", "known");
    expect_state("2026-06-15T10:00:00.0000001Z", "quiet");
    send_event("DeviceProcessEvents", "d1", "2026-06-16T00:00:00Z", 2, NAMED("probe.exe", "pc", ""));
    run_both();
    expect_state("2026-06-16T00:00:00Z", "returned");
    expect_state("2026-06-23T23:59:59.9999999Z", "returned");
    expect_state("2026-06-24T00:00:00Z", "known");
    expect_state("2026-06-30T00:00:00Z", "known");
    expect_state("2026-06-30T00:00:00.0000001Z", "quiet");
}

static void other_days_count_from_the_next_start_on(void **state) {
    (void)state;
    send_event("DeviceProcessEvents", "d1", "2026-06-01T10:00:00Z", 1, NAMED("probe.exe", "pc", ""));
    send_event("DeviceProcessEvents", "d1", "2026-06-05T10:00:00Z", 2, NAMED("probe.exe", "pc", ""));
    run_both();
    expect_state("2026-06-05T11:00:00Z", "new");
    assert_int_equal(server_stop(&one.server), 0);
    setenv("RMMHUNT_QUIET_DAYS", "3", 1);
    setenv("RMMHUNT_NEW_DAYS", "2", 1);
    assert_true(server_start(&one.server));
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
    ANSWER_AUTO hunt = server_expect(&one.server, 201, &(struct send){.path = "/v1/hunts/import", .body = all_tools});
    assert_string_equal(answer_text(&hunt, "tool"), "All Tools");
    send_event("DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"aa\"");
    send_event("DeviceFileCertificateInfo", "d1", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"probe\",\"SHA1\":\"aa\"");
    send_event("DeviceProcessEvents", "d2", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "pc2", ""));
    send_event("DeviceProcessEvents", "d2", "2026-07-18T11:00:00Z", 2, NAMED("rival.exe", "pc2", ""));
    ANSWER_AUTO all = hunt_run(&one.server, "{\"hunts\":[\"all-probe\"]" AS_OF);
    run_both();
    ANSWER_AUTO alone = hunt_get(&one.server, "/v1/devices/d1");
    expect_json(alone.json, "flags", "[]");
    ANSWER_AUTO both = hunt_get(&one.server, "/v1/devices/d2");
    expect_json(both.json, "flags", "[{\"flag\":\"several_tools\",\"tools\":[\"Probe\",\"Rival\"]}]");
    ANSWER_AUTO several = hunt_get(&one.server, "/v1/devices?min_tools=2");
    assert_int_equal(json_array_size(answer_at(&several, "devices")), 1);
}

static void a_file_signed_as_one_tool_and_named_as_another_is_a_flag(void **state) {
    (void)state;
    send_event("DeviceFileCertificateInfo", "d1", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"rival\",\"SHA1\":\"aa\"");
    send_event("DeviceProcessEvents", "d1", "2026-07-18T10:01:00Z", 2, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"aa\"");
    /* each its own file */
    send_event("DeviceFileCertificateInfo", "d2", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"rival\",\"SHA1\":\"bb\"");
    send_event("DeviceProcessEvents", "d2", "2026-07-18T10:01:00Z", 2, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"cc\"");
    /* named as both */
    send_event("DeviceFileCertificateInfo", "d3", "2026-07-18T10:00:00Z", 1, ",\"Signer\":\"rival\",\"SHA1\":\"dd\"");
    send_event("DeviceProcessEvents", "d3", "2026-07-18T10:01:00Z", 2, NAMED("probe.exe", "pc", "") ",\"SHA1\":\"dd\"");
    send_event("DeviceProcessEvents", "d3", "2026-07-18T10:02:00Z", 3, NAMED("rival.exe", "pc", "") ",\"SHA1\":\"dd\"");
    run_both();
    ANSWER_AUTO flagged = hunt_get(&one.server, "/v1/devices/d1");
    expect_json(flagged.json, "flags.1",
                "{\"flag\":\"signed_as_other\",\"sha1\":\"aa\",\"named_as\":\"Probe\",\"signed_as\":\"Rival\"}");
    for (const char *const *id = (const char *const[]){"d2", "d3", NULL}; *id; id++) {
        char path[PATH];
        snprintf(path, sizeof path, "/v1/devices/%s", *id);
        ANSWER_AUTO other = hunt_get(&one.server, path);
        expect_json(other.json, "flags", "[{\"flag\":\"several_tools\",\"tools\":[\"Probe\",\"Rival\"]}]");
    }
}

#define CONNECTS(file, sha1)                                                                                           \
    ",\"RemoteUrl\":\"web1.remotepc.com\",\"InitiatingProcessVersionInfoCompanyName\":\"IDrive\","                     \
    "\"InitiatingProcessVersionInfoProductName\":\"RemotePC\",\"InitiatingProcessFileName\":\"" file                   \
    "\",\"InitiatingProcessSHA1\":\"" sha1 "\""

static void a_tool_s_domain_reached_by_another_program_is_a_flag(void **state) {
    (void)state;
    send_event("DeviceNetworkEvents", "d1", "2026-07-18T10:00:00Z", 1, CONNECTS("powershell.exe", "aa"));
    send_event("DeviceNetworkEvents", "d2", "2026-07-18T10:00:00Z", 1, CONNECTS("RemotePC.exe", "bb"));
    /* under another name, but the same file that another hunt knows for the tool's */
    send_event("DeviceNetworkEvents", "d3", "2026-07-18T10:00:00Z", 1, CONNECTS("odd.exe", "cc"));
    send_event("DeviceFileCertificateInfo", "d3", "2026-07-18T10:00:00Z", 1,
               ",\"Signer\":\"IDrive, Inc.\",\"SHA1\":\"cc\"");
    ANSWER_AUTO run = hunt_run(&one.server, "{\"tool\":\"RemotePC\"" AS_OF);
    ANSWER_AUTO flagged = hunt_get(&one.server, "/v1/devices/d1");
    expect_json(flagged.json, "flags",
                "[{\"flag\":\"domain_by_other_program\",\"sha1\":\"aa\",\"tool\":\"RemotePC\",\"file_name\":"
                "\"powershell.exe\"}]");
    ANSWER_AUTO own = hunt_get(&one.server, "/v1/devices/d2");
    expect_json(own.json, "flags", "[]");
    ANSWER_AUTO renamed = hunt_get(&one.server, "/v1/devices/d3");
    expect_json(renamed.json, "flags", "[]");
}

#define TIMES(first, last)                                                                                             \
    "\"first_seen\":\"2026-07-18T" first ":00:00.0000000Z\",\"last_seen\":\"2026-07-18T" last ":00:00.0000000Z\""

static void a_renamed_device_is_one_device_with_its_names_groups_files_and_accounts(void **state) {
    (void)state;
    send_event(
        "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1,
        NAMED("probe.exe", "old", "Lab") ",\"SHA1\":\"aa\",\"FolderPath\":\"C:\\\\probe.exe\",\"AccountUpn\":\"a@x\"");
    send_event("DeviceProcessEvents", "d1", "2026-07-18T12:00:00Z", 2,
               NAMED("probe.exe", "new", "Office") ",\"SHA1\":\"aa\",\"AccountDomain\":\"corp\",\"AccountName\":\"b\"");
    send_event("DeviceProcessEvents", "d1", "2026-07-18T11:00:00Z", 3,
               NAMED("probe.exe", "old", "Lab") ",\"SHA1\":\"aa\"");
    send_event("DeviceFileEvents", "d1", "2026-07-18T09:00:00Z", 4,
               NAMED("innocent.exe", "old", "Lab") ",\"SHA1\":\"aa\",\"FolderPath\":\"D:\\\\\"");
    send_event("DeviceImageLoadEvents", "d1", "2026-07-18T09:30:00Z", 5,
               NAMED("loaded.dll", "old", "Lab") ",\"SHA1\":\"aa\"");
    send_event("DeviceImageLoadEvents", "d2", "2026-07-18T09:30:00Z", 5,
               NAMED("elsewhere.dll", "x", "Lab") ",\"SHA1\":\"aa\"");
    send_event("DeviceFileCertificateInfo", "d1", "2026-07-18T13:00:00Z", 6,
               ",\"Signer\":\"probe\",\"Issuer\":\"CA\",\"CertificateSerialNumber\":\"01\",\"SHA1\":\"aa\","
               "\"DeviceName\":\"new\"");
    send_event("DeviceNetworkEvents", "d1", "2026-07-18T13:00:00Z", 7,
               ",\"RemoteUrl\":\"https://u@A.probe.example:443/x\",\"DeviceName\":\"new\"");
    run_both();
    ANSWER_AUTO list = hunt_get(&one.server, "/v1/devices");
    assert_int_equal(json_array_size(answer_at(&list, "devices")), 1);
    ANSWER_AUTO device = hunt_get(&one.server, "/v1/devices/d1");
    expect_json(device.json, "device_name", "\"new\"");
    expect_json(device.json, "machine_group", "\"Office\"");
    expect_json(device.json, "names",
                "[{\"value\":\"old\"," TIMES("10", "11") "},{\"value\":\"new\"," TIMES("12", "13") "}]");
    expect_json(device.json, "machine_groups",
                "[{\"value\":\"Lab\"," TIMES("10", "11") "},{\"value\":\"Office\"," TIMES("12", "12") "}]");
    expect_json(device.json, "tools.0.files",
                "[{\"sha1\":\"aa\"," TIMES("10", "13") ",\"names\":[\"innocent.exe\",\"loaded.dll\",\"probe.exe\"],"
                                                       "\"paths\":[\"C:\\\\probe.exe\",\"D:\\\\\"]}]");
    expect_json(device.json, "tools.0.accounts",
                "[{\"value\":\"a@x\"," TIMES("10", "10") "},{\"value\":\"corp\\\\b\"," TIMES("12", "12") "}]");
    expect_json(device.json, "tools.0.signers",
                "[{\"signer\":\"probe\",\"issuer\":\"CA\",\"serials\":[{\"value\":\"01\"," TIMES("13", "13") "}]}]");
    expect_json(device.json, "tools.0.domains", "[{\"value\":\"a.probe.example\"," TIMES("13", "13") "}]");
    expect_json(device.json, "tools.0.seen_by", "\"signature+process+network\"");
    expect_json(device.json, "tools.0.by_signal.1.hunts.0.report_ids", "[\"1\",\"2\",\"3\"]");
    expect_json(device.json, "tools.0.count", "5");
}

/* MANY devices: names with signs in them, equal times, tools by turns. */
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
    hunt_send_text(&one.server, buf_cstr(&body));
    run_both();
}

/* All pages of three are the whole, each item once, in the same order. */
static void expect_pages(const char *path, const char *member, size_t count) {
    char whole_path[PATH], page_path[PATH];
    snprintf(whole_path, sizeof whole_path, "%slimit=1000&as_of=2026-07-20", path);
    snprintf(page_path, sizeof page_path, "%slimit=3&as_of=2026-07-20", path);
    json_t *whole = hunt_walk(&one.server, whole_path, member), *pages = hunt_walk(&one.server, page_path, member);
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
        ANSWER_AUTO answer = server_expect(&one.server, 400, &(struct send){.path = cases[i].path});
        assert_string_equal(answer_text(&answer, "errors.0.field"), cases[i].field);
    }
    ANSWER_AUTO page = hunt_get(&one.server, "/v1/devices?limit=3&sort=tools");
    static const char *const others[] = {"/v1/devices?limit=3&sort=last_seen",
                                         "/v1/devices?limit=3&sort=tools&tool=Probe", "/v1/findings?limit=3"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "%s&cursor=%s", others[i], answer_text(&page, "next"));
        ANSWER_AUTO answer = server_expect(&one.server, 400, &(struct send){.path = path});
        assert_string_equal(answer_text(&answer, "errors.0.field"), "cursor");
    }
    ANSWER_AUTO none = server_expect(&one.server, 404, &(struct send){.path = "/v1/devices/nobody"});
    assert_non_null(strstr(answer_text(&none, "detail"), "nobody"));
}

static void two_runs_differ_by_devices_that_came_went_and_changed(void **state) {
    (void)state;
    send_event("DeviceProcessEvents", "gone", "2026-07-13T10:00:00Z", 1, NAMED("probe.exe", "a", ""));
    send_event("DeviceProcessEvents", "more", "2026-07-14T10:00:00Z", 1, NAMED("probe.exe", "b", ""));
    send_event("DeviceProcessEvents", "same", "2026-07-16T10:00:00Z", 1, NAMED("probe.exe", "c", ""));
    send_event("DeviceProcessEvents", "more", "2026-07-18T10:00:00Z", 10, NAMED("probe.exe", "b", ""));
    send_event("DeviceProcessEvents", "come", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "d", ""));
    ANSWER_AUTO first = hunt_run(
        &one.server, "{\"hunts\":[\"probe-create-process\",\"rival-create-process\"],\"to\":\"2026-07-17T00:00:00Z\"}");
    ANSWER_AUTO second = hunt_run(&one.server, "{\"hunts\":[\"probe-create-process\",\"probe-file-signature\"]" AS_OF);
    ANSWER_AUTO diff = hunt_get(&one.server, "/v1/runs/1/diff/2");
    expect_json(diff.json, "compared", "1");
    expect_json(diff.json, "only_in_from", "[\"rival-create-process\"]");
    expect_json(diff.json, "only_in_to", "[\"probe-file-signature\"]");
    expect_json(diff.json, "hunts.0.new.0.device_id", "\"come\"");
    expect_json(diff.json, "hunts.0.new.0.was", "null");
    expect_json(diff.json, "hunts.0.gone.0.device_id", "\"gone\"");
    expect_json(diff.json, "hunts.0.changed.0.device_id", "\"more\"");
    expect_json(diff.json, "hunts.0.changed.0.report_ids_added", "[\"10\"]");
    expect_json(diff.json, "hunts.0.changed.0.report_ids_gone", "[\"1\"]");
    assert_int_equal(json_array_size(answer_at(&diff, "hunts.0.changed")), 1);
    ANSWER_AUTO self = hunt_get(&one.server, "/v1/runs/1/diff/1");
    expect_json(self.json, "hunts", "[]");
    expect_json(self.json, "compared", "2");
    static const char *const missing[] = {"/v1/runs/1/diff/9", "/v1/runs/x/diff/1",
                                          "/v1/runs/9223372036854775808/diff/1"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        ANSWER_AUTO none = server_expect(&one.server, 404, &(struct send){.path = missing[i]});
    }
}

static void expect_command(int code, const char *const *words, const char *wanted) {
    char *text = hunt_command(&one, code, words);
    if (!strstr(text, wanted))
        fail_msg("rmmhunt %s %s: no '%s' in %s", words[0], words[1] ? words[1] : "", wanted, text);
    free(text);
}

static void a_tool_shows_what_was_seen_of_it_in_the_estate(void **state) {
    char more[PATH], report[32];
    (void)state;
    ANSWER_AUTO before = hunt_get(&one.server, "/v1/tools/Probe");
    expect_json(before.json, "seen",
                "{\"devices\":0,\"first_seen\":null,\"last_seen\":null,\"count\":0,"
                "\"signers\":{\"total\":0,\"newest\":[]},\"serials\":{\"total\":0,\"newest\":[]},"
                "\"sha1s\":{\"total\":0,\"newest\":[]},\"accounts\":{\"total\":0,\"newest\":[]},"
                "\"domains\":{\"total\":0,\"newest\":[]}}");
    for (int i = 0; i < 101; i++) {
        snprintf(more, sizeof more, ",\"Signer\":\"Probe Inc\",\"Issuer\":\"CA\",\"CertificateSerialNumber\":\"s%03d\"", i);
        snprintf(report, sizeof report, "2026-07-18T10:%02d:%02dZ", i / 60, i % 60);
        send_event("DeviceFileCertificateInfo", i % 2 ? "d1" : "d2", report, i + 1, more);
    }
    run_both();
    ANSWER_AUTO tool = hunt_get(&one.server, "/v1/tools/probe");
    expect_json(tool.json, "seen.devices", "2");
    expect_json(tool.json, "seen.count", "101");
    expect_json(tool.json, "seen.first_seen", "\"2026-07-18T10:00:00.0000000Z\"");
    expect_json(tool.json, "seen.last_seen", "\"2026-07-18T10:01:40.0000000Z\"");
    expect_json(tool.json, "seen.signers.total", "1");
    expect_json(tool.json, "seen.signers.newest.0.value", "\"Probe Inc\"");
    expect_json(tool.json, "seen.serials.total", "101");
    expect_json(tool.json, "seen.serials.newest.0.value", "\"s100\"");
    expect_json(tool.json, "seen.serials.newest.0.issuer", "\"CA\"");
    assert_int_equal(json_array_size(answer_at(&tool, "seen.serials.newest")), 100);
    ANSWER_AUTO other = hunt_get(&one.server, "/v1/tools/Rival");
    expect_json(other.json, "seen.devices", "0");
}

static void the_command_line_gives_what_the_api_gives(void **state) {
    (void)state;
    fill_many();
    expect_command(0, WORDS("devices"), "device_name");
    expect_command(0, WORDS("devices", "--tool", "rival", "--format=csv"), "m03");
    expect_command(0, WORDS("devices", "m06"), "\"seen_by\": \"network\"");
    expect_command(0, WORDS("devices", "--min-tools=2", "--format", "ndjson"), "\"device_id\":\"m00\"");
    expect_command(0, WORDS("findings", "--device=m00", "--signal", "network"), "Probe");
    expect_command(0, WORDS("changes", "--types=new_tool"), "new_tool");
    expect_command(0, WORDS("coverage"), "DeviceNetworkEvents");
    expect_command(0, WORDS("coverage", "--table=DeviceInfo", "--format", "json"), "\"limits\":[");
    expect_command(0, WORDS("coverage", "silent", "--since=400d", "--format=ndjson"), "\"device_id\":\"m00\"");
    expect_command(1, WORDS("coverage", "loud"), "");
    expect_command(1, WORDS("devices", "nobody"), "");
    expect_command(1, WORDS("devices", "--sort=size"), "");
    expect_command(1, WORDS("findings", "--nonsense=1"), "");
    expect_command(1, WORDS("devices", "--tool"), "");
    expect_command(1, WORDS("devices", "m01", "m02"), "");
    char *command = hunt_command(&one, 0, WORDS("findings", "--format=json", "--limit=1000", "--as-of=2026-07-20"));
    ANSWER_AUTO answer = hunt_get(&one.server, "/v1/findings?limit=1000&as_of=2026-07-20");
    assert_string_equal(command, answer.body);
    free(command);
}

/* Reads until a line has the words, or the deadline: what was read, which the caller frees. */
static char *read_line(int output, const char *words) {
    enum { ROOM = 65536 };
    char *text = calloc(1, ROOM);
    size_t length = 0;
    int64_t deadline = mono_ms() + FOLLOW_MS;
    assert_non_null(text);
    do {
        struct pollfd wait = {.fd = output, .events = POLLIN};
        if (poll(&wait, 1, ms_left(deadline)) <= 0)
            fail_msg("no '%s' in time: %.*s", words, (int)length, text);
        ssize_t got = read(output, text + length, ROOM - 1 - length);
        assert_true(got > 0);
        length += (size_t)got;
        text[length] = 0;
    } while (!strstr(text, words));
    return text;
}

static void expect_line(int output, const char *words) {
    free(read_line(output, words));
}

static void changes_are_followed_as_they_come(void **state) {
    int output, status;
    (void)state;
    pid_t child = hunt_command_start(&one, WORDS("changes", "--follow", "--tool=Probe"), &output);
    send_event("DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "first.pc", ""));
    run_both();
    expect_line(output, "first.pc");
    send_event("DeviceProcessEvents", "d2", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "second.pc", ""));
    run_both();
    expect_line(output, "second.pc");
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(output);
}

static void following_refuses_what_it_sets_itself_and_starts_at_a_cursor(void **state) {
    int output, status;
    (void)state;
    expect_command(1, WORDS("changes", "--follow", "--format=csv"), "");
    expect_command(1, WORDS("changes", "--follow", "--wait", "2"), "");
    expect_command(1, WORDS("changes", "--follow", "--cursor", "nonsense"), "");
    send_event("DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "first.pc", ""));
    run_both();
    ANSWER_AUTO end = hunt_get(&one.server, "/v1/changes?latest");
    pid_t child =
        hunt_command_start(&one, WORDS("changes", "--follow", "--format=ndjson", "--cursor", answer_text(&end, "next")), &output);
    send_event("DeviceProcessEvents", "d2", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "second.\\u001b[2J", ""));
    run_both();
    char *text = read_line(output, "\n");
    assert_null(strstr(text, "first.pc"));
    assert_non_null(strstr(text, "\"device_id\":\"d2\""));
    free(text);
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(output);
}

/* The command's stderr in *errors. */
static pid_t follow_start(int *output, int *errors) {
    int ends[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    pid_t child = hunt_command_start(&one, WORDS("changes", "--follow", "--tool=Probe"), output);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    *errors = ends[0];
    return child;
}

static void following_goes_on_when_the_database_is_back_and_never_drives_the_terminal(void **state) {
    int output, errors, status;
    (void)state;
    pid_t child = follow_start(&output, &errors);
    send_event("DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "first.\\u001b[2Jpc", ""));
    run_both();
    expect_line(output, "first.\xC2\xB7[2Jpc");
    database_int(one.db, "UPDATE pg_database SET datallowconn = false WHERE datname = current_database() RETURNING 1");
    database_int(one.db, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                          "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    expect_line(errors, "rmmhunt changes: ");
    database_int(one.db, "UPDATE pg_database SET datallowconn = true WHERE datname = current_database() RETURNING 1");
    expect_line(errors, "going on");
    send_event("DeviceProcessEvents", "d2", "2026-07-18T10:00:00Z", 1, NAMED("probe.exe", "second.pc", ""));
    run_both();
    char *text = read_line(output, "second.pc");
    assert_null(strstr(text, "first.")); /* and none twice */
    free(text);
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(output);
    close(errors);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(states_change_at_the_tick),
        TEST(other_days_count_from_the_next_start_on),
        TEST(several_tools_are_a_flag_but_all_tools_is_none),
        TEST(a_file_signed_as_one_tool_and_named_as_another_is_a_flag),
        TEST(a_tool_s_domain_reached_by_another_program_is_a_flag),
        TEST(a_renamed_device_is_one_device_with_its_names_groups_files_and_accounts),
        TEST(a_tool_shows_what_was_seen_of_it_in_the_estate),
        TEST(every_filter_and_sort_can_be_paged_through),
        TEST(what_a_list_does_not_know_is_refused),
        TEST(the_command_line_gives_what_the_api_gives),
        TEST(changes_are_followed_as_they_come),
        TEST(following_refuses_what_it_sets_itself_and_starts_at_a_cursor),
        TEST(following_goes_on_when_the_database_is_back_and_never_drives_the_terminal),
        TEST(two_runs_differ_by_devices_that_came_went_and_changed),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
