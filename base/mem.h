/* memcpy, qsort and bsearch for lists that may be empty. Here a list without items has no address, and the C library
 * forbids a null pointer even where there is nothing to do (C17 7.1.4): the compiler may then take the pointer for set,
 * and drop later checks of it. Whatever may be empty goes through these. No state, any thread. */
#pragma once
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* length: bytes; as memcpy, the two must not overlap. */
static inline void mem_copy(void *to, const void *from, size_t length) {
    if (length)
        memcpy(to, from, length);
}

static inline void mem_sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *)) {
    if (count)
        qsort(items, count, size, compare);
}

/* NULL when there is no such item. */
static inline void *mem_search(const void *key, const void *items, size_t count, size_t size,
                               int (*compare)(const void *, const void *)) {
    return count ? bsearch(key, items, count, size, compare) : NULL;
}
