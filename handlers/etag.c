#include "handlers/etag.h"

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

/* Whether the list of an If-Match or If-None-Match names the tag, compared weakly; "*" names any. */
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

bool etag_named(const struct request *request, const char *header, struct str tag) {
    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, str_from(header)) && list_names(request->headers[i].value, tag))
            return true;
    return false;
}
