#include <string.h>

#include "services/notification/notification.h"
#include "services/notification/store.h"
#include "services/notification/users.h"

#define KIND(name) NOTIFICATION__V1__NOTIFICATION__KIND__##name

static void wake(void *feed)
{
    notification_feed_wake(feed);
}

/* What an event means to somebody. */
typedef struct news {
    Notification__V1__Notification__Kind kind;
    const char *user_id;
    const char *resource;
    const char *text;
} news;

/* Recorded, with the event's inbox row in the same transaction: once. Who watches hears of it. */
static mesh_code tell(void *self, mesh_tx *tx, const news *what, mesh_error *err)
{
    const notification_service *service = self;
    const notification_draft draft = {
        .kind = what->kind,
        .user_id = what->user_id,
        .text = what->text,
        .resource = what->resource,
        .sender_id = "",
        .request_id = "",
    };
    Notification__V1__Notification *made;
    mesh_code code = notification_store_add(tx, mesh_tx_arena(tx), &draft, &made, err);
    if (code != MESH_OK || made == NULL)
        return code;
    return mesh_tx_after_commit(tx, wake, service->feed, err);
}

#define TEXT(...) mesh_arena_printf(mesh_tx_arena(tx), __VA_ARGS__)

/* ---- orders and what was paid for them ---- */

mesh_code notification_order_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                     const Order__V1__OrderCreated *event, mesh_error *err)
{
    (void)meta;
    const char *what = event->ticket_id[0] != '\0'
                           ? "a ticket"
                           : TEXT("%zu %s", event->n_lines,
                                  event->n_lines == 1 ? "product" : "products");
    const news created = {KIND(ORDER_CREATED), event->user_id, TEXT("orders/%s", event->order_id),
                          TEXT("Order %s was placed: %s", event->order_id, what)};
    return tell(self, tx, &created, err);
}

mesh_code notification_order_cancelled(void *self, mesh_tx *tx, const mesh_event *meta,
                                       const Order__V1__OrderCancelled *event, mesh_error *err)
{
    (void)meta;
    bool unpaid = event->cause == ORDER__V1__ORDER_CANCELLED__CAUSE__PAYMENT_FAILED;
    const news cancelled = {
        KIND(ORDER_CANCELLED), event->user_id, TEXT("orders/%s", event->order_id),
        TEXT("Order %s was cancelled%s", event->order_id, unpaid ? ": the payment failed" : "")};
    return tell(self, tx, &cancelled, err);
}

mesh_code notification_order_expired(void *self, mesh_tx *tx, const mesh_event *meta,
                                     const Order__V1__OrderExpired *event, mesh_error *err)
{
    (void)meta;
    const news expired = {KIND(ORDER_EXPIRED), event->user_id, TEXT("orders/%s", event->order_id),
                          TEXT("Order %s was not paid in time", event->order_id)};
    return tell(self, tx, &expired, err);
}

mesh_code notification_order_completed(void *self, mesh_tx *tx, const mesh_event *meta,
                                       const Order__V1__OrderCompleted *event, mesh_error *err)
{
    (void)meta;
    const news completed = {KIND(ORDER_COMPLETED), event->user_id,
                            TEXT("orders/%s", event->order_id),
                            TEXT("Order %s is paid", event->order_id)};
    return tell(self, tx, &completed, err);
}

/* Of a charge that was paid its order tells. */
mesh_code notification_charge_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                      const Payment__V1__ChargeCreated *event, mesh_error *err)
{
    (void)meta;
    const Payment__V1__Charge *charge = event->charge;
    if (charge == NULL || strcmp(charge->id, event->charge_id) != 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the event lacks its charge");
    if (charge->state != PAYMENT__V1__CHARGE__STATE__FAILED)
        return MESH_OK;
    const news failed = {KIND(PAYMENT_FAILED), charge->user_id, TEXT("orders/%s", charge->order_id),
                         TEXT("The payment of order %s failed", charge->order_id)};
    return tell(self, tx, &failed, err);
}

/* ---- tickets: who sells one hears of it ---- */

static mesh_code tell_seller(void *self, mesh_tx *tx, Notification__V1__Notification__Kind kind,
                             const Ticket__V1__Ticket *ticket, mesh_error *err)
{
    const news of_ticket = {kind, ticket->user_id, TEXT("tickets/%s", ticket->id),
                            TEXT("Your ticket \"%s\" %s", ticket->title,
                                 kind == KIND(TICKET_SOLD) ? "was sold" : "is for sale")};
    return tell(self, tx, &of_ticket, err);
}

static mesh_code check_ticket(const char *ticket_id, const Ticket__V1__Ticket *ticket,
                              mesh_error *err)
{
    if (ticket == NULL || strcmp(ticket->id, ticket_id) != 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the event lacks its ticket");
    return MESH_OK;
}

mesh_code notification_ticket_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                      const Ticket__V1__TicketCreated *event, mesh_error *err)
{
    (void)meta;
    mesh_code code = check_ticket(event->ticket_id, event->ticket, err);
    return code == MESH_OK ? tell_seller(self, tx, KIND(TICKET_FOR_SALE), event->ticket, err)
                           : code;
}

/* A sale is the last that happens to a ticket, so it is told once. */
mesh_code notification_ticket_updated(void *self, mesh_tx *tx, const mesh_event *meta,
                                      const Ticket__V1__TicketUpdated *event, mesh_error *err)
{
    (void)meta;
    mesh_code code = check_ticket(event->ticket_id, event->ticket, err);
    if (code == MESH_OK && event->ticket->state == TICKET__V1__TICKET__STATE__SOLD)
        code = tell_seller(self, tx, KIND(TICKET_SOLD), event->ticket, err);
    return code;
}

/* ---- users: copied, and told what they could not see ---- */

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
    (void)meta;
    const news open = {KIND(ACCOUNT_OPENED), event->user_id, "", "Your account is open again"};
    mesh_code code = copy_user(tx, event->user_id, event->user, err);
    return code == MESH_OK ? tell(self, tx, &open, err) : code;
}

mesh_code notification_user_deleted(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const User__V1__UserDeleted *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    return notification_users_delete(tx, event->user_id, event->version, err);
}
