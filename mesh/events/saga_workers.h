/*
 * The threads that run sagas. One of those without work looks for the saga that is due next; the
 * others wait behind it. Internal; thread-safe.
 */
#ifndef MESH_EVENTS_SAGA_WORKERS_H
#define MESH_EVENTS_SAGA_WORKERS_H

#include "mesh/events/saga_parts.h"

/* RESOURCE_EXHAUSTED: out of memory. */
mesh_code mesh_saga_workers_create(mesh_sagas *sagas, mesh_saga_workers **workers, mesh_error *err);

/* As mesh_sagas_start and mesh_sagas_drain. */
mesh_code mesh_saga_workers_start(mesh_saga_workers *workers, mesh_error *err);
bool mesh_saga_workers_drain(mesh_saga_workers *workers, int64_t timeout_ms);

/* Waits for running actions. NULL is accepted. */
void mesh_saga_workers_destroy(mesh_saga_workers *workers);

/* A saga may be due. */
void mesh_saga_workers_wake(mesh_saga_workers *workers);

/* Something happened, for the figures; only the counts of `more` are added. */
void mesh_saga_workers_count(mesh_saga_workers *workers, const mesh_sagas_stats *more);

void mesh_saga_workers_figures(mesh_saga_workers *workers, mesh_sagas_stats *stats);

#endif
