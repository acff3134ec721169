/*
 * Server reflection: what a server offers, told to grpcurl, grpcui, meshctl and every gRPC client
 * that learns its contracts at run time. Protocol:
 * https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. Served as
 * grpc.reflection.v1.ServerReflection and, for older clients, as the same service of
 * grpc.reflection.v1alpha.
 *
 *   ... every other mesh_server_add ...
 *   mesh_reflection *reflection;
 *   mesh_reflection_create(server, &reflection, &err);
 *   mesh_server_add(server, mesh_reflection_api(reflection), &err);
 *   mesh_server_add(server, mesh_reflection_api_v1alpha(reflection), &err);
 *   mesh_server_start(server, &err);
 *
 * What is asked and what is answered:
 *   list_services                    full names of the services, sorted
 *   file_by_filename                 the file, then all that it imports, directly or not
 *   file_containing_symbol           the same for the file that defines a message, field, oneof,
 *                                    enum, enum value, service, method or extension (full name)
 *   file_containing_extension        the same for the file that extends a message with a number
 *   all_extension_numbers_of_type    numbers, ascending; none for a message that nobody extends
 * What is not there is answered by an error_response NOT_FOUND, a request that asks nothing by
 * INVALID_ARGUMENT; the stream goes on.
 *
 * Known are the files of the server's services, all that they import, and
 * google/rpc/error_details.proto, so that tools can read the details of errors: no others.
 *
 * Everything is looked up in tables that are built once; an answer costs a binary search and no
 * allocation. The streams are evented and hold no thread. A client that asks without reading the
 * answers is stopped with RESOURCE_EXHAUSTED when MESH_REFLECTION_PENDING_BYTES of requests wait.
 */
#ifndef MESH_REFLECTION_REFLECTION_H
#define MESH_REFLECTION_REFLECTION_H

#include "mesh/rpc/server.h"

MESH_BEGIN_DECLS

enum {
    MESH_REFLECTION_PENDING_BYTES = 64 * 1024 /* of one stream's requests without an answer */
};

typedef struct mesh_reflection mesh_reflection;

/*
 * Learns what a server offers: the services added so far, and reflection itself.
 * RESOURCE_EXHAUSTED: out of memory; INTERNAL: a descriptor is malformed (a defect of the build).
 */
MESH_API mesh_code mesh_reflection_create(const mesh_server *server, mesh_reflection **reflection,
                                          mesh_error *err);

/* The apis of both versions, for mesh_server_add; they live as long as `reflection`. */
MESH_API mesh_api mesh_reflection_api(mesh_reflection *reflection);
MESH_API mesh_api mesh_reflection_api_v1alpha(mesh_reflection *reflection);

/* Frees it, after the server that it was added to is destroyed. NULL is accepted. */
MESH_API void mesh_reflection_destroy(mesh_reflection *reflection);

MESH_END_DECLS

#endif
