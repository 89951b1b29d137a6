#include "hunts/evidence.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "hunts/freshness.h"
#include "hunts/names.h"
#include "hunts/result.h"
#include "store/array.h"

enum { SQL_CAP = 8 << 20, EVENT_CAP = 256 << 20, WARNINGS_CAP = 1 << 20, LIST_CAP = 1 << 20 };

/* An event that a hunt counted. */
struct found {
    struct evidence_key key;
    size_t hunt;
};

/* An event of the page and the hunts that counted it: places first .. first + hunts in found. */
struct event {
    const struct found *first;
    size_t hunts;
    struct str json;
};

struct reading {
    struct arena *arena;
    struct db_conn *conn;
    const struct evidence_request *request;
    int64_t deadline_ms;
    struct str *slugs;
    struct found *found;
    size_t found_count, found_room;
    struct event *events;
    size_t event_count;
};

static bool known_check(struct db_conn *conn, struct evidence_request *request, int64_t deadline_ms, struct err *err) {
    struct str params[] = {request->device, request->run, request->hunt};
    DB_ROWS_AUTO *rows = db_query(conn, db_statement("evidence_known"), params, 3, deadline_ms, err);
    if (!rows)
        return false;
    if (!str_eq(db_text(rows, 0, 0), STR("t")))
        return err_set(err, ERR_NOT_FOUND, "no device '%.*s'; GET /v1/devices?q= looks for names",
                       STR_ARG(request->device));
    if (!str_eq(db_text(rows, 0, 1), STR("t")))
        return err_set(err, ERR_NOT_FOUND, "no run '%.*s'; GET /v1/runs lists them", STR_ARG(request->run));
    if (!str_eq(db_text(rows, 0, 2), STR("t")))
        return name_refuse_hunt(conn, ERR_BAD_PARAMETER, request->hunt, err);
    if (!request->until_us)
        request->until_us = db_int(rows, 0, 3);
    return true;
}

static struct str number_text(const struct reading *reading, int64_t number) {
    return arena_printf(reading->arena, "%" PRId64, number);
}

static struct db_rows *sources_read(const struct reading *reading, struct err *err) {
    const struct evidence_request *request = reading->request;
    struct str params[] = {request->run, request->hunt, request->tool, number_text(reading, request->until_us), request->device};
    struct db_rows *rows = db_query(reading->conn, db_statement("evidence_source"), params, 5, reading->deadline_ms, err);
    if (!rows || db_count(rows))
        return rows;
    db_rows_free(rows);
    if (request->run.ptr)
        err_set(err, ERR_NOT_FOUND, "run %.*s has no finished result of such a hunt", STR_ARG(request->run));
    else
        err_set(err, ERR_NOT_FOUND, "no result of such a hunt is finished; POST /v1/runs makes one");
    return NULL;
}

/* A program's statement with more around it: its columns are k0, k1, …, its parameters come first. */
static bool wrap(const struct reading *reading, const struct kql_program *program, struct buf *sql, struct str **params,
                 size_t more, struct err *err) {
    *params = arena_array(reading->arena, program->param_count + more, sizeof **params);
    buf_add_str(sql, STR("SELECT * FROM ("));
    buf_add_str(sql, program->sql);
    buf_add_str(sql, STR(") e("));
    for (size_t c = 0; c < program->column_count; c++)
        buf_printf(sql, "%sk%zu", c ? "," : "", c);
    buf_add_str(sql, STR(") WHERE "));
    if (!*params || sql->failed)
        return err_memory(err);
    for (size_t i = 0; i < program->param_count; i++)
        (*params)[i] = program->params[i];
    return true;
}

static const struct schema_table *table_of(const struct event *event) {
    return &schema_tables()[event->first->key.table];
}

static struct evidence_key key_read(const struct db_rows *rows, size_t row) {
    const struct schema_table *table = schema_table_find(db_text(rows, row, 2));
    return (struct evidence_key){db_int(rows, row, 0), db_int(rows, row, 1), table ? (int)schema_table_index(table) : -1};
}

static bool found_grow(struct reading *reading, size_t more) {
    struct found *grown = arena_grow(reading->arena, reading->found, reading->found_count, more, &reading->found_room,
                                     sizeof *grown);
    if (grown)
        reading->found = grown;
    return grown != NULL;
}

static bool found_add(struct reading *reading, const struct db_rows *rows, size_t hunt) {
    if (!found_grow(reading, db_count(rows)))
        return false;
    for (size_t r = 0; r < db_count(rows); r++)
        reading->found[reading->found_count++] = (struct found){key_read(rows, r), hunt};
    return true;
}

/* What the ledger has of the device, also from before the window of the latest results and of versions that are gone. */
static bool ledger_read(struct reading *reading, const struct db_rows *sources, struct evidence *evidence, struct err *err) {
    BUF_AUTO hunts = BUF(LIST_CAP);
    size_t *places = arena_array(reading->arena, db_count(sources) + 1, sizeof *places), count = 0;
    for (size_t r = 0; places && r < db_count(sources); r++) {
        if (!db_int(sources, r, 7))
            continue;
        evidence->tables |= (uint32_t)db_int(sources, r, 7);
        array_add_int(&hunts, db_int(sources, r, 6));
        places[count++] = r;
    }
    array_end(&hunts);
    const struct evidence_request *request = reading->request;
    struct str params[] = {request->device, buf_str(&hunts), number_text(reading, request->until_us),
                           number_text(reading, request->after.ts), number_text(reading, request->after.arrived),
                           number_text(reading, request->after.table), number_text(reading, (int64_t)request->limit + 1)};
    if (!places || hunts.failed || !params[6].ptr)
        return err_memory(err);
    DB_ROWS_AUTO *rows = count ? db_query(reading->conn, db_statement("evidence_hits"), params, 7, reading->deadline_ms, err) : NULL;
    if (count && !rows)
        return false;
    if (!found_grow(reading, db_count(rows)))
        return err_memory(err);
    for (size_t r = 0; r < db_count(rows); r++)
        reading->found[reading->found_count++] = (struct found){
            {db_int(rows, r, 0), db_int(rows, r, 1), (int)db_int(rows, r, 2)}, places[db_int(rows, r, 3)]};
    return true;
}

/* One hunt's events behind the last page: one more than the page holds. */
static bool keys_read(struct reading *reading, const struct kql_program *program, size_t hunt, struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP);
    struct str *params;
    size_t n = program->param_count;
    const struct evidence_key *after = &reading->request->after;
    if (!wrap(reading, program, &sql, &params, 3, err))
        return false;
    params[n] = number_text(reading, after->ts);
    params[n + 1] = number_text(reading, after->arrived);
    params[n + 2] = after->table < 0 ? STR("") : str_from(schema_tables()[after->table].name);
    buf_printf(&sql, "(k0, k1, k2 COLLATE \"C\") > ($%zu::bigint, $%zu::bigint, $%zu::text) ORDER BY k0, k1, k2 COLLATE "
               "\"C\" LIMIT %zu", n + 1, n + 2, n + 3, reading->request->limit + 1);
    if (!buf_cstr(&sql) || !params[n].ptr || !params[n + 1].ptr)
        return err_memory(err);
    DB_ROWS_AUTO *rows = db_query(reading->conn, sql.ptr, params, n + 3, reading->deadline_ms, err);
    return rows && (found_add(reading, rows, hunt) || err_memory(err));
}

static void add_warning(struct buf *out, struct str slug, const struct err *err) {
    json_add_comma(out);
    buf_add_str(out, STR("{\"hunt\":"));
    json_add_string(out, slug);
    json_add_string_member(out, "message", str_from(err->text));
    buf_add_char(out, '}');
}

/* The hunts' windows: arrays side by side, and the hunts' places. */
struct windows {
    struct buf lists[3];
    size_t *places, count;
};

/* Where the asked-for result, or the ledger, looked. */
static void window_add(const struct reading *reading, const struct db_rows *sources, size_t row,
                       const struct kql_program *program, struct windows *windows) {
    const struct result_context context = {.as_of = db_int(sources, row, 1),
                                           .from = db_int(sources, row, 2),
                                           .to = db_int(sources, row, 3),
                                           .program = program};
    bool of_run = reading->request->run.ptr != NULL;
    if (of_run && !program)
        return;
    windows->places[windows->count++] = row;
    array_add_int(&windows->lists[0], db_int(sources, row, 6));
    array_add_int(&windows->lists[1], of_run ? result_window_start(&context) : 0);
    array_add_int(&windows->lists[2], of_run ? result_window_end(&context) : INT64_MAX);
}

static void add_gone(const struct db_rows *rows, size_t row, struct str slug, struct buf *out) {
    char first[TICKS_TEXT], last[TICKS_TEXT];
    struct err gone = {0};
    ticks_print(db_int(rows, row, 3), first);
    ticks_print(db_int(rows, row, 4), last);
    err_set(&gone, ERR_NOT_FOUND,
            "%" PRId64 " of the %" PRId64 " events that the hunt found on the device are kept: retention has deleted "
            "those of %.10s to %.10s",
            db_int(rows, row, 2), db_int(rows, row, 1), first, last);
    add_warning(out, slug, &gone);
}

/* Warnings of hunts whose events aren't all there any more. */
static bool gone_read(const struct reading *reading, struct windows *windows, struct buf *out, struct err *err) {
    bool failed = false;
    struct str params[4] = {reading->request->device};
    for (size_t i = 0; i < 3; i++) {
        array_end(&windows->lists[i]);
        params[1 + i] = buf_str(&windows->lists[i]);
        failed = failed || windows->lists[i].failed;
    }
    DB_ROWS_AUTO *rows =
        failed ? (err_memory(err), NULL)
               : db_query(reading->conn, db_statement("evidence_gone"), params, 4, reading->deadline_ms, err);
    for (size_t r = 0; r < db_count(rows); r++)
        add_gone(rows, r, reading->slugs[windows->places[db_int(rows, r, 0)]], out);
    return rows != NULL;
}

/* A hunt that can't show events is told; when none can, that is the answer. */
static bool sources_show(struct reading *reading, const struct db_rows *sources, struct evidence *evidence,
                         struct windows *windows, struct buf *warnings, struct err *err) {
    size_t shown = 0;
    struct err why = {0};
    for (size_t r = 0; r < db_count(sources); r++) {
        struct kql_options options = {.now = db_int(sources, r, 1), .from = db_int(sources, r, 2),
                                      .to = db_int(sources, r, 3), .device = reading->request->device};
        reading->slugs[r] = db_text(sources, r, 0);
        bool relevant = str_eq(db_text(sources, r, 5), STR("t"));
        struct kql_program *program =
            relevant ? kql_compile(reading->arena, db_text(sources, r, 4), &options, &why) : NULL;
        if (relevant && !program && err_status(why.code) >= 500)
            return *err = why, false;
        if (relevant && !program)
            add_warning(warnings, reading->slugs[r], &why);
        shown += !relevant || program;
        if (program && !keys_read(reading, program, r, err))
            return false;
        window_add(reading, sources, r, program, windows);
        evidence->tables |= program ? program->tables : 0;
    }
    return shown || err_set(err, ERR_UNPROCESSABLE, "%s", why.text);
}

static bool hunts_read(struct reading *reading, const struct db_rows *sources, struct evidence *evidence,
                       struct err *err) {
    BUF_AUTO warnings = BUF(WARNINGS_CAP);
    struct windows windows = {.lists = {BUF(LIST_CAP), BUF(LIST_CAP), BUF(LIST_CAP)},
                              .places = arena_array(reading->arena, db_count(sources) + 1, sizeof *windows.places)};
    bool ok = windows.places ? sources_show(reading, sources, evidence, &windows, &warnings, err) &&
                                   gone_read(reading, &windows, &warnings, err)
                             : err_memory(err);
    for (size_t i = 0; i < 3; i++)
        buf_free(&windows.lists[i]);
    evidence->warnings = arena_printf(reading->arena, "[%.*s]", (int)warnings.len, warnings.len ? warnings.ptr : "");
    return ok && ((evidence->warnings.ptr && !warnings.failed) || err_memory(err));
}

/* Tables by name, as keys_read has the database order them. */
static int compare_keys(const struct evidence_key *x, const struct evidence_key *y) {
    if (x->ts != y->ts)
        return x->ts < y->ts ? -1 : 1;
    if (x->arrived != y->arrived)
        return x->arrived < y->arrived ? -1 : 1;
    return x->table == y->table ? 0 : strcmp(schema_tables()[x->table].name, schema_tables()[y->table].name);
}

static int compare_found(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    int order = compare_keys(&x->key, &y->key);
    return order ? order : (x->hunt > y->hunt) - (x->hunt < y->hunt);
}

/* By time; what one hunt gave twice, as some queries may, stands once. */
static void found_sort(struct reading *reading) {
    size_t kept = 0;
    mem_sort(reading->found, reading->found_count, sizeof *reading->found, compare_found);
    for (size_t i = 0; i < reading->found_count; i++)
        if (!kept || compare_found(&reading->found[kept - 1], &reading->found[i]))
            reading->found[kept++] = reading->found[i];
    reading->found_count = kept;
}

static bool events_make(struct reading *reading, struct evidence *evidence, struct err *err) {
    size_t limit = reading->request->limit;
    reading->events = arena_array(reading->arena, limit, sizeof *reading->events);
    if (!reading->events)
        return err_memory(err);
    found_sort(reading);
    for (size_t i = 0; i < reading->found_count; i++) {
        const struct found *found = &reading->found[i];
        struct event *event = reading->event_count ? &reading->events[reading->event_count - 1] : NULL;
        if (!event || compare_keys(&event->first->key, &found->key) != 0) {
            if (reading->event_count == limit)
                return evidence->more = true;
            event = &reading->events[reading->event_count++];
            event->first = found;
        }
        event->hunts++;
    }
    return true;
}

static void add_members(struct buf *out, const struct kql_program *program, const struct db_rows *rows, size_t row,
                        bool flat) {
    size_t known = program->column_count - 2; /* $arrived and $unknown stand last */
    for (size_t c = 0; c < known; c++) {
        bool tenant = str_eq(program->columns[c].name, STR("TenantId"));
        if (tenant && !db_text(rows, row, c).len)
            continue;
        json_add_comma(out);
        json_add_string(out, program->columns[c].name);
        buf_add_char(out, ':');
        result_add_cell(out, rows, row, c, program->columns[c].type);
    }
    struct str unknown = str_trim(db_text(rows, row, known + 1));
    if (flat) {
        json_add_key(out, "AdditionalColumns");
        buf_add_str(out, unknown.len ? unknown : STR("null"));
    } else if (unknown.len > 2) {
        json_add_comma(out);
        buf_add(out, unknown.ptr + 1, unknown.len - 2);
    }
}

/* As a string beside the event: a number of 18 digits doesn't survive in clients that read numbers as doubles. */
static void add_report_id(struct buf *out, const struct kql_program *program, const struct db_rows *rows, size_t row) {
    for (size_t c = 0; c < program->column_count; c++) {
        if (!str_eq(program->columns[c].name, STR("ReportId")))
            continue;
        json_add_key(out, "report_id");
        struct str id = db_text(rows, row, c);
        if (id.ptr)
            json_add_string(out, id);
        else
            buf_add_str(out, STR("null"));
    }
}

static bool event_write(const struct reading *reading, struct event *event, const struct kql_program *program,
                        const struct db_rows *rows, size_t row, struct err *err) {
    BUF_AUTO out = BUF(EVENT_CAP);
    buf_add_str(&out, STR("{\"table\":"));
    json_add_string(&out, str_from(table_of(event)->name));
    json_add_key(&out, "hunts");
    buf_add_char(&out, '[');
    for (size_t h = 0; h < event->hunts; h++) {
        json_add_comma(&out);
        json_add_string(&out, reading->slugs[event->first[h].hunt]);
    }
    buf_add_char(&out, ']');
    if (!reading->request->flat) {
        add_report_id(&out, program, rows, row);
        json_add_key(&out, "event");
        buf_add_char(&out, '{');
    }
    add_members(&out, program, rows, row, reading->request->flat);
    buf_add_str(&out, reading->request->flat ? STR("}") : STR("}}"));
    event->json = out.failed ? (struct str){0} : arena_copy(reading->arena, buf_str(&out));
    return event->json.ptr || err_memory(err);
}

/* The page's events of one table, whole, in the page's order. */
static struct db_rows *table_read(struct reading *reading, const struct schema_table *table, struct kql_program **program,
                                  struct err *err) {
    BUF_AUTO sql = BUF(SQL_CAP), arrivals = BUF(1 << 20);
    struct kql_options options = {.now = ticks_now(), .from = -1, .to = -1};
    for (size_t i = 0; i < reading->event_count; i++) {
        if (table_of(&reading->events[i]) != table)
            continue;
        const struct evidence_key *key = &reading->events[i].first->key;
        options.from = options.from < 0 ? key->ts : options.from;
        options.to = key->ts;
        array_add_int(&arrivals, key->arrived);
    }
    if (!arrivals.len)
        return NULL;
    array_end(&arrivals);
    struct str query = arena_printf(reading->arena, "%s | extend TenantId = TenantId, ['$arrived'] = ['$arrived'], "
                                    "['$unknown'] = ['$unknown']", table->name);
    *program = query.ptr ? kql_compile(reading->arena, query, &options, err) : (err_memory(err), NULL);
    struct str *params;
    if (!*program || !wrap(reading, *program, &sql, &params, 1, err))
        return NULL;
    size_t arrived = (*program)->column_count - 2, n = (*program)->param_count;
    params[n] = buf_str(&arrivals);
    buf_printf(&sql, "k%zu = ANY($%zu::bigint[]) ORDER BY k0, k%zu", arrived, n + 1, arrived);
    if (!buf_cstr(&sql))
        return err_memory(err), NULL;
    return db_query(reading->conn, sql.ptr, params, n + 1, reading->deadline_ms, err);
}

static bool tables_read(struct reading *reading, struct err *err) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        const struct schema_table *table = &schema_tables()[t];
        struct kql_program *program = NULL;
        DB_ROWS_AUTO *rows = table_read(reading, table, &program, err);
        if (!rows && err->code != ERR_NONE)
            return false;
        for (size_t i = 0, row = 0; rows && i < reading->event_count; i++)
            if (table_of(&reading->events[i]) == table && row < db_count(rows) &&
                reading->events[i].first->key.arrived == db_int(rows, row, program->column_count - 2) &&
                !event_write(reading, &reading->events[i], program, rows, row++, err))
                return false;
    }
    return true;
}

/* An event that isn't in its table any more, as retention dropped its day meanwhile, is left out. */
static bool evidence_finish(const struct reading *reading, struct evidence *evidence, struct err *err) {
    evidence->events = arena_array(reading->arena, reading->event_count + 1, sizeof *evidence->events);
    if (!evidence->events)
        return err_memory(err);
    for (size_t i = 0; i < reading->event_count; i++) {
        if (reading->events[i].json.ptr)
            evidence->events[evidence->count++] = reading->events[i].json;
        evidence->last = reading->events[i].first->key;
    }
    return true;
}

static bool page_read(struct reading *reading, struct evidence_request *request, struct evidence *evidence,
                      struct err *err) {
    if (!known_check(reading->conn, request, reading->deadline_ms, err))
        return false;
    DB_ROWS_AUTO *sources = sources_read(reading, err);
    if (!sources)
        return false;
    reading->slugs = arena_array(reading->arena, db_count(sources) + 1, sizeof *reading->slugs);
    if (!reading->slugs)
        return err_memory(err);
    *err = (struct err){0};
    return hunts_read(reading, sources, evidence, err) && ledger_read(reading, sources, evidence, err) && events_make(reading, evidence, err) &&
           tables_read(reading, err) && evidence_finish(reading, evidence, err);
}

bool evidence_read(struct db *db, struct arena *arena, struct evidence_request *request, int64_t deadline_ms,
                   struct evidence *evidence, struct err *err) {
    *evidence = (struct evidence){0};
    struct reading reading = {.arena = arena, .conn = db_take(db, deadline_ms, err), .request = request,
                              .deadline_ms = deadline_ms};
    bool ok = reading.conn && db_begin(reading.conn, "ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline_ms, err) &&
              page_read(&reading, request, evidence, err);
    db_give(reading.conn);
    return ok;
}
