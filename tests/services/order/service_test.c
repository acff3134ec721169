/* The order service as its callers know it: two instances of it and one of the product service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/shop/pair.h"
#include "tests/services/violations.h"

static instance product;
static mesh_db *products_db;

/* The merchant writes products, ada and bob buy some, support helps them. */
static person merchant, ada, bob, support;

/* Products of the running test alone: what earlier tests' events lower is not theirs. */
static char A[16], B[16], C[16];

static const char *title_of(const char *id)
{
    return mesh_arena_printf(arena, "Title of %s", id);
}

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    instance_start(&product, "product", NULL, NULL);
    pair_start("order", product.address, NULL);
    products_db = shop_open("product");
    person_join(&merchant, "merchant");
    person_change_groups(&merchant, (const char *const[]){"merchants", NULL});
    person_join(&ada, "ada");
    person_join(&bob, "bob");
    person_join(&support, "support");
    person_change_groups(&support, (const char *const[]){"support", NULL});
    return 0;
}

static int close_all(void **state)
{
    pair_stop();
    mesh_db_destroy(products_db);
    instance_stop(&product);
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    static int number;
    snprintf(A, sizeof A, "a%d", ++number);
    snprintf(B, sizeof B, "b%d", number);
    snprintf(C, sizeof C, "c%d", number);
    postgres_value(db, "TRUNCATE orders, order_line");
    postgres_value(products_db, "TRUNCATE product");
    if (pair_begin(state) != 0)
        return -1;
    shop_call_as(&ada);
    return 0;
}

static mesh_code get(mesh_channel *channel, const char *id, Order__V1__Order **order)
{
    Order__V1__GetOrderRequest request = ORDER__V1__GET_ORDER_REQUEST__INIT;
    request.id = (char *)id;
    return order__v1__order_service__get_order(channel, &request, order, in_arena(), &err);
}

static mesh_code list(int32_t page_size, const char *token, Order__V1__ListOrdersResponse **page)
{
    Order__V1__ListOrdersRequest request = ORDER__V1__LIST_ORDERS_REQUEST__INIT;
    request.page_size = page_size;
    request.page_token = (char *)token;
    return order__v1__order_service__list_orders(there.channel, &request, page, in_arena(), &err);
}

/* The merchant does; who has called until now goes on. */
static void add_product(const char *id, int32_t in_stock)
{
    const person *buyer = shop_call_as(&merchant);
    assert_int_equal(shop_add_product(product.channel, arena, id, in_stock, &err), MESH_OK);
    shop_call_as(buyer);
}

static mesh_code list_of(mesh_channel *channel, const char *user_id, const char *token,
                         Order__V1__ListUserOrdersResponse **page)
{
    Order__V1__ListUserOrdersRequest request = ORDER__V1__LIST_USER_ORDERS_REQUEST__INIT;
    request.user_id = (char *)user_id;
    request.page_size = 2;
    request.page_token = (char *)token;
    return order__v1__order_service__list_user_orders(channel, &request, page, in_arena(), &err);
}

/* S1.2 */
static void an_order_brings_its_lines_with_each_products_details(void **state)
{
    (void)state;
    const shop_line lines[] = {{B, 9999, 2}, {A, 1, 1000}, {C, 0, 3}};
    Order__V1__Order *made;
    Order__V1__Order *order;
    add_product(A, 1000);
    add_product(B, 10);
    add_product(C, 3);
    assert_int_equal(shop_add_order(here.channel, arena, lines, 3, "", &made, &err), MESH_OK);
    assert_true(made->total->minor_units == 2 * 9999 + 1000);
    assert_string_equal(made->total->currency, "EUR");
    assert_int_equal(made->version, 1);

    assert_int_equal(get(there.channel, made->id, &order), MESH_OK);
    assert_string_equal(order->id, made->id);
    assert_true(order->total->minor_units == 2 * 9999 + 1000);
    assert_non_null(order->create_time);
    assert_int_equal(order->n_lines, 3);
    for (size_t i = 0; i < 3; i++) {
        const Order__V1__OrderLine *line = order->lines[i];
        char expected[64];
        assert_string_equal(line->product_id, lines[i].product_id);
        assert_true(line->price->minor_units == lines[i].minor_units);
        assert_string_equal(line->price->currency, "EUR");
        assert_int_equal(line->quantity, lines[i].quantity);
        snprintf(expected, sizeof expected, "Title of %s", lines[i].product_id);
        assert_string_equal(line->title, expected);
        assert_non_null(line->product);
        assert_string_equal(line->product->title, expected);
        assert_int_equal(line->product->passenger_capacity, 101);
        snprintf(expected, sizeof expected, "http://localhost:8080/images/%s.jpg",
                 lines[i].product_id);
        assert_string_equal(line->product->image_uri, expected);
    }
}

/* S1.2: every product is checked before anything is stored. */
static void an_order_that_cannot_be_filled_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    Order__V1__Order *order;
    char value[32];
    add_product(A, 5);
    add_product(B, 5);

    const shop_line unknown[] = {{A, 1, 1}, {"gone", 1, 1}};
    assert_int_equal(shop_add_order(here.channel, arena, unknown, 2, "", &order, &err),
                     MESH_NOT_FOUND);
    assert_string_equal(err.reason, "PRODUCT_NOT_FOUND");
    assert_string_equal(err.domain, "product.v1");
    assert_true(mesh_error_metadata_get(&err, "product_id", value, sizeof value));
    assert_string_equal(value, "gone");

    const shop_line short_of[] = {{A, 1, 5}, {B, 1, 6}};
    mesh_error_clear(&err);
    assert_int_equal(shop_add_order(here.channel, arena, short_of, 2, "", &order, &err),
                     MESH_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "INSUFFICIENT_STOCK");
    assert_string_equal(err.domain, "order.v1");
    assert_true(mesh_error_metadata_get(&err, "product_id", value, sizeof value));
    assert_string_equal(value, B);
    assert_true(mesh_error_metadata_get(&err, "in_stock", value, sizeof value));
    assert_string_equal(value, "5");

    const shop_line wrong[] = {{A, -1, 0}, {A, 1, 1}};
    mesh_error_clear(&err);
    assert_int_equal(shop_add_order(here.channel, arena, wrong, 2, "x", &order, &err),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "lines[0].quantity, lines[0].price.minor_units, "
                                               "lines[1].product_id, request_id");
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM orders"), "0");
}

static void an_unknown_order_has_a_reason(void **state)
{
    (void)state;
    static const char *const ids[] = {"0190a000-0000-7000-8000-000000000001", "17", "x y"};
    for (size_t i = 0; i < 3; i++) {
        Order__V1__Order *order;
        mesh_error_clear(&err);
        assert_int_equal(get(here.channel, ids[i], &order), MESH_NOT_FOUND);
        assert_string_equal(err.reason, "ORDER_NOT_FOUND");
        char id[64];
        assert_true(mesh_error_metadata_get(&err, "order_id", id, sizeof id));
        assert_string_equal(id, ids[i]);
    }
}

static void an_order_outlives_its_product(void **state)
{
    (void)state;
    const shop_line line = {A, 250, 2};
    Order__V1__Order *order;
    Product__V1__DeleteProductRequest request = PRODUCT__V1__DELETE_PRODUCT_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    add_product(A, 5);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    request.id = A;
    shop_call_as(&merchant);
    assert_int_equal(product__v1__product_service__delete_product(product.channel, &request, &empty,
                                                                  in_arena(), &err),
                     MESH_OK);
    shop_call_as(&ada);
    assert_int_equal(get(here.channel, order->id, &order), MESH_OK);
    assert_string_equal(order->lines[0]->title, title_of(A));
    assert_true(order->lines[0]->price->minor_units == 250);
    assert_null(order->lines[0]->product);
}

/* S1.9 */
static void the_same_cart_twice_makes_two_orders(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    Order__V1__Order *first;
    Order__V1__Order *second;
    add_product(A, 10);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &first, &err), MESH_OK);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &second, &err), MESH_OK);
    assert_string_not_equal(first->id, second->id);
}

/* S1.9 */
static void the_same_request_again_answers_with_the_first_order(void **state)
{
    (void)state;
    const shop_line lines[] = {{A, 1, 10}, {B, 2, 1}};
    const shop_line others[] = {{A, 1, 10}, {B, 2, 2}};
    char id[MESH_UUID_TEXT_BYTES];
    Order__V1__Order *first;
    Order__V1__Order *again;
    mesh_uuid_v7(id);
    add_product(A, 10);
    add_product(B, 10);
    assert_int_equal(shop_add_order(here.channel, arena, lines, 2, id, &first, &err), MESH_OK);
    /* Also when the stock is gone by now. */
    WAIT_FOR(shop_product(product.channel, arena, A)->in_stock == 0);
    assert_int_equal(shop_add_order(there.channel, arena, lines, 2, id, &again, &err), MESH_OK);
    assert_string_equal(again->id, first->id);
    assert_int_equal(again->n_lines, 2);
    assert_true(again->total->minor_units == first->total->minor_units);
    assert_true(again->create_time->nanos == first->create_time->nanos);

    assert_int_equal(shop_add_order(here.channel, arena, others, 2, id, &again, &err),
                     MESH_ALREADY_EXISTS);
    assert_string_equal(err.reason, "REQUEST_ID_REUSED");
    assert_int_equal(shop_add_order(here.channel, arena, lines, 1, id, &again, &err),
                     MESH_ALREADY_EXISTS);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM orders"), "1");
}

static void *race(void *context)
{
    pair_racer *me = context;
    const shop_line line = {A, 1, 1};
    Order__V1__Order *order;
    me->code = shop_add_order(me->channel, me->arena, &line, 1, me->request_id, &order, NULL);
    if (me->code == MESH_OK)
        snprintf(me->id, sizeof me->id, "%s", order->id);
    return NULL;
}

/* S1.9 */
static void one_request_sent_many_times_at_once_makes_one_order(void **state)
{
    (void)state;
    add_product(A, 1000);
    for (int round = 0; round < 10; round++) {
        postgres_value(db, "TRUNCATE orders, order_line");
        pair_race(race);
        assert_string_equal(postgres_value(db, "SELECT count(*) FROM orders"), "1");
    }
}

/* S1.3, S1.9 */
static void lists_are_newest_first_and_show_every_order_once(void **state)
{
    (void)state;
    enum {
        COUNT = 12
    };
    char ids[COUNT + 1][64];
    const shop_line lines[] = {{A, 1, 1}, {B, 2, 2}};
    Order__V1__Order *order;
    Order__V1__ListOrdersResponse *page;
    add_product(A, 100);
    add_product(B, 100);
    assert_int_equal(list(0, "", &page), MESH_OK);
    assert_int_equal(page->n_orders, 0);
    assert_string_equal(page->next_page_token, "");
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(shop_add_order(here.channel, arena, lines, i % 2 + 1, "", &order, &err),
                         MESH_OK);
        snprintf(ids[i], sizeof ids[i], "%s", order->id);
        assert_int_equal(list(1, "", &page), MESH_OK); /* written is seen */
        assert_string_equal(page->orders[0]->id, ids[i]);
    }

    size_t left = COUNT;
    const char *token = "";
    do {
        assert_int_equal(list(5, token, &page), MESH_OK);
        assert_true(page->n_orders == 5 || left < 5);
        for (size_t i = 0; i < page->n_orders; i++) {
            left--;
            assert_string_equal(page->orders[i]->id, ids[left]);
            assert_int_equal(page->orders[i]->n_lines, left % 2 + 1);
            assert_string_equal(page->orders[i]->lines[0]->title, title_of(A));
            assert_null(page->orders[i]->lines[0]->product);
        }
        if (token[0] == '\0') /* one more in front does not move the others */
            assert_int_equal(shop_add_order(here.channel, arena, lines, 1, "", &order, &err),
                             MESH_OK);
        token = page->next_page_token;
    } while (token[0] != '\0');
    assert_int_equal(left, 0);

    assert_int_equal(list(0, "ATkCioJ4YA0PcDc", &page), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "page_token");
}

/* A page that would be larger than a message may be ends early. */
static void a_page_of_large_orders_ends_early(void **state)
{
    (void)state;
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO orders (id, currency, total, user_id) SELECT"
             " ('0190b000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'EUR', 1, '%s'"
             " FROM generate_series(1, 100) n",
             ada.id);
    postgres_value(db, sql);
    postgres_value(db, "INSERT INTO order_line (order_id, position, product_id, title,"
                       " price, quantity) SELECT id, p, 'p' || p, repeat('\xE2\x82\xAC', 200),"
                       " 1, 1 FROM orders, generate_series(0, 99) p");
    size_t seen = 0;
    int pages = 0;
    const char *token = "";
    Order__V1__ListOrdersResponse *page;
    do {
        assert_int_equal(list(100, token, &page), MESH_OK);
        assert_true(page->n_orders > 0);
        assert_true(order__v1__list_orders_response__get_packed_size(page) < 4 * 1024 * 1024);
        for (size_t i = 0; i < page->n_orders; i++)
            assert_int_equal(page->orders[i]->n_lines, 100);
        seen += page->n_orders;
        pages++;
        token = page->next_page_token;
    } while (token[0] != '\0');
    assert_int_equal(seen, 100);
    assert_true(pages > 1);
}

/* The caller's deadline travels on to the product service and into its database. */
static void a_deadline_reaches_the_product_services_database(void **state)
{
    (void)state;
    Order__V1__CreateOrderRequest request = ORDER__V1__CREATE_ORDER_REQUEST__INIT;
    Order__V1__OrderLine line = ORDER__V1__ORDER_LINE__INIT;
    Order__V1__OrderLine *lines[] = {&line};
    Mesh__Type__V1__Money price = MESH__TYPE__V1__MONEY__INIT;
    Order__V1__Order *order;
    mesh_tx *tx;
    add_product(A, 10);
    price.currency = (char *)"EUR";
    line.product_id = A;
    line.quantity = 1;
    line.price = &price;
    request.lines = lines;
    request.n_lines = 1;
    assert_int_equal(mesh_tx_begin(products_db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "LOCK TABLE product", MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                     MESH_OK);
    assert_int_equal(order__v1__order_service__create_order(
                         here.channel, &request, &order,
                         &(mesh_call_options){.arena = arena, .timeout_ms = 300}, &err),
                     MESH_DEADLINE_EXCEEDED);
    WAIT_FOR(strcmp(postgres_value(products_db, "SELECT count(*) FROM pg_stat_activity"
                                                " WHERE wait_event_type = 'Lock'"),
                    "0") == 0);
    mesh_tx_rollback(tx);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM orders"), "0");
    assert_int_equal(order__v1__order_service__create_order(here.channel, &request, &order,
                                                            &(mesh_call_options){.arena = arena},
                                                            &err),
                     MESH_OK);
}

/*
 * Neither an order nor a wrong reason when the products cannot be asked; all is well again later.
 */
static void without_the_product_service_orders_are_unavailable_but_listed(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    Order__V1__Order *order;
    Order__V1__ListOrdersResponse *page;
    char listen[96];
    add_product(A, 10);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    snprintf(listen, sizeof listen, "MESH_LISTEN=%s", product.address);
    instance_kill(&product);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err),
                     MESH_UNAVAILABLE);
    assert_int_equal(list(0, "", &page), MESH_OK);
    assert_int_equal(page->n_orders, 1);
    assert_int_equal(get(there.channel, page->orders[0]->id, &order), MESH_UNAVAILABLE);

    const char *const settings[] = {listen, NULL};
    instance_start(&product, "product", NULL, settings);
    WAIT_FOR(shop_add_order(here.channel, arena, &line, 1, "", &order, &err) == MESH_OK);
}

/* S1.4: an order that was answered is told, also when the broker was away just then. */
static void the_broker_may_be_away_while_orders_are_taken(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 3};
    Order__V1__Order *order;
    add_product(A, 10);
    nats_stop();
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    nats_restart();
    WAIT_FOR(shop_product(product.channel, arena, A)->in_stock == 7);
}

/* Whoever asks for it learns no more than of one that never was. */
static void an_order_is_its_users_alone(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    Order__V1__Order *order;
    Order__V1__Order *other;
    Order__V1__ListOrdersResponse *page;
    char message[sizeof err.message];
    add_product(A, 10);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    assert_string_equal(order->user_id, ada.id);

    shop_call_as(&bob);
    assert_int_equal(get(there.channel, order->id, &other), MESH_NOT_FOUND);
    assert_string_equal(err.reason, "ORDER_NOT_FOUND");
    snprintf(message, sizeof message, "%s", err.message);
    assert_int_equal(list(0, "", &page), MESH_OK);
    assert_int_equal(page->n_orders, 0);

    shop_call_as(&ada);
    assert_int_equal(get(there.channel, order->id, &other), MESH_OK);
    assert_string_equal(other->user_id, ada.id);
    assert_int_equal(list(0, "", &page), MESH_OK);
    assert_string_equal(page->orders[0]->id, order->id);
    assert_string_equal(page->orders[0]->user_id, ada.id);
    postgres_value(db, "TRUNCATE orders, order_line");
    assert_int_equal(get(there.channel, order->id, &other), MESH_NOT_FOUND);
    assert_string_equal(err.message, message);
}

static void without_a_token_there_are_no_orders(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    Order__V1__Order *order;
    Order__V1__ListOrdersResponse *page;
    Order__V1__ListUserOrdersResponse *of_user;
    add_product(A, 10);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    shop_call_as(NULL);
    assert_int_equal(get(here.channel, order->id, &order), MESH_UNAUTHENTICATED);
    assert_true(is_refused(err.code, "TOKEN_MISSING"));
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err),
                     MESH_UNAUTHENTICATED);
    assert_int_equal(list(0, "", &page), MESH_UNAUTHENTICATED);
    assert_int_equal(list_of(here.channel, ada.id, "", &of_user), MESH_UNAUTHENTICATED);
}

/* S1.9: what somebody else sent does not count, and is not shown. */
static void a_request_id_is_each_users_own(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    const shop_line other_line = {A, 1, 2};
    char id[MESH_UUID_TEXT_BYTES];
    Order__V1__Order *first;
    Order__V1__Order *second;
    mesh_uuid_v7(id);
    add_product(A, 10);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, id, &first, &err), MESH_OK);
    shop_call_as(&bob);
    assert_int_equal(shop_add_order(here.channel, arena, &other_line, 1, id, &second, &err),
                     MESH_OK);
    assert_string_not_equal(first->id, second->id);
    assert_string_equal(second->user_id, bob.id);
}

/* S0.5 */
static void support_lists_the_orders_of_any_user(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    char ids[3][64];
    Order__V1__Order *order;
    Order__V1__ListUserOrdersResponse *page;
    add_product(A, 100);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
        snprintf(ids[i], sizeof ids[i], "%s", order->id);
    }
    shop_call_as(&bob);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    assert_true(is_refused(list_of(here.channel, ada.id, "", &page), "PERMISSION_MISSING"));
    assert_true(is_refused(list_of(here.channel, bob.id, "", &page), "PERMISSION_MISSING"));
    postgres_value(db, "INSERT INTO orders (id, currency, total) VALUES"
                       " ('0190b000-0000-7000-8000-000000000001', 'EUR', 1)");
    postgres_value(db, "INSERT INTO order_line (order_id, position, product_id, title, price,"
                       " quantity) SELECT id, 0, 'old', 'Old', 1, 1 FROM orders"
                       " WHERE user_id = ''");

    shop_call_as(&support);
    assert_int_equal(list_of(here.channel, ada.id, "", &page), MESH_OK);
    assert_int_equal(page->n_orders, 2);
    assert_string_equal(page->orders[0]->id, ids[2]);
    assert_string_equal(page->orders[1]->id, ids[1]);
    assert_string_equal(page->orders[1]->user_id, ada.id);
    const char *token = page->next_page_token;
    assert_int_equal(list_of(there.channel, bob.id, token, &page), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "page_token");
    assert_int_equal(list_of(there.channel, ada.id, token, &page), MESH_OK);
    assert_int_equal(page->n_orders, 1);
    assert_string_equal(page->orders[0]->id, ids[0]);
    assert_string_equal(page->next_page_token, "");

    /* From before orders had users: nobody's. */
    assert_int_equal(list_of(here.channel, "", "", &page), MESH_OK);
    assert_int_equal(page->n_orders, 1);
    assert_string_equal(page->orders[0]->lines[0]->title, "Old");
    assert_string_equal(page->orders[0]->user_id, "");
    assert_int_equal(list_of(here.channel, "nobody' OR '1'='1", "", &page), MESH_OK);
    assert_int_equal(page->n_orders, 0);
}

/* S4.2: while the token is valid. */
static void a_banned_user_neither_orders_nor_reads(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    Order__V1__Order *order;
    Order__V1__ListOrdersResponse *page;
    person troll;
    add_product(A, 100);
    person_join(&troll, "troll");
    shop_call_as(&troll);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    person_ban(&troll);
    WAIT_FOR(is_refused(list(0, "", &page), "USER_REFUSED"));
    WAIT_FOR(is_refused(get(here.channel, order->id, &order), "USER_REFUSED"));
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err),
                     MESH_PERMISSION_DENIED);
    person_unban(&troll);
    WAIT_FOR(shop_add_order(here.channel, arena, &line, 1, "", &order, &err) == MESH_OK);
}

/* S0.4, S0.5 */
static void without_the_user_service_users_order_and_the_known_may_help(void **state)
{
    (void)state;
    const shop_line line = {A, 1, 1};
    Order__V1__Order *order;
    Order__V1__ListOrdersResponse *page;
    Order__V1__ListUserOrdersResponse *of_user;
    add_product(A, 100);
    shop_call_as(&support);
    assert_int_equal(list_of(here.channel, ada.id, "", &of_user), MESH_OK);
    shop_stop_users();

    assert_int_equal(list_of(here.channel, ada.id, "", &of_user), MESH_OK);
    shop_call_as(&merchant); /* of whom this permission was never asked */
    assert_int_equal(list_of(here.channel, ada.id, "", &of_user), MESH_UNAVAILABLE);
    assert_string_equal(err.reason, "PERMISSION_UNKNOWN");
    shop_call_as(&ada);
    assert_int_equal(shop_add_order(here.channel, arena, &line, 1, "", &order, &err), MESH_OK);
    assert_int_equal(get(there.channel, order->id, &order), MESH_OK);
    assert_int_equal(list(0, "", &page), MESH_OK);
    assert_int_equal(page->n_orders, 1);

    shop_restart_users();
    shop_call_as(&merchant);
    WAIT_FOR(is_refused(list_of(here.channel, ada.id, "", &of_user), "PERMISSION_MISSING"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, pair_end)
    const struct CMUnitTest tests[] = {
        TEST(an_order_brings_its_lines_with_each_products_details),
        TEST(an_order_that_cannot_be_filled_is_refused_and_leaves_nothing),
        TEST(an_unknown_order_has_a_reason),
        TEST(an_order_outlives_its_product),
        TEST(the_same_cart_twice_makes_two_orders),
        TEST(the_same_request_again_answers_with_the_first_order),
        TEST(one_request_sent_many_times_at_once_makes_one_order),
        TEST(lists_are_newest_first_and_show_every_order_once),
        TEST(a_page_of_large_orders_ends_early),
        TEST(an_order_is_its_users_alone),
        TEST(without_a_token_there_are_no_orders),
        TEST(a_request_id_is_each_users_own),
        TEST(support_lists_the_orders_of_any_user),
        TEST(a_banned_user_neither_orders_nor_reads),
        TEST(without_the_user_service_users_order_and_the_known_may_help),
        TEST(a_deadline_reaches_the_product_services_database),
        TEST(without_the_product_service_orders_are_unavailable_but_listed),
        TEST(the_broker_may_be_away_while_orders_are_taken),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
