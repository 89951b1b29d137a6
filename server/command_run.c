/* rmmhunt run: hunts now, results on the terminal. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "handlers/format.h"
#include "handlers/list.h"
#include "hunts/registry.h"
#include "hunts/runner.h"
#include "server/cli.h"
#include "server/commands.h"

enum { MAX_HUNTS = 1000, WAIT_MS = 3600000, OUT_CAP = 512 << 20, ARENA = 512 << 20 };

struct arguments {
    struct run_request request;
    struct str hunts[MAX_HUNTS];
    struct str format;
};

static bool take_time(const char *name, const char *text, int64_t *ticks, struct err *err) {
    return ticks_parse_loose(str_from(text), ticks) ||
           err_set(err, ERR_BAD_PARAMETER, "%s: '%s' is not a time such as 2026-07-20T00:00:00Z", name, text);
}

static bool arguments_read(int argc, char **argv, struct arguments *arguments, struct err *err) {
    struct run_request *request = &arguments->request;
    bool ok = true;
    *request = (struct run_request){.hunts = arguments->hunts, .from = -1, .to = -1, .as_of = -1};
    arguments->format = STR("table");
    for (int i = 1; ok && i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--all") == 0)
            request->all = true;
        else if ((value = cli_option(argc, argv, &i, "--tool")))
            request->tool = str_from(value);
        else if ((value = cli_option(argc, argv, &i, "--from")))
            ok = take_time("--from", value, &request->from, err);
        else if ((value = cli_option(argc, argv, &i, "--to")))
            ok = take_time("--to", value, &request->to, err);
        else if ((value = cli_option(argc, argv, &i, "--as-of")))
            ok = take_time("--as-of", value, &request->as_of, err);
        else if ((value = cli_option(argc, argv, &i, "--format")))
            arguments->format = str_from(value);
        else if (argv[i][0] == '-')
            ok = err_set(err, ERR_BAD_PARAMETER, "unknown flag %s", argv[i]);
        else if (request->hunt_count < MAX_HUNTS)
            arguments->hunts[request->hunt_count++] = str_from(argv[i]);
    }
    return ok;
}

static bool run_and_wait(struct db *db, const struct run_request *request, int64_t *run_id, struct err *err) {
    struct runner *runner = runner_open(db, true, err);
    bool ok = runner && runner_submit(runner, request, run_id, err);
    if (ok && !runner_wait(runner, *run_id, mono_ms() + WAIT_MS))
        ok = err_set(err, ERR_DEADLINE, "the run is not finished after an hour");
    runner_close(runner);
    return ok;
}

/* Each hunt that gave no result, with its reason; whether there is any. */
static bool failures_say(const struct db_rows *rows) {
    bool any = false;
    for (size_t r = 0; r < db_count(rows); r++) {
        struct str state = db_text(rows, r, 0), body = db_text(rows, r, 1), slug = db_text(rows, r, 3);
        if (str_eq(state, STR("succeeded")))
            continue;
        json_auto_t *result = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, NULL);
        const char *message = json_string_value(json_object_get(json_object_get(result, "error"), "message"));
        cli_say(stderr, "rmmhunt run: hunt %.*s %.*s: %s\n", STR_ARG(slug), STR_ARG(state),
                message ? message : "no result");
        any = true;
    }
    return any;
}

/* The same bodies and the same rendering as GET /v1/runs/{id}/results. *failed: whether hunts of it gave no result. */
static bool print_results(struct db *db, int64_t run_id, struct str format, bool *failed, struct err *err) {
    BUF_AUTO body = BUF(OUT_CAP);
    struct arena *arena = arena_new(ARENA);
    struct pair query = {STR("format"), format};
    struct request request = {.arena = arena, .query = &query, .query_count = 1, .width = cli_width()};
    struct reply reply = {.status = 200, .body = BUF(OUT_CAP)};
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, run_id);
    struct str param = str_from(id);
    struct db_conn *conn = arena ? db_take(db, mono_ms() + 30000, err) : NULL;
    DB_ROWS_AUTO *rows = conn ? db_query(conn, db_statement("run_results"), &param, 1, mono_ms() + 30000, err) : NULL;
    db_give(conn);
    if (rows) {
        buf_printf(&body, "{\"run_id\":\"%s\",\"hunts\":[", id);
        for (size_t r = 0; r < db_count(rows); r++) {
            buf_add_str(&body, r ? STR(",") : STR(""));
            buf_add_str(&body, db_text(rows, r, 1));
        }
        buf_add_str(&body, STR("]}"));
    }
    struct str text = rows && db_count(rows) == 1 ? db_text(rows, 0, 1) : buf_str(&body);
    bool ok = rows && result_reply(&request, &reply, text, err);
    if (ok) {
        cli_print(buf_str(&reply.body));
        fflush(stdout);
        *failed = failures_say(rows);
    }
    buf_free(&reply.body);
    arena_free(arena);
    return ok;
}

int command_run(int argc, char **argv) {
    struct arguments *arguments = calloc(1, sizeof *arguments);
    struct database database = {0};
    struct err err = {0};
    int64_t run_id = 0;
    bool failed = false;
    if (argc < 2 || !arguments) {
        free(arguments);
        return cli_usage("run");
    }
    bool ok = arguments_read(argc, argv, arguments, &err) && cli_open(&database, DATABASE_WRITES, &err) &&
              registry_sync(database.db, mono_ms() + 60000, &err) &&
              run_and_wait(database.db, &arguments->request, &run_id, &err) &&
              print_results(database.db, run_id, arguments->format, &failed, &err);
    int code = ok ? failed : cli_fail("run", &err, STR(""));
    database_close(&database);
    free(arguments);
    return code;
}
