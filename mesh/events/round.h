/*
 * One round of a relay: a batch of a queue is read, published in windows, and settled, in one
 * transaction.
 */
#ifndef MESH_EVENTS_ROUND_H
#define MESH_EVENTS_ROUND_H

#include "mesh/events/queue.h"
#include "mesh/events/window.h"

typedef struct mesh_round {
    /* Given. */
    mesh_tx *tx;
    mesh_queue_state state; /* what that has found */
    int64_t queue;
    mesh_sender *sender;
    int64_t last_sequence; /* of what was published on this connection before; 0: nothing */
    /* Found; {0} at first. */
    size_t stored;
    size_t failed;  /* attempts */
    bool more;      /* something is left that could be published now */
    bool works;     /* the broker answers */
    bool went_back; /* the stream gave a place that it had given before: it is another one */
} mesh_round;

/* Does it; the caller commits, or rolls back what failed. Errors of mesh_tx_query. */
mesh_code mesh_round_run(mesh_round *round, mesh_error *err);

#endif
