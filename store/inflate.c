#include "store/inflate.h"

#include <zlib.h>
#include <zstd.h>

enum { STEP = 256 * 1024, RATIO = 500, RATIO_FROM = 1 << 20 };

static bool over(const struct buf *out, struct str body, struct err *err) {
    if (out->failed)
        return err_set(err, ERR_TOO_LARGE, "the inflated body is over %zu MiB; send less at once", out->cap >> 20);
    if (out->len > RATIO_FROM && out->len / RATIO > body.len)
        return err_set(err, ERR_TOO_LARGE, "the body inflates more than %d:1", RATIO);
    return true;
}

static bool broken(struct err *err, const char *what) {
    return err_set(err, ERR_BAD_REQUEST, "the body is not valid %s, or cut short", what);
}

/* Room for the next step: a whole one, what is left under the cap, or at the cap one byte that must stay empty: the end
 * of the data may still have to be read. */
static char *room(struct buf *out, char *spare, size_t *size) {
    *size = out->cap - out->len < STEP ? out->cap - out->len : STEP;
    if (*size)
        return buf_reserve(out, *size);
    *size = 1;
    return spare;
}

static void taken(struct buf *out, const char *at, const char *spare, size_t length) {
    if (at != spare)
        out->len += length;
    else if (length)
        out->failed = true;
}

static bool inflate_members(z_stream *stream, struct str body, struct buf *out, struct err *err) {
    int result = Z_OK;
    while (stream->avail_in || result != Z_STREAM_END) {
        size_t size;
        char spare, *at = room(out, &spare, &size);
        if (!at)
            return over(out, body, err);
        stream->next_out = (Bytef *)at;
        stream->avail_out = (uInt)size;
        result = inflate(stream, Z_NO_FLUSH);
        taken(out, at, &spare, size - stream->avail_out);
        if ((result != Z_OK && result != Z_STREAM_END) || (result == Z_OK && !stream->avail_in && stream->avail_out))
            return broken(err, "gzip");
        if (!over(out, body, err))
            return false;
        if (result == Z_STREAM_END && stream->avail_in && inflateReset(stream) != Z_OK)
            return broken(err, "gzip");
    }
    return true;
}

static bool inflate_gzip(struct str body, struct buf *out, struct err *err) {
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)body.ptr, .avail_in = (uInt)body.len};
    if (inflateInit2(&stream, 15 + 16) != Z_OK)
        return err_memory(err);
    bool ok = inflate_members(&stream, body, out, err);
    inflateEnd(&stream);
    return ok;
}

static bool zstd_frames(ZSTD_DStream *stream, struct str body, struct buf *out, struct err *err) {
    ZSTD_inBuffer in = {body.ptr, body.len, 0};
    size_t left = 1;
    while (in.pos < in.size || left) {
        size_t size, before = in.pos;
        char spare, *at = room(out, &spare, &size);
        if (!at)
            return over(out, body, err);
        ZSTD_outBuffer piece = {at, size, 0};
        left = ZSTD_decompressStream(stream, &piece, &in);
        if (ZSTD_isError(left) || (left && !piece.pos && in.pos == before && in.pos == in.size))
            return broken(err, "zstd");
        taken(out, at, &spare, piece.pos);
        if (!over(out, body, err))
            return false;
    }
    return true;
}

static bool inflate_zstd(struct str body, struct buf *out, struct err *err) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream)
        return err_memory(err);
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 25);
    bool ok = zstd_frames(stream, body, out, err);
    ZSTD_freeDStream(stream);
    return ok;
}

bool inflate_body(struct str encoding, struct str body, struct buf *out, struct err *err) {
    encoding = str_trim(encoding);
    if (!encoding.len || str_eq_nocase(encoding, STR("identity"))) {
        buf_add_str(out, body);
        return over(out, body, err);
    }
    if (str_eq_nocase(encoding, STR("gzip")) || str_eq_nocase(encoding, STR("x-gzip")))
        return inflate_gzip(body, out, err);
    if (str_eq_nocase(encoding, STR("zstd")))
        return inflate_zstd(body, out, err);
    return err_set(err, ERR_UNSUPPORTED_MEDIA, "Content-Encoding '%.*s' isn't known; send gzip, zstd or none",
                   STR_ARG(encoding));
}
