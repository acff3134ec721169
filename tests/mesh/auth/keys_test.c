#include "mesh/auth/keys.h"

#include "issuer.h"
#include "mesh/auth/members.h"
#include "tests/mesh/base/test.h"

static mesh_keys *keys;

static int set_up(void **state)
{
    (void)state;
    return mesh_keys_create(&keys, NULL) == MESH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_keys_destroy(keys);
    return 0;
}

static mesh_code replace(const char *text, mesh_error *err)
{
    mesh_error_clear(err);
    return mesh_keys_replace(keys, text, strlen(text), err);
}

static bool is_there(const char *id)
{
    mesh_public_key key;

    return mesh_keys_find(keys, id, &key);
}

/* --- what it holds ---------------------------------------------------------------------------- */

static void an_empty_set_knows_no_key(void **state)
{
    (void)state;
    assert_false(is_there("k1"));
    assert_false(is_there(""));
}

/* S0.4 */
static void keys_come_and_go_as_one_set(void **state)
{
    mesh_key *old = issuer_generate(), *new = issuer_generate();
    mesh_public_key seen;

    (void)state;
    issuer_publish(keys, (const mesh_key *[]){old}, 1);
    assert_true(mesh_keys_find(keys, mesh_key_id(old), &seen));
    assert_false(is_there(mesh_key_id(new)));

    issuer_publish(keys, (const mesh_key *[]){old, new}, 2);
    assert_true(is_there(mesh_key_id(new)));
    assert_true(mesh_keys_holds(keys, &seen));

    issuer_publish(keys, (const mesh_key *[]){new}, 1);
    assert_false(is_there(mesh_key_id(old)));
    assert_false(mesh_keys_holds(keys, &seen));
    mesh_key_destroy(old);
    mesh_key_destroy(new);
}

/* An id that another key has now does not make the old one right. */
static void a_key_is_more_than_its_id(void **state)
{
    char text[512];
    mesh_key *other = issuer_generate();
    const char *x = strstr(mesh_key_public(other), "\"x\"");
    mesh_public_key seen;
    mesh_error err;

    (void)state;
    assert_int_equal(replace("{\"keys\":[" ISSUER_PUBLIC "]}", &err), MESH_OK);
    assert_true(mesh_keys_find(keys, ISSUER_KID, &seen));
    snprintf(text, sizeof text,
             "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" ISSUER_KID "\",%s]}", x);
    assert_int_equal(replace(text, &err), MESH_OK);
    assert_true(is_there(ISSUER_KID));
    assert_false(mesh_keys_holds(keys, &seen));
    mesh_key_destroy(other);
}

/* --- what is taken ---------------------------------------------------------------------------- */

#define SET(keys) "{\"keys\":[" keys "]}"
#define KEY(kid) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid "\",\"x\":\"" ISSUER_X "\"}"
#define KID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void wrong_sets_are_refused_and_the_old_one_stays(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {SET(KEY("a") "," KEY("b")), NULL},
        {" \n" SET(KEY("a")) "\n", NULL},
        {"{\"keys\":[" KEY("a") "],\"next\":{\"keys\":[]},\"a\":\"\\u0000\"}", NULL},
        {SET(KEY(KID64)), NULL},
        {SET(KEY(KID64 "x")), "keys[0]: kid must be"},
        {SET(KEY("a") "," KEY("a")), "keys[1]: its kid is there twice"},
        {SET(""), "1 to 16 keys"},
        {SET(KEY("a")) SET(KEY("b")), "something follows the JSON"},
        {SET("{}"), "keys[0]: kty must be"},
        {SET("null"), "keys[0]: not a JSON object"},
        {SET(KEY("a") ",7"), "keys[1]: not a JSON object"},
        {SET(KEY("a") ","), "not JSON"},
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{}", "no member \"keys\""},
        {"{\"keys\":{}}", "not a JSON array"},
        {"{\"keys\":[" KEY("a") "],\"keys\":[]}", "a member is there twice"},
        {"{\"keys\":[" KEY("a") "]", "not JSON"},
        {"{\"keys\":[" KEY("a") "],}", "not JSON"},
        {"{\"keys\":[" KEY("a") "],\"x\":\"\xff\"}", "not JSON"},
        {"{\"keys\":[" KEY("a") "],\"x\":" /* 20 levels */
                                "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
         "not JSON"},
        {SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ISSUER_X "\"}"),
         "keys[0]: it has no kid"},
        {SET(KEY("a") "," ISSUER_PRIVATE), "keys[1]: it has a private part"},
        {SET("{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"c2VjcmV0\"}"), "keys[0]: kty must be"},
        {SET("{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"),
         "keys[0]: kty must be"},
        {SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\"}"), "keys[0]: x must be"},
        {SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":[\"" ISSUER_X "\"]}"),
         "keys[0]: x must be"},
        {SET("{\"kty\":\"OKP\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" ISSUER_X
             "\"}"),
         "keys[0]: a member is there twice"},
    };
    mesh_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_code code;

        assert_int_equal(replace(SET(KEY("before")), &err), MESH_OK);
        code = replace(cases[i].text, &err);
        if (code != (cases[i].why == NULL ? MESH_OK : MESH_INVALID_ARGUMENT))
            fail_msg("%s: %s, %s", cases[i].text, mesh_code_name(code), err.message);
        if (cases[i].why != NULL && strstr(err.message, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_int_equal(is_there("before"), code != MESH_OK);
    }
}

static void a_set_has_an_upper_number_of_keys(void **state)
{
    mesh_error err;

    (void)state;
    for (int count = MESH_KEYS_MAX; count <= 2 * MESH_MEMBERS_MAX; count++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert_non_null(out);
        for (int i = 0; i < count; i++)
            fprintf(out,
                    "%s{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%d\",\"x\":\"" ISSUER_X "\"}",
                    i == 0 ? "{\"keys\":[" : ",", i);
        fprintf(out, "]}");
        fclose(out);
        assert_int_equal(replace(text, &err),
                         count == MESH_KEYS_MAX ? MESH_OK : MESH_INVALID_ARGUMENT);
        free(text);
    }
    assert_true(is_there("15"));
}

static void a_set_has_an_upper_size(void **state)
{
    static const char set[] = SET(KEY("a"));
    char *text = malloc(MESH_KEYS_MAX_BYTES + 1);
    mesh_error err;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', MESH_KEYS_MAX_BYTES + 1);
    memcpy(text, set, strlen(set));
    mesh_error_clear(&err);
    assert_int_equal(mesh_keys_replace(keys, text, MESH_KEYS_MAX_BYTES + 1, &err),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(err.message, "key set: it is too large");
    assert_int_equal(mesh_keys_replace(keys, text, MESH_KEYS_MAX_BYTES, &err), MESH_OK);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_set_knows_no_key),         TEST(keys_come_and_go_as_one_set),
        TEST(a_key_is_more_than_its_id),         TEST(wrong_sets_are_refused_and_the_old_one_stays),
        TEST(a_set_has_an_upper_number_of_keys), TEST(a_set_has_an_upper_size),
    };

    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
