/* Content-Encoding of bodies: gzip and zstd, with a cap on size and ratio, as whoever may post could send a bomb. Owns
 * nothing past the call; bytes go to the caller's buffer. Any thread. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* encoding: "", "identity", "gzip", "x-gzip" or "zstd" (else ERR_UNSUPPORTED_MEDIA). Appends to out, whose cap is the
 * limit on inflated bytes; over it, or over 500:1 past 1 MiB (honest batches of alike records reach 200:1), is
 * ERR_TOO_LARGE; broken data is ERR_BAD_REQUEST. Several gzip members or zstd frames after one another are read on. */
bool inflate_body(struct str encoding, struct str body, struct buf *out, struct err *err);
