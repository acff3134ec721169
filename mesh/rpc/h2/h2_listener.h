/*
 * The sockets a server listens on, and the thread that accepts. Internal to mesh/rpc/h2.
 *
 * It accepts what the limits let in and closes the rest at once. A descriptor is kept in reserve:
 * when there are no others it is closed for the moment in which a connection is accepted and
 * refused, so that a client is told at once, and nothing spins. When descriptors are free again it
 * goes on by itself.
 */
#ifndef MESH_RPC_H2_H2_LISTENER_H
#define MESH_RPC_H2_H2_LISTENER_H

#include "mesh/rpc/h2/h2_limits.h"
#include "mesh/rpc/h2/h2_tls.h"

typedef struct h2_listener h2_listener;

/* A connection that was let in. `io` and `ticket` are given away: h2_io_close, h2_limits_leave. */
typedef struct h2_accepted {
    h2_io io; /* TCP_NODELAY is set; the TLS handshake is still to be made */
    h2_ticket ticket;
} h2_accepted;

typedef struct h2_listener_options {
    const char
        *listen; /* HOST:PORT, [V6]:PORT, unix:PATH, or fd://N: a socket that listens already */
    h2_tls *tls; /* NULL: plaintext; outlives the listener */
    h2_limits *limits;                                             /* outlives the listener */
    void (*on_accept)(void *context, const h2_accepted *accepted); /* on the listener's thread */
    void *context;
} h2_listener_options;

/*
 * Binds and listens; clients wait for start. UNAVAILABLE: the address cannot be bound; the message
 * says which and why. A socket at PATH that nobody listens on any more is replaced.
 */
mesh_code h2_listener_create(const h2_listener_options *options, h2_listener **listener,
                             mesh_error *err);

/* The bound port; 0 of Unix sockets. */
int h2_listener_port(const h2_listener *listener);

/* Starts to accept. RESOURCE_EXHAUSTED: there is no thread for it. Once. */
mesh_code h2_listener_start(h2_listener *listener, mesh_error *err);

/*
 * Stops listening, also on an inherited socket's descriptor, which others may go on with. No
 * on_accept runs after it. Clients whose connection was not accepted yet are refused. Idempotent,
 * one thread at a time; not from on_accept.
 */
void h2_listener_stop(h2_listener *listener);
void h2_listener_destroy(h2_listener *listener); /* stops it; NULL is accepted */

#endif
