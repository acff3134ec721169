/* The product service as its callers know it: two instances of its program, real PostgreSQL and
 * NATS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/shop/pair.h"
#include "tests/services/violations.h"

/* Both have an account; one is a member of merchants, who write products. */
static person merchant, consumer;

static const char *const merchants[] = {"merchants", NULL};
static const char *const no_groups[] = {NULL};

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    const char *const settings[] = {"PRODUCT_IMAGE_ROOT=https://shop.example/images", NULL};
    pair_start("product", NULL, settings);
    person_join(&merchant, "merchant");
    person_change_groups(&merchant, merchants);
    person_join(&consumer, "consumer");
    return 0;
}

static int close_all(void **state)
{
    pair_stop();
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    postgres_value(db, "TRUNCATE product");
    if (pair_begin(state) != 0)
        return -1;
    shop_call_as(&merchant);
    return 0;
}

static mesh_code get(const char *id, Product__V1__Product **product)
{
    Product__V1__GetProductRequest request = PRODUCT__V1__GET_PRODUCT_REQUEST__INIT;
    request.id = (char *)id;
    return product__v1__product_service__get_product(here.channel, &request, product, in_arena(),
                                                     &err);
}

static mesh_code delete_it(const char *id)
{
    Product__V1__DeleteProductRequest request = PRODUCT__V1__DELETE_PRODUCT_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    request.id = (char *)id;
    return product__v1__product_service__delete_product(there.channel, &request, &empty, in_arena(),
                                                        &err);
}

/* S1.1, S1.9: what one instance answered, the other one shows. */
static void a_product_is_created_read_and_deleted_by_any_instance(void **state)
{
    (void)state;
    Product__V1__Product *product;
    assert_int_equal(shop_add_product(there.channel, arena, "odyssey", 10, &err), MESH_OK);
    assert_int_equal(get("odyssey", &product), MESH_OK);
    assert_string_equal(product->title, "Title of odyssey");
    assert_int_equal(product->passenger_capacity, 101);
    assert_int_equal(product->maximum_speed, 5);
    assert_int_equal(product->in_stock, 10);
    assert_string_equal(product->image_uri, "https://shop.example/images/odyssey.jpg");
    assert_non_null(product->create_time);

    assert_int_equal(shop_add_product(here.channel, arena, "odyssey", 10, &err),
                     MESH_ALREADY_EXISTS);
    assert_string_equal(err.reason, "PRODUCT_ALREADY_EXISTS");

    assert_int_equal(delete_it("odyssey"), MESH_OK);
    assert_int_equal(get("odyssey", &product), MESH_NOT_FOUND);
    assert_string_equal(err.reason, "PRODUCT_NOT_FOUND");
    assert_string_equal(err.domain, "product.v1");
    char id[32];
    assert_true(mesh_error_metadata_get(&err, "product_id", id, sizeof id));
    assert_string_equal(id, "odyssey");
    assert_int_equal(delete_it("odyssey"), MESH_NOT_FOUND);
}

static void every_mistake_of_a_request_reaches_the_caller(void **state)
{
    (void)state;
    Product__V1__CreateProductRequest request = PRODUCT__V1__CREATE_PRODUCT_REQUEST__INIT;
    Product__V1__Product product = PRODUCT__V1__PRODUCT__INIT;
    Product__V1__Product *made;
    product.id = (char *)"a/b";
    product.in_stock = -1;
    request.product = &product;
    request.request_id = (char *)"7";
    assert_int_equal(product__v1__product_service__create_product(here.channel, &request, &made,
                                                                  in_arena(), &err),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err),
                        "product.id, product.title, product.in_stock, request_id");
    assert_int_equal(get("", &made), MESH_INVALID_ARGUMENT);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "0");
}

static void a_batch_is_all_or_nothing_unless_missing_ones_are_allowed(void **state)
{
    (void)state;
    Product__V1__BatchGetProductsRequest request = PRODUCT__V1__BATCH_GET_PRODUCTS_REQUEST__INIT;
    Product__V1__BatchGetProductsResponse *answer;
    char *ids[] = {(char *)"b", (char *)"gone", (char *)"a"};
    assert_int_equal(shop_add_product(here.channel, arena, "a", 1, &err), MESH_OK);
    assert_int_equal(shop_add_product(here.channel, arena, "b", 1, &err), MESH_OK);
    request.ids = ids;
    request.n_ids = 3;
    assert_int_equal(product__v1__product_service__batch_get_products(here.channel, &request,
                                                                      &answer, in_arena(), &err),
                     MESH_NOT_FOUND);
    assert_string_equal(err.reason, "PRODUCT_NOT_FOUND");
    char id[32];
    assert_true(mesh_error_metadata_get(&err, "product_id", id, sizeof id));
    assert_string_equal(id, "gone");

    request.allow_missing = true;
    assert_int_equal(product__v1__product_service__batch_get_products(here.channel, &request,
                                                                      &answer, in_arena(), &err),
                     MESH_OK);
    assert_int_equal(answer->n_products, 2);
    assert_string_equal(answer->products[0]->id, "b");
    assert_string_equal(answer->products[1]->id, "a");
}

/* Products come and go between pages: those that stay are shown exactly once. */
static void pages_show_every_product_once_whatever_changes_meanwhile(void **state)
{
    (void)state;
    enum {
        COUNT = 25
    };
    char id[16];
    size_t seen = 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "p%02d", i * 2);
        assert_int_equal(shop_add_product(here.channel, arena, id, 1, &err), MESH_OK);
    }
    Product__V1__ListProductsRequest request = PRODUCT__V1__LIST_PRODUCTS_REQUEST__INIT;
    Product__V1__ListProductsResponse *page;
    request.page_size = 7;
    int pages = 0;
    do {
        mesh_channel *channel = pages % 2 == 0 ? here.channel : there.channel;
        assert_int_equal(
            product__v1__product_service__list_products(channel, &request, &page, in_arena(), &err),
            MESH_OK);
        for (size_t i = 0; i < page->n_products; i++) {
            snprintf(id, sizeof id, "p%02zu", seen++ * 2);
            assert_string_equal(page->products[i]->id, id);
        }
        request.page_token = page->next_page_token;
        if (pages == 0) { /* before and on the page shown, and the one that the token names */
            assert_int_equal(shop_add_product(here.channel, arena, "p01", 1, &err), MESH_OK);
            assert_int_equal(delete_it("p12"), MESH_OK);
        }
        pages++;
    } while (page->next_page_token[0] != '\0');
    assert_int_equal(seen, COUNT);
    assert_int_equal(pages, 4);

    request.page_token = (char *)"ATkCioJ4YA0PcDd";
    assert_int_equal(product__v1__product_service__list_products(here.channel, &request, &page,
                                                                 in_arena(), &err),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "page_token");
}

static void no_product_is_an_empty_list(void **state)
{
    (void)state;
    Product__V1__ListProductsRequest request = PRODUCT__V1__LIST_PRODUCTS_REQUEST__INIT;
    Product__V1__ListProductsResponse *page;
    assert_int_equal(product__v1__product_service__list_products(here.channel, &request, &page,
                                                                 in_arena(), &err),
                     MESH_OK);
    assert_int_equal(page->n_products, 0);
    assert_string_equal(page->next_page_token, "");
}

/* S0.9 */
static void calls_work_again_when_the_database_is_back(void **state)
{
    (void)state;
    Product__V1__Product *product;
    assert_int_equal(shop_add_product(here.channel, arena, "a", 1, &err), MESH_OK);
    postgres_stop();
    assert_int_equal(get("a", &product), MESH_UNAVAILABLE);
    postgres_restart();
    WAIT_FOR(get("a", &product) == MESH_OK);
}

/* A statement that hangs ends with its caller's patience, in the database, too. */
static void a_deadline_ends_the_statement_in_the_database(void **state)
{
    (void)state;
    Product__V1__GetProductRequest request = PRODUCT__V1__GET_PRODUCT_REQUEST__INIT;
    Product__V1__Product *product;
    mesh_tx *tx;
    assert_int_equal(shop_add_product(here.channel, arena, "a", 1, &err), MESH_OK);
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "LOCK TABLE product", MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                     MESH_OK);
    request.id = (char *)"a";
    /* More than there are connections in the pool, one after the other: none is lost. */
    for (int i = 0; i < 12; i++)
        assert_int_equal(product__v1__product_service__get_product(
                             here.channel, &request, &product,
                             &(mesh_call_options){.arena = arena, .timeout_ms = 100}, &err),
                         MESH_DEADLINE_EXCEEDED);
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM pg_stat_activity"
                                       " WHERE wait_event_type = 'Lock'"),
                    "0") == 0);
    mesh_tx_rollback(tx);
    assert_int_equal(get("a", &product), MESH_OK);
}

static mesh_code create_at(const instance *instance, const char *id)
{
    mesh_error_clear(&err);
    return shop_add_product(instance->channel, arena, id, 1, &err);
}

/* Created by a caller who may; or is there since the last look. */
static bool may_write(const instance *instance)
{
    mesh_code code = create_at(instance, "tried");
    return code == MESH_OK || code == MESH_ALREADY_EXISTS;
}

/* S0.5 */
static void everybody_reads_and_merchants_alone_write(void **state)
{
    (void)state;
    Product__V1__Product *product;
    Product__V1__ListProductsRequest list = PRODUCT__V1__LIST_PRODUCTS_REQUEST__INIT;
    Product__V1__ListProductsResponse *page;
    char permission[32];
    static const struct {
        const person *caller;
        mesh_code code;
        const char *reason;
    } cases[] = {
        {NULL, MESH_UNAUTHENTICATED, "TOKEN_MISSING"},
        {&consumer, MESH_PERMISSION_DENIED, "PERMISSION_MISSING"},
    };
    assert_int_equal(create_at(&here, "a"), MESH_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        shop_call_as(cases[i].caller);
        assert_true(is_refused(create_at(&here, "b"), cases[i].reason));
        assert_int_equal(err.code, cases[i].code);
        mesh_error_clear(&err);
        assert_true(is_refused(delete_it("a"), cases[i].reason));
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(get("a", &product), MESH_OK);
        assert_int_equal(product__v1__product_service__list_products(here.channel, &list, &page,
                                                                     in_arena(), &err),
                         MESH_OK);
        assert_int_equal(page->n_products, 1);
    }
    assert_int_equal(create_at(&here, "b"), MESH_PERMISSION_DENIED);
    assert_true(mesh_error_metadata_get(&err, "permission", permission, sizeof permission));
    assert_string_equal(permission, "product.write");
}

/* Nobody knows more of a token that is none than that. */
static void a_token_that_is_none_is_refused(void **state)
{
    (void)state;
    person forger = merchant;
    forger.authorization[strlen(forger.authorization) - 8] ^= 1;
    shop_call_as(&forger);
    assert_int_equal(create_at(&here, "a"), MESH_UNAUTHENTICATED);
    assert_string_equal(err.reason, "TOKEN_INVALID");
}

/* S0.5: the answer is kept, and the news of a change drops it, everywhere. */
static void who_becomes_a_merchant_may_write_at_once_and_no_longer_than_that(void **state)
{
    (void)state;
    const instance *const both[] = {&here, &there};
    person newcomer;
    person_join(&newcomer, "newcomer");
    shop_call_as(&newcomer);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(create_at(both[i], "tried"), MESH_PERMISSION_DENIED);
    person_change_groups(&newcomer, merchants);
    for (size_t i = 0; i < 2; i++)
        WAIT_FOR(may_write(both[i]));
    person_change_groups(&newcomer, no_groups);
    for (size_t i = 0; i < 2; i++)
        WAIT_FOR(is_refused(create_at(both[i], "tried"), "PERMISSION_MISSING"));
}

/* S4.2: while the token is valid. */
static void a_banned_user_is_refused_until_the_ban_ends(void **state)
{
    (void)state;
    const instance *const both[] = {&here, &there};
    Product__V1__Product *product;
    person troll;
    person_join(&troll, "troll");
    person_change_groups(&troll, merchants);
    shop_call_as(&troll);
    for (size_t i = 0; i < 2; i++)
        WAIT_FOR(may_write(both[i]));
    person_ban(&troll);
    for (size_t i = 0; i < 2; i++) {
        WAIT_FOR(is_refused(create_at(both[i], "tried"), "USER_REFUSED"));
        assert_int_equal(err.code, MESH_PERMISSION_DENIED);
    }
    assert_int_equal(get("tried", &product), MESH_OK); /* which is public */
    person_unban(&troll);
    for (size_t i = 0; i < 2; i++)
        WAIT_FOR(may_write(both[i]));
}

/* S0.4, S0.5: who is known may go on, and who is not is not let in on trust. */
static void without_the_user_service_only_what_is_known_is_allowed(void **state)
{
    (void)state;
    Product__V1__Product *product;
    person stranger;
    person_join(&stranger, "stranger");
    assert_int_equal(create_at(&here, "a"), MESH_OK);
    shop_call_as(&consumer);
    assert_int_equal(create_at(&here, "b"), MESH_PERMISSION_DENIED);
    shop_stop_users();

    assert_int_equal(create_at(&here, "b"), MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "PERMISSION_MISSING");
    shop_call_as(&merchant);
    assert_int_equal(create_at(&here, "b"), MESH_OK);
    shop_call_as(&stranger);
    assert_int_equal(create_at(&here, "c"), MESH_UNAVAILABLE);
    assert_string_equal(err.reason, "PERMISSION_UNKNOWN");
    assert_int_equal(get("b", &product), MESH_OK);

    shop_restart_users();
    WAIT_FOR(is_refused(create_at(&here, "c"), "PERMISSION_MISSING"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, pair_end)
    const struct CMUnitTest tests[] = {
        TEST(a_product_is_created_read_and_deleted_by_any_instance),
        TEST(every_mistake_of_a_request_reaches_the_caller),
        TEST(a_batch_is_all_or_nothing_unless_missing_ones_are_allowed),
        TEST(pages_show_every_product_once_whatever_changes_meanwhile),
        TEST(no_product_is_an_empty_list),
        TEST(everybody_reads_and_merchants_alone_write),
        TEST(a_token_that_is_none_is_refused),
        TEST(who_becomes_a_merchant_may_write_at_once_and_no_longer_than_that),
        TEST(a_banned_user_is_refused_until_the_ban_ends),
        TEST(without_the_user_service_only_what_is_known_is_allowed),
        TEST(a_deadline_ends_the_statement_in_the_database),
        TEST(calls_work_again_when_the_database_is_back),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
