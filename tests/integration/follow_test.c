/* rmmhunt changes --follow: what comes is shown as it comes, whatever becomes of the database meanwhile. */
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
#include "tests/support/cluster_fixture.h"
#include "tests/support/database.h"
#include "tests/support/hunt_fixture.h"

enum { FOLLOW_MS = 30000 };

/* The probe on a device of that name, found. */
static void find_probe(const char *device, const char *name) {
    char more[256];
    snprintf(more, sizeof more, ",\"FileName\":\"probe.exe\",\"DeviceName\":\"%s\"", name);
    hunt_send_event(&probe_server.server, "DeviceProcessEvents", device, "2026-07-18T10:00:00Z", 1, more);
    ANSWER_AUTO run = hunt_run(&probe_server.server, "{\"tool\":\"Probe\",\"as_of\":\"2026-07-20T00:00:00Z\"}");
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
    pid_t child = hunt_command_start(&probe_server, WORDS("changes", "--follow", "--tool=Probe"), &output);
    find_probe("d1", "first.pc");
    expect_line(output, "first.pc");
    find_probe("d2", "second.pc");
    expect_line(output, "second.pc");
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(output);
}

static void following_refuses_what_it_sets_itself_and_starts_at_a_cursor(void **state) {
    int output, status;
    (void)state;
    hunt_expect_command(&probe_server, 2, WORDS("changes", "--follow", "--format=csv"), "");
    hunt_expect_command(&probe_server, 2, WORDS("changes", "--follow", "--wait", "2"), "");
    hunt_expect_command(&probe_server, 1, WORDS("changes", "--follow", "--cursor", "nonsense"), "");
    find_probe("d1", "first.pc");
    ANSWER_AUTO end = hunt_get(&probe_server.server, "/v1/changes?latest");
    pid_t child =
        hunt_command_start(&probe_server, WORDS("changes", "--follow", "--format=ndjson", "--cursor", answer_text(&end, "next")), &output);
    find_probe("d2", "second.\\u001b[2J");
    char *text = read_line(output, "\n");
    assert_null(strstr(text, "first.pc"));
    assert_non_null(strstr(text, "\"device_id\":\"d2\""));
    free(text);
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(output);
}

/* The command's stderr in *errors. */
static pid_t command_start(const char *const *words, int *output, int *errors) {
    int ends[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    pid_t child = hunt_command_start(&probe_server, words, output);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    *errors = ends[0];
    return child;
}

static void following_goes_on_when_the_database_is_back_and_never_drives_the_terminal(void **state) {
    int output, errors, status;
    (void)state;
    pid_t child = command_start(WORDS("changes", "--follow", "--tool=Probe"), &output, &errors);
    find_probe("d1", "first.\\u001b[2Jpc");
    expect_line(output, "first.\xC2\xB7[2Jpc");
    database_int(probe_server.db, "UPDATE pg_database SET datallowconn = false WHERE datname = current_database() RETURNING 1");
    database_int(probe_server.db, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                          "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    expect_line(errors, "rmmhunt changes: ");
    database_int(probe_server.db, "UPDATE pg_database SET datallowconn = true WHERE datname = current_database() RETURNING 1");
    expect_line(errors, "going on");
    find_probe("d2", "second.pc");
    char *text = read_line(output, "second.pc");
    assert_null(strstr(text, "first.")); /* and none twice */
    free(text);
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(output);
    close(errors);
}

static void a_list_that_was_cut_says_where_it_goes_on(void **state) {
    int output, errors, status;
    (void)state;
    find_probe("d1", "first.pc");
    find_probe("d2", "second.pc");
    pid_t child = command_start(WORDS("devices", "--sort=device_id", "--limit=1"), &output, &errors);
    char *line = read_line(errors, "goes on here");
    assert_int_equal(waitpid(child, &status, 0), child);
    char *place = strstr(line, "there is more") ? strstr(line, "--cursor ") : NULL;
    assert_non_null(place);
    place[strcspn(place + 9, " ") + 9] = '\0';
    hunt_expect_command(&probe_server, 0, WORDS("devices", "--sort=device_id", "--limit=1", "--cursor", place + 9), "d2");
    free(line);
    close(output);
    close(errors);
}

/* Of the first line. */
static size_t characters(const char *text) {
    size_t count = 0;
    for (; *text && *text != '\n'; text++)
        count += (*text & 0xC0) != 0x80;
    return count;
}

static pid_t follow_at(const char *columns, int *output) {
    setenv("COLUMNS", columns, 1);
    pid_t child = hunt_command_start(&probe_server, WORDS("changes", "--follow", "--tool=Probe"), output);
    unsetenv("COLUMNS");
    return child;
}

static void a_name_that_was_sent_makes_no_line_of_its_own_and_fits_the_terminal(void **state) {
    static const char *const columns[] = {"", "80", "120"};
    (void)state;
    find_probe("d1", "e\\u001b]0;pwn\\u0007\\nX-workstation-with-a-very-long-name.finance.emea.corp.example");
    find_probe("d2", "second.pc");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        int output, status;
        size_t limit = columns[i][0] ? strtoul(columns[i], NULL, 10) : SIZE_MAX;
        pid_t child = follow_at(columns[i], &output);
        char *text = read_line(output, "second.pc");
        assert_int_equal(strncmp(text, "at  ", 4), 0);
        assert_non_null(strstr(text, "device_name"));
        assert_non_null(strstr(text, "e\xC2\xB7]0;pwn\xC2\xB7\xC2\xB7X"));
        for (const char *line = text; *line; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
            if (characters(line) > limit)
                fail_msg("at %s columns: %s", columns[i], line);
        free(text);
        assert_int_equal(kill(child, SIGINT), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        close(output);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, probe_server_setup, probe_server_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(changes_are_followed_as_they_come),
        TEST(following_refuses_what_it_sets_itself_and_starts_at_a_cursor),
        TEST(a_name_that_was_sent_makes_no_line_of_its_own_and_fits_the_terminal),
        TEST(a_list_that_was_cut_says_where_it_goes_on),
        TEST(following_goes_on_when_the_database_is_back_and_never_drives_the_terminal),
    };
    return cmocka_run_group_tests(tests, cluster_fixture_start, cluster_fixture_stop);
}
