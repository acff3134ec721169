/*
 * Access tokens of users: short-lived, signed, verified by every service without asking us
 * (mesh/auth/verifier.h). The keys are those of a file, which is looked at again every second: so
 * they are replaced while tokens are signed, without a restart. A file that is wrong or gone is
 * logged once, and the keys stay. Thread-safe.
 */
#ifndef SERVICES_USER_SIGNER_H
#define SERVICES_USER_SIGNER_H

#include "mesh/base/arena.h"
#include "user/v1/user.mesh.h"

enum {
    USER_DIGEST_BYTES = 16
};

typedef struct user_signer user_signer;

typedef struct user_signer_options {
    const char *keys_file; /* path (services/user/signing_keys.h); borrowed as long as the signer */
    int64_t lifetime_ms;   /* of a token */
} user_signer_options;

/*
 * Reads the keys and starts the thread that looks after them. INVALID_ARGUMENT: of
 * user_signing_keys_read. RESOURCE_EXHAUSTED: out of memory, or no thread. INTERNAL: libsodium
 * cannot be used.
 */
mesh_code user_signer_create(const user_signer_options *options, user_signer **signer,
                             mesh_error *err);

/* Ends the thread and forgets the keys. NULL is accepted. */
void user_signer_destroy(user_signer *signer);

/* The public keys as a JSON Web Key Set, in the arena. */
const char *user_signer_jwks(user_signer *signer, mesh_arena *arena);

/*
 * A digest of a text, with a key that follows from the one that signs: alike at all instances, and
 * worth nothing to who has a table of them and not the file of keys. Another one once another key
 * signs.
 */
void user_signer_digest(user_signer *signer, const char *text, uint8_t digest[USER_DIGEST_BYTES]);

/*
 * A token of a user's session, for `now_s` (seconds since the Unix epoch) and the lifetime after
 * it; in the arena. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code user_signer_sign(user_signer *signer, const User__V1__User *user, const char *session_id,
                           int64_t now_s, mesh_arena *arena, const char **token, int64_t *expire_s,
                           mesh_error *err);

#endif
