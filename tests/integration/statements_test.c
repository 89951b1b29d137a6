#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store/internal.h"
#include "tests/support/cluster_fixture.h"

enum { LIMIT_MS = 30 * 1000 };

static const char find_sql[] = "SELECT count(*) FROM pg_class WHERE oid = ANY ($1::oid[])";

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

static struct db_conn *begin(struct db *db) {
    struct db_conn *conn = db_take(db, later(), &err);
    if (!conn || !db_begin(conn, "", later(), &err))
        fail_msg("no transaction: %s", err.text);
    return conn;
}

static int64_t number(struct db_rows *rows) {
    if (!rows)
        fail_msg("%s", err.text);
    int64_t value = db_int(rows, 0, 0);
    db_rows_free(rows);
    return value;
}

static int64_t ask(struct db_conn *conn, const char *sql) {
    return number(db_query(conn, sql, NULL, 0, later(), &err));
}

static int64_t find(struct db_conn *conn, const char *oids) {
    struct str param = str_from(oids);
    return number(db_query_repeated(conn, find_sql, &param, 1, later(), &err));
}

/* Whether a statement with parameters would be planned for them. */
static int64_t is_planned_anew(struct db_conn *conn) {
    struct str param = STR("plan_cache_mode");
    return number(db_query(conn, "SELECT (current_setting($1) = 'auto')::integer", &param, 1, later(), &err));
}

static void a_text_that_comes_again_is_planned_once_for_all_parameters(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = begin(db);
    assert_int_equal(find(conn, "{1259}"), 1);
    assert_int_equal(ask(conn, "SELECT count(*) FROM pg_prepared_statements"), 0); /* once: perhaps never again */
    assert_int_equal(find(conn, "{1259,1247,1249}"), 3);
    assert_int_equal(find(conn, "{1}"), 0);
    assert_int_equal(find(conn, NULL), 0);
    assert_int_equal(ask(conn, "SELECT sum(generic_plans) FROM pg_prepared_statements"), 3);
    assert_int_equal(ask(conn, "SELECT sum(custom_plans) FROM pg_prepared_statements"), 0);
    db_give(conn);
    conn = begin(db); /* the same session, another transaction */
    assert_int_equal(find(conn, "{1259}"), 1);
    assert_int_equal(ask(conn, "SELECT sum(generic_plans) FROM pg_prepared_statements"), 4);
    db_give(conn);
    db_close(db);
}

static void other_statements_of_the_transaction_are_planned_for_their_parameters(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = begin(db);
    find(conn, "{1}");
    find(conn, "{2}");
    assert_int_equal(ask(conn, "SELECT (current_setting('plan_cache_mode') <> 'auto')::integer"), 1);
    assert_int_equal(is_planned_anew(conn), 1);
    find(conn, "{3}");
    assert_int_equal(ask(conn, "SELECT sum(generic_plans) FROM pg_prepared_statements"), 2);
    db_give(conn);
    db_close(db);
}

/* The savepoint takes the setting back, of which the session isn't told. */
static void a_failure_and_its_savepoint_leave_both_ways_right(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = begin(db);
    assert_true(db_exec(conn, "SAVEPOINT before", NULL, 0, later(), NULL, &err));
    find(conn, "{1}");
    find(conn, "{2}");
    struct str wrong = STR("no list");
    assert_null(db_query_repeated(conn, find_sql, &wrong, 1, later(), &err));
    assert_true(db_exec(conn, "ROLLBACK TO SAVEPOINT before", NULL, 0, later(), NULL, &err));
    assert_int_equal(find(conn, "{1259}"), 1);
    assert_int_equal(ask(conn, "SELECT sum(custom_plans) FROM pg_prepared_statements"), 0);
    assert_int_equal(is_planned_anew(conn), 1);
    db_give(conn);
    db_close(db);
}

static void a_session_keeps_the_texts_used_last_and_answers_all(void **state) {
    (void)state;
    enum { TEXTS = REPEATED_STATEMENTS + 10 };
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = begin(db);
    struct str param = STR("1");
    for (int round = 0; round < 3; round++)
        for (int t = 0; t < TEXTS; t++) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT $1::integer + %d", t);
            assert_int_equal(number(db_query_repeated(conn, sql, &param, 1, later(), &err)), t + 1);
            find(conn, "{1}"); /* never the one used longest ago */
        }
    assert_int_equal(ask(conn, "SELECT count(*) FROM pg_prepared_statements"), REPEATED_STATEMENTS);
    assert_int_equal(ask(conn, "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%ANY%'"), 3 * TEXTS - 1);
    db_give(conn);
    db_close(db);
}

/* The row of one value by the index, though a table's few rows would be read as fast. */
static void a_repeated_statement_goes_by_indexes(void **state) {
    (void)state;
    static const char sql[] = "SELECT count(*) FROM few WHERE id = ANY ($1::integer[])";
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = begin(db);
    struct str param = STR("{7}");
    assert_true(db_exec(conn, "CREATE TEMP TABLE few (id integer PRIMARY KEY)", NULL, 0, later(), NULL, &err));
    assert_true(db_exec(conn, "INSERT INTO few SELECT generate_series(1, 20)", NULL, 0, later(), NULL, &err));
    for (int round = 0; round < 3; round++)
        assert_int_equal(number(db_query_repeated(conn, sql, &param, 1, later(), &err)), 1);
    assert_true(ask(conn, "SELECT pg_stat_get_xact_numscans('few_pkey'::regclass)") >= 2);
    db_give(conn);
    db_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_comes_again_is_planned_once_for_all_parameters),
        cmocka_unit_test(other_statements_of_the_transaction_are_planned_for_their_parameters),
        cmocka_unit_test(a_failure_and_its_savepoint_leave_both_ways_right),
        cmocka_unit_test(a_session_keeps_the_texts_used_last_and_answers_all),
        cmocka_unit_test(a_repeated_statement_goes_by_indexes),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
