/* Dictionary values that no event uses any more are deleted, and no commit of any server ever stores an id of one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/collect.h"
#include "store/ingest.h"
#include "store/partition.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

enum { LIMIT_MS = 60 * 1000, CAP = 8 << 20, WRITERS = 4, BODIES = 60, VALUES = 40 };

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

static void add_event(struct buf *out, unsigned day, unsigned number, unsigned value) {
    buf_printf(out,
               "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"Timestamp\":"
               "\"2026-07-%02uT01:02:03Z\",\"DeviceId\":\"d\",\"ReportId\":%u,\"SHA1\":\"%u\",\"Signer\":\"s%u\"}}\n",
               day, number, value, value);
}

static bool post(struct ingest *ingest, const struct buf *body, struct err *mine) {
    struct ingest_result result;
    bool unknown;
    return ingest_body(ingest, buf_str(body), &(struct reader_options){0}, false, later(), &result, &unknown, mine);
}

static void post_one(struct ingest *ingest, unsigned day, unsigned number, unsigned value) {
    struct err mine = {0};
    BUF_AUTO body = BUF(CAP);
    add_event(&body, day, number, value);
    if (!post(ingest, &body, &mine))
        fail_msg("%s", mine.text);
}

static bool day_drop(struct db_conn *conn, unsigned day, struct err *mine) {
    int64_t ticks;
    char text[32];
    bool unknown;
    snprintf(text, sizeof text, "2026-07-%02uT00:00:00Z", day);
    bool ok = ticks_parse(str_from(text), &ticks) && db_begin(conn, "", later(), mine) &&
              partition_drop(conn, schema_table_find(STR("DeviceFileCertificateInfo")), ticks / TICKS_DAY, later(), mine) &&
              db_commit(conn, later(), &unknown, mine);
    db_rollback(conn);
    return ok;
}

static int64_t collect(struct db *db) {
    int64_t collected = -1;
    struct db_conn *conn = db_take(db, later(), &err);
    if (!conn || !dictionary_collect(conn, &collected, &err))
        fail_msg("%s", err.text);
    db_give(conn);
    return collected;
}

static void assert_whole(struct db *db) {
    assert_int_equal(database_int(db, "SELECT count(*) FROM data.device_file_certificate_info e WHERE NOT EXISTS (SELECT FROM "
                             "dict.cert c WHERE c.id = e.cert) OR NOT EXISTS (SELECT FROM dict.file f WHERE f.id = e.file)"),
                     0);
}

static void values_go_with_their_last_event_and_come_back_under_new_ids(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(8);
    struct ingest *servers[2] = {database_ingest(db), database_ingest(db)};
    for (unsigned i = 0; i < 2; i++) { /* both know both values */
        post_one(servers[i], 10, i, 1);
        post_one(servers[i], 11, 10 + i, 2);
    }
    assert_int_equal(collect(db), 0);
    int64_t old = database_int(db, "SELECT id FROM dict.cert WHERE signer = 's1'");
    struct db_conn *conn = db_take(db, later(), &err);
    assert_true(day_drop(conn, 10, &err));
    partition_forget(conn);
    db_give(conn);
    assert_int_equal(collect(db), 2); /* the certificate and the file */
    assert_int_equal(database_int(db, "SELECT count(*) FROM dict.cert WHERE signer = 's1'"), 0);
    assert_int_equal(database_int(db, "SELECT count(*) FROM dict.cert WHERE signer = 's2'"), 1);
    for (unsigned i = 0; i < 2; i++)
        post_one(servers[i], 12, 20 + i, 1);
    assert_true(database_int(db, "SELECT id FROM dict.cert WHERE signer = 's1'") > old);
    assert_int_equal(database_int(db, "SELECT count(*) FROM events.\"DeviceFileCertificateInfo\" WHERE \"Signer\" = 's1'"), 2);
    assert_whole(db);
    ingest_close(servers[0]);
    ingest_close(servers[1]);
    cluster_fixture_close(db);
}

struct writer {
    struct ingest *ingest;
    unsigned number, events; /* of a body */
    atomic_uint *running;
    struct err failure;
};

/* The events have values that all share, mostly on the day that is dropped all the time. */
static void *write_bodies(void *argument) {
    struct writer *writer = argument;
    for (unsigned i = 0; i < BODIES; i++) {
        unsigned number = writer->number * BODIES + i;
        struct err mine = {0};
        BUF_AUTO body = BUF(CAP);
        for (unsigned e = 0; e < writer->events; e++)
            add_event(&body, number % 4 ? 10 : 11, number * VALUES + e, (number + e) % VALUES);
        if (!post(writer->ingest, &body, &mine) && mine.code != ERR_DATABASE_RETRY)
            writer->failure = mine;
    }
    atomic_fetch_sub(writer->running, 1);
    return NULL;
}

static void write_and_collect(unsigned events) {
    struct db *db = cluster_fixture_database(12);
    struct ingest *servers[2] = {database_ingest(db), database_ingest(db)};
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    atomic_uint running = WRITERS;
    int64_t collected = 0;
    post_one(servers[0], 10, 1000000, VALUES);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){servers[i % 2], i, events, &running, {0}};
        assert_int_equal(pthread_create(&threads[i], NULL, write_bodies, &writers[i]), 0);
    }
    while (atomic_load(&running)) {
        struct err mine = {0};
        struct db_conn *conn = db_take(db, later(), &mine);
        day_drop(conn, 10, &mine);
        db_give(conn);
        collected += collect(db);
        assert_whole(db);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        if (writers[i].failure.code)
            fail_msg("%s: %s", writers[i].failure.sqlstate, writers[i].failure.text);
    }
    assert_true(collected > 0);
    assert_whole(db);
    ingest_close(servers[0]);
    ingest_close(servers[1]);
    cluster_fixture_close(db);
}

static void commits_at_the_same_time_never_keep_an_id_that_is_gone(void **state) {
    (void)state;
    write_and_collect(1);
}

static void many_values_at_once_are_never_gone_either(void **state) {
    (void)state;
    write_and_collect(VALUES);
}

int main(void) {
    schema_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_with_their_last_event_and_come_back_under_new_ids),
        cmocka_unit_test(commits_at_the_same_time_never_keep_an_id_that_is_gone),
        cmocka_unit_test(many_values_at_once_are_never_gone_either),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
