/*
 * mesh_explain: why a guard lets a user in, or does not: mesh.access.v1.AccessService of a server
 * that has a guard. It looks at what the guard looks at and decides alike, without changing what
 * the guard will find: only a permission that a call would ask for is asked for, through the same
 * cache. Internal.
 *
 *   mesh_explain_create(server, guard, &explain, &err);
 *   mesh_server_add(server, mesh_explain_api(explain), &err);
 */
#ifndef MESH_AUTH_EXPLAIN_H
#define MESH_AUTH_EXPLAIN_H

#include "mesh/auth/guard.h"

typedef struct mesh_explain mesh_explain;

/*
 * All methods of the server are explained, of services that are added later, too. Both are
 * borrowed, and used until the server is destroyed. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code mesh_explain_create(const mesh_server *server, mesh_guard *guard, mesh_explain **explain,
                              mesh_error *err);

/* After the server. NULL is accepted. */
void mesh_explain_destroy(mesh_explain *explain);

/* For mesh_server_add; it lives as long as `explain`. */
mesh_api mesh_explain_api(mesh_explain *explain);

#endif
