/*
 * Threads that verify, with a cache that is too small for all tokens, while one replaces the keys
 * again and again: a key that is always there is always believed, and no key is believed after it
 * was taken away.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "issuer.h"
#include "mesh/auth/verifier.h"
#include "mesh/base/clock.h"
#include "tests/mesh/base/test.h"

enum {
    THREADS = 4,
    TOKENS = 64,
    ROUNDS = 200
};

static mesh_key *stays, *comes;
static mesh_keys *keys;
static mesh_verifier *verifier;
static mesh_arena *tokens;
static const char *of_stays[TOKENS], *of_comes[TOKENS];
static atomic_bool over;
static atomic_size_t checks;

static mesh_code check(const char *token, mesh_arena *arena)
{
    const mesh_claims *claims;

    mesh_arena_reset(arena);
    return mesh_verifier_check(verifier, token, strlen(token), arena, &claims, NULL);
}

static void *verify(void *argument)
{
    mesh_arena *arena = mesh_arena_create(4096, 0);
    size_t *refused = argument;

    for (size_t i = 0; !atomic_load(&over); i = (i + 1) % TOKENS) {
        *refused += check(of_stays[i], arena) != MESH_OK;
        (void)check(of_comes[i], arena);
        atomic_fetch_add(&checks, 1);
    }
    mesh_arena_destroy(arena);
    return NULL;
}

static void sign(const mesh_key *key, const char **list)
{
    mesh_claims claims = issuer_claims(mesh_clock_wall_ns() / 1000000000);
    char id[16];

    claims.token_id = id;
    for (int i = 0; i < TOKENS; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(mesh_token_sign(key, &claims, tokens, &list[i], NULL), MESH_OK);
    }
}

static int set_up(void **state)
{
    (void)state;
    stays = issuer_generate();
    comes = issuer_generate();
    tokens = mesh_arena_create(65536, 0);
    sign(stays, of_stays);
    sign(comes, of_comes);
    if (mesh_keys_create(&keys, NULL) != MESH_OK)
        return -1;
    return mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = keys, .issuer = "user",
                                             .audience = "mesh", .cache_bytes = 64 * 1024),
                                &verifier, NULL) == MESH_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_verifier_destroy(verifier);
    mesh_keys_destroy(keys);
    mesh_key_destroy(stays);
    mesh_key_destroy(comes);
    mesh_arena_destroy(tokens);
    return 0;
}

/* S0.4 */
static void keys_are_replaced_while_others_verify(void **state)
{
    const mesh_key *both[] = {stays, comes};
    mesh_arena *arena = mesh_arena_create(4096, 0);
    pthread_t threads[THREADS];
    size_t refused[THREADS] = {0};

    (void)state;
    issuer_publish(keys, both, 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify, &refused[i]), 0);
    for (int i = 0; i < ROUNDS; i++) {
        size_t before = atomic_load(&checks);

        issuer_publish(keys, both, 2);
        assert_int_equal(check(of_comes[i % TOKENS], arena), MESH_OK);
        issuer_publish(keys, both, 1);
        assert_int_equal(check(of_comes[i % TOKENS], arena), MESH_UNAUTHENTICATED);
        while (atomic_load(&checks) == before)
            sched_yield();
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(refused[i], 0);
    }
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_replaced_while_others_verify, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
