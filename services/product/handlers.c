#include <string.h>

#include "mesh/rpc/call.h"
#include "services/product/check.h"
#include "services/product/store.h"

static product_scope scope_of(void *self, mesh_call *call)
{
    return (product_scope){.service = self,
                           .arena = mesh_call_arena(call),
                           .deadline_ns = mesh_call_deadline_ns(call)};
}

static mesh_code create_product(void *self, mesh_call *call,
                                const Product__V1__CreateProductRequest *request,
                                Product__V1__Product *response, mesh_error *err)
{
    const product_scope scope = scope_of(self, call);

    /* 1. Every mistake of the caller's at once. */
    mesh_code code = product_check_create(request, err);
    if (code != MESH_OK)
        return code;

    /* 2. A new row, or the one that the same request made before. */
    return product_store_add(&scope, request->product, request->request_id, response, err);
}

static mesh_code get_product(void *self, mesh_call *call,
                             const Product__V1__GetProductRequest *request,
                             Product__V1__Product *response, mesh_error *err)
{
    const product_scope scope = scope_of(self, call);
    mesh_code code = product_check_id(request->id, err);
    if (code != MESH_OK)
        return code;
    return product_store_get(&scope, request->id, response, err);
}

/* The first of the ids that is not among the products, which have the ids' order. */
static const char *first_missing(const Product__V1__BatchGetProductsRequest *request,
                                 const Product__V1__BatchGetProductsResponse *response)
{
    for (size_t i = 0; i < request->n_ids; i++)
        if (i == response->n_products || strcmp(request->ids[i], response->products[i]->id) != 0)
            return request->ids[i];
    return NULL;
}

static mesh_code batch_get_products(void *self, mesh_call *call,
                                    const Product__V1__BatchGetProductsRequest *request,
                                    Product__V1__BatchGetProductsResponse *response,
                                    mesh_error *err)
{
    const product_scope scope = scope_of(self, call);
    mesh_code code = product_check_batch(request, err);
    if (code != MESH_OK)
        return code;

    /* 1. All of them with one statement. */
    code = product_store_get_many(&scope, (const char *const *)request->ids, request->n_ids,
                                  &response->products, &response->n_products, err);
    if (code != MESH_OK)
        return code;

    /* 2. All or nothing, unless the caller can do with what there is. */
    const char *missing = first_missing(request, response);
    if (missing == NULL || request->allow_missing)
        return MESH_OK;
    product__v1__error_reason__set(err, MESH_NOT_FOUND,
                                   PRODUCT__V1__ERROR_REASON__PRODUCT_NOT_FOUND, "no product %s",
                                   missing);
    mesh_error_metadata(err, "product_id", missing);
    return MESH_NOT_FOUND;
}

static mesh_code list_products(void *self, mesh_call *call,
                               const Product__V1__ListProductsRequest *request,
                               Product__V1__ListProductsResponse *response, mesh_error *err)
{
    const product_scope scope = scope_of(self, call);
    mesh_page page;
    mesh_code code = product_check_list(request, &page, err);
    if (code != MESH_OK)
        return code;

    /* 1. One more than the page holds tells whether another page follows. */
    code = product_store_list(&scope, page.after, page.size + 1, &response->products,
                              &response->n_products, err);
    if (code != MESH_OK)
        return code;

    /* 2. The token names the last product shown. */
    if (response->n_products > page.size) {
        response->n_products = page.size;
        response->next_page_token = product_page_token(scope.arena,
                                                       response->products[page.size - 1]->id);
    }
    return MESH_OK;
}

static mesh_code delete_product(void *self, mesh_call *call,
                                const Product__V1__DeleteProductRequest *request,
                                Google__Protobuf__Empty *response, mesh_error *err)
{
    (void)response;
    const product_scope scope = scope_of(self, call);
    mesh_code code = product_check_id(request->id, err);
    if (code != MESH_OK)
        return code;
    return product_store_delete(&scope, request->id, err);
}

const product__v1__product_service__handlers product_handlers = {
    .create_product = create_product,
    .get_product = get_product,
    .batch_get_products = batch_get_products,
    .list_products = list_products,
    .delete_product = delete_product,
};
