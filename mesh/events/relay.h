/*
 * The relay: a thread that publishes what is in the outbox, as soon as it is told to look. Any
 * number of processes may have one; they take turns, batch by batch. Thread-safe.
 */
#ifndef MESH_EVENTS_RELAY_H
#define MESH_EVENTS_RELAY_H

#include "mesh/events/broker.h"

#define MESH_RELAY_CHANNEL "mesh_outbox" /* notified by processes that have no relay */

typedef struct mesh_relay mesh_relay;

typedef struct mesh_relay_settings {
    mesh_db *db; /* this, and what follows, is borrowed for the relay's life */
    mesh_broker *broker;
    const char *source; /* the header ce-source: "/" and the service's name */
    int64_t retention_ms;
} mesh_relay_settings;

mesh_code mesh_relay_create(const mesh_relay_settings *settings, mesh_relay **relay,
                            mesh_error *err);

/* Starts its threads; called again, it goes on with those that are missing. By one thread at a
 * time. RESOURCE_EXHAUSTED. */
mesh_code mesh_relay_start(mesh_relay *relay, mesh_error *err);

/* Something was committed. Never waits. */
void mesh_relay_wake(void *relay);

/* Waits until there is nothing to publish; false when that takes longer. */
bool mesh_relay_drain(mesh_relay *relay, int64_t timeout_ms);

/* Ends the threads. The broker still runs. NULL is accepted. */
void mesh_relay_destroy(mesh_relay *relay);

/* Fills published, publish_retries, pending and what else is known of the outbox. */
void mesh_relay_figures(mesh_relay *relay, mesh_events_stats *stats);

#endif
