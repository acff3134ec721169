#include "services/order/catalog.h"

#include <string.h>

#include "mesh/base/log.h"
#include "product/v1/product.mesh.h"

/* The product service's own mistakes are not the caller's. */
static mesh_code translate(const mesh_call *call, mesh_code code, mesh_error *err)
{
    switch (code) {
    case MESH_OK:
    case MESH_UNAVAILABLE:
    case MESH_DEADLINE_EXCEEDED:
    case MESH_RESOURCE_EXHAUSTED:
        return code;
    case MESH_CANCELLED:
        if (mesh_call_cancelled(call))
            return code;
        /* the service cut it off as it stopped: our caller may try again */
        return mesh_error_set(err, MESH_UNAVAILABLE, "the product service stopped meanwhile");
    default:
        mesh_log(MESH_LOG_ERROR, "the product service refused a look-up",
                 MESH_LOG_S("code", mesh_code_name(code)),
                 MESH_LOG_S("error", err != NULL ? err->message : NULL));
        return mesh_error_set(err, MESH_INTERNAL, "the products cannot be looked up");
    }
}

mesh_code order_catalog_look_up(const order_service *service, mesh_call *call,
                                Order__V1__OrderLine *const *lines, size_t count, mesh_error *err)
{
    Product__V1__BatchGetProductsRequest ask = PRODUCT__V1__BATCH_GET_PRODUCTS_REQUEST__INIT;
    Product__V1__BatchGetProductsResponse *answer;
    ask.ids = mesh_arena_calloc(mesh_call_arena(call), count, sizeof *ask.ids);
    if (ask.ids == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
    for (size_t i = 0; i < count; i++)
        ask.ids[i] = lines[i]->product_id;
    ask.n_ids = count;
    ask.allow_missing = true;

    mesh_code code = product__v1__product_service__batch_get_products(
        service->products, &ask, &answer, &(mesh_call_options){.parent = call}, err);
    if (code != MESH_OK)
        return translate(call, code, err);

    /* The answer has the order of the question, without those that are missing. */
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        bool there = next < answer->n_products &&
                     strcmp(answer->products[next]->id, lines[i]->product_id) == 0;
        lines[i]->product = there ? answer->products[next++] : NULL;
    }
    return MESH_OK;
}
