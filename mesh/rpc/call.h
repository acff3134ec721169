/*
 * mesh_call: one call as its handler sees it, on the server.
 *
 * Lifetime: from the first interceptor until the handler returned and the answer is on its way or,
 * when deferred, until mesh_call_finish. A call is freed by the runtime after its children (calls
 * made with it as their parent) have ended. What these functions return lives as long as the call.
 * Unless one says otherwise they are for the handler's thread.
 */
#ifndef MESH_RPC_CALL_H
#define MESH_RPC_CALL_H

#include "mesh/base/arena.h"
#include "mesh/base/trace.h"
#include "mesh/rpc/method.h"

MESH_BEGIN_DECLS

/*
 * One entry of metadata. Keys are lower case; a key that ends in "-bin" has binary values, others
 * printable ASCII (gRPC over HTTP/2, "Custom-Metadata"). Keys may repeat.
 */
typedef struct mesh_metadata {
    const char *key;
    const void *value; /* not NUL-terminated when it was received */
    size_t size;
} mesh_metadata;

/* Who is at the other end of the connection. */
typedef struct mesh_peer {
    const char *address;  /* "ipv4:127.0.0.1:4711", "unix:/path" */
    const char *identity; /* verified name of its client certificate (first DNS or URI subject
                             alternative name, else the common name); "" without mTLS */
} mesh_peer;

/* The memory of the call: request and response live in it. */
MESH_API mesh_arena *mesh_call_arena(mesh_call *call);

MESH_API const mesh_method *mesh_call_method(const mesh_call *call);

/* When the caller stops waiting, in CLOCK_MONOTONIC nanoseconds; MESH_NO_DEADLINE when never. Any
 * thread. */
MESH_API int64_t mesh_call_deadline_ns(const mesh_call *call);

/*
 * True once the caller went away, its deadline passed, or the server gave the call up, also by
 * mesh_call_abort. Never in an
 * inline handler before it defers (mesh_call_defer), unless the call was suspended: to be told of a
 * close is one more operation for the transport, which only calls that run on ask for. Any thread.
 */
MESH_API bool mesh_call_cancelled(const mesh_call *call);

/*
 * The call's span: child of the caller's, or the first of a new trace. Of W3C's trace context only
 * `traceparent` travels on; a `tracestate` is metadata of this call like any other, and ends here.
 */
MESH_API const mesh_trace *mesh_call_trace(const mesh_call *call);

/* Address and identity of the caller. Never NULL. */
MESH_API const mesh_peer *mesh_call_peer(mesh_call *call);

/*
 * Metadata that came with the call: the `index`-th value of `key` counting from 0, or NULL. Keys of
 * gRPC itself
 * ("grpc-*", ":*", content-type, te) are not shown.
 */
MESH_API const mesh_metadata *mesh_call_metadata(mesh_call *call, const char *key, size_t index);

/* All of it. */
MESH_API const mesh_metadata *mesh_call_metadata_all(mesh_call *call, size_t *count);

/*
 * Adds leading metadata (before the first answer is sent) or trailing metadata (before the call
 * ends). Key and value are copied. INVALID_ARGUMENT: the key is empty, not lower case, or one of
 * gRPC's or HTTP's own, or the value of a key without "-bin" is not printable ASCII.
 * RESOURCE_EXHAUSTED: more than 64 entries, or more than 12 KiB of both, counting 32 bytes more for
 * each entry. FAILED_PRECONDITION: it was sent already.
 */
MESH_API mesh_code mesh_call_add_header(mesh_call *call, const char *key, const void *value,
                                        size_t size, mesh_error *err);
MESH_API mesh_code mesh_call_add_trailer(mesh_call *call, const char *key, const void *value,
                                         size_t size, mesh_error *err);

/*
 * Compresses the answers with gzip when the caller accepts it. Before the first answer. On a stream
 * mesh_stream_compress makes exceptions of messages.
 */
MESH_API void mesh_call_compress(mesh_call *call);

/*
 * Whether the request was compressed on its way. Unary and server streaming; for streams of
 * requests mesh_stream_was_compressed tells.
 */
MESH_API bool mesh_call_was_compressed(const mesh_call *call);

/*
 * Data of the interceptors' own: each call has one pointer for each slot, NULL at first. A process
 * has MESH_CALL_SLOTS of them for all of its servers and never gets one back, so that one is taken
 * once and kept in a static variable; mesh_rpc_metrics takes one. Any thread. RESOURCE_EXHAUSTED:
 * all are taken.
 */
enum {
    MESH_CALL_SLOTS = 4
};
MESH_API mesh_code mesh_call_slot_create(int *slot, mesh_error *err);
MESH_API void mesh_call_slot_set(mesh_call *call, int slot, void *data);
MESH_API void *mesh_call_slot_get(const mesh_call *call, int slot);

/*
 * For an interceptor that cannot decide at once: its on_open calls mesh_call_suspend, sees to it
 * that somebody calls mesh_call_resume, and returns MESH_OK. Then the call waits, without a thread,
 * but with its place among max_calls, until it is resumed by any one thread, once, also if that is
 * before on_open returns. MESH_OK: it goes on with the next interceptor, unless its deadline has
 * passed or it was cancelled. Another code: it is refused, with `err` (may be NULL), which is
 * copied; where there is no memory for that, with the code alone. A call must be resumed in limited
 * time also when its client went away: a server waits for it, in the end without a limit. Not for
 * interceptors that observe.
 *
 * mesh_call_unsuspend takes it back, in the same on_open, when nobody will resume the call.
 */
MESH_API void mesh_call_suspend(mesh_call *call);
MESH_API void mesh_call_unsuspend(mesh_call *call);
MESH_API void mesh_call_resume(mesh_call *call, mesh_code code, const mesh_error *err);

/*
 * For interceptors: ends a call that goes on, from any thread, since it may not any more. `code` is
 * not MESH_OK; `err` (may be NULL) is copied; where there is no memory for that, the code is said
 * alone. The client gets this status at once, as it gets DEADLINE_EXCEEDED when a deadline passes,
 * and what waits to be sent is dropped. The handler sees a call that was cancelled
 * (mesh_call_cancelled, mesh_call_on_cancel), whose stream ends with this code, and the calls made
 * for it are given up. A unary call whose handler runs ends when that does: its answer is dropped.
 * One that is suspended has to be resumed nevertheless. Only the first of several has an effect,
 * and none on a call that has ended, or was given up, at the same moment.
 *
 * The call must be held: it is there from the on_open of an interceptor until the on_close of the
 * same returns. So whoever keeps calls to abort them keeps them under a lock, which on_close takes,
 * too, and aborts with it: nobody is called back from inside.
 */
MESH_API void mesh_call_abort(mesh_call *call, mesh_code code, const mesh_error *err);

/*
 * Deferred answer of a unary handler: the handler calls mesh_call_defer, keeps `call`, `request`
 * and `response`, and returns MESH_OK. Later any one thread fills the response and calls
 * mesh_call_finish exactly once: code and error as a handler would return them. The call, its
 * request and its response are gone then. It must be finished also when it was cancelled
 * (mesh_call_on_cancel tells): a server waits for it, in the end without a limit.
 */
MESH_API void mesh_call_defer(mesh_call *call);
MESH_API void mesh_call_finish(mesh_call *call, mesh_code code, const mesh_error *err);

/*
 * Runs `fn` once when the call is cancelled, on a transport thread, or at once on this one when it
 * already is; never after the call ended: mesh_call_finish waits for one that runs on another
 * thread, so call it without a lock that `fn` takes. One per call; for handlers that defer or wait.
 */
MESH_API void mesh_call_on_cancel(mesh_call *call, void (*fn)(void *context), void *context);

/*
 * Waits until all asynchronous calls made with this parent have ended (their callbacks have
 * returned). For handlers on the worker pool. The calls end at the latest with the parent's
 * deadline or cancellation.
 */
MESH_API void mesh_join(mesh_call *parent);

MESH_END_DECLS

#endif
