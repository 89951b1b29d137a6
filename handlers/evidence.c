/* GET /v1/devices/{id}/evidence: the events that a run's hunt counted on a device, every column as it came. */
#include "base/clock.h"
#include "handlers/handlers.h"
#include "handlers/list.h"
#include "handlers/service.h"
#include "hunts/runner.h"

enum { READ_MS = 30000, ANSWER_CAP = 256 << 20, MAX_EVENTS = 10000 };

static bool source_read(struct request *request, struct kql_options *options, struct str *query, struct err *err) {
    long long number;
    struct str params[] = {request_query(request, "run"), request_query(request, "hunt")};
    if (!str_to_int64(params[0], &number))
        return err_set(err, ERR_BAD_PARAMETER, "run=<run id> is needed: results carry the whole link");
    struct db_conn *conn = db_take(request->service->db, mono_ms() + READ_MS, err);
    DB_ROWS_AUTO *rows =
        conn ? db_query(conn, db_statement("evidence_source"), params, 2, mono_ms() + READ_MS, err) : NULL;
    db_give(conn);
    if (!rows)
        return false;
    if (!db_count(rows))
        return err_set(err, ERR_NOT_FOUND, "run %lld has no such hunt", number);
    if (db_count(rows) > 1)
        return err_set(err, ERR_BAD_PARAMETER, "run %lld covers several hunts: name one with hunt=<slug>", number);
    options->now = db_int(rows, 0, 0);
    options->from = db_int(rows, 0, 1);
    options->to = db_int(rows, 0, 2);
    *query = arena_copy(request->arena, db_text(rows, 0, 3));
    return query->ptr || err_memory(err);
}

/* The cursor is the place of the page's first event: the events of a run's window hardly change between two pages. */
static bool page_read(struct request *request, struct result_page *page, struct err *err) {
    struct str cursor = request_query(request, "cursor");
    long long limit, from = 0;
    if (!request_number(request, "limit", 1, 1000, 1000, &limit, err))
        return false;
    if (cursor.ptr && (!str_to_int64(cursor, &from) || from < 0))
        return err_set(err, ERR_BAD_PARAMETER, "cursor is not one that this list gave");
    page->from = (size_t)from;
    page->limit = (size_t)limit;
    return true;
}

bool handle_evidence(struct request *request, struct reply *reply, struct err *err) {
    struct kql_options options = {.device = request_path_parameter(request, "id")};
    struct kql_program *program;
    struct str query = {0};
    struct result_page page = {0};
    BUF_AUTO out = BUF(ANSWER_CAP);
    if (!source_read(request, &options, &query, err))
        return false;
    options.max_rows = MAX_EVENTS;
    if (!page_read(request, &page, err))
        return false;
    buf_add_char(&out, '{');
    if (!query_run(request->service->db, request->arena, query, &options, mono_ms() + READ_MS, &page, &out,
                   &program, err))
        return false;
    if (page.from + page.limit < page.total)
        buf_printf(&out, ",\"next\":\"%zu\"}", page.from + page.limit);
    else
        buf_add_str(&out, STR(",\"next\":null}"));
    return result_reply(request, reply, buf_str(&out), err);
}
