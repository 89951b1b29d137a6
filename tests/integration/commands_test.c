/* Commands: webhooks from their making to their end, what explain takes, and tables that fit their line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/cluster_fixture.h"
#include "tests/support/hook_fixture.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 1 << 20, PATH = 256 };

/* The world's server, as the commands' helpers want it. */
static void command(int code, const char *const *words, const char *wanted) {
    struct hunt_server server = {.server = world.server, .db = world.db};
    snprintf(server.database_url, sizeof server.database_url, "%s", world.conninfo);
    hunt_expect_command(&server, code, words, wanted);
}

static void a_webhook_lives_by_commands(void **state) {
    char url[128];
    (void)state;
    world_open("yes");
    receiver_url(world.receiver, "/ok", url);
    command(0, WORDS("webhooks", "add", url, "--types", "new_device,grew", "--tool=remotepc", "--description", "soc"),
            "\"secret\": \"whsec_");
    command(0, WORDS("webhooks", "list"), "new_device, grew  RemotePC  true");
    command(0, WORDS("webhooks", "test", "1"), "delivered\n");
    command(0, WORDS("webhooks", "show", "1"), "\"description\": \"soc\"");
    command(0, WORDS("webhooks", "rotate", "1"), "\"old_secret_until\": \"2");
    changes_make(2, "new_device", "RemotePC");
    assert_true(receiver_wait(world.receiver, "/ok", "chg_2", 1));
    command(0, WORDS("webhooks", "replay", "1", "--since", "2000-01-01"), "deliveries on their way: 2\n");
    assert_true(receiver_wait(world.receiver, "/ok", "chg_2", 2));
    command(0, WORDS("webhooks", "pause", "1"), "\"enabled\": false");
    command(1, WORDS("webhooks", "test", "1"), "");
    command(0, WORDS("webhooks", "resume", "1"), "\"enabled\": true");
    command(0, WORDS("webhooks", "remove", "1"), "");
    command(1, WORDS("webhooks", "show", "1"), "");
}

static void what_a_webhook_gave_up_is_told_and_sent_again_by_commands(void **state) {
    char url[128];
    (void)state;
    world_open("yes");
    receiver_url(world.receiver, "/gone", url);
    command(0, WORDS("webhooks", "add", url), "");
    command(1, WORDS("webhooks", "test", "1"), "failed: the receiver answered 410\n");
    command(0, WORDS("webhooks", "resume", "1"), "\"failed\": 1");
    command(0, WORDS("webhooks", "replay", "1", "--failed"), "deliveries on their way: 0\n"); /* a test isn't a change */
    changes_make(1, "new_device", "RemotePC");
    assert_true(receiver_wait(world.receiver, "/gone", "chg_1", 1)); /* until then the newest delivery is the test */
    ANSWER_AUTO failed = delivery_await("1", "failed", 1);
    command(0, WORDS("webhooks", "resume", "1"), "\"failed\": 2");
    command(0, WORDS("webhooks", "replay", "1", "--failed"), "deliveries on their way: 1\n");
    assert_true(receiver_wait(world.receiver, "/gone", "chg_1", 2));
}

static void who_only_reads_makes_no_database(void **state) {
    static const char *const reads[][4] = {{"devices"}, {"findings"}, {"changes"}, {"coverage"}, {"diff", "1", "2"},
                                           {"query", "DeviceInfo"}, {"schedules", "list"}, {"webhooks", "list"}};
    char folder[64];
    (void)state;
    assert_true(folder_make_temporary(folder));
    struct hunt_server nowhere = {0};
    setenv("RMMHUNT_DATA", folder, 1);
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        hunt_expect_command(&nowhere, 1, reads[i], "");
    assert_int_equal(rmdir(folder), 0); /* nothing was made in it */
    unsetenv("RMMHUNT_DATA");
}

static void wrong_words_about_what_is_read_are_refused(void **state) {
    (void)state;
    world_open("no");
    command(2, WORDS("devices", "--odd"), "");
    command(2, WORDS("devices", "--odd=1"), "");
    command(2, WORDS("findings", "--min-tools", "1"), ""); /* a flag of devices */
    command(2, WORDS("devices", "--tool"), "");
    command(0, WORDS("devices", "--min-tools", "1"), "");
}

static void wrong_words_about_webhooks_are_refused(void **state) {
    (void)state;
    world_open("no");
    command(1, WORDS("webhooks", "add", "http://127.0.0.1:9/"), ""); /* as the server's setting says */
    command(1, WORDS("webhooks", "add", "https://hooks.example/", "--types=odd"), "");
    command(1, WORDS("webhooks", "add", "https://hooks.example:0/"), "port 0");
    command(1, WORDS("webhooks", "add", "https://hooks.example/#there"), "#fragment");
    command(2, WORDS("webhooks", "add", "https://hooks.example/", "--odd=1"), "");
    command(2, WORDS("webhooks", "add", "https://hooks.example/", "--tool=\xff"), ""); /* not: of all tools */
    command(2, WORDS("webhooks", "add", "https://hooks.example/", "--types=\xff"), "");
    command(2, WORDS("webhooks", "add", "https://hooks.example/\xff"), "");
    command(2, WORDS("webhooks", "add"), "");
    command(2, WORDS("webhooks"), "");
    command(0, WORDS("webhooks", "add", "https://hooks.example/"), "");
    command(1, WORDS("webhooks", "replay", "1", "--since"), "");
    command(1, WORDS("webhooks", "replay", "1", "--since", "soon"), "");
    command(1, WORDS("webhooks", "remove", "x"), "");
}

static void explain_takes_stored_hunts_and_files(void **state) {
    char path[PATH];
    (void)state;
    hunt_expect_command(&probe_server, 0, WORDS("explain", "probe-create-process"), "columns: DeviceId:string");
    hunt_expect_command(&probe_server, 0, WORDS("explain", "remotepc-file-signature"), "columns: DeviceId:string");
    hunt_expect_command(&probe_server, 0, WORDS("explain", "DeviceInfo"), "columns: Timestamp:datetime");
    hunt_expect_command(&probe_server, 1, WORDS("explain", "no-such-hunt"), "hunt: there is none called 'no-such-hunt'");
    hunt_expect_command(&probe_server, 1, WORDS("explain", "probe-create-proces"), "did you mean 'probe-create-process'?");
    hunt_expect_command(&probe_server, 1, WORDS("explain", "no/such.kql"), "");
    ANSWER_AUTO changed = server_expect(&probe_server.server, 200,
                                        &(struct send){.method = "PUT",
                                                       .path = "/v1/hunts/remotepc-file-signature",
                                                       .body = "{\"query\":\"print Mine=1\",\"name\":\"x\"}"});
    hunt_expect_command(&probe_server, 0, WORDS("explain", "remotepc-file-signature"), "columns: Mine:");
    snprintf(path, sizeof path, "%s/mine.kql", probe_server.server.data);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("print Own=1\n", file);
    fclose(file);
    hunt_expect_command(&probe_server, 0, WORDS("explain", path), "columns: Own:");
    hunt_expect_command(&probe_server, 0, WORDS("query", path), "\"Own\"");
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("id: 00000000-0000-0000-0000-000000000001\nname: y\nquery: |\n  print Yaml=1\n", file);
    fclose(file);
    hunt_expect_command(&probe_server, 0, WORDS("explain", path), "columns: Yaml:");
}

static void hunts_that_fail_are_named_with_the_reason_and_fail_the_run(void **state) {
    static const char *const formats[] = {"table", "csv", "ndjson", "json"};
    (void)state;
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        hunt_expect_command(&probe_server, 1, WORDS("run", "level-create-process", "--format", formats[f]),
                            "rmmhunt run: hunt level-create-process failed: has_all needs a list");
        char *text = hunt_command(&probe_server, 1, WORDS("run", "level-create-process", "remotepc-file-signature", "--format", formats[f]));
        char *first = strstr(text, "level-create-process"), *reason = first ? strstr(first, "has_all needs a list") : NULL;
        if (!reason || !strstr(reason + 1, "rmmhunt run: hunt level-create-process failed: has_all needs a list"))
            fail_msg("%s doesn't name the hunt that failed: %s", formats[f], text);
        free(text);
    }
    hunt_expect_command(&probe_server, 0, WORDS("run", "remotepc-file-signature"), "no data");
}

static size_t widest(const char *text) {
    size_t length = 0, most = 0;
    for (; *text; text++) {
        length = *text == '\n' ? 0 : length + ((*text & 0xC0) != 0x80);
        most = length > most ? length : most;
    }
    return most;
}

static void fill_with_long_names(void) {
    BUF_AUTO body = BUF(CAP);
    static const char *const tables[][2] = {{"DeviceProcessEvents", "\"FileName\":\"probe.exe\""},
                                            {"DeviceFileCertificateInfo", "\"Signer\":\"probe\""},
                                            {"DeviceNetworkEvents", "\"RemoteUrl\":\"probe.example\""}};
    for (int i = 0; i < 9; i++) {
        char more[PATH], device[41];
        snprintf(device, sizeof device, "%040d", i / 3);
        snprintf(more, sizeof more, ",%s,\"DeviceName\":\"workstation-%04d.finance.emea.corp.example\",\"MachineGroup\":"
                                    "\"Workstations (Frankfurt am Main)\"", tables[i % 3][1], i / 3);
        hunt_add_event(&body, tables[i % 3][0], device, "2026-07-18T10:00:00Z", i, more);
    }
    hunt_send_text(&probe_server.server, buf_cstr(&body));
}

static void tables_fit_their_line(void **state) {
    static const char *const widths[] = {"", "80", "100"};
    const char *const *const commands[] = {
        WORDS("devices"), WORDS("findings"), WORDS("changes"), WORDS("coverage", "--since=3650d"),
        WORDS("coverage", "silent", "--since=3650d"), WORDS("schedules", "list"), WORDS("webhooks", "list"),
        WORDS("diff", "1", "2"), WORDS("run", "--tool", "Probe"), WORDS("hunts", "list")};
    (void)state;
    fill_with_long_names();
    free(hunt_command(&probe_server, 0, WORDS("run", "--tool", "Probe", "--to", "2026-07-01")));
    free(hunt_command(&probe_server, 0, WORDS("run", "--tool", "Probe", "--as-of", "2026-07-20")));
    free(hunt_command(&probe_server, 0, WORDS("schedules", "create", "nightly-in-argentina", "--cron", "30 6 * * MON-FRI", "--time-zone",
                                     "America/Argentina/ComodRivadavia", "--tool=Probe")));
    free(hunt_command(&probe_server, 0, WORDS("webhooks", "add", "https://hooks.example/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
                                     "--types", "new_device,new_tool_on_device,certificate_rotation")));
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        setenv("COLUMNS", widths[w], 1);
        for (size_t c = 0; c < sizeof commands / sizeof *commands; c++) {
            char *text = hunt_command(&probe_server, 0, commands[c]);
            size_t most = widest(text), limit = widths[w][0] ? strtoul(widths[w], NULL, 10) : 100;
            if (most > limit || !strchr(text, '\n'))
                fail_msg("rmmhunt %s: a line of %zu at %zu columns:\n%s", commands[c][0], most, limit, text);
            free(text);
        }
    }
    unsetenv("COLUMNS");
}

static void words_that_are_mistyped_are_refused_with_the_nearest(void **state) {
    (void)state;
    fill_with_long_names();
    free(hunt_command(&probe_server, 0, WORDS("run", "--tool", "Probe", "--as-of", "2026-07-20")));
    hunt_expect_command(&probe_server, 1, WORDS("coverage", "DeviceProcesEvents"), "the nearest is DeviceProcessEvents");
    hunt_expect_command(&probe_server, 0, WORDS("coverage", "DeviceProcessEvents", "--since=3650d"), "DeviceProcessEvents");
    hunt_expect_command(&probe_server, 1, WORDS("devices", "workstation-0001.finance.emea.corp.exampel"),
                        "did you mean 'workstation-0001.finance.emea.corp.example, 0000000000000000000000000000000000000001'?");
    hunt_expect_command(&probe_server, 1, WORDS("devices", "0000000000000000000000000000000000000a001"),
                        "'workstation-0001.finance.emea.corp.example, 0000000000000000000000000000000000000001'?");
    hunt_expect_command(&probe_server, 1, WORDS("devices", "zzzzzzzz"), "none called 'zzzzzzzz'; GET /v1/devices lists");
    hunt_expect_command(&probe_server, 1, WORDS("findings", "workstation-0002.finance.emea.corp.example"), "is the name of device");
    hunt_expect_command(&probe_server, 0, WORDS("findings", "0000000000000000000000000000000000000002"), "workstation-0002");
    hunt_expect_command(&probe_server, 1, WORDS("changes", "Prob"), "did you mean 'Probe'?");
}

static void findings_show_whole_device_names_at_eighty_columns(void **state) {
    (void)state;
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", 1,
                    ",\"FileName\":\"probe.exe\",\"DeviceName\":\"fra-laptop-0042.corp.example\"");
    free(hunt_command(&probe_server, 0, WORDS("run", "--tool", "Probe", "--as-of", "2026-07-20")));
    setenv("COLUMNS", "80", 1);
    hunt_expect_command(&probe_server, 0, WORDS("findings"), "fra-laptop-0042.corp.example");
    setenv("COLUMNS", "160", 1);
    hunt_expect_command(&probe_server, 0, WORDS("findings"), "device_id");
    unsetenv("COLUMNS");
}

static void expect_terminal(const char *const *words, const char *const *wanted) {
    char *text = hunt_command_terminal(&probe_server, words);
    for (; *wanted; wanted++)
        if (!strstr(text, *wanted))
            fail_msg("rmmhunt %s %s: no '%s' in %s", words[0], words[1], *wanted, text);
    if (widest(text) > 81) /* with the carriage return */
        fail_msg("rmmhunt %s: a line of %zu:\n%s", words[0], widest(text), text);
    free(text);
}

/* Whole names and SHA1s, and each kind of thing in a table of its own. */
static void one_thing_is_lines_and_short_tables_on_a_terminal_and_json_in_a_pipe(void **state) {
    static const char sha1[] = "00000000000000000000000000000000000000ab";
    char more[PATH];
    (void)state;
    for (int i = 0; i < 12; i++) {
        snprintf(more, sizeof more, ",\"FileName\":\"probe%d.exe\",\"FolderPath\":\"C:\\\\Users\\\\Public\\\\Downloads\\\\probe%d.exe\","
                 "\"SHA1\":\"%s\",\"AccountName\":\"ada\",\"DeviceName\":\"pc.corp.example\",\"MachineGroup\":\"Lab\"", i, i, sha1);
        hunt_send_event(&probe_server.server, "DeviceProcessEvents", "d1", "2026-07-18T10:00:00Z", i, more);
    }
    free(hunt_command(&probe_server, 0, WORDS("run", "--tool", "Probe", "--as-of", "2026-07-20")));
    free(hunt_command(&probe_server, 0, WORDS("schedules", "create", "nightly", "--cron", "30 6 * * *", "--tool=Probe")));
    free(hunt_command(&probe_server, 0, WORDS("webhooks", "add", "https://hooks.example/x", "--types", "grew,new_device")));
    expect_terminal(WORDS("devices"), WORDS("device_name      tools  last_seen            silent\r\n", "pc.corp.example  Probe  2026-07-18T10:00:00  true"));
    expect_terminal(WORDS("devices", "d1", "--as-of=2026-07-20"),
                    WORDS("device_id       d1\r\n", "machine_group   Lab", "flags           none\r\n", "last_event_day  2026-07-18",
                          "probe-create-process", "0 +11", "\r\nProbe  new", "\r\n00000000000000000000000000000000000000ab  "));
    hunt_expect_command(&probe_server, 1, WORDS("schedules", "create", "far", "--every=1d", "--all", "--window=P99999D"), "at most 3650 days");
    expect_terminal(WORDS("schedules", "show", "nightly"), WORDS("cron            30 6 * * *\r\n", "next_slot "));
    expect_terminal(WORDS("webhooks", "show", "1"), WORDS("types             grew, new_device\r\n"));
    hunt_expect_command(&probe_server, 0, WORDS("devices", "d1"), "\"device_id\": \"d1\"");
    hunt_expect_command(&probe_server, 0, WORDS("schedules", "show", "nightly"), "\"cron\": \"30 6 * * *\"");
    hunt_expect_command(&probe_server, 0, WORDS("devices", "d1", "--format", "table"), "machine_group   Lab\n");
    hunt_expect_command(&probe_server, 1, WORDS("devices", "d1", "--format", "csv"), "one thing is json or table");
    ANSWER_AUTO page = hunt_get(&probe_server.server, "/v1/devices/d1?format=table");
    assert_non_null(strstr(page.body, "device_id       d1\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_server_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_webhook_lives_by_commands, world_close),
        cmocka_unit_test_teardown(what_a_webhook_gave_up_is_told_and_sent_again_by_commands, world_close),
        cmocka_unit_test_teardown(wrong_words_about_webhooks_are_refused, world_close),
        cmocka_unit_test_teardown(wrong_words_about_what_is_read_are_refused, world_close),
        cmocka_unit_test(who_only_reads_makes_no_database),
        TEST(explain_takes_stored_hunts_and_files),
        TEST(hunts_that_fail_are_named_with_the_reason_and_fail_the_run),
        TEST(tables_fit_their_line),
        TEST(words_that_are_mistyped_are_refused_with_the_nearest),
        TEST(findings_show_whole_device_names_at_eighty_columns),
        TEST(one_thing_is_lines_and_short_tables_on_a_terminal_and_json_in_a_pipe),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
