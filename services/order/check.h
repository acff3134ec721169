/* The limits of the contract (proto/order/v1/order.proto), checked before anything is asked. */
#ifndef SERVICES_ORDER_CHECK_H
#define SERVICES_ORDER_CHECK_H

#include "mesh/resource/page.h"
#include "order/v1/order.mesh.h"

enum {
    ORDER_LINES_MAX = 100,
    ORDER_QUANTITY_MAX = 1000000,
    ORDER_PRODUCT_ID_MAX = 64,
    ORDER_USER_ID_MAX = 64
};

/* Of a price and of an order's total, in minor units. */
#define ORDER_AMOUNT_MAX INT64_C(1000000000000000)

/*
 * MESH_OK and the order's total, or MESH_INVALID_ARGUMENT with every violation. Without any, all
 * lines have a price, and all prices one currency.
 */
mesh_code order_check_create(const Order__V1__CreateOrderRequest *request, int64_t *total,
                             mesh_error *err);
mesh_code order_check_get(const Order__V1__GetOrderRequest *request, mesh_error *err);
mesh_code order_check_list(const Order__V1__ListOrdersRequest *request, mesh_page *page,
                           mesh_error *err);
mesh_code order_check_list_user(const Order__V1__ListUserOrdersRequest *request, mesh_page *page,
                                mesh_error *err);

/* The token of the page after an order, of ListOrders. */
char *order_page_token(mesh_arena *arena, const char *last_id);

/* The same of ListUserOrders, for this user's orders alone. */
char *order_user_page_token(mesh_arena *arena, const char *user_id, const char *last_id);

#endif
