/* Events in. */
#include "handlers/handlers.h"
#include "handlers/intake.h"
#include "handlers/service.h"
#include "store/inflate.h"

enum { INFLATED_LIMIT = 64 * 1024 * 1024, INFLATE_GUESS = 24 };

static bool is_csv(const struct request *request) {
    struct str type = request_header(request, "Content-Type");
    return type.ptr && type.len >= 8 && str_eq_nocase((struct str){type.ptr, 8}, STR("text/csv"));
}

/* "+" of an unescaped offset comes as a space. */
static bool read_zone(struct request *request, struct intake *intake, struct err *err) {
    struct str tz = request_query(request, "tz");
    if (!tz.ptr)
        return true;
    if (tz.len && tz.ptr[0] == ' ')
        tz = arena_printf(request->arena, "+%.*s", (int)tz.len - 1, tz.ptr + 1);
    return tz.ptr ? intake_zone(request, tz, intake, err) : err_memory(err);
}

static bool read_options(struct request *request, struct intake *intake, struct err *err) {
    intake->options.format = is_csv(request) ? READER_CSV : READER_AUTO;
    return request_flag(request, "atomic", &intake->atomic, err) && read_zone(request, intake, err) &&
           intake_init(request, intake, err);
}

static bool over_budget(struct request *request, struct err *err) {
    atomic_fetch_add(&request->service->metrics.refused_bodies, 1);
    return err_set(err, ERR_TOO_MANY, "the server holds as many bytes as it may; send the same bytes again later");
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
    done = done && intake_store(request, intake, buf_str(&inflated), err);
    budget_give(budget, held);
    return done;
}

static bool take_in(struct request *request, struct intake *intake, struct err *err) {
    struct str encoding = request_header(request, "Content-Encoding");
    if (!encoding.ptr || !encoding.len || str_eq_nocase(encoding, STR("identity")))
        return intake_store(request, intake, request->body, err);
    return ingest_inflated(request, intake, encoding, err);
}

static bool answer(struct request *request, struct reply *reply, const struct schema_table *table) {
    struct intake intake = {.options.table = table};
    struct err err = {0};
    if (read_options(request, &intake, &err) && take_in(request, &intake, &err))
        intake_write(request, &intake, &reply->body);
    else
        intake_fail(request, reply, &intake, &err);
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
