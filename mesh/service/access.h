/*
 * Who may call a service: all that its guard (mesh/auth/guard.h) needs, made from the settings and
 * kept up to date by the user service and its events. Internal.
 *
 *   keys of users' tokens   fetched from the user service (mesh/auth/authority.h)
 *   what users are now      its events (mesh/events/feed.h), of as long as a token lives, and on;
 *                           it is asked who has changed where the broker may have lost some, and
 *                           twice a minute, since the broker may be away from it, or from here
 *   permissions             asked for, kept, and dropped by the same events
 *   keys of services        MESH_SERVICE_KEYS
 *
 * Made, started and destroyed by the main thread. Asked for by one other at a time.
 */
#ifndef MESH_SERVICE_ACCESS_H
#define MESH_SERVICE_ACCESS_H

#include "mesh/auth/guard.h"
#include "mesh/service.h"
#include "mesh/service/settings.h"

typedef struct mesh_access mesh_access;

/*
 * `users` is the channel to the user service, and is borrowed as `config` is. The figures are shown
 * in `metrics` until stop. INVALID_ARGUMENT: a setting is wrong, which the message names.
 */
mesh_code mesh_access_create(const mesh_service *service, const mesh_service_config *config,
                             mesh_channel *users, mesh_metrics *metrics, mesh_access **access,
                             mesh_error *err);

/* For the server, which has to be destroyed before it. */
mesh_interceptor mesh_access_interceptor(mesh_access *access);

/* Adds to the server what explains the guard (mesh/auth/explain.h). Errors of mesh_server_add. */
mesh_code mesh_access_add(mesh_access *access, mesh_server *server, mesh_error *err);

/* Begins to learn. RESOURCE_EXHAUSTED: a thread cannot be started. */
mesh_code mesh_access_start(mesh_access *access, mesh_error *err);

/*
 * MESH_OK while it knows what users are now, which it hears from the broker; the first time lets
 * them in. UNAVAILABLE: it does not; the message says why. Never waits. The user service is no
 * condition: without its keys calls of users are refused (TOKEN_KEY_UNKNOWN), others are not. But
 * where the broker's past may not be whole, it has to have said who has changed.
 */
mesh_code mesh_access_ready(mesh_access *access, mesh_error *err);

/* Shows no figures any more. NULL is accepted. */
void mesh_access_stop(mesh_access *access);

/* After the server. NULL is accepted. */
void mesh_access_destroy(mesh_access *access);

#endif
