#include "mesh/auth/verifier.h"

#include <stdatomic.h>
#include <string.h>

#include "mesh/auth/claims_impl.h"
#include "mesh/auth/jws.h"
#include "mesh/auth/sodium.h"
#include "mesh/auth/token_cache.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/options.h"
#include "mesh/v1/reason.mesh.h"

enum {
    KEYS_RETRY_MS = 1000 /* advice to callers who come before the keys */
};

struct mesh_verifier {
    mesh_verifier_options options; /* immutable, as `cache`; its texts are copies */
    mesh_token_cache *cache;
    _Atomic(int64_t) next_tell_ns; /* on_unknown_key is told from then on, CLOCK_MONOTONIC */
};

/* --- life ------------------------------------------------------------------------------------- */

static mesh_code read_options(const mesh_verifier_options *given, mesh_verifier_options *options,
                              mesh_error *err)
{
    mesh_code code = MESH_OPTIONS_READ(mesh_verifier_options, self_issued, options, given, err);

    if (code != MESH_OK)
        return code;
    if (options->keys == NULL || options->audience == NULL ||
        (options->issuer == NULL) != options->self_issued)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "a verifier needs keys, an audience, and an issuer or self_issued");
    if (options->leeway_ms < 0 || options->max_lifetime_ms < 0 ||
        options->unknown_key_interval_ms < 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a verifier's time is negative");
    MESH_OPTION_DEFAULT(options->leeway_ms, 5000);
    MESH_OPTION_DEFAULT(options->max_lifetime_ms, 60 * 60 * 1000);
    MESH_OPTION_DEFAULT(options->cache_bytes, 16 * 1024 * 1024);
    MESH_OPTION_DEFAULT(options->unknown_key_interval_ms, 10000);
    return MESH_OK;
}

mesh_code mesh_verifier_create(const mesh_verifier_options *options, mesh_verifier **verifier,
                               mesh_error *err)
{
    mesh_verifier_options known;
    mesh_code code = read_options(options, &known, err);
    mesh_verifier *made;

    if (code == MESH_OK)
        code = mesh_sodium_start(err);
    if (code != MESH_OK)
        return code;
    made = mesh_calloc(1, sizeof *made);
    if (made != NULL) {
        made->options = known;
        made->options.issuer = mesh_strdup(known.self_issued ? "" : known.issuer);
        made->options.audience = mesh_strdup(known.audience);
        made->cache = mesh_token_cache_create(known.cache_bytes, known.keys);
        atomic_init(&made->next_tell_ns, INT64_MIN);
    }
    if (made == NULL || made->options.issuer == NULL || made->options.audience == NULL ||
        made->cache == NULL) {
        mesh_verifier_destroy(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    *verifier = made;
    return MESH_OK;
}

void mesh_verifier_destroy(mesh_verifier *verifier)
{
    if (verifier == NULL)
        return;
    mesh_token_cache_destroy(verifier->cache);
    mesh_free((char *)verifier->options.issuer);
    mesh_free((char *)verifier->options.audience);
    mesh_free(verifier);
}

/* --- a check ---------------------------------------------------------------------------------- */

typedef Mesh__V1__AuthErrorReason reason;

#define TOKEN_MISSING MESH__V1__AUTH_ERROR_REASON__TOKEN_MISSING
#define TOKEN_EXPIRED MESH__V1__AUTH_ERROR_REASON__TOKEN_EXPIRED
#define TOKEN_INVALID MESH__V1__AUTH_ERROR_REASON__TOKEN_INVALID
#define TOKEN_KEY_UNKNOWN MESH__V1__AUTH_ERROR_REASON__TOKEN_KEY_UNKNOWN

/* The caller learns `text`; why it is so stays here. */
static mesh_code refuse(mesh_error *err, reason reason, const char *text, const char *why)
{
    mesh_log(MESH_LOG_DEBUG, "a token is refused", MESH_LOG_S("why", why));
    return mesh__v1__auth_error_reason__set(err, MESH_UNAUTHENTICATED, reason, "%s", text);
}

static mesh_code refuse_invalid(mesh_error *err, const char *why)
{
    return refuse(err, TOKEN_INVALID, "the token is not valid", why);
}

/* Tells of an unknown key, unless somebody was told a short while ago. */
static void tell_unknown_key(mesh_verifier *verifier)
{
    const mesh_verifier_options *options = &verifier->options;
    int64_t now_ns = mesh_clock_monotonic_ns();
    int64_t next_ns = atomic_load(&verifier->next_tell_ns);

    if (options->on_unknown_key != NULL && now_ns >= next_ns &&
        atomic_compare_exchange_strong(&verifier->next_tell_ns, &next_ns,
                                       mesh_clock_add_ms(now_ns, options->unknown_key_interval_ms)))
        options->on_unknown_key(options->self);
}

static mesh_code refuse_for_now(mesh_error *err)
{
    (void)mesh__v1__auth_error_reason__set(err, MESH_UNAVAILABLE, TOKEN_KEY_UNKNOWN,
                                           "the keys of tokens are not known here yet");
    mesh_error_retry_after(err, KEYS_RETRY_MS);
    return MESH_UNAVAILABLE;
}

static mesh_code check_signature(mesh_verifier *verifier, const mesh_jws *jws, mesh_public_key *key,
                                 mesh_error *err)
{
    bool missing = mesh_keys_are_missing(verifier->options.keys);

    if (!mesh_keys_find(verifier->options.keys, jws->key_id, key)) {
        tell_unknown_key(verifier);
        return missing ? refuse_for_now(err)
                       : refuse(err, TOKEN_KEY_UNKNOWN, "the token's key is not known",
                                "its key is not known");
    }
    return mesh_jws_verify(jws, key) ? MESH_OK : refuse_invalid(err, "its signature is wrong");
}

/* Of a token that the holder of the key `key_id` signed. */
static mesh_code check_claims(const mesh_verifier_options *options, const mesh_claims *claims,
                              const char *key_id, int64_t now_ns, mesh_error *err)
{
    if (strcmp(claims->issuer, options->self_issued ? key_id : options->issuer) != 0)
        return refuse_invalid(err, "its issuer is another");
    if (options->self_issued && strcmp(claims->subject, key_id) != 0)
        return refuse_invalid(err, "its subject is not its issuer");
    if (strcmp(claims->audience, options->audience) != 0)
        return refuse_invalid(err, "its audience is another");
    if (claims->issued_s * 1000 - options->leeway_ms > now_ns / 1000000)
        return refuse_invalid(err, "it was issued in the future");
    if ((claims->expires_s - claims->issued_s) * 1000 > options->max_lifetime_ms)
        return refuse_invalid(err, "it lives too long");
    if (now_ns / 1000000000 >= claims->expires_s)
        return refuse(err, TOKEN_EXPIRED, "the token has expired", "it has expired");
    return MESH_OK;
}

/* The whole way, of a token that is not in the cache. */
static mesh_code check_anew(mesh_verifier *verifier, const char *token, size_t size,
                            mesh_arena *arena, const mesh_claims **claims, mesh_error *err)
{
    mesh_jws jws;
    mesh_public_key key;
    mesh_claims found;
    const mesh_claims *copy;
    mesh_code code;
    const char *why = mesh_jws_read(token, size, &jws);

    if (why != NULL)
        return refuse_invalid(err, why);
    code = check_signature(verifier, &jws, &key, err);
    if (code != MESH_OK)
        return code;
    why = mesh_claims_read(jws.payload, jws.payload_size, &found);
    if (why != NULL)
        return refuse_invalid(err, why);
    code = check_claims(&verifier->options, &found, jws.key_id, mesh_clock_wall_ns(), err);
    if (code != MESH_OK)
        return code;
    copy = mesh_claims_dup(&found, arena);
    if (copy == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    mesh_token_cache_put(verifier->cache, token, size, &key, &found);
    *claims = copy;
    return MESH_OK;
}

mesh_code mesh_verifier_check(mesh_verifier *verifier, const char *token, size_t size,
                              mesh_arena *arena, const mesh_claims **claims, mesh_error *err)
{
    mesh_code code = MESH_NOT_FOUND;

    if (size == 0)
        return refuse(err, TOKEN_MISSING, "a token is needed", "it is missing");
    if (size <= MESH_TOKEN_MAX_BYTES)
        code = mesh_token_cache_get(verifier->cache, token, size, mesh_clock_wall_ns() / 1000000000,
                                    arena, claims);
    if (code == MESH_RESOURCE_EXHAUSTED)
        return mesh_error_set(err, code, "out of memory");
    return code == MESH_OK ? MESH_OK : check_anew(verifier, token, size, arena, claims, err);
}
