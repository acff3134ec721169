/*
 * What a check of a token costs, in CPU time: one that is not kept, one of the same few that are,
 * and one of thousands. The last column is the first one's multiple of it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "issuer.h"
#include "mesh/auth/verifier.h"
#include "mesh/base/clock.h"

enum {
    TOKENS = 8192,
    ROUNDS = 5,
    CACHE_BYTES = 32 * 1024 * 1024
};

static mesh_keys *keys;
static const char *tokens[TOKENS];

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool check_all(mesh_verifier *verifier, mesh_arena *arena, size_t count, size_t checks)
{
    const mesh_claims *claims;
    bool right = true;

    for (size_t i = 0; i < checks; i++) {
        const char *token = tokens[i % count];

        mesh_arena_reset(arena);
        right &= mesh_verifier_check(verifier, token, strlen(token), arena, &claims, NULL) ==
                 MESH_OK;
    }
    return right;
}

/* The quickest round of checks of `count` tokens in turn, in ns a check; 0: not all are right. */
static double measure(size_t cache_bytes, size_t count, size_t checks)
{
    mesh_arena *arena = mesh_arena_create(8192, 0);
    mesh_verifier *verifier = NULL;
    double best = 0;

    if (arena != NULL &&
        mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = keys, .issuer = "user",
                                          .audience = "mesh", .cache_bytes = cache_bytes),
                             &verifier, NULL) == MESH_OK &&
        check_all(verifier, arena, count, count))
        for (int round = 0; round < ROUNDS; round++) {
            int64_t begin_ns = cpu_ns();
            bool right = check_all(verifier, arena, count, checks);
            double ns = (double)(cpu_ns() - begin_ns) / (double)checks;

            if (right && (best == 0 || ns < best))
                best = ns;
        }
    mesh_verifier_destroy(verifier);
    mesh_arena_destroy(arena);
    return best;
}

int main(void)
{
    static const struct {
        const char *name;
        size_t cache_bytes, count, checks;
    } cases[] = {{"verified each time", 1, 64, 2000},
                 {"kept, 64 tokens", CACHE_BYTES, 64, 200000},
                 {"kept, 8192 tokens", CACHE_BYTES, TOKENS, 200000}};
    mesh_claims claims = issuer_claims(mesh_clock_wall_ns() / 1000000000);
    mesh_arena *arena = mesh_arena_create(1 << 20, 0);
    mesh_key *key = issuer_generate();
    char id[16];
    double first = 0;

    if (arena == NULL || mesh_keys_create(&keys, NULL) != MESH_OK)
        return 1;
    issuer_publish(keys, (const mesh_key *[]){key}, 1);
    claims.token_id = id;
    for (int i = 0; i < TOKENS; i++) {
        snprintf(id, sizeof id, "%d", i);
        if (mesh_token_sign(key, &claims, arena, &tokens[i], NULL) != MESH_OK)
            return 1;
    }
    printf("a token of %zu bytes, us a check\n", strlen(tokens[0]));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double ns = measure(cases[i].cache_bytes, cases[i].count, cases[i].checks);

        first = i == 0 ? ns : first;
        printf("%-20s %8.2f %8.1f\n", cases[i].name, ns / 1000, ns > 0 ? first / ns : 0);
    }
    mesh_keys_destroy(keys);
    mesh_key_destroy(key);
    mesh_arena_destroy(arena);
    return 0;
}
