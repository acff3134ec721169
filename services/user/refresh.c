#include "services/user/refresh.h"

#include <sodium.h>
#include <string.h>

enum {
    TOKEN_BYTES = USER_SELECTOR_BYTES + USER_SECRET_BYTES
};

_Static_assert(USER_REFRESH_TEXT_BYTES ==
                   sodium_base64_ENCODED_LEN(TOKEN_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
               "the text of a token");

static void hash_secret(const uint8_t *secret, user_refresh *refresh)
{
    crypto_generichash(refresh->secret_hash, USER_SECRET_HASH_BYTES, secret, USER_SECRET_BYTES,
                       NULL, 0);
}

static void make(user_refresh *refresh, char *text)
{
    uint8_t token[TOKEN_BYTES];
    memcpy(token, refresh->selector, USER_SELECTOR_BYTES);
    randombytes_buf(token + USER_SELECTOR_BYTES, USER_SECRET_BYTES);
    hash_secret(token + USER_SELECTOR_BYTES, refresh);
    sodium_bin2base64(text, USER_REFRESH_TEXT_BYTES, token, sizeof token,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(token, sizeof token);
}

void user_refresh_create(user_refresh *refresh, char text[USER_REFRESH_TEXT_BYTES])
{
    randombytes_buf(refresh->selector, USER_SELECTOR_BYTES);
    make(refresh, text);
}

void user_refresh_renew(const user_refresh *old, user_refresh *refresh,
                        char text[USER_REFRESH_TEXT_BYTES])
{
    memcpy(refresh->selector, old->selector, USER_SELECTOR_BYTES);
    make(refresh, text);
}

bool user_refresh_read(const char *text, user_refresh *refresh)
{
    /* libsodium takes bytes beyond ASCII for one of these, where char is signed. */
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t token[TOKEN_BYTES];
    size_t size = 0;
    if (strnlen(text, USER_REFRESH_TEXT_BYTES) != USER_REFRESH_TEXT_BYTES - 1 ||
        strspn(text, ALPHABET) != USER_REFRESH_TEXT_BYTES - 1 ||
        sodium_base642bin(token, sizeof token, text, USER_REFRESH_TEXT_BYTES - 1, NULL, &size, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        size != sizeof token)
        return false;
    memcpy(refresh->selector, token, USER_SELECTOR_BYTES);
    hash_secret(token + USER_SELECTOR_BYTES, refresh);
    sodium_memzero(token, sizeof token);
    return true;
}
