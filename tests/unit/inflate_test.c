/* Content-Encoding of bodies: what inflates, what is refused, and that a bomb costs no more than its limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "store/inflate.h"

static const struct str hello = {"hello, hello, hello\n", 20}, world = {"and the world\n", 14};

static void add_gzip(struct buf *out, struct str text) {
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)text.ptr, .avail_in = (uInt)text.len};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t size = deflateBound(&stream, (uLong)text.len);
    char *at = buf_reserve(out, size);
    assert_non_null(at);
    stream.next_out = (Bytef *)at;
    stream.avail_out = (uInt)size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->len += size - stream.avail_out;
    deflateEnd(&stream);
}

static void add_zstd(struct buf *out, struct str text) {
    size_t size = ZSTD_compressBound(text.len);
    char *at = buf_reserve(out, size);
    assert_non_null(at);
    size = ZSTD_compress(at, size, text.ptr, text.len, 3);
    assert_false(ZSTD_isError(size));
    out->len += size;
}

/* The code that inflating gave, ERR_NONE with the right text in out. */
static enum err_code inflated(const char *encoding, struct str body, struct buf *out) {
    struct err err = {0};
    out->len = 0;
    out->failed = false;
    return inflate_body(str_from(encoding), body, out, &err) ? ERR_NONE : err.code;
}

static void bodies_without_an_encoding_pass_through(void **state) {
    BUF_AUTO out = BUF(1 << 20);
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(inflated((const char *[]){"", "identity", " Identity "}[i], hello, &out), ERR_NONE);
        assert_true(str_eq(buf_str(&out), hello));
    }
    assert_int_equal(inflated("", STR(""), &out), ERR_NONE);
    assert_int_equal(out.len, 0);
}

static void gzip_members_are_read_one_after_another(void **state) {
    BUF_AUTO body = BUF(1 << 20);
    BUF_AUTO out = BUF(1 << 20);
    (void)state;
    add_gzip(&body, hello);
    assert_int_equal(inflated("gzip", buf_str(&body), &out), ERR_NONE);
    assert_true(str_eq(buf_str(&out), hello));
    add_gzip(&body, STR(""));
    add_gzip(&body, world);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(inflated((const char *[]){"gzip", "x-gzip", "GZip"}[i], buf_str(&body), &out), ERR_NONE);
        assert_true(str_eq(buf_str(&out), STR("hello, hello, hello\nand the world\n")));
    }
}

static void zstd_frames_are_read_one_after_another(void **state) {
    BUF_AUTO body = BUF(1 << 20);
    BUF_AUTO out = BUF(1 << 20);
    (void)state;
    add_zstd(&body, hello);
    assert_int_equal(inflated("zstd", buf_str(&body), &out), ERR_NONE);
    assert_true(str_eq(buf_str(&out), hello));
    add_zstd(&body, STR(""));
    add_zstd(&body, world);
    assert_int_equal(inflated("zstd", buf_str(&body), &out), ERR_NONE);
    assert_true(str_eq(buf_str(&out), STR("hello, hello, hello\nand the world\n")));
}

static void a_body_of_many_steps_comes_out_whole(void **state) {
    BUF_AUTO text = BUF(8 << 20);
    BUF_AUTO body = BUF(16 << 20);
    BUF_AUTO out = BUF(8 << 20);
    (void)state;
    for (unsigned i = 0; i < 300000; i++)
        buf_printf(&text, "%08x\n", i * 2654435761u);
    add_gzip(&body, buf_str(&text));
    assert_int_equal(inflated("gzip", buf_str(&body), &out), ERR_NONE);
    assert_true(str_eq(buf_str(&out), buf_str(&text)));
    body.len = 0;
    add_zstd(&body, buf_str(&text));
    assert_int_equal(inflated("zstd", buf_str(&body), &out), ERR_NONE);
    assert_true(str_eq(buf_str(&out), buf_str(&text)));
}

/* Copied to a block of its own length, so that a sanitizer sees a read past the end. */
static enum err_code inflated_prefix(const char *encoding, const struct buf *body, size_t length, struct buf *out) {
    char *copy = test_malloc(length ? length : 1);
    memcpy(copy, body->ptr, length);
    enum err_code code = inflated(encoding, (struct str){copy, length}, out);
    test_free(copy);
    return code;
}

static void every_truncation_is_refused(void **state) {
    BUF_AUTO gzip = BUF(1 << 20);
    BUF_AUTO zstd = BUF(1 << 20);
    BUF_AUTO out = BUF(1 << 20);
    (void)state;
    add_gzip(&gzip, hello);
    add_zstd(&zstd, hello);
    for (size_t length = 0; length < gzip.len; length++)
        assert_int_equal(inflated_prefix("gzip", &gzip, length, &out), ERR_BAD_REQUEST);
    for (size_t length = 0; length < zstd.len; length++)
        assert_int_equal(inflated_prefix("zstd", &zstd, length, &out), ERR_BAD_REQUEST);
    size_t first = gzip.len;
    add_gzip(&gzip, world);
    for (size_t length = first + 1; length < gzip.len; length++)
        assert_int_equal(inflated_prefix("gzip", &gzip, length, &out), ERR_BAD_REQUEST);
}

static void every_flipped_byte_is_refused_or_harmless(void **state) {
    BUF_AUTO body = BUF(1 << 20);
    BUF_AUTO out = BUF(1 << 20);
    (void)state;
    add_gzip(&body, hello);
    for (size_t at = 0; at < body.len; at++) {
        body.ptr[at] = (char)(body.ptr[at] ^ 0x55);
        if (inflated_prefix("gzip", &body, body.len, &out) == ERR_NONE)
            assert_true(str_eq(buf_str(&out), hello)); /* a byte of the header that says nothing of the content */
        body.ptr[at] = (char)(body.ptr[at] ^ 0x55);
    }
}

static void what_is_not_in_the_encoding_is_refused(void **state) {
    BUF_AUTO body = BUF(1 << 20);
    BUF_AUTO out = BUF(1 << 20);
    (void)state;
    assert_int_equal(inflated("gzip", hello, &out), ERR_BAD_REQUEST);
    assert_int_equal(inflated("zstd", hello, &out), ERR_BAD_REQUEST);
    add_gzip(&body, hello);
    assert_int_equal(inflated("zstd", buf_str(&body), &out), ERR_BAD_REQUEST);
    buf_add_str(&body, STR("garbage behind it"));
    assert_int_equal(inflated("gzip", buf_str(&body), &out), ERR_BAD_REQUEST);
}

static void unknown_encodings_are_unsupported(void **state) {
    static const char *const names[] = {"br", "deflate", "compress", "gzip, gzip", "gzipx", "*"};
    BUF_AUTO out = BUF(1 << 20);
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(inflated(names[i], hello, &out), ERR_UNSUPPORTED_MEDIA);
    assert_int_equal(err_status(ERR_UNSUPPORTED_MEDIA), 415);
}

static void a_bomb_is_refused_before_it_takes_memory(void **state) {
    enum { ZEROS = 48 << 20, CAP = 64 << 20 };
    BUF_AUTO body = BUF(CAP);
    BUF_AUTO out = BUF(CAP);
    (void)state;
    char *zeros = calloc(1, ZEROS);
    assert_non_null(zeros);
    add_gzip(&body, (struct str){zeros, ZEROS});
    assert_int_equal(inflated("gzip", buf_str(&body), &out), ERR_TOO_LARGE);
    assert_true(out.len < ZEROS / 2);
    body.len = 0;
    add_zstd(&body, (struct str){zeros, ZEROS});
    assert_int_equal(inflated("zstd", buf_str(&body), &out), ERR_TOO_LARGE);
    assert_true(out.len < ZEROS / 2);
    assert_int_equal(inflated("", (struct str){zeros, 3 << 20}, &out), ERR_NONE);
    free(zeros);
}

static void the_cap_holds_for_every_encoding(void **state) {
    BUF_AUTO text = BUF(1 << 20);
    BUF_AUTO body = BUF(1 << 20);
    BUF_AUTO out = BUF(4096);
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        buf_printf(&text, "%08x\n", i * 2654435761u);
    assert_int_equal(inflated("", buf_str(&text), &out), ERR_TOO_LARGE);
    add_gzip(&body, buf_str(&text));
    assert_int_equal(inflated("gzip", buf_str(&body), &out), ERR_TOO_LARGE);
    assert_true(out.len <= 4096);
    body.len = 0;
    add_zstd(&body, buf_str(&text));
    assert_int_equal(inflated("zstd", buf_str(&body), &out), ERR_TOO_LARGE);
    assert_true(out.len <= 4096);
}

static void a_body_of_exactly_the_cap_passes(void **state) {
    BUF_AUTO body = BUF(1 << 20);
    (void)state;
    for (size_t cap = 19; cap <= 21; cap++) {
        BUF_AUTO out = BUF(cap);
        enum err_code wanted = cap < hello.len ? ERR_TOO_LARGE : ERR_NONE;
        assert_int_equal(inflated("", hello, &out), wanted);
        body.len = 0;
        add_gzip(&body, hello);
        assert_int_equal(inflated("gzip", buf_str(&body), &out), wanted);
        body.len = 0;
        add_zstd(&body, hello);
        assert_int_equal(inflated("zstd", buf_str(&body), &out), wanted);
        if (wanted == ERR_NONE)
            assert_true(str_eq(buf_str(&out), hello));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_without_an_encoding_pass_through),
        cmocka_unit_test(gzip_members_are_read_one_after_another),
        cmocka_unit_test(zstd_frames_are_read_one_after_another),
        cmocka_unit_test(a_body_of_many_steps_comes_out_whole),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_byte_is_refused_or_harmless),
        cmocka_unit_test(what_is_not_in_the_encoding_is_refused),
        cmocka_unit_test(unknown_encodings_are_unsupported),
        cmocka_unit_test(a_bomb_is_refused_before_it_takes_memory),
        cmocka_unit_test(the_cap_holds_for_every_encoding),
        cmocka_unit_test(a_body_of_exactly_the_cap_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
