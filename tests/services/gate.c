#include "tests/services/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void load(void *self, const char *user, const char *permission, mesh_permission_load *one)
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

void gate_open(gate *gate, const char *jwks)
{
    assert_int_equal(mesh_keys_create(&gate->keys, NULL), MESH_OK);
    gate_believe(gate, jwks);
    assert_int_equal(mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = gate->keys,
                                                       .issuer = "user", .audience = "mesh"),
                                          &gate->verifier, NULL),
                     MESH_OK);
    gate->users = mesh_users_create(3600000);
    assert_non_null(gate->users);
    assert_int_equal(
        mesh_permissions_create(&(mesh_permissions_options){.load = load, .self = gate},
                                &gate->permissions, NULL),
        MESH_OK);
    assert_int_equal(
        mesh_guard_create(MESH_OPTIONS(mesh_guard_options, .verifier = gate->verifier,
                                       .users = gate->users, .permissions = gate->permissions),
                          &gate->guard, NULL),
        MESH_OK);
    mesh_guard_open(gate->guard);
}

mesh_interceptor gate_interceptor(gate *gate)
{
    return mesh_guard_interceptor(gate->guard);
}

void gate_close(gate *gate)
{
    mesh_guard_destroy(gate->guard);
    mesh_permissions_destroy(gate->permissions);
    mesh_users_destroy(gate->users);
    mesh_verifier_destroy(gate->verifier);
    mesh_keys_destroy(gate->keys);
}
