/* rmmhunt import, as it is run: files of a Storage account, packed ones, standard input, and a database that goes away
 * meanwhile. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"

extern char **environ;

enum { CAP = 64 << 20, LIMIT_MS = 60 * 1000, MANY = 200000 };

struct fixture {
    struct db *db;
    char folder[64];
};

static int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture || !folder_make_temporary(fixture->folder))
        return -1;
    fixture->db = cluster_fixture_database(2);
    setenv("DATABASE_URL", cluster_fixture_conninfo(), 1);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    folder_remove(fixture->folder);
    cluster_fixture_close(fixture->db);
    free(fixture);
    return 0;
}

static void add_record(struct buf *out, unsigned number) {
    buf_printf(out,
               "{\"category\":\"AdvancedHunting-DeviceProcessEvents\",\"properties\":{\"Timestamp\":\"2026-07-18T%02u:%02u:"
               "%02uZ\",\"DeviceId\":\"d%u\",\"ReportId\":%u,\"FileName\":\"a program that ran for some time.exe\"}}\r\n",
               number / 3600 % 24, number / 60 % 60, number % 60, number % 50, number);
}

/* Writes below the fixture's folder; the folders on the way are made. */
static void file_write(const struct fixture *fixture, const char *name, struct str bytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    for (char *slash = path + strlen(fixture->folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void file_read(const struct fixture *fixture, const char *name, struct buf *out) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    for (size_t got = 1; got;) {
        char *at = buf_reserve(out, 65536);
        got = fread(at, 1, 65536, file);
        out->len += got;
    }
    fclose(file);
    assert_non_null(buf_cstr(out));
}

/* `rmmhunt import ARGUMENTS` with its outputs in files of the folder; input NULL: none. */
static pid_t import_start(const struct fixture *fixture, char *const arguments[], const char *input) {
    char program[4096], out[128], err[128], *argv[8] = {program, (char[]){"import"}};
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(program, sizeof program, "%s", getenv("RMMHUNT_BINARY") ? getenv("RMMHUNT_BINARY") : "build/rmmhunt");
    snprintf(out, sizeof out, "%s.out", fixture->folder);
    snprintf(err, sizeof err, "%s.err", fixture->folder);
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 2] = arguments[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input ? input : "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* Its exit code, within the time limit. */
static int import_wait(pid_t pid) {
    int status = 0;
    for (int64_t deadline = mono_ms() + LIMIT_MS; waitpid(pid, &status, WNOHANG) == 0; poll(NULL, 0, 20))
        if (!ms_left(deadline)) {
            kill(pid, SIGKILL);
            fail_msg("the import doesn't end");
        }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void output_read(const struct fixture *fixture, const char *kind, struct buf *out) {
    struct fixture beside = {.db = fixture->db};
    snprintf(beside.folder, sizeof beside.folder, "/tmp");
    char name[128];
    snprintf(name, sizeof name, "%s.%s", fixture->folder + strlen("/tmp/"), kind);
    file_read(&beside, name, out);
}

static void expect_import(const struct fixture *fixture, char *const arguments[], const char *input, int code,
                          const char *summary) {
    BUF_AUTO out = BUF(CAP), err = BUF(CAP);
    int got = import_wait(import_start(fixture, arguments, input));
    output_read(fixture, "out", &out);
    output_read(fixture, "err", &err);
    if (got != code || strcmp(out.ptr, summary) != 0)
        fail_msg("exit %d: %s%s", got, out.ptr, err.ptr);
}

static void packed(struct str bytes, struct buf *gzip) {
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)bytes.ptr, .avail_in = (uInt)bytes.len};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.avail_out = (uInt)bytes.len + 1024;
    stream.next_out = (Bytef *)buf_reserve(gzip, bytes.len + 1024);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    gzip->len = stream.total_out;
    deflateEnd(&stream);
}

/* Three hours of a Storage account: plain, gzip and zstd under names that don't say so. */
static void write_account(const struct fixture *fixture) {
    BUF_AUTO first = BUF(CAP), second = BUF(CAP), third = BUF(CAP), gzip = BUF(CAP), zstd = BUF(CAP);
    add_record(&first, 1);
    add_record(&first, 2);
    add_record(&second, 3);
    add_record(&third, 4);
    packed(buf_str(&second), &gzip);
    char *at = buf_reserve(&zstd, 4096);
    zstd.len = ZSTD_compress(at, 4096, third.ptr, third.len, 3);
    file_write(fixture, "tenantId=t/y=2026/m=07/d=18/h=00/m=00/PT1H.json", buf_str(&first));
    file_write(fixture, "tenantId=t/y=2026/m=07/d=18/h=01/m=00/PT1H.json", buf_str(&gzip));
    file_write(fixture, "tenantId=t/y=2026/m=07/d=18/h=02/m=00/PT1H.json", buf_str(&zstd));
}

static void a_storage_accounts_folders_are_read_whatever_is_packed(void **state) {
    struct fixture *fixture = *state;
    write_account(fixture);
    char *folder[] = {fixture->folder, NULL};
    expect_import(fixture, folder, NULL, 0, "3 files: 4 received, 4 stored, 0 duplicate, 0 ignored, 0 rejected\n");
    expect_import(fixture, folder, NULL, 0, "3 files: 4 received, 0 stored, 4 duplicate, 0 ignored, 0 rejected\n");
    char input[512], dash[] = "-", *standard[] = {dash, NULL};
    snprintf(input, sizeof input, "%s/tenantId=t/y=2026/m=07/d=18/h=01/m=00/PT1H.json", fixture->folder);
    expect_import(fixture, standard, input, 0, "1 file: 1 received, 0 stored, 1 duplicate, 0 ignored, 0 rejected\n");
}

static void what_was_rejected_is_told_and_makes_the_exit_1(void **state) {
    struct fixture *fixture = *state;
    BUF_AUTO body = BUF(CAP), err = BUF(CAP);
    add_record(&body, 1);
    for (int i = 0; i < 7; i++)
        buf_add_str(&body, STR("{\"Type\":\"DeviceEvents\",\"DeviceId\":\"d\",\"Timestamp\":\"soon\"}\n"));
    file_write(fixture, "a.json", buf_str(&body));
    file_write(fixture, "readme.txt", STR("no events here\n"));
    char *folder[] = {fixture->folder, NULL};
    expect_import(fixture, folder, NULL, 1, "2 files: 8 received, 1 stored, 0 duplicate, 0 ignored, 7 rejected\n");
    output_read(fixture, "err", &err);
    assert_non_null(strstr(err.ptr, "a.json: record 1: bad_timestamp: Timestamp: 'soon' is not RFC 3339 (dead letter 1)"));
    assert_non_null(strstr(err.ptr, "record 5"));
    assert_null(strstr(err.ptr, "record 6"));
    assert_non_null(strstr(err.ptr, "readme.txt: nothing in the body can be read"));
    assert_int_equal(database_int(fixture->db, "SELECT sum(seen) FROM rmm.dead_letters"), 7);
}

static void local_times_take_a_zone_by_name(void **state) {
    struct fixture *fixture = *state;
    file_write(fixture, "a.csv", STR("Timestamp [Local Time],DeviceId\n\"7/18/2026, 1:00:00 AM\",d\n"));
    char *with[] = {(char[]){"--table"}, (char[]){"DeviceEvents"}, (char[]){"--tz"}, (char[]){"Europe/Berlin"},
                    fixture->folder, NULL};
    expect_import(fixture, with, NULL, 0, "1 file: 1 received, 1 stored, 0 duplicate, 0 ignored, 0 rejected\n");
    assert_int_equal(database_int(fixture->db, "SELECT ts FROM data.device_events"), 639199260000000000);
    with[3] = (char[]){"Mars/Olympus"};
    expect_import(fixture, with, NULL, 1, "0 files: 0 received, 0 stored, 0 duplicate, 0 ignored, 0 rejected\n");
}

/* The database's connections are cut and no new ones let in. */
static void database_shut(struct db *admin, const char *name, bool shut) {
    char sql[256];
    snprintf(sql, sizeof sql, "ALTER DATABASE \"%s\" ALLOW_CONNECTIONS %s", name, shut ? "false" : "true");
    database_do(admin, sql);
    snprintf(sql, sizeof sql, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '%s'", name);
    if (shut)
        database_do(admin, sql);
}

static void a_database_that_goes_away_meanwhile_costs_nothing(void **state) {
    struct fixture *fixture = *state;
    BUF_AUTO body = BUF(CAP), out = BUF(CAP), err = BUF(CAP), text = BUF(4096);
    struct err why = {0};
    for (unsigned i = 0; i < MANY; i++)
        add_record(&body, i);
    file_write(fixture, "many.json", buf_str(&body));
    const char *name = strrchr(cluster_fixture_conninfo(), '='); /* dbname= stands last */
    assert_non_null(name);
    buf_printf(&text, "%s dbname=postgres", cluster_fixture_conninfo());
    struct db *admin = db_open(&(struct db_options){buf_cstr(&text), 1}, &why);
    assert_non_null(admin);
    char database[64];
    snprintf(database, sizeof database, "%.*s", (int)strcspn(name + 1, " "), name + 1);
    char *folder[] = {fixture->folder, NULL};
    pid_t pid = import_start(fixture, folder, NULL);
    for (int64_t deadline = mono_ms() + LIMIT_MS; !database_int(fixture->db, "SELECT count(*) FROM rmm.batches");
         poll(NULL, 0, 5))
        assert_true(ms_left(deadline) > 0);
    database_shut(admin, database, true);
    for (int64_t deadline = mono_ms() + LIMIT_MS; !err.ptr || !strstr(err.ptr, "trying again"); poll(NULL, 0, 20)) {
        err.len = 0;
        output_read(fixture, "err", &err);
        assert_true(ms_left(deadline) > 0);
    }
    database_shut(admin, database, false);
    assert_int_equal(import_wait(pid), 0);
    output_read(fixture, "out", &out);
    assert_non_null(strstr(out.ptr, "1 file: 200000 received"));
    db_close(admin);
    assert_int_equal(database_int(fixture->db, "SELECT count(*) FROM data.device_process_events"), MANY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_storage_accounts_folders_are_read_whatever_is_packed, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(what_was_rejected_is_told_and_makes_the_exit_1, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(local_times_take_a_zone_by_name, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_database_that_goes_away_meanwhile_costs_nothing, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
