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
#include "base/mem.h"

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

static void a_text_is_parted_at_its_first_mark(void **state) {
    (void)state;
    const struct {
        struct str text, before, behind;
        bool found;
    } cases[] = {
        {STR("a=b=c"), STR("a"), STR("b=c"), true}, {STR("=b"), STR(""), STR("b"), true},
        {STR("a="), STR("a"), STR(""), true},       {STR("abc"), STR("abc"), STR(""), false},
        {STR(""), STR(""), STR(""), false},         {{NULL, 0}, STR(""), STR(""), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str before, behind;
        assert_int_equal(str_cut(cases[i].text, '=', &before, &behind), cases[i].found);
        assert_true(str_eq(before, cases[i].before) && str_eq(behind, cases[i].behind));
    }
}

static int compare_chars(const void *a, const void *b) {
    return *(const char *)a - *(const char *)b;
}

/* The sanitizers end the test when a null pointer reaches the C library. */
static void lists_and_texts_without_an_address_are_empty(void **state) {
    (void)state;
    struct str none = {NULL, 0};
    char letters[] = "cab";
    mem_copy(letters, NULL, 0);
    mem_sort(NULL, 0, 1, compare_chars);
    assert_null(mem_search("a", NULL, 0, 1, compare_chars));
    assert_null(str_find(none, 'a'));
    assert_true(str_holds(none, none) && str_holds(STR("abc"), none));
    assert_false(str_holds(none, STR("a")));
    mem_sort(letters, 3, 1, compare_chars);
    assert_string_equal(letters, "abc");
    assert_ptr_equal(mem_search("b", letters, 3, 1, compare_chars), letters + 1);
    assert_true(str_holds(STR("abc"), STR("bc")) && str_find(STR("abc"), 'c') != NULL);
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

static void a_list_grows_and_keeps_its_items(void **state) {
    (void)state;
    struct arena *arena = arena_new(4096);
    size_t room = 0, kept = 0;
    int *items = NULL;
    for (; kept < 10000; kept++) {
        int *grown = arena_grow(arena, items, kept, 1, &room, sizeof *grown);
        if (!grown)
            break;
        items = grown;
        items[kept] = (int)kept;
    }
    assert_in_range(kept, 128, 1024);
    assert_int_equal(room, kept);
    for (size_t i = 0; i < kept; i++)
        assert_int_equal(items[i], i);
    assert_null(arena_grow(arena, items, kept, SIZE_MAX, &room, sizeof *items));
    assert_ptr_equal(arena_grow(arena, items, kept, 0, &room, sizeof *items), items);
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
        cmocka_unit_test(a_text_is_parted_at_its_first_mark),
        cmocka_unit_test(lists_and_texts_without_an_address_are_empty),
        cmocka_unit_test(a_buffer_never_grows_over_its_cap),
        cmocka_unit_test(an_arena_gives_nothing_past_its_cap),
        cmocka_unit_test(a_list_grows_and_keeps_its_items),
        cmocka_unit_test(json_text_is_escaped_and_mended),
        cmocka_unit_test(an_error_points_at_its_place_with_a_caret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
