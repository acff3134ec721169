#include "services/order/check.h"

#include <stdio.h>
#include <string.h>

enum {
    SCOPE_BYTES = 64 + ORDER_USER_ID_MAX
};

static const char LIST_SCOPE[] = "order.v1.OrderService/ListOrders";

static void check_price(mesh_check *check, const Mesh__Type__V1__Money *price,
                        const Mesh__Type__V1__Money *first)
{
    if (price == NULL) {
        mesh_check_fail(check, "price", "must be given");
        return;
    }
    mesh_check_enter(check, "price");
    mesh_check_integer(check, "minor_units", price->minor_units, 0, ORDER_AMOUNT_MAX);
    mesh_check_currency(check, "currency", price->currency);
    if (first != NULL && strcmp(first->currency, price->currency) != 0)
        mesh_check_fail(check, "currency", "must be that of the first line");
    mesh_check_leave(check);
}

static void check_line(mesh_check *check, Order__V1__OrderLine *const *lines, size_t index)
{
    const Order__V1__OrderLine *line = lines[index];
    mesh_check_enter(check, "lines[%zu]", index);
    mesh_check_id(check, "product_id", line->product_id, ORDER_PRODUCT_ID_MAX);
    for (size_t i = 0; i < index; i++)
        if (strcmp(lines[i]->product_id, line->product_id) == 0) {
            mesh_check_fail(check, "product_id", "is the same as that of lines[%zu]", i);
            break;
        }
    mesh_check_integer(check, "quantity", line->quantity, 1, ORDER_QUANTITY_MAX);
    check_price(check, line->price, lines[0]->price);
    mesh_check_leave(check);
}

/* False when it is more than an order may cost. */
static bool add_up(const Order__V1__CreateOrderRequest *request, int64_t *total)
{
    int64_t sum = 0;
    for (size_t i = 0; i < request->n_lines; i++) {
        const Order__V1__OrderLine *line = request->lines[i];
        int64_t amount;
        if (__builtin_mul_overflow(line->price->minor_units, (int64_t)line->quantity, &amount) ||
            __builtin_add_overflow(sum, amount, &sum) || sum > ORDER_AMOUNT_MAX)
            return false;
    }
    *total = sum;
    return true;
}

mesh_code order_check_create(const Order__V1__CreateOrderRequest *request, int64_t *total,
                             mesh_error *err)
{
    mesh_check check = {.err = err};
    if (request->n_lines < 1 || request->n_lines > ORDER_LINES_MAX)
        mesh_check_fail(&check, "lines", "must be 1 to %d lines", ORDER_LINES_MAX);
    else
        for (size_t i = 0; i < request->n_lines; i++)
            check_line(&check, request->lines, i);
    mesh_check_request_id(&check, "request_id", request->request_id);

    if (check.code == MESH_OK && !add_up(request, total))
        mesh_check_fail(&check, "lines", "must cost at most %lld minor units together",
                        (long long)ORDER_AMOUNT_MAX);
    return check.code;
}

mesh_code order_check_get(const Order__V1__GetOrderRequest *request, mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_check_that(&check, request->id[0] != '\0', "id", "must be given");
    return check.code;
}

mesh_code order_check_list(const Order__V1__ListOrdersRequest *request, mesh_page *page,
                           mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_page_read(page, &check, LIST_SCOPE, request->page_size, request->page_token);
    return check.code;
}

/* A token of one user's list is none of another's. */
static void user_scope(const char *user_id, char scope[SCOPE_BYTES])
{
    snprintf(scope, SCOPE_BYTES, "order.v1.OrderService/ListUserOrders?user_id=%s", user_id);
}

mesh_code order_check_list_user(const Order__V1__ListUserOrdersRequest *request, mesh_page *page,
                                mesh_error *err)
{
    mesh_check check = {.err = err};
    char scope[SCOPE_BYTES];
    if (strlen(request->user_id) > ORDER_USER_ID_MAX)
        mesh_check_fail(&check, "user_id", "must be at most %d bytes", ORDER_USER_ID_MAX);
    user_scope(request->user_id, scope);
    mesh_page_read(page, &check, scope, request->page_size, request->page_token);
    return check.code;
}

char *order_page_token(mesh_arena *arena, const char *last_id)
{
    return mesh_page_token(arena, LIST_SCOPE, last_id);
}

char *order_user_page_token(mesh_arena *arena, const char *user_id, const char *last_id)
{
    char scope[SCOPE_BYTES];
    user_scope(user_id, scope);
    return mesh_page_token(arena, scope, last_id);
}
