/*
 * Signed texts: the compact form of JSON Web Signatures (RFC 7515, section 3.1) with the one header
 * that the mesh uses:
 *
 *   {"alg":"EdDSA","typ":"JWT","kid":"..."}
 *
 * The algorithm is never chosen by the token (RFC 8725, section 3.1): "EdDSA", in just these
 * letters, is what is verified (RFC 8037, with Ed25519), and all else is refused. So is `crit`
 * (nothing that it could name is known here). Keys and addresses of keys in a header are ignored,
 * as any member that is not known. Any thread. Internal.
 */
#ifndef MESH_AUTH_JWS_H
#define MESH_AUTH_JWS_H

#include "mesh/auth/keys.h"
#include "mesh/auth/token.h"
#include "mesh/base/arena.h"

enum {
    MESH_JWS_HEADER_BYTES = 512,                          /* decoded, at most */
    MESH_JWS_PAYLOAD_BYTES = MESH_TOKEN_MAX_BYTES / 4 * 3 /* decoded, at most */
};

/* One that was taken apart; nothing of it is to be believed before mesh_jws_verify. */
typedef struct mesh_jws {
    const char *token; /* borrowed */
    size_t signed_size;
    char key_id[MESH_KEY_ID_BYTES];
    uint8_t signature[MESH_KEY_SIGNATURE_BYTES];
    size_t payload_size;
    char payload[MESH_JWS_PAYLOAD_BYTES];
} mesh_jws;

/* Takes it apart. NULL, or what is wrong with its form or header (static). */
const char *mesh_jws_read(const char *token, size_t size, mesh_jws *jws);

/* True when the key's owner signed it. */
bool mesh_jws_verify(const mesh_jws *jws, const mesh_public_key *key);

/*
 * Signs a payload; the result is in the arena. INVALID_ARGUMENT: it would have more than
 * MESH_TOKEN_MAX_BYTES bytes. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code mesh_jws_sign(const mesh_key *key, const char *payload, size_t size, mesh_arena *arena,
                        const char **token, mesh_error *err);

#endif
