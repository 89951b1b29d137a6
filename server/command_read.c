/* rmmhunt devices, findings, changes: what GET /v1/… gives, on a terminal. The same handlers, without a server. */
#include <jansson.h>
#include <stdlib.h>

#include "base/url.h"
#include "handlers/format.h"
#include "handlers/list.h"
#include "handlers/routes.h"
#include "handlers/service.h"
#include "server/cli.h"
#include "server/commands.h"

enum { ARENA = 512 << 20, TARGET_CAP = 65536, FOLLOW_WAIT = 50, PRETTY_CAP = 256 << 20 };

struct reading {
    const char *command, *resource; /* "devices", "/v1/devices" */
    struct buf target;
    bool format_given, one; /* one: a path behind the resource, which answers with an object */
    bool follow;
};

/* "--tool X", "--tool=X", "--follow", or an id. */
static bool argument_read(int argc, char **argv, int *at, struct reading *reading, struct err *err) {
    const char *word = argv[*at];
    if (strcmp(word, "--follow") == 0 && strcmp(reading->command, "changes") == 0) {
        reading->follow = true;
        return true;
    }
    if (strncmp(word, "--", 2) != 0) {
        if (reading->one)
            return err_set(err, ERR_BAD_PARAMETER, "one id at a time; '%s' is too many", word);
        reading->one = true;
        return true;
    }
    const char *equals = strchr(word, '=');
    struct str name = {word + 2, equals ? (size_t)(equals - word - 2) : strlen(word) - 2};
    if (!equals && *at + 1 >= argc)
        return err_set(err, ERR_BAD_PARAMETER, "%s wants a value", word);
    const char *value = equals ? equals + 1 : argv[++*at];
    reading->format_given = reading->format_given || str_eq(name, STR("format"));
    buf_add_char(&reading->target, '&');
    for (size_t i = 0; i < name.len; i++)
        buf_add_char(&reading->target, name.ptr[i] == '-' ? '_' : name.ptr[i]);
    buf_add_char(&reading->target, '=');
    url_add_part(&reading->target, str_from(value));
    return true;
}

static bool target_build(int argc, char **argv, struct reading *reading, struct err *err) {
    buf_add_str(&reading->target, str_from(reading->resource));
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--", 2) != 0 &&
            (i == 1 || strncmp(argv[i - 1], "--", 2) != 0 || strchr(argv[i - 1], '='))) {
            buf_add_char(&reading->target, '/');
            url_add_part(&reading->target, str_from(argv[i]));
        }
    buf_add_char(&reading->target, '?');
    for (int i = 1; i < argc; i++)
        if (!argument_read(argc, argv, &i, reading, err))
            return false;
    if (!reading->one && !reading->format_given && !reading->follow)
        buf_add_str(&reading->target, STR("&format=table"));
    return !reading->target.failed || err_memory(err);
}

/* One GET; the reply's body is the caller's. */
static bool read_once(struct service *service, struct str target, struct reply *reply, struct err *err) {
    struct arena *arena = arena_new(ARENA);
    struct request request = {.method = STR("GET"), .arena = arena, .service = service};
    *reply = (struct reply){.status = 200};
    bool ok = (arena || err_memory(err)) && request_parse_target(&request, target, err) &&
              routes_find(&request, reply, err) && request.route->handler(&request, reply, err);
    arena_free(arena);
    return ok;
}

static void change_print(const json_t *change) {
    const char *device = json_string_value(json_object_get(change, "device_name"));
    const char *tool = json_string_value(json_object_get(change, "tool"));
    char *detail = json_dumps(json_object_get(change, "detail"), JSON_COMPACT);
    printf("%.19s  %-20s  %-16s  %-24s  %s\n", json_string_value(json_object_get(change, "at")),
           json_string_value(json_object_get(change, "type")), tool ? tool : "", device ? device : "",
           detail ? detail : "");
    free(detail);
}

/* Each change once, as it comes, until interrupted. */
static bool follow(struct service *service, struct reading *reading, struct err *err) {
    struct str fixed = buf_str(&reading->target);
    char *cursor = NULL;
    bool ok = true;
    while (ok) {
        BUF_AUTO target = BUF(TARGET_CAP);
        struct reply reply;
        buf_add_str(&target, fixed);
        buf_printf(&target, "&wait=%d%s%s", FOLLOW_WAIT, cursor ? "&cursor=" : "", cursor ? cursor : "");
        ok = read_once(service, buf_str(&target), &reply, err);
        json_auto_t *root = ok ? json_loadb(reply.body.ptr, reply.body.len, 0, NULL) : NULL;
        size_t index;
        const json_t *change;
        json_array_foreach(json_object_get(root, "changes"), index, change) change_print(change);
        fflush(stdout);
        free(cursor);
        const char *next = json_string_value(json_object_get(root, "next"));
        cursor = next ? strdup(next) : NULL;
        buf_free(&reply.body);
    }
    free(cursor);
    return ok;
}

static bool show(struct service *service, struct reading *reading, struct err *err) {
    struct reply reply;
    BUF_AUTO pretty = BUF(PRETTY_CAP);
    bool ok = read_once(service, buf_str(&reading->target), &reply, err);
    if (ok && reading->one)
        format_pretty(buf_str(&reply.body), &pretty);
    struct str text = pretty.len ? buf_str(&pretty) : buf_str(&reply.body);
    if (ok)
        fwrite(text.ptr, 1, text.len, stdout);
    buf_free(&reply.body);
    return ok;
}

static int command_get(int argc, char **argv, const char *resource) {
    struct reading reading = {.command = argv[0], .resource = resource, .target = BUF(TARGET_CAP)};
    struct database database = {0};
    struct service *service = calloc(1, sizeof *service);
    struct err err = {0};
    bool ok = (service || err_memory(&err)) && target_build(argc, argv, &reading, &err) && cli_open(&database, &err);
    if (ok) {
        service->db = database.db;
        ok = reading.follow ? follow(service, &reading, &err) : show(service, &reading, &err);
    }
    int code = ok ? 0 : cli_fail(argv[0], &err, STR(""));
    database_close(&database);
    buf_free(&reading.target);
    free(service);
    return code;
}

int command_devices(int argc, char **argv) {
    return command_get(argc, argv, "/v1/devices");
}

int command_findings(int argc, char **argv) {
    return command_get(argc, argv, "/v1/findings");
}

int command_changes(int argc, char **argv) {
    return command_get(argc, argv, "/v1/changes");
}
