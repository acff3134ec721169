#include "issuer.h"

#include "mesh/auth/sodium.h"
#include "tests/mesh/base/test.h"

mesh_key *issuer_load(const char *jwk)
{
    mesh_key *key = NULL;
    mesh_error err;

    mesh_error_clear(&err);
    if (mesh_key_load(jwk, strlen(jwk), &key, &err) != MESH_OK)
        fail_msg("%s", err.message);
    return key;
}

mesh_key *issuer_generate(void)
{
    char text[MESH_KEY_TEXT_BYTES];

    assert_int_equal(mesh_key_generate(text, NULL), MESH_OK);
    return issuer_load(text);
}

mesh_key *issuer_generate_named(const char *id)
{
    char text[MESH_KEY_TEXT_BYTES], named[MESH_KEY_TEXT_BYTES + MESH_KEY_ID_BYTES];
    const char *kid, *rest;

    assert_int_equal(mesh_key_generate(text, NULL), MESH_OK);
    kid = strstr(text, "\"kid\":\"");
    assert_non_null(kid);
    rest = strchr(kid + strlen("\"kid\":\""), '"');
    snprintf(named, sizeof named, "%.*s\"kid\":\"%s%s", (int)(kid - text), text, id, rest);
    return issuer_load(named);
}

void issuer_publish(mesh_keys *keys, const mesh_key *const *list, size_t count)
{
    char text[MESH_KEYS_MAX * MESH_KEY_TEXT_BYTES + 64] = "{\"keys\":[";
    mesh_error err;

    mesh_error_clear(&err);
    for (size_t i = 0; i < count; i++) {
        strcat(text, i > 0 ? "," : "");
        strcat(text, mesh_key_public(list[i]));
    }
    strcat(text, "]}");
    if (mesh_keys_replace(keys, text, strlen(text), &err) != MESH_OK)
        fail_msg("%s", err.message);
}

char *issuer_join(const char *header, const void *payload, size_t size, const void *signature,
                  size_t signature_size)
{
    static const uint8_t zeros[MESH_KEY_SIGNATURE_BYTES];
    char *token = malloc(MESH_BASE64URL_BYTES(strlen(header)) + MESH_BASE64URL_BYTES(size) +
                         MESH_BASE64URL_BYTES(signature_size));
    char *at = token;

    assert_non_null(token);
    at = mesh_base64url_write(at, header, strlen(header));
    *at++ = '.';
    at = mesh_base64url_write(at, payload, size);
    *at++ = '.';
    (void)mesh_base64url_write(at, signature != NULL ? signature : zeros, signature_size);
    return token;
}

char *issuer_sign(const mesh_key *key, const char *header, const void *payload, size_t size)
{
    uint8_t signature[MESH_KEY_SIGNATURE_BYTES];
    char *token = issuer_join(header, payload, size, NULL, sizeof signature);
    char *dot = strrchr(token, '.');

    mesh_key_sign(key, token, (size_t)(dot - token), signature);
    (void)mesh_base64url_write(dot + 1, signature, sizeof signature);
    return token;
}

mesh_claims issuer_claims(int64_t issued_s)
{
    return (mesh_claims){
        .issuer = "user",
        .audience = "mesh",
        .subject = "018f3a52-77aa-7e3e-b1f0-2d5b8a9f0c11",
        .token_id = "018f3a52-77ab-7000-8000-0123456789ab",
        .session_id = "018f3a52-77ab-7000-8000-ba9876543210",
        .roles = {"STAFF", "ADMIN"},
        .role_count = 2,
        .issued_s = issued_s,
        .expires_s = issued_s + 900,
    };
}
