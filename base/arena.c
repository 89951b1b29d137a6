#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { BLOCK_SIZE = 64 * 1024, ALIGNMENT = 16, FIRST_ROOM = 8 };

struct block {
    struct block *next;
    size_t size, used;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

struct arena {
    struct block *blocks; /* newest first */
    size_t cap, used;
    bool refused;
};

struct arena *arena_new(size_t cap) {
    struct arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->cap = cap;
    return arena;
}

size_t arena_left(const struct arena *arena) {
    return arena->cap - arena->used;
}

bool arena_refused(const struct arena *arena) {
    return arena->refused;
}

static void blocks_free(struct block *block) {
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_free(struct arena *arena) {
    if (!arena)
        return;
    blocks_free(arena->blocks);
    free(arena);
}

void arena_reset(struct arena *arena) {
    struct block *keep = arena->blocks;
    arena->used = 0;
    arena->refused = false;
    if (!keep)
        return;
    blocks_free(keep->next);
    keep->next = NULL;
    keep->used = 0;
}

static struct block *block_add(struct arena *arena, size_t size) {
    size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct block *block = malloc(sizeof *block + capacity);
    if (!block)
        return NULL;
    *block = (struct block){.next = arena->blocks, .size = capacity};
    arena->blocks = block;
    return block;
}

/* The block that has room for that much. */
static struct block *block_for(struct arena *arena, size_t size) {
    if (size > arena->cap || arena->used > arena->cap - size)
        return NULL;
    struct block *block = arena->blocks;
    return block && block->size - block->used >= size ? block : block_add(arena, size);
}

void *arena_take(struct arena *arena, size_t size) {
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct block *block = rounded >= size ? block_for(arena, rounded) : NULL;
    if (!block) {
        arena->refused = true;
        return NULL;
    }
    void *at = block->bytes + block->used;
    block->used += rounded;
    arena->used += rounded;
    return memset(at, 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
    size_t total;
    return __builtin_mul_overflow(count, size, &total) ? NULL : arena_take(arena, total);
}

void *arena_grow(struct arena *arena, void *items, size_t count, size_t more, size_t *room, size_t size) {
    size_t need, wanted = *room ? *room : FIRST_ROOM;
    if (__builtin_add_overflow(count, more, &need))
        return NULL;
    if (items && need <= *room)
        return items;
    while (wanted < need)
        wanted = wanted > SIZE_MAX / 2 ? need : wanted * 2;
    void *grown = arena_array(arena, wanted, size);
    if (!grown)
        return NULL;
    mem_copy(grown, items, count * size);
    *room = wanted;
    return grown;
}

struct str arena_copy(struct arena *arena, struct str s) {
    char *copy = s.len < SIZE_MAX ? arena_take(arena, s.len + 1) : NULL;
    if (copy)
        mem_copy(copy, s.ptr, s.len);
    return (struct str){copy, copy ? s.len : 0};
}

struct str arena_vprintf(struct arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : arena_take(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (struct str){text, text ? (size_t)length : 0};
}

struct str arena_printf(struct arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct str text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}
