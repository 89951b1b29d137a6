#include "hunts/webhook_sign.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

enum { KEY_MIN = 24, KEY_MAX = 64, KEY_MADE = 32, BASE64 = sodium_base64_VARIANT_ORIGINAL };

static const struct str prefix = {"whsec_", 6};

static void mac_add(crypto_auth_hmacsha256_state *state, struct str s) {
    crypto_auth_hmacsha256_update(state, (const unsigned char *)s.ptr, s.len);
}

void webhook_secret_make(char out[WEBHOOK_SECRET_TEXT]) {
    unsigned char key[KEY_MADE];
    randombytes_buf(key, sizeof key);
    memcpy(out, prefix.ptr, prefix.len);
    sodium_bin2base64(out + prefix.len, WEBHOOK_SECRET_TEXT - prefix.len, key, sizeof key, BASE64);
    sodium_memzero(key, sizeof key);
}

static bool key_decode(struct str secret, unsigned char key[KEY_MAX], size_t *length) {
    const char *end;
    if (!str_starts(secret, prefix))
        return false;
    struct str text = {secret.ptr + prefix.len, secret.len - prefix.len};
    return sodium_base642bin(key, KEY_MAX, text.ptr, text.len, NULL, length, &end, BASE64) == 0 &&
           end == text.ptr + text.len && *length >= KEY_MIN;
}

bool webhook_secret_valid(struct str secret) {
    unsigned char key[KEY_MAX];
    size_t length;
    bool valid = key_decode(secret, key, &length);
    sodium_memzero(key, sizeof key);
    return valid;
}

bool webhook_sign(struct str secret, struct str id, int64_t timestamp, struct str body, struct buf *out) {
    unsigned char key[KEY_MAX], mac[crypto_auth_hmacsha256_BYTES];
    char time[24], text[sodium_base64_ENCODED_LEN(crypto_auth_hmacsha256_BYTES, BASE64)];
    crypto_auth_hmacsha256_state state;
    size_t length;
    if (!key_decode(secret, key, &length))
        return false;
    snprintf(time, sizeof time, ".%" PRId64 ".", timestamp);
    crypto_auth_hmacsha256_init(&state, key, length);
    mac_add(&state, id);
    mac_add(&state, str_from(time));
    mac_add(&state, body);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(key, sizeof key);
    sodium_memzero(&state, sizeof state);
    sodium_bin2base64(text, sizeof text, mac, sizeof mac, BASE64);
    buf_printf(out, "%sv1,%s", out->len ? " " : "", text);
    return !out->failed;
}
