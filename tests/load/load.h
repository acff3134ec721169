/* Doing one thing from many threads for a while, and what it took. */
#ifndef TESTS_LOAD_LOAD_H
#define TESTS_LOAD_LOAD_H

#include "mesh/base/arena.h"
#include "mesh/base/error.h"

/*
 * The thing: the `turn`-th time of the `worker`-th thread, both from 0. The arena is the turn's.
 * MESH_EOF: nothing is left to do for this worker.
 */
typedef mesh_code load_fn(void *context, size_t worker, size_t turn, mesh_arena *arena,
                          mesh_error *err);

typedef struct load_result {
    size_t calls;  /* all, with the failed ones */
    size_t failed; /* of them */
    double calls_per_s;
    int64_t p50_us, p99_us, max_us;
    mesh_error first_error;
} load_result;

/* False: out of memory or threads. */
bool load_run(load_fn *fn, void *context, size_t workers, int64_t duration_ms, load_result *result);

#endif
