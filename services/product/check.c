#include "services/product/check.h"

#include <stdio.h>
#include <string.h>

static const char LIST_SCOPE[] = "product.v1.ProductService/ListProducts";

mesh_code product_check_create(const Product__V1__CreateProductRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    const Product__V1__Product *product = request->product;
    if (product == NULL) {
        mesh_check_fail(&check, "product", "must be given");
    } else {
        mesh_check_enter(&check, "product");
        mesh_check_id(&check, "id", product->id, PRODUCT_ID_MAX);
        mesh_check_text(&check, "title", product->title, 1, PRODUCT_TITLE_MAX);
        mesh_check_integer(&check, "passenger_capacity", product->passenger_capacity, 0,
                           PRODUCT_CAPACITY_MAX);
        mesh_check_integer(&check, "maximum_speed", product->maximum_speed, 0, PRODUCT_NUMBER_MAX);
        mesh_check_integer(&check, "in_stock", product->in_stock, 0, PRODUCT_NUMBER_MAX);
        mesh_check_leave(&check);
    }
    mesh_check_request_id(&check, "request_id", request->request_id);
    return check.code;
}

mesh_code product_check_batch(const Product__V1__BatchGetProductsRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    if (request->n_ids < 1 || request->n_ids > PRODUCT_BATCH_MAX) {
        mesh_check_fail(&check, "ids", "must be 1 to %d ids", PRODUCT_BATCH_MAX);
        return check.code;
    }
    for (size_t i = 0; i < request->n_ids; i++) {
        char field[32];
        snprintf(field, sizeof field, "ids[%zu]", i);
        mesh_check_id(&check, field, request->ids[i], PRODUCT_ID_MAX);
        for (size_t j = 0; j < i; j++)
            if (strcmp(request->ids[i], request->ids[j]) == 0) {
                mesh_check_fail(&check, field, "is the same as ids[%zu]", j);
                break;
            }
    }
    return check.code;
}

mesh_code product_check_list(const Product__V1__ListProductsRequest *request, mesh_page *page,
                             mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_page_read(page, &check, LIST_SCOPE, request->page_size, request->page_token);
    return check.code;
}

mesh_code product_check_id(const char *id, mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_check_that(&check, id[0] != '\0', "id", "must be given");
    return check.code;
}

char *product_page_token(mesh_arena *arena, const char *last_id)
{
    return mesh_page_token(arena, LIST_SCOPE, last_id);
}
