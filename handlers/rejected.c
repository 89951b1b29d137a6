/* Dead letters: records that were rejected, kept whole. */
#include <sodium.h>

#include "base/clock.h"
#include "handlers/handlers.h"
#include "handlers/intake.h"
#include "handlers/list.h"
#include "handlers/service.h"

static bool is_state(struct str text) {
    return str_eq(text, STR("rejected")) || str_eq(text, STR("stored")) || str_eq(text, STR("ignored"));
}

static bool is_code(struct str text) {
    for (enum err_code code = ERR_NONE; code < ERR_COUNT; code++)
        if (str_eq(text, str_from(err_name(code))))
            return true;
    return false;
}

static bool list_filter(struct request *request, const char *name, bool (*fits)(struct str), const char *wanted,
                        struct str *value, struct err *err) {
    *value = request_query(request, name);
    if (!value->ptr || fits(*value))
        return true;
    request->problem_field = name;
    return err_set(err, ERR_BAD_PARAMETER, "%s: '%.*s' is not %s", name, STR_ARG(*value), wanted);
}

bool handle_rejected_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"id", "received_at", "seen", "code", "message", "table", "state", "bytes", NULL};
    long long limit;
    struct str limit_text, cursor, state, code;
    if (!list_parameters(request, &limit, &limit_text, &cursor, err) || !list_below(request, &cursor, err) ||
        !list_filter(request, "state", is_state, "rejected, stored or ignored", &state, err) ||
        !list_filter(request, "code", is_code, "a code such as bad_timestamp", &code, err))
        return false;
    struct str params[] = {state.ptr ? state : STR("rejected"), code, cursor, limit_text};
    DB_ROWS_AUTO *rows = statement_run(request, "rejected_list", params, 4, err);
    return rows && list_reply(request, reply, "rejected", rows, limit, columns, err);
}

/* One row about the letter that the path names. */
static struct db_rows *letter_query(struct request *request, const char *statement, struct err *err) {
    struct str id = request_path_parameter(request, "id");
    long long number;
    if (!str_to_int64(id, &number)) {
        err_set(err, ERR_NOT_FOUND, "no rejected record '%.*s'", STR_ARG(id));
        return NULL;
    }
    struct db_rows *rows = statement_run(request, statement, &id, 1, err);
    if (!rows || db_count(rows))
        return rows;
    db_rows_free(rows);
    err_set(err, ERR_NOT_FOUND, "no rejected record %.*s", STR_ARG(id));
    return NULL;
}

bool handle_rejected_get(struct request *request, struct reply *reply, struct err *err) {
    DB_ROWS_AUTO *rows = letter_query(request, "rejected_read", err);
    return rows && json_reply(reply, db_text(rows, 0, 0), err);
}

/* The letter's bytes, behind its CSV header where it has one, and how they are to be read. */
static bool letter_read(struct request *request, struct intake *intake, struct str *body, struct err *err) {
    DB_ROWS_AUTO *rows = letter_query(request, "rejected_record", err);
    if (!rows)
        return false;
    struct str hex = db_text(rows, 0, 0), zone = db_text(rows, 0, 3);
    size_t room = hex.len / 2 + 1;
    char *bytes = arena_take(request->arena, room);
    if (!bytes || sodium_hex2bin((unsigned char *)bytes, room, hex.ptr, hex.len, NULL, &body->len, NULL))
        return err_memory(err);
    body->ptr = bytes;
    intake->options.table = schema_table_find(db_text(rows, 0, 1));
    intake->options.format = db_int(rows, 0, 2) ? READER_CSV : READER_AUTO;
    return !zone.len || intake_zone(request, zone, intake, err);
}

/* ?table= for a record that names none. */
static bool table_read(struct request *request, struct intake *intake, struct err *err) {
    struct str name = request_query(request, "table");
    if (!name.ptr)
        return true;
    intake->options.table = schema_table_find(name);
    if (intake->options.table)
        return true;
    request->problem_field = "table";
    return err_set(err, ERR_BAD_PARAMETER, "table: '%.*s' is no event table; they are named as in Defender, such as %s",
                   STR_ARG(name), schema_tables()[0].name);
}

static bool letter_done(struct request *request, const char *state, struct err *err) {
    struct str params[] = {request_path_parameter(request, "id"), str_from(state)};
    DB_ROWS_AUTO *rows = statement_run(request, "rejected_done", params, 2, err);
    return rows != NULL;
}

/* Tried atomically, so that a record which is still bad makes no second letter: its problem names the first. */
bool handle_rejected_retry(struct request *request, struct reply *reply, struct err *err) {
    struct intake intake = {.atomic = true};
    struct str body = {0};
    struct err why = {0};
    long long id;
    if (!intake_init(request, &intake, err) || !letter_read(request, &intake, &body, err) ||
        !table_read(request, &intake, err))
        return false;
    if (intake_store(request, &intake, body, &why)) {
        bool stored = intake.result->stored || intake.result->duplicate;
        intake_write(request, &intake, &reply->body);
        return letter_done(request, stored ? "stored" : "ignored", err);
    }
    if (intake.result->error_count) {
        struct ingest_error *first = &intake.result->errors[0];
        first->dead_letter = str_to_int64(request_path_parameter(request, "id"), &id) ? id : 0;
        err_set(&why, first->code, "still rejected: %s", first->message);
        if (!letter_done(request, "rejected", err))
            return false;
    }
    intake_fail(request, reply, &intake, &why);
    return true;
}
