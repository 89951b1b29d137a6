/* Capped bump allocator: everything of one request or one hunt run lives in one arena and goes with it.
 * Past the cap, arena_take gives NULL, so that one request can't take the machine's memory.
 * Not thread-safe: one arena, one thread at a time. */
#pragma once
#include "base/attr.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct arena;

void arena_free(struct arena *arena);
/* cap: bytes that may be taken in all. NULL when memory is out. */
OWNED_BY(arena_free) struct arena *arena_new(size_t cap);
/* Bytes that may still be taken. */
size_t arena_left(const struct arena *arena);
/* True once something couldn't be taken: what else went wrong then went wrong for that. */
bool arena_refused(const struct arena *arena);
/* Zeroed, aligned for any type; NULL past the cap. */
void *arena_take(struct arena *arena, size_t size);
/* count * size without overflow. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A list with room for `more` items behind its first `count`: `items` as it is while *room is enough, else a copy in new
 * room, at least twice the old (which stays taken). NULL past the cap; the list is then as it was. */
void *arena_grow(struct arena *arena, void *items, size_t count, size_t more, size_t *room, size_t size);
/* A copy with a NUL behind it (not counted); ptr is NULL past the cap. */
struct str arena_copy(struct arena *arena, struct str s);
__attribute__((format(printf, 2, 3))) struct str arena_printf(struct arena *arena, const char *format, ...);
__attribute__((format(printf, 2, 0))) struct str arena_vprintf(struct arena *arena, const char *format, va_list args);
/* Forgets everything taken; keeps the first block for use again. */
void arena_reset(struct arena *arena);
