/*
 * The service of service.h with one handler, Echo on workers, that waits until the test lets it go
 * on. The server has one transport thread, unless its options say otherwise, which does one thing
 * after the other: what came earlier is in the queue when what came later is looked at.
 */
#ifndef TESTS_MESH_RPC_GATE_H
#define TESTS_MESH_RPC_GATE_H

#include <semaphore.h>
#include <stdatomic.h>

#include "tests/mesh/rpc/service.h"

typedef struct gate {
    testing_service service;
    sem_t entered; /* a handler began */
    sem_t leave;   /* one may go on for each post */
    atomic_int handled;
    char order[16]; /* the first letters of what was asked, as handled */
} gate;

void gate_open(gate *here, const mesh_server_options *options);
void gate_close(gate *here);

/*
 * Waits until as many calls are active, all of which are with a handler or in the queue then, not
 * only on their way there. Fails the test after some time.
 */
void gate_wait_for_queued(gate *here, size_t wanted);

void gate_ask(gate *here, testing_asked *one, int64_t timeout_ms);
void gate_ask_text(mesh_channel *channel, char *text, testing_asked *one);

/* The answer is that the service is busy, and when to try again. */
void gate_expect_busy(testing_asked *one);

#endif
