#include <string.h>

#include "services/notification/notification.h"
#include "services/notification/store.h"
#include "services/notification/users.h"

static void wake(void *feed)
{
    notification_feed_wake(feed);
}

mesh_code notification_order_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                     const Order__V1__OrderCreated *event, mesh_error *err)
{
    (void)meta;
    const notification_service *service = self;
    mesh_arena *arena = mesh_tx_arena(tx);

    /* 1. Recorded, with the event's inbox row in the same transaction: once. */
    const notification_draft draft = {
        .kind = NOTIFICATION__V1__NOTIFICATION__KIND__ORDER_CREATED,
        .user_id = event->user_id,
        .text = mesh_arena_printf(arena, "Order %s was placed: %zu %s", event->order_id,
                                  event->n_lines, event->n_lines == 1 ? "product" : "products"),
        .resource = mesh_arena_printf(arena, "orders/%s", event->order_id),
        .sender_id = "",
        .request_id = "",
    };
    Notification__V1__Notification *made;
    mesh_code code = notification_store_add(tx, arena, &draft, &made, err);
    if (code != MESH_OK || made == NULL)
        return code;

    /* 2. Those who watch hear of it. */
    return mesh_tx_after_commit(tx, wake, service->feed, err);
}

/* The copy of a user that an event is about. */
static mesh_code copy_user(mesh_tx *tx, const char *user_id, const User__V1__User *user,
                           mesh_error *err)
{
    if (user == NULL || strcmp(user->id, user_id) != 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the event lacks its user");
    return notification_users_put(tx, user, err);
}

mesh_code notification_user_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const User__V1__UserCreated *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    return copy_user(tx, event->user_id, event->user, err);
}

mesh_code notification_user_updated(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const User__V1__UserUpdated *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    return copy_user(tx, event->user_id, event->user, err);
}

mesh_code notification_user_banned(void *self, mesh_tx *tx, const mesh_event *meta,
                                   const User__V1__UserBanned *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    return copy_user(tx, event->user_id, event->user, err);
}

mesh_code notification_user_unbanned(void *self, mesh_tx *tx, const mesh_event *meta,
                                     const User__V1__UserUnbanned *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    return copy_user(tx, event->user_id, event->user, err);
}

mesh_code notification_user_deleted(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const User__V1__UserDeleted *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    return notification_users_delete(tx, event->user_id, event->version, err);
}
