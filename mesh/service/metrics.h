/*
 * The metrics of a service: its process, its calls both ways, its pool and its events, served over
 * HTTP on an address of their own. Internal.
 *
 *   create, interceptors to server and channels, watch, start, ..., stop, parts destroyed, destroy
 */
#ifndef MESH_SERVICE_METRICS_H
#define MESH_SERVICE_METRICS_H

#include "mesh/obs/obs.h"
#include "mesh/service.h"

/* Entries of tables for mesh_metrics_read. */
#define COUNTER(text, description)                                         \
    {                                                                      \
        .kind = MESH_METRIC_COUNTER, .name = (text), .help = (description) \
    }
#define GAUGE(text, description)                                         \
    {                                                                    \
        .kind = MESH_METRIC_GAUGE, .name = (text), .help = (description) \
    }

typedef struct mesh_service_metrics {
    mesh_metrics *registry;
    mesh_rpc_metrics *calls;
    mesh_metrics_http *http;
    mesh_gauge *serving; /* 1 while the health is SERVING, else 0 */
    mesh_db *db;         /* whose figures are shown; NULL: none */
    mesh_events *events; /* the same */
    mesh_sagas *sagas;   /* the same */
} mesh_service_metrics;

/* The registry, and the metrics of process and calls. To be destroyed also when it fails. */
mesh_code mesh_service_metrics_create(mesh_service_metrics *metrics, mesh_error *err);

/* Lets methods appear before they are called; adds the figures of pool, events and sagas (each may
 * be NULL, and is borrowed until stop). */
mesh_code mesh_service_metrics_watch(mesh_service_metrics *metrics, const mesh_api *apis,
                                     mesh_db *db, mesh_events *events, mesh_sagas *sagas,
                                     mesh_error *err);

/* Serves them. UNAVAILABLE: the address cannot be bound. */
mesh_code mesh_service_metrics_start(mesh_service_metrics *metrics, const char *listen,
                                     mesh_error *err);

/* Serves them no longer, and lets go of pool, events and sagas. */
void mesh_service_metrics_stop(mesh_service_metrics *metrics);

void mesh_service_metrics_destroy(mesh_service_metrics *metrics);

#endif
