#include "mesh/auth/key.h"

#include "issuer.h"
#include "mesh/auth/keys.h"
#include "mesh/auth/sodium.h"
#include "mesh/base/alloc.h"
#include "tests/mesh/base/test.h"

/* --- what is freed, is looked at -------------------------------------------------------------- */

static const void *watched;
static size_t watched_bytes; /* other than zero, when it was freed */

void __real_mesh_free(void *memory);
void __wrap_mesh_free(void *memory);
void __wrap_mesh_free(void *memory)
{
    if (memory != NULL && memory == watched) {
        const uint8_t *bytes = memory;

        watched = NULL;
        for (size_t i = 0; i < crypto_sign_SECRETKEYBYTES; i++)
            watched_bytes += bytes[i] != 0;
    }
    __real_mesh_free(memory);
}

/* S4.16 */
static void a_key_that_is_freed_leaves_nothing(void **state)
{
    mesh_key *key = issuer_load(ISSUER_PRIVATE);

    (void)state;
    watched = key;
    watched_bytes = 0;
    mesh_key_destroy(key);
    assert_null(watched);
    assert_int_equal(watched_bytes, 0);
    mesh_key_destroy(NULL);
}

/* --- values of RFC 8037, appendix A ----------------------------------------------------------- */

static void signatures_are_those_of_rfc_8037(void **state)
{
    /* A.4: header {"alg":"EdDSA"} and payload "Example of Ed25519 signing" */
    static const char input[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    mesh_key *key = issuer_load(ISSUER_PRIVATE);
    uint8_t signature[MESH_KEY_SIGNATURE_BYTES];
    char text[MESH_BASE64URL_BYTES(sizeof signature)];

    (void)state;
    mesh_key_sign(key, input, strlen(input), signature);
    (void)mesh_base64url_write(text, signature, sizeof signature);
    assert_string_equal(text, "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B"
                              "hVsPt9g7sVvpAr_MuM0KAg");
    mesh_key_destroy(key);
}

static void a_key_without_an_id_has_its_thumbprint(void **state)
{
    /* A.1 as it stands there, and A.3 */
    mesh_key *key = issuer_load("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\r\n"
                                "\"d\":\"" ISSUER_D "\",\r\n\"x\":\"" ISSUER_X "\"}\n");

    (void)state;
    assert_string_equal(mesh_key_id(key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    mesh_key_destroy(key);
}

/* --- texts ------------------------------------------------------------------------------------ */

static void the_public_half_has_no_secret(void **state)
{
    mesh_key *key = issuer_load(ISSUER_PRIVATE);

    (void)state;
    assert_string_equal(mesh_key_id(key), "k1");
    assert_string_equal(mesh_key_public(key),
                        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"alg\":\"EdDSA\","
                        "\"kid\":\"k1\",\"x\":\"" ISSUER_X "\"}");
    mesh_key_destroy(key);
}

static void generated_keys_differ_and_are_read_back(void **state)
{
    char a[MESH_KEY_TEXT_BYTES], b[MESH_KEY_TEXT_BYTES];
    mesh_key *key;

    (void)state;
    assert_int_equal(mesh_key_generate(a, NULL), MESH_OK);
    assert_int_equal(mesh_key_generate(b, NULL), MESH_OK);
    assert_string_not_equal(a, b);
    key = issuer_load(a);
    assert_non_null(strstr(a, mesh_key_id(key)));
    assert_int_equal(strlen(mesh_key_id(key)), 43);
    mesh_key_destroy(key);
}

/* S4.16: what is wrong is said, and no value. */
static void wrong_keys_are_refused_without_a_word_of_them(void **state)
{
#define KEY(members) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"," members "}"
#define X "\"x\":\"" ISSUER_X "\""
#define D "\"d\":\"" ISSUER_D "\""
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "not a JSON object"},
        {"-----BEGIN PRIVATE KEY-----", "not a JSON object"},
        {"[]", "not a JSON object"},
        {KEY(X "," D) "x", "something follows the JSON"},
        {KEY(X "," D), NULL},
        {KEY(X "," D ",\"use\":\"sig\",\"alg\":\"EdDSA\",\"other\":[{\"a\":\"\\n\"}]"), NULL},
        {KEY(X), "no private part"},
        {KEY(D), "x must be"},
        {KEY(X "," D "," D), "a member is there twice"},
        {KEY(X "," D ",\"\\u0064\":\"\""), "the name of a member has an escape"},
        {"{\"crv\":\"Ed25519\"," X "," D "}", "kty must be"},
        {"{\"kty\":\"EC\",\"crv\":\"Ed25519\"," X "," D "}", "kty must be"},
        {"{\"kty\":\"OKP\"," X "," D "}", "crv must be"},
        {"{\"kty\":\"OKP\",\"crv\":\"X25519\"," X "," D "}", "crv must be"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed448\"," X "," D "}", "crv must be"},
        {KEY(X "," D ",\"use\":\"enc\""), "use must be"},
        {KEY(X "," D ",\"alg\":\"HS256\""), "alg must be"},
        {KEY(X "," D ",\"kid\":\"\""), "kid must be"},
        {KEY(X "," D ",\"kid\":\"a b\""), "kid must be"},
        {KEY(X "," D ",\"kid\":7"), "kid must be"},
        /* all zeros, a point of small order; too short; padded; stray bits */
        {KEY("\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"," D), "x must be"},
        {KEY("\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ\"," D), "x must be"},
        {KEY("\"x\":\"" ISSUER_X "=\"," D), "x must be"},
        {KEY("\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp\"," D), "x must be"},
        {KEY(X ",\"d\":\"\""), "d must be"},
        {KEY(X ",\"d\":null"), "d must be"},
        {KEY(X ",\"d\":\"" ISSUER_D "AA\""), "d must be"},
        {KEY(X ",\"d\":\"AWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\""),
         "d is not the private key of x"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_key *key = NULL;
        mesh_error err;
        mesh_code code;

        mesh_error_clear(&err);
        code = mesh_key_load(cases[i].text, strlen(cases[i].text), &key, &err);
        if (code != (cases[i].why == NULL ? MESH_OK : MESH_INVALID_ARGUMENT))
            fail_msg("%s: %s, %s", cases[i].text, mesh_code_name(code), err.message);
        if (cases[i].why != NULL && strstr(err.message, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_null(strstr(err.message, "nWGx"));
        mesh_key_destroy(key);
    }
}

static void a_key_has_an_upper_size(void **state)
{
    char text[MESH_KEY_MAX_BYTES + 2];
    mesh_key *key = NULL;

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, ISSUER_PRIVATE, strlen(ISSUER_PRIVATE));
    assert_int_equal(mesh_key_load(text, MESH_KEY_MAX_BYTES + 1, &key, NULL),
                     MESH_INVALID_ARGUMENT);
    assert_null(key);
    assert_int_equal(mesh_key_load(text, MESH_KEY_MAX_BYTES, &key, NULL), MESH_OK);
    mesh_key_destroy(key);
}

/* S4.16: they change as one set, or not at all. */
static void a_set_of_keys_is_read_in_its_order(void **state)
{
    static const struct {
        const char *text, *why; /* NULL: right */
    } cases[] = {
        {"{\"keys\":[" ISSUER_PRIVATE "]}\n", NULL},
        {"{\"step\":\"one\",\"keys\":[\n" ISSUER_PRIVATE "\n]}", NULL},
        {ISSUER_PRIVATE, "no member \"keys\""},
        {"[" ISSUER_PRIVATE "]", "JSON"},
        {"{\"keys\":[]}", "1 to 16"},
        {"{\"keys\":[" ISSUER_PUBLIC "]}", "keys[0]: signing key: it has no private part"},
        {"{\"keys\":[" ISSUER_PRIVATE "," ISSUER_PRIVATE "]}", "keys[1]: its kid is there twice"},
        {"{\"keys\":[" ISSUER_PRIVATE ",{}]}", "keys[1]: signing key: kty"},
    };
    char two[2 * MESH_KEY_TEXT_BYTES + 32], other[MESH_KEY_TEXT_BYTES];
    mesh_key *keys[MESH_KEYS_MAX];
    size_t count = 0;
    mesh_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_error_clear(&err);
        mesh_code code = mesh_key_load_set(cases[i].text, strlen(cases[i].text), keys, &count,
                                           &err);
        if (code != (cases[i].why != NULL ? MESH_INVALID_ARGUMENT : MESH_OK))
            fail_msg("%s: %s", cases[i].text, err.message);
        if (cases[i].why != NULL && strstr(err.message, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_null(strstr(err.message, "nWGx"));
        if (cases[i].why == NULL) {
            assert_int_equal(count, 1);
            assert_string_equal(mesh_key_id(keys[0]), ISSUER_KID);
            mesh_key_destroy(keys[0]);
        }
    }
    assert_int_equal(mesh_key_generate(other, NULL), MESH_OK);
    snprintf(two, sizeof two, "{\"keys\":[%s," ISSUER_PRIVATE "]}", other);
    assert_int_equal(mesh_key_load_set(two, strlen(two), keys, &count, NULL), MESH_OK);
    assert_int_equal(count, 2);
    assert_non_null(strstr(other, mesh_key_id(keys[0])));
    assert_string_equal(mesh_key_id(keys[1]), ISSUER_KID);
    mesh_key_destroy(keys[0]);
    mesh_key_destroy(keys[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_is_freed_leaves_nothing),
        cmocka_unit_test(signatures_are_those_of_rfc_8037),
        cmocka_unit_test(a_key_without_an_id_has_its_thumbprint),
        cmocka_unit_test(the_public_half_has_no_secret),
        cmocka_unit_test(generated_keys_differ_and_are_read_back),
        cmocka_unit_test(wrong_keys_are_refused_without_a_word_of_them),
        cmocka_unit_test(a_key_has_an_upper_size),
        cmocka_unit_test(a_set_of_keys_is_read_in_its_order),
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
