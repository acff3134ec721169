/*
 * Everything about metrics in one include: the registry (metrics.h), how it is scraped (http.h),
 * and the metrics of calls (rpc.h).
 *
 *   metrics = mesh_metrics_create();
 *   mesh_metrics_add_process(metrics, &err);
 *   mesh_rpc_metrics_create(metrics, &calls, &err);
 *   ... server and channels with mesh_rpc_metrics_server(calls), mesh_rpc_metrics_client(calls) ...
 *   mesh_metrics_read(metrics, pool_figures, pool_count, read_pool, db, &err);
 *   mesh_metrics_http_start(metrics, "127.0.0.1:0", &http, &err);
 *   ... serve ...
 *   mesh_metrics_http_stop(http);
 *   mesh_metrics_forget(metrics, db);
 *   ... server, channels and db are destroyed ...
 *   mesh_rpc_metrics_destroy(calls);
 *   mesh_metrics_destroy(metrics);
 */
#ifndef MESH_OBS_OBS_H
#define MESH_OBS_OBS_H

#include "mesh/obs/http.h"
#include "mesh/obs/metrics.h"
#include "mesh/obs/rpc.h"

#endif
