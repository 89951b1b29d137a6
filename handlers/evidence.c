/* GET /v1/devices/{device_id}/evidence: the events on a device that hunts counted, every column as it came. */
#include "hunts/evidence.h"

#include <inttypes.h>

#include "base/clock.h"
#include "handlers/format.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/names.h"
#include "handlers/service.h"

enum { READ_MS = 30000, ARENA_CAP = 512 << 20, MAX_COLUMNS = SCHEMA_TABLES * SCHEMA_MAX_COLUMNS + 4 };

/* "ticks.arrival.table.microseconds": the last event, and by when results were finished, so that a run which ends between two
 * pages changes nothing. */
static bool place_read(struct request *request, struct str cursor, struct evidence_request *evidence, struct err *err) {
    long long numbers[4] = {-1, -1, -1, 0};
    for (size_t i = 0; cursor.ptr && i < 4; i++) {
        struct str part;
        bool more = str_cut(cursor, '.', &part, &cursor);
        if (!str_to_int64(part, &numbers[i]) || more != (i < 3))
            return list_cursor_refuse(request, err);
    }
    if (numbers[2] < -1 || numbers[2] >= SCHEMA_TABLES)
        return list_cursor_refuse(request, err);
    evidence->after = (struct evidence_key){numbers[0], numbers[1], (int)numbers[2]};
    evidence->until_us = numbers[3];
    return true;
}

static bool request_read(struct request *request, struct evidence_request *evidence, enum format *format, struct err *err) {
    long long limit, number;
    struct str limit_text, cursor;
    if (!format_choose(request, format, err) || !list_parameters(request, &limit, &limit_text, &cursor, err))
        return false;
    *evidence = (struct evidence_request){.device = request_path_parameter(request, "device_id"),
                                          .run = request_query(request, "run"),
                                          .hunt = request_query(request, "hunt"),
                                          .limit = (size_t)limit,
                                          .flat = *format == FORMAT_CSV || *format == FORMAT_TABLE};
    if (!tool_parameter(request, &evidence->tool, err))
        return false;
    if (evidence->run.ptr && !str_to_int64(evidence->run, &number))
        return err_set(err, ERR_NOT_FOUND, "no run '%.*s'; GET /v1/runs lists them", STR_ARG(evidence->run));
    return place_read(request, cursor, evidence, err);
}

static void column_add(const char **columns, size_t *count, const char *name) {
    for (size_t i = 0; i < *count; i++)
        if (!strcmp(columns[i], name))
            return;
    columns[(*count)++] = name;
}

/* The same columns on each page: all that the hunts' tables have. */
static const char *const *columns_make(struct request *request, uint32_t tables) {
    const char **columns = arena_array(request->arena, MAX_COLUMNS + 1, sizeof *columns);
    size_t count = 0;
    if (!columns)
        return NULL;
    column_add(columns, &count, "table");
    column_add(columns, &count, "hunts");
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        for (size_t c = 0; tables & UINT32_C(1) << t && c < schema_tables()[t].column_count; c++)
            column_add(columns, &count, schema_tables()[t].columns[c].name);
    column_add(columns, &count, "TenantId");
    column_add(columns, &count, "AdditionalColumns");
    return columns;
}

static bool evidence_reply(struct request *request, struct reply *reply, const struct evidence_request *wanted,
                           const struct evidence *evidence, enum format format, struct err *err) {
    static const char *const short_columns[] = {"Timestamp", "table", "FileName", "Signer", "RemoteUrl", "hunts", NULL};
    struct list_items items = {.member = "events", .objects = evidence->events, .count = evidence->count};
    items.columns = format == FORMAT_TABLE ? short_columns : columns_make(request, evidence->tables);
    items.more = arena_printf(request->arena, ",\"warnings\":%.*s", STR_ARG(evidence->warnings));
    if (evidence->more)
        items.next = arena_printf(request->arena, "%" PRId64 ".%" PRId64 ".%d.%" PRId64, evidence->last.ts,
                                  evidence->last.arrived, evidence->last.table, wanted->until_us);
    if (!items.columns || !items.more.ptr || (evidence->more && !items.next.ptr))
        return err_memory(err);
    return list_reply_items(request, reply, &items, err);
}

bool handle_evidence(struct request *request, struct reply *reply, struct err *err) {
    struct evidence_request wanted;
    struct evidence evidence;
    enum format format;
    if (!request_read(request, &wanted, &format, err))
        return false;
    struct arena *arena = arena_new(ARENA_CAP);
    bool ok = arena ? evidence_read(request->service->db, arena, &wanted, mono_ms() + READ_MS, &evidence, err)
                    : err_memory(err);
    ok = ok && evidence_reply(request, reply, &wanted, &evidence, format, err);
    arena_free(arena);
    return ok;
}
