/*
 * The seam between mesh/rpc and what carries its calls. Internal.
 *
 * Above it: calls, streams, handlers, interceptors, and what a received message is decoded from,
 * also when it is compressed: inflating takes long, and the transport's threads serve all calls.
 * Below it: HTTP/2, TLS, and the compression of what is sent. Nothing above knows completion queues
 * or byte buffers, nothing below knows handlers or message types.
 *
 * The contract, the same for every transport:
 *
 * Threads
 *   The events of one call never run concurrently, and never from inside an operation. An operation
 *   may be called from any thread, also while holding a lock that an event handler takes. The
 *   caller keeps operations of the same kind on one call apart (one read, one write at a time), and
 *   calls none after finish.
 *
 * Server calls
 *   on_open is the first event, on_done the last one. Between them at most one read and one write
 *   are outstanding; each read is answered by one on_message, each write by one on_written unless
 *   it is done at once,
 *   watch_close by one on_close, which comes before the on_message that the close is the cause of:
 *   who watches does not take a call that was given up for one that ended. Every server call is
 *   finished exactly once, also after on_close said that it was cancelled. on_done follows when
 *   finish and everything outstanding have been answered. wake, which may be called again before it
 *   was answered, is answered by an on_woken that comes after: who waits for another thread before
 *   it goes on with a call goes on in an event.
 *
 * One-step answers
 *   finish sends what is missing of headers, message and status in one operation; a unary call
 *   needs no other. Only calls that run on after on_open returned ask to see a close (watch_close),
 *   since it is one more operation for the transport. abort sends a status before: what is
 *   outstanding is answered then, and finish, which comes nevertheless, sends nothing. No read,
 *   write or watch_close follows it.
 *
 * Client calls
 *   call_create makes a call, which can be cancelled and released already; call_start sends headers
 *   and, when given, the one request with half-close. A unary call has exactly one event, on_unary;
 *   more than one answer is a status, UNIMPLEMENTED. A stream has on_headers at most once,
 *   on_message for each read, on_written for each write or half_close, and on_status once, when all
 *   that was asked before has been answered; what is asked after is answered, too (nothing, false).
 *   The opener releases a client call when it has the last event that it waits for.
 *
 * Ownership
 *   A received message is the receiver's until mesh_message_release, which comes before the next
 *   read; that of on_open may be kept over reads. A buffer is reserved, filled and then given away
 *   with a write or finish, or discarded. All other pointers are borrowed for the call of the
 *   function or the event. The memory of a server call is the transport's; it holds `upper_bytes`
 *   for the layer above.
 *
 * Failure
 *   Operations cannot fail: trouble shows as `ok == false` in the answer, or as a status.
 */
#ifndef MESH_RPC_TRANSPORT_H
#define MESH_RPC_TRANSPORT_H

#include "mesh/base/budget.h"
#include "mesh/rpc/channel.h"
#include "mesh/rpc/server.h"

typedef struct mesh_tcall mesh_tcall;       /* a call of the transport, either side */
typedef struct mesh_tserver mesh_tserver;   /* a listening server */
typedef struct mesh_tchannel mesh_tchannel; /* connections of a client */

/* A received message as it was on the wire: a borrowed list of slices. size 0 has no slice. */
typedef struct mesh_slice {
    const uint8_t *data;
    size_t size;
} mesh_slice;

typedef struct mesh_message {
    const mesh_slice *slices;
    size_t slice_count;
    size_t size;
    bool compressed; /* gzip or zlib */
    bool compact;    /* it keeps little more memory than its size, and nothing beside it */
    size_t limit;    /* what is inflated may have at most, as max_receive_bytes says */
    /*
     * Not MESH_OK: what is wrong with it; no slices then. RESOURCE_EXHAUSTED: there was no memory
     * for it. INTERNAL: it is said to be compressed, in a call that names no compression.
     * UNIMPLEMENTED: it came in a call that names a compression that the transport does not know.
     */
    mesh_code code;
    void *owner;
    void (*release)(void *owner);

    /* the layer above's */
    mesh_budget *budget; /* that it counts against; NULL: none */
    size_t held;         /* bytes of that */
    bool refused;        /* there was no room for it; no slices then */
} mesh_message;

static inline void mesh_message_release(mesh_message *message)
{
    if (message->release != NULL)
        message->release(message->owner);
    message->release = NULL;
    if (message->held > 0)
        mesh_budget_give(message->budget, message->held);
    message->held = 0;
}

/* Memory of the transport's for a message to be sent; `data` is NULL when there was none left. */
typedef struct mesh_buffer {
    uint8_t *data;
    size_t size;
    void *handle;
    bool compress; /* this message, where the call's own `compress` lets it */
} mesh_buffer;

/* A list of metadata to send. */
typedef struct mesh_metadata_list {
    mesh_metadata *entries;
    size_t count;
    size_t capacity;
} mesh_metadata_list;

/* What ends a server call. */
typedef struct mesh_final {
    const mesh_metadata_list *headers; /* sent unless a write did it */
    const mesh_buffer *message;        /* the answer, given away; NULL: none */
    bool compress;                     /* goes with the headers, as in write */
    mesh_code code;
    const char *text;       /* grpc-message; NULL: none */
    const uint8_t *details; /* grpc-status-details-bin */
    size_t details_size;
    const mesh_metadata_list *trailers;
    /* Nothing was done with the call: a transport may tell the client so instead of the rest, which
     * then tries it again on another connection (RFC 9113, section 8.7). */
    bool untouched;
    /* No such method, too much metadata, or a message that cannot be read: the client is why. */
    bool malformed;
    bool understood; /* a message of it was read, for a handler */
} mesh_final;

/* How a client call ended. */
typedef struct mesh_status {
    mesh_code code;
    const char *text; /* not NUL-terminated */
    size_t text_size;
    const uint8_t *details;
    size_t details_size;
} mesh_status;

/* What has become of a write. */
typedef enum mesh_write_result {
    MESH_WRITE_DONE,    /* the next may follow at once; on_written does not come */
    MESH_WRITE_PENDING, /* on_written tells when it is done */
    MESH_WRITE_FULL     /* the same, and no more should be sent until then: so much waits, or the
                           call has ended */
} mesh_write_result;

enum {
    MESH_WAITING_MESSAGE_BYTES = 128 /* that a message which waits to be sent counts beside its own:
                                        its frame, its slice, its place in a queue */
};

typedef struct mesh_received {
    mesh_metadata entry;
    size_t key_size;
    bool terminated;
} mesh_received;

typedef struct mesh_tcall_ops {
    /*
     * The next received metadata from position `*at` on, which moves behind it; 0 is the first (a
     * server: of the request; a client: leading or, with `trailing`, trailing). False at the end.
     * What a server call received stays where it is until on_done has returned. The key has
     * `key_size` bytes, and a NUL behind them if `terminated`.
     */
    bool (*metadata)(mesh_tcall *call, bool trailing, size_t *at, mesh_received *received);
    void (*peer)(mesh_tcall *call, mesh_arena *arena, mesh_peer *peer);

    void (*wake)(mesh_tcall *call);        /* server */
    void (*watch_close)(mesh_tcall *call); /* server */
    void (*read)(mesh_tcall *call);
    /*
     * `compress` goes with the headers: the call's messages may be compressed, and each says
     * itself whether it is. `more`: another write follows at once, so this one may wait for it.
     */
    mesh_write_result (*write)(mesh_tcall *call, const mesh_metadata_list *headers,
                               const mesh_buffer *message, bool compress, bool more);
    void (*finish)(mesh_tcall *call, const mesh_final *final); /* server */
    /*
     * Server, from an event of the call, before finish: its status, `details` with it, goes out at
     * once, whatever still waits to be sent; on the core behind the one write that is outstanding.
     * `final` has only `code`, `text` and `details`.
     */
    void (*abort)(mesh_tcall *call, const mesh_final *final);
    void (*half_close)(mesh_tcall *call); /* client; answered by on_written */
    void (*cancel)(mesh_tcall *call);     /* the peer sees CANCELLED */
    void (*release)(mesh_tcall *call);    /* frees a call that outlived its last event */
} mesh_tcall_ops;

/* The head of every transport's call. */
struct mesh_tcall {
    const mesh_tcall_ops *ops;
    void *upper; /* server: `upper_bytes` of memory; client: what call_start was given */
};

/* When a new call of a method comes up. */
typedef enum mesh_arrival {
    MESH_AT_HEADERS, /* streams of requests */
    MESH_AT_MESSAGE  /* with the one request; a read tells that the client ended, or sent more */
} mesh_arrival;

/* What a new server call brings. */
typedef struct mesh_open {
    void *method;     /* as given to server_add_method; NULL: no such method */
    const char *path; /* when method is NULL; not NUL-terminated */
    size_t path_size;
    int64_t deadline_ns;    /* MESH_NO_DEADLINE: none */
    bool too_much_metadata; /* more than the transport allows: to be refused */
    bool has_message;       /* the request, unless the call came AT_HEADERS */
    mesh_message message;
    /* Tells it from the server's others, as long as it has calls. NULL: the transport cannot. */
    const void *connection;
} mesh_open;

typedef struct mesh_server_events {
    /* Zeroed when the memory of a call is made; kept as it is when it is used again. */
    size_t upper_bytes;
    void (*on_open)(void *server, mesh_tcall *call, mesh_open *open);
    void (*on_message)(mesh_tcall *call,
                       mesh_message *message); /* NULL: the peer sends no more, or is gone */
    void (*on_written)(mesh_tcall *call, bool ok);
    void (*on_woken)(mesh_tcall *call);
    void (*on_close)(mesh_tcall *call, bool cancelled);
    /* True: the memory may be used again. False: the layer above keeps it and will release it. */
    bool (*on_done)(mesh_tcall *call);
    void (*on_free)(void *upper); /* the memory of a call goes away */
} mesh_server_events;

typedef struct mesh_client_events {
    void (*on_headers)(mesh_tcall *call);
    void (*on_message)(mesh_tcall *call, mesh_message *message); /* NULL: no more */
    void (*on_written)(mesh_tcall *call, bool ok);
    void (*on_status)(mesh_tcall *call, const mesh_status *status);
    void (*on_unary)(mesh_tcall *call, mesh_message *message,
                     const mesh_status *status); /* message may be NULL */
} mesh_client_events;

/* How a client call starts. */
typedef struct mesh_start {
    const mesh_method *method;
    int64_t deadline_ns;
    const mesh_metadata_list *metadata;
    bool wait_for_ready;
    bool compress; /* messages may be compressed; each says itself whether it is */
    bool blocking; /* unary: the events run inside `drive` on the calling thread */
    const mesh_buffer
        *request; /* given away; then the call is half-closed. NULL: a stream of requests */
} mesh_start;

typedef struct mesh_transport {
    const char *name; /* "core" */

    bool (*reserve)(size_t size, mesh_buffer *buffer);
    void (*discard)(mesh_buffer *buffer);

    /* Servers. add_method before start; `method` is handed back in mesh_open. */
    mesh_code (*server_create)(const mesh_server_options *options, const mesh_server_events *events,
                               void *server, mesh_tserver **tserver, mesh_error *err);
    mesh_code (*server_add_method)(mesh_tserver *tserver, const char *path, mesh_arrival arrival,
                                   void *method, mesh_error *err);
    mesh_code (*server_start)(mesh_tserver *tserver, int *port, mesh_error *err);
    /*
     * No new connections from now on, and clients are told to make no new calls on those there are.
     * Running calls go on, and those come yet that a client had sent before it knew.
     */
    void (*server_refuse)(mesh_tserver *tserver);
    /* Whether there are connections, so that such calls may come. */
    bool (*server_has_connections)(mesh_tserver *tserver);
    /* Whether there are connections that have not taken yet all that was sent to them. */
    bool (*server_is_sending)(mesh_tserver *tserver);
    void (*server_cancel)(mesh_tserver *tserver);  /* cancels all running calls */
    void (*server_destroy)(mesh_tserver *tserver); /* after the last on_done */

    /* Channels. */
    mesh_code (*channel_create)(const char *target, const mesh_channel_options *options,
                                mesh_tchannel **tchannel, mesh_error *err);
    void (*channel_destroy)(mesh_tchannel *tchannel); /* after the last event of its calls */
    mesh_tcall *(*call_create)(mesh_tchannel *tchannel, const mesh_start *start,
                               const mesh_client_events *events,
                               void *upper); /* NULL: out of memory */
    void (*call_start)(mesh_tcall *call,
                       const mesh_start *start); /* the same `start`; events come from now on */
    void (*drive)(mesh_tcall *call);             /* runs the one event of a blocking unary call */
} mesh_transport;

/* The transport on the gRPC C core: servers and channels. */
extern const mesh_transport mesh_transport_core;

/* That on nghttp2: servers only. */
extern const mesh_transport mesh_transport_h2;

#endif
