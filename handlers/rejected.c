/* Dead letters: records that were rejected, kept whole. */
#include <sodium.h>

#include "base/clock.h"
#include "base/json.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/service.h"

enum { READ_MS = 10000 };

bool handle_rejected_list(struct request *request, struct reply *reply, struct err *err) {
    static const char *const columns[] = {"id", "received_at", "code", "message", "table", "state", "bytes", NULL};
    long long limit;
    struct str limit_text, cursor;
    if (!list_parameters(request, &limit, &limit_text, &cursor, err) || !list_below(request, &cursor, err))
        return false;
    struct str params[] = {request_query(request, "state"), request_query(request, "code"),
                           cursor, limit_text};
    struct db_conn *conn = db_take(request->service->db, mono_ms() + READ_MS, err);
    DB_ROWS_AUTO *rows =
        conn ? db_query(conn, db_statement("rejected_list"), params, 4, mono_ms() + READ_MS, err) : NULL;
    db_give(conn);
    return rows && list_reply(request, reply, "rejected", rows, limit, columns, err);
}

/* The record's bytes into the arena. */
static bool record_read(struct request *request, struct db_conn *conn, struct str id, struct str *record,
                        const struct schema_table **table, struct err *err) {
    long long number;
    if (!str_to_int64(id, &number))
        return err_set(err, ERR_NOT_FOUND, "no rejected record '%.*s'", STR_ARG(id));
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("rejected_read"), &id, 1, mono_ms() + READ_MS, err);
    if (!rows || !db_count(rows))
        return rows ? err_set(err, ERR_NOT_FOUND, "no rejected record %.*s", STR_ARG(id)) : false;
    struct str hex = db_text(rows, 0, 0);
    char *bytes = arena_take(request->arena, hex.len / 2 + 1);
    if (!bytes || sodium_hex2bin((unsigned char *)bytes, hex.len / 2 + 1, hex.ptr, hex.len, NULL, &record->len, NULL))
        return err_memory(err);
    record->ptr = bytes;
    *table = schema_table_find(db_text(rows, 0, 1));
    return true;
}

/* Tried atomically, so that a record which is still bad makes no second dead letter. */
bool handle_rejected_retry(struct request *request, struct reply *reply, struct err *err) {
    struct str id = request_path_parameter(request, "id"), record = {0};
    struct reader_options options = {0};
    struct err why = {0};
    bool unknown;
    struct ingest_result *result = arena_take(request->arena, sizeof *result);
    struct db_conn *conn = result ? db_take(request->service->db, mono_ms() + READ_MS, err) : NULL;
    bool ok = conn && record_read(request, conn, id, &record, &options.table, err);
    if (ok) {
        bool stored = ingest_body(request->service->ingest, record, &options, true,
                                  mono_ms() + request->service->database_ms, result, &unknown, &why);
        struct str params[] = {id, stored ? STR("stored") : STR("rejected")};
        ok = (stored || why.code == ERR_UNPROCESSABLE || (*err = why, false)) &&
             db_exec(conn, db_statement("rejected_done"), params, 2, mono_ms() + READ_MS, NULL, err);
        if (ok && !stored)
            ok = err_set(err, result->error_count ? result->errors[0].code : why.code, "still rejected: %s",
                         result->error_count ? result->errors[0].message : why.text);
    }
    db_give(conn);
    if (!ok)
        return result ? false : err_memory(err);
    BUF_AUTO out = BUF(4096);
    buf_printf(&out, "{\"stored\":%lld,\"duplicate\":%lld}", (long long)result->stored, (long long)result->duplicate);
    return json_reply(request, reply, buf_str(&out), err);
}
