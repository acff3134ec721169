/* A guard for a server that is measured: each of its methods wants a permission of the caller. */
#ifndef TESTS_BENCH_GUARDED_H
#define TESTS_BENCH_GUARDED_H

#include "mesh/rpc/server.h"

/*
 * Changes the policy of each of the api's methods to a permission, which the user of the token has
 * that is printed on stdout, as "token TEXT". The guard is not freed. Ends the process when it
 * cannot.
 */
mesh_interceptor bench_guard(mesh_api *api);

#endif
