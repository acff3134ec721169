#include "mesh/base/code.h"

#include <string.h>

static const char *const names[] = {
    [MESH_OK] = "OK",
    [MESH_CANCELLED] = "CANCELLED",
    [MESH_UNKNOWN] = "UNKNOWN",
    [MESH_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [MESH_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [MESH_NOT_FOUND] = "NOT_FOUND",
    [MESH_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [MESH_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [MESH_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [MESH_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [MESH_ABORTED] = "ABORTED",
    [MESH_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [MESH_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [MESH_INTERNAL] = "INTERNAL",
    [MESH_UNAVAILABLE] = "UNAVAILABLE",
    [MESH_DATA_LOSS] = "DATA_LOSS",
    [MESH_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

enum {
    NAME_COUNT = sizeof names / sizeof names[0]
};

const char *mesh_code_name(mesh_code code)
{
    if (code == MESH_EOF)
        return "EOF";
    return (int)code >= 0 && (int)code < NAME_COUNT ? names[code] : names[MESH_UNKNOWN];
}

bool mesh_code_parse(const char *name, mesh_code *code)
{
    if (strcmp(name, "EOF") == 0) {
        *code = MESH_EOF;
        return true;
    }
    for (int i = 0; i < NAME_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *code = (mesh_code)i;
            return true;
        }
    }
    return false;
}
