/* What the tests of mesh/dyn share: the contract of types.proto in a pool. */
#ifndef TESTS_MESH_DYN_FIXTURE_H
#define TESTS_MESH_DYN_FIXTURE_H

#include "mesh/dyn/dyn.h"

/* A file of this folder, read whole; free() it. Stops the test when it cannot be read. */
uint8_t *fixture_read(const char *name, size_t *size);

/* A pool with types.proto and its imports. */
mesh_dyn_pool *fixture_pool(void);

#endif
