/*
 * mesh_server: accepts calls and hands them to the handlers of its apis.
 *
 *   mesh_server *server;
 *   mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:50051"}, &server, &err);
 *   mesh_server_add(server, hello__v1__greeter__api(&greeter, NULL), &err);
 *   mesh_server_start(server, &err);
 *   ...
 *   mesh_server_drain(server, 10000);
 *   mesh_server_destroy(server);
 *
 * create, add and start on one thread; the others from any.
 */
#ifndef MESH_RPC_SERVER_H
#define MESH_RPC_SERVER_H

#include "mesh/rpc/stream.h"
#include "mesh/rpc/tls.h"

MESH_BEGIN_DECLS

typedef struct mesh_server mesh_server;

/*
 * Sees every call of a server, of all kinds, in the order given. on_open runs before anything is
 * decoded; not MESH_OK refuses the call with that error. on_close runs exactly once for each
 * on_open that was called, in reverse order, with the code that was answered. Both run on any of
 * the server's threads and must not block; who has to wait for something suspends the call
 * (mesh_call_suspend). The runtime's own come first: trace, then deadline, then
 * overload.
 */
typedef struct mesh_interceptor {
    const char *name;
    mesh_code (*on_open)(void *self, mesh_call *call, mesh_error *err);
    void (*on_close)(void *self, mesh_call *call, mesh_code code);
    void *self;

    /* Sees also the calls that the runtime refuses by itself (deadline, max_calls), to count them;
     * those that observe come first in the list. */
    bool observes;

    /* Decides methods whose policy is not `public`. Without one such a method keeps the server from
     * starting. */
    bool authorizes;

    const void *reserved[2];
} mesh_interceptor;

typedef struct mesh_server_options {
    size_t size;
    const char *listen; /* HOST:PORT, [V6]:PORT, unix:PATH, or fd://N, an inherited socket that
                           listens ("h2" only); port 0 takes a free one */
    const mesh_tls_options *tls; /* NULL: plaintext; borrowed for the call of create */
    size_t worker_count; /* threads for handlers that may block, default 16. While each connection
                            has a share, streams take three quarters of them at most, rounded
                            down to no less than one, so that clients who do not read leave some
                            to calls of one answer */
    size_t worker_queue; /* calls that may wait for one, default 256; beyond: RESOURCE_EXHAUSTED at
                            once. Connections are served in turn; while each has a share, a quarter
                            is kept for those with nothing in it, from streams, too, and from
                            messages of more than 128 KiB, inflated */
    size_t poller_count; /* transport threads, default one a core that the process may use */
    size_t max_calls;    /* running at once, default 10,000; beyond: RESOURCE_EXHAUSTED at once */
    size_t max_receive_bytes;     /* largest message, default 4 MiB */
    size_t arena_limit_bytes;     /* memory of one call, default 16 MiB */
    size_t stream_budget_bytes;   /* messages waiting to be sent on a stream, each counted with 128
                                       bytes more, default 64 KiB */
    int64_t keepalive_ms;         /* PING after this silence, default 60,000 */
    int64_t keepalive_timeout_ms; /* answer to it, default 20,000 */
    int64_t max_connection_idle_ms;       /* default: never */
    int64_t max_connection_age_ms;        /* default: never */
    const mesh_interceptor *interceptors; /* copied; `self` borrowed for the server's life */
    size_t interceptor_count;

    /* later than 0.1.0: these need MESH_OPTIONS */

    /*
     * What received messages of more than 4 KiB, from their arrival until they are unpacked, the
     * arenas of all calls beyond their first 4 KiB, answers of more than 4 KiB until the transport
     * has sent them, and what waits on streams may hold together, in bytes; default 256 MiB.
     * Beyond: RESOURCE_EXHAUSTED, for who would pass it, instead of an answer that was to be sent,
     * too. The share of a connection is at least max_receive_bytes; what is unpacked from such a
     * message should fit beside it, too, or none of that size is taken.
     */
    size_t memory_budget_bytes;
    /*
     * How much of max_calls, of the workers and their queue together, and of memory_budget_bytes
     * the calls of one connection may take, in percent, so that something is left for others;
     * default 50, 100: all. Beyond: RESOURCE_EXHAUSTED at once. Of the workers alone it may take as
     * much, too, and at least one; what is beyond that waits in the queue.
     */
    size_t connection_share_percent;
    /*
     * How long a blocking send (mesh_stream_send) waits until the client has taken enough of what
     * was sent before; default 30,000. Beyond: the call is cancelled, so that its handler does not
     * keep its worker.
     */
    int64_t send_timeout_ms;

    /*
     * What clients may take of the server's sockets and of its HTTP/2; on the transport "h2" only,
     * since the gRPC C core limits none of it.
     *
     * Connections in all, default 10,000, but no more than the process has file descriptors for:
     * RLIMIT_NOFILE less an eighth of it, at most 1,024, which are for other things. From one IPv4
     * address, or from one IPv6 network of 64 bits, but not of Unix sockets, at most
     * max_address_connections, default half of those in all. Of those whose client has not sent its
     * first frames max_handshakes, default 1,000, and half of that from one address. Beyond: closed
     * at once.
     */
    size_t max_connections;
    size_t max_address_connections;
    size_t max_handshakes;
    /* Until a client's first frames are here, TLS with it; default 10,000. Then it is closed. */
    int64_t handshake_timeout_ms;
    /*
     * Calls of one connection at once, announced to its client; default 1,000. Beyond: refused in a
     * way that says that it may be tried again.
     */
    size_t max_connection_streams;
    /*
     * What may wait in memory of requests that are not here as a whole, and of answers that clients
     * have not read, in bytes; default 128 MiB, or as many more as one of max_receive_bytes needs.
     * A connection has connection_share_percent of it, at least max_receive_bytes. Beyond:
     * RESOURCE_EXHAUSTED, for a request and instead of an answer; a connection that does not take
     * what is on its way is closed. When there is no more in all, the connection that holds most is
     * closed for those who need some.
     */
    size_t buffer_budget_bytes;
    /*
     * What carries the calls: "h2", nghttp2 and OpenSSL (mesh/rpc/h2/README.md), or "core", the
     * gRPC C core. NULL: what the environment variable MESH_SERVER says, else "h2" (docs/adr/0011).
     * Borrowed for the call of create.
     */
    const char *transport;
} mesh_server_options;

/*
 * INVALID_ARGUMENT: an option is out of range, a TLS file unusable, there is no transport of that
 * name, or max_receive_bytes more than a connection may have of memory_budget_bytes; the message
 * names it.
 */
MESH_API mesh_code mesh_server_create(const mesh_server_options *options, mesh_server **server,
                                      mesh_error *err);

/*
 * Adds a service, before start. FAILED_PRECONDITION: methods have no declared policy, or one has a
 * policy that nothing here decides, or two filled slots; or the service was generated for a later
 * version of the library. ALREADY_EXISTS: the service was added before. The message names what is
 * wrong; all methods without a policy, as far as there is room.
 */
MESH_API mesh_code mesh_server_add(mesh_server *server, mesh_api api, mesh_error *err);

/*
 * Binds and serves. UNAVAILABLE: the address cannot be bound; the message says which and why.
 * FAILED_PRECONDITION: it was started before, in vain or not.
 */
MESH_API mesh_code mesh_server_start(mesh_server *server, mesh_error *err);

/* The bound port; 0 before start and for Unix sockets. */
MESH_API int mesh_server_port(const mesh_server *server);

/* The services added so far, in order. Valid until the next add. */
MESH_API const mesh_api *mesh_server_apis(const mesh_server *server, size_t *count);

/* Calls running now. */
MESH_API size_t mesh_server_active(const mesh_server *server);

/*
 * Graceful stop: asks clients for no new calls (GOAWAY) and waits for those running, then cancels
 * what is left after `drain_timeout_ms` and waits for that. Calls that clients had sent before they
 * knew are served, also one whose request is only half here: until all clients have closed their
 * connections, but no longer than a second or the time-out; after that they are answered
 * UNAVAILABLE. In the end it waits until the connections have taken all that was sent, within the
 * time-out and for five seconds at most. True when no call had to be cancelled. Once.
 */
MESH_API bool mesh_server_drain(mesh_server *server, int64_t drain_timeout_ms);

/*
 * Frees it, after a drain with time-out 0 if there was none. NULL is accepted. Not from a handler,
 * nor while a drain runs.
 */
MESH_API void mesh_server_destroy(mesh_server *server);

MESH_END_DECLS

#endif
