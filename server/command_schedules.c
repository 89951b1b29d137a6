/* rmmhunt schedules: the API's answers on the terminal. */
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "handlers/handlers.h"
#include "hunts/scheduler.h"
#include "server/call.h"
#include "server/cli.h"
#include "server/commands.h"

enum { RUN_WAIT_MS = 3600000 };

/* What is no number stays a text, which is refused with the member's name. */
static json_t *number_of(const char *value) {
    long long number;
    return str_to_int64(str_from(value), &number) ? json_integer(number) : json_string(value);
}

/* The body of POST /v1/schedules from the flags. NULL: one is unknown. */
static json_t *body_of(int argc, char **argv) {
    static const char *const texts[][2] = {{"--cron", "cron"},     {"--time-zone", "time_zone"}, {"--every", "every"},
                                           {"--window", "window"}, {"--tool", "tool"},           {"--name", "name"},
                                           {"--catch-up", "catch_up"}};
    json_t *root = json_pack("{s:s}", "id", argv[2]), *hunts = json_array();
    for (int i = 3; root && i < argc; i++) {
        const char *value = NULL;
        size_t t = 0;
        while (t < sizeof texts / sizeof *texts && !(value = cli_option(argc, argv, &i, texts[t][0])))
            t++;
        if (value)
            json_object_set_new(root, texts[t][1], json_string(value));
        else if ((value = cli_option(argc, argv, &i, "--hunt")))
            json_array_append_new(hunts, json_string(value));
        else if ((value = cli_option(argc, argv, &i, "--catch-up-limit")))
            json_object_set_new(root, "catch_up_limit", number_of(value));
        else if (strcmp(argv[i], "--all") == 0)
            json_object_set_new(root, "all", json_true());
        else {
            fprintf(stderr, "rmmhunt schedules create: what is '%s' for?\n", argv[i]);
            json_decref(root);
            root = NULL;
        }
    }
    if (root && json_array_size(hunts))
        json_object_set(root, "hunts", hunts);
    json_decref(hunts);
    return root;
}

static bool enable(struct call *call, const char *id, bool enabled, struct err *err) {
    struct schedule schedule;
    const char *field;
    bool created;
    if (!schedule_load(call->service.db, call->request.arena, str_from(id), &schedule, err))
        return false;
    schedule.enabled = enabled;
    return schedule_save(call->service.db, call->request.arena, &schedule, false, &created, &field, err) &&
           call_show(call, handle_schedules_list, NULL, true, err);
}

/* Done here unless a server is quicker. */
static bool run_now(struct call *call, const char *id, struct err *err) {
    int64_t run_id;
    struct runner *runner = runner_open(call->service.db, true, err);
    bool ok = runner && scheduler_run_now(call->service.db, str_from(id), &run_id, err);
    if (ok) {
        runner_hint(runner, run_id);
        ok = runner_wait(runner, run_id, mono_ms() + RUN_WAIT_MS) ||
             err_set(err, ERR_DEADLINE, "the run is not finished after an hour");
    }
    runner_close(runner);
    return ok && call_show(call, handle_schedule_slots, id, true, err);
}

static bool act(struct call *call, const char *verb, const char *id, const json_t *body, struct err *err) {
    if (body)
        return call_show_with(call, handle_schedules_post, NULL, body, err);
    if (!id)
        return call_show(call, handle_schedules_list, NULL, true, err);
    if (strcmp(verb, "show") == 0)
        return call_show(call, handle_schedule_get, id, false, err) &&
               call_show(call, handle_schedule_slots, id, true, err);
    if (strcmp(verb, "delete") == 0)
        return call_show(call, handle_schedule_delete, id, false, err);
    if (strcmp(verb, "run") == 0)
        return run_now(call, id, err);
    return enable(call, id, strcmp(verb, "resume") == 0, err);
}

int command_schedules(int argc, char **argv) {
    static const char *const verbs[] = {"show", "delete", "run", "pause", "resume"};
    bool known = argc == 2 && strcmp(argv[1], "list") == 0, creates = argc > 3 && strcmp(argv[1], "create") == 0;
    for (size_t i = 0; argc == 3 && i < sizeof verbs / sizeof *verbs; i++)
        known = known || strcmp(argv[1], verbs[i]) == 0;
    if (!known && !creates)
        return cli_usage("schedules");
    struct call call = {0};
    struct err err = {0};
    json_auto_t *body = creates ? body_of(argc, argv) : NULL;
    if (creates && !body)
        return 2;
    bool ok = call_open(&call, body ? DATABASE_WRITES : DATABASE_READS, &err) &&
              act(&call, argv[1], argc > 2 ? argv[2] : NULL, body, &err);
    int code = ok ? 0 : cli_fail("schedules", &err, STR(""));
    call_close(&call);
    return code;
}
