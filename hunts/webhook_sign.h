/* Secrets and signatures by the scheme of Standard Webhooks (https://www.standardwebhooks.com): a secret is "whsec_"
 * and the base64 of 24 to 64 bytes, a signature "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body". No state.
 */
#pragma once
#include <stdint.h>

#include "base/buf.h"

enum { WEBHOOK_SECRET_TEXT = 6 + 88 + 1 }; /* the longest secret and NUL */

/* A new random secret. */
void webhook_secret_make(char out[WEBHOOK_SECRET_TEXT]);
/* Whether the text is a secret as above: for those that users bring. */
bool webhook_secret_valid(struct str secret);
/* Adds the signature, behind a space when out holds one already. timestamp: seconds since 1970. False: not a secret. */
bool webhook_sign(struct str secret, struct str id, int64_t timestamp, struct str body, struct buf *out);
