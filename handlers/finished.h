/* Bytes of an answer as they are sent: made once, constant after that, shared by counting who holds them, so that they go
 * to many sockets without a copy. Any thread. */
#pragma once
#include "base/attr.h"
#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"

struct finished {
    atomic_uint holders;
    struct str body, etag;
    struct str link;          /* of a list that goes on: its header Link; else empty */
    struct str source;        /* says what it was made from; as long as that is the same, so are the bytes */
    const char *content_type; /* constant text, as is the next */
    const char *encoding;     /* Content-Encoding; NULL: none */
};

/* What a finished answer keeps besides its bytes; copied. */
struct finished_origin {
    struct str source, link;
};

void finished_release(struct finished *finished); /* NULL is fine */
/* Takes the body's bytes, or gives them up for their gzip when zipped. The etag is a digest of the bytes (strong, RFC 9110
 * 8.8.1). One holder: the caller. */
OWNED_BY(finished_release)
struct finished *finished_new(struct buf *body, const char *content_type, struct finished_origin origin, bool zipped,
                              struct err *err);
/* One holder more, who releases it too. Gives its argument, which must not be NULL. */
struct finished *finished_hold(struct finished *finished);
