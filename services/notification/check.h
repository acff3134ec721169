/* The limits of the contract (proto/notification/v1/notification.proto). */
#ifndef SERVICES_NOTIFICATION_CHECK_H
#define SERVICES_NOTIFICATION_CHECK_H

#include "mesh/resource/page.h"
#include "notification/v1/notification.mesh.h"

/* Each returns MESH_OK, or MESH_INVALID_ARGUMENT with every violation. */
mesh_code notification_check_list(const Notification__V1__ListNotificationsRequest *request,
                                  mesh_page *page, mesh_error *err);

/* *position gets where the watch begins, NOTIFICATION_FROM_NOW without a token. */
mesh_code notification_check_watch(const Notification__V1__WatchNotificationsRequest *request,
                                   int64_t *position, mesh_error *err);

/* Of a request that has nothing but an id. */
mesh_code notification_check_id(const char *id, mesh_error *err);

/* The token of the page after a notification, for a list with the same filter. */
char *notification_page_token(mesh_arena *arena, bool unread_only, const char *last_id);

#endif
