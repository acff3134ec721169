/*
 * mesh_stream: the messages of a streaming call, on the server and on the client.
 *
 * Generated code wraps these functions with the message types of each method; use those. Two ways
 * to work:
 *
 * Blocking, for short streams (a server handler on the worker pool, or a client): next and send
 * wait. One thread may read while another one writes; finish comes last.
 *
 *   while (shop__v1__shop__watch__next(stream, &item) == MESH_OK) ...
 *   code = mesh_stream_finish(stream, &err);
 *
 * Evented, for long-lived streams on the server: they hold no thread. The handler table's slot
 * `<method>__events` points to callbacks, which run on a transport thread, one at a time for each
 * stream, and must not block. A message that came compressed is inflated by a worker, which runs
 * its callback; when there is none, the stream ends with RESOURCE_EXHAUSTED.
 *
 *   on_open      the call passed all interceptors; server streaming brings the request. Not MESH_OK
 *                ends the stream with that error.
 *   on_message   a message of the client's, borrowed for the callback; the next is read after it
 *                returned (back-pressure).
 *   on_end       the client sends no more.
 *   on_writable  after a send that said "not now": there is room again.
 *   on_close     the last one, exactly once after on_open was called, with the code that the stream
 *                ended with: mesh_stream_end's, CANCELLED or DEADLINE_EXCEEDED, or that of an
 *                interceptor that ended it (mesh_call_abort). The stream is gone when it returns.
 *
 * With events, sends and mesh_stream_end may be called from any thread until on_close begins;
 * whoever keeps the stream elsewhere (a list of subscribers) takes it out in on_close, under its
 * own lock.
 */
#ifndef MESH_RPC_STREAM_H
#define MESH_RPC_STREAM_H

#include "mesh/rpc/call.h"

MESH_BEGIN_DECLS

/* The call of a server's stream; NULL on a client's. */
MESH_API mesh_call *mesh_stream_call(mesh_stream *stream);

/* A pointer of the owner's, e.g. the state of an evented stream. NULL at first. */
MESH_API void mesh_stream_set_data(mesh_stream *stream, void *data);
MESH_API void *mesh_stream_data(const mesh_stream *stream);

/*
 * Waits for the next message. MESH_OK: *message is set and valid until the next call of this
 * function on the stream. MESH_EOF: the peer sends no more; a client learns the status by
 * mesh_stream_finish. Another code: `err` says why the message was refused, INVALID_ARGUMENT on a
 * server or INTERNAL on a client (malformed), RESOURCE_EXHAUSTED (too large, or out of memory). A
 * client's call is given up then, and mesh_stream_finish says the same. On a server also CANCELLED
 * or DEADLINE_EXCEEDED, or the code of an interceptor that ended it: the call is over.
 */
MESH_API mesh_code mesh_stream_next(mesh_stream *stream, const ProtobufCMessage **message,
                                    mesh_error *err);

/*
 * Sends a message and waits until there is room for more. MESH_OK does not mean that the peer has
 * it. CANCELLED: the call or its sending side is over; a client learns the status by
 * mesh_stream_finish. On a server also when there was no room for send_timeout_ms
 * (mesh/rpc/server.h), which cancels the call, or the connection holds as much memory as it may
 * (memory_budget_bytes), which ends it with RESOURCE_EXHAUSTED.
 * RESOURCE_EXHAUSTED: out of memory; the message was not taken, and the call goes on without it.
 */
MESH_API mesh_code mesh_stream_send(mesh_stream *stream, const ProtobufCMessage *message);

/*
 * The same without waiting. RESOURCE_EXHAUSTED: the message was not taken, since more than the
 * stream's budget waits to be sent; on_writable follows, or on_close if the call ends before.
 * CANCELLED: the call is over, perhaps since there was no memory for the message. Any thread.
 */
MESH_API mesh_code mesh_stream_try_send(mesh_stream *stream, const ProtobufCMessage *message);

/*
 * Whether the messages sent from now on are compressed, on a stream whose messages may be: a
 * client's that was opened with `compress`, or a server's after mesh_call_compress. All are unless
 * this says otherwise. Any thread.
 */
MESH_API void mesh_stream_compress(mesh_stream *stream, bool compress);

/* Whether the last message that was read was compressed on its way. For the thread that reads. */
MESH_API bool mesh_stream_was_compressed(const mesh_stream *stream);

/* Client: no more messages from this side. Always MESH_OK. */
MESH_API mesh_code mesh_stream_close_send(mesh_stream *stream);

/*
 * Client: waits for the status, frees the stream and returns the call's code with the details in
 * `err`. Messages that were not read are dropped. Exactly once for each stream.
 */
MESH_API mesh_code mesh_stream_finish(mesh_stream *stream, mesh_error *err);

/*
 * Client streaming: no more messages from this side, waits for the one response and the status, and
 * frees the stream. On MESH_OK *response lives in the arena that the call was opened with
 * (options->arena or the parent's). Instead of mesh_stream_finish. UNIMPLEMENTED: OK without a
 * response, or with more than one
 * (https://grpc.github.io/grpc/core/md_doc_statuscodes.html, response cardinality).
 */
MESH_API mesh_code mesh_stream_finish_response(mesh_stream *stream, ProtobufCMessage **response,
                                               mesh_error *err);

/* Client: gives the call up; finish then returns CANCELLED unless it had ended. Any thread. */
MESH_API void mesh_stream_cancel(mesh_stream *stream);

/*
 * Client: metadata that came with the answer. Headers wait for the first answer, trailers for the
 * end: messages that were not read are dropped, except the one response to a stream of requests,
 * whose sending side is closed.
 */
MESH_API const mesh_metadata *mesh_stream_header(mesh_stream *stream, const char *key,
                                                 size_t index);
MESH_API const mesh_metadata *mesh_stream_headers(mesh_stream *stream, size_t *count);
MESH_API const mesh_metadata *mesh_stream_trailers(mesh_stream *stream, size_t *count);

/*
 * Server, evented: ends the stream after what was sent; what the client still sends is dropped.
 * The error may be NULL. For client streaming the one response is sent before: MESH_OK without it
 * becomes INTERNAL, as gRPC Java's servers answer. Once; later calls are ignored. Any thread.
 */
MESH_API void mesh_stream_end(mesh_stream *stream, mesh_code code, const mesh_error *err);

/* The same as send and next for methods whose message types are only known at run time. */
MESH_API mesh_code mesh_stream_send_bytes(mesh_stream *stream, const void *data, size_t size);
MESH_API mesh_code mesh_stream_next_bytes(mesh_stream *stream, const uint8_t **data, size_t *size,
                                          mesh_error *err);

MESH_END_DECLS

#endif
