/* Commits of events into a real database: repeats count the same whether they were expected or not, and writers that
 * bring the same events at once neither lose nor double any. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kql/schema.h"
#include "store/ingest.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

enum { LIMIT_MS = 60 * 1000, CAP = 8 << 20, WRITERS = 8, EVENTS = 1500 };

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

static void add_certificate(struct buf *out, unsigned number) {
    buf_printf(out,
               "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"Timestamp\":"
               "\"2026-07-%02uT01:02:%02uZ\",\"DeviceId\":\"d%u\",\"ReportId\":%u,\"SHA1\":\"%u\",\"Signer\":\"s%u\"}}\n",
               number % 3 + 10, number % 60, number % 7, number, number / 2, number % 5);
}

static void add_process(struct buf *out, unsigned number) {
    buf_printf(out,
               "{\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"properties\":{\"Timestamp\":\"2026-07-18T01:%02u:"
               "00Z\",\"DeviceId\":\"d%u\",\"FileName\":\"f%u.exe\",\"FolderPath\":\"C:\\\\p%u\",\"ProcessId\":%u}}\n",
               number % 60, number % 7, number % 50, number % 50, number);
}

static struct ingest_result post(struct ingest *ingest, struct buf *body) {
    struct ingest_result result;
    struct err mine = {0};
    bool unknown;
    if (!ingest_body(ingest, buf_str(body), &(struct reader_options){0}, false, later(), &result, &unknown, &mine))
        fail_msg("%s: %s", err_name(mine.code), mine.text);
    return result;
}

/* From `first` on, twice each; both tables. */
static void build_twice(struct buf *out, unsigned first, unsigned count) {
    for (unsigned i = 0; i < 2 * count; i++) {
        add_certificate(out, first + i % count);
        add_process(out, first + i % count);
    }
}

static void check(const struct ingest_result *result, long long stored, long long duplicate) {
    assert_int_equal(result->stored, stored);
    assert_int_equal(result->duplicate, duplicate);
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        if (result->tables[t].stored + result->tables[t].duplicate > 0) {
            assert_int_equal(result->tables[t].stored, stored / 2);
            assert_int_equal(result->tables[t].duplicate, duplicate / 2);
        }
}

static void repeats_count_the_same_whether_they_were_expected_or_not(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(4);
    BUF_AUTO first = BUF(CAP), second = BUF(CAP), third = BUF(CAP);
    build_twice(&first, 0, 100);
    build_twice(&second, 50, 100);
    build_twice(&third, 100, 100);
    struct ingest *knows = database_ingest(db);
    struct ingest_result result = post(knows, &first);
    check(&result, 200, 200);
    result = post(knows, &second);
    check(&result, 100, 300);
    struct ingest *unaware = database_ingest(db); /* as after a restart: the first repeat surprises it */
    result = post(unaware, &third);
    check(&result, 100, 300);
    result = post(unaware, &third);
    check(&result, 0, 400);
    result = post(knows, &third);
    check(&result, 0, 400);
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_process_events"), 200);
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_file_certificate_info"), 200);
    ingest_close(unaware);
    ingest_close(knows);
    cluster_fixture_close(db);
}

/* A place in a batch has 20 bits: what is behind them gets the number of another one. */
static void over_a_million_rows_in_a_body_have_arrival_numbers_of_their_own(void **state) {
    enum { ROWS = (1 << 20) + 1000, BIG = 64 << 20, BIG_MS = 300 * 1000 };
    (void)state;
    struct db *db = cluster_fixture_database(4);
    struct ingest *ingest = database_ingest(db);
    BUF_AUTO body = BUF(BIG);
    struct ingest_result result;
    struct err mine = {0};
    bool unknown;
    buf_printf(&body, "Timestamp,DeviceId,ReportId\n");
    for (unsigned i = 0; i < ROWS; i++)
        buf_printf(&body, "2026-07-18T01:02:03Z,d1,%u\n", i);
    const struct reader_options options = {.table = schema_table_find(STR("DeviceEvents"))};
    if (!ingest_body(ingest, buf_str(&body), &options, false, mono_ms() + BIG_MS, &result, &unknown, &mine))
        fail_msg("%s: %s", err_name(mine.code), mine.text);
    assert_int_equal(result.stored, ROWS);
    BUF_AUTO next = BUF(CAP);
    add_process(&next, 1);
    post(ingest, &next);
    assert_int_equal(database_int(db, "SELECT count(DISTINCT arrived) FROM data.device_events"), ROWS);
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_process_events p JOIN data.device_events e ON "
                                      "p.arrived >> 20 <= e.arrived >> 20"),
                     0);
    assert_int_equal(database_int(db, "SELECT count(DISTINCT b.id) FROM data.device_events e JOIN rmm.batches b ON b.id = "
                                      "e.arrived >> 20"),
                     2);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

static void rows_carry_the_number_of_their_batch_in_the_order_of_their_keys(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(4);
    struct ingest *ingest = database_ingest(db);
    for (unsigned i = 0; i < 3; i++) {
        BUF_AUTO body = BUF(CAP);
        build_twice(&body, i * 60, 100);
        post(ingest, &body);
    }
    assert_int_equal(database_int(db, "SELECT count(*) FROM rmm.batches WHERE tables <> 0"), 3);
    assert_int_equal(
        database_int(db, "SELECT count(*) FROM (SELECT arrived, lag(arrived) OVER (ORDER BY arrived >> 20, ts, device,"
                         " digest) AS before FROM data.device_process_events) r WHERE before >= arrived"),
        0);
    assert_int_equal(database_int(db,
                                  "SELECT count(*) FROM data.device_process_events e LEFT JOIN rmm.batches b ON b.id = "
                                  "e.arrived >> 20 WHERE b.id IS NULL OR e.ts NOT BETWEEN b.from_ts AND b.to_ts"),
                     0);
    assert_int_equal(database_int(db, "SELECT count(DISTINCT device) FROM rmm.present WHERE event_table = 1"), 7);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

struct writer {
    struct ingest *ingest;
    unsigned step;
    long long stored, duplicate;
};

/* All events, in an order of its own, in bodies of 150. */
static void *write_all(void *argument) {
    struct writer *writer = argument;
    for (unsigned sent = 0; sent < EVENTS;) {
        BUF_AUTO body = BUF(CAP);
        for (unsigned i = 0; i < 150; i++, sent++)
            add_process(&body, sent * writer->step % EVENTS);
        struct ingest_result result = post(writer->ingest, &body);
        writer->stored += result.stored;
        writer->duplicate += result.duplicate;
    }
    return NULL;
}

static void writers_of_the_same_events_store_each_once(void **state) {
    static const unsigned steps[WRITERS] = {1, 7, 11, 13, 17, 19, 23, 29}; /* none divides EVENTS, so each visits all */
    (void)state;
    struct db *db = cluster_fixture_database(12);
    struct ingest *servers[2] = {database_ingest(db), database_ingest(db)};
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    long long stored = 0, duplicate = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.ingest = servers[i % 2], .step = steps[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        stored += writers[i].stored;
        duplicate += writers[i].duplicate;
    }
    assert_int_equal(stored, EVENTS);
    assert_int_equal(duplicate, (WRITERS - 1) * EVENTS);
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_process_events"), EVENTS);
    ingest_close(servers[0]);
    ingest_close(servers[1]);
    cluster_fixture_close(db);
}

struct sender {
    struct ingest *ingest;
    struct buf body;
    pthread_t thread;
};

static void *send_one(void *argument) {
    struct sender *sender = argument;
    post(sender->ingest, &sender->body);
    return NULL;
}

/* Rows from `first` on, posted by a thread of their own. */
static void sender_start(struct sender *sender, struct ingest *ingest, unsigned first, unsigned count) {
    *sender = (struct sender){.ingest = ingest, .body = BUF(CAP)};
    for (unsigned i = 0; i < count; i++)
        add_process(&sender->body, first + i);
    assert_int_equal(pthread_create(&sender->thread, NULL, send_one, sender), 0);
}

static void sender_join(struct sender *sender) {
    pthread_join(sender->thread, NULL);
    buf_free(&sender->body);
}

static void few_rows_wait_for_a_commit_that_is_writing_and_many_do_not(void **state) {
    enum { FEW = 10, MANY = 3000, BODIES = 3 };
    static const char waiting[] = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                                  "'data.device_process_events'::regclass";
    (void)state;
    struct db *db = cluster_fixture_database(12);
    struct ingest *ingest = database_ingest(db);
    struct err mine = {0};
    struct sender first, few[BODIES], many;
    BUF_AUTO body = BUF(CAP);
    add_process(&body, 0); /* makes the partition */
    post(ingest, &body);
    struct db_conn *conn = db_take(db, later(), &mine);
    assert_non_null(conn);
    assert_true(db_begin(conn, "", later(), &mine));
    assert_true(db_exec(conn, "LOCK TABLE data.device_process_events IN EXCLUSIVE MODE", NULL, 0, later(), NULL, &mine));
    sender_start(&first, ingest, 1, FEW);
    database_await(db, waiting, 1, LIMIT_MS);
    for (unsigned i = 0; i < BODIES; i++) { /* when the last one's values are there, the first would long be writing */
        char values[128];
        unsigned from = 20 + i * FEW;
        sender_start(&few[i], ingest, from, FEW);
        snprintf(values, sizeof values, "SELECT count(*) FROM dict.path WHERE folder_path LIKE '%%p%u'", from + FEW - 1);
        database_await(db, values, 1, LIMIT_MS);
    }
    assert_int_equal(database_int(db, waiting), 1);
    sender_start(&many, ingest, EVENTS, MANY);
    database_await(db, waiting, 2, LIMIT_MS);
    db_rollback(conn);
    db_give(conn);
    sender_join(&first);
    for (size_t i = 0; i < BODIES; i++)
        sender_join(&few[i]);
    sender_join(&many);
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_process_events"), 1 + FEW + BODIES * FEW + MANY);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_count_the_same_whether_they_were_expected_or_not),
        cmocka_unit_test(over_a_million_rows_in_a_body_have_arrival_numbers_of_their_own),
        cmocka_unit_test(rows_carry_the_number_of_their_batch_in_the_order_of_their_keys),
        cmocka_unit_test(writers_of_the_same_events_store_each_once),
        cmocka_unit_test(few_rows_wait_for_a_commit_that_is_writing_and_many_do_not),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
