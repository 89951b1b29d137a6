#include "tests/support/server_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "tests/support/cluster_fixture.h"

enum { START_MS = 60000, STOP_MS = 30000, ANSWER_CAP = 256 << 20, LINE = 256, NAME = 64 };

extern char **environ;
struct server server_fixture;

/* Reads stdout until the line that names the address, or the deadline. */
static bool read_address(struct server *server) {
    char line[LINE];
    size_t length = 0;
    int64_t deadline = mono_ms() + START_MS;
    static const char prefix[] = "listening on ";
    while (length + 1 < sizeof line) {
        struct pollfd wait = {.fd = server->output, .events = POLLIN};
        if (poll(&wait, 1, ms_left(deadline)) <= 0 || read(server->output, line + length, 1) <= 0)
            break;
        if (line[length++] == '\n')
            break;
    }
    line[length] = 0;
    if (!length || line[length - 1] != '\n' || strncmp(line, prefix, sizeof prefix - 1) != 0) {
        fprintf(stderr, "the server's first line is '%s'\n", line);
        return false;
    }
    line[length - 1] = 0;
    snprintf(server->url, sizeof server->url, "%.60s", line + sizeof prefix - 1);
    return true;
}

/* Logs go to a file beside the data, to be read when a test fails. */
static bool spawn(struct server *server, int output) {
    const char *binary = getenv("RMMHUNT_BINARY");
    char program[LINE], log[LINE];
    char verb[] = "serve";
    snprintf(program, sizeof program, "%s", binary ? binary : "build/rmmhunt");
    snprintf(log, sizeof log, "%s.log", server->data);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    char *argv[] = {program, verb, NULL};
    int failed = posix_spawn(&server->pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed)
        fprintf(stderr, "%s can't be started: errno %d\n", program, failed);
    return !failed;
}

static void show_log(const struct server *server) {
    char path[LINE], line[2048];
    snprintf(path, sizeof path, "%s.log", server->data);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

bool server_start(struct server *server) {
    int ends[2];
    curl_global_init(CURL_GLOBAL_ALL);
    if (!server->data[0] && !folder_make_temporary(server->data))
        return false;
    setenv("RMMHUNT_DATA", server->data, 1);
    setenv("RMMHUNT_LISTEN", "127.0.0.1:0", 1);
    setenv("RMMHUNT_SCHEDULES", server->schedules ? "yes" : "no", 1);
    if (server->database_url)
        setenv("DATABASE_URL", server->database_url, 1);
    else
        unsetenv("DATABASE_URL");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    bool ok = spawn(server, ends[1]);
    close(ends[1]);
    server->output = ends[0];
    if (ok && read_address(server))
        return true;
    show_log(server);
    if (ok)
        server_kill(server);
    return false;
}

void server_ask_to_stop(const struct server *server) {
    kill(server->pid, SIGTERM);
}

int server_wait(struct server *server) {
    int status = 0;
    int64_t deadline = mono_ms() + STOP_MS;
    /* its end of the pipe closes when it ends */
    char drain[LINE];
    for (;;) {
        struct pollfd wait = {.fd = server->output, .events = POLLIN};
        if (poll(&wait, 1, ms_left(deadline)) <= 0) {
            kill(server->pid, SIGKILL);
            break;
        }
        if (read(server->output, drain, sizeof drain) <= 0)
            break;
    }
    close(server->output);
    waitpid(server->pid, &status, 0);
    server->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int server_stop(struct server *server) {
    server_ask_to_stop(server);
    return server_wait(server);
}

void server_kill(struct server *server) {
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    close(server->output);
    server->pid = 0;
}

void server_remove(struct server *server) {
    char log[LINE];
    snprintf(log, sizeof log, "%s.log", server->data);
    folder_remove(server->data);
    unlink(log);
    server->data[0] = 0;
}

int server_fixture_setup(void **state) {
    (void)state;
    return server_start(&server_fixture) ? 0 : -1;
}

int server_fixture_teardown(void **state) {
    (void)state;
    int code = server_fixture.pid ? server_stop(&server_fixture) : 0;
    if (code) {
        fprintf(stderr, "the server's exit code is %d\n", code);
        show_log(&server_fixture);
    }
    server_remove(&server_fixture);
    return code;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *to) {
    struct buf *buf = to;
    buf_add(buf, bytes, size * count);
    return buf->failed ? 0 : size * count;
}

struct upload {
    const char *bytes;
    size_t left;
};

static size_t give_bytes(char *to, size_t size, size_t count, void *from) {
    struct upload *upload = from;
    size_t length = size * count < upload->left ? size * count : upload->left;
    memcpy(to, upload->bytes, length);
    upload->bytes += length;
    upload->left -= length;
    return length;
}

static struct curl_slist *headers_of(const struct send *send) {
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    bool typed = false;
    for (size_t i = 0; i < 6 && send->headers[i]; i++) {
        headers = curl_slist_append(headers, send->headers[i]);
        typed = typed || !strncmp(send->headers[i], "Content-Type:", 13);
    }
    if (send->body && !typed)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    if (send->chunked)
        headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    return headers;
}

static void set_body(CURL *curl, const struct send *send, struct upload *upload) {
    const char *method = send->method ? send->method : send->body ? "POST" : "GET";
    upload->bytes = send->body;
    upload->left = send->length || !send->body ? send->length : strlen(send->body);
    if (send->chunked) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_bytes);
        curl_easy_setopt(curl, CURLOPT_READDATA, upload);
    } else if (send->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)upload->left);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, upload->bytes);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, !strcmp(method, "HEAD") ? 1L : 0L);
}

struct answer server_send(const struct server *server, const struct send *send) {
    struct answer answer = {0};
    struct upload upload;
    struct buf head = BUF(1 << 20), body = BUF(ANSWER_CAP);
    char url[4096];
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = headers_of(send);
    snprintf(url, sizeof url, "%s%s", server->url, send->path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    set_body(curl, send, &upload);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    buf_cstr(&head);
    buf_cstr(&body);
    answer.headers = head.ptr;
    answer.body = body.ptr;
    answer.length = body.len;
    if (body.ptr)
        answer.json = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, NULL);
    return answer;
}

struct answer server_expect(const struct server *server, long status, const struct send *send) {
    struct answer answer = server_send(server, send);
    if (answer.status != status)
        fail_msg("%s %s: status %ld instead of %ld: %.2000s", send->method ? send->method : "", send->path,
                 answer.status, status, answer.body ? answer.body : "");
    return answer;
}

void answer_free(struct answer *answer) {
    free(answer->headers);
    free(answer->body);
    json_decref(answer->json);
    *answer = (struct answer){0};
}

bool answer_header(const struct answer *answer, const char *name, char *out, size_t size) {
    size_t length = strlen(name);
    for (const char *line = answer->headers; line && *line;) {
        const char *end = strchr(line, '\n');
        if (!strncasecmp(line, name, length) && line[length] == ':') {
            const char *stop = end ? end : line + strlen(line);
            struct str value = str_trim((struct str){line + length + 1, (size_t)(stop - line) - length - 1});
            snprintf(out, size, "%.*s", STR_ARG(value));
            return true;
        }
        line = end ? end + 1 : NULL;
    }
    return false;
}

const json_t *json_at(const json_t *root, const char *path) {
    const json_t *at = root;
    for (const char *part = path; at && part;) {
        char name[NAME];
        const char *dot = strchr(part, '.');
        snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - part) : (int)strlen(part), part);
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10)) : json_object_get(at, name);
        part = dot ? dot + 1 : NULL;
    }
    return at;
}

const json_t *answer_at(const struct answer *answer, const char *path) {
    const json_t *at = json_at(answer->json, path);
    if (!at)
        fail_msg("no %s in %.2000s", path, answer->body ? answer->body : "no body");
    return at;
}

long long answer_int(const struct answer *answer, const char *path) {
    const json_t *at = answer_at(answer, path);
    if (!json_is_integer(at))
        fail_msg("%s is not an integer in %.2000s", path, answer->body);
    return json_integer_value(at);
}

const char *answer_text(const struct answer *answer, const char *path) {
    const json_t *at = answer_at(answer, path);
    if (!json_is_string(at))
        fail_msg("%s is not a string in %.2000s", path, answer->body);
    return json_string_value(at);
}

struct answer server_query(const struct server *server, const char *kql) {
    json_t *root = json_pack("{s:s}", "query", kql);
    char *body = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    struct answer answer = server_expect(server, 200, &(struct send){.path = "/v1/query", .body = body});
    free(body);
    return answer;
}

long long server_query_int(const struct server *server, const char *kql) {
    ANSWER_AUTO answer = server_query(server, kql);
    return answer_int(&answer, "rows.0.0");
}
