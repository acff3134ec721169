/*
 * Verifying tokens (mesh/auth/token.h): who the caller is, said by an issuer whose public keys are
 * known, without asking anybody. RFC 7519 and RFC 8725 are followed where they leave no choice, and
 * where they do the strict one is taken:
 *
 *   form        at most MESH_TOKEN_MAX_BYTES; three parts in base64url without padding, blanks or
 *               stray bits; JSON without duplicate members, its names and texts without escapes
 *   header      alg "EdDSA" and typ "JWT" in these letters, kid of a known key, no crit
 *   signature   Ed25519, by that key, checked before anything of the claims is read
 *   claims      those of mesh/auth/claims.h; iss and aud are the options' (aud as one string), iat
 *               not in the future, exp in the future (for this there is no leeway), both not too
 *               far apart; no nbf
 *
 *   mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = keys,
 *                                     .issuer = "user", .audience = "mesh"), &verifier, &err);
 *   ...
 *   code = mesh_verifier_check(verifier, token, size, arena, &claims, err);
 *
 * Tokens that were right are kept, so that the next check of one costs a lookup; see
 * mesh/auth/README.md for what that leaves out.
 */
#ifndef MESH_AUTH_VERIFIER_H
#define MESH_AUTH_VERIFIER_H

#include "mesh/auth/claims.h"
#include "mesh/auth/keys.h"
#include "mesh/base/arena.h"

typedef struct mesh_verifier mesh_verifier;

typedef struct mesh_verifier_options {
    size_t size;
    mesh_keys *keys;                 /* required; borrowed, outlives the verifier */
    const char *issuer;              /* required but with `self_issued`; copied */
    const char *audience;            /* required, copied */
    int64_t leeway_ms;               /* of the issuer's clock before ours, default 5,000 */
    int64_t max_lifetime_ms;         /* from iat to exp, default 1 hour */
    size_t cache_bytes;              /* tokens that are kept, and their claims; default 16 MiB */
    int64_t unknown_key_interval_ms; /* see below, default 10,000 */

    /*
     * Told when a token names a key that is not in the set, at most once in the interval, however
     * many there are: new keys may have to be fetched. NULL: nobody is. It runs in the thread of
     * the check, with no lock held, and must not block.
     */
    void (*on_unknown_key)(void *self);
    void *self;

    /* iss and sub have to be the id of the key that signed: who holds a key speaks for itself, and
     * for nobody else. Tokens of services are so. */
    bool self_issued;
} mesh_verifier_options;

/*
 * INVALID_ARGUMENT: an option is missing or negative. RESOURCE_EXHAUSTED: out of memory. INTERNAL:
 * libsodium does not start.
 */
mesh_code mesh_verifier_create(const mesh_verifier_options *options, mesh_verifier **verifier,
                               mesh_error *err);

/* Frees it; no check may run. NULL is accepted. */
void mesh_verifier_destroy(mesh_verifier *verifier);

/*
 * Checks a token, `size` bytes that need no NUL, and puts its claims into the arena. Any thread;
 * never blocks and never asks anybody. A failure is UNAUTHENTICATED, with one of these reasons of
 * mesh.v1.AuthErrorReason; what is wrong with a token is told to the log at level debug only:
 *
 *   TOKEN_MISSING      size is 0
 *   TOKEN_KEY_UNKNOWN  its key is not in the set
 *   TOKEN_EXPIRED      it was right, up to its exp
 *   TOKEN_INVALID      anything else
 *
 * UNAVAILABLE with TOKEN_KEY_UNKNOWN and a delay: no keys have come yet, so that nothing can be
 * said of a token but of its form. RESOURCE_EXHAUSTED: the arena is full.
 */
mesh_code mesh_verifier_check(mesh_verifier *verifier, const char *token, size_t size,
                              mesh_arena *arena, const mesh_claims **claims, mesh_error *err);

#endif
