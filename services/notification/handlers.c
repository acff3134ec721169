#include <string.h>

#include "mesh/auth/caller.h"
#include "mesh/rpc/watchers.h"
#include "services/notification/check.h"
#include "services/notification/notification.h"
#include "services/notification/users.h"

static notification_scope scope_of(void *self, mesh_call *call)
{
    const notification_service *service = self;
    return (notification_scope){.db = service->db,
                                .arena = mesh_call_arena(call),
                                .deadline_ns = mesh_call_deadline_ns(call),
                                .user_id = mesh_call_caller(call)->user};
}

static mesh_code no_user(const char *user_id, mesh_error *err)
{
    notification__v1__error_reason__set(
        err, MESH_NOT_FOUND, NOTIFICATION__V1__ERROR_REASON__USER_NOT_FOUND, "no user %s", user_id);
    mesh_error_metadata(err, "user_id", user_id);
    return MESH_NOT_FOUND;
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
    const mesh_caller *caller = mesh_call_caller(mesh_stream_call(stream));
    char after[MESH_UUID_TEXT_BYTES];
    mesh_code code = notification_check_watch(request, after, err);
    if (code != MESH_OK)
        return code;
    return notification_feed_add(service->feed, stream, caller->user, after, err);
}

static const notification__v1__notification_service__watch_notifications__events watch = {
    .on_open = watch_open,
    .on_writable = mesh_watchers_on_writable,
    .on_close = mesh_watchers_on_close,
};

/* Answers with the notification that an earlier request of the same id made. */
static mesh_code answer_again(const notification_scope *scope,
                              const Notification__V1__SendNotificationRequest *request,
                              Notification__V1__Notification *response, bool *found,
                              mesh_error *err)
{
    Notification__V1__Notification *made = NULL;
    if (request->request_id[0] == '\0')
        return MESH_OK;
    mesh_code code = notification_store_find_request(scope, scope->user_id, request->request_id,
                                                     &made, err);
    if (code != MESH_OK || made == NULL)
        return code;
    if (strcmp(made->user_id, request->user_id) != 0 || strcmp(made->text, request->text) != 0)
        return notification__v1__error_reason__set(
            err, MESH_ALREADY_EXISTS, NOTIFICATION__V1__ERROR_REASON__REQUEST_ID_REUSED,
            "request_id %s belongs to a request with another user or text", request->request_id);
    *response = *made;
    *found = true;
    return MESH_OK;
}

static void wake(void *feed)
{
    notification_feed_wake(feed);
}

/* Records it in a transaction of its own; *made is NULL when there was nothing to record. */
static mesh_code record(const notification_service *service, const notification_scope *scope,
                        const Notification__V1__SendNotificationRequest *request,
                        Notification__V1__Notification **made, mesh_error *err)
{
    const mesh_tx_options options = {.deadline_ns = scope->deadline_ns};
    const notification_draft draft = {.kind = NOTIFICATION__V1__NOTIFICATION__KIND__MESSAGE,
                                      .user_id = request->user_id,
                                      .text = request->text,
                                      .resource = "",
                                      .sender_id = scope->user_id,
                                      .request_id = request->request_id};
    mesh_tx *tx;
    mesh_code code = mesh_tx_begin(scope->db, &options, &tx, err);
    if (code != MESH_OK)
        return code;
    code = notification_store_add(tx, scope->arena, &draft, made, err);
    if (code == MESH_OK)
        code = mesh_tx_after_commit(tx, wake, service->feed, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code send_notification(void *self, mesh_call *call,
                                   const Notification__V1__SendNotificationRequest *request,
                                   Notification__V1__Notification *response, mesh_error *err)
{
    const notification_scope scope = scope_of(self, call);
    Notification__V1__Notification *made = NULL;
    bool again = false;

    /* 1. Every mistake of the caller's at once. */
    mesh_code code = notification_check_send(request, err);
    if (code != MESH_OK)
        return code;

    /* 2. A repetition is answered as the first time. */
    code = answer_again(&scope, request, response, &again, err);
    if (code != MESH_OK || again)
        return code;

    /* 3. The notification, if there is such a user; who watches hears of it. */
    code = record(self, &scope, request, &made, err);
    if (code == MESH_OK && made != NULL)
        *response = *made;
    if (code != MESH_OK || made != NULL)
        return code;

    /* 4. There is none, or the same request was faster on another connection. */
    code = answer_again(&scope, request, response, &again, err);
    return code != MESH_OK || again ? code : no_user(request->user_id, err);
}

static mesh_code
list_user_notifications(void *self, mesh_call *call,
                        const Notification__V1__ListUserNotificationsRequest *request,
                        Notification__V1__ListUserNotificationsResponse *response, mesh_error *err)
{
    notification_scope scope = scope_of(self, call);
    mesh_page page;
    mesh_code code = notification_check_list_user(request, &page, err);
    if (code != MESH_OK)
        return code;

    /* 1. Who that is. */
    code = notification_users_find(&scope, request->user_id, &response->recipient, err);
    if (code == MESH_OK && response->recipient == NULL)
        code = no_user(request->user_id, err);
    if (code != MESH_OK)
        return code;

    /* 2. A page as the user would see it. */
    scope.user_id = request->user_id;
    code = notification_store_list(&scope, page.after, page.size + 1, false,
                                   &response->notifications, &response->n_notifications, err);
    if (code == MESH_OK && response->n_notifications > page.size) {
        response->n_notifications = page.size;
        response->next_page_token = notification_user_page_token(
            scope.arena, request->user_id, response->notifications[page.size - 1]->id);
    }
    return code;
}

const notification__v1__notification_service__handlers notification_handlers = {
    .get_notification = get_notification,
    .list_notifications = list_notifications,
    .mark_notification_read = mark_notification_read,
    .watch_notifications__events = &watch,
    .send_notification = send_notification,
    .list_user_notifications = list_user_notifications,
};
