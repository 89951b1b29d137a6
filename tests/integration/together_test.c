/* Hunts that one statement answers find what a statement of their own finds, cell by cell; and those that can't be told that
 * way are left to one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hunts/query.h"
#include "hunts/together.h"
#include "store/ingest.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

enum { LIMIT_MS = 60 * 1000, CAP = 16 << 20, FEW = 300, MANY = 21000, KINDS = 16, DEVICES = 7 };
#define CERTIFICATES "DeviceFileCertificateInfo "

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

/* kinds: how many signers, of which the first are sought. */
static void post(struct ingest *ingest, unsigned first, unsigned count, unsigned kinds) {
    static const char *const signers[] = {"IDrive Incorporated", "AnyDesk Software GmbH", "Contoso"};
    struct ingest_result result;
    bool unknown;
    BUF_AUTO body = BUF(CAP);
    for (unsigned i = first; i < first + count; i++)
        buf_printf(&body, "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"Timestamp\":"
                          "\"2026-07-%02uT01:%02u:%02uZ\",\"DeviceId\":\"d%u\",\"DeviceName\":\"n%u\",\"ReportId\":%u,\"SHA1\":\"%u\","
                          "\"Signer\":\"%s %u\"%s}}\n",
                   10 + i % 9, i / 60 % 60, i % 60, i % DEVICES, i % DEVICES, i, i,
                   i % kinds < 3 ? signers[i % kinds] : "Other", i % kinds, i % 3 ? ",\"IsTrusted\":true" : "");
    if (!ingest_body(ingest, buf_str(&body), &(struct reader_options){0}, false, later(), &result, &unknown, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.stored, count);
}

static const char *const common[] = {
    CERTIFICATES "| where Signer has 'idrive' | summarize FirstSeen=min(Timestamp), LastSeen=max(Timestamp), "
                 "Report=make_set(ReportId), Count=count() by DeviceId, DeviceName",
    CERTIFICATES "| where Signer has_any ('anydesk', 'idrive') | summarize N=count() by DeviceName, Signer, IsTrusted",
    CERTIFICATES "| where Signer has 'anydesk' and ReportId % 5 == 0 | project Timestamp, DeviceId, IsTrusted, X=real(0.1) * ReportId, "
                 "S=ReportId * 1s, D=pack_array(SHA1, Issuer), E=''",
    CERTIFICATES "| where Signer has 'idrive' | distinct DeviceName",
    CERTIFICATES "| where Signer has 'anydesk' | where Timestamp > datetime(2026-07-12) | summarize count()  by DeviceId",
    CERTIFICATES "| where Signer has 'anydesk' | where Timestamp > datetime(2026-07-12) | project ReportId, TenantId, Type",
};
enum { COMMON = sizeof common / sizeof *common };

static const char *const alone[] = {
    CERTIFICATES "| where Signer has 'idrive' | join kind=inner (DeviceFileCertificateInfo | where Signer has 'contoso' | "
                 "summarize C=count() by DeviceId) on DeviceId | summarize N=count() by DeviceId, C",
    CERTIFICATES "| where Signer has 'idrive' | summarize N=count() by DeviceId | sort by N desc, DeviceId asc",
    CERTIFICATES "| where Signer has 'idrive' | summarize N=count()",
    CERTIFICATES "| where ReportId < 5 | project DeviceId",
    CERTIFICATES "| where Signer has 'idrive' | union (DeviceFileCertificateInfo | where ReportId == 2) | project ReportId",
};
enum { ALONE = sizeof alone / sizeof *alone };

struct asked {
    struct arena *arena;
    struct db_conn *conn;
    const struct kql_program *programs[COMMON + ALONE + 1];
    struct verdict_ids **verdicts;
    bool empty[COMMON + ALONE + 1];
    size_t count;
    struct together together;
};

static void ask(struct asked *asked, const char *query) {
    const struct kql_options options = {.now = INT64_C(639201888000000000), .from = -1, .to = -1, .max_rows = 200000};
    asked->programs[asked->count++] = kql_compile(asked->arena, str_from(query), &options, &err);
    if (!asked->programs[asked->count - 1])
        fail_msg("%s: %s", query, err.text);
}

static void asked_open(struct asked *asked, struct db *db) {
    *asked = (struct asked){.arena = arena_new(256u << 20), .conn = db_take(db, later(), &err)};
    assert_true(asked->arena && asked->conn);
    for (size_t i = 0; i < COMMON; i++)
        ask(asked, common[i]);
}

static void asked_run(struct asked *asked) {
    assert_true(query_snapshot(asked->conn, &err) &&
                db_exec(asked->conn, "SAVEPOINT hunts", NULL, 0, later(), NULL, &err) &&
                verdicts_read(asked->conn, asked->arena, asked->programs, asked->count, &asked->verdicts, later(), &err));
    if (!together_run(asked->conn, asked->arena, asked->programs, asked->count, asked->verdicts, asked->empty,
                      &asked->together, &err))
        fail_msg("%s", err.text);
}

static void asked_close(struct asked *asked) {
    together_free(&asked->together);
    db_give(asked->conn);
    arena_free(asked->arena);
}

static int compare_lines(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* All cells, rows in the order of their texts: the database gives them in any. */
static struct str rows_text(struct arena *arena, const struct db_rows *rows) {
    BUF_AUTO out = BUF(CAP);
    struct str *lines = arena_array(arena, db_count(rows) + 1, sizeof *lines);
    assert_non_null(lines);
    for (size_t r = 0; r < db_count(rows); r++) {
        BUF_AUTO line = BUF(CAP);
        for (size_t c = 0; c < db_columns(rows); c++) {
            struct str cell = db_text(rows, r, c);
            buf_printf(&line, "%s%.*s|", db_is_null(rows, r, c) ? "NULL" : "=", STR_ARG(cell));
        }
        lines[r] = arena_copy(arena, buf_str(&line));
    }
    mem_sort(lines, db_count(rows), sizeof *lines, compare_lines);
    for (size_t r = 0; r < db_count(rows); r++) {
        buf_add_str(&out, lines[r]);
        buf_add_char(&out, '\n');
    }
    return arena_copy(arena, buf_str(&out));
}

static void hunts_in_one_statement_find_what_each_finds_by_itself(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct asked asked;
    post(ingest, 0, FEW, KINDS);
    asked_open(&asked, db);
    for (size_t i = 0; i < ALONE; i++)
        ask(&asked, alone[i]);
    asked_run(&asked);
    assert_int_equal(asked.together.whole_count, 2); /* windows */
    for (size_t i = 0; i < COMMON; i++) {
        DB_ROWS_AUTO *rows = verdicts_query(asked.conn, asked.arena, asked.programs[i], later(), &err);
        if (!rows || !asked.together.rows[i])
            fail_msg("%s: %s", common[i], rows ? "left out" : err.text);
        assert_true(db_count(rows) > 0);
        struct str one = rows_text(asked.arena, asked.together.rows[i]), other = rows_text(asked.arena, rows);
        if (!str_eq(one, other))
            fail_msg("%s\ntogether\n%.*s\nalone\n%.*s", common[i], STR_ARG(one), STR_ARG(other));
    }
    for (size_t i = 0; i < ALONE; i++)
        if (asked.together.rows[COMMON + i])
            fail_msg("%s isn't left to a statement of its own", alone[i]);
    asked_close(&asked);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

static void assert_all_left(const struct asked *asked) {
    for (size_t i = 0; i < asked->count; i++)
        assert_null(asked->together.rows[i]);
    DB_ROWS_AUTO *rows = verdicts_query(asked->conn, asked->arena, asked->programs[0], later(), &err);
    assert_int_equal(db_count(rows), DEVICES);
}

static void a_hunt_that_fails_leaves_the_others_to_statements_of_their_own(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct asked asked = {0};
    post(ingest, 0, FEW, KINDS);
    asked_open(&asked, db);
    asked.count = 2;
    ask(&asked, CERTIFICATES "| where Signer has 'idrive' | project X=Timestamp + ReportId * 100000d");
    asked_run(&asked);
    assert_all_left(&asked);
    asked_close(&asked);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

static void hunts_that_find_much_are_left_to_statements_of_their_own(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct asked asked;
    post(ingest, 0, FEW, KINDS);
    post(ingest, FEW, MANY, 2);
    asked_open(&asked, db);
    asked.count = 2;
    asked_run(&asked);
    assert_all_left(&asked);
    asked_close(&asked);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

static int setup(void **state) {
    schema_init();
    return cluster_fixture_start(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hunts_in_one_statement_find_what_each_finds_by_itself),
        cmocka_unit_test(a_hunt_that_fails_leaves_the_others_to_statements_of_their_own),
        cmocka_unit_test(hunts_that_find_much_are_left_to_statements_of_their_own),
    };
    return cmocka_run_group_tests(tests, setup, cluster_fixture_stop);
}
