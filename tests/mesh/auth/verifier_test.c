#include "mesh/auth/verifier.h"

#include <sys/socket.h>
#include <unistd.h>

#include "issuer.h"
#include "mesh/auth/sodium.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/base/test.h"

#define NOW 1800000000
#define NOW_TEXT "1800000000"
#define LATER_TEXT "1800000900"

/* --- the test's clock, and how many signatures were verified ---------------------------------- */

static int64_t now_ns;

int64_t __wrap_mesh_clock_wall_ns(void);
int64_t __wrap_mesh_clock_wall_ns(void)
{
    return now_ns;
}

static size_t verified;

int __real_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
                                       unsigned long long mlen, const unsigned char *pk);
int __wrap_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
                                       unsigned long long mlen, const unsigned char *pk);
int __wrap_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
                                       unsigned long long mlen, const unsigned char *pk)
{
    verified++;
    return __real_crypto_sign_verify_detached(sig, m, mlen, pk);
}

/* --- what all tests have ---------------------------------------------------------------------- */

static mesh_key *key;
static mesh_keys *keys;
static mesh_verifier *verifier;
static mesh_arena *arena;
static const mesh_claims *claims;
static mesh_error err;
static size_t told;
static int log_ends[2];

static void tell(void *self)
{
    ++*(size_t *)self;
}

static void create(const mesh_verifier_options *options)
{
    mesh_verifier_destroy(verifier);
    verifier = NULL;
    assert_int_equal(mesh_verifier_create(options, &verifier, &err), MESH_OK);
}

static int set_up(void **state)
{
    (void)state;
    now_ns = NOW * INT64_C(1000000000);
    told = verified = 0;
    key = issuer_load(ISSUER_PRIVATE);
    arena = mesh_arena_create(65536, 0);
    assert_int_equal(mesh_keys_create(&keys, &err), MESH_OK);
    issuer_publish(keys, (const mesh_key *[]){key}, 1);
    verifier = NULL;
    create(MESH_OPTIONS(mesh_verifier_options, .keys = keys, .issuer = "user", .audience = "mesh",
                        .on_unknown_key = tell, .self = &told));
    /* why a token is refused, is told to the log */
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, log_ends), 0);
    mesh_log_output(log_ends[0]);
    mesh_log_setup("", MESH_LOG_DEBUG);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_log_output(-1);
    close(log_ends[0]);
    close(log_ends[1]);
    mesh_verifier_destroy(verifier);
    mesh_keys_destroy(keys);
    mesh_arena_destroy(arena);
    mesh_key_destroy(key);
    return 0;
}

/* What the log was told of the last token that was refused, and only of it. */
static const char *why(void)
{
    static char line[8192];
    ssize_t size;

    while ((size = recv(log_ends[1], line, sizeof line - 1, MSG_DONTWAIT)) >= 0)
        line[size] = '\0';
    return line;
}

static mesh_code check_bytes(const char *token, size_t size)
{
    mesh_code code;

    (void)why();

    mesh_arena_reset(arena);
    claims = NULL;
    mesh_error_clear(&err);
    code = mesh_verifier_check(verifier, token, size, arena, &claims, &err);
    assert_int_equal(claims != NULL, code == MESH_OK);
    return code;
}

/* "OK" or the reason. */
static const char *check(const char *token)
{
    mesh_code code = check_bytes(token, strlen(token));

    if (code == MESH_OK)
        return "OK";
    assert_int_equal(code, MESH_UNAUTHENTICATED);
    assert_string_equal(err.domain, "mesh.v1");
    return err.reason;
}

static const char *sign(const mesh_claims *signed_claims)
{
    static mesh_arena *tokens;
    const char *token = NULL;

    if (tokens == NULL)
        tokens = mesh_arena_create(8192, 0);
    mesh_arena_reset(tokens);
    assert_int_equal(mesh_token_sign(key, signed_claims, tokens, &token, &err), MESH_OK);
    return token;
}

static const char *right_token(void)
{
    const mesh_claims right = issuer_claims(NOW);

    return sign(&right);
}

/* --- right tokens ----------------------------------------------------------------------------- */

/* S0.4 */
static void a_token_says_who_calls_and_nobody_is_asked(void **state)
{
    const mesh_claims want = issuer_claims(NOW);

    (void)state;
    /* the second time from the cache */
    for (int i = 0; i < 2; i++) {
        assert_string_equal(check(sign(&want)), "OK");
        assert_string_equal(claims->issuer, want.issuer);
        assert_string_equal(claims->audience, want.audience);
        assert_string_equal(claims->subject, want.subject);
        assert_string_equal(claims->token_id, want.token_id);
        assert_string_equal(claims->session_id, want.session_id);
        assert_int_equal(claims->role_count, 2);
        assert_string_equal(claims->roles[0], "STAFF");
        assert_string_equal(claims->roles[1], "ADMIN");
        assert_int_equal(claims->issued_s, want.issued_s);
        assert_int_equal(claims->expires_s, want.expires_s);
    }
    assert_int_equal(verified, 1);
    assert_int_equal(told, 0);
}

static void a_service_has_a_token_of_the_same_kind(void **state)
{
    mesh_claims of_a_service = {.issuer = "user",
                                .audience = "mesh",
                                .subject = "order",
                                .token_id = "t",
                                .issued_s = NOW,
                                .expires_s = NOW + 60};

    (void)state;
    assert_string_equal(check(sign(&of_a_service)), "OK");
    assert_string_equal(claims->subject, "order");
    assert_string_equal(claims->session_id, "");
    assert_int_equal(claims->role_count, 0);
}

/* --- wrong tokens ----------------------------------------------------------------------------- */

#define CLAIMS_BUT(sub, times) \
    "{\"iss\":\"user\",\"aud\":\"mesh\"," sub "\"jti\":\"t\",\"roles\":[\"A\"]," times "}"
#define SUB "\"sub\":\"u\","
#define TIMES "\"iat\":" NOW_TEXT ",\"exp\":" LATER_TEXT
#define RIGHT CLAIMS_BUT(SUB, TIMES)
#define ALG(alg) "{\"alg\":" alg ",\"typ\":\"JWT\",\"kid\":\"k1\"}"
#define TYP(typ) "{\"alg\":\"EdDSA\"," typ "\"kid\":\"k1\"}"
#define KID(kid) "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"" kid "}"
#define KID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define INVALID "TOKEN_INVALID"
#define EXPIRED "TOKEN_EXPIRED"
#define UNKNOWN "TOKEN_KEY_UNKNOWN"

/* Each is signed with the right key: only what the case says is wrong with it. */
static void signed_tokens_are_right_or_refused(void **state)
{
    static const struct {
        const char *header, *payload, *result, *why;
    } cases[] = {
        {ISSUER_HEADER, RIGHT, "OK", ""},
        {" {\"kid\":\"k1\",\"typ\":\"JWT\",\"alg\":\"EdDSA\",\"x5u\":\"https:\\/\\/a\"}\n", RIGHT,
         "OK", ""},

        /* the algorithm is not the token's to choose */
        {ALG("\"none\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"None\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"NONE\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"\""), RIGHT, INVALID, "alg is not"},
        {ALG("null"), RIGHT, INVALID, "alg is not"},
        {ALG("[\"EdDSA\"]"), RIGHT, INVALID, "alg is not"},
        {ALG("\"HS256\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"ES256\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"RS256\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"Ed25519\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"eddsa\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"EDDSA\""), RIGHT, INVALID, "alg is not"},
        {ALG("\"EdDSA \""), RIGHT, INVALID, "alg is not"},
        {ALG("\"EdDS\\u0041\""), RIGHT, INVALID, "alg is not"},
        {"{\"typ\":\"JWT\",\"kid\":\"k1\"}", RIGHT, INVALID, "alg is not"},
        {"{\"Alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\"}", RIGHT, INVALID, "alg is not"},
        {ALG("\"EdDSA\",\"alg\":\"none\""), RIGHT, INVALID, "a member is there twice"},
        {ALG("\"none\",\"alg\":\"EdDSA\""), RIGHT, INVALID, "a member is there twice"},
        {ALG("\"EdDSA\",\"\\u0061lg\":\"none\""), RIGHT, INVALID,
         "the name of a member has an escape"},

        /* nor its type, nor what must be understood */
        {TYP(""), RIGHT, INVALID, "typ is not"},
        {TYP("\"typ\":\"jwt\","), RIGHT, INVALID, "typ is not"},
        {TYP("\"typ\":\"at+jwt\","), RIGHT, INVALID, "typ is not"},
        {TYP("\"typ\":7,"), RIGHT, INVALID, "typ is not"},
        {TYP("\"typ\":\"JWT\",\"crit\":[\"exp\"],"), RIGHT, INVALID, "crit is there"},
        {TYP("\"typ\":\"JWT\",\"crit\":[],"), RIGHT, INVALID, "crit is there"},
        {TYP("\"typ\":\"JWT\",\"crit\":null,"), RIGHT, INVALID, "crit is there"},

        /* nor its key */
        {KID(""), RIGHT, INVALID, "kid is no key's id"},
        {KID(",\"kid\":\"\""), RIGHT, INVALID, "kid is no key's id"},
        {KID(",\"kid\":1"), RIGHT, INVALID, "kid is no key's id"},
        {KID(",\"kid\":\"../../dev/null\""), RIGHT, INVALID, "kid is no key's id"},
        {KID(",\"kid\":\"k1' OR '1\""), RIGHT, INVALID, "kid is no key's id"},
        {KID(",\"kid\":\"" KID64 "x\""), RIGHT, INVALID, "kid is no key's id"},
        {KID(",\"kid\":\"" KID64 "\""), RIGHT, UNKNOWN, "its key is not known"},
        {KID(",\"kid\":\"k2\""), RIGHT, UNKNOWN, "its key is not known"},
        {KID(",\"kid\":\"K1\""), RIGHT, UNKNOWN, "its key is not known"},
        {KID(",\"kid\":\"k\""), RIGHT, UNKNOWN, "its key is not known"},
        {KID(",\"kid\":\"k1\",\"kid\":\"k1\""), RIGHT, INVALID, "a member is there twice"},

        /* headers that are none */
        {"", RIGHT, INVALID, "not a JSON object"},
        {"null", RIGHT, INVALID, "not a JSON object"},
        {"[" ISSUER_HEADER "]", RIGHT, INVALID, "not a JSON object"},
        {ISSUER_HEADER ISSUER_HEADER, RIGHT, INVALID, "something follows"},
        {"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\"", RIGHT, INVALID, "not JSON"},
        {"{'alg':'EdDSA','typ':'JWT','kid':'k1'}", RIGHT, INVALID, "not JSON"},

        /* whom it is of and for */
        {ISSUER_HEADER, "{\"iss\":\"other\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\"," TIMES "}",
         INVALID, "its issuer is another"},
        {ISSUER_HEADER, "{\"iss\":\"users\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\"," TIMES "}",
         INVALID, "its issuer is another"},
        {ISSUER_HEADER, "{\"iss\":\"User\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\"," TIMES "}",
         INVALID, "its issuer is another"},
        {ISSUER_HEADER, "{\"aud\":\"mesh\"," SUB "\"jti\":\"t\"," TIMES "}", INVALID,
         "a text is missing"},
        {ISSUER_HEADER, "{\"iss\":[\"user\"],\"aud\":\"mesh\"," SUB "\"jti\":\"t\"," TIMES "}",
         INVALID, "a claim is no text"},
        {ISSUER_HEADER, "{\"iss\":\"user\",\"aud\":\"shop\"," SUB "\"jti\":\"t\"," TIMES "}",
         INVALID, "its audience is another"},
        {ISSUER_HEADER, "{\"iss\":\"user\"," SUB "\"jti\":\"t\"," TIMES "}", INVALID,
         "a text is missing"},
        {ISSUER_HEADER, "{\"iss\":\"user\",\"aud\":[\"mesh\"]," SUB "\"jti\":\"t\"," TIMES "}",
         INVALID, "a claim is no text"},
        {ISSUER_HEADER, CLAIMS_BUT("", TIMES), INVALID, "a text is missing"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":\"\",", TIMES), INVALID, "a text is missing"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":0,", TIMES), INVALID, "a claim is no text"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":null,", TIMES), INVALID, "a claim is no text"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB "\"sub\":\"admin\",", TIMES), INVALID,
         "a member is there twice"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB "\"su\\u0062\":\"admin\",", TIMES), INVALID,
         "the name of a member has an escape"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":\"u\\u0000x\",", TIMES), INVALID, "a claim is no text"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":\"u\\n\",", TIMES), INVALID, "a claim is no text"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":\"u\n\",", TIMES), INVALID, "not JSON"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":\"\xc0\x80\",", TIMES), INVALID, "not JSON"},
        {ISSUER_HEADER, CLAIMS_BUT("\"sub\":\"\xed\xa0\x80\",", TIMES), INVALID, "not JSON"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB "\"sid\":7,", TIMES), INVALID, "a claim is no text"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB "\"ver\":\"2\",", TIMES), INVALID, "ver is no version"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB "\"ver\":-2,", TIMES), INVALID, "ver is no version"},
        {ISSUER_HEADER, "{\"iss\":\"user\",\"aud\":\"mesh\"," SUB TIMES "}", INVALID,
         "a text is missing"},
        {ISSUER_HEADER,
         "{\"iss\":\"user\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\",\"roles\":\"A\"," TIMES "}",
         INVALID, "not a JSON array"},
        {ISSUER_HEADER,
         "{\"iss\":\"user\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\",\"roles\":[7]," TIMES "}",
         INVALID, "a role is missing"},
        {ISSUER_HEADER,
         "{\"iss\":\"user\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\",\"roles\":[\"\"]," TIMES "}",
         INVALID, "a role is missing"},
        {ISSUER_HEADER,
         "{\"iss\":\"user\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\","
         "\"roles\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]," TIMES "}",
         INVALID, "too many roles"},

        /* when */
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT), INVALID, "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"exp\":" LATER_TEXT), INVALID, "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":\"" LATER_TEXT "\""), INVALID,
         "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":1800000900.5"), INVALID,
         "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":18e8"), INVALID,
         "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":null"), INVALID,
         "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":-1,\"exp\":" LATER_TEXT), INVALID,
         "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":18446744073709551617"),
         INVALID, "iat or exp is no time"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":999999999999"), INVALID,
         "a time is out of range"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":253402300799"), INVALID,
         "it lives too long"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":1800003601"), INVALID,
         "it lives too long"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":1800003600"), "OK", ""},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":" NOW_TEXT ",\"exp\":" NOW_TEXT), INVALID,
         "it expires before"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":1800000005,\"exp\":" LATER_TEXT), "OK", ""},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":1800000006,\"exp\":" LATER_TEXT), INVALID,
         "it was issued in the future"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":1799999000,\"exp\":1800000001"), "OK", ""},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":1799999000,\"exp\":" NOW_TEXT), EXPIRED,
         "it has expired"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"iat\":0,\"exp\":900"), EXPIRED, "it has expired"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, "\"nbf\":0," TIMES), INVALID, "nbf is not known"},
        /* an expired one of somebody else's is not said to be his */
        {ISSUER_HEADER,
         "{\"iss\":\"other\",\"aud\":\"mesh\"," SUB "\"jti\":\"t\",\"iat\":0,\"exp\":900}", INVALID,
         "its issuer is another"},

        /* claims that are none */
        {ISSUER_HEADER, "", INVALID, "not a JSON object"},
        {ISSUER_HEADER, "Example of Ed25519 signing", INVALID, "not a JSON object"},
        {ISSUER_HEADER, "{}", INVALID, "iat or exp"},
        {ISSUER_HEADER, "[" RIGHT "]", INVALID, "not a JSON object"},
        {ISSUER_HEADER, RIGHT "x", INVALID, "something follows"},
        {ISSUER_HEADER, CLAIMS_BUT(SUB, TIMES ",\"a\":{\"b\":[]}"), "OK", ""},
        {ISSUER_HEADER,
         CLAIMS_BUT(SUB, TIMES ",\"a\":[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]"), INVALID,
         "not JSON"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *token = issuer_sign(key, cases[i].header, cases[i].payload, strlen(cases[i].payload));
        const char *result = check(token), *told_why = why();

        if (strcmp(result, cases[i].result) != 0 ||
            (strcmp(result, "OK") != 0 && strstr(told_why, cases[i].why) == NULL))
            fail_msg("%s.%s: %s, %s", cases[i].header, cases[i].payload, result, told_why);
        /* nothing of it is learnt by its bearer, nor by the log */
        assert_null(strstr(told_why, token));
        if (strcmp(result, INVALID) == 0)
            assert_string_equal(err.message, "the token is not valid");
        free(token);
    }
}

static void a_signature_of_another_kind_is_refused(void **state)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}";
    uint8_t x[32], mac[crypto_auth_hmacsha256_BYTES];
    const struct {
        const void *data;
        size_t size;
    } secrets[] = {{x, sizeof x},
                   {ISSUER_X, strlen(ISSUER_X)},
                   {ISSUER_PUBLIC, strlen(ISSUER_PUBLIC)},
                   {mesh_key_public(key), strlen(mesh_key_public(key))},
                   {"", 0}};
    size_t size;

    (void)state;
    assert_true(mesh_base64url_read(ISSUER_X, strlen(ISSUER_X), x, sizeof x, &size));
    for (size_t i = 0; i < 2 * COUNT(secrets); i++) {
        /* as it is, and said to be ours */
        const char *said = i % 2 == 0 ? header : ISSUER_HEADER;
        char *token = issuer_join(said, RIGHT, strlen(RIGHT), NULL, sizeof mac);
        char *dot = strrchr(token, '.');
        crypto_auth_hmacsha256_state hmac;

        crypto_auth_hmacsha256_init(&hmac, secrets[i / 2].data, secrets[i / 2].size);
        crypto_auth_hmacsha256_update(&hmac, (const uint8_t *)token, (size_t)(dot - token));
        crypto_auth_hmacsha256_final(&hmac, mac);
        (void)mesh_base64url_write(dot + 1, mac, sizeof mac);
        assert_string_equal(check(token), INVALID);
        free(token);
    }
    assert_int_equal(verified, 0);
}

/* The order of the group (RFC 8032, section 5.1), little-endian. */
static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                  0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                  0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

static void a_signature_has_one_form(void **state)
{
    char *token = issuer_sign(key, ISSUER_HEADER, RIGHT, strlen(RIGHT));
    char *dot = strrchr(token, '.');
    uint8_t signature[MESH_KEY_SIGNATURE_BYTES];
    unsigned carry = 0;
    size_t size;

    (void)state;
    assert_true(mesh_base64url_read(dot + 1, strlen(dot + 1), signature, sizeof signature, &size));
    /* S + L is the same number to whoever does not look */
    for (size_t i = 0; i < sizeof order; i++) {
        carry += signature[32 + i] + order[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    (void)mesh_base64url_write(dot + 1, signature, sizeof signature);
    assert_string_equal(check(token), INVALID);
    assert_non_null(strstr(why(), "its signature is wrong"));
    free(token);
}

static void a_token_of_somebody_else_is_refused(void **state)
{
    mesh_key *other = issuer_generate();
    char header[512];
    char *forged = issuer_sign(other, ISSUER_HEADER, RIGHT, strlen(RIGHT));
    char *unsigned_one = issuer_join(ISSUER_HEADER, RIGHT, strlen(RIGHT), NULL, 64);
    char *with_key;

    (void)state;
    assert_string_equal(check(forged), INVALID);
    assert_non_null(strstr(why(), "its signature is wrong"));
    assert_string_equal(check(unsigned_one), INVALID);
    /* one that brings the key by which it is right (RFC 8725, section 3.10) */
    snprintf(header, sizeof header,
             "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\",\"jwk\":%s,"
             "\"jku\":\"https://evil/jwks\"}",
             mesh_key_public(other));
    with_key = issuer_sign(other, header, RIGHT, strlen(RIGHT));
    assert_string_equal(check(with_key), INVALID);
    free(forged);
    free(unsigned_one);
    free(with_key);
    mesh_key_destroy(other);
}

static void no_changed_token_is_right(void **state)
{
    static const char others[] = "A_.=";
    char token[1024];
    size_t size;

    (void)state;
    snprintf(token, sizeof token, "%s", right_token());
    size = strlen(token);
    assert_string_equal(check(token), "OK"); /* it is in the cache now */
    for (size_t i = 0; i < size; i++) {
        char right = token[i];

        for (size_t j = 0; j < strlen(others); j++) {
            token[i] = others[j];
            if (others[j] != right && check_bytes(token, size) == MESH_OK)
                fail_msg("right with '%c' at %zu", others[j], i);
        }
        token[i] = right;
        if (check_bytes(token, i) == MESH_OK)
            fail_msg("right with %zu bytes", i);
    }
    assert_string_equal(check(token), "OK");
}

static void a_token_has_one_form(void **state)
{
    char right[1024], text[2048];
    char *dots[2];
    static const char *const forms[] = {
        "%s.%s",           "%s.%s.%s.%s",  "%s.%s.%s.%s.%s", /* two parts, four, five */
        "%s.%s.%s.",       ".%s.%s.%s",    "%s..%s.%s",      /* a dot more */
        "%s.%s.%s=",       "%s.%s.%s==",                     /* padding */
        "%s.%s.%s\n",      "%s.%s.%s ",    " %s.%s.%s",      /* blanks */
        "%s. %s.%s",       "%s.%s\t.%s",                     /* */
        "Bearer %s.%s.%s", "\"%s.%s.%s\"",                   /* what is not of the token */
        "%s.%s.%sA",       "%s.%s.%sAAAA",                   /* a longer signature */
        "%s+.%s.%s",       "%s.%s/.%s",                      /* the other alphabet */
    };

    (void)state;
    snprintf(right, sizeof right, "%s", right_token());
    snprintf(text, sizeof text, "%s", right);
    dots[0] = strchr(text, '.');
    dots[1] = strrchr(text, '.');
    *dots[0]++ = *dots[1]++ = '\0';
    for (size_t i = 0; i < COUNT(forms); i++) {
        char token[4096];
        snprintf(token, sizeof token, forms[i], text, dots[0], dots[1], "AAAA", "AAAA");
        if (strcmp(check(token), INVALID) != 0)
            fail_msg("'%s': %s", forms[i], err.message);
        assert_non_null(strstr(why(), "it is not three parts in base64url"));
    }
    assert_int_equal(check_bytes(right, strlen(right) + 1), MESH_UNAUTHENTICATED); /* a NUL */
    assert_int_equal(verified, 0);
    assert_string_equal(check(right), "OK");
}

static void stray_bits_at_the_end_are_refused(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_";
    char token[1024];
    char *last;

    (void)state;
    snprintf(token, sizeof token, "%s", right_token());
    last = &token[strlen(token) - 1];
    /* 64 bytes leave four bits of the last character over, which are zero */
    for (unsigned bits = 1; bits < 16; bits++) {
        char right = *last;

        *last = alphabet[(strchr(alphabet, right) - alphabet) + bits];
        assert_string_equal(check(token), INVALID);
        *last = right;
    }
    assert_int_equal(verified, 0);
}

static void a_missing_token_is_said_to_be_missing(void **state)
{
    (void)state;
    assert_string_equal(check(""), "TOKEN_MISSING");
    assert_string_equal(err.message, "a token is needed");
}

static void a_large_token_is_refused_unread(void **state)
{
    static char text[1 << 20];
    char *payload, *token;
    size_t most = MESH_TOKEN_MAX_BYTES;

    (void)state;
    memset(text, 'A', sizeof text);
    assert_int_equal(check_bytes(text, sizeof text), MESH_UNAUTHENTICATED);
    assert_non_null(strstr(why(), "it is too large"));

    /* a right one of 4096 bytes, and one of 4100: blanks within the JSON make it so */
    for (size_t blanks = 2500; blanks < 3100; blanks++) {
        payload = malloc(blanks + sizeof RIGHT);
        assert_non_null(payload);
        memset(payload, ' ', blanks);
        memcpy(payload + blanks, RIGHT, strlen(RIGHT));
        token = issuer_sign(key, ISSUER_HEADER, payload, blanks + strlen(RIGHT));
        assert_string_equal(check(token), strlen(token) <= most ? "OK" : INVALID);
        if (strlen(token) > most)
            assert_non_null(strstr(why(), "it is too large"));
        free(payload);
        free(token);
    }
}

/* --- keys that change ------------------------------------------------------------------------- */

/* S0.4: no restart. */
static void a_new_key_is_believed_and_a_removed_one_is_not(void **state)
{
    mesh_key *next = issuer_generate();
    const mesh_claims right = issuer_claims(NOW);
    mesh_arena *tokens = mesh_arena_create(8192, 0);
    const char *of_old, *of_next;

    (void)state;
    assert_int_equal(mesh_token_sign(key, &right, tokens, &of_old, NULL), MESH_OK);
    assert_int_equal(mesh_token_sign(next, &right, tokens, &of_next, NULL), MESH_OK);
    assert_string_equal(check(of_old), "OK");
    assert_string_equal(check(of_next), UNKNOWN);

    issuer_publish(keys, (const mesh_key *[]){key, next}, 2);
    assert_string_equal(check(of_next), "OK");
    verified = 0;
    assert_string_equal(check(of_old), "OK"); /* still from the cache */
    assert_string_equal(check(of_next), "OK");
    assert_int_equal(verified, 0);

    issuer_publish(keys, (const mesh_key *[]){next}, 1);
    assert_string_equal(check(of_old), UNKNOWN); /* though it is in the cache */
    assert_string_equal(check(of_old), UNKNOWN);
    assert_string_equal(check(of_next), "OK");

    issuer_publish(keys, (const mesh_key *[]){key}, 1);
    assert_string_equal(check(of_old), "OK");
    assert_string_equal(check(of_next), UNKNOWN);
    mesh_arena_destroy(tokens);
    mesh_key_destroy(next);
}

static void another_key_of_the_same_id_ends_cached_tokens(void **state)
{
    mesh_key *other = issuer_generate();
    const char *token = right_token();
    char text[512];

    (void)state;
    assert_string_equal(check(token), "OK");
    snprintf(text, sizeof text,
             "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k1\",%s]}",
             strstr(mesh_key_public(other), "\"x\""));
    assert_int_equal(mesh_keys_replace(keys, text, strlen(text), &err), MESH_OK);
    assert_string_equal(check(token), INVALID);
    mesh_key_destroy(other);
}

/* S0.4: a service that starts has no keys yet, and then nobody's token is said to be bad */
static void before_the_first_keys_a_token_is_not_judged(void **state)
{
    const char *token = right_token();
    mesh_keys *late;
    int64_t delay_ms;

    (void)state;
    assert_int_equal(mesh_keys_create(&late, &err), MESH_OK);
    create(MESH_OPTIONS(mesh_verifier_options, .keys = late, .issuer = "user", .audience = "mesh",
                        .on_unknown_key = tell, .self = &told));
    assert_int_equal(check_bytes(token, strlen(token)), MESH_UNAVAILABLE);
    assert_string_equal(err.reason, UNKNOWN);
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_int_equal(told, 1);
    assert_string_equal(check("what.is.this"), INVALID);
    issuer_publish(late, (const mesh_key *[]){key}, 1);
    assert_string_equal(check(token), "OK");
    mesh_verifier_destroy(verifier);
    verifier = NULL;
    mesh_keys_destroy(late);
}

/* S0.4: whoever makes up key ids does not make others fetch keys. */
static void unknown_keys_are_told_of_once_in_an_interval(void **state)
{
    enum {
        INTERVAL_MS = 50
    };
    char header[128];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            char *token;

            snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1-%d\"}",
                     i);
            token = issuer_join(header, RIGHT, strlen(RIGHT), NULL, 64);
            assert_string_equal(check(token), UNKNOWN);
            free(token);
        }
        assert_int_equal(told, 1);
    }
    assert_int_equal(verified, 0);

    /* other tokens do not tell of any */
    create(MESH_OPTIONS(mesh_verifier_options, .keys = keys, .issuer = "user", .audience = "mesh",
                        .unknown_key_interval_ms = INTERVAL_MS, .on_unknown_key = tell,
                        .self = &told));
    told = 0;
    assert_string_equal(check("a.b.c"), INVALID);
    assert_string_equal(check(right_token()), "OK");
    assert_int_equal(told, 0);

    /* and after the interval it is told again */
    int64_t begin_ns = mesh_clock_monotonic_ns();
    char *unknown = issuer_join("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"x\"}", "{}", 2, NULL,
                                64);
    WAIT_FOR((check(unknown), told == 3));
    assert_true(mesh_clock_monotonic_ns() - begin_ns >= 2 * INTERVAL_MS * 1000000);
    free(unknown);
}

/* --- time ------------------------------------------------------------------------------------- */

static void a_cached_token_ends_when_it_expires(void **state)
{
    const char *token = right_token();

    (void)state;
    assert_string_equal(check(token), "OK");
    now_ns = (NOW + 900) * INT64_C(1000000000) - 1;
    assert_string_equal(check(token), "OK");
    assert_int_equal(verified, 1);
    now_ns++;
    assert_string_equal(check(token), EXPIRED);
    assert_string_equal(check(token), EXPIRED);
}

static void limits_of_time_are_options(void **state)
{
    static const struct {
        int64_t issued_s, lifetime_s;
        const char *result;
    } cases[] = {
        {NOW, 60, "OK"},         {NOW, 61, INVALID},   {NOW + 30, 60, "OK"},
        {NOW + 31, 60, INVALID}, {NOW - 59, 60, "OK"}, {NOW - 60, 60, EXPIRED},
    };

    (void)state;
    create(MESH_OPTIONS(mesh_verifier_options, .keys = keys, .issuer = "user", .audience = "mesh",
                        .leeway_ms = 30000, .max_lifetime_ms = 60000));
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_claims limited = issuer_claims(cases[i].issued_s);

        limited.expires_s = limited.issued_s + cases[i].lifetime_s;
        assert_string_equal(check(sign(&limited)), cases[i].result);
    }
}

/* --- options ---------------------------------------------------------------------------------- */

static void wrong_options_are_refused(void **state)
{
    const mesh_verifier_options cases[] = {
        {.issuer = "user", .audience = "mesh"},
        {.keys = keys, .audience = "mesh"},
        {.keys = keys, .issuer = "user"},
        {.keys = keys, .issuer = "user", .audience = "mesh", .leeway_ms = -1},
        {.keys = keys, .issuer = "user", .audience = "mesh", .max_lifetime_ms = -1},
        {.keys = keys, .issuer = "user", .audience = "mesh", .unknown_key_interval_ms = -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_verifier *none = NULL;

        assert_int_equal(mesh_verifier_create(&cases[i], &none, &err), MESH_INVALID_ARGUMENT);
        assert_null(none);
    }
    assert_int_equal(mesh_verifier_create(NULL, &(mesh_verifier *){NULL}, &err),
                     MESH_INVALID_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_says_who_calls_and_nobody_is_asked),
        TEST(a_service_has_a_token_of_the_same_kind),
        TEST(signed_tokens_are_right_or_refused),
        TEST(a_signature_of_another_kind_is_refused),
        TEST(a_signature_has_one_form),
        TEST(a_token_of_somebody_else_is_refused),
        TEST(no_changed_token_is_right),
        TEST(a_token_has_one_form),
        TEST(stray_bits_at_the_end_are_refused),
        TEST(a_missing_token_is_said_to_be_missing),
        TEST(a_large_token_is_refused_unread),
        TEST(a_new_key_is_believed_and_a_removed_one_is_not),
        TEST(another_key_of_the_same_id_ends_cached_tokens),
        TEST(before_the_first_keys_a_token_is_not_judged),
        TEST(unknown_keys_are_told_of_once_in_an_interval),
        TEST(a_cached_token_ends_when_it_expires),
        TEST(limits_of_time_are_options),
        TEST(wrong_options_are_refused),
    };

    return cmocka_run_group_tests_name("verifier", tests, NULL, NULL);
}
