#include "mesh/rpc/call.h"
#include "services/notification/check.h"
#include "services/notification/notification.h"
#include "services/notification/store.h"

static notification_scope scope_of(void *self, mesh_call *call)
{
    const notification_service *service = self;
    return (notification_scope){.db = service->db,
                                .arena = mesh_call_arena(call),
                                .deadline_ns = mesh_call_deadline_ns(call)};
}

static mesh_code get_notification(void *self, mesh_call *call,
                                  const Notification__V1__GetNotificationRequest *request,
                                  Notification__V1__Notification *response, mesh_error *err)
{
    const notification_scope scope = scope_of(self, call);
    mesh_code code = notification_check_id(request->id, err);
    if (code != MESH_OK)
        return code;
    return notification_store_get(&scope, request->id, response, err);
}

static mesh_code list_notifications(void *self, mesh_call *call,
                                    const Notification__V1__ListNotificationsRequest *request,
                                    Notification__V1__ListNotificationsResponse *response,
                                    mesh_error *err)
{
    const notification_scope scope = scope_of(self, call);
    mesh_page page;
    mesh_code code = notification_check_list(request, &page, err);
    if (code != MESH_OK)
        return code;

    /* 1. One more than the page holds tells whether another page follows. */
    code = notification_store_list(&scope, page.after, page.size + 1, request->unread_only,
                                   &response->notifications, &response->n_notifications, err);
    if (code != MESH_OK)
        return code;

    /* 2. The token names the last notification shown. */
    if (response->n_notifications > page.size) {
        response->n_notifications = page.size;
        response->next_page_token = notification_page_token(
            scope.arena, request->unread_only, response->notifications[page.size - 1]->id);
    }
    return MESH_OK;
}

static mesh_code
mark_notification_read(void *self, mesh_call *call,
                       const Notification__V1__MarkNotificationReadRequest *request,
                       Notification__V1__Notification *response, mesh_error *err)
{
    const notification_scope scope = scope_of(self, call);
    mesh_code code = notification_check_id(request->id, err);
    if (code != MESH_OK)
        return code;
    return notification_store_mark_read(&scope, request->id, response, err);
}

static mesh_code watch_open(void *self, mesh_stream *stream,
                            const Notification__V1__WatchNotificationsRequest *request,
                            mesh_error *err)
{
    const notification_service *service = self;
    int64_t position;
    mesh_code code = notification_check_watch(request, &position, err);
    if (code != MESH_OK)
        return code;
    return notification_feed_add(service->feed, stream, position, err);
}

static void watch_writable(void *self, mesh_stream *stream)
{
    const notification_service *service = self;
    notification_feed_continue(service->feed, stream);
}

static void watch_close(void *self, mesh_stream *stream, mesh_code code)
{
    (void)code;
    const notification_service *service = self;
    notification_feed_remove(service->feed, stream);
}

static const notification__v1__notification_service__watch_notifications__events watch = {
    .on_open = watch_open,
    .on_writable = watch_writable,
    .on_close = watch_close,
};

const notification__v1__notification_service__handlers notification_handlers = {
    .get_notification = get_notification,
    .list_notifications = list_notifications,
    .mark_notification_read = mark_notification_read,
    .watch_notifications__events = &watch,
};
