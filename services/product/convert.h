/* From rows and messages to messages. */
#ifndef SERVICES_PRODUCT_CONVERT_H
#define SERVICES_PRODUCT_CONVERT_H

#include "services/product/product.h"

/* The columns that product_from_row reads, in its order. */
#define PRODUCT_COLUMNS                                                                  \
    "id, title, passenger_capacity, maximum_speed, in_stock, backordered, create_time, " \
    "update_time"

/* Fills a product from a row of PRODUCT_COLUMNS; what it points to lives in the arena. */
void product_from_row(const product_service *service, mesh_arena *arena, const mesh_rows *rows,
                      size_t row, Product__V1__Product *product);

/*
 * What a caller asked for in a creation, without the output-only fields, encoded. NULL when the
 * arena overflowed.
 */
const uint8_t *product_request_bytes(mesh_arena *arena, const Product__V1__Product *wanted,
                                     size_t *size);

#endif
