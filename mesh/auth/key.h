/*
 * A signing key: Ed25519 (RFC 8032), written as a JSON Web Key (RFC 7517; RFC 8037, section 2).
 *
 *   char text[MESH_KEY_TEXT_BYTES];
 *   mesh_key_generate(text, &err);              // once, at set-up; kept as a secret
 *   ...
 *   mesh_key_load(text, strlen(text), &key, &err);
 *   mesh_token_sign(key, &claims, arena, &token, &err);
 *   publish(mesh_key_public(key));              // into the key set of those who verify
 *
 * A key is immutable: any thread, as long as it lives. It is never logged; errors do not tell of
 * its text.
 */
#ifndef MESH_AUTH_KEY_H
#define MESH_AUTH_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

enum {
    MESH_KEY_ID_BYTES = 65,    /* an id of 64 characters and the NUL */
    MESH_KEY_TEXT_BYTES = 256, /* what is written here, with its NUL */
    MESH_KEY_MAX_BYTES = 4096, /* what is read */
    MESH_KEY_SIGNATURE_BYTES = 64
};

typedef struct mesh_key mesh_key;

/*
 * Makes a new key from the kernel's random bytes and writes its text with a NUL into
 * MESH_KEY_TEXT_BYTES bytes. Its id is the thumbprint of RFC 7638. The text is a secret: overwrite
 * it (explicit_bzero) once it is stored. INTERNAL: libsodium does not start.
 */
mesh_code mesh_key_generate(char *text, mesh_error *err);

/*
 * Reads the text of a private key, which is borrowed and may end with blanks, as files do. Without
 * `kid` its id is the thumbprint. INVALID_ARGUMENT: it is too large, no JSON, no Ed25519 key, has
 * no private part, or one that does not belong to its public one; the message says what, and no
 * value. RESOURCE_EXHAUSTED: out of memory. INTERNAL: libsodium does not start.
 */
mesh_code mesh_key_load(const char *text, size_t size, mesh_key **key, mesh_error *err);

/*
 * Reads a set of private keys, {"keys":[...]} (RFC 7517, section 5), in its order: 1 to
 * MESH_KEYS_MAX (keys.h) of them, each to be destroyed. INVALID_ARGUMENT: the text is no such set,
 * or one of the keys is none, or two have the same id. RESOURCE_EXHAUSTED and INTERNAL as above.
 */
MESH_API mesh_code mesh_key_load_set(const char *text, size_t size, mesh_key **keys, size_t *count,
                                     mesh_error *err);

/* Overwrites it with zeros and frees it. NULL is accepted. */
void mesh_key_destroy(mesh_key *key);

/* Its id, and its public half as the text of a JWK for a key set; they live as long as the key. */
const char *mesh_key_id(const mesh_key *key);
const char *mesh_key_public(const mesh_key *key);

/* Signs `size` bytes; for mesh/auth/token.h. */
void mesh_key_sign(const mesh_key *key, const void *data, size_t size,
                   uint8_t signature[MESH_KEY_SIGNATURE_BYTES]);

#endif
