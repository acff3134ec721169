/*
 * The standard health service: grpc.health.v1.Health, version 1 of gRPC's health checking protocol
 * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). Load balancers, supervisors
 * and gRPC clients with client-side health checking ask it whether this server wants calls.
 *
 *   mesh_health *health;
 *   mesh_health_create(&health, &err);
 *   mesh_health_set(health, "order.v1.OrderService", MESH_HEALTH_NOT_SERVING, &err);
 *   mesh_server_add(server, mesh_health_api(health), &err);
 *   ...
 *   mesh_health_set_all(health, MESH_HEALTH_SERVING);
 *
 * Names are those of gRPC services ("order.v1.OrderService"); "" is the server as a whole, is there
 * from the beginning, and starts as NOT_SERVING.
 *
 * What callers see:
 *   Check  the status now; NOT_FOUND for a name that was never set.
 *   Watch  the status now and then every change, as long as the caller likes; SERVICE_UNKNOWN for a
 *          name that was never set (a later set reaches the watcher). A watcher that reads slowly
 *          misses intermediate states, never the latest. It holds no thread.
 *   List   the status of every name; RESOURCE_EXHAUSTED when there are more than
 *          MESH_HEALTH_LIST_MAX.
 *
 * All functions but destroy may be called from any thread. None blocks.
 */
#ifndef MESH_HEALTH_HEALTH_H
#define MESH_HEALTH_HEALTH_H

#include "mesh/rpc/method.h"

MESH_BEGIN_DECLS

/* The values of grpc.health.v1.HealthCheckResponse.ServingStatus that a server can set. */
typedef enum mesh_health_status {
    MESH_HEALTH_UNKNOWN = 0, /* not known (yet); clients treat it as not serving */
    MESH_HEALTH_SERVING = 1,
    MESH_HEALTH_NOT_SERVING = 2
} mesh_health_status;

enum {
    MESH_HEALTH_NAME_BYTES = 512, /* a name with its NUL; a longer one is refused */
    MESH_HEALTH_LIST_MAX = 100    /* names in one answer of List, as the protocol's comments say */
};

typedef struct mesh_health mesh_health;

/* RESOURCE_EXHAUSTED: out of memory. */
MESH_API mesh_code mesh_health_create(mesh_health **health, mesh_error *err);

/* Frees it, after the server that it was added to is destroyed. NULL is accepted. */
MESH_API void mesh_health_destroy(mesh_health *health);

/* The api for mesh_server_add; it lives as long as `health`. */
MESH_API mesh_api mesh_health_api(mesh_health *health);

/*
 * Sets the status of one name (copied) and tells its watchers. Ignored after a shutdown.
 * INVALID_ARGUMENT: the name is too long; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_API mesh_code mesh_health_set(mesh_health *health, const char *name, mesh_health_status status,
                                   mesh_error *err);

/* Sets the status of every name that was set before, and of "". Ignored after a shutdown. */
MESH_API void mesh_health_set_all(mesh_health *health, mesh_health_status status);

/*
 * Everything becomes NOT_SERVING for good, and watchers are told: the first step of a drain, so
 * that balancers go elsewhere while the server still answers.
 */
MESH_API void mesh_health_shutdown(mesh_health *health);

/*
 * The second step: a shutdown that also ends every Watch, open or to come, with UNAVAILABLE ("the
 * server is shutting down": a client tries again elsewhere), since a server does not drain while
 * they are open.
 */
MESH_API void mesh_health_end(mesh_health *health);

MESH_END_DECLS

#endif
