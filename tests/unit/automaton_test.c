/* Words found by the automaton are those that a plain search finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/automaton.h"

enum { WORDS = 40, TEXT = 200 };

static void words_inside_each_other_are_all_found(void **state) {
    (void)state;
    const struct str words[] = {STR("he"), STR("she"), STR("his"), STR("hers"), STR("he"), STR("e")};
    uint32_t seen[6] = {0}, found[6];
    struct automaton *automaton = automaton_new(words, 6);
    assert_non_null(automaton);
    assert_int_equal(automaton_find(automaton, STR("uSHErs"), seen, 1, found), 5);
    assert_int_equal(seen[2], 0);
    assert_int_equal(automaton_find(automaton, STR("ushers"), seen, 1, found), 0); /* already stamped */
    assert_int_equal(automaton_find(automaton, STR("hi\xC3\xA9s"), seen, 2, found), 0);
    automaton_free(automaton);
}

static bool holds(struct str text, struct str word) {
    for (size_t at = 0; at + word.len <= text.len; at++)
        if (strncasecmp(text.ptr + at, word.ptr, word.len) == 0)
            return true;
    return false;
}

static void random_words_are_found_where_a_plain_search_finds_them(void **state) {
    (void)state;
    char letters[WORDS][8], text[TEXT];
    struct str words[WORDS];
    uint32_t seen[WORDS] = {0}, found[WORDS], stamp = 0;
    srand(7);
    for (int round = 0; round < 300; round++) {
        for (size_t w = 0; w < WORDS; w++) {
            words[w] = (struct str){letters[w], 1 + (size_t)rand() % 6};
            for (size_t i = 0; i < words[w].len; i++)
                letters[w][i] = "abAB."[rand() % 5];
        }
        struct automaton *automaton = automaton_new(words, WORDS);
        assert_non_null(automaton);
        for (size_t i = 0; i < TEXT; i++)
            text[i] = "abcAB."[rand() % 6];
        struct str whole = {text, (size_t)rand() % TEXT};
        size_t count = automaton_find(automaton, whole, seen, ++stamp, found), expected = 0;
        for (size_t w = 0; w < WORDS; w++) {
            assert_int_equal(seen[w] == stamp, holds(whole, words[w]));
            expected += holds(whole, words[w]);
        }
        assert_int_equal(count, expected);
        automaton_free(automaton);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_inside_each_other_are_all_found),
        cmocka_unit_test(random_words_are_found_where_a_plain_search_finds_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
