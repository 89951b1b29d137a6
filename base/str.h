/* Borrowed text: a pointer and a length, never owned, not NUL-terminated.
 * Knows bytes and UTF-8, nothing of JSON, SQL or KQL. Thread-safe: no state. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* For printf's "%.*s": passes length and pointer. */
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline struct str str_from(const char *text) {
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The first such byte, NULL when there is none. Here and below, a text without bytes may have no address. */
static inline const char *str_find(struct str s, char c) {
    return s.len ? memchr(s.ptr, c, s.len) : NULL;
}

/* Whether the part stands somewhere in the text; nothing stands in every text. */
static inline bool str_holds(struct str s, struct str part) {
    return !part.len || (s.len && memmem(s.ptr, s.len, part.ptr, part.len));
}

/* Parts the text at its first `mark`. False when it has none: then all of it is before, and nothing behind. */
bool str_cut(struct str s, char mark, struct str *before, struct str *behind);
/* Equal when ASCII letters are compared without case. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Ordinal order, as memcmp; a prefix sorts first. */
int str_cmp(struct str a, struct str b);
/* Without leading and trailing ASCII white space. */
struct str str_trim(struct str s);
/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_utf8_valid(struct str s);
/* Bytes of the character at the text's start when it must not reach a terminal: controls (C0, DEL, C1), those that turn
 * or hide text (bidi, zero width, tags) and line separators; else 0. */
size_t str_hostile(struct str s);
/* Decimal int64 with optional sign, nothing else; false when it isn't one or is out of range. */
bool str_to_int64(struct str s, long long *out);
/* Edit distance of two short names (at most 64 bytes each; longer ones count as far), for suggestions. */
unsigned str_distance(struct str a, struct str b);
