#include "services/notification/check.h"

#include <stdio.h>
#include <string.h>

#include "services/notification/feed.h"

enum {
    SCOPE_BYTES = 80 + NOTIFICATION_USER_ID_MAX
};

static const char *list_scope(bool unread_only)
{
    return unread_only ? "notification.v1.NotificationService/ListNotifications?unread_only"
                       : "notification.v1.NotificationService/ListNotifications";
}

mesh_code notification_check_list(const Notification__V1__ListNotificationsRequest *request,
                                  mesh_page *page, mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_page_read(page, &check, list_scope(request->unread_only), request->page_size,
                   request->page_token);
    return check.code;
}

static void check_user(mesh_check *check, const char *user_id)
{
    size_t bytes = strlen(user_id);
    if (bytes == 0 || bytes > NOTIFICATION_USER_ID_MAX)
        mesh_check_fail(check, "user_id", "must be 1 to %d bytes", NOTIFICATION_USER_ID_MAX);
}

/* A token of one user's list is none of another's. */
static void user_scope(const char *user_id, char scope[SCOPE_BYTES])
{
    snprintf(scope, SCOPE_BYTES,
             "notification.v1.NotificationService/ListUserNotifications?user_id=%s", user_id);
}

mesh_code
notification_check_list_user(const Notification__V1__ListUserNotificationsRequest *request,
                             mesh_page *page, mesh_error *err)
{
    mesh_check check = {.err = err};
    char scope[SCOPE_BYTES];
    check_user(&check, request->user_id);
    user_scope(request->user_id, scope);
    mesh_page_read(page, &check, scope, request->page_size, request->page_token);
    return check.code;
}

mesh_code notification_check_send(const Notification__V1__SendNotificationRequest *request,
                                  mesh_error *err)
{
    mesh_check check = {.err = err};
    check_user(&check, request->user_id);
    mesh_check_text(&check, "text", request->text, 1, NOTIFICATION_TEXT_MAX);
    mesh_check_request_id(&check, "request_id", request->request_id);
    return check.code;
}

mesh_code notification_check_watch(const Notification__V1__WatchNotificationsRequest *request,
                                   char after[MESH_UUID_TEXT_BYTES], mesh_error *err)
{
    mesh_check check = {.err = err};
    after[0] = '\0';
    if (request->resume_token[0] != '\0' && !notification_feed_parse(request->resume_token, after))
        mesh_check_fail(&check, "resume_token", "must be a resume_token of this stream");
    return check.code;
}

mesh_code notification_check_id(const char *id, mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_check_that(&check, id[0] != '\0', "id", "must be given");
    return check.code;
}

char *notification_page_token(mesh_arena *arena, bool unread_only, const char *last_id)
{
    return mesh_page_token(arena, list_scope(unread_only), last_id);
}

char *notification_user_page_token(mesh_arena *arena, const char *user_id, const char *last_id)
{
    char scope[SCOPE_BYTES];
    user_scope(user_id, scope);
    return mesh_page_token(arena, scope, last_id);
}
