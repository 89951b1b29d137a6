#include "base/etag.h"

#include <sodium.h>

enum { DIGEST = 16 };

void etag_write(char out[ETAG_TEXT], struct str body) {
    unsigned char digest[DIGEST];
    crypto_generichash(digest, sizeof digest, (const unsigned char *)body.ptr, body.len, NULL, 0);
    out[0] = '"';
    sodium_bin2hex(out + 1, ETAG_TEXT - 1, digest, sizeof digest);
    out[ETAG_TEXT - 2] = '"';
    out[ETAG_TEXT - 1] = 0;
}
