#include "tests/services/shop/shop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/services/shop/keys.h"
#include "tests/services/shop/people.h"

enum {
    SERVICES = 4,
    SETTINGS = 24,
    SETTING_BYTES = POSTGRES_URL_BYTES + 32,
    LINES = 100,
    FOLDER_BYTES = 32, /* short: the path of a socket has 107 bytes at most */
    PATH_BYTES = 96
};

/* A database's name cannot be "order" or "user" without quotes. */
static const char *const names[SERVICES + 1] = {"product", "order", "notification", "user"};
static const char *const databases[SERVICES] = {"product_db", "order_db", "notification_db",
                                                "user_db"};
static char urls[SERVICES][POSTGRES_URL_BYTES];

static char folder[FOLDER_BYTES]; /* of the next one */
static char socket_path[PATH_BYTES];
static instance users; /* at the socket, so that its address is known before it starts */
static mesh_channel *users_channel;
static _Atomic(const person *) caller;

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

    snprintf(folder, sizeof folder, "/tmp/shop-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(socket_path, sizeof socket_path, "%s/user", folder);
    shop_restart_users();
    assert_int_equal(mesh_channel_create(users.address, NULL, &users_channel, NULL), MESH_OK);
    return 0;
}

int shop_teardown(void **state)
{
    mesh_channel_destroy(users_channel);
    shop_stop_users();
    unlink(socket_path);
    rmdir(folder);
    return servers_teardown(state);
}

mesh_channel *shop_users(void)
{
    return users_channel;
}

void shop_stop_users(void)
{
    instance_stop(&users);
}

void shop_restart_users(void)
{
    char listen[PATH_BYTES + 32];
    snprintf(listen, sizeof listen, "MESH_LISTEN=unix:%s", socket_path);
    instance_start(&users, "user", NULL, people_settings((const char *const[]){listen, NULL}));
}

void shop_mesh_settings(const char *service, const char *settings[SHOP_MESH_SETTINGS])
{
    static char target[PATH_BYTES + 32];
    snprintf(target, sizeof target, "MESH_USER_TARGET=unix:%s", socket_path);
    settings[0] = target;
    settings[1] = keys_setting(service);
    settings[2] = keys_set_setting(names);
}

const person *shop_call_as(const person *who)
{
    return atomic_exchange(&caller, who);
}

/* The token of whoever calls. */
static mesh_code authorize(void *self, mesh_outgoing *outgoing, mesh_error *err)
{
    (void)self;
    const person *who = caller;
    return who == NULL ? MESH_OK
                       : mesh_outgoing_add(outgoing, "authorization", who->authorization,
                                           strlen(who->authorization), err);
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
    char path[64];
    snprintf(path, sizeof path, "services/%s/%s", service, service);
    instance_start_program(one, path, service, products, settings);
}

void instance_start_program(instance *one, const char *path, const char *service,
                            const char *products, const char *const *settings)
{
    static char own[3][SETTING_BYTES];
    static const mesh_client_interceptor token = {.name = "token", .on_start = authorize};
    const char *all[SETTINGS] = {"MESH_LISTEN=127.0.0.1:0", own[0], own[1]};
    size_t count = 3;
    snprintf(own[0], sizeof own[0], "MESH_DATABASE_URL=%s", shop_url(service));
    snprintf(own[1], sizeof own[1], "MESH_NATS_URL=%s", nats_url());
    if (products != NULL) {
        snprintf(own[2], sizeof own[2], "MESH_PRODUCT_TARGET=%s", products);
        all[count++] = own[2];
    }
    if (strcmp(service, "user") != 0) {
        shop_mesh_settings(service, all + count);
        count += SHOP_MESH_SETTINGS;
    }
    for (; settings != NULL && *settings != NULL; settings++) {
        assert_true(count < SETTINGS - 1);
        all[count++] = *settings;
    }
    one->program = program_start((const char *[]){path, NULL}, all);
    snprintf(one->address, sizeof one->address, "%s",
             program_field(program_wait_log(one->program, "listening"), "address"));
    program_wait_log(one->program, "serving");
    const mesh_channel_options options = {.interceptors = &token, .interceptor_count = 1};
    assert_int_equal(mesh_channel_create(one->address, &options, &one->channel, NULL), MESH_OK);
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
