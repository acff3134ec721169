#include "services/notification/notification.h"
#include "services/notification/store.h"

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
    const char *text = mesh_arena_printf(arena, "Order %s was placed: %zu %s", event->order_id,
                                         event->n_lines,
                                         event->n_lines == 1 ? "product" : "products");
    const char *resource = mesh_arena_printf(arena, "orders/%s", event->order_id);
    mesh_code code = notification_store_add(tx, NOTIFICATION__V1__NOTIFICATION__KIND__ORDER_CREATED,
                                            text, resource, err);
    if (code != MESH_OK)
        return code;

    /* 2. Those who watch hear of it. */
    return mesh_tx_after_commit(tx, wake, service->feed, err);
}
