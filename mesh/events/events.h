/*
 * Domain events over NATS JetStream.
 *
 * An event is a message of the contract with the option (mesh.v1.event). For each the plugin
 * generates
 *
 *   mesh_code order__v1__order_created__add(mesh_tx *tx, const Order__V1__OrderCreated *event,
 *                                           mesh_error *err);
 *   mesh_consumer order__v1__order_created__consumer(handler, self);
 *   mesh_consumer order__v1__order_created__batch_consumer(batch_handler, self);
 *
 * add belongs to the transaction: the event is written into the outbox by it, just before it
 * commits, and published by a relay as soon as it has; never when it does not. A consumer's handler
 * runs in a transaction that has already noted the event's id (the inbox), so a redelivered event
 * changes nothing, and the message is acknowledged after the commit.
 *
 * On the wire (CloudEvents 1.0, binary mode of the NATS protocol binding): the payload is the
 * encoded message, the headers are ce-specversion, ce-id (UUIDv7), ce-type (full message name),
 * ce-source ("/order"), ce-subject (the aggregate's id, percent-encoded), ce-time,
 * ce-aggregatetype ("order"), ce-aggregateversion, content-type (application/protobuf), traceparent
 * when the event was added within a trace, and Nats-Msg-Id (= ce-id, de-duplicates publishing). The
 * subject is "events." and the event's own.
 */
#ifndef MESH_EVENTS_EVENTS_H
#define MESH_EVENTS_EVENTS_H

#include <protobuf-c/protobuf-c.h>

#include "mesh/base/trace.h"
#include "mesh/db/db.h"
#include "mesh/db/migrate.h"

MESH_BEGIN_DECLS

/* Turns an older event into one that takes its place; written by the plugin around the function
 * that the contract's owner wrote. */
typedef mesh_code mesh_upcast_fn(mesh_arena *arena, const ProtobufCMessage *from,
                                 ProtobufCMessage *event, mesh_error *err);

/* Constant table of an event, written by the plugin from (mesh.v1.event). */
typedef struct mesh_event_descriptor mesh_event_descriptor;
struct mesh_event_descriptor {
    const char
        *subject; /* "order.v1.OrderCreated"; also the NATS subject, below the prefix "events." */
    const ProtobufCMessageDescriptor *message;
    const char *aggregate_type; /* "order" */
    const char *(*aggregate_id)(const ProtobufCMessage *event);
    int64_t (*version)(
        const ProtobufCMessage *event); /* NULL when the contract names no version field */
    /* The event whose place this one takes, which its consumers are given, too; NULL: none. */
    const mesh_event_descriptor *older;
    mesh_upcast_fn *upcast;    /* from that one */
    const char *version_field; /* its name; NULL as `version` */
    const void *reserved[1];
};

/* What came with an event; borrowed for the handler. */
typedef struct mesh_event {
    const char *id;      /* UUID */
    const char *subject; /* "order.v1.OrderCreated" */
    const char *source;  /* "/order" */
    const char *aggregate_id;
    int64_t version;   /* of the aggregate; 0 when it has none */
    int64_t time_ns;   /* when it was added, since the Unix epoch */
    uint64_t sequence; /* in the stream */
    int delivery;      /* 1 for the first; one that only waited, or was given back, counts */
} mesh_event;

/*
 * Adapter from the untyped runtime to a typed handler. MESH_OK: committed and acknowledged. Another
 * code: rolled back and delivered again later; INVALID_ARGUMENT, NOT_FOUND and FAILED_PRECONDITION
 * are final causes for operators to read, but are tried again all the same until the last attempt;
 * trouble that passes (UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED, RESOURCE_EXHAUSTED, CANCELLED) is
 * not held against the event, which then comes up to 60 times as often. The transaction may be
 * shared with other events, each of which is handled again alone when one fails: what a handler
 * does elsewhere belongs into mesh_tx_after_commit. Its deadline is handler_timeout_ms.
 */
typedef mesh_code mesh_consume_fn(void (*handler)(void), void *self, mesh_tx *tx,
                                  const mesh_event *meta, const ProtobufCMessage *event,
                                  mesh_error *err);

/* One of several events that a handler gets at once; borrowed for the handler. */
typedef struct mesh_received {
    const mesh_event *meta;
    const ProtobufCMessage *event;
} mesh_received;

enum {
    MESH_BATCH_MAX = 512
};

/*
 * The same for a handler that takes several events at once, so that it can change many rows by one
 * statement: as many as follow each other in the transaction, those of an aggregate together and in
 * their order, at least 1 and at most MESH_BATCH_MAX. When it fails, it gets each of them again
 * alone. The thread's current trace is that of the first one.
 */
typedef mesh_code mesh_consume_batch_fn(void (*handler)(void), void *self, mesh_tx *tx,
                                        const mesh_received *received, size_t count,
                                        mesh_error *err);

typedef struct mesh_consumer {
    const mesh_event_descriptor *event; /* NULL ends a table */
    mesh_consume_fn *adapter;           /* NULL: the other one */
    void (*handler)(void);              /* the typed handler, cast back by the adapter */
    void *self;
    mesh_consume_batch_fn *batch_adapter;
    const void *reserved[1];
} mesh_consumer;

/* For generated code, which does not say what else a consumer may have. */
static inline mesh_consumer mesh_consumer_make(const mesh_event_descriptor *event,
                                               mesh_consume_fn *adapter, void (*handler)(void),
                                               void *self)
{
    mesh_consumer consumer = {event, adapter, handler, self, NULL, {NULL}};

    return consumer;
}

static inline mesh_consumer mesh_batch_consumer_make(const mesh_event_descriptor *event,
                                                     mesh_consume_batch_fn *batch_adapter,
                                                     void (*handler)(void), void *self)
{
    mesh_consumer consumer = {event, NULL, handler, self, batch_adapter, {NULL}};

    return consumer;
}

enum {
    MESH_EVENT_MAX_BYTES = 512 * 1024
};

/*
 * Called by generated code. The event gets its id and time and is encoded now, with the thread's
 * current trace, into the transaction's arena; the commit inserts all events of the transaction by
 * one statement a thousand, and fails when that fails. Who adds an event holds a lock on its
 * aggregate's row (has changed it), so events of one aggregate are in the order of the commits.
 *
 * INVALID_ARGUMENT: the aggregate id is empty, longer than 512 bytes or not UTF-8, the field with
 * its version is less than 1 (of an event whose contract names none no order is kept), the encoding
 * is longer than MESH_EVENT_MAX_BYTES, or the message with its headers than the broker takes (its
 * max_payload, which is known from the first connection on); FAILED_PRECONDITION: no mesh_events
 * was created for the transaction's database, or the transaction is an autocommit or a read-only
 * one; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_API mesh_code mesh_event_add(mesh_tx *tx, const mesh_event_descriptor *event,
                                  const ProtobufCMessage *message, mesh_error *err);

/* The connection of a service to the broker. All functions are thread-safe. */
typedef struct mesh_events mesh_events;

typedef struct mesh_events_options {
    size_t size;
    const char *url; /* nats://[USER:PASSWORD@]HOST:PORT[,...] */
    const char *
        service; /* source of what is published, name of the durable consumer and its queue group */
    mesh_db *db; /* borrowed; inbox and handlers' transactions, and the transactions that events
                    are added to */
    const mesh_consumer *consumers; /* ended by an entry without event; copied; NULL: none */
    int64_t ack_wait_ms; /* redelivery of what was not acknowledged, default 30,000, at most a
                            day */
    bool no_consume; /* this process leaves the events to others of its service; the consumers are
                        there to be looked after (operate.h) */
    int max_deliver; /* attempts, default 10, at most 1,000,000; then it is a dead letter */
    size_t concurrency; /* handlers at once, default 4; events of one aggregate stay in order */
    int64_t handler_timeout_ms; /* until then the broker hears that a handler still runs, and its
                                   transaction has time; who is frozen in the middle keeps its
                                   aggregates from the others for so long; default 60,000, at
                                   most a day */
    int64_t gap_wait_ms;        /* an event that comes before a version that precedes it waits so
                                   long, then it is a dead letter; default 300,000, at most a day */
    int64_t stall_ms;           /* with work there and none done for so long, it is logged and
                                   told in the stats; default 60,000, at most a day */
    /* Where the durable consumer begins that is not there yet: all zero, with the first event in
     * the stream. Not more than one of them. */
    uint64_t start_sequence; /* the first one at or after this number in the stream */
    int64_t start_time_ns;   /* the first one stored in or after this second, since the epoch */
    bool no_relay; /* this process leaves publishing to others of its service, and tells them */
    int64_t outbox_retention_ms; /* published events are kept for, default 7 days; what the broker
                                    loses later than that is lost */
} mesh_events_options;

/*
 * Does not connect yet, but from now on events can be added in transactions of `db`: they wait in
 * the outbox. INVALID_ARGUMENT: two consumers of one event, a malformed url, a service name
 * that is empty or has other characters than a-z 0-9 - _, a limit out of range;
 * FAILED_PRECONDITION: the db has a publisher already; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_API mesh_code mesh_events_create(const mesh_events_options *options, mesh_events **events,
                                      mesh_error *err);

/* Connects in the background, makes stream and durable consumer when missing, publishes and
 * consumes. RESOURCE_EXHAUSTED: a thread cannot be started; called again, it goes on from there.
 * Called by one thread at a time. */
MESH_API mesh_code mesh_events_start(mesh_events *events, mesh_error *err);

/* MESH_OK while connected, with stream and consumer in place; else UNAVAILABLE, and the message
 * says what is missing. Never waits. */
MESH_API mesh_code mesh_events_ready(mesh_events *events, mesh_error *err);

/* Figures for metrics; the counts grow from the creation on. */
typedef struct mesh_events_stats {
    uint64_t published;        /* stored by the broker */
    uint64_t publish_retries;  /* attempts that failed and were made again */
    uint64_t publish_recalled; /* published events that the broker had lost: published again */
    size_t pending;    /* in the outbox and not published yet, of all processes; some seconds old */
    uint64_t consumed; /* events handled: committed, then acknowledged */
    uint64_t duplicates;    /* acknowledged without the handler: the inbox had them */
    uint64_t past;          /* the same: their version, or a later one, was handled */
    uint64_t gaps;          /* deliveries sent back for later: an earlier version was missing */
    uint64_t redelivered;   /* deliveries other than the first */
    uint64_t failed;        /* deliveries whose handler or transaction failed, or malformed */
    uint64_t dead;          /* events given up: they are dead letters */
    bool paused;            /* the consumer is */
    bool stalled;           /* there is work, and none gets done */
    int64_t oldest_held_ms; /* age of the oldest event that waits for a handler or has one */
    uint64_t lag;           /* events in the stream that this service has not been given yet */
    uint64_t reconnects;
    uint64_t publish_refused;  /* of those pending: refused, and tried again; each holds back what
                                 follows it in its aggregate */
    int64_t oldest_pending_ms; /* age of the oldest of those pending */
    uint64_t held;         /* events kept here until an earlier version of their aggregate came */
    int64_t oldest_gap_ms; /* for how long an aggregate of those has waited for it */
    uint64_t reserved[4];  /* for figures to come */
} mesh_events_stats;

/* A snapshot; the lag is a few seconds old at most while connected. */
MESH_API void mesh_events_get_stats(mesh_events *events, mesh_events_stats *stats);

/* Stops fetching, waits for running handlers and until what is committed is published, at most
 * `timeout_ms`. False: a handler still runs; called again, it goes on waiting. True: none runs any
 * more, and none will. What is not published by then is safe in the outbox, for another process or
 * the next start, as is what is still added until destroy, and what waits for an event that the
 * broker refuses, for which no drain waits. */
MESH_API bool mesh_events_drain(mesh_events *events, int64_t timeout_ms);

/* No transaction of the db may be open. Events not published yet stay in the outbox. NULL is
 * accepted. */
MESH_API void mesh_events_destroy(mesh_events *events);

/* The tables of outbox and inbox; the service runs them before its own migrations:
 * mesh_migrate(db, "mesh_events", mesh_events_migrations(), err). */
MESH_API const mesh_migration *mesh_events_migrations(void);

MESH_END_DECLS

#endif
