/* rmmhunt webhooks: the API's answers on the terminal. Servers send; this only says what. */
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "handlers/handlers.h"
#include "server/call.h"
#include "server/cli.h"
#include "server/commands.h"

enum { SENT_MS = 20000, LOOK_MS = 200 };

/* The answer as JSON, for the caller to free; NULL: the error. */
static json_t *ask_json(struct call *call, route_handler *handler, const char *id, const char *name, const char *value,
                        struct err *err) {
    bool ok = call_ask(call, handler, id, name, value, err);
    json_t *root = ok ? json_loadb(call->reply.body.ptr, call->reply.body.len, 0, NULL) : NULL;
    if (ok && !root)
        err_memory(err);
    buf_free(&call->reply.body);
    return root;
}

/* A,B as ["A","B"]. */
static json_t *list_of(const char *value) {
    json_t *list = json_array();
    for (const char *at = value; *at;) {
        size_t length = strcspn(at, ",");
        json_array_append_new(list, json_stringn(at, length));
        at += length + (at[length] == ',');
    }
    return list;
}

/* False, with a message, when the flag is none of add's, or its value isn't UTF-8. */
static bool flag_add(json_t *root, int argc, char **argv, int *i) {
    static const char *const flags[] = {"--types", "--tool", "--description"};
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
        const char *value = cli_option(argc, argv, i, flags[f]);
        if (!value)
            continue;
        json_auto_t *text = json_string(value); /* checks what list_of is given, too */
        if (text)
            return json_object_set_new(root, flags[f] + 2, f ? json_incref(text) : list_of(value)) == 0;
        cli_say(stderr, "rmmhunt webhooks add: %s isn't UTF-8\n", flags[f]);
        return false;
    }
    cli_say(stderr, "rmmhunt webhooks add: what is '%s' for?\n", argv[*i]);
    return false;
}

/* The body of POST /v1/webhooks from the flags. NULL: one can't be used. */
static json_t *body_of(int argc, char **argv) {
    json_t *root = json_pack("{s:s}", "url", argv[2]);
    if (!root)
        cli_say(stderr, "rmmhunt webhooks add: the URL isn't UTF-8\n");
    for (int i = 3; root && i < argc; i++)
        if (!flag_add(root, argc, argv, &i)) {
            json_decref(root);
            root = NULL;
        }
    return root;
}

static bool enable(struct call *call, const char *id, bool enabled, struct err *err) {
    json_auto_t *hook = ask_json(call, handle_webhook_get, id, "pretty", "false", err);
    if (!hook)
        return false;
    json_object_set_new(hook, "enabled", json_boolean(enabled));
    if (!call_show_with(call, handle_webhook_put, id, hook, err))
        return false;
    long long failed = json_integer_value(json_object_get(hook, "failed"));
    if (enabled && failed)
        cli_say(stderr, "deliveries that were given up: %lld; 'rmmhunt webhooks replay %s --failed' sends them again\n",
                failed, id);
    return true;
}

/* The delivery in a list of the newest. */
static const json_t *delivery_find(const json_t *list, const json_t *id) {
    size_t i;
    const json_t *delivery;
    json_array_foreach(json_object_get(list, "deliveries"), i, delivery) {
        if (json_equal(json_object_get(delivery, "id"), (json_t *)(uintptr_t)id))
            return delivery;
    }
    return NULL;
}

/* What becomes of what was sent. */
static bool delivery_await(struct call *call, const char *id, const json_t *sent, struct err *err) {
    int64_t deadline = mono_ms() + SENT_MS;
    for (;;) {
        json_auto_t *list = ask_json(call, handle_webhook_deliveries, id, "limit", "100", err);
        if (!list)
            return false;
        const json_t *delivery = delivery_find(list, json_object_get(sent, "id"));
        const char *state = json_string_value(json_object_get(delivery, "state"));
        const char *why = json_string_value(json_object_get(delivery, "last_error"));
        if (state && strcmp(state, "pending") != 0) {
            cli_say(stdout, "%s%s%s\n", state, why ? ": " : "", why ? why : "");
            return strcmp(state, "delivered") == 0 || err_set(err, ERR_CONFLICT, "the test was not delivered");
        }
        if (!ms_left(deadline))
            return err_set(err, ERR_DEADLINE, "no server has sent it within %d s; is one running?", SENT_MS / 1000);
        sleep_ms(LOOK_MS);
    }
}

static bool test(struct call *call, const char *id, struct err *err) {
    json_auto_t *sent = ask_json(call, handle_webhook_test, id, "pretty", "false", err);
    return sent && delivery_await(call, id, sent, err);
}

static bool replay(struct call *call, int argc, char **argv, struct err *err) {
    int at = 3;
    bool failed = strcmp(argv[3], "--failed") == 0;
    const char *since = failed ? NULL : cli_option(argc, argv, &at, "--since");
    if (at + 1 < argc || (!failed && !since))
        return err_set(err, ERR_BAD_PARAMETER, "say --failed, or --since with a time such as 2026-07-20");
    json_auto_t *told = ask_json(call, handle_webhook_replay, argv[2], failed ? "state" : "since", failed ? "failed" : since, err);
    if (told)
        cli_say(stdout, "deliveries on their way: %lld\n", (long long)json_integer_value(json_object_get(told, "deliveries")));
    return told != NULL;
}

static bool act(struct call *call, int argc, char **argv, const json_t *body, struct err *err) {
    const char *verb = argv[1], *id = argv[2];
    if (body)
        return call_show_with(call, handle_webhook_post, NULL, body, err);
    if (!id)
        return call_show(call, handle_webhooks_list, NULL, true, err);
    if (strcmp(verb, "show") == 0)
        return call_show(call, handle_webhook_get, id, false, err) && call_show(call, handle_webhook_deliveries, id, true, err);
    if (strcmp(verb, "remove") == 0)
        return call_show(call, handle_webhook_delete, id, false, err);
    if (strcmp(verb, "rotate") == 0)
        return call_show(call, handle_webhook_rotate, id, false, err);
    if (strcmp(verb, "test") == 0)
        return test(call, id, err);
    if (strcmp(verb, "replay") == 0)
        return replay(call, argc, argv, err);
    return enable(call, id, strcmp(verb, "resume") == 0, err);
}

int command_webhooks(int argc, char **argv) {
    static const char *const verbs[] = {"show", "remove", "test", "pause", "resume", "rotate"};
    bool adds = argc > 2 && strcmp(argv[1], "add") == 0;
    bool known = adds || (argc == 2 && strcmp(argv[1], "list") == 0) || (argc > 3 && strcmp(argv[1], "replay") == 0);
    for (size_t i = 0; argc == 3 && i < sizeof verbs / sizeof *verbs; i++)
        known = known || strcmp(argv[1], verbs[i]) == 0;
    if (!known)
        return cli_usage("webhooks");
    struct call call = {0};
    struct err err = {0};
    json_auto_t *body = adds ? body_of(argc, argv) : NULL;
    if (adds && !body)
        return 2;
    bool ok = call_open(&call, adds ? DATABASE_WRITES : DATABASE_READS, &err) && act(&call, argc, argv, body, &err);
    int code = ok ? 0 : cli_fail("webhooks", &err, STR(""));
    call_close(&call);
    return code;
}
