/* Any bytes as a request body: read to the end, twice alike, and every event fit to be stored. The first two bytes
 * choose the path's table, the format and the time zone. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "store/reader.h"

enum { MOST_AGAIN = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok)
        abort();
}

static void check_event(const struct event *event) {
    check(event->table && event->values[0].kind == VALUE_NUMBER);
    check(str_utf8_valid(event->extra) && (!event->extra.len || event->extra.ptr[0] == '{'));
    for (size_t i = 0; i < event->table->column_count; i++) {
        const struct value *value = &event->values[i];
        if (value->kind == VALUE_TEXT)
            check(value->text.len && str_utf8_valid(value->text) && !memchr(value->text.ptr, '\0', value->text.len));
    }
}

/* A rejected row of CSV must be what it was when it is read again behind its header. */
static void check_row(const struct reader *reader, const struct reader_options *options, struct str raw,
                      enum err_code code) {
    BUF_AUTO body = BUF(1 << 24);
    struct reader_options csv = *options;
    struct err err = {0};
    struct event event;
    size_t index;
    csv.format = READER_CSV;
    buf_add_str(&body, reader_csv_header(reader));
    buf_add_str(&body, STR("\r\n"));
    buf_add_str(&body, raw);
    buf_add_str(&body, STR("\r\n"));
    struct reader *again = reader_open(buf_str(&body), &csv, &err);
    check(again && reader_next(again, &event, &raw, &index, &err) == VERDICT_REJECTED && err.code == code);
    check(reader_next(again, &event, &raw, &index, &err) == VERDICT_END);
    reader_free(again);
}

/* A figure that tells one reading from another. */
static uint64_t read_all(struct str body, const struct reader_options *options) {
    struct err err = {0};
    struct event event;
    struct str raw = {0};
    uint64_t mark = 0;
    size_t index = 0;
    struct reader *reader = reader_open(body, options, &err);
    if (!reader) {
        check(err.code != ERR_NONE);
        return 1;
    }
    for (size_t count = 0;; count++) {
        enum verdict verdict = reader_next(reader, &event, &raw, &index, &err);
        if (verdict == VERDICT_END)
            break;
        check(index == count && count <= body.len);
        if (verdict == VERDICT_EVENT)
            check_event(&event);
        check((verdict == VERDICT_REJECTED) == (err.code != ERR_NONE));
        if (verdict == VERDICT_REJECTED && reader_csv_header(reader).ptr && body.len < MOST_AGAIN)
            check_row(reader, options, raw, err.code);
        mark = mark * 31 + (uint64_t)verdict * 7 + (uint64_t)err.code + raw.len;
    }
    reader_free(reader);
    return mark;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    if (!started)
        schema_init();
    started = true;
    if (size < 2)
        return 0;
    char *copy = malloc(size - 2 + !(size - 2)); /* so that one byte past the body is seen */
    if (!copy)
        return 0;
    memcpy(copy, data + 2, size - 2);
    static const struct zone_step steps[] = {{0, 36000000000}, {638000000000000000, 72000000000}};
    static const struct zone zone = {"", steps, 2};
    struct reader_options options = {
        .table = data[0] % (SCHEMA_TABLES + 1) ? &schema_tables()[data[0] % (SCHEMA_TABLES + 1) - 1] : NULL,
        .format = data[1] & 1 ? READER_CSV : READER_AUTO,
        .zone = data[1] & 2 ? &zone : NULL,
    };
    struct str body = {copy, size - 2};
    check(read_all(body, &options) == read_all(body, &options));
    free(copy);
    return 0;
}
