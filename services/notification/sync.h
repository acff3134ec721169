/*
 * Keeps the copies of users right whatever was missed: compares them with what the user service
 * says of all users (UserService.SnapshotUsers), see reconciler.h.
 */
#ifndef SERVICES_NOTIFICATION_SYNC_H
#define SERVICES_NOTIFICATION_SYNC_H

#include "mesh/db/db.h"
#include "mesh/events/events.h"
#include "mesh/rpc/channel.h"
#include "services/notification/reconciler.h"

/* Where it works: all borrowed, for its life. */
typedef struct notification_sync {
    mesh_db *db;
    mesh_events *events; /* once ready there are tables; NULL: they are there */
    mesh_channel *users; /* to the user service */
} notification_sync;

/* Errors of reconciler_create. */
mesh_code notification_sync_start(notification_sync *sync, int64_t interval_ms,
                                  mesh_metrics *metrics, reconciler **made, mesh_error *err);

#endif
