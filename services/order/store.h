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
 * Stores a new order (id, user_id, lines with titles, total; version and create_time are set) and
 * its OrderCreated, both or neither. `request_id` may be "". *taken: the request_id belongs to an
 * order of the user's already; nothing was stored.
 */
mesh_code order_store_add(const order_scope *scope, Order__V1__Order *order, const char *request_id,
                          bool *taken, mesh_error *err);

/*
 * Fills an order of the user's with its lines. NOT_FOUND: ORDER_NOT_FOUND, in the same words
 * whether it is another user's, there is none, or the id is no id of ours.
 */
mesh_code order_store_get(const order_scope *scope, const char *user_id, const char *id,
                          Order__V1__Order *order, mesh_error *err);

/* The order that the user's request of this id made; *found is false when there is none. */
mesh_code order_store_find_request(const order_scope *scope, const char *user_id,
                                   const char *request_id, Order__V1__Order *order, bool *found,
                                   mesh_error *err);

/* Orders of a user. */
typedef struct order_list {
    Order__V1__Order **orders;
    size_t count;
} order_list;

/*
 * At most `limit` (up to MESH_PAGE_SIZE_MAX + 1) of the user's orders with their lines, newest
 * first, older than the order `after` ("": from the newest on).
 */
mesh_code order_store_list(const order_scope *scope, const char *user_id, const char *after,
                           size_t limit, order_list *list, mesh_error *err);

#endif
