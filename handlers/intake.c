#include "handlers/intake.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "handlers/problem.h"
#include "handlers/service.h"

bool intake_init(struct request *request, struct intake *intake, struct err *err) {
    intake->result = arena_take(request->arena, sizeof *intake->result);
    return intake->result || err_memory(err);
}

bool intake_zone(struct request *request, struct str name, struct intake *intake, struct err *err) {
    int64_t deadline = mono_ms() + request->service->database_ms;
    intake->options.zone = &intake->zone;
    if (zone_find(request->service->db, name, request->arena, deadline, &intake->zone, err))
        return true;
    request->problem_field = "tz";
    return false;
}

bool intake_store(struct request *request, struct intake *intake, struct str body, struct err *err) {
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

static void add_counts(struct buf *out, const struct ingest_result *result) {
    json_add_int_member(out, "received", result->received);
    json_add_int_member(out, "stored", result->stored);
    json_add_int_member(out, "duplicate", result->duplicate);
    json_add_int_member(out, "ignored", result->ignored);
    json_add_int_member(out, "rejected", result->rejected);
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

void intake_write(const struct request *request, const struct intake *intake, struct buf *out) {
    const struct ingest_result *result = intake->result;
    buf_add_char(out, '{');
    add_counts(out, result);
    add_tables(out, result);
    json_add_key(out, "errors");
    add_errors(out, result);
    json_add_string_member(out, "request_id", request->request_id);
    buf_add(out, "}\n", 2);
}

static struct str errors_text(const struct request *request, const struct ingest_result *result) {
    BUF_AUTO out = BUF(1024 * 1024);
    add_errors(&out, result);
    return out.failed ? (struct str){0} : arena_copy(request->arena, buf_str(&out));
}

void intake_fail(struct request *request, struct reply *reply, const struct intake *intake, const struct err *err) {
    char id[65];
    snprintf(id, sizeof id, "%.*s", STR_ARG(request->request_id));
    if (err_status(err->code) >= 500) {
        log_err("ingest.failed", id, err);
        problem_reply_with(request, reply, err, "outcome", intake->unknown ? "\"unknown\"" : "\"not_stored\"");
        return;
    }
    if (intake->result && intake->result->error_count)
        request->problem_errors = errors_text(request, intake->result);
    problem_reply(request, reply, err);
}
