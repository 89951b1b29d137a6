/* A strict JSON scanner (RFC 8259) over borrowed bytes: no tree, no allocation but for strings with escapes. Refuses what
 * PostgreSQL can't keep (\u0000), lone surrogates, bytes that aren't UTF-8, nesting over 64, objects of over 512 members. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum { SCAN_MAX_DEPTH = 64, SCAN_MAX_KEYS = 512 };

struct scan {
    const char *at, *end;
    struct arena *arena; /* for decoded strings */
};

enum scan_kind { SCAN_STRING, SCAN_NUMBER, SCAN_TRUE, SCAN_FALSE, SCAN_NULL, SCAN_OBJECT, SCAN_ARRAY };

struct scan_value {
    enum scan_kind kind;
    struct str raw;  /* its bytes as they came */
    struct str text; /* SCAN_STRING: decoded; else raw */
};

/* Passes over white space. */
void scan_space(struct scan *scan);
/* The value at the place, validated to its end. False with ERR_BAD_JSON, ERR_BAD_UTF8, ERR_TOO_DEEP or, for too many
 * members, ERR_BAD_RECORD. */
bool scan_value(struct scan *scan, unsigned depth, struct scan_value *value, struct err *err);
/* Takes `c` if it is next. */
bool scan_take(struct scan *scan, char c);
/* The next member of an object whose '{' was taken: false at its end or with an error (err->code set). */
bool scan_member(struct scan *scan, bool *first, unsigned depth, struct str *key, struct scan_value *value,
                 struct err *err);
/* End of the object or array at `at` by brackets and strings alone; NULL when it doesn't end. *stop: where that was
 * found out (a line break in a string, or the end). */
const char *scan_find_end(const char *at, const char *end, const char **stop);
/* Valid JSON without its white space, in the arena; ptr NULL past its cap. */
struct str scan_minify(struct arena *arena, struct str json);
