/* The limits of the contract (proto/notification/v1/notification.proto). */
#ifndef SERVICES_NOTIFICATION_CHECK_H
#define SERVICES_NOTIFICATION_CHECK_H

#include "mesh/base/uuid.h"
#include "mesh/resource/page.h"
#include "notification/v1/notification.mesh.h"

enum {
    NOTIFICATION_USER_ID_MAX = 64, /* bytes */
    NOTIFICATION_TEXT_MAX = 1000   /* characters */
};

/* Each returns MESH_OK, or MESH_INVALID_ARGUMENT with every violation. */
mesh_code notification_check_list(const Notification__V1__ListNotificationsRequest *request,
                                  mesh_page *page, mesh_error *err);
mesh_code
notification_check_list_user(const Notification__V1__ListUserNotificationsRequest *request,
                             mesh_page *page, mesh_error *err);
mesh_code notification_check_send(const Notification__V1__SendNotificationRequest *request,
                                  mesh_error *err);

/* `after` gets behind which notification the watch begins, "" without a token. */
mesh_code notification_check_watch(const Notification__V1__WatchNotificationsRequest *request,
                                   char after[MESH_UUID_TEXT_BYTES], mesh_error *err);

/* Of a request that has nothing but an id. */
mesh_code notification_check_id(const char *id, mesh_error *err);

/* Tokens of the page after a notification: of a list with the same filter, of that user's list. */
char *notification_page_token(mesh_arena *arena, bool unread_only, const char *last_id);
char *notification_user_page_token(mesh_arena *arena, const char *user_id, const char *last_id);

#endif
