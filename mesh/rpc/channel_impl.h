/* The inside of mesh_channel and of calls that leave through it. Internal. */
#ifndef MESH_RPC_CHANNEL_IMPL_H
#define MESH_RPC_CHANNEL_IMPL_H

#include "mesh/rpc/call_impl.h"
#include "mesh/rpc/transport.h"

struct mesh_channel {
    mesh_channel_options options; /* defaults filled in; immutable, as is all but links */
    char *target;
    mesh_client_interceptor *interceptors;
    const mesh_transport *transport;
    mesh_tchannel *tchannel;
    mesh_links links; /* calls that run */
};

struct mesh_cancel {
    mesh_links links;
};

/* A call on its way out: what unary calls and streams share. */
struct mesh_outgoing {
    mesh_channel *channel;
    const mesh_method *method;
    mesh_call *parent;
    mesh_cancel *cancel;
    mesh_arena *arena; /* of metadata */
    mesh_metadata_list metadata;
    int64_t started_ns;
    int64_t deadline_ns;
    mesh_trace trace;
    size_t opened; /* interceptors whose on_start returned MESH_OK */
    mesh_tcall *tcall;
    mesh_link channel_link;
    mesh_link parent_link;
    mesh_link cancel_link;
};

/* The caller's options, as far as they are known. NULL: all default. */
mesh_code mesh_known_call_options(const mesh_call_options *given, mesh_call_options *known,
                                  mesh_error *err);

/* Deadline, metadata, interceptors. After MESH_OK mesh_outgoing_end is due; otherwise all is
 * undone. */
mesh_code mesh_outgoing_begin(mesh_outgoing *outgoing, mesh_channel *channel,
                              const mesh_method *method, const mesh_call_options *options,
                              mesh_arena *arena, mesh_error *err);

/*
 * Encodes the request (NULL: none) and starts the call, linked to channel, parent and `cancel`.
 * `tcall` is set before the first event. After MESH_OK mesh_outgoing_release is due.
 */
mesh_code mesh_outgoing_start(mesh_outgoing *outgoing, const ProtobufCMessage *request,
                              const mesh_call_options *options, bool blocking,
                              const mesh_client_events *events, void *upper, mesh_error *err);

/* Releases the transport's call and lets go of parent, `cancel` and channel, which may end then. */
void mesh_outgoing_release(mesh_outgoing *outgoing);

/* Tells the interceptors how it ended. Once, before release. */
void mesh_outgoing_end(mesh_outgoing *outgoing, mesh_code code);

/* What a unary call brought: decodes the answer, or fills the error. */
mesh_code mesh_unary_result(const mesh_method *method, mesh_message *message,
                            const mesh_status *status, mesh_arena *arena,
                            ProtobufCMessage **response, mesh_error *err);

#endif
