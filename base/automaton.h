/* Many words looked for in a text at once (Aho and Corasick, 1975): time grows with the text, not with the words. ASCII
 * letters compare without case. Built once, then only read: any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct automaton;
void automaton_free(struct automaton *automaton);
/* words: of one byte or more, copied; their places are what a search gives. NULL when memory is out. */
OWNED_BY(automaton_free) struct automaton *automaton_new(const struct str *words, size_t count);
/* Sets seen[place] = stamp for each word in the text; gives the number of words that were not stamped before, and puts
 * their places into found (room for all words). */
size_t automaton_find(const struct automaton *automaton, struct str text, uint32_t *seen, uint32_t stamp, uint32_t *found);
