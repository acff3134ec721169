/*
 * The shop under test: real PostgreSQL and NATS, the user service, and the services' own programs,
 * any number of instances of each. Functions that start, stop or look fail the test when they
 * cannot.
 */
#ifndef TESTS_SERVICES_SHOP_SHOP_H
#define TESTS_SERVICES_SHOP_SHOP_H

#include "mesh/db/db.h"
#include "mesh/rpc/channel.h"
#include "order/v1/order.mesh.h"
#include "product/v1/product.mesh.h"
#include "tests/fixtures/program.h"

/*
 * Group set-up and tear-down of cmocka: both servers, an empty database and a key for each service,
 * and an instance of the user service, which all others ask.
 */
int shop_setup(void **state);
int shop_teardown(void **state);

/* A channel to that instance, which is not concerned by shop_call_as. */
mesh_channel *shop_users(void);

/* Ends that instance; starts it again at the same address. */
void shop_stop_users(void);
void shop_restart_users(void);

/* What a service needs to know of the others: where the user service is, and keys. Valid until the
 * tear-down. */
enum {
    SHOP_MESH_SETTINGS = 3
};
void shop_mesh_settings(const char *service, const char *settings[SHOP_MESH_SETTINGS]);

/*
 * Who makes the calls on the channels of all instances from now on: their tokens go with them.
 * Borrowed; NULL, as at first: nobody. Returns who it was until now. Any thread.
 */
typedef struct person person; /* people.h */
const person *shop_call_as(const person *caller);

/* The URL of a service's database. */
const char *shop_url(const char *service);

/* A pool on the database of a service, to look at it from the side. */
mesh_db *shop_open(const char *service);

/* A running program of a service. All zero: none. */
typedef struct instance {
    program *program;
    char address[64];
    mesh_channel *channel;
} instance;

/*
 * Starts services/NAME/NAME and waits until it serves. `products` is where the product service is,
 * for the order service; NULL otherwise. `settings` (ended by NULL) may be NULL; those of the user
 * service come from people_settings.
 */
void instance_start(instance *one, const char *service, const char *products,
                    const char *const *settings);

/* The same with another program that takes the place of the service. */
void instance_start_program(instance *one, const char *path, const char *service,
                            const char *products, const char *const *settings);

/* Ends it with SIGTERM, which must end well. An instance that does not run is left alone. */
void instance_stop(instance *one);

/* Ends it with SIGKILL. */
void instance_kill(instance *one);

/* Forgets one that has ended, and was waited for. */
void instance_gone(instance *one);

/* A line of an order. */
typedef struct shop_line {
    const char *product_id;
    int64_t minor_units;
    int32_t quantity;
} shop_line;

/* CreateProduct with a title like "Title of ID". `arena` keeps the answer. */
mesh_code shop_add_product(mesh_channel *channel, mesh_arena *arena, const char *id,
                           int32_t in_stock, mesh_error *err);

/* The product, which must be there. */
const Product__V1__Product *shop_product(mesh_channel *channel, mesh_arena *arena, const char *id);

/* CreateOrder with prices in EUR. `request_id` may be "". */
mesh_code shop_add_order(mesh_channel *channel, mesh_arena *arena, const shop_line *lines,
                         size_t count, const char *request_id, Order__V1__Order **order,
                         mesh_error *err);

#endif
