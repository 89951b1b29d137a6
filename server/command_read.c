/* rmmhunt devices, findings, changes, coverage, diff: what GET /v1/… gives, on a terminal. The same handlers, without a server. */
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/url.h"
#include "handlers/format.h"
#include "handlers/list.h"
#include "handlers/routes.h"
#include "handlers/service.h"
#include "server/cli.h"
#include "server/commands.h"

enum {
    ARENA = 512 << 20,
    TARGET_CAP = 65536,
    FOLLOW_WAIT = 50,
    RETRY_MS = 1000,
    PRETTY_CAP = 256 << 20,
    CHANGE_COLUMNS = 5,
    LINE_CAP = 1 << 20
};

struct reading {
    const char *command, *resource; /* "devices", "/v1/devices" */
    struct buf target;
    const char *format, *cursor, *wait; /* as given; NULL: not */
    bool one; /* a path behind the resource, which answers with an object */
    char *next; /* where the list goes on; NULL: it ended */
    bool follow;
};

static void parameter_add(struct buf *target, const char *name, const char *value) {
    buf_printf(target, "&%s=", name);
    url_add_part(target, str_from(value));
}

/* Parameters that --follow sets by itself are kept apart. */
static const char **parameter_apart(struct reading *reading, struct str name) {
    return str_eq(name, STR("format"))   ? &reading->format
           : str_eq(name, STR("cursor")) ? &reading->cursor
           : str_eq(name, STR("wait"))   ? &reading->wait
                                         : NULL;
}

/* What a word without "--" is: NULL: a path behind the resource, else a parameter of the list. */
static const char *word_parameter(const struct reading *reading, const char *word) {
    return strcmp(reading->command, "findings") == 0                                  ? "device"
           : strcmp(reading->command, "changes") == 0                                 ? "tool"
           : strcmp(reading->command, "coverage") == 0 && strcmp(word, "silent") != 0 ? "table"
                                                                                      : NULL;
}

/* Whether any route of the resource takes the parameter that the flag stands for. */
static bool flag_known(const struct reading *reading, const char *word) {
    char name[64];
    size_t length = strcspn(word + 2, "=");
    snprintf(name, sizeof name, ",%.*s,", (int)length, word + 2);
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : *at;
    for (size_t i = 0; i < routes_count(); i++) {
        char list[512];
        const struct route *route = routes_at(i);
        snprintf(list, sizeof list, ",%s,", route->parameters);
        if (str_starts(str_from(route->pattern), str_from(reading->resource)) && strstr(list, name))
            return true;
    }
    return false;
}

/* "--tool X", "--tool=X", "--follow", "--latest", or an id. */
static bool argument_read(int argc, char **argv, int *at, struct reading *reading, struct err *err) {
    const char *word = argv[*at];
    if (strcmp(word, "--follow") == 0 && strcmp(reading->command, "changes") == 0) {
        reading->follow = true;
        return true;
    }
    if (strcmp(word, "--latest") == 0) {
        buf_add_str(&reading->target, STR("&latest"));
        return true;
    }
    if (strncmp(word, "--", 2) != 0 && word_parameter(reading, word)) {
        parameter_add(&reading->target, word_parameter(reading, word), word);
        return true;
    }
    if (strncmp(word, "--", 2) != 0) {
        if (reading->one)
            return err_set(err, ERR_BAD_PARAMETER, "one id at a time; '%s' is too many", word);
        reading->one = true;
        return true;
    }
    if (!flag_known(reading, word))
        return err_set(err, ERR_BAD_PARAMETER, "there is no flag %s; 'rmmhunt %s --help' lists them", word,
                       reading->command);
    const char *equals = strchr(word, '=');
    struct str name = {word + 2, equals ? (size_t)(equals - word - 2) : strlen(word) - 2};
    if (!equals && *at + 1 >= argc)
        return err_set(err, ERR_BAD_PARAMETER, "%s wants a value", word);
    const char *value = equals ? equals + 1 : argv[++*at], **apart = parameter_apart(reading, name);
    if (apart) {
        *apart = value;
        return true;
    }
    buf_add_char(&reading->target, '&');
    for (size_t i = 0; i < name.len; i++)
        buf_add_char(&reading->target, name.ptr[i] == '-' ? '_' : name.ptr[i]);
    buf_add_char(&reading->target, '=');
    url_add_part(&reading->target, str_from(value));
    return true;
}

/* What was kept apart, for one answer; a list is a table unless told otherwise. */
static bool target_end(struct reading *reading, struct err *err) {
    bool lines = !reading->format || !strcmp(reading->format, "table") || !strcmp(reading->format, "ndjson");
    if (reading->follow && (!lines || reading->wait))
        return err_set(err, ERR_BAD_PARAMETER, "--follow waits by itself, and its --format is table or ndjson");
    reading->one = reading->one && strcmp(reading->command, "coverage") != 0; /* "coverage silent" is a list */
    if (!reading->follow) {
        if (reading->one && !reading->format)
            reading->format = isatty(STDOUT_FILENO) ? "table" : "json";
        parameter_add(&reading->target, "format", reading->format ? reading->format : "table");
        if (reading->cursor)
            parameter_add(&reading->target, "cursor", reading->cursor);
        if (reading->wait)
            parameter_add(&reading->target, "wait", reading->wait);
    }
    return !reading->target.failed || err_memory(err);
}

static bool target_build(int argc, char **argv, struct reading *reading, struct err *err) {
    buf_add_str(&reading->target, str_from(reading->resource));
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--", 2) != 0 && !word_parameter(reading, argv[i]) &&
            (i == 1 || strncmp(argv[i - 1], "--", 2) != 0 || strchr(argv[i - 1], '='))) {
            buf_add_char(&reading->target, '/');
            url_add_part(&reading->target, str_from(argv[i]));
        }
    buf_add_char(&reading->target, '?');
    for (int i = 1; i < argc; i++)
        if (!argument_read(argc, argv, &i, reading, err))
            return false;
    return target_end(reading, err);
}

/* The cursor in Link: </v1/…?cursor=X&…>, for the caller to free. */
static char *next_copy(const struct reply *reply) {
    for (size_t i = 0; i < reply->header_count; i++) {
        const char *cursor = strcmp(reply->headers[i].name.ptr, "Link") == 0 ? strstr(reply->headers[i].value.ptr, "cursor=") : NULL;
        if (cursor)
            return strndup(cursor + 7, strcspn(cursor + 7, "&>"));
    }
    return NULL;
}

/* One GET; the reply's body and *next, unless NULL is given, are the caller's. */
static bool read_once(struct service *service, struct str target, struct reply *reply, char **next, struct err *err) {
    struct arena *arena = arena_new(ARENA);
    struct request request = {.method = STR("GET"), .arena = arena, .service = service, .width = cli_width()};
    *reply = (struct reply){.status = 200};
    bool ok = (arena || err_memory(err)) && request_parse_target(&request, target, err) &&
              routes_find(&request, reply, err) && request.route->handler(&request, reply, err);
    if (ok && next)
        *next = next_copy(reply);
    arena_free(arena);
    return ok;
}

static struct str change_text(const json_t *change, const char *member) {
    const json_t *value = json_object_get(change, member);
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)} : STR("");
}

/* In a terminal they share its line, and the summary goes where there is no room; else nothing is cut. */
static void change_line(const struct str cells[CHANGE_COLUMNS]) {
    enum { TIME = 19, TYPE = 20, TOOL = 12, DEVICE = 22, NARROWEST = 8, GAPS = 2 * (CHANGE_COLUMNS - 1) };
    size_t widths[CHANGE_COLUMNS] = {TIME, TYPE, TOOL, DEVICE, NARROWEST}, line = cli_width(), count = CHANGE_COLUMNS;
    BUF_AUTO out = BUF(LINE_CAP);
    if (line >= TIME + TYPE + TOOL + DEVICE + NARROWEST + GAPS) {
        widths[4] = line - (TIME + TYPE + TOOL + DEVICE + GAPS);
    } else if (line) {
        size_t taken = TIME + TYPE + TOOL + GAPS - 2;
        widths[3] = line > taken + NARROWEST ? line - taken : NARROWEST;
        count--;
    }
    for (size_t c = 1; !line && c < count; c++)
        widths[c] = cells[c].len > widths[c] ? cells[c].len : widths[c];
    format_table_line(&out, cells, widths, count);
    cli_print(buf_str(&out));
}

static void change_print(const json_t *change, bool ndjson) {
    if (ndjson) {
        char *text = json_dumps(change, JSON_COMPACT);
        printf("%s\n", text ? text : "");
        free(text);
        return;
    }
    struct str at = change_text(change, "at");
    at.len = at.len > 19 ? 19 : at.len;
    change_line((struct str[CHANGE_COLUMNS]){at, change_text(change, "type"), change_text(change, "tool"),
                                             change_text(change, "device_name"), change_text(change, "summary")});
}

/* The reply's changes, and where to go on: in *cursor, which the caller frees. */
static void changes_print(const struct reply *reply, bool ndjson, char **cursor) {
    json_auto_t *root = json_loadb(reply->body.ptr, reply->body.len, 0, NULL);
    const char *next = json_string_value(json_object_get(root, "next"));
    size_t index;
    const json_t *change;
    if (json_is_true(json_object_get(root, "gap")))
        cli_say(stderr, "rmmhunt changes: some changes were deleted before they were seen (--change-retention)\n");
    json_array_foreach(json_object_get(root, "changes"), index, change) change_print(change, ndjson);
    fflush(stdout);
    char *copy = next ? strdup(next) : NULL;
    if (copy) {
        free(*cursor);
        *cursor = copy;
    }
}

/* Each change once, as it comes, until interrupted. While the database is away it is asked again; the first look, then
 * too, doesn't wait, so that there is a place to go on from. */
static bool follow(struct service *service, struct reading *reading, struct err *err) {
    struct str fixed = buf_str(&reading->target);
    char *cursor = reading->cursor ? strdup(reading->cursor) : NULL;
    bool ndjson = reading->format && !strcmp(reading->format, "ndjson"), away = false, ok = true;
    if (!ndjson)
        change_line(
            (struct str[CHANGE_COLUMNS]){STR("at"), STR("type"), STR("tool"), STR("device_name"), STR("summary")});
    fflush(stdout);
    for (int wait = 0; ok && !ferror(stdout);) {
        BUF_AUTO target = BUF(TARGET_CAP);
        struct reply reply;
        buf_add_str(&target, fixed);
        buf_printf(&target, "&wait=%d", wait);
        if (cursor)
            parameter_add(&target, "cursor", cursor);
        bool read = read_once(service, buf_str(&target), &reply, NULL, err);
        ok = read || err_status(err->code) == 503;
        if (ok && read == away)
            cli_say(stderr, "rmmhunt changes: %s\n", read ? "going on" : err->text);
        away = !read;
        if (read)
            changes_print(&reply, ndjson, &cursor);
        else if (ok)
            sleep_ms(RETRY_MS);
        wait = read ? FOLLOW_WAIT : 0;
        buf_free(&reply.body);
    }
    free(cursor);
    return ok;
}

/* A table doesn't show where it was cut. */
static void next_say(const struct reading *reading) {
    bool open = strcmp(reading->command, "changes") == 0; /* goes on at its end as well */
    fflush(stdout);
    cli_say(stderr, "rmmhunt %s: %s--cursor %s goes on here\n", reading->command,
            open ? "" : "there is more: --limit takes up to 1000, and ", reading->next);
}

static bool show(struct service *service, struct reading *reading, struct err *err) {
    struct reply reply;
    BUF_AUTO pretty = BUF(PRETTY_CAP);
    bool ok = read_once(service, buf_str(&reading->target), &reply, &reading->next, err);
    if (ok && reading->one && strcmp(reading->format, "json") == 0)
        format_pretty(buf_str(&reply.body), &pretty);
    if (ok)
        cli_print(pretty.len ? buf_str(&pretty) : buf_str(&reply.body));
    if (ok && reading->next)
        next_say(reading);
    free(reading->next);
    buf_free(&reply.body);
    return ok;
}

static bool reading_do(struct reading *reading, struct err *err) {
    struct database database = {0};
    struct service *service = calloc(1, sizeof *service);
    bool ok = (service || err_memory(err)) && cli_open(&database, DATABASE_READS, err);
    if (ok) {
        service->db = database.db;
        ok = reading->follow ? follow(service, reading, err) : show(service, reading, err);
    }
    database_close(&database);
    free(service);
    return ok;
}

static int command_get(int argc, char **argv, const char *resource) {
    struct reading reading = {.command = argv[0], .resource = resource, .target = BUF(TARGET_CAP)};
    struct err err = {0};
    bool usable = target_build(argc, argv, &reading, &err), ok = usable && reading_do(&reading, &err);
    buf_free(&reading.target);
    int code = ok ? 0 : cli_fail(argv[0], &err, STR(""));
    return usable ? code : 2;
}

int command_diff(int argc, char **argv) {
    struct reading reading = {.command = argv[0], .target = BUF(TARGET_CAP), .format = "table"};
    struct err err = {0};
    int at = 3;
    if (argc == 4 || argc == 5)
        reading.format = cli_option(argc, argv, &at, "--format");
    if (argc < 3 || at + 1 < argc || !reading.format)
        return cli_usage("diff");
    buf_add_str(&reading.target, STR("/v1/runs/"));
    url_add_part(&reading.target, str_from(argv[1]));
    buf_add_str(&reading.target, STR("/diff/"));
    url_add_part(&reading.target, str_from(argv[2]));
    buf_add_char(&reading.target, '?');
    reading.one = strcmp(reading.format, "json") == 0;
    bool ok = target_end(&reading, &err) && reading_do(&reading, &err);
    buf_free(&reading.target);
    return ok ? 0 : cli_fail(argv[0], &err, STR(""));
}

int command_devices(int argc, char **argv) {
    return command_get(argc, argv, "/v1/devices");
}

int command_findings(int argc, char **argv) {
    return command_get(argc, argv, "/v1/findings");
}

int command_coverage(int argc, char **argv) {
    return command_get(argc, argv, "/v1/coverage");
}

int command_changes(int argc, char **argv) {
    return command_get(argc, argv, "/v1/changes");
}
