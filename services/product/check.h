/* The limits of the contract (proto/product/v1/product.proto), checked before the database. */
#ifndef SERVICES_PRODUCT_CHECK_H
#define SERVICES_PRODUCT_CHECK_H

#include "mesh/resource/page.h"
#include "product/v1/product.mesh.h"

enum {
    PRODUCT_ID_MAX = 64,
    PRODUCT_TITLE_MAX = 200,
    PRODUCT_CAPACITY_MAX = 1000000,
    PRODUCT_NUMBER_MAX = 1000000000, /* maximum_speed, in_stock */
    PRODUCT_BATCH_MAX = 100
};

/* Each returns MESH_OK, or MESH_INVALID_ARGUMENT with every violation. */
mesh_code product_check_create(const Product__V1__CreateProductRequest *request, mesh_error *err);
mesh_code product_check_batch(const Product__V1__BatchGetProductsRequest *request, mesh_error *err);
mesh_code product_check_list(const Product__V1__ListProductsRequest *request, mesh_page *page,
                             mesh_error *err);

/* Of a request that has nothing but an id. */
mesh_code product_check_id(const char *id, mesh_error *err);

/* The token of the page after a product. */
char *product_page_token(mesh_arena *arena, const char *last_id);

#endif
