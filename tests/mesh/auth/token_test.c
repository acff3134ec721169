#include "mesh/auth/token.h"

#include "issuer.h"
#include "mesh/auth/sodium.h"
#include "tests/mesh/base/test.h"

static mesh_key *key;
static mesh_arena *arena;

static int set_up(void **state)
{
    (void)state;
    key = issuer_load(ISSUER_PRIVATE);
    arena = mesh_arena_create(4096, 0);
    return arena != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    mesh_key_destroy(key);
    return 0;
}

/* The text of a part of a token. */
static const char *part(const char *token, int index)
{
    static char text[MESH_TOKEN_MAX_BYTES];
    size_t size;

    while (index-- > 0)
        token = strchr(token, '.') + 1;
    assert_true(mesh_base64url_read(token, strcspn(token, "."), text, sizeof text - 1, &size));
    text[size] = '\0';
    return text;
}

static void a_token_says_its_claims_in_one_form(void **state)
{
    const mesh_claims all = {.issuer = "user",
                             .audience = "mesh",
                             .subject = "u-1",
                             .token_id = "t-1",
                             .session_id = "s-1",
                             .roles = {"STAFF", "ADMIN"},
                             .role_count = 2,
                             .version = 12,
                             .issued_s = 1800000000,
                             .expires_s = 1800000900};
    const mesh_claims few = {.issuer = "mesh \xc3\xa9",
                             .audience = "mesh",
                             .subject = "order",
                             .token_id = "t-2",
                             .issued_s = 0,
                             .expires_s = INT64_C(253402300799)};
    const char *token;

    (void)state;
    assert_int_equal(mesh_token_sign(key, &all, arena, &token, NULL), MESH_OK);
    assert_string_equal(part(token, 0), "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\"}");
    assert_string_equal(part(token, 1),
                        "{\"iss\":\"user\",\"aud\":\"mesh\",\"sub\":\"u-1\",\"jti\":\"t-1\","
                        "\"sid\":\"s-1\",\"roles\":[\"STAFF\",\"ADMIN\"],\"ver\":12,"
                        "\"iat\":1800000000,\"exp\":1800000900}");
    assert_int_equal(mesh_token_sign(key, &few, arena, &token, NULL), MESH_OK);
    assert_string_equal(part(token, 1),
                        "{\"iss\":\"mesh \xc3\xa9\",\"aud\":\"mesh\",\"sub\":\"order\","
                        "\"jti\":\"t-2\",\"roles\":[],\"iat\":0,\"exp\":253402300799}");
}

static char longest[MESH_CLAIM_MAX_BYTES + 1], too_long[MESH_CLAIM_MAX_BYTES + 2];

static void wrong_claims_are_not_signed(void **state)
{
#define CLAIMS(...)                                                                             \
    {                                                                                           \
        .issuer = "user", .audience = "mesh", .subject = "u", .token_id = "t", .issued_s = 100, \
        .expires_s = 200, __VA_ARGS__                                                           \
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
    const struct {
        mesh_claims claims;
        bool right;
    } cases[] = {
        {CLAIMS(.role_count = 0), true},
        {CLAIMS(.subject = longest), true},
        {CLAIMS(.session_id = ""), true},
        {CLAIMS(.roles = {longest}, .role_count = 1), true},
        {CLAIMS(.version = INT64_C(999999999999)), true},
        {CLAIMS(.version = -1), false},
        {CLAIMS(.version = INT64_C(1000000000000)), false},
        {CLAIMS(.issuer = NULL), false},
        {CLAIMS(.audience = NULL), false},
        {CLAIMS(.subject = NULL), false},
        {CLAIMS(.token_id = NULL), false},
        {CLAIMS(.issuer = ""), false},
        {CLAIMS(.audience = ""), false},
        {CLAIMS(.subject = ""), false},
        {CLAIMS(.token_id = ""), false},
        {CLAIMS(.subject = too_long), false},
        {CLAIMS(.session_id = too_long), false},
        {CLAIMS(.subject = "u\",\"sub\":\"admin"), false},
        {CLAIMS(.subject = "u\\"), false},
        {CLAIMS(.subject = "u\n"), false},
        {CLAIMS(.subject = "u\x7f"), false},
        {CLAIMS(.subject = "\xff"), false},
        {CLAIMS(.subject = "\xc3"), false},
        {CLAIMS(.roles = {"A", "B", "C", "D", "E", "F", "G", "H"}, .role_count = 8), true},
        {CLAIMS(.roles = {"A", "B", "C", "D", "E", "F", "G", "H"}, .role_count = 9), false},
        {CLAIMS(.roles = {"A", ""}, .role_count = 2), false},
        {CLAIMS(.roles = {"A"}, .role_count = 2), false},
        {CLAIMS(.roles = {"A\"]"}, .role_count = 1), false},
        {CLAIMS(.issued_s = -1), false},
        {CLAIMS(.expires_s = 100), false},
        {CLAIMS(.expires_s = 101), true},
        {CLAIMS(.expires_s = INT64_C(253402300800)), false},
    };
#pragma GCC diagnostic pop

    (void)state;
    memset(longest, 'a', MESH_CLAIM_MAX_BYTES);
    memset(too_long, 'a', MESH_CLAIM_MAX_BYTES + 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *token = NULL;
        mesh_error err;
        mesh_code code;

        mesh_error_clear(&err);
        code = mesh_token_sign(key, &cases[i].claims, arena, &token, &err);
        if (code != (cases[i].right ? MESH_OK : MESH_INVALID_ARGUMENT))
            fail_msg("case %zu: %s, %s", i, mesh_code_name(code), err.message);
        assert_int_equal(token != NULL, cases[i].right);
    }
}

static void a_token_has_an_upper_size(void **state)
{
    mesh_claims claims = issuer_claims(1800000000);
    const char *token;
    mesh_error err;

    (void)state;
    memset(longest, 'a', MESH_CLAIM_MAX_BYTES);
    claims.issuer = claims.audience = claims.subject = claims.token_id = longest;
    claims.session_id = longest;
    for (size_t i = 0; i < MESH_CLAIMS_ROLES; i++)
        claims.roles[i] = longest;
    mesh_error_clear(&err);
    claims.role_count = 6;
    assert_int_equal(mesh_token_sign(key, &claims, arena, &token, &err), MESH_OK);
    assert_in_range(strlen(token), MESH_TOKEN_MAX_BYTES - 340, MESH_TOKEN_MAX_BYTES);
    claims.role_count = MESH_CLAIMS_ROLES;
    assert_int_equal(mesh_token_sign(key, &claims, arena, &token, &err), MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "at most 4096"));
}

static void bytes_beyond_ascii_stand_for_no_letter(void **state)
{
    (void)state;
    for (int byte = 0x80; byte <= 0xff; byte++) {
        const char text[] = {'A', 'A', 'A', (char)byte};
        uint8_t data[3];
        size_t size;

        assert_false(mesh_base64url_read(text, sizeof text, data, sizeof data, &size));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_says_its_claims_in_one_form),
        TEST(wrong_claims_are_not_signed),
        TEST(a_token_has_an_upper_size),
        TEST(bytes_beyond_ascii_stand_for_no_letter),
    };

    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
