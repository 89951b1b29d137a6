/* The one error type. Filled once where the fault is met, carried up, logged where it leaves.
 * Fallible functions return bool or a pointer and take a trailing `struct err *` (never NULL). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum err_code {
#define ERR(code, status, name, title) ERR_##code,
#include "base/err.def"
#undef ERR
    ERR_COUNT
};

struct err {
    enum err_code code;
    char sqlstate[6];      /* from PostgreSQL, or "" */
    uint32_t line, column; /* 1-based place in the user's text (columns in characters); 0: none */
    uint32_t span;         /* characters that the mistake covers; 0: unknown */
    const char *file;      /* ours: where the error was made */
    int source_line;
    char text[512];        /* one sentence: what is wrong and what to do */
};

/* HTTP status, stable name and default title of a code. */
int err_status(enum err_code code);
const char *err_name(enum err_code code);
const char *err_title(enum err_code code);

/* Fills *err and gives false, so that a function can `return err_set(err, ERR_X, "…")`. The text is cut at a
 * character boundary when too long. */
#define err_set(err, code, ...) err_fill((err), (code), __FILE__, __LINE__, __VA_ARGS__)
__attribute__((format(printf, 5, 6))) bool err_fill(struct err *err, enum err_code code, const char *file, int line,
                                                    const char *format, ...);
/* The same for "memory is out" and "past the arena's cap". */
#define err_memory(err) err_set((err), ERR_OUT_OF_MEMORY, "memory is out, or the request is over its memory limit")
/* Sets the place in the user's text from a byte offset; span in bytes. */
void err_place(struct err *err, struct str text, size_t offset, size_t length);
/* The line of `text` that err points at, a newline, and a caret line under the mistake, into out (cut to size).
 * Empty when err has no place. */
void err_excerpt(const struct err *err, struct str text, char *out, size_t size);
