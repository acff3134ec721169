#include "services/notification/check.h"

#include "services/notification/feed.h"

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

mesh_code notification_check_watch(const Notification__V1__WatchNotificationsRequest *request,
                                   int64_t *position, mesh_error *err)
{
    mesh_check check = {.err = err};
    *position = NOTIFICATION_FROM_NOW;
    if (request->resume_token[0] != '\0' &&
        !notification_feed_parse(request->resume_token, position))
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
