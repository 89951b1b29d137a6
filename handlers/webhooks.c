/* /v1/webhooks: who is told of changes, and what became of it. Secrets go out once, where they are made. */
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "handlers/changes.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/names.h"
#include "handlers/service.h"
#include "handlers/tagged.h"
#include "hunts/webhook_send.h"
#include "hunts/webhook_sign.h"
#include "hunts/webhooks.h"

enum { READ_MS = 10000, REPLAY_MS = 60000, TEXT_CAP = 2048, TYPES = 64, REPLY_CAP = 64 * 1024 };
#define OLD_SECRETS "5" /* that sign beside the present one */

/* Members of a body; ptr NULL: not given. */
struct settings {
    struct str url, types, tool, description, secret;
    bool enabled;
};

static bool no_webhook(struct str id, struct err *err) {
    return err_set(err, ERR_NOT_FOUND, "no webhook '%.*s'; GET /v1/webhooks lists them", STR_ARG(id));
}

static bool id_parameter(struct request *request, struct str *id, struct err *err) {
    long long number;
    *id = request_path_parameter(request, "id");
    return (str_to_int64(*id, &number) && number > 0) || no_webhook(*id, err);
}

static struct db_rows *webhook_read(struct request *request, struct str id, struct err *err) {
    struct db_rows *rows = statement_run(request, "webhook_read", &id, 1, err);
    if (rows && !db_count(rows)) {
        db_rows_free(rows);
        no_webhook(id, err);
        return NULL;
    }
    return rows;
}

/* For what only an enabled webhook can do. */
static bool enabled_check(struct request *request, struct str id, struct err *err) {
    DB_ROWS_AUTO *rows = webhook_read(request, id, err);
    if (!rows)
        return false;
    return str_eq(db_text(rows, 0, 1), STR("t")) ||
           err_set(err, ERR_CONFLICT, "webhook %.*s is disabled; PUT it with \"enabled\":true first, or 'rmmhunt webhooks resume %.*s'",
                   STR_ARG(id), STR_ARG(id));
}

static bool text_take(struct request *request, const char *name, const json_t *value, struct str *out,
                      struct err *err) {
    request->problem_field = name;
    if (json_is_null(value))
        return true;
    if (!json_is_string(value) || json_string_length(value) > TEXT_CAP)
        return err_set(err, ERR_BAD_REQUEST, "%s must be a string of at most %d bytes", name, TEXT_CAP);
    *out = arena_copy(request->arena, (struct str){json_string_value(value), json_string_length(value)});
    return out->ptr || err_memory(err);
}

/* Types as /v1/changes has them, or as the deliveries do: with "change." in front. */
static bool types_take(struct request *request, const json_t *value, struct str *out, struct err *err) {
    static const struct str prefix = {"change.", 7};
    BUF_AUTO list = BUF(REPLY_CAP);
    size_t index;
    const json_t *item;
    request->problem_field = "types";
    if (json_is_null(value))
        return true;
    if (!json_is_array(value) || !json_array_size(value) || json_array_size(value) > TYPES)
        return err_set(err, ERR_BAD_REQUEST, "types must be a list of 1 to %d types; without it, all are sent", TYPES);
    json_array_foreach(value, index, item) {
        struct str type = str_from(json_is_string(item) ? json_string_value(item) : "");
        if (str_starts(type, prefix))
            type = (struct str){type.ptr + prefix.len, type.len - prefix.len};
        if (!change_type_check(request, type, ERR_BAD_REQUEST, err))
            return false;
        buf_add_char(&list, index ? ',' : '[');
        json_add_string(&list, type);
    }
    buf_add_char(&list, ']');
    *out = list.failed ? (struct str){0} : arena_copy(request->arena, buf_str(&list));
    return out->ptr || err_memory(err);
}

/* What GET gives besides the settings: taken back without effect, so that an answer can be changed and PUT. */
static bool is_told(const char *key) {
    static const char *const names[] = {"id",     "disabled_reason", "created_at", "old_secret_until",
                                        "failures", "paused_until",  "pending",    "failed"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(key, names[i]))
            return true;
    return false;
}

static bool member_take(struct request *request, const char *key, const json_t *value, struct settings *settings,
                        struct err *err) {
    const struct {
        const char *name;
        struct str *place;
    } texts[] = {{"url", &settings->url},
                 {"tool", &settings->tool},
                 {"description", &settings->description},
                 {"secret", &settings->secret}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(key, texts[i].name))
            return text_take(request, texts[i].name, value, texts[i].place, err);
    if (!strcmp(key, "types"))
        return types_take(request, value, &settings->types, err);
    if (is_told(key))
        return true;
    if (strcmp(key, "enabled") != 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "'%.64s' is not a member of a webhook; known: url, types, tool, description, enabled, secret",
                       key);
    settings->enabled = json_is_true(value);
    request->problem_field = "enabled";
    return json_is_boolean(value) || err_set(err, ERR_BAD_REQUEST, "enabled must be true or false");
}

static bool settings_parse(struct request *request, struct settings *settings, struct err *err) {
    json_error_t why;
    const char *key;
    json_t *value;
    *settings = (struct settings){.enabled = true};
    json_auto_t *root = json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES, &why);
    if (!root || !json_is_object(root))
        return err_set(err, ERR_BAD_REQUEST, "send {\"url\":\"https://…\"}: %s", root ? "not an object" : why.text);
    json_object_foreach(root, key, value) {
        if (!member_take(request, key, value, settings, err))
            return false;
    }
    request->problem_field = NULL;
    return true;
}

/* What a webhook needs to be made or replaced. Its address is checked when it becomes another than known, and when it
 * is used: one that is forbidden now can still be paused. */
static bool settings_check(struct request *request, struct settings *settings, struct str known, struct err *err) {
    request->problem_field = "url";
    if (!settings->url.len)
        return err_set(err, ERR_BAD_REQUEST, "\"url\" is missing: send {\"url\":\"https://…\"}");
    if (!str_eq(settings->url, known) && !webhook_url_check(settings->url, request->service->webhook_private, err))
        return false;
    request->problem_field = NULL;
    if (!settings->tool.len)
        settings->tool = (struct str){0};
    if (!tool_resolve(request, ERR_BAD_REQUEST, &settings->tool, err))
        return false;
    if (!settings->description.ptr)
        settings->description = STR("");
    return true;
}

/* The caller's own secret, or a new one. */
static bool secret_choose(struct request *request, struct str given, struct str *secret, struct err *err) {
    char made[WEBHOOK_SECRET_TEXT];
    *secret = given;
    request->problem_field = "secret";
    if (given.ptr)
        return webhook_secret_valid(given) ||
               err_set(err, ERR_BAD_REQUEST, "secret must be \"whsec_\" and the base64 of 24 to 64 bytes");
    webhook_secret_make(made);
    *secret = arena_copy(request->arena, str_from(made));
    sodium_memzero(made, sizeof made);
    return secret->ptr || err_memory(err);
}

/* The webhook with its secret as one more member: the only place where one goes out. */
static bool secret_reply(struct reply *reply, struct str json, struct str secret, struct err *err) {
    BUF_AUTO out = BUF(REPLY_CAP);
    buf_add(&out, json.ptr, json.len - 1);
    json_add_string_member(&out, "secret", secret);
    buf_add_char(&out, '}');
    reply_header(reply, "Cache-Control", STR("no-store"));
    return !out.failed ? json_reply(reply, buf_str(&out), err) : err_memory(err);
}

bool handle_webhook_post(struct request *request, struct reply *reply, struct err *err) {
    struct settings settings;
    struct str secret;
    if (!settings_parse(request, &settings, err) || !settings_check(request, &settings, STR(""), err) ||
        !secret_choose(request, settings.secret, &secret, err))
        return false;
    struct str params[] = {settings.url,
                           settings.types,
                           settings.tool,
                           settings.description,
                           settings.enabled ? STR("true") : STR("false"),
                           secret};
    DB_ROWS_AUTO *rows = statement_run(request, "webhook_create", params, 6, err);
    if (!rows)
        return false;
    struct str location = arena_printf(request->arena, "/v1/webhooks/%.*s", STR_ARG(db_text(rows, 0, 1)));
    if (!location.ptr)
        return err_memory(err);
    reply->status = 201;
    reply_header(reply, "Location", location);
    return secret_reply(reply, db_text(rows, 0, 0), secret, err);
}

bool handle_webhooks_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"id", "url", "types", "tool", "enabled", "pending", "failed", NULL};
    long long limit, number;
    struct str limit_text, cursor;
    if (!list_parameters(request, &limit, &limit_text, &cursor, err))
        return false;
    if (cursor.ptr && !str_to_int64(cursor, &number))
        return list_cursor_refuse(request, err);
    struct str params[] = {cursor.ptr ? cursor : STR("0"), limit_text};
    DB_ROWS_AUTO *rows = statement_run(request, "webhooks_list", params, 2, err);
    return rows && list_reply(request, reply, "webhooks", rows, limit, columns, err);
}

bool handle_webhook_get(struct request *request, struct reply *reply, struct err *err) {
    struct str id;
    if (!id_parameter(request, &id, err))
        return false;
    DB_ROWS_AUTO *rows = webhook_read(request, id, err);
    return rows && json_reply(reply, db_text(rows, 0, 0), err);
}

bool handle_webhook_put(struct request *request, struct reply *reply, struct err *err) {
    struct settings settings;
    struct str id;
    if (!id_parameter(request, &id, err) || !tagged_match(request, handle_webhook_get, err) ||
        !settings_parse(request, &settings, err))
        return false;
    DB_ROWS_AUTO *known = webhook_read(request, id, err);
    if (!known || !settings_check(request, &settings, db_text(known, 0, 2), err))
        return false;
    if (settings.secret.ptr)
        return err_set(err, ERR_BAD_REQUEST, "a secret is changed by POST /v1/webhooks/%.*s/rotate", STR_ARG(id));
    struct str params[] = {id,
                           settings.url,
                           settings.types,
                           settings.tool,
                           settings.description,
                           settings.enabled ? STR("true") : STR("false")};
    DB_ROWS_AUTO *rows = statement_run(request, "webhook_update", params, 6, err);
    if (!rows || !db_count(rows))
        return rows ? no_webhook(id, err) : false;
    webhooks_wake(request->service->webhooks);
    return json_reply(reply, db_text(rows, 0, 0), err);
}

bool handle_webhook_delete(struct request *request, struct reply *reply, struct err *err) {
    struct str id;
    if (!id_parameter(request, &id, err) || !tagged_match(request, handle_webhook_get, err))
        return false;
    DB_ROWS_AUTO *known = webhook_read(request, id, err);
    DB_ROWS_AUTO *rows = known ? statement_run(request, "webhook_delete", &id, 1, err) : NULL;
    reply->status = 204;
    return rows != NULL;
}

bool handle_webhook_rotate(struct request *request, struct reply *reply, struct err *err) {
    struct settings settings = {0};
    struct str id, secret;
    if (!id_parameter(request, &id, err) || (request->body.len && !settings_parse(request, &settings, err)))
        return false;
    if (settings.url.ptr || settings.types.ptr || settings.tool.ptr || settings.description.ptr)
        return err_set(err, ERR_BAD_REQUEST, "rotate takes a secret, or no body; PUT changes the rest");
    if (!secret_choose(request, settings.secret, &secret, err))
        return false;
    struct str params[] = {id, secret, STR(OLD_SECRETS)};
    DB_ROWS_AUTO *known = webhook_read(request, id, err);
    DB_ROWS_AUTO *rows = known ? statement_run(request, "webhook_rotate", params, 3, err) : NULL;
    if (rows && !db_count(rows))
        return err_set(err, ERR_CONFLICT,
                       "webhook %.*s was rotated " OLD_SECRETS " times within 24 hours, and each of those "
                       "secrets signs that long; rotate it again when one's time is over",
                       STR_ARG(id));
    if (!rows)
        return false;
    return secret_reply(reply, db_text(rows, 0, 0), secret, err);
}

/* The delivery that a statement gives, soon on its way. */
static bool delivery_reply(struct request *request, struct reply *reply, const struct db_rows *rows, struct err *err) {
    reply->status = 202;
    webhooks_wake(request->service->webhooks);
    return json_reply(reply, db_text(rows, 0, 0), err);
}

bool handle_webhook_test(struct request *request, struct reply *reply, struct err *err) {
    unsigned char random[12];
    char hex[sizeof random * 2 + 1];
    struct str id;
    if (!id_parameter(request, &id, err) || !enabled_check(request, id, err))
        return false;
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(hex, sizeof hex, random, sizeof random);
    struct str params[] = {id, arena_printf(request->arena, "test_%s", hex)};
    DB_ROWS_AUTO *rows = params[1].ptr ? statement_run(request, "webhook_test", params, 2, err) : NULL;
    if (!params[1].ptr)
        return err_memory(err);
    if (!rows || !db_count(rows))
        return rows ? no_webhook(id, err) : false;
    return delivery_reply(request, reply, rows, err);
}

bool handle_webhook_deliveries(struct request *request, struct reply *reply, struct err *err) {
    static const char *const all[] = {"id",           "type",        "state",      "attempts", "created_at",
                                      "attempted_at", "last_status", "last_error", NULL};
    static const char *const narrow[] = {"id", "type", "state", "attempts", "attempted_at", "last_error", NULL};
    enum format format;
    long long limit;
    struct str id, limit_text, cursor, state;
    if (!id_parameter(request, &id, err) || !request_choice(request, "state", "pending,delivered,failed", &state, err) ||
        !list_parameters(request, &limit, &limit_text, &cursor, err) ||
        !list_below(request, &cursor, err) || !format_choose(request, &format, err))
        return false;
    struct str params[] = {id, state, cursor, limit_text};
    DB_ROWS_AUTO *known = webhook_read(request, id, err);
    DB_ROWS_AUTO *rows = known ? statement_run(request, "webhook_deliveries", params, 4, err) : NULL;
    return rows && list_reply(request, reply, "deliveries", rows, limit, format == FORMAT_TABLE ? narrow : all, err);
}

bool handle_webhook_replay_one(struct request *request, struct reply *reply, struct err *err) {
    long long number;
    struct str params[2] = {{0}, request_path_parameter(request, "delivery")};
    if (!id_parameter(request, &params[0], err) || !enabled_check(request, params[0], err))
        return false;
    bool known = str_to_int64(params[1], &number);
    DB_ROWS_AUTO *rows = known ? statement_run(request, "webhook_replay_one", params, 2, err) : NULL;
    if (known && !rows)
        return false;
    if (!known || !db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "webhook %.*s has no delivery '%.*s'", STR_ARG(params[0]),
                       STR_ARG(params[1]));
    return delivery_reply(request, reply, rows, err);
}

/* ?since=, a time; ?state=failed alone goes without. */
static bool since_take(struct request *request, bool failed, struct str *since, struct err *err) {
    int64_t ticks;
    char time[TICKS_TEXT];
    struct str given = request_query(request, "since");
    *since = (struct str){0};
    if (!given.ptr && failed)
        return true;
    request->problem_field = "since";
    if (!given.ptr || !ticks_parse_loose(given, &ticks))
        return err_set(err, ERR_BAD_PARAMETER, "say ?since= with a time such as 2026-07-20T00:00:00Z, or ?state=failed");
    request->problem_field = NULL;
    ticks_print(ticks, time);
    *since = arena_copy(request->arena, str_from(time));
    return since->ptr || err_memory(err);
}

bool handle_webhook_replay(struct request *request, struct reply *reply, struct err *err) {
    int64_t count = 0;
    struct str params[2], state;
    if (!id_parameter(request, &params[0], err) || !request_choice(request, "state", "failed", &state, err) ||
        !since_take(request, state.ptr, &params[1], err) || !enabled_check(request, params[0], err))
        return false;
    const char *statement = db_statement(state.ptr ? "webhook_replay_failed" : "webhook_replay");
    struct db_conn *conn = db_take(request->service->db, mono_ms() + READ_MS, err);
    bool ok = conn && db_exec(conn, statement, params, 2, mono_ms() + REPLAY_MS, &count, err);
    db_give(conn);
    if (!ok)
        return false;
    webhooks_wake(request->service->webhooks);
    BUF_AUTO out = BUF(64);
    buf_printf(&out, "{\"deliveries\":%lld}", (long long)count);
    reply->status = 202;
    return json_reply(reply, buf_str(&out), err);
}
