#include "mesh/auth/key.h"

#include <string.h>

#include "mesh/auth/jwk.h"
#include "mesh/auth/sodium.h"
#include "mesh/base/alloc.h"
#include "mesh/base/uuid.h"

_Static_assert(MESH_KEY_SIGNATURE_BYTES == crypto_sign_BYTES, "signatures are those of libsodium");

struct mesh_key {
    char id[MESH_KEY_ID_BYTES];
    char public_text[MESH_JWK_TEXT_BYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

mesh_code mesh_key_generate(char *text, mesh_error *err)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    mesh_code code = mesh_sodium_start(err);
    mesh_jwk jwk;

    if (code != MESH_OK)
        return code;
    mesh_random_bytes(jwk.secret, sizeof jwk.secret);
    (void)crypto_sign_seed_keypair(jwk.x, secret, jwk.secret);
    mesh_jwk_set_thumbprint(&jwk);
    mesh_jwk_write(&jwk, true, text);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(&jwk, sizeof jwk);
    return MESH_OK;
}

/* Fills the key; NULL, or what is wrong. */
static const char *take(mesh_key *key, const char *text, size_t size, mesh_jwk *jwk)
{
    const char *why = mesh_jwk_read(text, size, jwk);
    uint8_t x[crypto_sign_PUBLICKEYBYTES];

    if (why != NULL)
        return why;
    if (!jwk->has_secret)
        return "it has no private part, d";
    (void)crypto_sign_seed_keypair(x, key->secret, jwk->secret);
    if (memcmp(x, jwk->x, sizeof x) != 0)
        return "d is not the private key of x";
    if (jwk->id[0] == '\0')
        mesh_jwk_set_thumbprint(jwk);
    memcpy(key->id, jwk->id, sizeof key->id);
    mesh_jwk_write(jwk, false, key->public_text);
    return NULL;
}

mesh_code mesh_key_load(const char *text, size_t size, mesh_key **key, mesh_error *err)
{
    mesh_code code = mesh_sodium_start(err);
    mesh_key *made;
    const char *why;
    mesh_jwk jwk;

    if (code != MESH_OK)
        return code;
    if (size > MESH_KEY_MAX_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "signing key: more than %d bytes",
                              MESH_KEY_MAX_BYTES);
    made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    why = take(made, text, size, &jwk);
    sodium_memzero(&jwk, sizeof jwk);
    if (why != NULL) {
        mesh_key_destroy(made);
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "signing key: %s", why);
    }
    *key = made;
    return MESH_OK;
}

static bool has_id(mesh_key *const *keys, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i]->id, id) == 0)
            return true;
    return false;
}

mesh_code mesh_key_load_set(const char *text, size_t size, mesh_key **keys, size_t *count,
                            mesh_error *err)
{
    mesh_key *loaded[MESH_KEYS_MAX] = {NULL};
    mesh_members set = {.count = 0};
    const char *why = mesh_jwk_set_read(text, size, &set);
    mesh_code code = MESH_OK;

    if (why != NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "signing keys: %s", why);
    for (size_t i = 0; i < set.count && code == MESH_OK; i++) {
        code = mesh_key_load(set.list[i].value.data, set.list[i].value.size, &loaded[i], err);
        if (code == MESH_OK && has_id(loaded, i, loaded[i]->id))
            code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "its kid is there twice");
        if (code != MESH_OK)
            mesh_error_prefix(err, "keys[%zu]", i);
    }
    if (code == MESH_OK) {
        memcpy(keys, loaded, set.count * sizeof *keys);
        *count = set.count;
        return MESH_OK;
    }
    for (size_t i = 0; i < MESH_KEYS_MAX; i++)
        mesh_key_destroy(loaded[i]);
    return code;
}

void mesh_key_destroy(mesh_key *key)
{
    if (key != NULL)
        sodium_memzero(key, sizeof *key);
    mesh_free(key);
}

const char *mesh_key_id(const mesh_key *key)
{
    return key->id;
}

const char *mesh_key_public(const mesh_key *key)
{
    return key->public_text;
}

void mesh_key_sign(const mesh_key *key, const void *data, size_t size,
                   uint8_t signature[MESH_KEY_SIGNATURE_BYTES])
{
    (void)crypto_sign_detached(signature, NULL, data, size, key->secret);
}
