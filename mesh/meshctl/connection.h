/*
 * A connection to a target, and calls made over it as bytes: types are known at run time only.
 * Every call carries the headers of the command line.
 */
#ifndef MESH_MESHCTL_CONNECTION_H
#define MESH_MESHCTL_CONNECTION_H

#include "mesh/meshctl/ctl.h"
#include "mesh/meshctl/target.h"
#include "mesh/rpc/channel.h"

typedef struct ctl_connection ctl_connection;

/* INVALID_ARGUMENT: the target, a header or a TLS file is unusable. It does not connect yet. */
mesh_code ctl_connection_open(ctl *run, const ctl_target *target, ctl_connection **connection,
                              ctl_failure *failure);
void ctl_connection_close(ctl_connection *connection);

const ctl_target *ctl_connection_target(const ctl_connection *connection);

/* For calls with stubs, and options for these: the headers, an answer in the run's arena, a
 * time-out. */
mesh_channel *ctl_connection_channel(const ctl_connection *connection);
mesh_call_options ctl_connection_options(const ctl_connection *connection);

/* Completes the failure of such a call, whose error is in `failure` already. */
void ctl_connection_failed(const ctl_connection *connection, mesh_code code, ctl_failure *failure);

/* Opens a call of any kind; the messages are sent and read as bytes. `timeout_ms` 0: none. */
mesh_code ctl_connection_call(ctl_connection *connection, const char *service, const char *method,
                              int64_t timeout_ms, bool compress, mesh_stream **stream,
                              ctl_failure *failure);

/* The next message of a call's answer, as mesh_stream_next_bytes has it. */
mesh_code ctl_connection_next(ctl_connection *connection, mesh_stream *stream, const uint8_t **data,
                              size_t *size);

/* Ends a call; the failure of a call that did not end well is remote and may have a hint. */
mesh_code ctl_connection_finish(ctl_connection *connection, mesh_stream *stream,
                                ctl_failure *failure);

/* A whole unary call; the answer is copied into the run's arena. */
mesh_code ctl_connection_unary(ctl_connection *connection, const char *service, const char *method,
                               const void *request, size_t request_size, int64_t timeout_ms,
                               const uint8_t **answer, size_t *answer_size, ctl_failure *failure);

#endif
