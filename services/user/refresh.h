/*
 * Refresh tokens: random bytes in base64url. A token is the selector of its session, which stays,
 * and a secret, which is another one each time; of the secret only a hash is stored (BLAKE2b,
 * without a salt or much work: it is as random as a key). Thread-safe, once user_passwords_create
 * has started libsodium.
 */
#ifndef SERVICES_USER_REFRESH_H
#define SERVICES_USER_REFRESH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    USER_SELECTOR_BYTES = 16,
    USER_SECRET_BYTES = 32,
    USER_SECRET_HASH_BYTES = 32,
    USER_REFRESH_TEXT_BYTES = 65 /* of a token, with its NUL */
};

typedef struct user_refresh {
    uint8_t selector[USER_SELECTOR_BYTES];
    uint8_t secret_hash[USER_SECRET_HASH_BYTES];
} user_refresh;

/* A new token, of a new session. */
void user_refresh_create(user_refresh *refresh, char text[USER_REFRESH_TEXT_BYTES]);

/* The next token of the same session. */
void user_refresh_renew(const user_refresh *old, user_refresh *refresh,
                        char text[USER_REFRESH_TEXT_BYTES]);

/* False: the text has not the form of a token. */
bool user_refresh_read(const char *text, user_refresh *refresh);

#endif
