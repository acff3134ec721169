/* One call of each kind to the service of service.h, with how it ends. */
#ifndef TESTS_MESH_RPC_KINDS_H
#define TESTS_MESH_RPC_KINDS_H

#include "tests/mesh/rpc/service.h"

enum {
    TESTING_KINDS = 8
};

typedef struct testing_kind {
    const char *name;
    mesh_code (*call)(testing_service *service, mesh_error *err);
    mesh_code code;
} testing_kind;

extern const testing_kind testing_kinds[TESTING_KINDS];

#endif
