/* What a text must hold to fulfil a condition: lets a search over many conditions at once leave out most texts. */
#include "kql/internal.h"

enum { NEEDLE_LEAST = 2, NEEDLES_MOST = 4000 };

static size_t needles_length(struct needles needles) {
    size_t least = needles.count ? needles.items[0].len : 0;
    for (size_t i = 1; i < needles.count; i++)
        least = needles.items[i].len < least ? needles.items[i].len : least;
    return least;
}

/* A literal with letters beyond ASCII may be the folded form of ASCII text: nothing is known of it. */
struct needles needles_of(struct kql *kql, struct str literal) {
    struct str *item = take(kql, 1, sizeof *item);
    char *lower = arena_take(kql->arena, literal.len + 1);
    if (!item || !lower || literal.len < NEEDLE_LEAST)
        return (struct needles){0};
    for (size_t i = 0; i < literal.len; i++) {
        char c = literal.ptr[i];
        if (c & 0x80)
            return (struct needles){0};
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    *item = (struct str){lower, literal.len};
    return (struct needles){item, 1};
}

struct needles needles_either(struct kql *kql, struct needles a, struct needles b) {
    if (!a.count || !b.count || a.count + b.count > NEEDLES_MOST)
        return (struct needles){0};
    struct str *items = take(kql, a.count + b.count, sizeof *items);
    if (!items)
        return (struct needles){0};
    memcpy(items, a.items, a.count * sizeof *items);
    memcpy(items + a.count, b.items, b.count * sizeof *items);
    return (struct needles){items, a.count + b.count};
}

struct needles needles_better(struct needles a, struct needles b) {
    return needles_length(a) >= needles_length(b) ? a : b;
}
