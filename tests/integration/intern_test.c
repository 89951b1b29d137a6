/* Many new dictionary values at once, which are stored without a look where only new ones came before: no value twice, no
 * event with another's value, and no id that is seen after a higher one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/ingest.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

/* MANY: values of a body that are stored together, in more than one piece; FEW: of one that goes the other way. WARM: bodies
 * after which values are believed to be new. */
enum { LIMIT_MS = 60 * 1000, CAP = 8 << 20, MANY = 600, FEW = 3, WARM = 5, WRITERS = 4, BODIES = 12 };

static const char table[] = "data.device_file_certificate_info";

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

/* Events from..from+count-1 of a sender, each with a device, a signer and a file of its own. */
static bool post(struct ingest *ingest, unsigned sender, unsigned from, unsigned count, struct ingest_result *result,
                 struct err *err) {
    BUF_AUTO body = BUF(CAP);
    bool unknown;
    for (unsigned n = from; n < from + count; n++)
        buf_printf(&body,
                   "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"Timestamp\":"
                   "\"2026-07-10T01:02:03Z\",\"DeviceId\":\"d%u\",\"ReportId\":%u,\"SHA1\":\"%u\",\"Signer\":\"s%u\","
                   "\"Issuer\":\"sent by %u\"}}\n",
                   n, n, n, n, sender);
    return ingest_body(ingest, buf_str(&body), &(struct reader_options){0}, false, later(), result, &unknown, err);
}

static void post_all(struct ingest *ingest, unsigned from, unsigned count, int64_t stored) {
    struct ingest_result result;
    struct err err = {0};
    if (!post(ingest, 0, from, count, &result, &err))
        fail_msg("%s %s", err.sqlstate, err.text);
    assert_int_equal(result.stored, stored);
    assert_int_equal(result.duplicate, count - stored);
}

/* Bodies of nothing but new values, until the next are believed to be. */
static void warm_up(struct ingest *ingest, unsigned from) {
    for (unsigned body = 0; body < WARM; body++)
        post_all(ingest, from + body * MANY, MANY, MANY);
}

static long long certificates(struct db *db) {
    return database_int(db, "SELECT count(*) FROM dict.cert WHERE id > 0");
}

/* Events have their own device's, signer's and file's ids. */
static void assert_own_values(struct db *db, int64_t events) {
    BUF_AUTO sql = BUF(4096);
    buf_printf(&sql,
               "SELECT count(*) FROM %s e JOIN dict.device d ON d.id = e.device JOIN dict.cert c ON c.id = e.cert JOIN dict.file f "
               "ON f.id = e.file WHERE d.device_id = 'd' || e.report_id AND c.signer = 's' || e.report_id AND f.sha1 = "
               "e.report_id::text",
               table);
    assert_int_equal(database_int(db, buf_cstr(&sql)), events);
    sql.len = 0;
    buf_printf(&sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(database_int(db, buf_cstr(&sql)), events);
}

static long long last_id(struct db *db) {
    return database_int(db, "SELECT last_value FROM dict.cert_id_seq");
}

static void values_believed_to_be_new_that_are_known_are_found(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *one = database_ingest(db), *other = database_ingest(db);
    warm_up(one, 0);
    assert_int_equal(last_id(db), WARM * MANY);
    post_all(other, 100000, MANY / 2, MANY / 2);
    long long before = last_id(db);
    post_all(one, 100000, MANY, MANY / 2); /* the other half is new */
    assert_int_equal(last_id(db) - before, MANY + MANY / 2); /* the first try's numbers are lost */
    before = last_id(db);
    post_all(one, 200000, MANY, MANY);
    post_all(other, 200000, MANY + FEW, FEW); /* looks first, and finds */
    assert_int_equal(last_id(db) - before, MANY + FEW);
    assert_int_equal(certificates(db), WARM * MANY + MANY + MANY + FEW);
    assert_own_values(db, WARM * MANY + MANY + MANY + FEW);
    ingest_close(one);
    ingest_close(other);
    cluster_fixture_close(db);
}

static void what_failed_leaves_no_value_and_can_be_sent_again(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *ingest = database_ingest(db);
    struct ingest_result result;
    struct err err = {0};
    warm_up(ingest, 0);
    database_do(db, "ALTER TABLE dict.cert ADD CONSTRAINT broken CHECK (signer <> 's100500')");
    assert_false(post(ingest, 0, 100000, MANY, &result, &err));
    assert_string_equal(err.sqlstate, "23514");
    assert_int_equal(certificates(db), WARM * MANY);
    assert_own_values(db, WARM * MANY);
    database_do(db, "ALTER TABLE dict.cert DROP CONSTRAINT broken");
    post_all(ingest, 100000, MANY, MANY);
    post_all(ingest, 100000, MANY, 0);
    assert_int_equal(certificates(db), (WARM + 1) * MANY);
    assert_own_values(db, (WARM + 1) * MANY);
    ingest_close(ingest);
    cluster_fixture_close(db);
}

struct writer {
    pthread_t thread;
    struct ingest *ingest;
    unsigned number;
    atomic_uint *running;
    int64_t stored;
    struct err failure;
};

/* All writers send the same bodies of many values, and few of their own between them. */
static void *write_bodies(void *argument) {
    struct writer *writer = argument;
    for (unsigned body = 0; body < BODIES; body++) {
        struct ingest_result result = {0};
        struct err err = {0};
        for (unsigned way = 0; way < 2; way++) {
            if (!post(writer->ingest, way ? writer->number : 0, way ? 900000 + writer->number * 1000 + body * FEW : 100000 + body * MANY,
                      way ? FEW : MANY, &result, &err))
                writer->failure = err;
            writer->stored += result.stored;
        }
    }
    atomic_fetch_sub(writer->running, 1);
    return NULL;
}

/* Later none may come whose id is not above the highest of now. */
static void assert_ids_in_order(struct db *db, long long *upto, long long *count) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM dict.cert WHERE id <= %lld", *upto);
    assert_int_equal(database_int(db, sql), *count);
    DB_ROWS_AUTO *rows = database_rows(db, "SELECT max(id), count(*) FROM dict.cert");
    *upto = db_int(rows, 0, 0);
    *count = db_int(rows, 0, 1);
}

static void servers_with_the_same_new_values_at_once_store_each_once(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(12);
    struct ingest *servers[2] = {database_ingest(db), database_ingest(db)};
    struct writer writers[WRITERS];
    atomic_uint running = WRITERS;
    long long upto = 0, count = 1;
    int64_t stored = 2 * WARM * MANY, wanted = stored + BODIES * (MANY + WRITERS * FEW);
    warm_up(servers[0], 0);
    warm_up(servers[1], WARM * MANY);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.ingest = servers[i % 2], .number = i, .running = &running};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_bodies, &writers[i]), 0);
    }
    while (atomic_load(&running))
        assert_ids_in_order(db, &upto, &count);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        if (writers[i].failure.code)
            fail_msg("%s %s", writers[i].failure.sqlstate, writers[i].failure.text);
        stored += writers[i].stored;
    }
    assert_ids_in_order(db, &upto, &count);
    assert_int_equal(stored, wanted);
    assert_int_equal(certificates(db), wanted);
    assert_own_values(db, wanted);
    ingest_close(servers[0]);
    ingest_close(servers[1]);
    cluster_fixture_close(db);
}

struct late {
    pthread_t thread;
    struct ingest *ingest;
    atomic_bool done;
};

static void *write_many(void *argument) {
    struct late *late = argument;
    post_all(late->ingest, 100000, MANY, MANY);
    atomic_store(&late->done, true);
    return NULL;
}

/* While another writer has an id and hasn't committed, none of these gets one. */
static void many_values_wait_for_a_writer_under_way(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct late late = {.ingest = database_ingest(db)};
    struct err err = {0};
    bool unknown;
    warm_up(late.ingest, 0);
    struct db_conn *conn = db_take(db, later(), &err);
    assert_true(conn && db_begin(conn, "", later(), &err) &&
                db_exec(conn, "SELECT FROM dict.cert WHERE id = 0 FOR UPDATE", NULL, 0, later(), NULL, &err));
    assert_int_equal(pthread_create(&late.thread, NULL, write_many, &late), 0);
    database_await(db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%dict.cert%'", 1, LIMIT_MS);
    assert_false(atomic_load(&late.done));
    assert_int_equal(last_id(db), WARM * MANY);
    assert_true(db_commit(conn, later(), &unknown, &err));
    db_give(conn);
    pthread_join(late.thread, NULL);
    assert_own_values(db, (WARM + 1) * MANY);
    ingest_close(late.ingest);
    cluster_fixture_close(db);
}

int main(void) {
    schema_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_believed_to_be_new_that_are_known_are_found),
        cmocka_unit_test(what_failed_leaves_no_value_and_can_be_sent_again),
        cmocka_unit_test(servers_with_the_same_new_values_at_once_store_each_once),
        cmocka_unit_test(many_values_wait_for_a_writer_under_way),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
