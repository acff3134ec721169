/* A worker of a pool, for what behaves differently on one. */
#ifndef TESTS_MESH_RPC_WORKER_H
#define TESTS_MESH_RPC_WORKER_H

/* Runs it on a worker, and returns when it has. */
void testing_on_worker(void (*run)(void *argument), void *argument);

#endif
