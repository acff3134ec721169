/* Handlers of testing.v1.Testing that its servers share. They use no `self`. */
#ifndef TESTS_MESH_RPC_HANDLERS_H
#define TESTS_MESH_RPC_HANDLERS_H

#include "mesh/rpc/server.h"
#include "testing/v1/testing.mesh.h"

/*
 * What Echo answers, as the knobs `code` and `answer_size` say; the other knobs are the server's.
 * The answer borrows from the request and from the call's arena.
 */
mesh_code testing_answer(mesh_call *call, const Testing__V1__EchoRequest *request,
                         Testing__V1__EchoResponse *response, mesh_error *err);

/* That as a handler. */
mesh_code testing_handle_echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                              Testing__V1__EchoResponse *response, mesh_error *err);

/* Double, evented: it refuses numbers below 0. */
mesh_code testing_double_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                                 mesh_error *err);
void testing_double_end(void *self, mesh_stream *stream);

#endif
