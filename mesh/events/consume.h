/*
 * Consuming: one thread fetches from the durable consumer in batches, a few lanes handle
 * (lanes.h), and one watches over it. Thread-safe.
 */
#ifndef MESH_EVENTS_CONSUME_H
#define MESH_EVENTS_CONSUME_H

#include "mesh/events/broker.h"
#include "mesh/events/delivery.h"

typedef struct mesh_consumption mesh_consumption;

typedef struct mesh_consumption_settings {
    mesh_delivery_settings delivery;
    mesh_broker *broker;            /* borrowed */
    const mesh_consumer *consumers; /* borrowed, ended by one without event */
    size_t lanes;
    int64_t ack_wait_ms;
    int64_t stall_ms;
} mesh_consumption_settings;

mesh_code mesh_consumption_create(const mesh_consumption_settings *settings,
                                  mesh_consumption **consumption, mesh_error *err);

/* Starts the threads, or those that could not be started before. By one thread at a time. */
mesh_code mesh_consumption_start(mesh_consumption *consumption, mesh_error *err);

/* Fetches no more and gives back what no handler has begun with; waits for running handlers. False
 * when they take longer. */
bool mesh_consumption_drain(mesh_consumption *consumption, int64_t timeout_ms);

/* Drains without a limit. NULL is accepted. */
void mesh_consumption_destroy(mesh_consumption *consumption);

/* Fills what events.h says of events consumed. */
void mesh_consumption_figures(mesh_consumption *consumption, mesh_events_stats *stats);

/* That of a service's events; NULL without consumers. In events.c, for operators (operate.c). */
mesh_consumption *mesh_events_consumption(mesh_events *events);

#endif
