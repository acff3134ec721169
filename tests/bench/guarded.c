#include "guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/auth/guard.h"
#include "mesh/auth/token.h"
#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"

enum {
    METHODS_MAX = 16,
    LIFE_S = 3600,
    CHANGED_USERS = 1000, /* as on a day on which much happens */
    ARENA_BYTES = 8192
};

static void expect(mesh_code code, const mesh_error *err)
{
    if (code == MESH_OK)
        return;
    fprintf(stderr, "guarded: %s\n", err->message);
    exit(1);
}

static void allow(void *self, const char *user, const char *permission, mesh_permission_load *load)
{
    (void)self;
    (void)user;
    (void)permission;
    mesh_permissions_loaded(load, MESH_OK, true, NULL);
}

static void print_token(const mesh_key *key)
{
    char user[MESH_UUID_TEXT_BYTES], session[MESH_UUID_TEXT_BYTES], id[MESH_UUID_TEXT_BYTES];
    mesh_claims claims = {.issuer = "user",
                          .audience = "mesh",
                          .subject = user,
                          .token_id = id,
                          .session_id = session,
                          .roles = {"regular", "consumer"},
                          .role_count = 2,
                          .issued_s = mesh_clock_wall_ns() / 1000000000,
                          .expires_s = mesh_clock_wall_ns() / 1000000000 + LIFE_S};
    mesh_arena *arena = mesh_arena_create(ARENA_BYTES, 0);
    const char *token = "";
    mesh_error err = {.message = "out of memory"};

    mesh_uuid_v7(user);
    mesh_uuid_v7(session);
    mesh_uuid_v7(id);
    expect(arena != NULL ? mesh_token_sign(key, &claims, arena, &token, &err)
                         : MESH_RESOURCE_EXHAUSTED,
           &err);
    printf("token %s\n", token);
    fflush(stdout);
    mesh_arena_destroy(arena);
}

static mesh_verifier *make_verifier(void)
{
    char text[MESH_KEY_TEXT_BYTES], set[MESH_KEY_TEXT_BYTES + 16];
    mesh_verifier *verifier;
    mesh_keys *keys;
    mesh_key *key;
    mesh_error err = {0};

    expect(mesh_key_generate(text, &err), &err);
    expect(mesh_key_load(text, strlen(text), &key, &err), &err);
    expect(mesh_keys_create(&keys, &err), &err);
    snprintf(set, sizeof set, "{\"keys\":[%s]}", mesh_key_public(key));
    expect(mesh_keys_replace(keys, set, strlen(set), &err), &err);
    expect(mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = keys, .issuer = "user",
                                             .audience = "mesh"),
                                &verifier, &err),
           &err);
    print_token(key);
    mesh_key_destroy(key);
    return verifier;
}

static mesh_users *make_users(void)
{
    mesh_users *users = mesh_users_create((int64_t)LIFE_S * 1000);
    const mesh_user_state state = {.version = 2};
    char id[MESH_UUID_TEXT_BYTES];
    mesh_error err = {.message = "out of memory"};

    for (int i = 0; i < CHANGED_USERS; i++) {
        mesh_uuid_v7(id);
        expect(users != NULL ? mesh_users_put(users, id, &state, &err) : MESH_RESOURCE_EXHAUSTED,
               &err);
    }
    return users;
}

static void want_permission(mesh_api *api)
{
    static mesh_api_descriptor descriptor;
    static mesh_method methods[METHODS_MAX];

    descriptor = *api->descriptor;
    for (size_t i = 0; i < descriptor.method_count && i < METHODS_MAX; i++) {
        methods[i] = descriptor.methods[i];
        methods[i].api = &descriptor;
        methods[i].policy = (mesh_policy){.kind = MESH_POLICY_PERMISSION,
                                          .permission = "product.write"};
    }
    descriptor.methods = methods;
    api->descriptor = &descriptor;
}

mesh_interceptor bench_guard(mesh_api *api)
{
    mesh_guard_options options = {
        .size = sizeof options, .verifier = make_verifier(), .users = make_users()};
    mesh_guard *guard;
    mesh_error err = {0};

    expect(mesh_permissions_create(&(mesh_permissions_options){.load = allow}, &options.permissions,
                                   &err),
           &err);
    expect(mesh_guard_create(&options, &guard, &err), &err);
    mesh_guard_open(guard);
    want_permission(api);
    return mesh_guard_interceptor(guard);
}
