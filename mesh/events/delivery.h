/*
 * One delivery of an event: from the message to the handler, and the answer to the broker.
 */
#ifndef MESH_EVENTS_DELIVERY_H
#define MESH_EVENTS_DELIVERY_H

#include <nats/nats.h>

#include "mesh/events/events.h"

typedef struct mesh_delivery {
    natsMsg *message;              /* owned */
    const mesh_consumer *consumer; /* whose event it is, borrowed */
    int64_t touched_ns;            /* when the broker's ack wait began (anew) */
    struct mesh_delivery *next;
} mesh_delivery;

/* Immutable. */
typedef struct mesh_delivery_settings {
    mesh_db *db;
    const char *service;
    int64_t ack_wait_ms;
    int max_deliver;
} mesh_delivery_settings;

typedef enum mesh_delivery_result {
    MESH_DELIVERY_HANDLED,   /* committed, acknowledged */
    MESH_DELIVERY_DUPLICATE, /* the inbox had it, acknowledged */
    MESH_DELIVERY_FAILED,    /* rolled back, comes again after a pause */
    MESH_DELIVERY_DEAD,      /* the same for the last time: given up, and logged */
    MESH_DELIVERY_AWAY       /* the database cannot be reached, comes again after a pause */
} mesh_delivery_result;

/*
 * Handles it on the calling thread, in a transaction of its own. `arena` is reset first; it holds
 * the event while the handler runs. `redelivered` tells whether it was not the first delivery.
 */
mesh_delivery_result mesh_delivery_handle(const mesh_delivery_settings *settings,
                                          mesh_delivery *delivery, mesh_arena *arena,
                                          bool *redelivered);

/* How long an event rests after its n-th delivery (from 1) failed. */
int64_t mesh_delivery_pause_ms(int number);

#endif
