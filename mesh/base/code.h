/*
 * Result codes. Everything that can fail returns a mesh_code; the values 0 to 16 are those of the
 * gRPC status codes (https://grpc.io/docs/guides/status-codes/) and are what travels as
 * grpc-status.
 */
#ifndef MESH_BASE_CODE_H
#define MESH_BASE_CODE_H

#include <stdbool.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

typedef enum mesh_code {
    MESH_EOF = -1, /* no more messages on a stream; never a status, never on the wire */
    MESH_OK = 0,
    MESH_CANCELLED = 1,
    MESH_UNKNOWN = 2,
    MESH_INVALID_ARGUMENT = 3,
    MESH_DEADLINE_EXCEEDED = 4,
    MESH_NOT_FOUND = 5,
    MESH_ALREADY_EXISTS = 6,
    MESH_PERMISSION_DENIED = 7,
    MESH_RESOURCE_EXHAUSTED = 8,
    MESH_FAILED_PRECONDITION = 9,
    MESH_ABORTED = 10,
    MESH_OUT_OF_RANGE = 11,
    MESH_UNIMPLEMENTED = 12,
    MESH_INTERNAL = 13,
    MESH_UNAVAILABLE = 14,
    MESH_DATA_LOSS = 15,
    MESH_UNAUTHENTICATED = 16
} mesh_code;

/* "NOT_FOUND" and so on; "UNKNOWN" for a value outside the enum. Static, never NULL. */
MESH_API const char *mesh_code_name(mesh_code code);

/* The code of a name as mesh_code_name writes it; false when there is no such name. */
MESH_API bool mesh_code_parse(const char *name, mesh_code *code);

MESH_END_DECLS

#endif
