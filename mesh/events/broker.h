/*
 * The connection to the broker: made in the background, made again when it is lost, with the stream
 * and this service's durable consumer in place before anybody may use it. Thread-safe.
 */
#ifndef MESH_EVENTS_BROKER_H
#define MESH_EVENTS_BROKER_H

#include <nats/nats.h>

#include "mesh/events/events.h"

#define MESH_EVENTS_STREAM "EVENTS"
#define MESH_EVENTS_PREFIX "events." /* of every subject on the bus */
/* Published to see whether the stream answers; it is never stored. */
#define MESH_EVENTS_PROBE MESH_EVENTS_PREFIX "probe"
/* Dead letters of the service "order": the stream DEAD-order, subjects dead.order.> */
#define MESH_DEAD_STREAM "DEAD-"
#define MESH_DEAD_PREFIX "dead."
/* Answers come to "_INBOX_order." and more: what a service may hear is said by its name. */
#define MESH_EVENTS_INBOX "_INBOX_"

enum {
    MESH_EVENTS_MAX_AGE_DAYS = 30,
    MESH_EVENTS_DUPLICATE_WINDOW_S = 600, /* publishing again within it is harmless */
    MESH_EVENTS_MAX_HEADER_BYTES = 16 * 1024,
    MESH_EVENTS_SERVICE_MAX = 64, /* characters of a service's name */
    MESH_DEAD_STREAM_BYTES = MESH_EVENTS_SERVICE_MAX + 8,
    /* Deliveries without an answer that the broker keeps of a consumer, those sent back for later
     * included: what waits must not keep others from coming; but what is far behind is better left
     * in the stream, in its order, than sent round. */
    MESH_EVENTS_MAX_UNANSWERED = 8192,
    /* Feeds of one service that read at once. Their consumers are called "order-feed-1" and so on:
     * what a service's user may do is said by names (scripts/lib/nats). */
    MESH_EVENTS_FEEDS = 8
};
#define MESH_EVENTS_MAX_BYTES ((int64_t)4 << 30) /* of the stream; the oldest go first */
#define MESH_DEAD_MAX_BYTES ((int64_t)1 << 30)   /* then no more are taken */

typedef struct mesh_broker mesh_broker;

/* One connection. Shared by those who acquired it; the last one to release it closes it. */
typedef struct mesh_link {
    natsConnection *connection;
    jsCtx *js;
    int owners; /* guarded by the broker's mu: the keeper while it is in use, and each user */
} mesh_link;

typedef struct mesh_broker_settings {
    const char *url;     /* borrowed for the broker's life */
    const char *service; /* the same */
    bool consumes;       /* make and watch durable consumer and stream of dead letters */
    int64_t ack_wait_ms;
    uint64_t start_sequence; /* as in mesh_events_options */
    int64_t start_time_ns;
} mesh_broker_settings;

/* The one that a service's events come and go by. */
mesh_broker *mesh_events_broker(mesh_events *events);

/* INVALID_ARGUMENT unless it may be the name of a durable consumer and a part of a URI: 1 to 64 of
 * a-z 0-9 - _. */
mesh_code mesh_broker_check_service(const char *service, mesh_error *err);

mesh_code mesh_broker_create(const mesh_broker_settings *settings, mesh_broker **broker,
                             mesh_error *err);

/* Starts the thread that connects; does nothing once it was started. By one thread at a time. */
mesh_code mesh_broker_start(mesh_broker *broker, mesh_error *err);

/* Ends that thread; who waits for a link gets none from now on. Destroy once every link is
 * released. NULL is accepted by both. */
void mesh_broker_stop(mesh_broker *broker);
void mesh_broker_destroy(mesh_broker *broker);

/* Waits for a connection with everything in place; NULL when stopped, or after `timeout_ms`. */
mesh_link *mesh_broker_acquire(mesh_broker *broker, int64_t timeout_ms);
void mesh_broker_release(mesh_broker *broker, mesh_link *link);

/* For what writing a message to a connection came to: one that does not take it is closed, since a
 * part of the message may be on its way. The status again. */
natsStatus mesh_broker_written(natsConnection *connection, natsStatus status);

/* The first message of the stream at this place or behind it, of subjects that fit the filter; the
 * caller destroys it. NATS_NOT_FOUND: there is none. */
natsStatus mesh_broker_read(mesh_link *link, const char *stream, const char *filter, uint64_t from,
                            natsMsg **message);

/* What mesh_broker_read answers for a stored message that looks to the library like a word of the
 * broker's own (it is empty and has a header Status), and so is kept from us. */
bool mesh_broker_is_unseen(natsStatus status);

/* A user met something that should not be: look after connection, stream and consumer. */
void mesh_broker_suspect(mesh_broker *broker);

/* As mesh_events_ready. */
mesh_code mesh_broker_ready(mesh_broker *broker, mesh_error *err);

/* The largest message that the broker takes, headers included, as it said when it was
 * connected to last; 0: it never was. */
int64_t mesh_broker_max_payload(mesh_broker *broker);

/* A time that a consumer begins with (OptStartTime), down to the second: nats.c 3.4 writes
 * fractions without their leading zeros, and so begins up to 0.9 s too late. */
int64_t mesh_broker_start_time(int64_t wall_ns);

/* Whether the consumer cannot be given the first events of each aggregate: the stream has lost its
 * beginning, or the consumer did not start there. As of a few seconds ago. */
bool mesh_broker_history_cut(mesh_broker *broker);

/* Whether every event up to this number has been answered, or came back at least once: none of them
 * may still lie untried with an instance, one that died included. As of a few seconds ago. */
bool mesh_broker_settled(mesh_broker *broker, uint64_t sequence);

/* The number of the last event that the durable consumer had been given when it was seen first;
 * false: it was not seen yet. */
bool mesh_broker_delivered(mesh_broker *broker, uint64_t *delivered);

/* Events that the durable consumer has not been given yet, as of a few seconds ago; connections
 * made after the first one. */
void mesh_broker_figures(mesh_broker *broker, uint64_t *lag, uint64_t *reconnects);

#endif
