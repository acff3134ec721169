/* The whole shop: product, order (two instances) and notification (two instances) together. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "notification/v1/notification.mesh.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/shop/people.h"

#define WATCH(what) notification__v1__notification_service__watch_notifications##what

enum {
    WATCH_LIMIT_MS = 60000
};

static instance products[2], orders[2], notifications[2];
static char targets[160]; /* of both product instances */
static mesh_db *products_db, *orders_db, *notifications_db;
static mesh_arena *arena;
static mesh_error err;
static person ada; /* a merchant who buys at her own shop */

static int open_all(void **state)
{
    static const char *const patient[] = {"MESH_DRAIN_TIMEOUT=60s", NULL};

    if (shop_setup(state) != 0)
        return -1;
    for (size_t i = 0; i < 2; i++)
        instance_start(&products[i], "product", NULL, NULL);
    snprintf(targets, sizeof targets, "ipv4:%s,%s", products[0].address, products[1].address);
    for (size_t i = 0; i < 2; i++) {
        instance_start(&orders[i], "order", targets, NULL);
        instance_start(&notifications[i], "notification", NULL, patient);
    }
    products_db = shop_open("product");
    orders_db = shop_open("order");
    notifications_db = shop_open("notification");
    person_join(&ada, "ada");
    person_change_groups(&ada, (const char *const[]){"merchants", NULL});
    shop_call_as(&ada);
    return 0;
}

static int close_all(void **state)
{
    mesh_db_destroy(products_db);
    mesh_db_destroy(orders_db);
    mesh_db_destroy(notifications_db);
    for (size_t i = 0; i < 2; i++) {
        instance_stop(&notifications[i]);
        instance_stop(&orders[i]);
        instance_stop(&products[i]);
    }
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    postgres_value(products_db, "TRUNCATE product");
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int end_test(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

static mesh_stream *watch(size_t instance, const char *token)
{
    Notification__V1__WatchNotificationsRequest request =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
    mesh_stream *stream;
    request.resume_token = (char *)token;
    assert_int_equal(WATCH()(notifications[instance].channel, &request, &stream,
                             &(mesh_call_options){.arena = arena, .timeout_ms = WATCH_LIMIT_MS},
                             &err),
                     MESH_OK);
    return stream;
}

static const Notification__V1__WatchNotificationsResponse *next(mesh_stream *stream)
{
    const Notification__V1__WatchNotificationsResponse *message = NULL;
    if (WATCH(__next)(stream, &message) != MESH_OK) {
        mesh_stream_finish(stream, &err);
        fail_msg("the stream ended: %s %s", mesh_code_name(err.code), err.message);
    }
    return message;
}

static void give_up(mesh_stream *stream)
{
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_CANCELLED);
}

/* S1.4, S0.16 */
static void an_order_lowers_the_stock_and_is_notified_live(void **state)
{
    (void)state;
    const shop_line lines[] = {{"odyssey", 9999, 2}, {"enigma", 4999, 1}};
    Order__V1__Order *order;
    char resource[96];
    assert_int_equal(shop_add_product(products[0].channel, arena, "odyssey", 10, &err), MESH_OK);
    assert_int_equal(shop_add_product(products[1].channel, arena, "enigma", 1, &err), MESH_OK);
    mesh_stream *streams[] = {watch(0, ""), watch(1, "")};
    assert_null(next(streams[0])->notification);
    assert_null(next(streams[1])->notification);

    assert_int_equal(shop_add_order(orders[0].channel, arena, lines, 2, "", &order, &err), MESH_OK);
    snprintf(resource, sizeof resource, "orders/%s", order->id);
    for (size_t i = 0; i < 2; i++) {
        const Notification__V1__Notification *heard = next(streams[i])->notification;
        assert_string_equal(heard->resource, resource);
        assert_int_equal(heard->kind, NOTIFICATION__V1__NOTIFICATION__KIND__ORDER_CREATED);
        give_up(streams[i]);
    }
    WAIT_FOR(shop_product(products[1].channel, arena, "odyssey")->in_stock == 8);
    WAIT_FOR(shop_product(products[0].channel, arena, "enigma")->in_stock == 0);
    assert_int_equal(shop_add_order(orders[1].channel, arena, lines, 2, "", &order, &err),
                     MESH_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "INSUFFICIENT_STOCK");
}

/* S0.16: listed, and marked read. */
static void notifications_are_listed_and_marked_read(void **state)
{
    (void)state;
    const shop_line line = {"a", 1, 1};
    const mesh_call_options options = {.arena = arena};
    Order__V1__Order *order;
    postgres_value(notifications_db, "TRUNCATE notification");
    assert_int_equal(shop_add_product(products[0].channel, arena, "a", 100, &err), MESH_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(shop_add_order(orders[i % 2].channel, arena, &line, 1, "", &order, &err),
                         MESH_OK);
    WAIT_FOR(atoi(postgres_value(notifications_db, "SELECT count(*) FROM notification")) == 5);

    Notification__V1__ListNotificationsRequest list =
        NOTIFICATION__V1__LIST_NOTIFICATIONS_REQUEST__INIT;
    Notification__V1__ListNotificationsResponse *page;
    list.page_size = 3;
    assert_int_equal(notification__v1__notification_service__list_notifications(
                         notifications[0].channel, &list, &page, &options, &err),
                     MESH_OK);
    assert_int_equal(page->n_notifications, 3);
    assert_true(strcmp(page->notifications[0]->id, page->notifications[1]->id) > 0);
    Notification__V1__MarkNotificationReadRequest mark =
        NOTIFICATION__V1__MARK_NOTIFICATION_READ_REQUEST__INIT;
    Notification__V1__Notification *marked;
    Notification__V1__Notification *again;
    mark.id = page->notifications[1]->id;
    assert_int_equal(notification__v1__notification_service__mark_notification_read(
                         notifications[0].channel, &mark, &marked, &options, &err),
                     MESH_OK);
    assert_non_null(marked->read_time);
    assert_int_equal(notification__v1__notification_service__mark_notification_read(
                         notifications[1].channel, &mark, &again, &options, &err),
                     MESH_OK);
    assert_int_equal(again->read_time->seconds, marked->read_time->seconds);
    assert_int_equal(again->read_time->nanos, marked->read_time->nanos);

    /* A token belongs to its filter. */
    list.page_token = page->next_page_token;
    list.unread_only = true;
    assert_int_equal(notification__v1__notification_service__list_notifications(
                         notifications[1].channel, &list, &page, &options, &err),
                     MESH_INVALID_ARGUMENT);
    list.page_token = (char *)"";
    list.page_size = 0;
    assert_int_equal(notification__v1__notification_service__list_notifications(
                         notifications[1].channel, &list, &page, &options, &err),
                     MESH_OK);
    assert_int_equal(page->n_notifications, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_not_equal(page->notifications[i]->id, mark.id);

    Notification__V1__GetNotificationRequest get = NOTIFICATION__V1__GET_NOTIFICATION_REQUEST__INIT;
    get.id = mark.id;
    assert_int_equal(notification__v1__notification_service__get_notification(
                         notifications[1].channel, &get, &again, &options, &err),
                     MESH_OK);
    assert_non_null(again->read_time);
    get.id = mark.id = (char *)"17";
    assert_int_equal(notification__v1__notification_service__get_notification(
                         notifications[1].channel, &get, &again, &options, &err),
                     MESH_NOT_FOUND);
    assert_string_equal(err.reason, "NOTIFICATION_NOT_FOUND");
    assert_int_equal(notification__v1__notification_service__mark_notification_read(
                         notifications[1].channel, &mark, &again, &options, &err),
                     MESH_NOT_FOUND);
    get.id = (char *)"";
    assert_int_equal(notification__v1__notification_service__get_notification(
                         notifications[1].channel, &get, &again, &options, &err),
                     MESH_INVALID_ARGUMENT);
}

/* A rolling restart: whoever watches goes on at another instance and misses nothing. */
static void a_stopping_instance_hands_its_watchers_over(void **state)
{
    (void)state;
    const shop_line line = {"handed", 1, 1};
    const Notification__V1__WatchNotificationsResponse *message;
    char token[128];
    char resource[96];
    char listen[96];
    Order__V1__Order *order;
    assert_int_equal(shop_add_product(products[0].channel, arena, "handed", 10, &err), MESH_OK);
    mesh_stream *stream = watch(0, "");
    snprintf(token, sizeof token, "%s", next(stream)->resume_token);
    snprintf(listen, sizeof listen, "MESH_LISTEN=%s", notifications[0].address);

    program_signal(notifications[0].program, SIGTERM);
    assert_int_equal(WATCH(__next)(stream, &message), MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_UNAVAILABLE);
    /* It ended its streams by itself: nobody waits as long as its drain would. */
    assert_int_equal(program_wait(notifications[0].program), 0);
    assert_int_equal(shop_add_order(orders[0].channel, arena, &line, 1, "", &order, &err), MESH_OK);
    snprintf(resource, sizeof resource, "orders/%s", order->id);

    stream = watch(1, token);
    assert_null(next(stream)->notification);
    assert_string_equal(next(stream)->notification->resource, resource);
    give_up(stream);
    instance_gone(&notifications[0]);
    instance_start(&notifications[0], "notification", NULL, (const char *[]){listen, NULL});
}

enum {
    BUYERS = 2,
    ORDERS = 100 /* of each buyer */
};

static void *buy(void *context)
{
    const instance *at = context;
    mesh_arena *own = mesh_arena_create(4096, 0);
    uintptr_t bought = 0;
    for (int i = 0; i < ORDERS; i++) {
        const shop_line lines[] = {{"x", 1, 1}, {"y", 1, 2}};
        Order__V1__Order *order;
        if (shop_add_order(at->channel, own, lines, 2, "", &order, NULL) == MESH_OK)
            bought++;
        mesh_arena_reset(own);
    }
    mesh_arena_destroy(own);
    return (void *)bought;
}

/*
 * S1.4: once, whatever is redelivered. Both consumers of one event are killed again and again in
 * the middle of their work; what they had not acknowledged comes back.
 */
static void killed_consumers_neither_lose_nor_repeat_an_order(void **state)
{
    (void)state;
    enum {
        STOCK = 1000000
    };
    static const char LISTEN[] = "MESH_LISTEN=%s";
    pthread_t buyers[BUYERS];
    char sql[160];
    assert_int_equal(shop_add_product(products[0].channel, arena, "x", STOCK, &err), MESH_OK);
    assert_int_equal(shop_add_product(products[0].channel, arena, "y", STOCK, &err), MESH_OK);
    postgres_value(notifications_db, "TRUNCATE notification");
    for (size_t i = 0; i < BUYERS; i++)
        assert_int_equal(pthread_create(&buyers[i], NULL, buy, &orders[i]), 0);
    for (int round = 0; round < 4; round++) {
        char listen[2][96];
        snprintf(listen[0], sizeof listen[0], LISTEN, products[round % 2].address);
        snprintf(listen[1], sizeof listen[1], LISTEN, notifications[round % 2].address);
        instance_kill(&products[round % 2]);
        instance_kill(&notifications[round % 2]);
        instance_start(&products[round % 2], "product", NULL, (const char *[]){listen[0], NULL});
        instance_start(&notifications[round % 2], "notification", NULL,
                       (const char *[]){listen[1], NULL});
    }
    int bought = 0;
    for (size_t i = 0; i < BUYERS; i++) {
        void *own;
        assert_int_equal(pthread_join(buyers[i], &own), 0);
        bought += (int)(uintptr_t)own;
    }
    /* An order whose answer got lost was placed all the same: the table says how many. */
    snprintf(sql, sizeof sql,
             "SELECT count(DISTINCT order_id) FROM order_line"
             " WHERE product_id = 'y' AND quantity = 2");
    int placed = atoi(postgres_value(orders_db, sql));
    assert_true(placed >= bought && bought > 0);
    print_message("%d orders placed, %d answered\n", placed, bought);

    /* What a killed consumer held comes back after the acknowledgement's wait (30 s). */
    for (int i = 0; i < 3; i++) {
        int64_t until_ns = mesh_clock_deadline_ns(20000);
        while (
            mesh_clock_monotonic_ns() < until_ns &&
            (shop_product(products[0].channel, arena, "y")->in_stock != STOCK - 2 * placed ||
             atoi(postgres_value(notifications_db, "SELECT count(*) FROM notification")) != placed))
            wait_a_moment();
        mesh_arena_reset(arena);
    }
    assert_int_equal(shop_product(products[0].channel, arena, "x")->in_stock, STOCK - placed);
    assert_int_equal(shop_product(products[0].channel, arena, "y")->in_stock, STOCK - 2 * placed);
    assert_int_equal(atoi(postgres_value(notifications_db, "SELECT count(*) FROM notification")),
                     placed);
    assert_int_equal(
        atoi(postgres_value(notifications_db, "SELECT count(DISTINCT resource) FROM notification")),
        placed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(an_order_lowers_the_stock_and_is_notified_live),
        TEST(notifications_are_listed_and_marked_read),
        TEST(a_stopping_instance_hands_its_watchers_over),
        TEST(killed_consumers_neither_lose_nor_repeat_an_order),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
