/* The order service from the inside: what its files share. */
#ifndef SERVICES_ORDER_ORDER_H
#define SERVICES_ORDER_ORDER_H

#include "mesh/db/db.h"
#include "mesh/rpc/channel.h"
#include "order/v1/order.mesh.h"

/* `self` of every handler; immutable once the service runs. */
typedef struct order_service {
    mesh_db *db;
    mesh_channel *products; /* to the product service */
} order_service;

/* The rpcs; `self` is an order_service. */
extern const order__v1__order_service__handlers order_handlers;

#endif
