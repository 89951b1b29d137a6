#include "handlers/problem.h"

#include "base/json.h"
#include "handlers/finished.h"

/* Faults of ours are told in the log only. */
static const char *detail_of(const struct err *err) {
    return err->code == ERR_INTERNAL || !err->text[0] ? err_title(err->code) : err->text;
}

static void add_text(struct buf *out, const char *name, const char *text) {
    json_add_string_member(out, name, str_from(text));
}

static void add_place(const struct request *request, struct buf *out, const struct err *err) {
    char excerpt[1024];
    if (!err->line)
        return;
    json_add_int_member(out, "line", err->line);
    json_add_int_member(out, "column", err->column);
    err_excerpt(err, request->source, excerpt, sizeof excerpt);
    if (excerpt[0])
        add_text(out, "excerpt", excerpt);
}

static void add_errors(const struct request *request, struct buf *out, const struct err *err) {
    json_add_key(out, "errors");
    if (request->problem_errors.len) {
        buf_add_str(out, request->problem_errors);
        return;
    }
    buf_add_char(out, '[');
    if (request->problem_field) {
        buf_add_char(out, '{');
        add_text(out, "field", request->problem_field);
        add_text(out, "message", detail_of(err));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* What Azure's clients read; they spell the message in two ways. */
static void add_azure(struct buf *out, const struct err *err) {
    json_add_key(out, "error");
    buf_add_char(out, '{');
    add_text(out, "code", err_name(err->code));
    add_text(out, "message", detail_of(err));
    add_text(out, "@message", detail_of(err));
    buf_add_char(out, '}');
}

void problem_reply_with(const struct request *request, struct reply *reply, const struct err *err, const char *name,
                        const char *json) {
    struct buf body = BUF(2 * 1024 * 1024), *out = &body;
    buf_free(&reply->body);
    finished_release(reply->finished);
    reply->finished = NULL;
    reply->status = err_status(err->code);
    reply->content_type = "application/problem+json";
    buf_add_char(out, '{');
    json_add_key(out, "type");
    buf_printf(out, "\"urn:rmmhunt:problem:%s\"", err_name(err->code));
    add_text(out, "title", err_title(err->code));
    json_add_int_member(out, "status", reply->status);
    add_text(out, "detail", detail_of(err));
    add_text(out, "code", err_name(err->code));
    json_add_string_member(out, "request_id", request->request_id);
    add_errors(request, out, err);
    add_place(request, out, err);
    add_azure(out, err);
    if (name) {
        json_add_key(out, name);
        buf_add_str(out, str_from(json));
    }
    buf_add(out, "}\n", 2);
    reply->body = body;
    if ((reply->status == 429 || reply->status == 503))
        reply_header(reply, "Retry-After", reply->status == 429 ? STR("1") : STR("5"));
}

void problem_reply(const struct request *request, struct reply *reply, const struct err *err) {
    problem_reply_with(request, reply, err, NULL, NULL);
}
