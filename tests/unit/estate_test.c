/* The made-up estate: same seed same bytes, whole records, as many as asked for, and its plants recounted from the lines
 * by a loop that shares nothing with the generator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "hunts/estate.h"

enum { CAP = 512 << 20, CERTIFICATE = 1 };

static struct estate_options options_make(uint64_t certificates) {
    struct estate_options options = {.seed = 7, .devices = 100, .days = 10, .repeat_rate = 0.05, .late_rate = 0.01};
    assert_true(ticks_parse(STR("2026-07-20T00:00:00Z"), &options.end));
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        options.rows[t] = t == CERTIFICATE ? certificates : 50 + t;
    return options;
}

static void lines_make(const struct estate_options *options, size_t step, struct buf *out) {
    struct estate *estate = estate_new(options);
    uint64_t count = 0;
    assert_non_null(estate);
    for (size_t n; (n = estate_next(estate, out, step)) > 0;)
        count += n;
    assert_false(out->failed);
    assert_int_equal(count, estate_total(estate));
    estate_free(estate);
}

/* The next line as JSON, *at behind it; NULL at the end. */
static json_t *line_next(const struct buf *lines, size_t *at) {
    if (*at == lines->len)
        return NULL;
    const char *start = lines->ptr + *at, *end = memchr(start, '\n', lines->len - *at);
    assert_non_null(end);
    json_t *line = json_loadb(start, (size_t)(end - start), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    *at += (size_t)(end - start) + 1;
    return line;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static void the_same_seed_gives_the_same_bytes_whatever_the_step(void **state) {
    (void)state;
    struct estate_options options = options_make(300);
    BUF_AUTO one = BUF(CAP), two = BUF(CAP), other = BUF(CAP);
    lines_make(&options, 1, &one);
    lines_make(&options, 1000, &two);
    options.seed++;
    lines_make(&options, 1000, &other);
    assert_true(str_eq(buf_str(&one), buf_str(&two)));
    assert_false(str_eq(buf_str(&one), buf_str(&other)));
}

static void every_line_has_exactly_the_columns_of_its_table(void **state) {
    (void)state;
    struct estate_options options = options_make(300);
    BUF_AUTO lines = BUF(CAP);
    size_t at = 0;
    lines_make(&options, 100, &lines);
    for (json_t *line; (line = line_next(&lines, &at)); json_decref(line)) {
        const char *category = text_of(line, "category");
        assert_memory_equal(category, "AdvancedHunting-", 16);
        const struct schema_table *table = schema_table_find(str_from(category + 16));
        const json_t *properties = json_object_get(line, "properties");
        assert_non_null(table);
        assert_int_equal(json_object_size(properties), table->column_count);
        for (size_t c = 0; c < table->column_count; c++)
            assert_non_null(json_object_get(properties, table->columns[c].name));
    }
}

/* The properties of every distinct record, by their text, with the table's place as value. */
static json_t *distinct_records(const struct buf *lines) {
    json_t *distinct = json_object();
    size_t at = 0;
    for (json_t *line; (line = line_next(lines, &at)); json_decref(line)) {
        const struct schema_table *table = schema_table_find(str_from(text_of(line, "category") + 16));
        char *text = json_dumps(json_object_get(line, "properties"), JSON_COMPACT);
        assert_non_null(text);
        json_object_set_new(distinct, text, json_integer((json_int_t)schema_table_index(table)));
        free(text);
    }
    return distinct;
}

static void a_table_gets_the_rows_asked_for_and_repeats_are_identical(void **state) {
    (void)state;
    struct estate_options options = options_make(300);
    BUF_AUTO lines = BUF(CAP);
    uint64_t made[SCHEMA_TABLES] = {0};
    const char *text;
    json_t *place;
    lines_make(&options, 100, &lines);
    json_t *distinct = distinct_records(&lines);
    json_object_foreach(distinct, text, place)
        made[json_integer_value(place)]++;
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        bool planted = !strcmp(schema_tables()[t].name, "DeviceFileCertificateInfo") ||
                       !strcmp(schema_tables()[t].name, "DeviceProcessEvents") ||
                       !strcmp(schema_tables()[t].name, "DeviceNetworkEvents");
        assert_true(planted ? made[t] > options.rows[t] : made[t] == options.rows[t]);
    }
    struct estate *estate = estate_new(&options);
    assert_true(json_object_size(distinct) < estate_total(estate));
    estate_free(estate);
    json_decref(distinct);
}

static bool letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* Kusto's `has 'idrive'`, naively. *within: the letters are there, as a part of a longer word or not. */
static bool has_idrive(const char *text, bool *within) {
    bool found = false;
    *within = false;
    for (const char *p = text; (p = strcasestr(p, "idrive")); p++) {
        *within = true;
        found = found || ((p == text || !letter_or_digit(p[-1])) && !letter_or_digit(p[6]));
    }
    return found;
}

/* device id -> {report id: true}; the near misses that were passed over are counted. */
static json_t *signatures_count(const struct buf *lines, int64_t from, size_t *near_misses) {
    json_t *found = json_object();
    size_t at = 0;
    for (json_t *line; (line = line_next(lines, &at)); json_decref(line)) {
        const json_t *properties = json_object_get(line, "properties");
        const char *signer = json_string_value(json_object_get(properties, "Signer"));
        const char *device = text_of(properties, "DeviceId");
        int64_t ts;
        bool within = false, hit = signer && has_idrive(signer, &within);
        assert_true(ticks_parse(str_from(text_of(properties, "Timestamp")), &ts));
        if (!hit || ts < from) {
            *near_misses += signer && within && !hit;
            continue;
        }
        char report[32];
        snprintf(report, sizeof report, "%lld", (long long)json_integer_value(json_object_get(properties, "ReportId")));
        if (!json_object_get(found, device))
            json_object_set_new(found, device, json_object());
        json_object_set_new(json_object_get(found, device), report, json_true());
    }
    return found;
}

static void remotepc_plants_are_what_a_naive_count_finds_and_near_misses_are_not(void **state) {
    (void)state;
    struct estate_options options = options_make(60000);
    BUF_AUTO lines = BUF(CAP);
    size_t count, near_misses = 0, devices = 0;
    lines_make(&options, 1000, &lines);
    json_t *found = signatures_count(&lines, options.end - 5 * TICKS_DAY, &near_misses);
    struct estate *estate = estate_new(&options);
    const struct estate_plant *plants = estate_plants(estate, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(plants[i].hunt_slug, "remotepc-file-signature"))
            continue;
        const json_t *reports = json_object_get(found, plants[i].device_id);
        assert_int_equal(json_object_size(reports), plants[i].count);
        for (uint32_t r = 0; r < plants[i].report_count; r++) {
            char report[32];
            snprintf(report, sizeof report, "%lld", (long long)plants[i].report_ids[r]);
            assert_non_null(json_object_get(reports, report));
        }
        devices++;
    }
    assert_int_equal(devices, json_object_size(found));
    assert_true(devices >= 3);
    assert_true(near_misses > 0);
    estate_free(estate);
    json_decref(found);
}

int main(void) {
    schema_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_whatever_the_step),
        cmocka_unit_test(every_line_has_exactly_the_columns_of_its_table),
        cmocka_unit_test(a_table_gets_the_rows_asked_for_and_repeats_are_identical),
        cmocka_unit_test(remotepc_plants_are_what_a_naive_count_finds_and_near_misses_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
