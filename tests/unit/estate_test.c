/* The made-up estate: the same bytes for the same options, well-formed records, exact counts, and attacks that a naive
 * recount of the records finds exactly as they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "hunts/estate.h"
#include "store/reader.h"

enum { CAP = 256 << 20 };

static struct estate_options demo(void) {
    struct estate_options options = {.seed = 7, .devices = 100, .days = 14, .repeat_rate = 0.05, .late_rate = 0.02};
    ticks_parse(STR("2026-07-20T00:00:00Z"), &options.end);
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        options.rows[t] = 100 + 50 * t;
    return options;
}

static void make(const struct estate_options *options, size_t step, struct buf *out) {
    struct estate *estate = estate_new(options);
    uint64_t count = 0;
    assert_non_null(estate);
    for (size_t got; (got = estate_next(estate, out, step)) > 0; count += got)
        assert_true(got <= step);
    assert_false(out->failed);
    assert_int_equal(count, estate_total(estate));
    assert_int_equal(estate_next(estate, out, step), 0);
    estate_free(estate);
}

/* The next line of *rest, without its newline. */
static bool line_next(struct str *rest, struct str *line) {
    const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    if (!end)
        return false;
    *line = (struct str){rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (struct str){end + 1, rest->len - line->len - 1};
    return true;
}

static struct str properties_of(struct str line) {
    static const char mark[] = "\"properties\":";
    const char *at = memmem(line.ptr, line.len, mark, sizeof mark - 1);
    assert_non_null(at);
    at += sizeof mark - 1;
    return (struct str){at, (size_t)(line.ptr + line.len - 1 - at)};
}

static void the_same_options_give_the_same_bytes(void **state) {
    struct estate_options options = demo();
    BUF_AUTO one = BUF(CAP);
    BUF_AUTO two = BUF(CAP);
    BUF_AUTO other = BUF(CAP);
    (void)state;
    make(&options, 1000, &one);
    make(&options, 7, &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.ptr, two.ptr, one.len);
    options.seed++;
    make(&options, 1000, &other);
    assert_false(str_eq(buf_str(&one), buf_str(&other)));
}

static void expect_columns(const struct schema_table *table, json_t *properties) {
    size_t place = 0;
    const char *name;
    json_t *value;
    assert_int_equal(json_object_size(properties), table->column_count);
    json_object_foreach(properties, name, value) {
        assert_string_equal(name, table->columns[place++].name);
        assert_non_null(value);
    }
}

static void every_line_is_json_with_its_tables_columns(void **state) {
    struct estate_options options = demo();
    BUF_AUTO out = BUF(CAP);
    struct str line;
    (void)state;
    make(&options, 1000, &out);
    for (struct str rest = buf_str(&out); line_next(&rest, &line);) {
        json_t *tree = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(tree);
        const char *category = json_string_value(json_object_get(tree, "category"));
        assert_non_null(category);
        assert_int_equal(strncmp(category, "AdvancedHunting-", 16), 0);
        const struct schema_table *table = schema_table_find(str_from(category + 16));
        assert_non_null(table);
        assert_non_null(json_string_value(json_object_get(tree, "time")));
        expect_columns(table, json_object_get(tree, "properties"));
        json_decref(tree);
    }
}

static void every_record_is_an_event_of_its_days(void **state) {
    struct estate_options options = demo();
    struct reader_options reading = {0};
    struct event *event = test_malloc(sizeof *event);
    BUF_AUTO out = BUF(CAP);
    struct err err = {0};
    struct str raw;
    size_t index, count = 0;
    (void)state;
    make(&options, 1000, &out);
    struct reader *reader = reader_open(buf_str(&out), &reading, &err);
    assert_non_null(reader);
    for (enum verdict v; (v = reader_next(reader, event, &raw, &index, &err)) != VERDICT_END; count++) {
        if (v != VERDICT_EVENT)
            fail_msg("record %zu: %s", index, err.text);
        assert_int_equal(event->extra.len, 0);
        assert_true(event->values[0].number <= options.end);
        assert_true(event->values[0].number >= options.end - options.days * TICKS_DAY);
    }
    assert_true(count > 3000);
    reader_free(reader);
    test_free(event);
}

static int by_text(const void *a, const void *b) {
    const struct str *one = a, *two = b;
    return str_cmp(*one, *two);
}

/* The properties of all lines, sorted; *count of them. */
static struct str *properties_sorted(struct str body, size_t *count) {
    struct str line, *all = test_malloc(sizeof *all * 20000);
    *count = 0;
    for (struct str rest = body; line_next(&rest, &line);) {
        assert_true(*count < 20000);
        all[(*count)++] = properties_of(line);
    }
    qsort(all, *count, sizeof *all, by_text);
    return all;
}

static void repeats_are_byte_identical_and_as_many_as_promised(void **state) {
    struct estate_options options = demo();
    BUF_AUTO out = BUF(CAP);
    size_t count, distinct = 0;
    (void)state;
    make(&options, 1000, &out);
    struct str *all = properties_sorted(buf_str(&out), &count);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || !str_eq(all[i - 1], all[i]);
    assert_int_equal(count, distinct + distinct / 20);
    test_free(all);
    out.len = 0;
    options.repeat_rate = 0;
    make(&options, 1000, &out);
    all = properties_sorted(buf_str(&out), &count);
    for (size_t i = 1; i < count; i++)
        assert_false(str_eq(all[i - 1], all[i]));
    assert_int_equal(count, distinct);
    test_free(all);
}

/* A repeat has another envelope, as when Azure delivers a record again: the lines differ though the properties don't.
 */
static void most_repeats_come_under_another_envelope(void **state) {
    struct estate_options options = demo();
    BUF_AUTO out = BUF(CAP);
    struct str line, *lines = test_malloc(sizeof *lines * 20000);
    size_t count = 0, same = 0;
    (void)state;
    make(&options, 1000, &out);
    for (struct str rest = buf_str(&out); line_next(&rest, &line);)
        lines[count++] = line;
    qsort(lines, count, sizeof *lines, by_text);
    for (size_t i = 1; i < count; i++)
        same += str_eq(lines[i - 1], lines[i]);
    assert_true(same * 10 < count / 21);
    test_free(lines);
}

static const char *signal_table(const char *slug) {
    return strstr(slug, "-file-signature")   ? "DeviceFileCertificateInfo"
           : strstr(slug, "-create-process") ? "DeviceProcessEvents"
                                             : "DeviceNetworkEvents";
}

/* Plants outside a hunt's days, and near misses, are in the records but in no hunt's result. */
static void every_table_has_the_rows_asked_for_and_the_planted_ones(void **state) {
    struct estate_options options = demo();
    uint64_t planted[SCHEMA_TABLES] = {0}, seen[SCHEMA_TABLES] = {0}, total = 0;
    BUF_AUTO out = BUF(CAP);
    struct str line;
    size_t plant_count;
    (void)state;
    options.repeat_rate = 0;
    make(&options, 1000, &out);
    for (struct str rest = buf_str(&out); line_next(&rest, &line); total++) {
        json_t *tree = json_loadb(line.ptr, line.len, 0, NULL);
        seen[schema_table_index(
            schema_table_find(str_from(json_string_value(json_object_get(tree, "category")) + 16)))]++;
        json_decref(tree);
    }
    struct estate *estate = estate_new(&options);
    const struct estate_plant *plants = estate_plants(estate, &plant_count);
    for (size_t i = 0; i < plant_count; i++)
        planted[schema_table_index(schema_table_find(str_from(signal_table(plants[i].hunt_slug))))] += plants[i].count;
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        assert_true(seen[t] >= options.rows[t] + planted[t]);
        assert_true(planted[t] || seen[t] == options.rows[t]);
    }
    assert_int_equal(total, estate_total(estate));
    estate_free(estate);
}

static bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Kusto's `has`: the word stands alone, whatever its case; a letter or digit beside it makes another word of it, an
 * underscore doesn't (https://learn.microsoft.com/kusto/query/datatypes-string-operators#what-is-a-term). */
static bool has_word(const char *text, const char *word) {
    size_t length = strlen(word);
    for (const char *at = text; (at = strcasestr(at, word)); at++)
        if ((at == text || !is_word_character(at[-1])) && !is_word_character(at[length]))
            return true;
    return false;
}

static void the_word_rule_of_this_test_is_kustos(void **state) {
    (void)state;
    assert_true(has_word("IDrive, Inc.", "idrive"));
    assert_true(has_word("x_idrive_y", "idrive"));
    assert_true(has_word("xidrive idrive", "idrive"));
    assert_false(has_word("STRATO HiDrive", "idrive"));
    assert_false(has_word("idrive2", "idrive"));
}

struct found {
    char device_id[41];
    int64_t first, last, reports[64];
    uint32_t count;
};

static void found_add(struct found *found, size_t *count, const char *device, int64_t ts, int64_t report) {
    size_t at = 0;
    while (at < *count && strcmp(found[at].device_id, device))
        at++;
    assert_true(at < 16);
    struct found *one = &found[at];
    if (at == *count) {
        *one = (struct found){.first = ts, .last = ts};
        assert_int_equal(strlen(device), 40);
        memcpy(one->device_id, device, 41);
        ++*count;
    }
    for (uint32_t i = 0; i < one->count; i++)
        if (one->reports[i] == report)
            return; /* a repeat */
    assert_true(one->count < 64);
    one->first = ts < one->first ? ts : one->first;
    one->last = ts > one->last ? ts : one->last;
    one->reports[one->count++] = report;
}

/* What the published RemotePC signature hunt looks for in its five days, by going through all the records. */
static size_t recount(struct str body, int64_t from, struct found *found) {
    struct str line;
    size_t count = 0;
    while (line_next(&body, &line)) {
        json_t *tree = json_loadb(line.ptr, line.len, 0, NULL), *row = json_object_get(tree, "properties");
        const char *category = json_string_value(json_object_get(tree, "category"));
        const char *signer = json_string_value(json_object_get(row, "Signer"));
        int64_t ts;
        if (!strcmp(category, "AdvancedHunting-DeviceFileCertificateInfo") && has_word(signer, "idrive")) {
            assert_true(ticks_parse(str_from(json_string_value(json_object_get(row, "Timestamp"))), &ts));
            if (ts >= from)
                found_add(found, &count, json_string_value(json_object_get(row, "DeviceId")), ts,
                          json_integer_value(json_object_get(row, "ReportId")));
        }
        json_decref(tree);
    }
    return count;
}

static void expect_plant(const struct estate_plant *plant, const struct found *found, size_t count) {
    const struct found *one = found;
    while (one < found + count && strcmp(one->device_id, plant->device_id))
        one++;
    assert_true(one < found + count);
    assert_int_equal(one->count, plant->count);
    assert_int_equal(one->count, plant->report_count);
    assert_int_equal(one->first, plant->first);
    assert_int_equal(one->last, plant->last);
    for (uint32_t i = 0; i < plant->report_count; i++) {
        bool there = false;
        assert_true(i == 0 || plant->report_ids[i - 1] < plant->report_ids[i]);
        for (uint32_t j = 0; j < one->count; j++)
            there = there || one->reports[j] == plant->report_ids[i];
        assert_true(there);
    }
}

static void expect_remotepc_recounted(const struct estate_options *options, size_t devices) {
    struct found *found = test_calloc(16, sizeof *found);
    BUF_AUTO out = BUF(CAP);
    size_t plant_count, seen = 0;
    make(options, 1000, &out);
    size_t count = recount(buf_str(&out), options->end - 5 * TICKS_DAY, found);
    struct estate *estate = estate_new(options);
    const struct estate_plant *plants = estate_plants(estate, &plant_count);
    for (size_t i = 0; i < plant_count; i++)
        if (!strcmp(plants[i].hunt_slug, "remotepc-file-signature")) {
            expect_plant(&plants[i], found, count);
            seen++;
        }
    assert_int_equal(seen, devices);
    assert_int_equal(count, devices);
    estate_free(estate);
    test_free(found);
}

static void remotepc_signatures_are_where_the_plants_say_and_nowhere_else(void **state) {
    struct estate_options options = demo();
    (void)state;
    expect_remotepc_recounted(&options, 3);
    options.seed = 12345;
    options.late_rate = 0.5;
    options.repeat_rate = 0.3;
    expect_remotepc_recounted(&options, 3);
    options.distinct_signers = options.distinct_images = 5000;
    expect_remotepc_recounted(&options, 3);
    options.devices = 1;
    expect_remotepc_recounted(&options, 1);
}

static void near_misses_and_a_report_id_over_53_bits_are_there(void **state) {
    struct estate_options options = demo();
    BUF_AUTO out = BUF(CAP);
    (void)state;
    make(&options, 1000, &out);
    assert_non_null(memmem(out.ptr, out.len, "STRATO HiDrive", 14));
    assert_non_null(memmem(out.ptr, out.len, "\"Signer\":\"xidrive\"", 18));
    assert_non_null(memmem(out.ptr, out.len, "639199803770463703", 18));
}

static void all_zero_rows_give_the_demos_mix(void **state) {
    struct estate_options options = demo();
    BUF_AUTO out = BUF(CAP);
    (void)state;
    memset(options.rows, 0, sizeof options.rows);
    options.devices = 10;
    options.days = 5;
    make(&options, 1000, &out);
    assert_true(out.len > 1 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_options_give_the_same_bytes),
        cmocka_unit_test(every_line_is_json_with_its_tables_columns),
        cmocka_unit_test(every_record_is_an_event_of_its_days),
        cmocka_unit_test(repeats_are_byte_identical_and_as_many_as_promised),
        cmocka_unit_test(most_repeats_come_under_another_envelope),
        cmocka_unit_test(every_table_has_the_rows_asked_for_and_the_planted_ones),
        cmocka_unit_test(the_word_rule_of_this_test_is_kustos),
        cmocka_unit_test(remotepc_signatures_are_where_the_plants_say_and_nowhere_else),
        cmocka_unit_test(near_misses_and_a_report_id_over_53_bits_are_there),
        cmocka_unit_test(all_zero_rows_give_the_demos_mix),
    };
    schema_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
