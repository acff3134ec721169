/*
 * Consuming: one thread fetches from the durable consumer in batches, a few lanes handle. The
 * events of one aggregate go to one lane, so they are handled in order. Thread-safe.
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

/* Fills consumed, duplicates, redelivered, failed and dead. */
void mesh_consumption_figures(mesh_consumption *consumption, mesh_events_stats *stats);

#endif
