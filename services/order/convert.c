#include "services/order/convert.h"

#include <string.h>

#include "mesh/resource/timestamp.h"

size_t order_rows_of_one(const mesh_rows *rows, size_t row)
{
    size_t end = row + 1;
    while (end < mesh_rows_count(rows) &&
           strcmp(mesh_rows_text(rows, row, 0), mesh_rows_text(rows, end, 0)) == 0)
        end++;
    return end - row;
}

Mesh__Type__V1__Money *order_money(mesh_arena *arena, int64_t minor_units, const char *currency)
{
    Mesh__Type__V1__Money *money = mesh_arena_alloc(arena, sizeof *money);
    if (money == NULL)
        return NULL;
    mesh__type__v1__money__init(money);
    money->minor_units = minor_units;
    money->currency = mesh_arena_strdup(arena, currency);
    return money;
}

bool order_from_rows(mesh_arena *arena, const mesh_rows *rows, size_t row, size_t count,
                     Order__V1__Order *order)
{
    const char *currency = mesh_rows_text(rows, row, 1);
    Order__V1__OrderLine *lines = mesh_arena_calloc(arena, count, sizeof *lines);
    Order__V1__OrderLine **list = mesh_arena_calloc(arena, count, sizeof *list);
    if (lines == NULL || list == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        order__v1__order_line__init(&lines[i]);
        lines[i].product_id = mesh_arena_strdup(arena, mesh_rows_text(rows, row + i, 6));
        lines[i].title = mesh_arena_strdup(arena, mesh_rows_text(rows, row + i, 7));
        lines[i].price = order_money(arena, mesh_rows_int(rows, row + i, 8), currency);
        lines[i].quantity = (int32_t)mesh_rows_int(rows, row + i, 9);
        list[i] = &lines[i];
    }
    order->id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 0));
    order->total = order_money(arena, mesh_rows_int(rows, row, 2), currency);
    order->version = mesh_rows_int(rows, row, 3);
    order->create_time = mesh_timestamp(arena, mesh_rows_time(rows, row, 4));
    order->user_id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 5));
    order->lines = list;
    order->n_lines = count;
    return !mesh_arena_overflowed(arena);
}

bool order_to_event(mesh_arena *arena, const Order__V1__Order *order,
                    Order__V1__OrderCreated *event)
{
    Order__V1__OrderCreated__Line *lines = mesh_arena_calloc(arena, order->n_lines, sizeof *lines);
    Order__V1__OrderCreated__Line **list = mesh_arena_calloc(arena, order->n_lines, sizeof *list);
    if (lines == NULL || list == NULL)
        return false;
    for (size_t i = 0; i < order->n_lines; i++) {
        order__v1__order_created__line__init(&lines[i]);
        lines[i].product_id = order->lines[i]->product_id;
        lines[i].price = order->lines[i]->price;
        lines[i].quantity = order->lines[i]->quantity;
        list[i] = &lines[i];
    }
    event->order_id = order->id;
    event->version = order->version;
    event->lines = list;
    event->n_lines = order->n_lines;
    event->total = order->total;
    event->create_time = order->create_time;
    event->user_id = order->user_id;
    return true;
}

bool order_has_lines(const Order__V1__Order *order, const Order__V1__CreateOrderRequest *request)
{
    if (order->n_lines != request->n_lines)
        return false;
    for (size_t i = 0; i < order->n_lines; i++) {
        const Order__V1__OrderLine *have = order->lines[i];
        const Order__V1__OrderLine *want = request->lines[i];
        if (strcmp(have->product_id, want->product_id) != 0 || have->quantity != want->quantity ||
            have->price->minor_units != want->price->minor_units ||
            strcmp(have->price->currency, want->price->currency) != 0)
            return false;
    }
    return true;
}
