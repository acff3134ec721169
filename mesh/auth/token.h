/*
 * Signing tokens: JSON Web Tokens (RFC 7519) in the compact form, signed with EdDSA (RFC 8037).
 * mesh/auth/verifier.h takes them. A token is a secret of its bearer: never log one.
 */
#ifndef MESH_AUTH_TOKEN_H
#define MESH_AUTH_TOKEN_H

#include "mesh/auth/claims.h"
#include "mesh/auth/key.h"
#include "mesh/base/arena.h"

enum {
    MESH_TOKEN_MAX_BYTES = 4096
};

/*
 * Signs claims; the token is a text in the arena. Any thread. INVALID_ARGUMENT: what claims.h says
 * of them does not hold, or the token would have more than MESH_TOKEN_MAX_BYTES bytes.
 * RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code mesh_token_sign(const mesh_key *key, const mesh_claims *claims, mesh_arena *arena,
                          const char **token, mesh_error *err);

#endif
