/* The bytes of JSON strings, sixteen at a time where the processor has SSE2 (all x86-64 have), else eight: what is left
 * for loops over single bytes is the end of the input. */
#pragma once
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
enum { BYTES_STEP = 16 };

/* Bit n: byte n is a quote, a backslash or a control character. *high: not 0 when a byte isn't ASCII. */
static inline unsigned bytes_special(const char *at, unsigned *high) {
    __m128i bytes = _mm_loadu_si128((const __m128i_u *)at);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), slashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    *high |= (unsigned)_mm_movemask_epi8(bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, slashes), control));
}
#else
enum { BYTES_STEP = 8 };

static inline unsigned bytes_special(const char *at, unsigned *high) {
    unsigned found = 0;
    for (unsigned i = 0; i < BYTES_STEP; i++) {
        unsigned char c = (unsigned char)at[i];
        found |= (unsigned)(c == '"' || c == '\\' || c < 0x20) << i;
        *high |= c & 0x80u;
    }
    return found;
}
#endif

/* The first quote, backslash or control character from `at` on; `end` when there is none. */
static inline const char *bytes_plain(const char *at, const char *end, unsigned *high) {
    for (; end - at >= BYTES_STEP; at += BYTES_STEP) {
        unsigned found = bytes_special(at, high);
        if (found)
            return at + __builtin_ctz(found);
    }
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\' || c < 0x20)
            return at;
        *high |= c & 0x80u;
    }
    return end;
}

/* Copies up to the first backslash, quote or control character; `out` has room for BYTES_STEP bytes more than that. */
static inline size_t bytes_copy_plain(char *out, const char *at, const char *end) {
    const char *start = at;
    unsigned high = 0;
    for (; end - at >= BYTES_STEP; at += BYTES_STEP, out += BYTES_STEP) {
        unsigned found = bytes_special(at, &high);
        memcpy(out, at, BYTES_STEP);
        if (found)
            return (size_t)(at - start) + (size_t)__builtin_ctz(found);
    }
    for (; at < end && *at != '\\'; at++)
        *out++ = *at;
    return (size_t)(at - start);
}
