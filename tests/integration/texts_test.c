/* Texts of any length, and none: what is too long for an index, or the same in all rows of one, keeps nothing else from
 * being stored, found and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/clock.h"
#include "kql/schema.h"
#include "store/retention.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { CAP = 32 << 20, LONG = 10000, VERY_LONG = 900000, FILES = 3000 };

/* Letters that no method makes shorter than an index takes; the same for the same number. */
static void add_random(struct buf *out, size_t length, uint32_t number) {
    unsigned char seed[randombytes_SEEDBYTES] = {0};
    memcpy(seed, &number, sizeof number);
    char *text = buf_reserve(out, length);
    assert_non_null(text);
    randombytes_buf_deterministic(text, length, seed);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + (unsigned char)text[i] % 26);
    out->len += length;
}

/* A record that a hunt finds, with one long text and, where that is another, its own device. */
static void add_long(struct buf *out, const char *table, const char *column, size_t length, int number) {
    static const char *const words[][2] = {{"FileName", "probe.exe"}, {"Signer", "probe"}, {"RemoteUrl", "probe.example"}};
    buf_printf(out, "{\"time\":\"2026-07-18T10:00:00Z\",\"category\":\"AdvancedHunting-%s\",\"properties\":{\"Timestamp\":"
                    "\"2026-07-18T10:00:00Z\",\"ReportId\":%d,\"DeviceId\":\"m%d\"",
               table, number, number);
    const char *start = "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], column) != 0)
            buf_printf(out, ",\"%s\":\"%s\"", words[i][0], words[i][1]);
        else
            start = words[i][1];
    buf_printf(out, ",\"%s\":\"%s ", column, start);
    add_random(out, length, (uint32_t)number);
    buf_add_str(out, STR("\"}}\n"));
}

/* One record for each text of the tables that the hunts read, each with its own device; how many. */
static int add_all(struct buf *out) {
    static const char *const tables[] = {"DeviceProcessEvents", "DeviceFileCertificateInfo", "DeviceNetworkEvents"};
    static const char *const very[] = {"DeviceName", "MachineGroup", "FileName",  "FolderPath",
                                       "AccountName", "ProcessCommandLine", "Signer", "CertificateSerialNumber", "RemoteUrl"};
    int count = 0;
    for (size_t t = 0; t < 3; t++) {
        const struct schema_table *table = schema_table_find(str_from(tables[t]));
        for (size_t c = 0; c < table->column_count; c++)
            if (table->columns[c].type == KQL_STRING && strcmp(table->columns[c].name, "DeviceId") != 0)
                add_long(out, tables[t], table->columns[c].name, LONG, ++count);
        for (size_t v = 0; v < sizeof very / sizeof *very; v++)
            if (schema_column_find(table, str_from(very[v])))
                add_long(out, tables[t], very[v], VERY_LONG, ++count);
    }
    return count;
}

static void turn_of_retention(void) {
    static const struct retention retention = {
        .events = 3650 * TICKS_DAY, .runs = TICKS_DAY, .changes = TICKS_DAY, .rejected = TICKS_DAY};
    static const atomic_bool stop;
    struct retention_report report;
    struct err err = {0};
    if (!retention_pass(probe_server.db, &retention, &stop, &report, &err))
        fail_msg("%s", err.text);
}

static void a_text_of_any_length_is_stored_found_and_counted(void **state) {
    BUF_AUTO body = BUF(CAP);
    (void)state;
    int count = add_all(&body);
    ANSWER_AUTO sent = server_expect(&probe_server.server, 200, &(struct send){.path = "/v1/events", .body = buf_cstr(&body)});
    assert_int_equal(answer_int(&sent, "stored"), count);
    ANSWER_AUTO run = hunt_run(&probe_server.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    json_t *devices = hunt_walk(&probe_server.server, "/v1/devices?limit=1000", "devices");
    assert_int_equal(json_array_size(devices), count);
    json_decref(devices);
    turn_of_retention();
    assert_int_equal(database_int(probe_server.db, "SELECT count(*) FROM rmm.arrivals"), 0);
    assert_int_equal(database_int(probe_server.db, "SELECT sum(rows) FROM rmm.days"), count);
    ANSWER_AUTO coverage = hunt_get(&probe_server.server, "/v1/coverage?since=3650d");
    assert_int_equal(answer_int(&coverage, "devices.devices_silent"), count);
}

static void a_device_id_is_refused_by_its_length_alone(void **state) {
    static const size_t lengths[] = {1024, 1025, 3000, 100000};
    BUF_AUTO body = BUF(CAP);
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        buf_add_str(&body, STR("{\"time\":\"2026-07-18T10:00:00Z\",\"category\":\"AdvancedHunting-DeviceProcessEvents\","
                               "\"properties\":{\"Timestamp\":\"2026-07-18T10:00:00Z\",\"FileName\":\"probe.exe\",\"DeviceId\":\""));
        add_random(&body, lengths[i], 1);
        buf_add_str(&body, STR("\"}}\n"));
        hunt_add_event(&body, "DeviceProcessEvents", "m1", "2026-07-18T10:00:00Z", (int)i, ",\"FileName\":\"probe.exe\"");
    }
    ANSWER_AUTO sent = server_expect(&probe_server.server, 200, &(struct send){.path = "/v1/events", .body = buf_cstr(&body)});
    assert_int_equal(answer_int(&sent, "stored"), 5);
    assert_int_equal(answer_int(&sent, "rejected"), 3);
    assert_string_equal(answer_text(&sent, "errors.0.code"), "bad_device_id");
    assert_non_null(strstr(answer_text(&sent, "errors.0.message"), "1025 bytes; it may have 1024"));
    ANSWER_AUTO run = hunt_run(&probe_server.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    ANSWER_AUTO devices = hunt_get(&probe_server.server, "/v1/devices?sort=device_id&limit=1");
    assert_int_equal(strlen(answer_text(&devices, "devices.0.device_id")), 1024);
    json_t *all = hunt_walk(&probe_server.server, "/v1/findings?limit=1", "findings");
    assert_int_equal(json_array_size(all), 2);
    json_decref(all);
}

/* As one that an older version took: no index of the ledger has room for it. */
static void a_device_id_that_is_too_long_keeps_no_other_device_from_the_ledger(void **state) {
    static const char *const devices[] = {"m1", "m2"};
    (void)state;
    ANSWER_AUTO by_result = server_expect(
        &probe_server.server, 201,
        &(struct send){.path = "/v1/hunts/import",
                       .body = "{\"name\":\"Check - Probe - File Signature\",\"slug\":\"probe-result\",\"query\":\"DeviceProcessEvents | "
                               "where FileName == 'probe.exe' | summarize C=count() by DeviceId | where C > 0\"}"});
    for (int i = 0; i < 2; i++)
        hunt_send_event(&probe_server.server, "DeviceProcessEvents", devices[i], "2026-07-18T10:00:00Z", i,
                        ",\"FileName\":\"probe.exe\"");
    database_do(probe_server.db, "UPDATE dict.device SET device_id = (SELECT string_agg(md5(n::text), '') FROM "
                                 "generate_series(1, 300) n) WHERE device_id = 'm1'");
    ANSWER_AUTO run = hunt_run(&probe_server.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
    ANSWER_AUTO findings = hunt_get(&probe_server.server, "/v1/findings");
    assert_int_equal(json_array_size(answer_at(&findings, "findings")), 2); /* of both hunts */
    assert_string_equal(answer_text(&findings, "findings.0.device_id"), "m2");
    assert_int_equal(database_int(probe_server.db, "SELECT count(*) FROM rmm.finding_runs"), 2);
    ANSWER_AUTO result = hunt_get(&probe_server.server, "/v1/hunts/probe-create-process/results");
    assert_int_equal(json_array_size(answer_at(&result, "devices")), 2);
}

static void hunts_have_names_of_any_length_but_tools_do_not(void **state) {
    static const size_t lengths[] = {150, LONG, VERY_LONG};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        BUF_AUTO hunt = BUF(CAP);
        buf_add_str(&hunt, STR("{\"query\":\"DeviceProcessEvents | take 1\",\"name\":\""));
        add_random(&hunt, lengths[i], (uint32_t)i);
        buf_add_str(&hunt, STR("\"}"));
        ANSWER_AUTO saved = server_expect(&probe_server.server, i ? 200 : 201,
                                          &(struct send){.path = "/v1/hunts/import", .body = buf_cstr(&hunt)});
        assert_int_equal(strlen(answer_text(&saved, "slug")), lengths[i] > 200 ? 200 : lengths[i]);
        hunt.len -= 2;
        buf_add_str(&hunt, STR(" - Create Process\"}"));
        ANSWER_AUTO tool = server_expect(&probe_server.server, i ? 422 : 200,
                                         &(struct send){.path = "/v1/hunts/import", .body = buf_cstr(&hunt)});
        if (i)
            assert_non_null(strstr(answer_text(&tool, "detail"), "bytes; it may have 200"));
    }
}

/* A hash index has a chain of pages for each value: the one of '' would grow with each file that has no hash, and be
 * walked for each new probe_server. */
static void files_without_a_hash_are_in_no_index_of_hashes(void **state) {
    static const char sizes[] = "SELECT pg_relation_size('dict.file_sha1_given') + pg_relation_size('dict.file_sha256_given')";
    BUF_AUTO body = BUF(CAP);
    (void)state;
    long long before = database_int(probe_server.db, sizes);
    for (int i = 0; i < FILES; i++) {
        char more[64];
        snprintf(more, sizeof more, ",\"FileName\":\"f.exe\",\"FileSize\":%d", i);
        hunt_add_event(&body, "DeviceProcessEvents", "m1", "2026-07-18T10:00:00Z", i, more);
    }
    hunt_send_text(&probe_server.server, buf_cstr(&body));
    assert_true(database_int(probe_server.db, "SELECT count(*) FROM dict.file WHERE sha1 = '' AND sha256 = ''") >= FILES);
    assert_int_equal(database_int(probe_server.db, sizes), before);
    database_do(probe_server.db, "CREATE INDEX file_all ON dict.file USING hash (sha1)");
    assert_true(database_int(probe_server.db, "SELECT pg_relation_size('dict.file_all')") > before / 2); /* so many are enough to tell */
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", "m1", "2026-07-18T11:00:00Z", 1, ",\"FileName\":\"g.exe\",\"SHA1\":\"aa\"");
    assert_int_equal(database_int(probe_server.db, "SELECT count(*) FROM dict.file WHERE sha1 = 'aa'"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_server_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_text_of_any_length_is_stored_found_and_counted),
        TEST(a_device_id_is_refused_by_its_length_alone),
        TEST(a_device_id_that_is_too_long_keeps_no_other_device_from_the_ledger),
        TEST(hunts_have_names_of_any_length_but_tools_do_not),
        TEST(files_without_a_hash_are_in_no_index_of_hashes),
    };
    schema_init();
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
