/* Events in. The status contract with senders: 200 and 204 only behind the COMMIT; 422 and 4xx mean nothing is stored;
 * 429 and 503 ask for the same bytes again, 503 says whether the outcome is known. */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "handlers/handlers.h"
#include "handlers/problem.h"
#include "handlers/service.h"
#include "store/inflate.h"

enum { INFLATED_LIMIT = 64 * 1024 * 1024, INFLATE_GUESS = 24 };

struct intake {
    struct reader_options options;
    bool atomic, unknown;
    struct ingest_result *result; /* in the request's arena */
};

static void add_counts(struct buf *out, const struct ingest_result *result) {
    json_add_key(out, "received");
    json_add_int(out, result->received);
    json_add_key(out, "stored");
    json_add_int(out, result->stored);
    json_add_key(out, "duplicate");
    json_add_int(out, result->duplicate);
    json_add_key(out, "ignored");
    json_add_int(out, result->ignored);
    json_add_key(out, "rejected");
    json_add_int(out, result->rejected);
}

static void add_tables(struct buf *out, const struct ingest_result *result) {
    json_add_key(out, "tables");
    buf_add_char(out, '{');
    for (size_t i = 0; i < SCHEMA_TABLES; i++) {
        const struct ingest_table_count *count = &result->tables[i];
        if (!count->stored && !count->duplicate && !count->rejected)
            continue;
        json_add_key(out, schema_tables()[i].name);
        buf_printf(out, "{\"stored\":%lld,\"duplicate\":%lld,\"rejected\":%lld}", (long long)count->stored,
                   (long long)count->duplicate, (long long)count->rejected);
    }
    buf_add_char(out, '}');
}

static void add_errors(struct buf *out, const struct ingest_result *result) {
    buf_add_char(out, '[');
    for (size_t i = 0; i < result->error_count && i < INGEST_MAX_ERRORS; i++) {
        const struct ingest_error *error = &result->errors[i];
        json_add_comma(out);
        buf_printf(out, "{\"index\":%zu,\"code\":\"%s\",\"message\":", error->index, err_name(error->code));
        json_add_string(out, str_from(error->message));
        if (error->dead_letter)
            buf_printf(out, ",\"dead_letter\":\"%lld\"", (long long)error->dead_letter);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void write_result(const struct request *request, struct buf *out, const struct ingest_result *result) {
    buf_add_char(out, '{');
    add_counts(out, result);
    add_tables(out, result);
    json_add_key(out, "errors");
    add_errors(out, result);
    json_add_key(out, "request_id");
    json_add_string(out, request->request_id);
    buf_add(out, "}\n", 2);
}

static bool is_csv(const struct request *request) {
    struct str type = request_header(request, "Content-Type");
    return type.ptr && type.len >= 8 && str_eq_nocase((struct str){type.ptr, 8}, STR("text/csv"));
}

/* "Z", "+02:00", "-05:30". */
static bool offset_fits(struct str tz) {
    if (str_eq(tz, STR("Z")))
        return true;
    if (tz.len != 6 || (tz.ptr[0] != '+' && tz.ptr[0] != '-') || tz.ptr[3] != ':')
        return false;
    for (size_t i = 1; i < 6; i++)
        if (i != 3 && (tz.ptr[i] < '0' || tz.ptr[i] > '9'))
            return false;
    return tz.ptr[1] <= '1' && tz.ptr[4] <= '5';
}

static bool read_options(struct request *request, struct intake *intake, struct err *err) {
    struct str tz = request_query(request, "tz");
    if (!request_flag(request, "atomic", &intake->atomic, err))
        return false;
    intake->options.format = is_csv(request) ? READER_CSV : READER_AUTO;
    intake->result = arena_take(request->arena, sizeof *intake->result);
    if (!intake->result)
        return err_memory(err);
    if (!tz.ptr)
        return true;
    /* "+" of an unescaped offset comes as a space. */
    struct str copy = arena_copy(request->arena, tz);
    if (!copy.ptr)
        return err_memory(err);
    if (copy.len && copy.ptr[0] == ' ')
        copy = arena_printf(request->arena, "+%.*s", (int)copy.len - 1, copy.ptr + 1);
    if (!copy.ptr || !offset_fits(copy)) {
        request->problem_field = "tz";
        return err_set(err, ERR_BAD_PARAMETER, "tz: '%.*s' is not an offset such as Z or +02:00", STR_ARG(tz));
    }
    intake->options.tz_utc_offset = copy.ptr;
    return true;
}

static bool over_budget(struct request *request, struct err *err) {
    atomic_fetch_add(&request->service->metrics.refused_bodies, 1);
    return err_set(err, ERR_TOO_MANY, "the server holds as many bytes as it may; send the same bytes again later");
}

static bool ingest(struct request *request, struct intake *intake, struct str body, struct err *err) {
    struct service *service = request->service;
    int64_t deadline = mono_ms() + service->database_ms;
    if (atomic_load(&service->draining))
        return err_set(err, ERR_DRAINING, "the server is stopping; send the same bytes again");
    if (!ingest_body(service->ingest, body, &intake->options, intake->atomic, deadline, intake->result,
                     &intake->unknown, err))
        return false;
    metrics_ingest(&service->metrics, intake->result);
    return true;
}

/* The inflated size is only known afterwards: a guess is taken from the budget first, the difference behind it. */
static bool ingest_inflated(struct request *request, struct intake *intake, struct str encoding, struct err *err) {
    struct budget *budget = &request->service->in_flight;
    size_t guess = request->body.len * INFLATE_GUESS;
    size_t held = guess < INFLATED_LIMIT ? guess : INFLATED_LIMIT;
    BUF_AUTO inflated = BUF(INFLATED_LIMIT);
    if (!budget_take(budget, held))
        return over_budget(request, err);
    bool done = inflate_body(encoding, request->body, &inflated, err);
    if (!done && err->code == ERR_BAD_REQUEST)
        err->code = ERR_UNPROCESSABLE; /* some senders try again for ever after 400 */
    if (done && inflated.len > held) {
        done = budget_take(budget, inflated.len - held) || over_budget(request, err);
        held = done ? inflated.len : held;
    }
    done = done && ingest(request, intake, buf_str(&inflated), err);
    budget_give(budget, held);
    return done;
}

static bool take_in(struct request *request, struct intake *intake, struct err *err) {
    struct str encoding = request_header(request, "Content-Encoding");
    if (!encoding.ptr || !encoding.len || str_eq_nocase(encoding, STR("identity")))
        return ingest(request, intake, request->body, err);
    return ingest_inflated(request, intake, encoding, err);
}

/* 503 tells whether the records may be stored; 422 lists what was bad. The problem is made here, for its last member. */
static bool fail(struct request *request, struct reply *reply, const struct intake *intake, const struct err *err) {
    char id[65];
    snprintf(id, sizeof id, "%.*s", STR_ARG(request->request_id));
    if (err_status(err->code) >= 500) {
        log_err("ingest.failed", id, err);
        problem_reply_with(request, reply, err, "outcome", intake->unknown ? "\"unknown\"" : "\"not_stored\"");
        return true;
    }
    if (!intake->result || !intake->result->error_count) {
        problem_reply(request, reply, err);
        return true;
    }
    BUF_AUTO records = BUF(1024 * 1024);
    add_errors(&records, intake->result);
    problem_reply_with(request, reply, err, "records", buf_cstr(&records) ? records.ptr : "null");
    return true;
}

static bool answer(struct request *request, struct reply *reply, const struct schema_table *table) {
    struct intake intake = {.options.table = table};
    struct err err = {0};
    if (!read_options(request, &intake, &err) || !take_in(request, &intake, &err))
        return fail(request, reply, &intake, &err);
    write_result(request, &reply->body, intake.result);
    return true;
}

bool handle_events_post(struct request *request, struct reply *reply, struct err *err) {
    (void)err;
    return answer(request, reply, NULL);
}

bool handle_events_table_post(struct request *request, struct reply *reply, struct err *err) {
    struct str name = request_path_parameter(request, "table");
    const struct schema_table *table = schema_table_find(name);
    if (!table)
        return err_set(err, ERR_NOT_FOUND, "no event table '%.*s'; the tables are named as in Defender, such as %s",
                       STR_ARG(name), schema_tables()[0].name);
    return answer(request, reply, table);
}

/* Custom-DeviceX, Custom-DeviceX_CL, Microsoft-DeviceX. */
static const struct schema_table *stream_table(struct str stream) {
    static const struct str custom = {"Custom-", 7}, microsoft = {"Microsoft-", 10};
    if (str_starts(stream, custom))
        stream = (struct str){stream.ptr + custom.len, stream.len - custom.len};
    else if (str_starts(stream, microsoft))
        stream = (struct str){stream.ptr + microsoft.len, stream.len - microsoft.len};
    if (str_ends(stream, STR("_CL")))
        stream.len -= 3;
    return schema_table_find(stream);
}

bool handle_events_stream_post(struct request *request, struct reply *reply, struct err *err) {
    struct str stream = request_path_parameter(request, "stream");
    const struct schema_table *table = stream_table(stream);
    if (!table)
        return err_set(err, ERR_NOT_FOUND, "the stream '%.*s' names no event table; it is called such as Custom-%s",
                       STR_ARG(stream), schema_tables()[0].name);
    answer(request, reply, table);
    if (reply->status != 200)
        return true;
    buf_free(&reply->body);
    reply->status = 204;
    return true;
}
