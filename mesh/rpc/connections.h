/*
 * What each connection of a server takes of what is there for all, so that none takes everything:
 * calls, workers, memory. A connection is known as long as it has calls. Internal, thread-safe.
 */
#ifndef MESH_RPC_CONNECTIONS_H
#define MESH_RPC_CONNECTIONS_H

#include <pthread.h>

#include "mesh/base/budget.h"
#include "mesh/rpc/pool.h"

enum {
    MESH_CONNECTION_LISTS = 64 /* so that threads seldom wait for each other */
};

typedef struct mesh_connection {
    struct mesh_connection *next; /* guarded by the list's mu, as `calls` */
    const void *key;              /* immutable */
    size_t calls;
    atomic_size_t admitted; /* of these */
    mesh_budget memory;
    mesh_flow jobs; /* of its calls on workers, or waiting for one; the pool's */
} mesh_connection;

typedef struct mesh_connections {
    mesh_budget memory; /* of each, as it begins; immutable, as `jobs` */
    mesh_flow jobs;
    struct {
        pthread_mutex_t mu;
        mesh_connection *first;
        mesh_connection *spare; /* for the next one: a connection may have one call at a time */
    } lists[MESH_CONNECTION_LISTS];
} mesh_connections;

/* What each connection may take: its part of a budget, which is borrowed, and of a pool. */
void mesh_connections_init(mesh_connections *connections, mesh_budget memory, mesh_flow jobs);
void mesh_connections_destroy(mesh_connections *connections); /* without calls */

/* Counts a call of the connection that the transport tells by `key`. NULL: out of memory. */
mesh_connection *mesh_connections_enter(mesh_connections *connections, const void *key);

/* The call has ended, and gave its memory back. */
void mesh_connections_leave(mesh_connections *connections, mesh_connection *connection);

#endif
