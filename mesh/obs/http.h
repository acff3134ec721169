/*
 * Metrics over HTTP: GET /metrics, and nothing else, on an address of its own.
 *
 *   mesh_metrics_http_start(metrics, "127.0.0.1:9100", &http, &err);
 *   ...
 *   mesh_metrics_http_stop(http);
 *
 * There is no access control: the address decides who may read. At most 16 connections at once,
 * each closed after 5 s of silence; more wait in the listen queue. One thread.
 */
#ifndef MESH_OBS_HTTP_H
#define MESH_OBS_HTTP_H

#include "mesh/obs/metrics.h"

MESH_BEGIN_DECLS

typedef struct mesh_metrics_http mesh_metrics_http;

/*
 * Listens and serves. `listen` is HOST:PORT or [V6]:PORT; port 0 takes a free one; NULL or "" is
 * 127.0.0.1:0. `metrics` is borrowed until stop. INVALID_ARGUMENT: the address is malformed;
 * UNAVAILABLE: it does not resolve, or cannot be bound; the message says which and why.
 */
MESH_API mesh_code mesh_metrics_http_start(mesh_metrics *metrics, const char *listen,
                                           mesh_metrics_http **http, mesh_error *err);

/* The bound port. */
MESH_API int mesh_metrics_http_port(const mesh_metrics_http *http);

/* Closes the port and all connections, waits for a scrape that runs. NULL is accepted. */
MESH_API void mesh_metrics_http_stop(mesh_metrics_http *http);

MESH_END_DECLS

#endif
