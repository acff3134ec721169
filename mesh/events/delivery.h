/*
 * Deliveries of events: from the messages to the handlers, in one transaction for several, and what
 * the broker is to be told then.
 */
#ifndef MESH_EVENTS_DELIVERY_H
#define MESH_EVENTS_DELIVERY_H

#include <nats/nats.h>

#include "mesh/events/aggregate.h"
#include "mesh/events/attempt.h"
#include "mesh/events/broker.h"
#include "mesh/events/events.h"
#include "mesh/events/inbox.h"
#include "mesh/events/withdrawals.h"

enum {
    MESH_DELIVERY_BATCH = MESH_BATCH_MAX, /* in one transaction, at most */
    /* Until what comes too early comes again, at least: the same for all at a time, so that those
     * that are sent back together come again in their order. */
    MESH_DELIVERY_GAP_PAUSE_MS = 500
};

typedef enum mesh_delivery_result {
    MESH_DELIVERY_HANDLED,   /* committed */
    MESH_DELIVERY_PASSED,    /* nobody handles it: its aggregate's version is noted */
    MESH_DELIVERY_DUPLICATE, /* the inbox had it */
    MESH_DELIVERY_PAST,      /* its version, or a later one, was handled: dropped */
    MESH_DELIVERY_HELD,      /* a version before it is missing: to be kept here until that came */
    MESH_DELIVERY_GAP,       /* the same, and comes again after a pause instead */
    MESH_DELIVERY_FAILED,    /* rolled back, comes again after a pause */
    MESH_DELIVERY_DEAD,      /* given up: it is a dead letter now */
    MESH_DELIVERY_AWAY,      /* the database cannot be reached, comes again after a pause */
    MESH_DELIVERY_RESULTS
} mesh_delivery_result;

typedef struct mesh_delivery {
    natsMsg *message;              /* owned */
    natsConnection *connection;    /* that it came by, borrowed */
    const mesh_consumer *consumer; /* whose event it is, borrowed; NULL: nobody handles it */
    const mesh_consumer *related;  /* the same, or one of events of the same aggregates */
    bool late;                     /* the consumer passed over earlier events of such aggregates */
    const char *subject;           /* without "events.", of the message */
    /* Type: static, of `related`; id: as it stands in the message. */
    mesh_aggregate_name aggregate;
    int64_t version;   /* of the aggregate; 0: none */
    size_t bytes;      /* of the message, about */
    uint64_t sequence; /* in the stream */
    int64_t stored_ns; /* there, since the Unix epoch */
    int number;        /* 1 for the first delivery */
    bool alone;        /* in a transaction of its own */
    bool forced;       /* also when earlier versions are missing */
    int64_t fetched_ns;
    int64_t touched_ns; /* when the broker's ack wait began (anew) */
    int64_t kept_ns;    /* when it was held last: what an aggregate has is taken and held anew when
                         * a version of it was handled */
    bool seen;          /* others know of it while it waits */
    struct mesh_delivery *next;

    mesh_delivery_result result;
    int64_t pause_ms; /* with GAP, FAILED and AWAY */

    /* While it is handled. */
    char key[MESH_EVENT_KEY_BYTES]; /* of its attempts */
    mesh_attempts before;
    mesh_event meta;
    mesh_trace parent; /* who added the event */
    const ProtobufCMessage *event;
    mesh_aggregate *row; /* of its aggregate; NULL: it has no version */
    int64_t gap_ns;      /* since when it waits for `missing`; 0: it does not */
    int64_t missing;     /* the version before which it cannot be handled */
    bool missing_dead;   /* that one may be among the dead letters */
    int64_t begun_with;  /* the later version with which its aggregate began; 0: with none */
    bool may_begin;      /* its aggregate may begin with it, though that is not 1: it is the
                          * lowest one that was seen */

    /* What of that is told to operators: as it was when it was held last, guarded by the
     * consumption's mu. */
    int64_t held_for; /* `missing`; 0: it waits for others that do */
    int64_t held_since_ns;
    bool held_behind_dead;
    bool held_told; /* it is in the log */
} mesh_delivery;

/* Immutable, but for what it points to. */
typedef struct mesh_delivery_settings {
    mesh_db *db;
    mesh_withdrawals *withdrawals;
    mesh_broker *broker;
    const char *service;
    int64_t handler_timeout_ms;
    int64_t ack_wait_ms;
    int64_t gap_wait_ms;
    int max_deliver;
} mesh_delivery_settings;

/* Fills message, subject and what the broker says of the delivery. */
void mesh_delivery_read(mesh_delivery *delivery, natsMsg *message);

/* Finds who handles it, or of which aggregate's version it is to be noted; false: it is nothing to
 * these consumers. */
bool mesh_delivery_address(mesh_delivery *delivery, const mesh_consumer *consumers);

/* Of those that have one. */
bool mesh_delivery_same_aggregate(const mesh_delivery *a, const mesh_delivery *b);

/*
 * Handles one or several on the calling thread, and says in each what became of it. False: one of
 * several cannot be handled, nothing has changed, and each has to be handled alone. `arena` is
 * reset; it holds the events meanwhile.
 */
bool mesh_delivery_handle(const mesh_delivery_settings *settings, mesh_delivery **deliveries,
                          size_t count, mesh_arena *arena);

/* Looks whether those that are HELD still have to wait: what has not any more gets another result,
 * and is to be handled. Changes nothing else. `arena` is reset. */
void mesh_delivery_look(const mesh_delivery_settings *settings, mesh_delivery **deliveries,
                        size_t count, mesh_arena *arena);

/* Handles one without a word of failure to anybody but the caller. Its result is HANDLED, PASSED,
 * DUPLICATE, PAST or, when the code is FAILED_PRECONDITION, perhaps HELD or GAP. */
mesh_code mesh_delivery_try(const mesh_delivery_settings *settings, mesh_delivery *delivery,
                            mesh_arena *arena, mesh_error *err);

#endif
