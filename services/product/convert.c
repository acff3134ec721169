#include "services/product/convert.h"

#include "mesh/resource/timestamp.h"

void product_from_row(const product_service *service, mesh_arena *arena, const mesh_rows *rows,
                      size_t row, Product__V1__Product *product)
{
    product->id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 0));
    product->title = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 1));
    product->passenger_capacity = (int32_t)mesh_rows_int(rows, row, 2);
    product->maximum_speed = (int32_t)mesh_rows_int(rows, row, 3);
    product->in_stock = (int32_t)mesh_rows_int(rows, row, 4);
    product->backordered = mesh_rows_int(rows, row, 5);
    product->create_time = mesh_timestamp(arena, mesh_rows_time(rows, row, 6));
    product->update_time = mesh_timestamp(arena, mesh_rows_time(rows, row, 7));
    product->image_uri = mesh_arena_printf(arena, "%s/%s.jpg", service->image_root, product->id);
}

const uint8_t *product_request_bytes(mesh_arena *arena, const Product__V1__Product *wanted,
                                     size_t *size)
{
    Product__V1__Product content = PRODUCT__V1__PRODUCT__INIT;
    content.id = wanted->id;
    content.title = wanted->title;
    content.passenger_capacity = wanted->passenger_capacity;
    content.maximum_speed = wanted->maximum_speed;
    content.in_stock = wanted->in_stock;

    uint8_t *bytes = mesh_arena_alloc(arena, product__v1__product__get_packed_size(&content));
    if (bytes != NULL)
        *size = product__v1__product__pack(&content, bytes);
    return bytes;
}
