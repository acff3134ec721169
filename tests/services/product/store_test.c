#include "services/product/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/db/migrate.h"
#include "services/product/product_migrations.h"
#include "tests/fixtures/postgres.h"

static product_service service;
static product_scope scope;
static mesh_error err;

static int open_store(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    service.db = postgres_open("product_store_test", &(mesh_db_options){.pool_max = 8});
    service.image_root = "http://pictures";
    assert_int_equal(mesh_migrate(service.db, "product", product_migrations, &err), MESH_OK);
    return 0;
}

static int close_store(void **state)
{
    mesh_db_destroy(service.db);
    return postgres_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    postgres_value(service.db, "TRUNCATE product");
    scope = (product_scope){
        .service = &service, .arena = mesh_arena_create(4096, 0), .deadline_ns = MESH_NO_DEADLINE};
    return scope.arena == NULL;
}

static int end_test(void **state)
{
    (void)state;
    mesh_arena_destroy(scope.arena);
    return 0;
}

static mesh_code add(const char *id, int32_t stock, const char *request_id,
                     Product__V1__Product *made)
{
    Product__V1__Product wanted = PRODUCT__V1__PRODUCT__INIT;
    wanted.id = (char *)id;
    wanted.title = (char *)"The \"Odyssey\" \\ Ünïcode";
    wanted.passenger_capacity = 101;
    wanted.maximum_speed = 5;
    wanted.in_stock = stock;
    product__v1__product__init(made);
    return product_store_add(&scope, &wanted, request_id, made, &err);
}

static int32_t stock_of(const char *id, int64_t *backordered)
{
    Product__V1__Product product = PRODUCT__V1__PRODUCT__INIT;
    assert_int_equal(product_store_get(&scope, id, &product, &err), MESH_OK);
    *backordered = product.backordered;
    return product.in_stock;
}

/* S1.1 */
static void what_was_added_is_read_back(void **state)
{
    (void)state;
    Product__V1__Product made;
    Product__V1__Product read = PRODUCT__V1__PRODUCT__INIT;
    assert_int_equal(add("odyssey", 10, "", &made), MESH_OK);
    assert_int_equal(product_store_get(&scope, "odyssey", &read, &err), MESH_OK);
    assert_string_equal(read.id, "odyssey");
    assert_string_equal(read.title, "The \"Odyssey\" \\ Ünïcode");
    assert_int_equal(read.passenger_capacity, 101);
    assert_int_equal(read.maximum_speed, 5);
    assert_int_equal(read.in_stock, 10);
    assert_int_equal(read.backordered, 0);
    assert_string_equal(read.image_uri, "http://pictures/odyssey.jpg");
    assert_non_null(read.create_time);
    assert_true(read.create_time->seconds > 1700000000);
    assert_int_equal(read.create_time->seconds, made.create_time->seconds);
    assert_int_equal(read.update_time->nanos, made.create_time->nanos);
}

static void an_id_is_taken_once(void **state)
{
    (void)state;
    Product__V1__Product made;
    assert_int_equal(add("a", 1, "", &made), MESH_OK);
    assert_int_equal(add("a", 1, "", &made), MESH_ALREADY_EXISTS);
    assert_string_equal(err.reason, "PRODUCT_ALREADY_EXISTS");
    assert_string_equal(err.domain, "product.v1");
    char id[64];
    assert_true(mesh_error_metadata_get(&err, "product_id", id, sizeof id));
    assert_string_equal(id, "a");
}

/* S1.9 */
static void the_same_request_again_answers_with_the_same_product(void **state)
{
    (void)state;
    static const char FIRST[] = "0190a000-0000-7000-8000-000000000001";
    static const char SECOND[] = "0190a000-0000-7000-8000-000000000002";
    Product__V1__Product made;
    assert_int_equal(add("a", 1, FIRST, &made), MESH_OK);
    assert_int_equal(add("a", 1, FIRST, &made), MESH_OK);
    assert_string_equal(made.id, "a");
    assert_string_equal(postgres_value(service.db, "SELECT count(*) FROM product"), "1");

    static const struct {
        const char *id;
        int32_t stock;
        const char *request_id, *reason;
    } cases[] = {
        {"a", 2, FIRST, "REQUEST_ID_REUSED"}, /* other content */
        {"b", 1, FIRST, "REQUEST_ID_REUSED"}, /* another product */
        {"a", 1, SECOND, "PRODUCT_ALREADY_EXISTS"},
        {"a", 1, "", "PRODUCT_ALREADY_EXISTS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_error_clear(&err);
        assert_int_equal(add(cases[i].id, cases[i].stock, cases[i].request_id, &made),
                         MESH_ALREADY_EXISTS);
        assert_string_equal(err.reason, cases[i].reason);
    }
}

static void what_does_not_exist_has_a_reason(void **state)
{
    (void)state;
    Product__V1__Product product = PRODUCT__V1__PRODUCT__INIT;
    assert_int_equal(product_store_get(&scope, "no one", &product, &err), MESH_NOT_FOUND);
    assert_string_equal(err.reason, "PRODUCT_NOT_FOUND");
    mesh_error_clear(&err);
    assert_int_equal(product_store_delete(&scope, "no one", &err), MESH_NOT_FOUND);
    assert_string_equal(err.reason, "PRODUCT_NOT_FOUND");
}

static void a_deleted_product_is_gone_and_its_id_free(void **state)
{
    (void)state;
    static const char REQUEST[] = "0190a000-0000-7000-8000-000000000001";
    Product__V1__Product product;
    assert_int_equal(add("a", 1, REQUEST, &product), MESH_OK);
    assert_int_equal(product_store_delete(&scope, "a", &err), MESH_OK);
    assert_int_equal(product_store_get(&scope, "a", &product, &err), MESH_NOT_FOUND);
    assert_int_equal(product_store_delete(&scope, "a", &err), MESH_NOT_FOUND);
    assert_int_equal(add("a", 1, "", &product), MESH_OK);
}

static void many_are_read_in_the_order_asked_for(void **state)
{
    (void)state;
    static const char *const ids[] = {"c", "missing", "a", "NULL", "b"};
    Product__V1__Product made;
    Product__V1__Product **products;
    size_t found;
    assert_int_equal(add("a", 1, "", &made), MESH_OK);
    assert_int_equal(add("b", 1, "", &made), MESH_OK);
    assert_int_equal(add("c", 1, "", &made), MESH_OK);
    assert_int_equal(add("NULL", 1, "", &made), MESH_OK);
    assert_int_equal(product_store_get_many(&scope, ids, 5, &products, &found, &err), MESH_OK);
    assert_int_equal(found, 4);
    assert_string_equal(products[0]->id, "c");
    assert_string_equal(products[1]->id, "a");
    assert_string_equal(products[2]->id, "NULL");
    assert_string_equal(products[3]->id, "b");
}

static void lists_are_in_byte_order_of_the_ids(void **state)
{
    (void)state;
    static const char *const ids[] = {"b", "B", "a-1", "a.1", "a1", "10", "9", "A"};
    static const char *const sorted[] = {"10", "9", "A", "B", "a-1", "a.1", "a1", "b"};
    Product__V1__Product made;
    Product__V1__Product **products;
    size_t found;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(add(ids[i], 1, "", &made), MESH_OK);
    const char *after = "";
    for (size_t i = 0; i < 8; i += found) {
        assert_int_equal(product_store_list(&scope, after, 3, &products, &found, &err), MESH_OK);
        assert_int_equal(found, i < 6 ? 3 : 2);
        for (size_t j = 0; j < found; j++)
            assert_string_equal(products[j]->id, sorted[i + j]);
        after = products[found - 1]->id;
    }
    assert_int_equal(product_store_list(&scope, after, 3, &products, &found, &err), MESH_OK);
    assert_int_equal(found, 0);
}

static mesh_code take(product_taking *takings, size_t count, size_t *missing)
{
    mesh_tx *tx;
    mesh_error why;
    mesh_error_clear(&why);
    mesh_code code = mesh_tx_begin(service.db, NULL, &tx, &why);
    if (code != MESH_OK)
        return code;
    code = product_store_take(tx, takings, count, missing, &why);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, &why);
    mesh_tx_rollback(tx);
    return code;
}

static void stock_goes_down_and_what_is_short_is_backordered(void **state)
{
    (void)state;
    Product__V1__Product made;
    assert_int_equal(add("a", 10, "", &made), MESH_OK);
    assert_int_equal(add("b", 3, "", &made), MESH_OK);
    product_taking takings[] = {{"b", 2}, {"gone", 1}, {"a", 4}, {"b", 3}};
    size_t missing;
    int64_t backordered;
    assert_int_equal(take(takings, 4, &missing), MESH_OK);
    assert_int_equal(missing, 1);
    assert_int_equal(stock_of("a", &backordered), 6);
    assert_int_equal(backordered, 0);
    assert_int_equal(stock_of("b", &backordered), 0); /* named twice: 2 + 3 of 3 */
    assert_int_equal(backordered, 2);
    product_taking more[] = {{"b", 2000000000}};
    assert_int_equal(take(more, 1, &missing), MESH_OK);
    assert_int_equal(missing, 0);
    assert_int_equal(stock_of("b", &backordered), 0);
    assert_true(backordered == 2000000002);
    assert_int_equal(take(NULL, 0, &missing), MESH_OK);
    assert_int_equal(missing, 0);
}

enum {
    TAKERS = 4,
    TAKES = 100
};

/* Half of them name the products the other way round. */
static void *take_many(void *context)
{
    uintptr_t failed = 0;
    for (size_t i = 0; i < TAKES; i++) {
        product_taking takings[2][2] = {{{"a", 1}, {"b", 1}}, {{"b", 1}, {"a", 1}}};
        size_t missing;
        if (take(takings[(uintptr_t)context % 2], 2, &missing) != MESH_OK || missing != 0)
            failed++;
    }
    return (void *)failed;
}

static void stock_taken_at_the_same_time_adds_up_without_a_deadlock(void **state)
{
    (void)state;
    Product__V1__Product made;
    assert_int_equal(add("a", TAKERS * TAKES + 5, "", &made), MESH_OK);
    assert_int_equal(add("b", TAKERS * TAKES - 5, "", &made), MESH_OK);
    pthread_t threads[TAKERS];
    for (uintptr_t i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, (void *)i), 0);
    for (size_t i = 0; i < TAKERS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_int_equal((uintptr_t)failed, 0);
    }
    int64_t backordered;
    assert_int_equal(stock_of("a", &backordered), 5);
    assert_int_equal(backordered, 0);
    assert_int_equal(stock_of("b", &backordered), 0);
    assert_int_equal(backordered, 5);
}

/* S1.1: constant-time, whatever the table holds. */
static void deleting_reads_one_row_however_many_there_are(void **state)
{
    (void)state;
    postgres_value(service.db,
                   "INSERT INTO product (id, title, passenger_capacity, maximum_speed, in_stock)"
                   " SELECT 'p' || n, 't', 1, 1, 1 FROM generate_series(1, 100000) n");
    mesh_tx *tx;
    mesh_rows *rows;
    assert_int_equal(mesh_tx_begin(service.db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(mesh_tx_query(tx,
                                   "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)"
                                   " DELETE FROM product WHERE id = 'p7'",
                                   MESH_SQL_NO_PARAMS, &rows, NULL, &err),
                     MESH_OK);
    assert_string_equal(mesh_rows_text(rows, 1, 0),
                        "  ->  Index Scan using product_pkey on product (actual rows=1 loops=1)");
    mesh_tx_rollback(tx);
}

/* A page that does not fit is an error, never half a page. */
static void a_call_with_little_memory_fails_as_a_whole(void **state)
{
    (void)state;
    enum {
        COUNT = 5
    };
    Product__V1__Product made;
    char id[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "p%d", i);
        assert_int_equal(add(id, 1, "", &made), MESH_OK);
    }
    size_t worked = 0;
    size_t failed = 0;
    for (size_t limit = 64; limit < 8192; limit += 64) {
        mesh_arena *whole = scope.arena;
        Product__V1__Product **products = NULL;
        size_t found = 0;
        scope.arena = mesh_arena_create(64, limit);
        assert_non_null(scope.arena);
        mesh_code code = product_store_list(&scope, "", COUNT, &products, &found, &err);
        if (code == MESH_OK) {
            worked++;
            assert_int_equal(found, COUNT);
            assert_string_equal(products[COUNT - 1]->id, "p4");
            assert_non_null(products[COUNT - 1]->update_time);
        } else {
            failed++;
            assert_int_equal(code, MESH_RESOURCE_EXHAUSTED);
        }
        mesh_arena_destroy(scope.arena);
        scope.arena = whole;
    }
    assert_true(worked > 0 && failed > 0);
}

/* Adds, reads and lists with a fresh arena. */
static mesh_code use(const char *id)
{
    static const char REQUEST[] = "0190a000-0000-7000-8000-000000000001";
    Product__V1__Product made;
    Product__V1__Product **products;
    size_t found;
    mesh_error_clear(&err);
    scope.arena = mesh_arena_create(64, 0);
    if (scope.arena == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    mesh_code code = add(id, 1, REQUEST, &made);
    if (code == MESH_OK)
        code = add(id, 1, REQUEST, &made);
    if (code == MESH_OK)
        code = product_store_get(&scope, id, &made, &err);
    if (code == MESH_OK)
        code = product_store_get_many(&scope, &id, 1, &products, &found, &err);
    if (code == MESH_OK)
        code = product_store_list(&scope, "", 10, &products, &found, &err);
    if (code == MESH_OK)
        code = product_store_delete(&scope, id, &err);
    /* The runtime answers RESOURCE_EXHAUSTED for a call whose arena overflowed. */
    if (mesh_arena_overflowed(scope.arena))
        code = MESH_RESOURCE_EXHAUSTED;
    mesh_arena_destroy(scope.arena);
    return code;
}

/* Every allocation fails in turn. */
static void failing_memory_is_an_error_and_passes(void **state)
{
    (void)state;
    mesh_arena *whole = scope.arena;
    bool failed = true;
    size_t n = 0;
    while (failed) {
        postgres_value(service.db, "TRUNCATE product");
        mesh_alloc_fail_at(++n);
        mesh_code code = use("a");
        failed = mesh_alloc_failed();
        mesh_alloc_fail_at(0);
        scope.arena = whole;
        if (code != MESH_OK && code != MESH_RESOURCE_EXHAUSTED)
            fail_msg("allocation %zu: %s %s", n, mesh_code_name(code), err.message);
        assert_true(failed || code == MESH_OK);
    }
    assert_true(n > 3); /* the arena and what it grows by */
}

static void a_database_that_is_away_is_unavailable(void **state)
{
    (void)state;
    Product__V1__Product product = PRODUCT__V1__PRODUCT__INIT;
    postgres_stop();
    assert_int_equal(product_store_get(&scope, "a", &product, &err), MESH_UNAVAILABLE);
    assert_int_equal(add("a", 1, "", &product), MESH_UNAVAILABLE);
    postgres_restart();
    assert_int_equal(add("a", 1, "", &product), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_added_is_read_back, begin_test, end_test),
        cmocka_unit_test_setup_teardown(an_id_is_taken_once, begin_test, end_test),
        cmocka_unit_test_setup_teardown(the_same_request_again_answers_with_the_same_product,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(what_does_not_exist_has_a_reason, begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_deleted_product_is_gone_and_its_id_free, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(many_are_read_in_the_order_asked_for, begin_test, end_test),
        cmocka_unit_test_setup_teardown(lists_are_in_byte_order_of_the_ids, begin_test, end_test),
        cmocka_unit_test_setup_teardown(stock_goes_down_and_what_is_short_is_backordered,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(stock_taken_at_the_same_time_adds_up_without_a_deadlock,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(deleting_reads_one_row_however_many_there_are, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(a_call_with_little_memory_fails_as_a_whole, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(failing_memory_is_an_error_and_passes, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(a_database_that_is_away_is_unavailable, begin_test,
                                        end_test),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}
