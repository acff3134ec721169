/*
 * Any bytes as what mesh/auth reads from outside; the first one says as what:
 *
 *   t  a token
 *   h  the header of one that is signed with the right key
 *   p  its payload: the claims
 *   k  a key set
 *   s  a signing key
 *
 * Whatever they are: a token is refused for one of the known reasons, or its claims keep what
 * claims.h says of them, and are the same when they come from the cache. A set that is refused
 * changes nothing.
 */
#include <string.h>

#include "issuer.h"
#include "mesh/auth/claims_impl.h"
#include "mesh/auth/verifier.h"
#include "tests/fuzz/fuzz.h"

static const char set[] = "{\"keys\":[" ISSUER_PUBLIC "]}";
/* right until the year 9999 */
static const char right[] = "{\"iss\":\"user\",\"aud\":\"mesh\",\"sub\":\"u\",\"jti\":\"t\","
                            "\"iat\":1,\"exp\":253402300799}";

static bool is_reason(const mesh_error *err)
{
    static const char *const reasons[] = {"TOKEN_MISSING", "TOKEN_EXPIRED", "TOKEN_INVALID",
                                          "TOKEN_KEY_UNKNOWN"};

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(err->reason, reasons[i]) == 0)
            return true;
    return false;
}

static mesh_code check(mesh_verifier *verifier, const char *token, size_t size, mesh_arena *arena)
{
    const mesh_claims *claims;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_verifier_check(verifier, token, size, arena, &claims, &err);
    FUZZ_CHECK(code == MESH_OK || code == MESH_RESOURCE_EXHAUSTED ||
               (code == MESH_UNAUTHENTICATED && is_reason(&err)));
    FUZZ_CHECK(code != MESH_OK || mesh_claims_check(claims) == NULL);
    return code;
}

static void try_token(mesh_verifier *verifier, const char *token, size_t size, mesh_arena *arena)
{
    mesh_code code = check(verifier, token, size, arena);
    mesh_code again = check(verifier, token, size, arena);

    FUZZ_CHECK(again == code || again == MESH_RESOURCE_EXHAUSTED ||
               code == MESH_RESOURCE_EXHAUSTED);
}

/* Header and payload, signed. */
static void try_signed(mesh_verifier *verifier, fuzz_input header, fuzz_input payload,
                       mesh_arena *arena)
{
    mesh_key *key;
    char *text = fuzz_text(header), *token;

    if (mesh_key_load(ISSUER_PRIVATE, strlen(ISSUER_PRIVATE), &key, NULL) == MESH_OK) {
        token = issuer_sign(key, text, payload.data, payload.size);
        try_token(verifier, token, strlen(token), arena);
        free(token);
        mesh_key_destroy(key);
    }
    free(text);
}

static void try_set(mesh_keys *keys, fuzz_input text)
{
    mesh_public_key known;
    mesh_error err;

    mesh_error_clear(&err);
    if (mesh_keys_replace(keys, (const char *)text.data, text.size, &err) == MESH_OK)
        return;
    FUZZ_CHECK(err.code == MESH_INVALID_ARGUMENT && err.message[0] != '\0');
    FUZZ_CHECK(mesh_keys_find(keys, ISSUER_KID, &known));
}

static void try_key(fuzz_input text)
{
    mesh_key *key = NULL;

    (void)mesh_key_load((const char *)text.data, text.size, &key, NULL);
    mesh_key_destroy(key);
}

static void try_input(mesh_keys *keys, mesh_verifier *verifier, mesh_arena *arena, fuzz_input input)
{
    const fuzz_input header = {(const uint8_t *)ISSUER_HEADER, strlen(ISSUER_HEADER)};
    const fuzz_input payload = {(const uint8_t *)right, strlen(right)};

    switch (fuzz_byte(&input)) {
    case 't':
        try_token(verifier, (const char *)input.data, input.size, arena);
        break;
    case 'h':
        try_signed(verifier, input, payload, arena);
        break;
    case 'p':
        try_signed(verifier, header, input, arena);
        break;
    case 'k':
        try_set(keys, input);
        break;
    case 's':
        try_key(input);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mesh_arena *arena = mesh_arena_create(256, 0);
    mesh_keys *keys = NULL;
    mesh_verifier *verifier = NULL;

    if (arena != NULL && mesh_keys_create(&keys, NULL) == MESH_OK &&
        mesh_keys_replace(keys, set, strlen(set), NULL) == MESH_OK &&
        mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = keys, .issuer = "user",
                                          .audience = "mesh", .max_lifetime_ms = INT64_MAX,
                                          .cache_bytes = 64 * 1024),
                             &verifier, NULL) == MESH_OK)
        try_input(keys, verifier, arena, (fuzz_input){data, size});
    mesh_verifier_destroy(verifier);
    mesh_keys_destroy(keys);
    mesh_arena_destroy(arena);
    return 0;
}
