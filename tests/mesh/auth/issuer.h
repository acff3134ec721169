/*
 * An issuer for tests: the key of RFC 8037, appendix A, and tokens of any form. What cannot be
 * done, fails the test.
 */
#ifndef TESTS_MESH_AUTH_ISSUER_H
#define TESTS_MESH_AUTH_ISSUER_H

#include <stddef.h>

#include "mesh/auth/keys.h"
#include "mesh/auth/token.h"

/* RFC 8037, appendix A.1 and A.2: a private key and its public half, here with a kid. */
#define ISSUER_D "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define ISSUER_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define ISSUER_KID "k1"
#define ISSUER_PRIVATE                                                                        \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" ISSUER_KID "\",\"d\":\"" ISSUER_D "\"," \
    "\"x\":\"" ISSUER_X "\"}"
#define ISSUER_PUBLIC \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" ISSUER_KID "\",\"x\":\"" ISSUER_X "\"}"

#define ISSUER_HEADER "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" ISSUER_KID "\"}"

/* A key of this text; a new one; a new one with this id. To be destroyed. */
mesh_key *issuer_load(const char *jwk);
mesh_key *issuer_generate(void);
mesh_key *issuer_generate_named(const char *id);

/* Makes the set hold the public halves of these keys. */
void issuer_publish(mesh_keys *keys, const mesh_key *const *list, size_t count);

/* A token of any header and payload, signed by a key; to be freed. */
char *issuer_sign(const mesh_key *key, const char *header, const void *payload, size_t size);

/* The same with a signature that is given; NULL: one of zeros. */
char *issuer_join(const char *header, const void *payload, size_t size, const void *signature,
                  size_t signature_size);

/* Claims of a token that was issued at that time and lives for 15 minutes. */
mesh_claims issuer_claims(int64_t issued_s);

#endif
