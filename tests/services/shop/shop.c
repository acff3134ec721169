#include "tests/services/shop/shop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"

enum {
    SERVICES = 4,
    SETTINGS = 16,
    SETTING_BYTES = POSTGRES_URL_BYTES + 32,
    LINES = 100
};

/* A database's name cannot be "order" or "user" without quotes. */
static const char *const names[SERVICES] = {"product", "order", "notification", "user"};
static const char *const databases[SERVICES] = {"product_db", "order_db", "notification_db",
                                                "user_db"};
static char urls[SERVICES][POSTGRES_URL_BYTES];

const char *shop_url(const char *service)
{
    for (size_t i = 0; i < SERVICES; i++)
        if (strcmp(names[i], service) == 0)
            return urls[i];
    fail_msg("no service %s", service);
    return NULL;
}

int shop_setup(void **state)
{
    if (servers_setup(state) != 0)
        return -1;
    for (size_t i = 0; i < SERVICES; i++)
        postgres_create_database(databases[i], urls[i]);
    return 0;
}

int shop_teardown(void **state)
{
    return servers_teardown(state);
}

mesh_db *shop_open(const char *service)
{
    const mesh_db_options options = {.url = shop_url(service),
                                     .statement_timeout_ms = 120000}; /* tests fill tables */
    mesh_db *db = NULL;
    assert_int_equal(mesh_db_create(&options, &db, NULL), MESH_OK);
    return db;
}

void instance_start(instance *one, const char *service, const char *products,
                    const char *const *settings)
{
    static char own[3][SETTING_BYTES];
    const char *all[SETTINGS] = {"MESH_LISTEN=127.0.0.1:0", own[0], own[1]};
    size_t count = 3;
    char path[64];
    snprintf(own[0], sizeof own[0], "MESH_DATABASE_URL=%s", shop_url(service));
    snprintf(own[1], sizeof own[1], "MESH_NATS_URL=%s", nats_url());
    if (products != NULL) {
        snprintf(own[2], sizeof own[2], "MESH_PRODUCT_TARGET=%s", products);
        all[count++] = own[2];
    }
    for (; settings != NULL && *settings != NULL; settings++) {
        assert_true(count < SETTINGS - 1);
        all[count++] = *settings;
    }
    snprintf(path, sizeof path, "services/%s/%s", service, service);
    one->program = program_start((const char *[]){path, NULL}, all);
    snprintf(one->address, sizeof one->address, "%s",
             program_field(program_wait_log(one->program, "listening"), "address"));
    program_wait_log(one->program, "serving");
    assert_int_equal(mesh_channel_create(one->address, NULL, &one->channel, NULL), MESH_OK);
}

void instance_gone(instance *one)
{
    mesh_channel_destroy(one->channel);
    program_free(one->program);
    memset(one, 0, sizeof *one);
}

void instance_stop(instance *one)
{
    if (one->program == NULL)
        return;
    mesh_channel_destroy(one->channel);
    one->channel = NULL;
    program_signal(one->program, SIGTERM);
    int status = program_wait(one->program);
    if (status != 0)
        fail_msg("it ended with %d:\n%s", status, program_output(one->program));
    instance_gone(one);
}

void instance_kill(instance *one)
{
    program_signal(one->program, SIGKILL);
    program_wait(one->program);
    instance_gone(one);
}

mesh_code shop_add_product(mesh_channel *channel, mesh_arena *arena, const char *id,
                           int32_t in_stock, mesh_error *err)
{
    Product__V1__CreateProductRequest request = PRODUCT__V1__CREATE_PRODUCT_REQUEST__INIT;
    Product__V1__Product product = PRODUCT__V1__PRODUCT__INIT;
    Product__V1__Product *made;
    product.id = (char *)id;
    product.title = mesh_arena_printf(arena, "Title of %s", id);
    product.passenger_capacity = 101;
    product.maximum_speed = 5;
    product.in_stock = in_stock;
    request.product = &product;
    return product__v1__product_service__create_product(channel, &request, &made,
                                                        &(mesh_call_options){.arena = arena}, err);
}

const Product__V1__Product *shop_product(mesh_channel *channel, mesh_arena *arena, const char *id)
{
    Product__V1__GetProductRequest request = PRODUCT__V1__GET_PRODUCT_REQUEST__INIT;
    Product__V1__Product *product = NULL;
    mesh_error err;
    mesh_error_clear(&err);
    request.id = (char *)id;
    if (product__v1__product_service__get_product(
            channel, &request, &product, &(mesh_call_options){.arena = arena}, &err) != MESH_OK)
        fail_msg("no product %s: %s", id, err.message);
    return product;
}

mesh_code shop_add_order(mesh_channel *channel, mesh_arena *arena, const shop_line *lines,
                         size_t count, const char *request_id, Order__V1__Order **order,
                         mesh_error *err)
{
    Order__V1__CreateOrderRequest request = ORDER__V1__CREATE_ORDER_REQUEST__INIT;
    Order__V1__OrderLine items[LINES];
    Order__V1__OrderLine *list[LINES];
    Mesh__Type__V1__Money prices[LINES];
    assert_true(count <= LINES);
    for (size_t i = 0; i < count; i++) {
        mesh__type__v1__money__init(&prices[i]);
        prices[i].minor_units = lines[i].minor_units;
        prices[i].currency = (char *)"EUR";
        order__v1__order_line__init(&items[i]);
        items[i].product_id = (char *)lines[i].product_id;
        items[i].price = &prices[i];
        items[i].quantity = lines[i].quantity;
        list[i] = &items[i];
    }
    request.lines = list;
    request.n_lines = count;
    request.request_id = (char *)request_id;
    return order__v1__order_service__create_order(channel, &request, order,
                                                  &(mesh_call_options){.arena = arena}, err);
}
