/*
 * The orders' tables. Orders that are returned are allocated from the arena. `deadline_ns` is the
 * call's (CLOCK_MONOTONIC); each function returns mesh/db's codes when the database fails.
 * Thread-safe.
 */
#ifndef SERVICES_ORDER_STORE_H
#define SERVICES_ORDER_STORE_H

#include "services/order/order.h"

/* What the store needs of a call. */
typedef struct order_scope {
    const order_service *service;
    mesh_arena *arena;
    int64_t deadline_ns;
} order_scope;

/*
 * Stores a new order (id, lines with titles, total; version and create_time are set) and its
 * OrderCreated, both or neither. `request_id` may be "". *taken: the request_id belongs to an order
 * already; nothing was stored.
 */
mesh_code order_store_add(const order_scope *scope, Order__V1__Order *order, const char *request_id,
                          bool *taken, mesh_error *err);

/* Fills an order with its lines. NOT_FOUND: ORDER_NOT_FOUND, also when the id is no id of ours. */
mesh_code order_store_get(const order_scope *scope, const char *id, Order__V1__Order *order,
                          mesh_error *err);

/* The order that was stored with a request_id; *found is false when there is none. */
mesh_code order_store_find_request(const order_scope *scope, const char *request_id,
                                   Order__V1__Order *order, bool *found, mesh_error *err);

/* At most `limit` orders with their lines, older than the order `after` ("": the newest first). */
mesh_code order_store_list(const order_scope *scope, const char *after, size_t limit,
                           Order__V1__Order ***orders, size_t *found, mesh_error *err);

#endif
