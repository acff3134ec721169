#include "mesh/auth/jwk.h"

#include <stdio.h>
#include <string.h>

#include "mesh/auth/sodium.h"

_Static_assert((int)MESH_KEYS_MAX < (int)MESH_MEMBERS_MAX, "one more than there may be is read");
_Static_assert(MESH_JWK_BYTES == crypto_sign_PUBLICKEYBYTES &&
                   MESH_JWK_BYTES == crypto_sign_SEEDBYTES,
               "the halves are those of libsodium");

enum {
    HALF_TEXT_BYTES = MESH_BASE64URL_BYTES(MESH_JWK_BYTES)
};

bool mesh_key_id_valid(const char *id, size_t size)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_.";

    if (size == 0 || size >= MESH_KEY_ID_BYTES)
        return false;
    for (size_t i = 0; i < size; i++)
        if (memchr(allowed, id[i], sizeof allowed - 1) == NULL)
            return false;
    return true;
}

static const char *read_id(const mesh_members *members, mesh_jwk *jwk)
{
    const mesh_slice *value = mesh_members_find(members, "kid");
    mesh_slice id = {"", 0};

    if (value != NULL && (!mesh_slice_string(value, &id) || !mesh_key_id_valid(id.data, id.size)))
        return "kid must be 1 to 64 of A-Z a-z 0-9 - _ .";
    memcpy(jwk->id, id.data, id.size);
    jwk->id[id.size] = '\0';
    return NULL;
}

static bool read_half(const mesh_slice *value, uint8_t half[MESH_JWK_BYTES])
{
    mesh_slice text;
    size_t size;

    return mesh_slice_string(value, &text) &&
           mesh_base64url_read(text.data, text.size, half, MESH_JWK_BYTES, &size) &&
           size == MESH_JWK_BYTES;
}

const char *mesh_jwk_read(const char *json, size_t size, mesh_jwk *jwk)
{
    mesh_members members;
    const char *why = mesh_members_read(json, size, &members);
    const mesh_slice *use = mesh_members_find(&members, "use");
    const mesh_slice *alg = mesh_members_find(&members, "alg");
    const mesh_slice *secret = mesh_members_find(&members, "d");

    if (why == NULL && !mesh_slice_is(mesh_members_find(&members, "kty"), "OKP"))
        why = "kty must be \"OKP\"";
    if (why == NULL && !mesh_slice_is(mesh_members_find(&members, "crv"), "Ed25519"))
        why = "crv must be \"Ed25519\"";
    if (why == NULL && use != NULL && !mesh_slice_is(use, "sig"))
        why = "use must be \"sig\"";
    if (why == NULL && alg != NULL && !mesh_slice_is(alg, "EdDSA"))
        why = "alg must be \"EdDSA\"";
    if (why == NULL)
        why = read_id(&members, jwk);
    /* A point of small order would take signatures of anybody. */
    if (why == NULL && (!read_half(mesh_members_find(&members, "x"), jwk->x) ||
                        !crypto_core_ed25519_is_valid_point(jwk->x)))
        why = "x must be a public key of 32 bytes in base64url";
    jwk->has_secret = secret != NULL;
    if (why == NULL && secret != NULL && !read_half(secret, jwk->secret))
        why = "d must be a private key of 32 bytes in base64url";
    return why;
}

const char *mesh_jwk_set_read(const char *json, size_t size, mesh_members *keys)
{
    mesh_members set;
    const char *why = size <= MESH_KEYS_MAX_BYTES ? mesh_members_read(json, size, &set)
                                                  : "it is too large";
    const mesh_slice *value = why == NULL ? mesh_members_find(&set, "keys") : NULL;

    if (why == NULL && value == NULL)
        why = "it has no member \"keys\"";
    if (why == NULL)
        why = mesh_elements_read(value->data, value->size, keys);
    if (why == NULL && (keys->count == 0 || keys->count > MESH_KEYS_MAX))
        why = "it must have 1 to 16 keys";
    return why;
}

void mesh_jwk_write(const mesh_jwk *jwk, bool with_secret, char *text)
{
    char x[HALF_TEXT_BYTES], secret[HALF_TEXT_BYTES];

    (void)mesh_base64url_write(x, jwk->x, sizeof jwk->x);
    (void)mesh_base64url_write(secret, jwk->secret, sizeof jwk->secret);
    (void)snprintf(text, MESH_JWK_TEXT_BYTES,
                   "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"alg\":\"EdDSA\","
                   "\"kid\":\"%s\",\"x\":\"%s\"%s%s%s}",
                   jwk->id, x, with_secret ? ",\"d\":\"" : "", with_secret ? secret : "",
                   with_secret ? "\"" : "");
    sodium_memzero(secret, sizeof secret);
}

void mesh_jwk_set_thumbprint(mesh_jwk *jwk)
{
    char x[HALF_TEXT_BYTES], text[128];
    uint8_t hash[crypto_hash_sha256_BYTES];
    int size;

    _Static_assert(MESH_BASE64URL_BYTES(sizeof hash) <= sizeof jwk->id, "it is an id");
    (void)mesh_base64url_write(x, jwk->x, sizeof jwk->x);
    /* RFC 7638, section 3: the required members only, in the order of their names. */
    size = snprintf(text, sizeof text, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", x);
    (void)crypto_hash_sha256(hash, (const uint8_t *)text, (size_t)size);
    (void)mesh_base64url_write(jwk->id, hash, sizeof hash);
}
