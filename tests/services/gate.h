/*
 * A guard for a service in the test's own process: it believes the user service's tokens that one
 * of the keys given here has signed, and what it is told of users.
 */
#ifndef TESTS_SERVICES_GATE_H
#define TESTS_SERVICES_GATE_H

#include <stdatomic.h>

#include "mesh/auth/guard.h"

typedef struct gate {
    mesh_keys *keys;
    mesh_verifier *verifier;
    mesh_users *users;
    mesh_permissions *permissions;
    mesh_guard *guard;
    atomic_bool allows; /* every permission to everybody; false at first */
} gate;

/* Once a process; `jwks` is a set of public keys. They fail the test when they cannot. */
void gate_open(gate *gate, const char *jwks);
void gate_believe(gate *gate, const char *jwks); /* these from now on */

/* For servers that are destroyed before it. */
mesh_interceptor gate_interceptor(gate *gate);

void gate_close(gate *gate);

#endif
