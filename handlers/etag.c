#include "handlers/etag.h"

#include <sodium.h>

enum { DIGEST = 16 };

static bool list_next(struct str *list, struct str *tag) {
    size_t at = 0;
    while (at < list->len && strchr(" \t,", list->ptr[at]))
        at++;
    if (at + 1 < list->len && list->ptr[at] == 'W' && list->ptr[at + 1] == '/')
        at += 2;
    const char *open = list->ptr + at, *end = list->ptr + list->len;
    const char *close = open < end && *open == '"' ? memchr(open + 1, '"', (size_t)(end - open) - 1) : NULL;
    if (!close)
        return false;
    *tag = (struct str){open, (size_t)(close - open) + 1};
    *list = (struct str){close + 1, (size_t)(end - close) - 1};
    return true;
}

/* Whether the list of an If-None-Match names the tag, compared weakly; "*" names any. */
static bool list_names(struct str list, struct str tag) {
    struct str one;
    if (!list.ptr)
        return false;
    if (str_eq(str_trim(list), STR("*")))
        return true;
    while (list_next(&list, &one))
        if (str_eq(one, tag))
            return true;
    return false;
}

void etag_apply(struct request *request, struct reply *reply) {
    unsigned char digest[DIGEST];
    char hex[DIGEST * 2 + 1];
    crypto_generichash(digest, sizeof digest, (const unsigned char *)reply->body.ptr, reply->body.len, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    struct str tag = arena_printf(request->arena, "\"%s\"", hex);
    if (!tag.ptr)
        return;
    reply_header(reply, "ETag", tag);
    reply_header(reply, "Cache-Control", STR("no-cache"));
    reply_header(reply, "Vary", STR("Accept"));
    bool known = false;
    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, STR("If-None-Match")))
            known = known || list_names(request->headers[i].value, tag);
    if (!known)
        return;
    reply->status = 304;
    buf_free(&reply->body);
}
