/* From rows and messages to messages. What is made lives in the arena. */
#ifndef SERVICES_ORDER_CONVERT_H
#define SERVICES_ORDER_CONVERT_H

#include "order/v1/events.mesh.h"
#include "services/order/order.h"

/* What order_from_rows reads, in its order: a row for each line of an order. */
#define ORDER_COLUMNS                                                                         \
    "o.id, o.currency, o.total, o.version, o.create_time, o.user_id, l.product_id, l.title, " \
    "l.price, l.quantity"

/* How many rows, from `row` on, belong to the same order. */
size_t order_rows_of_one(const mesh_rows *rows, size_t row);

/* Fills an order from its `count` rows. False: the arena overflowed. */
bool order_from_rows(mesh_arena *arena, const mesh_rows *rows, size_t row, size_t count,
                     Order__V1__Order *order);

/* A new amount; NULL when the arena overflowed. */
Mesh__Type__V1__Money *order_money(mesh_arena *arena, int64_t minor_units, const char *currency);

/* What other services are told of a new order; it points into the order. False: the arena
 * overflowed. */
bool order_to_event(mesh_arena *arena, const Order__V1__Order *order,
                    Order__V1__OrderCreated *event);

/* True when the order has exactly the lines of the request. */
bool order_has_lines(const Order__V1__Order *order, const Order__V1__CreateOrderRequest *request);

#endif
