#include "services/user/signer.h"

#include <stdio.h>
#include <string.h>

#include "mesh/auth/token.h"
#include "mesh/base/alloc.h"
#include "mesh/base/uuid.h"

enum {
    JWKS_BYTES = 2 * MESH_KEY_TEXT_BYTES + 32
};

struct user_signer {
    mesh_key *key;
    int64_t lifetime_s;
    char jwks[JWKS_BYTES];
};

static mesh_code load(const char *text, const char *setting, mesh_key **key, mesh_error *err)
{
    mesh_code code = mesh_key_load(text, strlen(text), key, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "%s", setting);
    return code;
}

mesh_code user_signer_create(const user_signer_options *options, user_signer **signer,
                             mesh_error *err)
{
    mesh_key *other = NULL;
    user_signer *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->lifetime_s = options->lifetime_ms / 1000;
    mesh_code code = load(options->key, "USER_SIGNING_KEY", &made->key, err);
    if (code == MESH_OK && options->other_key[0] != '\0')
        code = load(options->other_key, "USER_OTHER_SIGNING_KEY", &other, err);
    if (code == MESH_OK && other != NULL && strcmp(mesh_key_id(other), mesh_key_id(made->key)) == 0)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "USER_OTHER_SIGNING_KEY: has the id of USER_SIGNING_KEY");
    if (code == MESH_OK)
        snprintf(made->jwks, sizeof made->jwks, "{\"keys\":[%s%s%s]}", mesh_key_public(made->key),
                 other != NULL ? "," : "", other != NULL ? mesh_key_public(other) : "");
    mesh_key_destroy(other); /* we publish it, and sign nothing with it */
    if (code != MESH_OK) {
        user_signer_destroy(made);
        return code;
    }
    *signer = made;
    return MESH_OK;
}

void user_signer_destroy(user_signer *signer)
{
    if (signer == NULL)
        return;
    mesh_key_destroy(signer->key);
    mesh_free(signer);
}

const char *user_signer_jwks(const user_signer *signer)
{
    return signer->jwks;
}

/* "level2" of LEVEL2, as policies name it. */
static const char *role_name(mesh_arena *arena, User__V1__Role role)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &user__v1__role__descriptor, (int)role);
    char *name = mesh_arena_strdup(arena, value != NULL ? value->name : "");
    for (char *at = name; *at != '\0'; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    return name;
}

mesh_code user_signer_sign(const user_signer *signer, const User__V1__User *user,
                           const char *session_id, int64_t now_s, mesh_arena *arena,
                           const char **token, int64_t *expire_s, mesh_error *err)
{
    char id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    mesh_claims claims = {.issuer = USER_TOKEN_ISSUER,
                          .audience = USER_TOKEN_AUDIENCE,
                          .subject = user->id,
                          .token_id = id,
                          .session_id = session_id,
                          .role_count = user->n_roles,
                          .issued_s = now_s,
                          .expires_s = now_s + signer->lifetime_s};
    for (size_t i = 0; i < user->n_roles; i++)
        claims.roles[i] = role_name(arena, user->roles[i]);
    mesh_code code = mesh_token_sign(signer->key, &claims, arena, token, err);
    if (code == MESH_OK)
        *expire_s = claims.expires_s;
    return code;
}
