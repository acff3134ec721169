#include <stdio.h>

#include "mesh/auth/caller.h"
#include "mesh/base/uuid.h"
#include "product/v1/product.mesh.h"
#include "services/order/catalog.h"
#include "services/order/check.h"
#include "services/order/convert.h"
#include "services/order/store.h"

/* A page of orders ends early at this size, below what a client takes by default (4 MiB). */
enum {
    LIST_MAX_BYTES = 2 * 1024 * 1024
};

static order_scope scope_of(void *self, mesh_call *call)
{
    return (order_scope){.service = self,
                         .arena = mesh_call_arena(call),
                         .deadline_ns = mesh_call_deadline_ns(call)};
}

/* Whose orders a call is about. */
static const char *user_of(const mesh_call *call)
{
    return mesh_call_caller(call)->user;
}

/* Answers with the order that an earlier request of the same user and id made. */
static mesh_code answer_again(const order_scope *scope, const char *user_id,
                              const Order__V1__CreateOrderRequest *request,
                              Order__V1__Order *response, bool *found, mesh_error *err)
{
    mesh_code code = order_store_find_request(scope, user_id, request->request_id, response, found,
                                              err);
    if (code != MESH_OK || !*found)
        return code;
    if (!order_has_lines(response, request))
        return order__v1__error_reason__set(
            err, MESH_ALREADY_EXISTS, ORDER__V1__ERROR_REASON__REQUEST_ID_REUSED,
            "request_id %s belongs to a request with other lines", request->request_id);
    return MESH_OK;
}

/* Lines of our own: what the caller wrote into output-only fields does not get through. */
static mesh_code copy_lines(mesh_arena *arena, const Order__V1__CreateOrderRequest *request,
                            Order__V1__Order *order, mesh_error *err)
{
    size_t count = request->n_lines;
    Order__V1__OrderLine *lines = mesh_arena_calloc(arena, count, sizeof *lines);
    Order__V1__OrderLine **list = mesh_arena_calloc(arena, count, sizeof *list);
    if (lines == NULL || list == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
    for (size_t i = 0; i < count; i++) {
        order__v1__order_line__init(&lines[i]);
        lines[i].product_id = request->lines[i]->product_id;
        lines[i].price = request->lines[i]->price;
        lines[i].quantity = request->lines[i]->quantity;
        list[i] = &lines[i];
    }
    order->lines = list;
    order->n_lines = count;
    return MESH_OK;
}

/* Every product exists and has enough on stock. Titles are taken over, details not. */
static mesh_code check_products(Order__V1__Order *order, mesh_error *err)
{
    for (size_t i = 0; i < order->n_lines; i++) {
        Order__V1__OrderLine *line = order->lines[i];
        if (line->product == NULL) {
            product__v1__error_reason__set(err, MESH_NOT_FOUND,
                                           PRODUCT__V1__ERROR_REASON__PRODUCT_NOT_FOUND,
                                           "no product %s", line->product_id);
            mesh_error_metadata(err, "product_id", line->product_id);
            return MESH_NOT_FOUND;
        }
    }
    for (size_t i = 0; i < order->n_lines; i++) {
        Order__V1__OrderLine *line = order->lines[i];
        if (line->product->in_stock < line->quantity) {
            char in_stock[16];
            snprintf(in_stock, sizeof in_stock, "%d", line->product->in_stock);
            order__v1__error_reason__set(
                err, MESH_FAILED_PRECONDITION, ORDER__V1__ERROR_REASON__INSUFFICIENT_STOCK,
                "only %s of product %s on stock", in_stock, line->product_id);
            mesh_error_metadata(err, "product_id", line->product_id);
            mesh_error_metadata(err, "in_stock", in_stock);
            return MESH_FAILED_PRECONDITION;
        }
        line->title = line->product->title;
        line->product = NULL;
    }
    return MESH_OK;
}

static mesh_code create_order(void *self, mesh_call *call,
                              const Order__V1__CreateOrderRequest *request,
                              Order__V1__Order *response, mesh_error *err)
{
    const order_scope scope = scope_of(self, call);
    const char *user_id = user_of(call);
    bool again = false;

    /* 1. Every mistake of the caller's at once. */
    int64_t total;
    mesh_code code = order_check_create(request, &total, err);
    if (code != MESH_OK)
        return code;

    /* 2. A repetition is answered as the first time, whatever became of the products since. */
    if (request->request_id[0] != '\0') {
        code = answer_again(&scope, user_id, request, response, &again, err);
        if (code != MESH_OK || again)
            return code;
    }

    /* 3. Every product is asked for, with one call. */
    code = copy_lines(scope.arena, request, response, err);
    if (code != MESH_OK)
        return code;
    code = order_catalog_look_up(self, call, response->lines, response->n_lines, err);
    if (code != MESH_OK)
        return code;
    code = check_products(response, err);
    if (code != MESH_OK)
        return code;

    /* 4. The order and its event, in one transaction. */
    char id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    response->id = mesh_arena_strdup(scope.arena, id);
    response->user_id = mesh_arena_strdup(scope.arena, user_id);
    response->total = order_money(scope.arena, total, request->lines[0]->price->currency);
    if (response->total == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
    code = order_store_add(&scope, response, request->request_id, &again, err);
    if (code != MESH_OK || !again)
        return code;

    /* 5. The same request was faster on another connection. */
    code = answer_again(&scope, user_id, request, response, &again, err);
    if (code == MESH_OK && !again)
        code = mesh_error_set(err, MESH_ABORTED, "the order was not created, try again");
    return code;
}

static mesh_code get_order(void *self, mesh_call *call, const Order__V1__GetOrderRequest *request,
                           Order__V1__Order *response, mesh_error *err)
{
    const order_scope scope = scope_of(self, call);
    mesh_code code = order_check_get(request, err);
    if (code != MESH_OK)
        return code;

    /* 1. The order. */
    code = order_store_get(&scope, user_of(call), request->id, response, err);
    if (code != MESH_OK)
        return code;

    /* 2. Its products' details, with one call. */
    return order_catalog_look_up(self, call, response->lines, response->n_lines, err);
}

/* How many of the orders fit into an answer; at least one. */
static size_t count_that_fit(Order__V1__Order *const *orders, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += order__v1__order__get_packed_size(orders[i]);
        if (bytes > LIST_MAX_BYTES && i > 0)
            return i;
    }
    return count;
}

/* A page of a user's orders. *last is the id of its last order, NULL when no page follows. */
static mesh_code list_page(const order_scope *scope, const char *user_id, const mesh_page *page,
                           order_list *list, const char **last, mesh_error *err)
{
    /* One more than the page holds tells whether another page follows. */
    mesh_code code = order_store_list(scope, user_id, page->after, page->size + 1, list, err);
    if (code != MESH_OK)
        return code;
    size_t found = list->count;
    list->count = count_that_fit(list->orders, found < page->size ? found : page->size);
    *last = list->count < found ? list->orders[list->count - 1]->id : NULL;
    return MESH_OK;
}

static mesh_code list_orders(void *self, mesh_call *call,
                             const Order__V1__ListOrdersRequest *request,
                             Order__V1__ListOrdersResponse *response, mesh_error *err)
{
    const order_scope scope = scope_of(self, call);
    mesh_page page;
    mesh_code code = order_check_list(request, &page, err);
    if (code != MESH_OK)
        return code;

    /* 1. The caller's own. */
    order_list list;
    const char *last;
    code = list_page(&scope, user_of(call), &page, &list, &last, err);
    if (code != MESH_OK)
        return code;

    /* 2. The token names the last order shown. */
    response->orders = list.orders;
    response->n_orders = list.count;
    if (last != NULL)
        response->next_page_token = order_page_token(scope.arena, last);
    return MESH_OK;
}

static mesh_code list_user_orders(void *self, mesh_call *call,
                                  const Order__V1__ListUserOrdersRequest *request,
                                  Order__V1__ListUserOrdersResponse *response, mesh_error *err)
{
    const order_scope scope = scope_of(self, call);
    mesh_page page;
    mesh_code code = order_check_list_user(request, &page, err);
    if (code != MESH_OK)
        return code;

    /* 1. Of whom the request says. */
    order_list list;
    const char *last;
    code = list_page(&scope, request->user_id, &page, &list, &last, err);
    if (code != MESH_OK)
        return code;

    /* 2. The token names the last order shown. */
    response->orders = list.orders;
    response->n_orders = list.count;
    if (last != NULL)
        response->next_page_token = order_user_page_token(scope.arena, request->user_id, last);
    return MESH_OK;
}

const order__v1__order_service__handlers order_handlers = {
    .create_order = create_order,
    .get_order = get_order,
    .list_orders = list_orders,
    .list_user_orders = list_user_orders,
};
