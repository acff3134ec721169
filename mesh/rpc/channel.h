/*
 * mesh_channel: connections to one service, and the calls made over them.
 *
 * A channel is cheap to share and dear to make: one for each service a program calls. It connects
 * by itself when first used, again after a loss, and balances over the addresses that its target
 * resolves to. It shares no connection with another channel. All functions may be called from any
 * thread.
 */
#ifndef MESH_RPC_CHANNEL_H
#define MESH_RPC_CHANNEL_H

#include "mesh/rpc/stream.h"
#include "mesh/rpc/tls.h"

MESH_BEGIN_DECLS

typedef struct mesh_channel mesh_channel;
typedef struct mesh_outgoing mesh_outgoing; /* a call about to leave, for interceptors */

/*
 * Sees every call of a channel, of all kinds. on_start may add metadata; not MESH_OK ends the call
 * with that error before anything is sent. on_end is called exactly once for every on_start that
 * returned MESH_OK. Both must not block; on_end may run on a transport thread.
 */
typedef struct mesh_client_interceptor {
    const char *name;
    mesh_code (*on_start)(void *self, mesh_outgoing *outgoing, mesh_error *err);
    void (*on_end)(void *self, const mesh_outgoing *outgoing, mesh_code code);
    void *self;
    const void *reserved[2];
} mesh_client_interceptor;

MESH_API const mesh_method *mesh_outgoing_method(const mesh_outgoing *outgoing);
MESH_API mesh_call *
mesh_outgoing_parent(const mesh_outgoing *outgoing); /* NULL when there is none */
MESH_API int64_t mesh_outgoing_started_ns(const mesh_outgoing *outgoing); /* CLOCK_MONOTONIC */
MESH_API mesh_code mesh_outgoing_add(mesh_outgoing *outgoing, const char *key, const void *value,
                                     size_t size, mesh_error *err);

typedef struct mesh_channel_options {
    size_t size;
    /* NULL: plaintext; borrowed for the call of create */
    const mesh_tls_options *tls;
    /* largest answer, default 4 MiB */
    size_t max_receive_bytes;
    /* memory of one asynchronous answer or stream message, default 16 MiB */
    size_t arena_limit_bytes;
    /*
     * PING after this silence while calls run (gRFC A8); default 30,000, at least 10,000, which is
     * what servers of this runtime allow. Others often allow one in 5 minutes, and answer more with
     * a GOAWAY, after which the channel pings half as often.
     */
    int64_t keepalive_ms;
    /* for the answer to it, default 10,000 */
    int64_t keepalive_timeout_ms;
    /* copied; `self` borrowed for the channel's life */
    const mesh_client_interceptor *interceptors;
    size_t interceptor_count;
} mesh_channel_options;

/*
 * Creates a channel to a gRPC target ("127.0.0.1:50051", "dns:///host:port", "unix:path",
 * "xds:///name"). `options` may be NULL. It does not connect yet. INVALID_ARGUMENT: the target or
 * the TLS files are unusable.
 */
MESH_API mesh_code mesh_channel_create(const char *target, const mesh_channel_options *options,
                                       mesh_channel **channel, mesh_error *err);

/*
 * Gives up the channel; calls still running on it are cancelled and waited for, a connection that
 * is being made for a fifth of a second. NULL is accepted. Not from a callback of a call on the
 * channel.
 */
MESH_API void mesh_channel_destroy(mesh_channel *channel);

/* The target as given. */
MESH_API const char *mesh_channel_target(const mesh_channel *channel);

/*
 * mesh_cancel: gives calls up, of any kind and on any channel, that were made with it as the option
 * `cancel`. mesh_cancel_calls ends those that run, and those made with it later at once, with
 * CANCELLED unless they ended before. mesh_cancel_destroy does the same and waits until they have
 * ended (their callbacks have returned, their streams were finished); not from such a callback.
 * NULL is accepted. mesh_cancel_create returns NULL when out of memory. Any thread.
 */
typedef struct mesh_cancel mesh_cancel;
MESH_API mesh_cancel *mesh_cancel_create(void);
MESH_API void mesh_cancel_calls(mesh_cancel *cancel);
MESH_API void mesh_cancel_destroy(mesh_cancel *cancel);

/*
 * How a call is made; all zero is the default. Everything is borrowed for the call of the function
 * only, except `parent` and `cancel`, which must outlive the call (the runtime waits for it).
 */
typedef struct mesh_call_options {
    size_t size;
    /* deadline, cancellation and trace travel from it; a blocking answer lives in its arena */
    mesh_call *parent;
    /* where a blocking answer lives instead; one of both is needed for unary calls */
    mesh_arena *arena;
    /*
     * 0: the contract's default deadline; MESH_NO_TIMEOUT: none; below 0: it is over already,
     * DEADLINE_EXCEEDED. Never later than the parent's. What is computed goes through
     * mesh_timeout_left: 0 would be the default.
     */
    int64_t timeout_ms;
    /* who may give the call up besides; NULL: nobody */
    mesh_cancel *cancel;
    /* sent with the call; at most 64 entries and 12 KiB, counting 32 bytes more for each */
    const mesh_metadata *metadata;
    size_t metadata_count;
    /* wait for a connection instead of failing with UNAVAILABLE */
    bool wait_for_ready;
    /* gzip what is sent */
    bool compress;
    /*
     * Blocking unary calls only: receives leading metadata. There is room for headers_capacity
     * entries; what is beyond is dropped, and *header_count says how many were written. 0: none
     * came, the call ended before, or its arena has no memory left for them. header_count NULL:
     * none is asked for. Keys and values live in the arena of the answer.
     */
    mesh_metadata *headers;
    size_t headers_capacity;
    size_t *header_count;
    /* the same for trailing metadata */
    mesh_metadata *trailers;
    size_t trailers_capacity;
    size_t *trailer_count;
    /* blocking unary: receives whether the answer was compressed on its way */
    bool *was_compressed;
} mesh_call_options;

#define MESH_NO_TIMEOUT INT64_MAX

/*
 * `timeout_ms` for the time that is left, as of mesh_clock_left_ms: below 0 when none is, which is
 * DEADLINE_EXCEEDED, not the default.
 */
static inline int64_t mesh_timeout_left(int64_t left_ms)
{
    return left_ms > 0 ? left_ms : -1;
}

/*
 * Blocking unary call. On MESH_OK *response lives in options->arena or the parent's. Errors: those
 * the server answered; DEADLINE_EXCEEDED, CANCELLED; UNAVAILABLE (no connection); UNIMPLEMENTED (OK
 * without a response, or an answer of more than one:
 * https://grpc.github.io/grpc/core/md_doc_statuscodes.html, response cardinality);
 * RESOURCE_EXHAUSTED (answer too large); INTERNAL (answer malformed); FAILED_PRECONDITION (the
 * method was generated for a later version of the library).
 */
MESH_API mesh_code mesh_unary_call(mesh_channel *channel, const mesh_method *method,
                                   const ProtobufCMessage *request, ProtobufCMessage **response,
                                   const mesh_call_options *options, mesh_error *err);

/*
 * What an asynchronous call brought, for the generated adapter; borrowed for the callback.
 * `callback` and `context` are the caller's, to be cast back to the method's own callback type.
 */
typedef struct mesh_answer {
    mesh_code code;
    const ProtobufCMessage *response; /* NULL unless MESH_OK */
    const mesh_error *err;            /* NULL when MESH_OK */
    void (*callback)(void);
    void *context;
} mesh_answer;

typedef void mesh_answer_fn(const mesh_answer *answer);

/*
 * Asynchronous unary call: `adapter` runs exactly once, on a transport thread, and must not block.
 * Never when this function returns another code than MESH_OK: RESOURCE_EXHAUSTED (out of memory),
 * CANCELLED (the parent is), FAILED_PRECONDITION (as above), or an interceptor's. The request is
 * borrowed for the call of the function; of `callback`, only the fields `callback` and `context`
 * are used, and copied.
 */
MESH_API mesh_code mesh_unary_call_async(mesh_channel *channel, const mesh_method *method,
                                         const ProtobufCMessage *request,
                                         const mesh_call_options *options,
                                         const mesh_answer *callback, mesh_answer_fn *adapter);

/*
 * Opens a streaming call. `request` is sent first for server streaming, else NULL. On MESH_OK the
 * stream is the caller's until mesh_stream_finish.
 */
MESH_API mesh_code mesh_stream_open(mesh_channel *channel, const mesh_method *method,
                                    const ProtobufCMessage *request,
                                    const mesh_call_options *options, mesh_stream **stream,
                                    mesh_error *err);

MESH_END_DECLS

#endif
