/*
 * The products' table. Functions that return products allocate them from the arena. `deadline_ns`
 * is the call's (CLOCK_MONOTONIC); each returns mesh/db's codes when the database fails.
 * Thread-safe.
 */
#ifndef SERVICES_PRODUCT_STORE_H
#define SERVICES_PRODUCT_STORE_H

#include "services/product/product.h"

/* What the store needs of a call. */
typedef struct product_scope {
    const product_service *service;
    mesh_arena *arena;
    int64_t deadline_ns;
} product_scope;

/*
 * Adds a product. `request_id` may be "". On MESH_OK *product is the new one or, with a request_id
 * seen before and the same `request` (encoded content of the request), the one that exists.
 * ALREADY_EXISTS: with the reasons of the contract.
 */
mesh_code product_store_add(const product_scope *scope, const Product__V1__Product *wanted,
                            const char *request_id, Product__V1__Product *product, mesh_error *err);

/* NOT_FOUND: PRODUCT_NOT_FOUND. */
mesh_code product_store_get(const product_scope *scope, const char *id,
                            Product__V1__Product *product, mesh_error *err);

/* Those of the ids that exist, in the order of the ids. */
mesh_code product_store_get_many(const product_scope *scope, const char *const *ids, size_t count,
                                 Product__V1__Product ***products, size_t *found, mesh_error *err);

/* At most `limit` products with ids after `after`, in ascending order. */
mesh_code product_store_list(const product_scope *scope, const char *after, size_t limit,
                             Product__V1__Product ***products, size_t *found, mesh_error *err);

/* NOT_FOUND: PRODUCT_NOT_FOUND. */
mesh_code product_store_delete(const product_scope *scope, const char *id, mesh_error *err);

/* How many units of a product are taken off the stock. */
typedef struct product_taking {
    const char *product_id;
    int64_t quantity;
} product_taking;

/*
 * Takes them, in the transaction. What the stock does not hold is counted as backordered. Products
 * that do not exist (any more) are left out; *missing says how many. A product may be there more
 * than once. Sorts `takings`.
 */
mesh_code product_store_take(mesh_tx *tx, product_taking *takings, size_t count, size_t *missing,
                             mesh_error *err);

#endif
