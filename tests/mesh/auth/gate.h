/*
 * A guard for a service in the test's own process, with all that it stands on: it believes the
 * tokens that one of its keys has signed, and what it is told of users. What cannot be done, fails
 * the test.
 */
#ifndef TESTS_MESH_AUTH_GATE_H
#define TESTS_MESH_AUTH_GATE_H

#include <stdatomic.h>

#include "mesh/auth/guard.h"

typedef struct gate {
    mesh_keys *keys, *service_keys; /* of the user service; of services */
    mesh_verifier *verifier, *service_verifier;
    mesh_users *users;
    mesh_permissions *permissions;
    mesh_guard *guard;
    atomic_bool allows; /* every permission to everybody; false at first */
} gate;

/*
 * It has no keys yet, and is closed until mesh_guard_open. `load` says who has which permission;
 * NULL: `allows` does. `service` is the one that tokens of services have to be for; NULL: it knows
 * none of those.
 */
void gate_create(gate *gate, mesh_permissions_load_fn *load, const char *service);
void gate_believe(gate *gate, const char *jwks); /* these public keys from now on */

/* For servers that are destroyed before it. */
mesh_interceptor gate_interceptor(gate *gate);

void gate_destroy(gate *gate);

#endif
