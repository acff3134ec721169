/*
 * What operators see and steer of a service's events: mesh.events.v1.EventsService of a service
 * that has events and a guard. Internal.
 */
#ifndef MESH_SERVICE_OPERATE_H
#define MESH_SERVICE_OPERATE_H

#include "mesh/service.h"

typedef struct mesh_operate mesh_operate;

/* What it works with is borrowed for its life; `sagas` may be NULL. RESOURCE_EXHAUSTED. */
mesh_code mesh_operate_create(const mesh_service *service, mesh_db *db, mesh_events *events,
                              mesh_sagas *sagas, mesh_operate **operate, mesh_error *err);

/* For mesh_server_add; it lives as long as `operate`. */
mesh_api mesh_operate_api(mesh_operate *operate);

/* Ends its streams: the service drains. NULL is accepted. */
void mesh_operate_end(mesh_operate *operate);

/* After the server. NULL is accepted. */
void mesh_operate_destroy(mesh_operate *operate);

#endif
