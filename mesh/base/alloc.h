/*
 * Allocation for the runtime: malloc and its family, which a test can make fail at will. All of
 * mesh/ allocates through these functions; memory from them goes back through mesh_free.
 *
 * Thread-safe. Outside of tests each costs one load and one branch that is never taken.
 */
#ifndef MESH_BASE_ALLOC_H
#define MESH_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

/* As in the C library: NULL when out of memory; mesh_free accepts NULL. */
void *mesh_malloc(size_t size);
void *mesh_calloc(size_t count, size_t size);
void *mesh_realloc(void *memory, size_t size);
void mesh_free(void *memory);

/* A copy of `text`; NULL when out of memory. */
char *mesh_strdup(const char *text);

/*
 * For tests. Lets the `n`-th allocation from now fail (1: the next one), counted over all threads;
 * with 0 none fails and counting stops. A scenario is run with n = 1, 2, 3, ... until
 * mesh_alloc_failed says that it got through without reaching the n-th:
 *
 *   for (size_t n = 1;; n++) {
 *       mesh_alloc_fail_at(n);
 *       run_scenario();
 *       if (!mesh_alloc_failed())
 *           break;
 *   }
 *   mesh_alloc_fail_at(0);
 */
void mesh_alloc_fail_at(size_t n);

/* True when the allocation chosen by mesh_alloc_fail_at was reached, and failed. */
bool mesh_alloc_failed(void);

/*
 * For tests: how many allocations were made and not freed since mesh_alloc_fail_at chose one; what
 * was made before and freed since counts against. Stays as it was once that is called with 0.
 */
long mesh_alloc_live(void);

MESH_END_DECLS

#endif
