/* The service that the tests of mesh/rpc call, in process on a free port. */
#ifndef TESTS_MESH_RPC_SERVICE_H
#define TESTS_MESH_RPC_SERVICE_H

#include <semaphore.h>
#include <stdatomic.h>

#include "mesh/rpc/channel.h"
#include "mesh/rpc/server.h"
#include "testing/v1/testing.mesh.h"

typedef struct testing_service {
    mesh_server *server;
    mesh_channel *channel; /* to the server itself */
    char address[64];
    mesh_arena *arena;  /* for answers */
    mesh_channel *peer; /* whom `forward` calls; NULL: the service itself */
    sem_t hanging;      /* a handler waits */
    sem_t wake;         /* for it: the call was cancelled */
    sem_t cancelled;    /* it has seen that */
    sem_t opened;       /* an evented stream was opened */
    sem_t closed;       /* an evented stream was closed */
    mesh_code close_code;
} testing_service;

/* How the methods are handled. */
typedef enum testing_style {
    TESTING_WORKER,
    TESTING_INLINE
} testing_style;

/* Starts it; `options` may be NULL. Streams are blocking with TESTING_WORKER, else evented. */
void testing_service_start(testing_service *service, testing_style style,
                           const mesh_server_options *options,
                           const mesh_channel_options *channel_options);
void testing_service_stop(testing_service *service);

/* Waits on a semaphore, at most 10 s; fails the test then. */
void testing_wait(sem_t *semaphore);

#endif
