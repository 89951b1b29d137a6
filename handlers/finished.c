#include "handlers/finished.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/etag.h"
#include "base/mem.h"

enum { ZIP_WINDOW = 15 + 16 /* zlib's way to ask for gzip */, ZIP_LEVEL = 6 };

void finished_release(struct finished *finished) {
    if (!finished || atomic_fetch_sub(&finished->holders, 1) != 1)
        return;
    free((void *)(uintptr_t)finished->body.ptr);
    free(finished);
}

struct finished *finished_hold(struct finished *finished) {
    atomic_fetch_add(&finished->holders, 1);
    return finished;
}

static bool zip(struct buf *body, struct err *err) {
    z_stream stream = {0};
    if (deflateInit2(&stream, ZIP_LEVEL, Z_DEFLATED, ZIP_WINDOW, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_memory(err);
    size_t room = deflateBound(&stream, body->len);
    char *out = malloc(room);
    int code = Z_MEM_ERROR;
    if (out && room <= UINT32_MAX) {
        stream.next_in = (unsigned char *)body->ptr;
        stream.avail_in = (unsigned)body->len;
        stream.next_out = (unsigned char *)out;
        stream.avail_out = (unsigned)room;
        code = deflate(&stream, Z_FINISH);
    }
    size_t length = stream.total_out;
    deflateEnd(&stream);
    if (code != Z_STREAM_END) {
        free(out);
        return err_memory(err);
    }
    buf_free(body);
    char *fitted = realloc(out, length);
    *body = (struct buf){.ptr = fitted ? fitted : out, .len = length, .size = length, .cap = length};
    return true;
}

struct finished *finished_new(struct buf *body, const char *content_type, struct finished_origin origin, bool zipped,
                              struct err *err) {
    struct finished *finished = calloc(1, sizeof *finished + ETAG_TEXT + origin.source.len + origin.link.len + 1);
    if (!finished || body->failed || (zipped && !zip(body, err))) {
        free(finished);
        err_memory(err);
        return NULL;
    }
    char *text = (char *)(finished + 1);
    atomic_init(&finished->holders, 1);
    etag_write(text, buf_str(body));
    mem_copy(text + ETAG_TEXT, origin.source.ptr, origin.source.len);
    mem_copy(text + ETAG_TEXT + origin.source.len, origin.link.ptr, origin.link.len); /* NUL behind */
    finished->etag = (struct str){text, ETAG_TEXT - 1};
    finished->source = (struct str){text + ETAG_TEXT, origin.source.len};
    finished->link = (struct str){text + ETAG_TEXT + origin.source.len, origin.link.len};
    finished->content_type = content_type;
    finished->encoding = zipped ? "gzip" : NULL;
    finished->body = buf_str(body);
    *body = BUF(0);
    return finished;
}
