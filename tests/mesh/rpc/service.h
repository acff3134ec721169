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
    atomic_bool complete;  /* `channel` is there, for a handler on a thread that was there before */
    char address[64];
    mesh_arena *arena;  /* for answers */
    mesh_channel *peer; /* whom `forward` calls; NULL: the service itself */
    sem_t hanging;      /* a handler waits */
    sem_t cancelled;    /* it has seen that */
    sem_t opened;       /* an evented stream was opened */
    sem_t closed;       /* an evented stream was closed */
    _Atomic(mesh_code) close_code;
} testing_service;

/* How the methods are handled. */
typedef enum testing_style {
    TESTING_WORKER,
    TESTING_INLINE
} testing_style;

/*
 * Cases for a table of cmocka's, of a file whose `start` reads testing_style_of(state) and whose
 * `stop` ends what that started.
 */
#define WITH(style, test) \
    cmocka_unit_test_prestate_setup_teardown(test, start, stop, &(testing_style){style})
#define WORKER(test) WITH(TESTING_WORKER, test)
#define INLINE(test) WITH(TESTING_INLINE, test)
#define BOTH(test) WORKER(test), INLINE(test)

/* TESTING_WORKER in a case that says nothing. */
static inline testing_style testing_style_of(void **state)
{
    return *state == NULL ? TESTING_WORKER : *(const testing_style *)*state;
}

/* Starts it; `options` may be NULL. Streams are blocking with TESTING_WORKER, else evented. */
void testing_service_start(testing_service *service, testing_style style,
                           const mesh_server_options *options,
                           const mesh_channel_options *channel_options);

/* The same with handlers of a test's own; `api.self` may be the service itself. */
void testing_service_serve(testing_service *service, mesh_api api,
                           const mesh_server_options *options,
                           const mesh_channel_options *channel_options);

/* The handlers that testing_service_start serves. */
mesh_api testing_api(testing_service *service, testing_style style);

void testing_service_stop(testing_service *service);

/* Calls Echo with the text and checks an answer that is MESH_OK. */
mesh_code testing_echo(testing_service *service, const char *text, mesh_error *err);

/* An asynchronous Echo and what came of it. Static: sem_post may look at it after the wait. */
typedef struct testing_asked {
    sem_t done;
    mesh_code code;
    mesh_error err;
} testing_asked;

/* Calls Echo; `options` may be NULL. */
void testing_ask(mesh_channel *channel, const Testing__V1__EchoRequest *request,
                 const mesh_call_options *options, testing_asked *one);

/* Waits for its answer. */
mesh_code testing_answer_of(testing_asked *one);

/* Waits on a semaphore, at most 10 s; fails the test then. */
void testing_wait(sem_t *semaphore);

/*
 * Waits until as many calls run, at most 10 s; fails the test then. A call gives back what it held
 * when it has ended, which its client may know before.
 */
void testing_wait_for_active(const testing_service *service, size_t wanted);

#endif
