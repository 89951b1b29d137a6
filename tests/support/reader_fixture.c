#include "tests/support/reader_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

struct seen *seen_read(struct str body, const struct reader_options *options) {
    struct err err = {0};
    size_t count = 0, index;
    struct seen *seen = test_calloc(1, sizeof *seen);
    seen->reader = reader_open(body, options, &err);
    assert_non_null(seen->reader);
    for (enum verdict v;; count++) {
        assert_true(count < SEEN_MOST - 1);
        v = reader_next(seen->reader, &seen->events[count], &seen->raws[count], &index, &err);
        if (v == VERDICT_END)
            return seen;
        assert_int_equal(index, count);
        seen->verdicts[count] = v == VERDICT_EVENT ? 'E' : v == VERDICT_IGNORED ? 'I' : 'R';
        seen->codes[count] = err.code;
        assert_int_equal(v == VERDICT_REJECTED, err.code != ERR_NONE);
    }
}

void reader_seen_free(struct seen *seen) {
    reader_free(seen->reader);
    test_free(seen);
}

const struct zone *zone_fixed(const char *hours) {
    static const struct zone_step steps[] = {{0, 0}, {0, 2 * TICKS_HOUR}};
    static const struct zone utc = {"Z", steps, 1}, east = {"+02:00", steps + 1, 1};
    return !hours ? NULL : *hours == 'Z' ? &utc : &east;
}

void expect_verdicts_zoned(struct str body, const char *table, const char *zone, const char *wanted) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL,
                                     .zone = zone_fixed(zone)};
    struct seen *seen = seen_read(body, &options);
    if (strcmp(seen->verdicts, wanted) != 0)
        fail_msg("%s, not %s, for %.*s", seen->verdicts, wanted, STR_ARG(body));
    reader_seen_free(seen);
}

void expect_verdicts(struct str body, const char *table, const char *wanted) {
    expect_verdicts_zoned(body, table, NULL, wanted);
}

void expect_code(struct str body, const char *table, size_t at, enum err_code code) {
    struct reader_options options = {.table = table ? schema_table_find(str_from(table)) : NULL};
    struct seen *seen = seen_read(body, &options);
    assert_int_equal(seen->verdicts[at], 'R');
    assert_string_equal(err_name(seen->codes[at]), err_name(code));
    reader_seen_free(seen);
}

const struct value *value_of(const struct event *event, const char *name) {
    return &event->values[schema_column_find(event->table, str_from(name)) - event->table->columns];
}
