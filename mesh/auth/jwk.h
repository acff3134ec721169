/*
 * Ed25519 keys as JSON Web Keys (RFC 7517; RFC 8037, section 2):
 *
 *   {"kty":"OKP","crv":"Ed25519","kid":"...","x":"the public key","d":"the private one"}
 *
 * Read strictly: another type, a curve or length that is wrong, a `use` other than "sig" or an
 * `alg` other than "EdDSA" is refused; members that are not known are ignored. Any thread.
 * Internal.
 */
#ifndef MESH_AUTH_JWK_H
#define MESH_AUTH_JWK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/auth/keys.h"
#include "mesh/auth/members.h"

enum {
    MESH_JWK_BYTES = 32, /* of either half */
    /* The longest text that is written here, with its NUL. */
    MESH_JWK_TEXT_BYTES = MESH_KEY_TEXT_BYTES
};

typedef struct mesh_jwk {
    char id[MESH_KEY_ID_BYTES];     /* "" when there is none */
    uint8_t x[MESH_JWK_BYTES];      /* public: a point of the group that signatures are in */
    uint8_t secret[MESH_JWK_BYTES]; /* only with has_secret: the seed of RFC 8032 */
    bool has_secret;
} mesh_jwk;

/* NULL, or what is wrong (static, without any value); then `jwk` may hold a part of the secret. */
const char *mesh_jwk_read(const char *json, size_t size, mesh_jwk *jwk);

/* The keys of a set (RFC 7517, section 5), 1 to MESH_KEYS_MAX, each for mesh_jwk_read. NULL, or
 * what is wrong (static). */
const char *mesh_jwk_set_read(const char *json, size_t size, mesh_members *keys);

/* Writes it, with or without its secret. It has an id. */
void mesh_jwk_write(const mesh_jwk *jwk, bool with_secret, char *text);

/* Gives it the id of RFC 7638: the SHA-256 of the public key's members, in base64url. */
void mesh_jwk_set_thumbprint(mesh_jwk *jwk);

/* 1 to 64 of A-Z a-z 0-9 - _ . */
bool mesh_key_id_valid(const char *id, size_t size);

#endif
