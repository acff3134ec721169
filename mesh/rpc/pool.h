/*
 * The bounded worker pool of a server: threads for handlers that may block. Internal, thread-safe.
 */
#ifndef MESH_RPC_POOL_H
#define MESH_RPC_POOL_H

#include "mesh/base/error.h"

typedef struct mesh_pool mesh_pool;

/* Starts `threads` threads; `queue` jobs may wait. */
mesh_code mesh_pool_create(size_t threads, size_t queue, mesh_pool **pool, mesh_error *err);

/* Runs `fn(argument)` on a thread of the pool. False: all are busy and the queue is full. Never
 * blocks. The pool has to live until it returns, not only until `fn` ran. */
bool mesh_pool_submit(mesh_pool *pool, void (*fn)(void *argument), void *argument);

/* Runs what is queued, then ends the threads. NULL is accepted. */
void mesh_pool_destroy(mesh_pool *pool);

#endif
