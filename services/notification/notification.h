/* The notification service from the inside: what its files share. */
#ifndef SERVICES_NOTIFICATION_NOTIFICATION_H
#define SERVICES_NOTIFICATION_NOTIFICATION_H

#include "mesh/db/db.h"
#include "mesh/events/events.h"
#include "notification/v1/notification.mesh.h"
#include "order/v1/events.mesh.h"
#include "payment/v1/events.mesh.h"
#include "services/notification/feed.h"
#include "services/notification/reconciler.h"
#include "ticket/v1/events.mesh.h"
#include "user/v1/events.mesh.h"

/* `self` of every handler; immutable once the service runs. */
typedef struct notification_service {
    mesh_db *db;
    notification_feed *feed;
    reconciler *reconciler; /* of the copies of users; on_start's and on_stop's; NULL: another
                               process runs it */
} notification_service;

/* The rpcs; `self` is a notification_service. */
extern const notification__v1__notification_service__handlers notification_handlers;

/* Consumers of what people should hear about: each records a notification. */
mesh_code notification_order_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                     const Order__V1__OrderCreated *event, mesh_error *err);
mesh_code notification_order_cancelled(void *self, mesh_tx *tx, const mesh_event *meta,
                                       const Order__V1__OrderCancelled *event, mesh_error *err);
mesh_code notification_order_expired(void *self, mesh_tx *tx, const mesh_event *meta,
                                     const Order__V1__OrderExpired *event, mesh_error *err);
mesh_code notification_order_completed(void *self, mesh_tx *tx, const mesh_event *meta,
                                       const Order__V1__OrderCompleted *event, mesh_error *err);
mesh_code notification_charge_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                      const Payment__V1__ChargeCreated *event, mesh_error *err);
mesh_code notification_ticket_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                      const Ticket__V1__TicketCreated *event, mesh_error *err);
mesh_code notification_ticket_updated(void *self, mesh_tx *tx, const mesh_event *meta,
                                      const Ticket__V1__TicketUpdated *event, mesh_error *err);

/* Consumers of what happens to users: keep the copies (users.h); who is let in again is told. */
mesh_code notification_user_created(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const User__V1__UserCreated *event, mesh_error *err);
mesh_code notification_user_updated(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const User__V1__UserUpdated *event, mesh_error *err);
mesh_code notification_user_banned(void *self, mesh_tx *tx, const mesh_event *meta,
                                   const User__V1__UserBanned *event, mesh_error *err);
mesh_code notification_user_unbanned(void *self, mesh_tx *tx, const mesh_event *meta,
                                     const User__V1__UserUnbanned *event, mesh_error *err);
mesh_code notification_user_deleted(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const User__V1__UserDeleted *event, mesh_error *err);

#endif
