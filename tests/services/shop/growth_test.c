/*
 * S1.7: why does it get slower the longer the test runs? Ours must not. Every operation of the shop
 * is timed on small tables and, with the same programs and connections, on ones 1,000 times larger.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"
#include "notification/v1/notification.mesh.h"
#include "services/notification/check.h"
#include "services/notification/feed.h"
#include "services/order/check.h"
#include "services/product/check.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/shop/people.h"

enum {
    SMALL = 100,
    LARGE = SMALL * 1000,
    RUNS = 60 /* of each operation on each size; more than the 5 after which plans are kept */
};

static instance product, order, notification;
static mesh_db *products_db, *orders_db, *notifications_db;
static mesh_arena *arena;
static mesh_call_options options;
static mesh_error err;
static int created; /* products so far */
static person ada;  /* who does all of it, and has all orders but one */
static person bob;  /* who has that */

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    instance_start(&product, "product", NULL, NULL);
    instance_start(&order, "order", product.address, NULL);
    instance_start(&notification, "notification", NULL, NULL);
    products_db = shop_open("product");
    orders_db = shop_open("order");
    notifications_db = shop_open("notification");
    arena = mesh_arena_create(64 * 1024, 0);
    options.arena = arena;
    person_join(&ada, "ada");
    person_change_groups(&ada, (const char *const[]){"merchants", "support", "notifiers", NULL});
    person_join(&bob, "bob");
    shop_call_as(&ada);
    return arena == NULL;
}

static int close_all(void **state)
{
    mesh_arena_destroy(arena);
    mesh_db_destroy(products_db);
    mesh_db_destroy(orders_db);
    mesh_db_destroy(notifications_db);
    instance_stop(&notification);
    instance_stop(&order);
    instance_stop(&product);
    return shop_teardown(state);
}

/* Rows number first to last of every table. */
static void fill(int first, int last)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO product (id, title, passenger_capacity, maximum_speed, in_stock)"
             " SELECT 'p' || n, 'Title of ' || n, 1, 1, 1000000 FROM generate_series(%d, %d) n",
             first, last);
    postgres_value(products_db, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO orders (id, currency, total, user_id) SELECT"
             " ('0190b000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'EUR', 100, '%s'"
             " FROM generate_series(%d, %d) n",
             ada.id, first, last);
    postgres_value(orders_db, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO order_line (order_id, position, product_id, title, price, quantity)"
             " SELECT ('0190b000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, position,"
             " 'p' || position + 1, 'Title', 50, 1"
             " FROM generate_series(%d, %d) n, generate_series(0, 1) position",
             first, last);
    postgres_value(orders_db, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO notification (id, kind, text, resource, position, user_id) SELECT"
             " ('0190b000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 'Text',"
             " 'orders/' || n, nextval('notification_position'), '%s'"
             " FROM generate_series(%d, %d) n",
             ada.id, first, last);
    postgres_value(notifications_db, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO user_copy SELECT 'u' || n, 1, false, 'Name', '', '', 1, 6, false"
             " FROM generate_series(%d, %d) n",
             first, last);
    postgres_value(notifications_db, sql);
}

static const char *order_id(int number)
{
    static char id[40];
    snprintf(id, sizeof id, "0190b000-0000-7000-8000-%012x", number);
    return id;
}

static mesh_code create_product(int rows)
{
    (void)rows;
    char id[16];
    snprintf(id, sizeof id, "new%d", created++);
    return shop_add_product(product.channel, arena, id, 1, &err);
}

static mesh_code delete_product(int rows)
{
    (void)rows;
    Product__V1__DeleteProductRequest request = PRODUCT__V1__DELETE_PRODUCT_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    char id[16];
    snprintf(id, sizeof id, "new%d", --created);
    request.id = id;
    return product__v1__product_service__delete_product(product.channel, &request, &empty, &options,
                                                        &err);
}

static mesh_code get_product(int rows)
{
    char id[16];
    snprintf(id, sizeof id, "p%d", rows / 2);
    return shop_product(product.channel, arena, id) != NULL ? MESH_OK : MESH_INTERNAL;
}

static mesh_code list_products(int rows)
{
    Product__V1__ListProductsRequest request = PRODUCT__V1__LIST_PRODUCTS_REQUEST__INIT;
    Product__V1__ListProductsResponse *page;
    char id[16];
    snprintf(id, sizeof id, "p%d", rows / 2);
    request.page_size = 20;
    request.page_token = product_page_token(arena, id);
    return product__v1__product_service__list_products(product.channel, &request, &page, &options,
                                                       &err);
}

static mesh_code create_order(int rows)
{
    char ids[2][16];
    snprintf(ids[0], sizeof ids[0], "p%d", rows / 2);
    snprintf(ids[1], sizeof ids[1], "p%d", rows / 3);
    const shop_line lines[] = {{ids[0], 50, 1}, {ids[1], 50, 1}};
    Order__V1__Order *made;
    return shop_add_order(order.channel, arena, lines, 2, "", &made, &err);
}

static mesh_code get_order(int rows)
{
    Order__V1__GetOrderRequest request = ORDER__V1__GET_ORDER_REQUEST__INIT;
    Order__V1__Order *got;
    request.id = (char *)order_id(rows / 2);
    return order__v1__order_service__get_order(order.channel, &request, &got, &options, &err);
}

static mesh_code list_orders_after(const char *token)
{
    Order__V1__ListOrdersRequest request = ORDER__V1__LIST_ORDERS_REQUEST__INIT;
    Order__V1__ListOrdersResponse *page = NULL;
    request.page_size = 20;
    request.page_token = (char *)token;
    mesh_code code = order__v1__order_service__list_orders(order.channel, &request, &page, &options,
                                                           &err);
    return code == MESH_OK && page->n_orders != 20 ? MESH_INTERNAL : code;
}

static mesh_code list_orders(int rows)
{
    (void)rows;
    return list_orders_after("");
}

static mesh_code list_orders_deep(int rows)
{
    return list_orders_after(order_page_token(arena, order_id(rows / 2)));
}

/* Where nearly all orders are others'. */
static mesh_code list_few_orders(int rows)
{
    (void)rows;
    Order__V1__ListUserOrdersRequest request = ORDER__V1__LIST_USER_ORDERS_REQUEST__INIT;
    Order__V1__ListUserOrdersResponse *page = NULL;
    request.user_id = bob.id;
    mesh_code code = order__v1__order_service__list_user_orders(order.channel, &request, &page,
                                                                &options, &err);
    return code == MESH_OK && page->n_orders != 1 ? MESH_INTERNAL : code;
}

static mesh_code list_notifications_of(bool unread_only, const char *token)
{
    Notification__V1__ListNotificationsRequest request =
        NOTIFICATION__V1__LIST_NOTIFICATIONS_REQUEST__INIT;
    Notification__V1__ListNotificationsResponse *page;
    request.page_size = 20;
    request.unread_only = unread_only;
    request.page_token = (char *)token;
    return notification__v1__notification_service__list_notifications(
        notification.channel, &request, &page, &options, &err);
}

static mesh_code list_notifications(int rows)
{
    return list_notifications_of(false, notification_page_token(arena, false, order_id(rows / 2)));
}

static mesh_code list_unread(int rows)
{
    (void)rows;
    return list_notifications_of(true, "");
}

static mesh_code list_few_notifications(int rows)
{
    (void)rows;
    Notification__V1__ListUserNotificationsRequest request =
        NOTIFICATION__V1__LIST_USER_NOTIFICATIONS_REQUEST__INIT;
    Notification__V1__ListUserNotificationsResponse *page = NULL;
    request.user_id = bob.id;
    mesh_code code = notification__v1__notification_service__list_user_notifications(
        notification.channel, &request, &page, &options, &err);
    return code == MESH_OK && page->n_notifications != 1 ? MESH_INTERNAL : code;
}

static mesh_code send_notification(int rows)
{
    (void)rows;
    Notification__V1__SendNotificationRequest request =
        NOTIFICATION__V1__SEND_NOTIFICATION_REQUEST__INIT;
    Notification__V1__Notification *sent;
    char request_id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(request_id);
    request.user_id = ada.id;
    request.text = (char *)"Text";
    request.request_id = request_id;
    return notification__v1__notification_service__send_notification(notification.channel, &request,
                                                                     &sent, &options, &err);
}

/* A stream that begins, goes on behind a notification in the middle, and has it all to come. */
static mesh_code watch_from_the_middle(int rows)
{
    Notification__V1__WatchNotificationsRequest request =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
    const Notification__V1__WatchNotificationsResponse *message;
    mesh_stream *stream;
    request.resume_token = notification_feed_token(arena, order_id(rows / 2));
    mesh_code code = notification__v1__notification_service__watch_notifications(
        notification.channel, &request, &stream, &options, &err);
    if (code != MESH_OK)
        return code;
    for (int i = 0; i < 2 && code == MESH_OK; i++)
        code = notification__v1__notification_service__watch_notifications__next(stream, &message);
    mesh_stream_cancel(stream);
    mesh_stream_finish(stream, NULL);
    return code;
}

static const struct operation {
    const char *name;
    mesh_code (*run)(int rows);
} operations[] = {
    {"create product", create_product},
    {"get product", get_product},
    {"list products", list_products},
    {"delete product", delete_product},
    {"create order", create_order},
    {"get order", get_order},
    {"list orders", list_orders},
    {"list orders, in the middle", list_orders_deep},
    {"list orders of who has few", list_few_orders},
    {"list notifications, in the middle", list_notifications},
    {"list unread notifications", list_unread},
    {"list notifications of who has few", list_few_notifications},
    {"send notification", send_notification},
    {"watch from the middle", watch_from_the_middle},
};

enum {
    OPERATIONS = sizeof operations / sizeof operations[0]
};

static int compare(const void *one, const void *other)
{
    const int64_t a = *(const int64_t *)one;
    const int64_t b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

/* Median time of each operation, in microseconds. */
static void measure(int rows, int64_t medians_us[OPERATIONS])
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        int64_t times[RUNS];
        for (size_t n = 0; n < RUNS; n++) {
            mesh_arena_reset(arena);
            mesh_error_clear(&err);
            int64_t start_ns = mesh_clock_monotonic_ns();
            mesh_code code = operations[i].run(rows);
            times[n] = (mesh_clock_monotonic_ns() - start_ns) / 1000;
            if (code != MESH_OK)
                fail_msg("%s: %s %s", operations[i].name, mesh_code_name(code), err.message);
        }
        qsort(times, RUNS, sizeof times[0], compare);
        medians_us[i] = times[RUNS / 2];
    }
}

/* The servers' processes tell what they read when they end. */
static long rows_scanned(mesh_db *db)
{
    postgres_value(db, "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
                       " WHERE datname = current_database() AND pid <> pg_backend_pid()");
    return atol(postgres_value(db, "SELECT sum(seq_tup_read) FROM pg_stat_user_tables"
                                   " WHERE relname NOT LIKE 'mesh_%'"));
}

static void every_operation_costs_the_same_on_tables_1000_times_as_large(void **state)
{
    (void)state;
    int64_t small_us[OPERATIONS];
    int64_t large_us[OPERATIONS];
    char sql[192];
    fill(1, SMALL);
    snprintf(sql, sizeof sql, "UPDATE orders SET user_id = '%s' WHERE id = '%s'", bob.id,
             order_id(1));
    postgres_value(orders_db, sql);
    snprintf(sql, sizeof sql, "UPDATE notification SET user_id = '%s' WHERE id = '%s'", bob.id,
             order_id(1));
    postgres_value(notifications_db, sql);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM user_copy WHERE id = '%s'", bob.id);
    WAIT_FOR(atoi(postgres_value(notifications_db, sql)) == 1);
    measure(SMALL, small_us);
    fill(SMALL + 1, LARGE);
    measure(LARGE, large_us);

    print_message("%-34s %8s %8s us (median of %d; %d and %d rows)\n", "", "small", "large", RUNS,
                  SMALL, LARGE);
    for (size_t i = 0; i < OPERATIONS; i++)
        print_message("%-34s %8lld %8lld\n", operations[i].name, (long long)small_us[i],
                      (long long)large_us[i]);

    /* Nothing read a large table from its beginning: that would be LARGE rows at once. On small
     * ones the server may. */
    assert_true(rows_scanned(products_db) < LARGE);
    assert_true(rows_scanned(orders_db) < LARGE);
    assert_true(rows_scanned(notifications_db) < LARGE);
    /* The proof is above; times only have to be out of doubt, on a machine that may be busy. */
    for (size_t i = 0; i < OPERATIONS; i++)
        if (large_us[i] > 10 * small_us[i] + 20000)
            fail_msg("%s: %lld us, then %lld us", operations[i].name, (long long)small_us[i],
                     (long long)large_us[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_costs_the_same_on_tables_1000_times_as_large),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
