/* Strings, buffers, arenas, errors, JSON out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

static void utf8_is_checked_strictly(void **state) {
    (void)state;
    const struct {
        struct str text;
        bool valid;
    } cases[] = {
        {STR(""), true},
        {STR("plain text that is longer than a word"), true},
        {STR("NA\xC3\x8FVE"), true},
        {STR("\xF0\x9F\x98\x80"), true},
        {STR("\xC0\x80"), false},
        {STR("\xED\xA0\x80"), false},
        {STR("\xF4\x90\x80\x80"), false},
        {STR("\xE2\x82"), false},
        {STR("abcdefgh\xFF"), false},
        {STR("\x80"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(str_utf8_valid(cases[i].text), cases[i].valid);
}

static void integers_are_read_to_their_very_ends(void **state) {
    (void)state;
    long long value;
    assert_true(str_to_int64(STR("639199803770463703"), &value));
    assert_true(value == 639199803770463703);
    assert_true(str_to_int64(STR("9223372036854775807"), &value) && value == INT64_MAX);
    assert_true(str_to_int64(STR("-9223372036854775808"), &value) && value == INT64_MIN);
    assert_false(str_to_int64(STR("9223372036854775808"), &value));
    assert_false(str_to_int64(STR("-9223372036854775809"), &value));
    assert_false(str_to_int64(STR("12a"), &value));
    assert_false(str_to_int64(STR(""), &value));
    assert_false(str_to_int64(STR("-"), &value));
}

static void a_buffer_never_grows_over_its_cap(void **state) {
    (void)state;
    BUF_AUTO buf = BUF(8);
    buf_add_str(&buf, STR("12345678"));
    assert_false(buf.failed);
    buf_add_char(&buf, '9');
    assert_true(buf.failed);
    assert_int_equal(buf.len, 8);
}

static void an_arena_gives_nothing_past_its_cap(void **state) {
    (void)state;
    struct arena *arena = arena_new(1000);
    assert_non_null(arena_take(arena, 900));
    assert_null(arena_take(arena, 200));
    assert_null(arena_array(arena, SIZE_MAX / 2, 4));
    arena_reset(arena);
    assert_non_null(arena_take(arena, 900));
    arena_free(arena);
}

static void json_text_is_escaped_and_mended(void **state) {
    (void)state;
    BUF_AUTO out = BUF(1000);
    json_add_string(&out, STR("a\"b\\c\n\x01 \xC3\xA4 \xFF"));
    assert_string_equal(buf_cstr(&out), "\"a\\\"b\\\\c\\n\\u0001 \xC3\xA4 \xEF\xBF\xBD\"");
}

static void an_error_points_at_its_place_with_a_caret(void **state) {
    (void)state;
    char excerpt[200];
    struct err err;
    struct str text = STR("T\n| where \xC3\xA4" "bc == 1");
    assert_false(err_set(&err, ERR_BAD_QUERY, "no such column"));
    err_place(&err, text, 10, 4);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 9);
    err_excerpt(&err, text, excerpt, sizeof excerpt);
    assert_string_equal(excerpt, "| where \xC3\xA4" "bc == 1\n        ^~~");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(integers_are_read_to_their_very_ends),
        cmocka_unit_test(a_buffer_never_grows_over_its_cap),
        cmocka_unit_test(an_arena_gives_nothing_past_its_cap),
        cmocka_unit_test(json_text_is_escaped_and_mended),
        cmocka_unit_test(an_error_points_at_its_place_with_a_caret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
