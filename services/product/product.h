/* The product service from the inside: what its files share. */
#ifndef SERVICES_PRODUCT_PRODUCT_H
#define SERVICES_PRODUCT_PRODUCT_H

#include "mesh/db/db.h"
#include "mesh/events/events.h"
#include "order/v1/events.mesh.h"
#include "product/v1/product.mesh.h"

/* `self` of every handler; immutable once the service runs. */
typedef struct product_service {
    mesh_db *db;
    const char *image_root; /* a product's picture is at <image_root>/<id>.jpg */
} product_service;

/* The rpcs; `self` is a product_service. */
extern const product__v1__product_service__handlers product_handlers;

/* Consumer of order.v1.OrderCreated: lowers the stock of what was sold. */
mesh_code product_lower_stock(void *self, mesh_tx *tx, const mesh_event *meta,
                              const Order__V1__OrderCreated *event, mesh_error *err);

#endif
