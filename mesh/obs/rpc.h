/*
 * Metrics of calls, by the names that dashboards for gRPC know (those of go-grpc-prometheus):
 *
 *   grpc_server_started_total     calls begun
 *   grpc_server_handled_total     calls ended, by grpc_code ("OK", "NotFound", ...)
 *   grpc_server_handling_seconds  histogram of how long they took
 *   grpc_server_active_calls      calls running now
 *
 * and the same with grpc_client_ for calls made. All have the labels grpc_type, grpc_service and
 * grpc_method. A call costs about a tenth of a microsecond.
 *
 *   mesh_rpc_metrics_create(metrics, &calls, &err);
 *   mesh_interceptor interceptors[] = {mesh_rpc_metrics_server(calls), ...};
 */
#ifndef MESH_OBS_RPC_H
#define MESH_OBS_RPC_H

#include "mesh/obs/metrics.h"
#include "mesh/rpc/channel.h"
#include "mesh/rpc/server.h"

MESH_BEGIN_DECLS

typedef struct mesh_rpc_metrics mesh_rpc_metrics;

/*
 * `metrics` is borrowed until destroy; a registry takes one. Takes one of the slots for data of
 * calls (mesh_call_slot_create), once a process. RESOURCE_EXHAUSTED: out of memory, or
 * all slots are taken.
 */
MESH_API mesh_code mesh_rpc_metrics_create(mesh_metrics *metrics, mesh_rpc_metrics **calls,
                                           mesh_error *err);

/* After the servers and channels that have its interceptors, and before the registry. NULL is
 * accepted. */
MESH_API void mesh_rpc_metrics_destroy(mesh_rpc_metrics *calls);

/*
 * The interceptors, for any number of servers and channels; they live as long as `calls`. A method
 * appears with its first call. The tables of methods must be of static storage, as generated ones
 * are; from the 769th method on calls are counted under "unknown".
 */
MESH_API mesh_interceptor mesh_rpc_metrics_server(mesh_rpc_metrics *calls);
MESH_API mesh_client_interceptor mesh_rpc_metrics_client(mesh_rpc_metrics *calls);

/* Lets a service's methods appear, with zeros, before they are called. Any thread. */
MESH_API mesh_code mesh_rpc_metrics_declare(mesh_rpc_metrics *calls, const mesh_api_descriptor *api,
                                            mesh_error *err);

MESH_END_DECLS

#endif
