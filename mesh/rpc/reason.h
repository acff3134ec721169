/*
 * Reasons of the runtime's own errors: values of mesh.v1.ErrorReason (proto/mesh/v1/reason.proto).
 * The code generated from it stands above this module, so the names stand here once more; a test
 * holds the two together. Internal.
 */
#ifndef MESH_RPC_REASON_H
#define MESH_RPC_REASON_H

#define MESH_RPC_DOMAIN "mesh.v1"
#define MESH_RPC_TOO_MANY_CALLS "TOO_MANY_CALLS"
#define MESH_RPC_QUEUE_FULL "QUEUE_FULL"
#define MESH_RPC_CALL_MEMORY_EXCEEDED "CALL_MEMORY_EXCEEDED"
#define MESH_RPC_MESSAGE_MALFORMED "MESSAGE_MALFORMED"
#define MESH_RPC_MEMORY_FULL "MEMORY_FULL"

#endif
