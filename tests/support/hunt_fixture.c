#include "tests/support/hunt_fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/cluster_fixture.h"

enum { CAP = 256 << 20, PIECE = 2000, PATH = 8192, LIMIT_MS = 60000 };

extern char **environ;

void hunt_server_start(struct hunt_server *server) {
    *server = (struct hunt_server){.db = cluster_fixture_database(2)};
    snprintf(server->database_url, sizeof server->database_url, "%s", cluster_fixture_conninfo());
    server->server.database_url = server->database_url;
    assert_true(server_start(&server->server));
}

void hunt_server_stop(struct hunt_server *server) {
    assert_int_equal(server_stop(&server->server), 0);
    server_remove(&server->server);
    cluster_fixture_close(server->db);
}

void hunt_merge_presence(const struct hunt_server *server) {
    struct err err = {0};
    struct str most = STR("1000000");
    DB_ROWS_AUTO *rows = db_query_alone(server->db, "retention_present", &most, 1, 10000, &err);
    if (!rows)
        fail_msg("%s", err.text);
}

void hunt_lines_make(const struct estate_options *options, struct hunt_lines *lines) {
    *lines = (struct hunt_lines){.text = BUF(CAP), .estate = estate_new(options)};
    assert_non_null(lines->estate);
    while (estate_next(lines->estate, &lines->text, PIECE))
        ;
    lines->lines = calloc(estate_total(lines->estate) + 1, sizeof *lines->lines);
    assert_true(lines->lines && buf_cstr(&lines->text));
    for (const char *at = lines->text.ptr, *end; (end = strchr(at, '\n')); at = end + 1)
        lines->lines[lines->count++] = (struct str){at, (size_t)(end - at) + 1};
    assert_int_equal(lines->count, estate_total(lines->estate));
}

void hunt_lines_shuffle(struct hunt_lines *lines, uint64_t seed) {
    for (size_t i = lines->count; i > 1; i--) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t other = (size_t)((seed >> 33) % i);
        struct str kept = lines->lines[i - 1];
        lines->lines[i - 1] = lines->lines[other];
        lines->lines[other] = kept;
    }
}

void hunt_lines_free(struct hunt_lines *lines) {
    estate_free(lines->estate);
    free(lines->lines);
    buf_free(&lines->text);
}

void hunt_send(const struct server *server, const struct hunt_lines *lines, size_t from, size_t to, size_t step) {
    BUF_AUTO body = BUF(CAP);
    for (size_t i = from; i < to; i += step)
        buf_add_str(&body, lines->lines[i]);
    if (body.len)
        hunt_send_text(server, buf_cstr(&body));
}

struct answer hunt_send_again(const struct server *server, const char *ndjson) {
    int64_t deadline = mono_ms() + LIMIT_MS;
    struct answer answer = {0};
    do {
        answer_free(&answer);
        answer = server_send(server, &(struct send){.path = "/v1/events", .body = ndjson});
    } while ((answer.status == 503 || answer.status == 429) && mono_ms() < deadline);
    return answer;
}

void hunt_send_text(const struct server *server, const char *ndjson) {
    ANSWER_AUTO answer = hunt_send_again(server, ndjson);
    if (answer.status != 200)
        fail_msg("/v1/events: status %ld: %s", answer.status, answer.body ? answer.body : "");
    assert_int_equal(answer_int(&answer, "rejected"), 0);
}

void hunt_add_event(struct buf *out, const char *table, const char *device, const char *time, int report,
                    const char *more) {
    buf_printf(out, "{\"Type\":\"%s\",\"Timestamp\":\"%s\",\"DeviceId\":\"%s\",\"ReportId\":%d%s}\n", table, time,
               device, report, more);
}

void hunt_send_event(const struct server *server, const char *table, const char *device, const char *time, int report,
                     const char *more) {
    BUF_AUTO body = BUF(1 << 20);
    hunt_add_event(&body, table, device, time, report, more);
    hunt_send_text(server, buf_cstr(&body));
}

void hunt_import(const struct server *server, const char *tool, const char *word) {
    static const struct {
        const char *words, *slug, *table, *column, *operator;
    } kinds[] = {{"Create Process", "create-process", "DeviceProcessEvents", "FileName", "startswith"},
                 {"File Signature", "file-signature", "DeviceFileCertificateInfo", "Signer", "has"},
                 {"Network Connection", "network-connection", "DeviceNetworkEvents", "RemoteUrl", "has"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        BUF_AUTO body = BUF(PATH);
        buf_printf(
            &body,
            "{\"name\":\"Check - %s - %s\",\"slug\":\"%s-%s\",\"query\":\"%s | where Timestamp >= ago(5d) | where %s "
            "%s "
            "'%s' | summarize First=min(Timestamp), Last=max(Timestamp), Report=make_set(ReportId), Count=count() by "
            "DeviceId, DeviceName\"}",
            tool, kinds[i].words, word, kinds[i].slug, kinds[i].table, kinds[i].column, kinds[i].operator, word);
        ANSWER_AUTO answer =
            server_expect(server, 201, &(struct send){.path = "/v1/hunts/import", .body = buf_cstr(&body)});
        assert_string_equal(answer_text(&answer, "state"), "ready");
    }
}

struct hunt_server probe_server;

int probe_server_setup(void **state) {
    (void)state;
    hunt_server_start(&probe_server);
    hunt_import(&probe_server.server, "Probe", "probe");
    return 0;
}

int probe_and_rival_setup(void **state) {
    probe_server_setup(state);
    hunt_import(&probe_server.server, "Rival", "rival");
    return 0;
}

int probe_server_teardown(void **state) {
    (void)state;
    hunt_server_stop(&probe_server);
    return 0;
}

struct answer hunt_run(const struct server *server, const char *body) {
    return server_expect(server, 201, &(struct send){.path = "/v1/runs", .body = body, .headers = {"Prefer: wait=60"}});
}

struct answer hunt_get(const struct server *server, const char *path) {
    return server_expect(server, 200, &(struct send){.path = path});
}

json_t *hunt_walk(const struct server *server, const char *path, const char *member) {
    char page_path[PATH], cursor[PATH / 2] = "";
    json_t *all = json_array();
    do {
        snprintf(page_path, sizeof page_path, "%s%s%s", path, cursor[0] ? "&cursor=" : "", cursor);
        ANSWER_AUTO page = hunt_get(server, page_path);
        assert_int_equal(json_array_extend(all, json_object_get(page.json, member)), 0);
        snprintf(cursor, sizeof cursor, "%s", hunt_text(page.json, "next"));
    } while (cursor[0]);
    return all;
}

void hunt_expect_command(struct hunt_server *server, int code, const char *const *words, const char *wanted) {
    char *text = hunt_command(server, code, words);
    if (!strstr(text, wanted))
        fail_msg("rmmhunt %s %s: no '%s' in %s", words[0], words[1] ? words[1] : "", wanted, text);
    free(text);
}

const json_t *hunt_item(const json_t *items, const char *name, const char *value) {
    size_t index;
    const json_t *item;
    json_array_foreach(items, index, item) if (!strcmp(hunt_text(item, name), value)) return item;
    return NULL;
}

const char *hunt_text(const json_t *object, const char *path) {
    const char *text = json_string_value(json_at(object, path));
    return text ? text : "";
}

void hunt_expect_json(const json_t *root, const char *path, const char *expected) {
    const json_t *at = json_at(root, path);
    char *text = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (!text || strcmp(text, expected) != 0)
        fail_msg("%s is %s instead of %s", path, text ? text : "missing", expected);
    free(text);
}

/* What a command writes to. */
enum output { OUTPUT_ALONE, OUTPUT_WITH_ERRORS, OUTPUT_TERMINAL };

/* [0]: to read from; a terminal of 80 columns or a pipe. */
static void ends_open(enum output output, int ends[2]) {
    static const struct winsize size = {.ws_row = 24, .ws_col = 80};
    if (output != OUTPUT_TERMINAL) {
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        return;
    }
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(ends[0] >= 0);
    assert_int_equal(grantpt(ends[0]), 0);
    assert_int_equal(unlockpt(ends[0]), 0);
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(ends[1] >= 0);
    assert_int_equal(ioctl(ends[1], TIOCSWINSZ, &size), 0);
}

static pid_t command_spawn(struct hunt_server *server, const char *const *words, enum output kind, int *output) {
    enum { MOST = 16 };
    char binary[PATH], *argv[MOST] = {binary};
    const char *named = getenv("RMMHUNT_BINARY");
    size_t count = 1;
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    snprintf(binary, sizeof binary, "%s", named ? named : "build/rmmhunt");
    for (; words[count - 1] && count + 1 < MOST; count++)
        argv[count] = strdup(words[count - 1]);
    setenv("DATABASE_URL", server->database_url, 1);
    ends_open(kind, ends);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (kind == OUTPUT_WITH_ERRORS)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawnattr_t attributes; /* a shell's background job ignores SIGINT, and so would what it starts */
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &interrupt);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    assert_int_equal(posix_spawn(&child, binary, &actions, &attributes, argv, environ), 0);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    while (count > 1)
        free(argv[--count]);
    close(ends[1]);
    *output = ends[0];
    return child;
}

pid_t hunt_command_start(struct hunt_server *server, const char *const *words, int *output) {
    return command_spawn(server, words, OUTPUT_ALONE, output);
}

static char *command_read(struct hunt_server *server, int code, const char *const *words, enum output kind) {
    int output, status;
    struct buf text = BUF(CAP);
    pid_t child = command_spawn(server, words, kind, &output);
    for (ssize_t got = 1; got > 0;) {
        char *room = buf_reserve(&text, PATH);
        assert_non_null(room);
        got = read(output, room, PATH);
        text.len += got > 0 ? (size_t)got : 0;
    }
    close(output);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(buf_cstr(&text));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("rmmhunt %s: status %d: %s", words[0], status, text.ptr);
    return text.ptr;
}

char *hunt_command(struct hunt_server *server, int code, const char *const *words) {
    return command_read(server, code, words, code ? OUTPUT_WITH_ERRORS : OUTPUT_ALONE);
}

char *hunt_command_terminal(struct hunt_server *server, const char *const *words) {
    return command_read(server, 0, words, OUTPUT_TERMINAL);
}
