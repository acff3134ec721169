#include "mesh/auth/token.h"

#include "mesh/auth/claims_impl.h"
#include "mesh/auth/jws.h"

mesh_code mesh_token_sign(const mesh_key *key, const mesh_claims *claims, mesh_arena *arena,
                          const char **token, mesh_error *err)
{
    const char *why = mesh_claims_check(claims);
    char json[MESH_CLAIMS_JSON_BYTES];

    if (why != NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "claims: %s", why);
    return mesh_jws_sign(key, json, mesh_claims_write(claims, json), arena, token, err);
}
