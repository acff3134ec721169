/*
 * A client of server reflection: grpc.reflection.v1, or v1alpha where a server has only that
 * (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md). One stream for all
 * questions asked in a row. One thread at a time.
 */
#ifndef MESH_MESHCTL_REFLECTION_H
#define MESH_MESHCTL_REFLECTION_H

#include "mesh/dyn/dyn.h"
#include "mesh/meshctl/connection.h"

typedef struct ctl_reflection ctl_reflection;

/* The connection is borrowed. Nothing is sent before the first question. */
mesh_code ctl_reflection_open(ctl *run, ctl_connection *connection, ctl_reflection **reflection,
                              ctl_failure *failure);
void ctl_reflection_close(ctl_reflection *reflection);

/* Ends the stream; the next question opens another one. */
void ctl_reflection_rest(ctl_reflection *reflection);

/* Full names of all services. */
mesh_code ctl_reflection_services(ctl_reflection *reflection, const char ***names, size_t *count,
                                  ctl_failure *failure);

/* Adds the file that defines a symbol, and what it imports. NOT_FOUND: the server knows none. */
mesh_code ctl_reflection_load(ctl_reflection *reflection, const char *symbol, mesh_dyn_pool *pool,
                              ctl_failure *failure);

#endif
