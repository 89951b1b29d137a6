#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/embed.h"
#include "kql/schema.h"
#include "store/cluster.h"
#include "store/migrate.h"
#include "store/partition.h"
#include "tests/support/cluster_fixture.h"

enum { LIMIT_MS = 30 * 1000, DAY = 739815 };

static struct err err;

static int64_t later(void) {
    return mono_ms() + LIMIT_MS;
}

static struct db_conn *take(struct db *db) {
    struct db_conn *conn = db_take(db, later(), &err);
    if (!conn)
        fail_msg("no connection: %s", err.text);
    return conn;
}

static int64_t ask(struct db_conn *conn, const char *sql) {
    DB_ROWS_AUTO *rows = db_query(conn, sql, NULL, 0, later(), &err);
    if (!rows)
        fail_msg("%s: %s", sql, err.text);
    return db_int(rows, 0, 0);
}

static void run(struct db_conn *conn, const char *sql) {
    if (!db_exec(conn, sql, NULL, 0, later(), NULL, &err))
        fail_msg("%s: %s", sql, err.text);
}

static void a_hung_statement_ends_at_its_deadline_and_the_pool_goes_on(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    int64_t start = mono_ms();
    assert_null(db_query(conn, "SELECT pg_sleep(60)", NULL, 0, mono_ms() + 200, &err));
    assert_int_equal(err.code, ERR_DEADLINE);
    assert_true(mono_ms() - start < 10000);
    assert_false(db_exec(conn, "SELECT 1", NULL, 0, later(), NULL, &err));
    assert_int_equal(err.code, ERR_DATABASE);
    db_give(conn);
    conn = take(db);
    assert_int_equal(ask(conn, "SELECT 7"), 7);
    while (ask(conn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"))
        assert_true(mono_ms() - start < LIMIT_MS);
    db_give(conn);
    cluster_fixture_close(db);
}

static void waiting_for_a_taken_connection_ends_at_the_deadline(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    assert_null(db_take(db, mono_ms() + 50, &err));
    assert_int_equal(err.code, ERR_DEADLINE);
    db_give(conn);
    cluster_fixture_close(db);
}

static void a_connection_that_the_server_closed_is_replaced(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    struct db_conn *a = take(db), *b = take(db);
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%lld, 10000)::int",
             (long long)ask(a, "SELECT pg_backend_pid()"));
    assert_int_equal(ask(b, sql), 1);
    db_give(b);
    db_give(a);
    a = take(db);
    b = take(db);
    assert_int_equal(ask(a, "SELECT 1") + ask(b, "SELECT 1"), 2);
    db_give(a);
    db_give(b);
    cluster_fixture_close(db);
}

static void *cancel_soon(void *argument) {
    db_cancel(argument);
    return NULL;
}

static void another_thread_can_cancel_a_statement(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, conn), 0);
    assert_false(db_exec(conn, "SELECT pg_sleep(60)", NULL, 0, later(), NULL, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    pthread_join(thread, NULL);
    db_give(conn);
    conn = take(db);
    assert_int_equal(ask(conn, "SELECT 3"), 3);
    db_give(conn);
    cluster_fixture_close(db);
}

static void a_failed_transaction_is_not_committed(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    bool unknown = true;
    assert_true(db_begin(conn, "", later(), &err));
    assert_false(db_exec(conn, "SELECT 1/0", NULL, 0, later(), NULL, &err));
    assert_string_equal(err.sqlstate, "22012");
    assert_false(db_commit(conn, later(), &unknown, &err));
    assert_false(unknown);
    db_give(conn);
    cluster_fixture_close(db);
}

static void a_connection_given_back_within_a_transaction_is_out_of_it_and_used_again(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    int64_t process = ask(conn, "SELECT pg_backend_pid()");
    assert_true(db_begin(conn, "", later(), &err));
    assert_true(db_exec(conn, "CREATE TABLE public.uncommitted ()", NULL, 0, later(), NULL, &err));
    db_give(conn);
    conn = take(db);
    assert_int_equal(ask(conn, "SELECT pg_backend_pid()"), process);
    assert_int_equal(ask(conn, "SELECT count(*) FROM pg_class WHERE relname = 'uncommitted'"), 0);
    db_give(conn);
    cluster_fixture_close(db);
}

static void copy_brings_rows_in_and_reports_bad_ones(void **state) {
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0", row[] = "\0\1\0\0\0\4\0\0\0\52\377\377";
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    run(conn, "CREATE TEMP TABLE numbers (n integer)");
    assert_true(db_copy_start(conn, "COPY pg_temp.numbers FROM STDIN (FORMAT binary)", later(), &err));
    assert_true(db_copy_data(conn, (struct str){head, 19}, later(), &err));
    assert_true(db_copy_data(conn, (struct str){row, 12}, later(), &err));
    assert_true(db_copy_end(conn, later(), &err));
    assert_int_equal(ask(conn, "SELECT n FROM pg_temp.numbers"), 42);
    assert_true(db_copy_start(conn, "COPY pg_temp.numbers FROM STDIN (FORMAT binary)", later(), &err));
    assert_true(db_copy_data(conn, STR("this is no binary copy"), later(), &err));
    assert_false(db_copy_end(conn, later(), &err));
    assert_string_equal(err.sqlstate, "22P04");
    assert_int_equal(ask(conn, "SELECT count(*) FROM pg_temp.numbers"), 1);
    db_give(conn);
    cluster_fixture_close(db);
}

static void migrating_again_changes_nothing_and_a_changed_file_is_refused(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    struct db_conn *conn = take(db);
    int64_t count = ask(conn, "SELECT count(*) FROM rmm.migrations");
    assert_true(migrate(db, later(), &err));
    assert_int_equal(ask(conn, "SELECT count(*) FROM rmm.migrations"), count);
    run(conn, "UPDATE rmm.migrations SET digest = '\\x00' WHERE number = 1");
    assert_false(migrate(db, later(), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.text, "0001_base.sql"));
    db_give(conn);
    cluster_fixture_close(db);
}

static void every_statement_fits_the_migrated_database(void **state) {
    static const char folder[] = "store/sql/";
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    int bad = 0;
    for (const struct embedded_file *file = embedded_files; file->name; file++) {
        BUF_AUTO sql = BUF(1 << 20);
        if (strncmp(file->name, folder, sizeof folder - 1) != 0)
            continue;
        buf_printf(&sql, "PREPARE statement AS %s", (const char *)file->bytes);
        if (db_exec(conn, buf_cstr(&sql), NULL, 0, later(), NULL, &err)) {
            run(conn, "DEALLOCATE statement");
        } else {
            print_error("%s: %s\n", file->name, err.text);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    db_give(conn);
    cluster_fixture_close(db);
}

static void a_newer_database_is_refused(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    struct db_conn *conn = take(db);
    run(conn, "INSERT INTO rmm.migrations (number, name, digest) VALUES (9000, '9000_later.sql', '')");
    assert_false(migrate(db, later(), &err));
    assert_non_null(strstr(err.text, "9000"));
    db_give(conn);
    cluster_fixture_close(db);
}

static void a_column_that_is_missing_is_added_and_rows_stay(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    struct db_conn *conn = take(db);
    run(conn, "DROP VIEW events.\"DeviceEvents\"");
    run(conn, "ALTER TABLE data.device_events DROP COLUMN additional_fields");
    run(conn, "INSERT INTO dict.url (digest, url) VALUES (gen_random_uuid(), 'kept')");
    run(conn, "COMMENT ON SCHEMA data IS 'an older schema'");
    if (!migrate(db, later(), &err))
        fail_msg("%s", err.text);
    assert_int_equal(ask(conn, "SELECT count(\"AdditionalFields\") FROM events.\"DeviceEvents\""), 0);
    assert_int_equal(ask(conn, "SELECT id FROM dict.url WHERE url = 'kept'"), 1);
    db_give(conn);
    cluster_fixture_close(db);
}

/* As it was before the small indexes: paths in the rows, the certificates' digest without the report. */
static void make_older(struct db_conn *conn) {
    run(conn, "DROP SCHEMA events CASCADE");
    run(conn, "ALTER TABLE data.device_process_events DROP COLUMN path, DROP COLUMN init_path, ADD COLUMN folder_path "
              "text, ADD COLUMN initiating_process_folder_path text");
    run(conn, "ALTER TABLE data.device_file_events DROP COLUMN init_path, ADD COLUMN initiating_process_folder_path text");
    run(conn, "DROP TABLE dict.path");
    run(conn, "DROP INDEX data.device_file_certificate_info_event");
    run(conn, "CREATE UNIQUE INDEX device_file_certificate_info_event ON data.device_file_certificate_info (ts, device, "
              "report_id, digest) NULLS NOT DISTINCT");
    run(conn, "DELETE FROM rmm.migrations WHERE name LIKE '%index_diet%'");
}

static void rows_of_an_older_schema_are_read_the_same_after_the_migration(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    struct db_conn *conn = take(db);
    make_older(conn);
    static const char *const names[] = {"DeviceProcessEvents", "DeviceFileEvents", "DeviceFileCertificateInfo"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(partition_ensure(conn, schema_table_find(str_from(names[i])), DAY, later(), &err));
    run(conn, "INSERT INTO data.device_process_events (ts, digest, arrived, device, folder_path, "
              "initiating_process_folder_path) VALUES (739815 * 864000000000, 1, 1, 0, 'C:\\a', 'C:\\b'), "
              "(739815 * 864000000000, 2, 2, 0, NULL, 'C:\\a')");
    run(conn, "INSERT INTO data.device_file_events (ts, digest, arrived, device, folder_path, "
              "initiating_process_folder_path) VALUES (739815 * 864000000000, 1, 1, 0, 'C:\\c', 'C:\\a')");
    run(conn, "INSERT INTO data.device_file_certificate_info (ts, digest, arrived, device, report_id) VALUES "
              "(739815 * 864000000000, 12, 1, 0, 10), (739815 * 864000000000, 12, 2, 0, NULL)");
    if (!migrate(db, later(), &err))
        fail_msg("%s", err.text);
    assert_int_equal(ask(conn, "SELECT count(*) FROM events.\"DeviceProcessEvents\" WHERE (\"FolderPath\", "
                               "\"InitiatingProcessFolderPath\") IN (('C:\\a', 'C:\\b'), ('', 'C:\\a'))"),
                     2);
    assert_int_equal(ask(conn, "SELECT count(*) FROM events.\"DeviceFileEvents\" WHERE \"FolderPath\" = 'C:\\c' AND "
                               "\"InitiatingProcessFolderPath\" = 'C:\\a'"),
                     1);
    assert_int_equal(ask(conn, "SELECT count(*) FROM dict.path"), 3); /* with the empty one */
    assert_int_equal(ask(conn, "SELECT digest FROM data.device_file_certificate_info WHERE report_id = 10"), 12 ^ 10);
    assert_int_equal(ask(conn, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'data' AND indexdef LIKE 'CREATE UNIQUE "
                               "INDEX % ON ONLY data.%(ts, device, digest)'"),
                     SCHEMA_TABLES);
    db_give(conn);
    cluster_fixture_close(db);
}

/* As it was before the times of each day's sightings were kept. */
static void make_daily(struct db_conn *conn) {
    run(conn, "DROP TABLE rmm.finding_days");
    run(conn, "ALTER TABLE rmm.ledger DROP COLUMN inexact_day");
    run(conn, "DROP FUNCTION rmm.streak_start, rmm.state_at, rmm.finding_state");
    run(conn, "CREATE FUNCTION rmm.finding_state(bigint, bigint, integer, bigint, integer, integer) RETURNS text "
              "LANGUAGE sql AS $$ SELECT '' $$");
    run(conn, "ALTER TABLE rmm.device_tools ALTER COLUMN streak_from TYPE integer");
    run(conn, "ALTER TABLE rmm.ledger_changed ALTER COLUMN old_streak TYPE integer");
    run(conn, "DELETE FROM rmm.migrations WHERE name LIKE '%finding_days%'");
}

/* As it was before lists had what states are told from. */
static void make_unflat(struct db_conn *conn) {
    make_daily(conn);
    run(conn, "DROP FUNCTION rmm.finding_streak CASCADE");
    run(conn, "ALTER TABLE rmm.findings DROP COLUMN streak_from");
    run(conn, "ALTER TABLE rmm.devices DROP COLUMN oldest_last_seen, DROP COLUMN newest_first_seen, DROP COLUMN "
              "back_since, DROP COLUMN search");
    run(conn, "DROP INDEX rmm.devices_group, rmm.devices_tools, rmm.device_tools_signals, rmm.changes_type, "
              "rmm.changes_tool");
    run(conn, "CREATE INDEX devices_last_seen ON rmm.devices (last_seen, device)");
    run(conn, "DROP INDEX rmm.devices_name");
    run(conn, "CREATE INDEX devices_name ON rmm.devices (device_name, device)");
    run(conn, "DELETE FROM rmm.migrations WHERE name LIKE '%flat_lists%'");
}

/* Two tools on a device, one of them back after a month; times in days. */
static void devices_of_an_older_schema_get_what_their_states_are_told_from(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    struct db_conn *conn = take(db);
    make_unflat(conn);
    run(conn, "INSERT INTO rmm.findings (device, tool, signal, first_seen, last_seen, count, days) VALUES "
              "(1, 'A', 'process', 100 * 864000000000, 140 * 864000000000, 2, '{[100,101),[140,141)}'), "
              "(1, 'B', 'process', 120 * 864000000000, 125 * 864000000000, 2, '{[120,121),[125,126)}')");
    run(conn, "INSERT INTO rmm.device_tools (device, tool, first_seen, last_seen, count, signals, streak_from, told) "
              "SELECT device, tool, first_seen, last_seen, count, ARRAY[signal], CASE tool WHEN 'A' THEN 140 ELSE 120 END, 1 "
              "FROM rmm.findings");
    run(conn, "INSERT INTO rmm.devices (device, device_id, device_name, machine_group, first_seen, last_seen, tools) "
              "VALUES (1, 'ID', 'Name', '', 100 * 864000000000, 140 * 864000000000, 2)");
    if (!migrate(db, later(), &err))
        fail_msg("%s", err.text);
    assert_int_equal(ask(conn, "SELECT streak_from / 864000000000 FROM rmm.findings WHERE tool = 'A'"), 140);
    assert_int_equal(ask(conn, "SELECT streak_from / 864000000000 FROM rmm.findings WHERE tool = 'B'"), 120);
    run(conn, "UPDATE rmm.findings SET days = days + '{[160,161)}' WHERE tool = 'B'");
    assert_int_equal(ask(conn, "SELECT streak_from / 864000000000 FROM rmm.findings WHERE tool = 'B'"), 160);
    assert_int_equal(ask(conn, "SELECT count(*) FROM rmm.devices WHERE oldest_last_seen = 125 * 864000000000 AND "
                               "newest_first_seen = 120 * 864000000000 AND back_since = 140 * 864000000000 AND search = 'name id'"),
                     1);
    assert_int_equal(ask(conn, "SELECT inexact_day FROM rmm.ledger"), 140);
    db_give(conn);
    cluster_fixture_close(db);
}

/* As it was before old names were looked for. */
static void a_device_of_an_older_schema_is_found_by_the_names_it_had(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(2);
    struct db_conn *conn = take(db);
    run(conn, "ALTER TABLE rmm.devices DROP COLUMN search");
    run(conn, "ALTER TABLE rmm.devices ADD COLUMN search text NOT NULL GENERATED ALWAYS AS (lower(device_name || ' ' || device_id)) STORED");
    run(conn, "DELETE FROM rmm.migrations WHERE name LIKE '%all_names%'");
    run(conn, "INSERT INTO rmm.devices (device, device_id, device_name, machine_group, first_seen, last_seen, tools, oldest_last_seen, "
              "newest_first_seen) VALUES (1, 'ID1', 'New', '', 1, 2, 1, 2, 1), (2, 'ID2', '', '', 1, 2, 1, 2, 1)");
    run(conn, "INSERT INTO rmm.facts (device, tool, signal, kind, key, value, first_seen, last_seen) SELECT 1, tool, 'process', "
              "'device_name', gen_random_uuid(), name, 1, seen FROM (VALUES ('A', 'Old', 1), ('A', 'New', 2), ('B', 'New', 1)) "
              "v (tool, name, seen)");
    if (!migrate(db, later(), &err))
        fail_msg("%s", err.text);
    assert_int_equal(ask(conn, "SELECT count(*) FROM rmm.devices WHERE search = E'new\nold\nid1' OR search = ' id2'"), 2);
    run(conn, "UPDATE rmm.devices SET search = 'x'"); /* the column is the ledger's now */
    db_give(conn);
    cluster_fixture_close(db);
}

/* Ends of the range, midnights, digits behind the second. */
static void times_are_written_as_kusto_writes_them(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    static const int64_t ticks[] = {0, 1, TICKS_DAY - 1, TICKS_DAY, TICKS_UNIX, TICKS_UNIX + 1234567, TICKS_MAX};
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        char text[TICKS_TEXT], number[24];
        ticks_print(ticks[i], text);
        snprintf(number, sizeof number, "%" PRId64, ticks[i]);
        struct str param = str_from(number);
        DB_ROWS_AUTO *rows = db_query(conn, "SELECT kql.ticks_text($1::bigint)", &param, 1, later(), &err);
        assert_non_null(rows);
        assert_true(str_eq(db_text(rows, 0, 0), str_from(text)));
    }
    db_give(conn);
    cluster_fixture_close(db);
}

static void an_event_is_seen_with_its_own_time_in_the_view(void **state) {
    (void)state;
    struct db *db = cluster_fixture_database(1);
    struct db_conn *conn = take(db);
    assert_true(partition_ensure(conn, schema_table_find(STR("DeviceEvents")), DAY, later(), &err));
    run(conn, "INSERT INTO data.device_events (ts, digest, arrived, device) VALUES (739815 * 864000000000 + 10000000, "
              "1, 1, 0)");
    assert_int_equal(ask(conn, "SELECT extract(epoch FROM \"Timestamp\")::bigint FROM events.\"DeviceEvents\""),
                     (DAY * TICKS_DAY + TICKS_SECOND - TICKS_UNIX) / TICKS_SECOND);
    assert_false(db_exec(conn, "INSERT INTO data.device_events (ts, digest, arrived, device) SELECT ts, digest, 2, "
                               "device FROM data.device_events",
                         NULL, 0, later(), NULL, &err));
    assert_string_equal(err.sqlstate, "23505");
    db_give(conn);
    cluster_fixture_close(db);
}

static void *partitions_make(void *argument) {
    struct err mine = {0};
    struct db_options options = {argument, 1};
    struct db *db = db_open(&options, &mine);
    struct db_conn *conn = db ? db_take(db, later(), &mine) : NULL;
    bool ok = conn != NULL;
    for (int64_t day = DAY; ok && day < DAY + 30; day++)
        ok = partition_ensure(conn, &schema_tables()[0], day, later(), &mine);
    db_give(conn);
    db_close(db);
    if (!ok)
        fprintf(stderr, "%s %s\n", mine.sqlstate, mine.text);
    return ok ? argument : NULL;
}

static void servers_that_make_the_same_partitions_at_once_all_succeed(void **state) {
    enum { SERVERS = 4 };
    (void)state;
    pthread_t threads[SERVERS];
    struct db *db = cluster_fixture_database(1);
    union {
        const char *in;
        void *out;
    } conninfo = {.in = cluster_fixture_conninfo()};
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, partitions_make, conninfo.out), 0);
    for (int i = 0; i < SERVERS; i++) {
        void *done = NULL;
        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
    struct db_conn *conn = take(db);
    assert_int_equal(ask(conn, "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                               "WHERE c.relkind = 'r'"),
                     30);
    db_give(conn);
    cluster_fixture_close(db);
}

static struct cluster *open_cluster(const char *folder, bool own) {
    struct cluster *cluster = cluster_open(folder, own, &err);
    if (!cluster)
        fail_msg("%s", err.text);
    return cluster;
}

static void a_second_server_on_a_folder_is_refused_and_a_tool_joins(void **state) {
    char folder[64];
    (void)state;
    assert_true(folder_make_temporary(folder));
    struct cluster *server = open_cluster(folder, true);
    assert_null(cluster_open(folder, true, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.text, folder));
    struct cluster *tool = open_cluster(folder, false);
    assert_int_equal(cluster_pid(tool), cluster_pid(server));
    cluster_close(tool);
    assert_int_equal(kill(cluster_pid(server), 0), 0);
    int pid = cluster_pid(server);
    cluster_close(server);
    assert_int_not_equal(kill(pid, 0), 0);
    folder_remove(folder);
}

static void the_last_tool_stops_what_the_first_has_started(void **state) {
    char folder[64];
    (void)state;
    assert_true(folder_make_temporary(folder));
    struct cluster *first = open_cluster(folder, false), *second = open_cluster(folder, false);
    int pid = cluster_pid(first);
    assert_int_equal(cluster_pid(second), pid);
    cluster_close(first);
    assert_int_equal(kill(pid, 0), 0);
    struct cluster *server = open_cluster(folder, true);
    cluster_close(second);
    assert_int_equal(kill(pid, 0), 0);
    cluster_close(server);
    assert_int_not_equal(kill(pid, 0), 0);
    first = open_cluster(folder, false);
    second = open_cluster(folder, false);
    pid = cluster_pid(first);
    cluster_close(first);
    cluster_close(second);
    assert_int_not_equal(kill(pid, 0), 0);
    folder_remove(folder);
}

/* What a command does with the folder: 0, or 1 when PostgreSQL went away under it. */
static int tool_live(const char *folder) {
    struct err mine = {0};
    struct cluster *cluster = cluster_open(folder, false, &mine);
    struct db_options options = {cluster ? cluster_conninfo(cluster) : "", 2};
    struct db *db = cluster ? db_open(&options, &mine) : NULL;
    struct db_conn *conn = db ? db_take(db, later(), &mine) : NULL;
    bool ok = conn && db_exec(conn, "SELECT pg_sleep(random() / 20)", NULL, 0, later(), NULL, &mine);
    if (!ok)
        fprintf(stderr, "%s\n", mine.text);
    db_give(conn);
    db_close(db);
    cluster_close(cluster);
    return ok ? 0 : 1;
}

static void tools_and_servers_that_come_and_go_at_once_leave_each_other_postgresql(void **state) {
    enum { TOOLS = 5, ROUNDS = 6 };
    char folder[64];
    int status;
    (void)state;
    assert_true(folder_make_temporary(folder));
    cluster_close(open_cluster(folder, false));
    for (int round = 0; round < ROUNDS; round++) {
        pid_t tools[TOOLS];
        for (int i = 0; i < TOOLS; i++)
            if ((tools[i] = fork()) == 0)
                _exit(tool_live(folder));
        if (round % 2 == 1) /* its start isn't refused, whatever the tools do */
            cluster_close(open_cluster(folder, true));
        for (int i = 0; i < TOOLS; i++) {
            assert_int_equal(waitpid(tools[i], &status, 0), tools[i]);
            if (round % 2 == 0) /* a server that stops takes its PostgreSQL along */
                assert_int_equal(status, 0);
        }
    }
    folder_remove(folder);
}

static void a_server_killed_outright_leaves_a_postgresql_that_the_next_one_takes_over(void **state) {
    char folder[64];
    int pid = 0, status = 0, pipe_fds[2];
    (void)state;
    assert_true(folder_make_temporary(folder));
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct err mine = {0};
        struct cluster *lost = cluster_open(folder, true, &mine);
        int started = lost ? cluster_pid(lost) : 0;
        if (write(pipe_fds[1], &started, sizeof started) == sizeof started)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(read(pipe_fds[0], &pid, sizeof pid), sizeof pid);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && pid > 0);
    struct cluster *next = open_cluster(folder, true);
    assert_int_equal(cluster_pid(next), pid);
    cluster_close(next);
    folder_remove(folder);
}

static void a_pid_file_that_names_another_program_is_no_hindrance(void **state) {
    char folder[64], path[96];
    (void)state;
    assert_true(folder_make_temporary(folder));
    cluster_close(open_cluster(folder, true));
    pid_t other = fork();
    if (other == 0) {
        pause();
        _exit(0);
    }
    snprintf(path, sizeof path, "%s/pg/postmaster.pid", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%d\n%s/pg\n1\n5432\n", (int)other, folder);
    fclose(file);
    struct cluster *cluster = open_cluster(folder, true);
    assert_int_not_equal(cluster_pid(cluster), other);
    assert_int_equal(kill(other, 0), 0);
    cluster_close(cluster);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    folder_remove(folder);
}

static void a_half_made_cluster_is_made_anew(void **state) {
    char folder[64], path[96], fresh[96];
    (void)state;
    assert_true(folder_make_temporary(folder));
    cluster_close(open_cluster(folder, true));
    snprintf(path, sizeof path, "%s/pg", folder);
    snprintf(fresh, sizeof fresh, "%s/pg.new", folder);
    assert_int_equal(rename(path, fresh), 0);
    snprintf(path, sizeof path, "%s/pg.new/PG_VERSION", folder);
    assert_int_equal(unlink(path), 0);
    cluster_close(open_cluster(folder, true));
    assert_int_not_equal(access(fresh, F_OK), 0);
    folder_remove(folder);
}

/* Only root could give the folder away; anyone else uses their own folder beside what is in it. */
static void a_folder_with_other_things_in_it_keeps_its_owner(void **state) {
    char folder[64], path[96];
    struct stat before, after;
    (void)state;
    assert_true(folder_make_temporary(folder));
    snprintf(path, sizeof path, "%s/other", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(stat(folder, &before), 0);
    struct cluster *cluster = cluster_open(folder, true, &err);
    assert_int_equal(cluster != NULL, geteuid() != 0);
    if (!cluster)
        assert_int_equal(err.code, ERR_CONFIG);
    cluster_close(cluster);
    assert_int_equal(stat(folder, &after), 0);
    assert_int_equal(before.st_uid, after.st_uid);
    assert_int_equal(access(path, F_OK), 0);
    folder_remove(folder);
}

static void a_folder_too_deep_for_a_socket_works_all_the_same(void **state) {
    char folder[64], deep[256];
    (void)state;
    assert_true(folder_make_temporary(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    snprintf(deep, sizeof deep, "%s/%0120d", folder, 7);
    struct cluster *cluster = open_cluster(deep, true);
    assert_non_null(strstr(cluster_conninfo(cluster), "host='/tmp/rmmhunt-"));
    cluster_close(cluster);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hung_statement_ends_at_its_deadline_and_the_pool_goes_on),
        cmocka_unit_test(waiting_for_a_taken_connection_ends_at_the_deadline),
        cmocka_unit_test(a_connection_that_the_server_closed_is_replaced),
        cmocka_unit_test(another_thread_can_cancel_a_statement),
        cmocka_unit_test(a_failed_transaction_is_not_committed),
        cmocka_unit_test(a_connection_given_back_within_a_transaction_is_out_of_it_and_used_again),
        cmocka_unit_test(copy_brings_rows_in_and_reports_bad_ones),
        cmocka_unit_test(migrating_again_changes_nothing_and_a_changed_file_is_refused),
        cmocka_unit_test(every_statement_fits_the_migrated_database),
        cmocka_unit_test(a_newer_database_is_refused),
        cmocka_unit_test(a_column_that_is_missing_is_added_and_rows_stay),
        cmocka_unit_test(rows_of_an_older_schema_are_read_the_same_after_the_migration),
        cmocka_unit_test(a_device_of_an_older_schema_is_found_by_the_names_it_had),
        cmocka_unit_test(devices_of_an_older_schema_get_what_their_states_are_told_from),
        cmocka_unit_test(times_are_written_as_kusto_writes_them),
        cmocka_unit_test(an_event_is_seen_with_its_own_time_in_the_view),
        cmocka_unit_test(servers_that_make_the_same_partitions_at_once_all_succeed),
        cmocka_unit_test(a_second_server_on_a_folder_is_refused_and_a_tool_joins),
        cmocka_unit_test(the_last_tool_stops_what_the_first_has_started),
        cmocka_unit_test(tools_and_servers_that_come_and_go_at_once_leave_each_other_postgresql),
        cmocka_unit_test(a_server_killed_outright_leaves_a_postgresql_that_the_next_one_takes_over),
        cmocka_unit_test(a_pid_file_that_names_another_program_is_no_hindrance),
        cmocka_unit_test(a_half_made_cluster_is_made_anew),
        cmocka_unit_test(a_folder_with_other_things_in_it_keeps_its_owner),
        cmocka_unit_test(a_folder_too_deep_for_a_socket_works_all_the_same),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
