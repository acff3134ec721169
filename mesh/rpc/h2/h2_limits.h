/*
 * What clients may take of a server, all of them and each connection. Internal to mesh/rpc/h2.
 *
 * One h2_limits a server, shared by its threads; one h2_ticket a connection, used by its loop only.
 * What is over a limit is refused at once and counted; each limit is logged once a second at most,
 * with how often it was passed.
 */
#ifndef MESH_RPC_H2_H2_LIMITS_H
#define MESH_RPC_H2_H2_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "mesh/base/budget.h"
#include "mesh/rpc/server.h"

enum {
    /*
     * Frames of a connection that bring nothing: PING, SETTINGS, DATA without bytes that ends
     * nothing, WINDOW_UPDATE, RST_STREAM, PRIORITY, unknown ones, those of streams that are no
     * more. So many at once, then so many a second. A frame that does bring something, or carries
     * an answer, makes up for some, since decent clients answer those so. They may do it late, and
     * for all of their streams at once: what was made up for is kept, for as many as cost the
     * processor about ten milliseconds.
     */
    H2_IDLE_FRAMES_MAX = 1000,
    H2_IDLE_FRAMES_A_SECOND = 100,
    H2_IDLE_FRAMES_A_USEFUL_ONE = 4,
    H2_IDLE_FRAMES_KEPT_MAX = 100000,

    /*
     * Calls whose answer had not begun when the client reset them, or broke a rule so that nghttp2
     * did (CVE-2023-44487, CVE-2025-8671). One that was answered makes up for one. nghttp2's own
     * limit is off: it counts also the streams that a client ends when it has seen enough.
     */
    H2_RESETS_MAX = 1000,
    H2_RESETS_A_SECOND = 33
};

typedef enum h2_limit {
    H2_LIMIT_CONNECTIONS,         /* in all */
    H2_LIMIT_ADDRESS_CONNECTIONS, /* from one address */
    H2_LIMIT_HANDSHAKES,          /* connections that have not said anything of use yet */
    H2_LIMIT_ADDRESS_HANDSHAKES,  /* of one address */
    H2_LIMIT_DESCRIPTORS,         /* of the process */
    H2_LIMIT_HANDSHAKE_TIME,      /* first bytes and TLS */
    H2_LIMIT_STREAMS,             /* of a connection */
    H2_LIMIT_HEADERS,             /* header list */
    H2_LIMIT_IDLE_FRAMES,
    H2_LIMIT_RESETS,
    H2_LIMIT_BUFFERED, /* bytes, of a connection or in all */
    H2_LIMIT_COUNT
} h2_limit;

typedef struct h2_limits h2_limits;

/* An address that connections came from; they are counted by it. */
typedef struct h2_address h2_address;

/*
 * A token bucket. When it has too few it is filled up by the time since the last time; what is put
 * into it may be more than that fills it with.
 */
typedef struct h2_bucket {
    uint32_t tokens;
    int64_t filled_ns;
} h2_bucket;

/* Takes some, unless there are too few; `most` fill it, and `a_second` come back. */
bool h2_bucket_take(h2_bucket *bucket, uint32_t count, uint32_t most, uint32_t a_second,
                    int64_t now_ns);

/* A connection's place. */
typedef struct h2_ticket {
    h2_address *address; /* NULL: not counted by it (Unix sockets) */
    bool handshaking;
    bool suspect;     /* it comes from where others came from that were to blame */
    bool broke_rules; /* of HTTP/2, or passed a limit */
    bool is_wasteful; /* nothing comes of its calls */
    bool was_served;  /* a call of it was */
    int64_t entered_ns;
    h2_bucket idle_frames;
    h2_bucket resets;
    mesh_budget buffered;     /* bytes received or to be sent, of this connection and in all */
    struct sockaddr_in6 peer; /* AF_INET: a sockaddr_in in its place; AF_UNIX: the family only */
} h2_ticket;

/* `options` have their defaults. RESOURCE_EXHAUSTED: out of memory. */
mesh_code h2_limits_create(const mesh_server_options *options, h2_limits **limits, mesh_error *err);
void h2_limits_destroy(h2_limits *limits); /* after all have left; NULL is accepted */

/* Fills in the ticket of a new connection, which is handshaking. False: a limit was passed. */
bool h2_limits_enter(h2_limits *limits, const struct sockaddr *peer, socklen_t size,
                     h2_ticket *ticket);
/* Its first frames have come (TLS, preface, SETTINGS). */
void h2_limits_ready(h2_limits *limits, h2_ticket *ticket);
/* It is gone, and has given back its bytes. */
void h2_limits_leave(h2_limits *limits, h2_ticket *ticket);

/* "ipv4:127.0.0.1:4711", "ipv6:[::1]:4711", "unix:" */
enum {
    H2_PEER_TEXT_BYTES = 80
};
void h2_ticket_peer(const h2_ticket *ticket, char text[H2_PEER_TEXT_BYTES]);

/* From accept until h2_limits_ready at most; beyond: h2_limits_refused(HANDSHAKE_TIME), close. */
int64_t h2_limits_handshake_ms(const h2_limits *limits);
/* To be announced as MAX_CONCURRENT_STREAMS. */
uint32_t h2_limits_streams(const h2_limits *limits);

/*
 * Frames that brought nothing; `now_ns` is monotonic and may be the loop's, a little old. False:
 * there were too many, which is counted: the connection is to be closed with ENHANCE_YOUR_CALM.
 */
bool h2_limits_idle_frames(h2_limits *limits, h2_ticket *ticket, uint32_t count, int64_t now_ns);
/* Frames that bring something came or went: HEADERS, DATA with bytes. */
void h2_ticket_useful_frames(h2_ticket *ticket, uint32_t count);
/* A call ended before its answer began, by a reset that was the client's doing. False: as above. */
bool h2_limits_reset(h2_limits *limits, h2_ticket *ticket, int64_t now_ns);
/* A call was answered. */
void h2_ticket_call_ended(h2_ticket *ticket);

/*
 * Takes room for bytes that are kept of or for the connection. False: there is none, in all or for
 * this one; nothing was taken. Given back with h2_ticket_give.
 */
static inline bool h2_ticket_take(h2_ticket *ticket, size_t bytes)
{
    return mesh_budget_take(&ticket->buffered, bytes);
}
static inline void h2_ticket_give(h2_ticket *ticket, size_t bytes)
{
    mesh_budget_give(&ticket->buffered, bytes);
}
static inline size_t h2_ticket_held(const h2_ticket *ticket)
{
    return atomic_load_explicit(&ticket->buffered.held, memory_order_relaxed);
}
/* Whether it would be within the connection's share. */
static inline bool h2_ticket_has_share(const h2_ticket *ticket, size_t bytes)
{
    return bytes <= ticket->buffered.limit &&
           h2_ticket_held(ticket) <= ticket->buffered.limit - bytes;
}

/* Counts what was refused for a limit, and logs it when a second has passed since the last time. */
void h2_limits_refused(h2_limits *limits, h2_limit limit, const h2_ticket *ticket);

/* How often. */
uint64_t h2_limits_count(const h2_limits *limits, h2_limit limit);
const char *h2_limit_name(h2_limit limit); /* "connections" */

#endif
