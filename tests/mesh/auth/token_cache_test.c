#include "mesh/auth/token_cache.h"

#include "issuer.h"
#include "mesh/base/alloc.h"
#include "tests/mesh/base/test.h"

enum {
    NOW = 1800000000,
    TOKENS = 2000
};

static mesh_keys *keys;
static mesh_public_key known;
static mesh_arena *arena;

static int set_up(void **state)
{
    static const char set[] = "{\"keys\":[" ISSUER_PUBLIC "]}";

    (void)state;
    arena = mesh_arena_create(4096, 0);
    if (mesh_keys_create(&keys, NULL) != MESH_OK ||
        mesh_keys_replace(keys, set, strlen(set), NULL) != MESH_OK)
        return -1;
    return mesh_keys_find(keys, ISSUER_KID, &known) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_keys_destroy(keys);
    mesh_arena_destroy(arena);
    return 0;
}

/* A text in the place of the i-th token, which ends as no other does, and claims that tell it from
 * others. */
static const char *token_of(int i, mesh_claims *claims)
{
    static char token[512], subject[16];

    memset(token, 'a', sizeof token - 1);
    snprintf(token + sizeof token - 9, 9, "%08d", i);
    snprintf(subject, sizeof subject, "%d", i);
    *claims = issuer_claims(NOW);
    claims->subject = subject;
    return token;
}

static void put(mesh_token_cache *cache, int i)
{
    mesh_claims claims;
    const char *token = token_of(i, &claims);

    mesh_token_cache_put(cache, token, strlen(token), &known, &claims);
}

static bool is_there(mesh_token_cache *cache, int i)
{
    mesh_claims want;
    const mesh_claims *claims;
    const char *token = token_of(i, &want);
    mesh_code code;

    mesh_arena_reset(arena);
    code = mesh_token_cache_get(cache, token, strlen(token), NOW, arena, &claims);
    if (code == MESH_OK)
        assert_string_equal(claims->subject, want.subject);
    else
        assert_int_equal(code, MESH_NOT_FOUND);
    return code == MESH_OK;
}

static void a_full_cache_forgets_what_was_not_used_for_long(void **state)
{
    mesh_token_cache *cache;
    long live;
    int there = 0;

    (void)state;
    mesh_alloc_fail_at(SIZE_MAX); /* counts */
    cache = mesh_token_cache_create(400 * 1024, keys);
    assert_non_null(cache);
    live = mesh_alloc_live();
    for (int i = 0; i < TOKENS; i++) {
        put(cache, i);
        assert_true(is_there(cache, i));
        assert_true(is_there(cache, 0)); /* in use all the time */
    }
    for (int i = 0; i < TOKENS; i++)
        there += is_there(cache, i);
    /* an entry is about 900 bytes */
    assert_in_range(there, 200, 500);
    assert_int_equal(mesh_alloc_live() - live, there);
    assert_false(is_there(cache, 1));
    mesh_token_cache_destroy(cache);
    assert_int_equal(mesh_alloc_live(), 0);
    mesh_alloc_fail_at(0);
}

static void a_token_is_known_by_all_of_it(void **state)
{
    mesh_token_cache *cache = mesh_token_cache_create(1 << 20, keys);
    const mesh_claims *claims;
    char token[512];
    mesh_claims own;

    (void)state;
    put(cache, 7);
    snprintf(token, sizeof token, "%s", token_of(7, &own));
    for (size_t size = strlen(token) - 1; size > 0; size--)
        assert_int_equal(mesh_token_cache_get(cache, token, size, NOW, arena, &claims),
                         MESH_NOT_FOUND);
    for (size_t i = 0; i < sizeof token - 1; i++) {
        token[i] ^= 1;
        assert_int_equal(mesh_token_cache_get(cache, token, sizeof token - 1, NOW, arena, &claims),
                         MESH_NOT_FOUND);
        token[i] ^= 1;
    }
    assert_true(is_there(cache, 7));
    mesh_token_cache_destroy(cache);
}

static void a_token_is_kept_once(void **state)
{
    mesh_token_cache *cache = mesh_token_cache_create(1 << 20, keys);
    long live;

    (void)state;
    mesh_alloc_fail_at(SIZE_MAX);
    put(cache, 1);
    live = mesh_alloc_live();
    put(cache, 1);
    assert_int_equal(mesh_alloc_live(), live);
    mesh_alloc_fail_at(0);
    mesh_token_cache_destroy(cache);
}

static void what_does_not_fit_is_not_kept(void **state)
{
    mesh_token_cache *cache = mesh_token_cache_create(1024, keys);

    (void)state;
    put(cache, 1);
    assert_false(is_there(cache, 1));
    mesh_token_cache_destroy(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_cache_forgets_what_was_not_used_for_long),
        TEST(a_token_is_known_by_all_of_it),
        TEST(a_token_is_kept_once),
        TEST(what_does_not_fit_is_not_kept),
    };

    return cmocka_run_group_tests_name("token_cache", tests, NULL, NULL);
}
