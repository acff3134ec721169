#include "tests/load/shop_load.h"

#include <stdlib.h>
#include <string.h>

#include "mesh/base/uuid.h"
#include "order/v1/order.mesh.h"
#include "product/v1/product.mesh.h"
#include "tests/load/load.h"

enum {
    ID_BYTES = 64
};

/* What one worker keeps between its turns. */
typedef struct worker_state {
    size_t created;          /* products */
    size_t deleted;          /* of them */
    char order_id[ID_BYTES]; /* of its last order */
} worker_state;

typedef struct shop {
    mesh_channel *products, *orders;
    mesh_metadata authorization;
    char run[9]; /* in the ids of this run's products */
    worker_state *workers;
} shop;

/* Everybody is the same user. */
static const mesh_call_options *call_options(const shop *shop, mesh_arena *arena)
{
    static _Thread_local mesh_call_options options;
    options = (mesh_call_options){
        .arena = arena, .metadata = &shop->authorization, .metadata_count = 1};
    return &options;
}

static mesh_code create(shop *shop, const char *id, int32_t in_stock, mesh_arena *arena,
                        mesh_error *err)
{
    Product__V1__CreateProductRequest request = PRODUCT__V1__CREATE_PRODUCT_REQUEST__INIT;
    Product__V1__Product product = PRODUCT__V1__PRODUCT__INIT;
    Product__V1__Product *made;
    product.id = (char *)id;
    product.title = (char *)"The Odyssey";
    product.passenger_capacity = 101;
    product.maximum_speed = 5;
    product.in_stock = in_stock;
    request.product = &product;
    return product__v1__product_service__create_product(shop->products, &request, &made,
                                                        call_options(shop, arena), err);
}

static char *product_id(const shop *shop, size_t worker, size_t number, mesh_arena *arena)
{
    return mesh_arena_printf(arena, "load-%s-%zu-%zu", shop->run, worker, number);
}

/* The one that is read and ordered. */
static char *common_id(const shop *shop, mesh_arena *arena)
{
    return mesh_arena_printf(arena, "load-%s", shop->run);
}

static mesh_code create_product(void *context, size_t worker, size_t turn, mesh_arena *arena,
                                mesh_error *err)
{
    (void)turn;
    shop *shop = context;
    worker_state *mine = &shop->workers[worker];
    mesh_code code = create(shop, product_id(shop, worker, mine->created, arena), 1, arena, err);
    if (code == MESH_OK)
        mine->created++;
    return code;
}

static mesh_code get_product(void *context, size_t worker, size_t turn, mesh_arena *arena,
                             mesh_error *err)
{
    (void)worker;
    (void)turn;
    const shop *shop = context;
    Product__V1__GetProductRequest request = PRODUCT__V1__GET_PRODUCT_REQUEST__INIT;
    Product__V1__Product *product;
    request.id = common_id(shop, arena);
    return product__v1__product_service__get_product(shop->products, &request, &product,
                                                     call_options(shop, arena), err);
}

static mesh_code list_products(void *context, size_t worker, size_t turn, mesh_arena *arena,
                               mesh_error *err)
{
    (void)worker;
    (void)turn;
    const shop *shop = context;
    Product__V1__ListProductsRequest request = PRODUCT__V1__LIST_PRODUCTS_REQUEST__INIT;
    Product__V1__ListProductsResponse *page;
    return product__v1__product_service__list_products(shop->products, &request, &page,
                                                       call_options(shop, arena), err);
}

static mesh_code delete_product(void *context, size_t worker, size_t turn, mesh_arena *arena,
                                mesh_error *err)
{
    (void)turn;
    shop *shop = context;
    worker_state *mine = &shop->workers[worker];
    Product__V1__DeleteProductRequest request = PRODUCT__V1__DELETE_PRODUCT_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    if (mine->deleted == mine->created)
        return MESH_EOF;
    request.id = product_id(shop, worker, mine->deleted++, arena);
    return product__v1__product_service__delete_product(shop->products, &request, &empty,
                                                        call_options(shop, arena), err);
}

static mesh_code create_order(void *context, size_t worker, size_t turn, mesh_arena *arena,
                              mesh_error *err)
{
    (void)turn;
    shop *shop = context;
    Order__V1__CreateOrderRequest request = ORDER__V1__CREATE_ORDER_REQUEST__INIT;
    Mesh__Type__V1__Money price = MESH__TYPE__V1__MONEY__INIT;
    Order__V1__OrderLine line = ORDER__V1__ORDER_LINE__INIT;
    Order__V1__OrderLine *lines[] = {&line};
    Order__V1__Order *order;
    price.minor_units = 9999;
    price.currency = (char *)"EUR";
    line.product_id = common_id(shop, arena);
    line.price = &price;
    line.quantity = 1;
    request.lines = lines;
    request.n_lines = 1;
    mesh_code code = order__v1__order_service__create_order(shop->orders, &request, &order,
                                                            call_options(shop, arena), err);
    if (code == MESH_OK)
        snprintf(shop->workers[worker].order_id, ID_BYTES, "%s", order->id);
    return code;
}

static mesh_code get_order(void *context, size_t worker, size_t turn, mesh_arena *arena,
                           mesh_error *err)
{
    (void)turn;
    const shop *shop = context;
    Order__V1__GetOrderRequest request = ORDER__V1__GET_ORDER_REQUEST__INIT;
    Order__V1__Order *order;
    if (shop->workers[worker].order_id[0] == '\0')
        return MESH_EOF; /* it could not create one, which was counted */
    request.id = shop->workers[worker].order_id;
    return order__v1__order_service__get_order(shop->orders, &request, &order,
                                               call_options(shop, arena), err);
}

static mesh_code list_orders(void *context, size_t worker, size_t turn, mesh_arena *arena,
                             mesh_error *err)
{
    (void)worker;
    (void)turn;
    const shop *shop = context;
    Order__V1__ListOrdersRequest request = ORDER__V1__LIST_ORDERS_REQUEST__INIT;
    Order__V1__ListOrdersResponse *page;
    return order__v1__order_service__list_orders(shop->orders, &request, &page,
                                                 call_options(shop, arena), err);
}

static const struct {
    const char *name;
    load_fn *run;
} operations[] = {
    {"create product", create_product}, {"get product", get_product},
    {"list products", list_products},   {"delete product", delete_product},
    {"create order", create_order},     {"get order", get_order},
    {"list orders", list_orders},
};

/* The product that is read and ordered, never sold out. */
static bool add_common(shop *shop, FILE *out)
{
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_error err;
    mesh_error_clear(&err);
    if (arena == NULL)
        return false;
    mesh_code code = create(shop, common_id(shop, arena), 1000000000, arena, &err);
    if (code != MESH_OK)
        fprintf(out, "cannot create a product: %s: %s\n", mesh_code_name(code), err.message);
    mesh_arena_destroy(arena);
    return code == MESH_OK;
}

long shop_load(mesh_channel *products, mesh_channel *orders, const char *authorization,
               size_t workers, int64_t duration_ms, FILE *out)
{
    shop shop = {.products = products,
                 .orders = orders,
                 .authorization = {.key = "authorization",
                                   .value = authorization,
                                   .size = strlen(authorization)}};
    char uuid[MESH_UUID_TEXT_BYTES];
    long failed = -1;
    mesh_uuid_v7(uuid);
    snprintf(shop.run, sizeof shop.run, "%s", uuid + 28); /* random digits */
    shop.workers = calloc(workers, sizeof *shop.workers);
    if (shop.workers == NULL || !add_common(&shop, out))
        goto done;

    fprintf(out, "%-16s %9s %9s %9s %9s %9s %7s\n", "operation", "calls", "calls/s", "p50 us",
            "p99 us", "max us", "failed");
    failed = 0;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        load_result result;
        if (!load_run(operations[i].run, &shop, workers, duration_ms, &result)) {
            fprintf(out, "out of memory or threads\n");
            failed = -1;
            goto done;
        }
        fprintf(out, "%-16s %9zu %9.0f %9lld %9lld %9lld %7zu\n", operations[i].name, result.calls,
                result.calls_per_s, (long long)result.p50_us, (long long)result.p99_us,
                (long long)result.max_us, result.failed);
        if (result.failed != 0)
            fprintf(out, "  first: %s: %s\n", mesh_code_name(result.first_error.code),
                    result.first_error.message);
        failed += (long)result.failed;
    }
done:
    free(shop.workers);
    return failed;
}
