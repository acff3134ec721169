/* What the order service asks the product service, with one call however many products. */
#ifndef SERVICES_ORDER_CATALOG_H
#define SERVICES_ORDER_CATALOG_H

#include "mesh/rpc/call.h"
#include "services/order/order.h"

/*
 * Fills `product` of each line; NULL for a product that does not exist. What it fills lives as long
 * as the call. Errors: UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED and RESOURCE_EXHAUSTED as the
 * product service or the way to it gave them; INTERNAL for anything else.
 */
mesh_code order_catalog_look_up(const order_service *service, mesh_call *call,
                                Order__V1__OrderLine *const *lines, size_t count, mesh_error *err);

#endif
