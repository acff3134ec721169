#include "tests/mesh/auth/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    HOUR_MS = 3600000
};

static void load_what_it_allows(void *self, const char *user, const char *permission,
                                mesh_permission_load *one)
{
    gate *gate = self;
    (void)user;
    (void)permission;
    mesh_permissions_loaded(one, MESH_OK, atomic_load(&gate->allows), NULL);
}

void gate_believe(gate *gate, const char *jwks)
{
    assert_int_equal(mesh_keys_replace(gate->keys, jwks, strlen(jwks), NULL), MESH_OK);
}

static void make_service_verifier(gate *gate, const char *service)
{
    assert_int_equal(mesh_keys_create(&gate->service_keys, NULL), MESH_OK);
    assert_int_equal(
        mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = gate->service_keys,
                                          .self_issued = true, .audience = service),
                             &gate->service_verifier, NULL),
        MESH_OK);
}

void gate_create(gate *gate, mesh_permissions_load_fn *load, const char *service)
{
    const mesh_permissions_options options = {.load = load != NULL ? load : load_what_it_allows,
                                              .self = gate};

    memset(gate, 0, sizeof *gate);
    assert_int_equal(mesh_keys_create(&gate->keys, NULL), MESH_OK);
    assert_int_equal(mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = gate->keys,
                                                       .issuer = "user", .audience = "mesh"),
                                          &gate->verifier, NULL),
                     MESH_OK);
    if (service != NULL)
        make_service_verifier(gate, service);
    gate->users = mesh_users_create(HOUR_MS);
    assert_non_null(gate->users);
    assert_int_equal(mesh_permissions_create(&options, &gate->permissions, NULL), MESH_OK);
    assert_int_equal(
        mesh_guard_create(MESH_OPTIONS(mesh_guard_options, .verifier = gate->verifier,
                                       .users = gate->users, .permissions = gate->permissions,
                                       .service_verifier = gate->service_verifier),
                          &gate->guard, NULL),
        MESH_OK);
}

mesh_interceptor gate_interceptor(gate *gate)
{
    return mesh_guard_interceptor(gate->guard);
}

void gate_destroy(gate *gate)
{
    mesh_guard_destroy(gate->guard);
    mesh_permissions_destroy(gate->permissions);
    mesh_users_destroy(gate->users);
    mesh_verifier_destroy(gate->verifier);
    mesh_verifier_destroy(gate->service_verifier);
    mesh_keys_destroy(gate->keys);
    mesh_keys_destroy(gate->service_keys);
}
