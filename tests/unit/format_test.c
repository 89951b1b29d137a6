/* The four formats of a small table, spreadsheet formulas, widths in characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "handlers/format.h"

#define TEXT(s) {CELL_TEXT, {(s), sizeof(s) - 1}}
#define NUMBER(s) {CELL_NUMBER, {(s), sizeof(s) - 1}}

static void check(enum format format, const struct format_table *table, const char *want) {
    struct buf out = BUF(64 * 1024);
    format_write(format, table, &out);
    assert_string_equal(buf_cstr(&out), want);
    buf_free(&out);
}

static const struct str names[] = {{"name", 4}, {"count", 5}};
static const struct cell two_rows[] = {TEXT("b\xC3\xA9" "b\"e"), NUMBER("12"), {CELL_NULL, {"", 0}},
                                       {CELL_JSON, {"[1,2]", 5}}};
static const struct format_table small = {.columns = names, .column_count = 2, .cells = two_rows, .row_count = 2};

static void json_is_an_array_of_objects(void **state) {
    (void)state;
    check(FORMAT_JSON, &small, "[{\"name\":\"b\xC3\xA9" "b\\\"e\",\"count\":12},{\"name\":null,\"count\":[1,2]}]\n");
}

static void ndjson_is_an_object_a_line(void **state) {
    (void)state;
    check(FORMAT_NDJSON, &small, "{\"name\":\"b\xC3\xA9" "b\\\"e\",\"count\":12}\n{\"name\":null,\"count\":[1,2]}\n");
}

static void csv_quotes_as_rfc_4180_says(void **state) {
    (void)state;
    check(FORMAT_CSV, &small, "name,count\r\n\"b\xC3\xA9" "b\"\"e\",12\r\n,\"[1,2]\"\r\n");
}

static void a_table_is_aligned_by_characters(void **state) {
    (void)state;
    check(FORMAT_TABLE, &small, "name   count\n-----  -----\nb\xC3\xA9" "b\"e     12\n       [1,2]\n");
}

static void csv_cells_that_a_spreadsheet_would_run_are_escaped(void **state) {
    static const struct str one[] = {{"c", 1}};
    static const struct {
        struct cell cell;
        const char *want;
    } cases[] = {{TEXT("=1+1"), "c\r\n\"'=1+1\"\r\n"}, {TEXT("+1"), "c\r\n\"'+1\"\r\n"},
                 {TEXT("-x"), "c\r\n\"'-x\"\r\n"},     {TEXT("@a"), "c\r\n\"'@a\"\r\n"},
                 {TEXT("\ta"), "c\r\n\"'\ta\"\r\n"},   {TEXT("\ra"), "c\r\n\"'\ra\"\r\n"},
                 {NUMBER("-5"), "c\r\n-5\r\n"},        {TEXT("a=b"), "c\r\na=b\r\n"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct format_table table = {.columns = one, .column_count = 1, .cells = &cases[i].cell, .row_count = 1};
        check(FORMAT_CSV, &table, cases[i].want);
    }
}

/* width 0: the usual one. */
static void expect_width(size_t width, size_t most) {
    char wide[301];
    static const struct str columns[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct buf out = BUF(64 * 1024);
    memset(wide, 'x', sizeof wide);
    const struct cell cells[] = {{CELL_TEXT, {wide, 300}}, {CELL_TEXT, {wide, 80}}, TEXT("short")};
    const struct format_table table = {
        .columns = columns, .column_count = 3, .cells = cells, .row_count = 1, .width = width};
    format_write(FORMAT_TABLE, &table, &out);
    size_t length = 0, longest = 0;
    for (size_t i = 0; i < out.len; i++) {
        length = out.ptr[i] == '\n' ? 0 : length + ((out.ptr[i] & 0xC0) != 0x80);
        longest = length > longest ? length : longest;
    }
    assert_int_equal(longest, most);
    assert_non_null(strstr(buf_cstr(&out), "\xE2\x80\xA6"));
    assert_non_null(strstr(out.ptr, "short\n"));
    buf_free(&out);
}

static void no_line_of_a_table_is_over_the_width(void **state) {
    (void)state;
    expect_width(0, FORMAT_WIDTH);
    expect_width(100, 100);
}

static void times_lose_their_seconds_before_anything_else_is_cut(void **state) {
    static const struct str columns[] = {{"t", 1}, {"a", 1}};
    static const struct cell cells[] = {TEXT("2026-07-16T02:11:09"), TEXT("0123456789"), TEXT(""), TEXT("b")};
    struct format_table table = {.columns = columns, .column_count = 2, .cells = cells, .row_count = 2, .width = 31};
    (void)state;
    check(FORMAT_TABLE, &table, "t                    a\n-------------------  ----------\n2026-07-16T02:11:09  0123456789\n"
                                "                     b\n");
    table.width = 28;
    check(FORMAT_TABLE, &table, "t                 a\n----------------  ----------\n2026-07-16T02:11  0123456789\n"
                                "                  b\n");
    table.width = 26;
    check(FORMAT_TABLE, &table, "t                 a\n----------------  --------\n2026-07-16T02:11  0123456\xE2\x80\xA6\n"
                                "                  b\n");
}

static void kept_columns_are_cut_last(void **state) {
    static const struct str columns[] = {{"a", 1}, {"b", 1}};
    static const struct cell cells[] = {TEXT("0123456789abcdef"), TEXT("0123456789")};
    struct format_table table = {.columns = columns, .column_count = 2, .cells = cells, .row_count = 1, .width = 26, .kept = 1};
    (void)state;
    check(FORMAT_TABLE, &table, "a                 b\n----------------  --------\n0123456789abcdef  0123456\xE2\x80\xA6\n");
    table.width = 20;
    check(FORMAT_TABLE, &table, "a           b\n----------  --------\n012345678\xE2\x80\xA6  0123456\xE2\x80\xA6\n");
}

static void pairs_turn_at_spaces_and_keep_long_words_whole(void **state) {
    static const struct cell cells[] = {TEXT("name"), TEXT("one two three four"), TEXT("url"), TEXT("https://hooks.example/x"),
                                        TEXT("none"), TEXT("a\x1B[2J")};
    const struct format_table table = {.column_count = 2, .cells = cells, .row_count = 3, .width = 16};
    (void)state;
    struct buf out = BUF(1024);
    format_pairs(&table, &out);
    assert_string_equal(buf_cstr(&out), "name  one two \n      three four\nurl   https://hooks.example/x\nnone  a\xC2\xB7[2J\n");
    buf_free(&out);
}

static void control_characters_never_reach_the_terminal(void **state) {
    static const struct str one[] = {{"c", 1}};
    static const struct cell cell = TEXT("a\x1B[2J\xC2\x9B" "b"), turned = TEXT("x\xE2\x80\xAE" "gpj.exe\xD8\x9C\xE2\x81\xA9\xE2\x80\x8B!");
    static const struct cell kept = TEXT("\xE2\x80\x94 \xE2\x82\xAC \xD7\xA9\xD7\x9C"); /* a dash, a euro, Hebrew */
    const struct format_table table = {.columns = one, .column_count = 1, .cells = &cell, .row_count = 1};
    struct format_table bidi = table, plain = table;
    bidi.cells = &turned;
    plain.cells = &kept;
    (void)state;
    check(FORMAT_TABLE, &table, "c\n-------\na\xC2\xB7[2J\xC2\xB7" "b\n");
    check(FORMAT_TABLE, &bidi, "c\n-------------\nx\xC2\xB7" "gpj.exe\xC2\xB7\xC2\xB7\xC2\xB7!\n");
    check(FORMAT_TABLE, &plain, "c\n------\n\xE2\x80\x94 \xE2\x82\xAC \xD7\xA9\xD7\x9C\n");
}

static void pretty_json_is_the_same_json(void **state) {
    struct buf out = BUF(1024), again = BUF(1024);
    (void)state;
    format_pretty(STR("{\"a\":[1,{\"b\":\"x,{\\\"}\"}],\"c\":{},\"d\":[ ]}"), &out);
    assert_string_equal(buf_cstr(&out), "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{\\\"}\"\n    }\n  ],\n"
                                        "  \"c\": {},\n  \"d\": []\n}\n");
    format_pretty(buf_str(&out), &again);
    assert_string_equal(buf_cstr(&again), out.ptr);
    buf_free(&out);
    buf_free(&again);
}

static enum format chosen(const char *query, const char *accept) {
    struct pair parameter = {STR("format"), str_from(query)}, header = {STR("accept"), str_from(accept)};
    struct request request = {.query = &parameter, .query_count = query != NULL, .headers = &header,
                              .header_count = accept != NULL};
    struct err err;
    enum format format = FORMAT_TABLE;
    assert_true(format_choose(&request, &format, &err));
    return format;
}

static void the_format_comes_from_the_query_then_accept(void **state) {
    (void)state;
    assert_int_equal(chosen(NULL, NULL), FORMAT_JSON);
    assert_int_equal(chosen("csv", "application/json"), FORMAT_CSV);
    assert_int_equal(chosen(NULL, "text/csv"), FORMAT_CSV);
    assert_int_equal(chosen(NULL, "text/html, application/x-ndjson;q=0.9, */*"), FORMAT_NDJSON);
    assert_int_equal(chosen(NULL, "*/*"), FORMAT_JSON);
    assert_int_equal(chosen(NULL, "text/plain"), FORMAT_TABLE);
}

static void an_unknown_format_is_an_error(void **state) {
    struct pair parameter = {STR("format"), STR("xml")};
    struct request request = {.query = &parameter, .query_count = 1};
    struct err err;
    enum format format;
    (void)state;
    assert_false(format_choose(&request, &format, &err));
    assert_int_equal(err.code, ERR_BAD_PARAMETER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_an_array_of_objects), cmocka_unit_test(ndjson_is_an_object_a_line),
        cmocka_unit_test(csv_quotes_as_rfc_4180_says), cmocka_unit_test(a_table_is_aligned_by_characters),
        cmocka_unit_test(csv_cells_that_a_spreadsheet_would_run_are_escaped),
        cmocka_unit_test(no_line_of_a_table_is_over_the_width),
        cmocka_unit_test(times_lose_their_seconds_before_anything_else_is_cut),
        cmocka_unit_test(kept_columns_are_cut_last),
        cmocka_unit_test(pairs_turn_at_spaces_and_keep_long_words_whole),
        cmocka_unit_test(control_characters_never_reach_the_terminal), cmocka_unit_test(pretty_json_is_the_same_json),
        cmocka_unit_test(the_format_comes_from_the_query_then_accept), cmocka_unit_test(an_unknown_format_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
