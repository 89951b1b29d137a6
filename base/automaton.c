#include "base/automaton.h"

#include <stdlib.h>

#define NONE UINT32_MAX

struct automaton {
    unsigned char class_of[256]; /* bytes that are in no word share class 0 */
    size_t classes, states;
    uint32_t *next;    /* by state and class */
    uint32_t *word_of; /* first word that ends in a state */
    uint32_t *same;    /* next word with the same text, by word */
    uint32_t *shorter; /* the longest proper suffix's state that ends a word */
};

static unsigned char fold(unsigned char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static void parts_free(struct automaton *automaton) {
    free(automaton->next);
    free(automaton->word_of);
    free(automaton->same);
    free(automaton->shorter);
}

void automaton_free(struct automaton *automaton) {
    if (automaton)
        parts_free(automaton);
    free(automaton);
}

static size_t classes_make(struct automaton *automaton, const struct str *words, size_t count) {
    size_t length = 1;
    automaton->classes = 1;
    for (size_t w = 0; w < count; w++) {
        length += words[w].len;
        for (size_t i = 0; i < words[w].len; i++) {
            unsigned char *class = &automaton->class_of[fold((unsigned char)words[w].ptr[i])];
            if (!*class)
                *class = (unsigned char)automaton->classes++;
        }
    }
    for (unsigned c = 'A'; c <= 'Z'; c++)
        automaton->class_of[c] = automaton->class_of[c + 32];
    return length;
}

static uint32_t *step_of(const struct automaton *automaton, uint32_t state, unsigned char c) {
    return &automaton->next[state * automaton->classes + automaton->class_of[c]];
}

static void word_add(struct automaton *automaton, struct str word, uint32_t place) {
    uint32_t state = 0;
    for (size_t i = 0; i < word.len; i++) {
        uint32_t *step = step_of(automaton, state, (unsigned char)word.ptr[i]);
        if (*step == NONE) {
            *step = (uint32_t)automaton->states;
            automaton->word_of[automaton->states++] = NONE;
        }
        state = *step;
    }
    automaton->same[place] = automaton->word_of[state];
    automaton->word_of[state] = place;
}

/* Breadth first: each state's steps are made whole by those of its longest proper suffix. */
static bool links_make(struct automaton *automaton) {
    uint32_t *queue = malloc(automaton->states * sizeof *queue), *suffix = calloc(automaton->states, sizeof *suffix);
    size_t first = 0, last = 0;
    if (!queue || !suffix) {
        free(queue);
        free(suffix);
        return false;
    }
    automaton->shorter[0] = NONE;
    queue[last++] = 0;
    while (first < last) {
        uint32_t state = queue[first++], *steps = &automaton->next[state * automaton->classes];
        const uint32_t *behind = &automaton->next[suffix[state] * automaton->classes];
        for (size_t c = 0; c < automaton->classes; c++) {
            uint32_t fallback = state ? behind[c] : 0;
            if (steps[c] == NONE) {
                steps[c] = fallback;
                continue;
            }
            suffix[steps[c]] = fallback;
            automaton->shorter[steps[c]] = automaton->word_of[fallback] != NONE ? fallback : automaton->shorter[fallback];
            queue[last++] = steps[c];
        }
    }
    free(queue);
    free(suffix);
    return true;
}

static bool automaton_build(struct automaton *automaton, const struct str *words, size_t count) {
    size_t most = classes_make(automaton, words, count);
    automaton->next = malloc(most * automaton->classes * sizeof *automaton->next);
    automaton->word_of = malloc(most * sizeof *automaton->word_of);
    automaton->shorter = calloc(most, sizeof *automaton->shorter);
    automaton->same = calloc(count + 1, sizeof *automaton->same);
    if (!automaton->next || !automaton->word_of || !automaton->shorter || !automaton->same)
        return false;
    memset(automaton->next, 0xFF, most * automaton->classes * sizeof *automaton->next);
    automaton->word_of[0] = NONE;
    automaton->states = 1;
    for (size_t w = 0; w < count; w++)
        word_add(automaton, words[w], (uint32_t)w);
    return links_make(automaton);
}

struct automaton *automaton_new(const struct str *words, size_t count) {
    struct automaton *automaton = calloc(1, sizeof *automaton);
    if (!automaton || automaton_build(automaton, words, count))
        return automaton;
    parts_free(automaton);
    free(automaton);
    return NULL;
}

size_t automaton_find(const struct automaton *automaton, struct str text, uint32_t *seen, uint32_t stamp, uint32_t *found) {
    size_t count = 0;
    uint32_t state = 0;
    for (size_t i = 0; i < text.len; i++) {
        state = *step_of(automaton, state, (unsigned char)text.ptr[i]);
        uint32_t end = automaton->word_of[state] != NONE ? state : automaton->shorter[state];
        for (; end != NONE; end = automaton->shorter[end])
            for (uint32_t word = automaton->word_of[end]; word != NONE; word = automaton->same[word])
                if (seen[word] != stamp) {
                    seen[word] = stamp;
                    found[count++] = word;
                }
    }
    return count;
}
