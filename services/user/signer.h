/*
 * Access tokens of users: short-lived, signed, verified by every service without asking us
 * (mesh/auth/verifier.h). Thread-safe; immutable once made.
 */
#ifndef SERVICES_USER_SIGNER_H
#define SERVICES_USER_SIGNER_H

#include "mesh/base/arena.h"
#include "user/v1/user.mesh.h"

/* What verifiers expect of our tokens. */
#define USER_TOKEN_ISSUER "user"
#define USER_TOKEN_AUDIENCE "mesh"

typedef struct user_signer user_signer;

typedef struct user_signer_options {
    const char *key;       /* text of a private key (mesh/auth/key.h), a secret; borrowed */
    const char *other_key; /* another one whose tokens shall be believed, too; "": none */
    int64_t lifetime_ms;   /* of a token */
} user_signer_options;

/*
 * INVALID_ARGUMENT: one of the keys is none, which the message names by its setting, or both are
 * the same. RESOURCE_EXHAUSTED: out of memory. INTERNAL: libsodium cannot be used.
 */
mesh_code user_signer_create(const user_signer_options *options, user_signer **signer,
                             mesh_error *err);

/* Forgets the key. NULL is accepted. */
void user_signer_destroy(user_signer *signer);

/* The public keys as a JSON Web Key Set; lives as long as the signer. */
const char *user_signer_jwks(const user_signer *signer);

/*
 * A token of a user's session, for `now_s` (seconds since the Unix epoch) and the lifetime after
 * it; in the arena. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code user_signer_sign(const user_signer *signer, const User__V1__User *user,
                           const char *session_id, int64_t now_s, mesh_arena *arena,
                           const char **token, int64_t *expire_s, mesh_error *err);

#endif
