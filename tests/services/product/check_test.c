#include "services/product/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/services/violations.h"

#define TITLE_50 "01234567890123456789012345678901234567890123456789"
#define ID_64 "0123456789012345678901234567890123456789012345678901234567890123"

/* S0.13: lengths are refused with the name of the field, before the database has to. */
static void a_product_outside_its_limits_is_refused_field_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *id, *title, *request_id;
        int32_t capacity, speed, stock;
        const char *violations;
    } cases[] = {
        {"odyssey", "The Odyssey", "", 101, 5, 10, ""},
        {"odyssey", "The Odyssey", "0190a000-0000-7000-8000-000000000001", 0, 0, 0, ""},
        {ID_64, TITLE_50 TITLE_50 TITLE_50 TITLE_50, "", PRODUCT_CAPACITY_MAX, PRODUCT_NUMBER_MAX,
         PRODUCT_NUMBER_MAX, ""},
        {ID_64 "x", "t", "", 0, 0, 0, "product.id"},
        {"", "t", "", 0, 0, 0, "product.id"},
        {"a/b", "t", "", 0, 0, 0, "product.id"},
        {"a", "", "", 0, 0, 0, "product.title"},
        {"a", " ", "", 0, 0, 0, "product.title"},
        {"a", TITLE_50 TITLE_50 TITLE_50 TITLE_50 "x", "", 0, 0, 0, "product.title"},
        {"a", "t", "", -1, 0, 0, "product.passenger_capacity"},
        {"a", "t", "", PRODUCT_CAPACITY_MAX + 1, 0, 0, "product.passenger_capacity"},
        {"a", "t", "", 0, PRODUCT_NUMBER_MAX + 1, 0, "product.maximum_speed"},
        {"a", "t", "", 0, 0, -1, "product.in_stock"},
        {"a", "t", "", 0, 0, PRODUCT_NUMBER_MAX + 1, "product.in_stock"},
        {"a", "t", "not a uuid", 0, 0, 0, "request_id"},
        {"", "", "x", -1, -1, -1,
         "product.id, product.title, product.passenger_capacity, product.maximum_speed, "
         "product.in_stock, request_id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Product__V1__Product product = PRODUCT__V1__PRODUCT__INIT;
        product.id = (char *)cases[i].id;
        product.title = (char *)cases[i].title;
        product.passenger_capacity = cases[i].capacity;
        product.maximum_speed = cases[i].speed;
        product.in_stock = cases[i].stock;
        Product__V1__CreateProductRequest request = PRODUCT__V1__CREATE_PRODUCT_REQUEST__INIT;
        request.product = &product;
        request.request_id = (char *)cases[i].request_id;
        mesh_error err;
        mesh_error_clear(&err);
        mesh_code code = product_check_create(&request, &err);
        assert_int_equal(code, cases[i].violations[0] == '\0' ? MESH_OK : MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(&err), cases[i].violations);
    }
}

static void a_creation_needs_its_product(void **state)
{
    (void)state;
    Product__V1__CreateProductRequest request = PRODUCT__V1__CREATE_PRODUCT_REQUEST__INIT;
    mesh_error err;
    mesh_error_clear(&err);
    assert_int_equal(product_check_create(&request, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "product");
}

static void a_batch_has_1_to_100_different_ids(void **state)
{
    (void)state;
    char names[PRODUCT_BATCH_MAX + 1][24];
    char *ids[PRODUCT_BATCH_MAX + 1];
    for (size_t i = 0; i < PRODUCT_BATCH_MAX + 1; i++) {
        snprintf(names[i], sizeof names[i], "p%zu", i);
        ids[i] = names[i];
    }
    Product__V1__BatchGetProductsRequest request = PRODUCT__V1__BATCH_GET_PRODUCTS_REQUEST__INIT;
    request.ids = ids;
    static const struct {
        size_t count;
        mesh_code code;
    } cases[] = {{0, MESH_INVALID_ARGUMENT},
                 {1, MESH_OK},
                 {PRODUCT_BATCH_MAX, MESH_OK},
                 {PRODUCT_BATCH_MAX + 1, MESH_INVALID_ARGUMENT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        request.n_ids = cases[i].count;
        assert_int_equal(product_check_batch(&request, NULL), cases[i].code);
    }

    mesh_error err;
    mesh_error_clear(&err);
    ids[2] = ids[0];
    ids[1] = (char *)"a b";
    request.n_ids = 3;
    assert_int_equal(product_check_batch(&request, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "ids[1], ids[2]");
}

static void an_id_must_be_given(void **state)
{
    (void)state;
    assert_int_equal(product_check_id("", NULL), MESH_INVALID_ARGUMENT);
    assert_int_equal(product_check_id("x", NULL), MESH_OK);
}

static void the_token_of_a_page_leads_behind_its_last_product(void **state)
{
    (void)state;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    assert_non_null(arena);
    Product__V1__ListProductsRequest request = PRODUCT__V1__LIST_PRODUCTS_REQUEST__INIT;
    mesh_page page;
    request.page_token = product_page_token(arena, ID_64);
    assert_int_equal(product_check_list(&request, &page, NULL), MESH_OK);
    assert_string_equal(page.after, ID_64);
    request.page_token = mesh_page_token(arena, "order.v1.OrderService/ListOrders", "x");
    assert_int_equal(product_check_list(&request, &page, NULL), MESH_INVALID_ARGUMENT);
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_outside_its_limits_is_refused_field_by_field),
        cmocka_unit_test(a_creation_needs_its_product),
        cmocka_unit_test(a_batch_has_1_to_100_different_ids),
        cmocka_unit_test(an_id_must_be_given),
        cmocka_unit_test(the_token_of_a_page_leads_behind_its_last_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
