#include "mesh/auth/jws.h"

#include <stdio.h>
#include <string.h>

#include "mesh/auth/jwk.h"
#include "mesh/auth/members.h"
#include "mesh/auth/sodium.h"

static const char *read_header(const char *json, size_t size, mesh_jws *jws)
{
    mesh_members members;
    const char *why = mesh_members_read(json, size, &members);
    mesh_slice id;

    if (why != NULL)
        return why;
    if (!mesh_slice_is(mesh_members_find(&members, "alg"), "EdDSA"))
        return "alg is not \"EdDSA\"";
    if (!mesh_slice_is(mesh_members_find(&members, "typ"), "JWT"))
        return "typ is not \"JWT\"";
    if (mesh_members_find(&members, "crit") != NULL)
        return "crit is there";
    if (!mesh_slice_string(mesh_members_find(&members, "kid"), &id) ||
        !mesh_key_id_valid(id.data, id.size))
        return "kid is no key's id";
    memcpy(jws->key_id, id.data, id.size);
    jws->key_id[id.size] = '\0';
    return NULL;
}

/* The part from `*at` to the next dot or the end, which is passed. */
static mesh_slice next_part(const char **at, const char *end)
{
    const char *dot = memchr(*at, '.', (size_t)(end - *at));
    mesh_slice part = {*at, (size_t)((dot != NULL ? dot : end) - *at)};

    *at = dot != NULL ? dot + 1 : end;
    return part;
}

const char *mesh_jws_read(const char *token, size_t size, mesh_jws *jws)
{
    const char *at = token, *end = token + size;
    mesh_slice header, payload;
    char json[MESH_JWS_HEADER_BYTES];
    size_t json_size, signature_size;

    if (size > MESH_TOKEN_MAX_BYTES)
        return "it is too large";
    header = next_part(&at, end);
    payload = next_part(&at, end);
    jws->token = token;
    jws->signed_size = header.size + 1 + payload.size;
    if (!mesh_base64url_read(header.data, header.size, json, sizeof json, &json_size) ||
        !mesh_base64url_read(payload.data, payload.size, jws->payload, sizeof jws->payload,
                             &jws->payload_size) ||
        /* what is left: a further dot is no base64url */
        !mesh_base64url_read(at, (size_t)(end - at), jws->signature, sizeof jws->signature,
                             &signature_size) ||
        signature_size != sizeof jws->signature)
        return "it is not three parts in base64url";
    return read_header(json, json_size, jws);
}

bool mesh_jws_verify(const mesh_jws *jws, const mesh_public_key *key)
{
    return crypto_sign_verify_detached(jws->signature, (const uint8_t *)jws->token,
                                       jws->signed_size, key->x) == 0;
}

mesh_code mesh_jws_sign(const mesh_key *key, const char *payload, size_t size, mesh_arena *arena,
                        const char **token, mesh_error *err)
{
    char header[MESH_JWS_HEADER_BYTES];
    size_t header_size = (size_t)snprintf(header, sizeof header,
                                          "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
                                          mesh_key_id(key));
    uint8_t signature[MESH_KEY_SIGNATURE_BYTES];
    /* each part with a dot or the NUL behind it */
    size_t text_size = MESH_BASE64URL_BYTES(header_size) + MESH_BASE64URL_BYTES(size) +
                       MESH_BASE64URL_BYTES(sizeof signature);
    char *text, *at;

    if (text_size - 1 > MESH_TOKEN_MAX_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the claims make a token of %zu bytes, at most %d may be",
                              text_size - 1, MESH_TOKEN_MAX_BYTES);
    text = mesh_arena_alloc(arena, text_size);
    if (text == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    at = mesh_base64url_write(text, header, header_size);
    *at++ = '.';
    at = mesh_base64url_write(at, payload, size);
    mesh_key_sign(key, text, (size_t)(at - text), signature);
    *at++ = '.';
    (void)mesh_base64url_write(at, signature, sizeof signature);
    *token = text;
    return MESH_OK;
}
