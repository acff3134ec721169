/*
 * Publishing after the commit. Events wait in a bounded queue in memory, in order of the commits,
 * until the broker has stored them; what waits there is lost with the process. (The transactional
 * outbox takes the place of this file without a change for anyone else.) Thread-safe.
 */
#ifndef MESH_EVENTS_PUBLISH_H
#define MESH_EVENTS_PUBLISH_H

#include "mesh/events/broker.h"

enum {
    MESH_EVENTS_QUEUE_MAX = 65536,             /* events that wait; more are lost, and logged */
    MESH_EVENTS_QUEUE_BYTES = 64 * 1024 * 1024 /* the same for what they take */
};

typedef struct mesh_publisher mesh_publisher;

/* `broker` and `service` are borrowed for the publisher's life. */
mesh_code mesh_publisher_create(mesh_broker *broker, const char *service,
                                mesh_publisher **publisher, mesh_error *err);

/* Starts the thread that publishes; does nothing once it was started. By one thread at a time. */
mesh_code mesh_publisher_start(mesh_publisher *publisher, mesh_error *err);

/* As mesh_event_add, for the database whose publisher this is. */
mesh_code mesh_publisher_add(mesh_publisher *publisher, mesh_tx *tx,
                             const mesh_event_descriptor *event, const ProtobufCMessage *message,
                             mesh_error *err);

/* Waits until nothing waits any more; false when that takes longer. */
bool mesh_publisher_drain(mesh_publisher *publisher, int64_t timeout_ms);

/* Ends the thread; what cannot be published at once any more is lost, and logged. The broker still
 * runs. NULL is accepted. */
void mesh_publisher_destroy(mesh_publisher *publisher);

/* Fills published, publish_retries, publish_lost and pending. */
void mesh_publisher_figures(mesh_publisher *publisher, mesh_events_stats *stats);

#endif
