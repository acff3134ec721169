#include "tests/mesh/rpc/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mesh/rpc/pool.h"

static void do_nothing(void *argument)
{
    (void)argument;
}

void testing_on_worker(void (*run)(void *argument), void *argument)
{
    mesh_pool_options options = {.threads = 1, .queue = 1};
    mesh_job job = {.run = run, .end = do_nothing, .argument = argument};
    mesh_pool *pool;

    assert_int_equal(mesh_pool_create(&options, &pool, NULL), MESH_OK);
    assert_int_equal(mesh_pool_submit(pool, NULL, &job), MESH_POOL_TAKEN);
    mesh_pool_destroy(pool); /* once it has run */
}
