/* Every allocation fails in turn: an error each time, never other claims, no leak and no crash. */
#include "issuer.h"
#include "mesh/auth/verifier.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "tests/fixtures/memory.h"
#include "tests/mesh/base/test.h"

static mesh_code sign_and_check(const mesh_key *key, mesh_verifier *verifier, mesh_error *err)
{
    const mesh_claims want = issuer_claims(mesh_clock_wall_ns() / 1000000000);
    /* a small first block, so that later ones are asked for */
    mesh_arena *arena = mesh_arena_create(64, 0);
    const mesh_claims *claims;
    const char *token;
    mesh_code code = arena != NULL ? mesh_token_sign(key, &want, arena, &token, err)
                                   : MESH_RESOURCE_EXHAUSTED;

    for (int i = 0; i < 2 && code == MESH_OK; i++) {
        code = mesh_verifier_check(verifier, token, strlen(token), arena, &claims, err);
        if (code == MESH_OK)
            assert_string_equal(claims->subject, want.subject);
    }
    mesh_arena_destroy(arena);
    return code;
}

static mesh_code scenario(void *context)
{
    static const char set[] = "{\"keys\":[" ISSUER_PUBLIC "]}";
    mesh_key *key = NULL;
    mesh_keys *keys = NULL;
    mesh_verifier *verifier = NULL;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_key_load(ISSUER_PRIVATE, strlen(ISSUER_PRIVATE), &key, &err);
    if (code == MESH_OK)
        code = mesh_keys_create(&keys, &err);
    if (code == MESH_OK)
        code = mesh_keys_replace(keys, set, strlen(set), &err);
    if (code == MESH_OK)
        code = mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = keys,
                                                 .issuer = "user", .audience = "mesh",
                                                 .cache_bytes = *(const size_t *)context),
                                    &verifier, &err);
    if (code == MESH_OK)
        code = sign_and_check(key, verifier, &err);
    mesh_verifier_destroy(verifier);
    mesh_keys_destroy(keys);
    mesh_key_destroy(key);
    return code;
}

static void running_out_of_memory_is_an_error(void **state)
{
    size_t cache_bytes = 1; /* no token fits, so none is kept */

    (void)state;
    assert_true(memory_fail_in_turn(scenario, &cache_bytes) > 20);
}

/* A token that there is no memory to keep is right none the less. */
static void a_token_that_cannot_be_kept_is_right(void **state)
{
    size_t cache_bytes = 1 << 20, others = 0;

    (void)state;
    for (size_t n = 1;; n++) {
        mesh_alloc_fail_at(n);
        mesh_code code = scenario(&cache_bytes);
        bool failed = mesh_alloc_failed();
        memory_expect_freed(n);
        if (!failed)
            break;
        others += code != MESH_RESOURCE_EXHAUSTED;
        if (code != MESH_RESOURCE_EXHAUSTED)
            assert_int_equal(code, MESH_OK);
    }
    assert_int_equal(others, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_out_of_memory_is_an_error),
        cmocka_unit_test(a_token_that_cannot_be_kept_is_right),
    };

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
