#include "services/order/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/violations.h"

enum {
    ROOM = ORDER_LINES_MAX + 1
};

/* A request with room for more lines than are allowed. */
typedef struct cart {
    Order__V1__CreateOrderRequest request;
    Order__V1__OrderLine lines[ROOM];
    Order__V1__OrderLine *list[ROOM];
    Mesh__Type__V1__Money prices[ROOM];
    char ids[ROOM][24];
} cart;

static void fill(cart *one, size_t count)
{
    order__v1__create_order_request__init(&one->request);
    for (size_t i = 0; i < count; i++) {
        mesh__type__v1__money__init(&one->prices[i]);
        one->prices[i].minor_units = 100;
        one->prices[i].currency = (char *)"EUR";
        snprintf(one->ids[i], sizeof one->ids[i], "p%zu", i);
        order__v1__order_line__init(&one->lines[i]);
        one->lines[i].product_id = one->ids[i];
        one->lines[i].quantity = 2;
        one->lines[i].price = &one->prices[i];
        one->list[i] = &one->lines[i];
    }
    one->request.lines = one->list;
    one->request.n_lines = count;
}

static void an_order_has_1_to_100_lines(void **state)
{
    (void)state;
    static cart one;
    static const struct {
        size_t count;
        mesh_code code;
    } cases[] = {{0, MESH_INVALID_ARGUMENT},
                 {1, MESH_OK},
                 {ORDER_LINES_MAX, MESH_OK},
                 {ORDER_LINES_MAX + 1, MESH_INVALID_ARGUMENT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t total = -1;
        fill(&one, cases[i].count);
        assert_int_equal(order_check_create(&one.request, &total, NULL), cases[i].code);
        assert_int_equal(total, cases[i].code == MESH_OK ? 200 * (int64_t)cases[i].count : -1);
    }
}

static void a_line_outside_its_limits_is_refused_field_by_field(void **state)
{
    (void)state;
    static cart one;
    static const struct {
        const char *product_id, *currency;
        int64_t price;
        int32_t quantity;
        const char *violations;
    } cases[] = {
        {"p", "EUR", 0, 1, ""},
        {"p", "EUR", ORDER_AMOUNT_MAX, 1, ""},
        {"p", "EUR", 1, ORDER_QUANTITY_MAX, ""},
        {"", "EUR", 1, 1, "lines[1].product_id"},
        {"no such", "EUR", 1, 1, "lines[1].product_id"},
        {"p0", "EUR", 1, 1, "lines[1].product_id"}, /* as the first line */
        {"p", "eur", 1, 1, "lines[1].price.currency, lines[1].price.currency"},
        {"p", "USD", 1, 1, "lines[1].price.currency"},
        {"p", "EUR", -1, 1, "lines[1].price.minor_units"},
        {"p", "EUR", ORDER_AMOUNT_MAX + 1, 1, "lines[1].price.minor_units"},
        {"p", "EUR", INT64_MAX, 1, "lines[1].price.minor_units"},
        {"p", "EUR", 1, 0, "lines[1].quantity"},
        {"p", "EUR", 1, -5, "lines[1].quantity"},
        {"p", "EUR", 1, ORDER_QUANTITY_MAX + 1, "lines[1].quantity"},
        {"", "EUR", -1, 0, "lines[1].product_id, lines[1].quantity, lines[1].price.minor_units"},
        {"p", "EUR", ORDER_AMOUNT_MAX, 2, "lines"},
        {"p", "EUR", ORDER_AMOUNT_MAX, ORDER_QUANTITY_MAX, "lines"}, /* over int64, too */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fill(&one, 2);
        one.prices[0].minor_units = 0;
        one.lines[1].product_id = (char *)cases[i].product_id;
        one.lines[1].quantity = cases[i].quantity;
        one.prices[1].minor_units = cases[i].price;
        one.prices[1].currency = (char *)cases[i].currency;
        mesh_error err;
        mesh_error_clear(&err);
        int64_t total;
        mesh_code code = order_check_create(&one.request, &total, &err);
        assert_string_equal(violated_fields(&err), cases[i].violations);
        assert_int_equal(code, cases[i].violations[0] == '\0' ? MESH_OK : MESH_INVALID_ARGUMENT);
    }
}

static void a_line_needs_its_price_and_a_request_id_its_form(void **state)
{
    (void)state;
    static cart one;
    mesh_error err;
    int64_t total;
    fill(&one, 2);
    one.lines[0].price = NULL;
    one.request.request_id = (char *)"x";
    mesh_error_clear(&err);
    assert_int_equal(order_check_create(&one.request, &total, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "lines[0].price, request_id");
}

static void the_largest_order_does_not_overflow(void **state)
{
    (void)state;
    static cart one;
    mesh_error err;
    int64_t total;
    fill(&one, ORDER_LINES_MAX);
    for (size_t i = 0; i < ORDER_LINES_MAX; i++) {
        one.prices[i].minor_units = ORDER_AMOUNT_MAX;
        one.lines[i].quantity = ORDER_QUANTITY_MAX;
    }
    mesh_error_clear(&err);
    assert_int_equal(order_check_create(&one.request, &total, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "lines");

    fill(&one, ORDER_LINES_MAX);
    for (size_t i = 0; i < ORDER_LINES_MAX; i++) {
        one.prices[i].minor_units = ORDER_AMOUNT_MAX / ORDER_LINES_MAX;
        one.lines[i].quantity = 1;
    }
    assert_int_equal(order_check_create(&one.request, &total, NULL), MESH_OK);
    assert_true(total == ORDER_AMOUNT_MAX);
}

static void an_id_must_be_given(void **state)
{
    (void)state;
    Order__V1__GetOrderRequest request = ORDER__V1__GET_ORDER_REQUEST__INIT;
    assert_int_equal(order_check_get(&request, NULL), MESH_INVALID_ARGUMENT);
    request.id = (char *)"x";
    assert_int_equal(order_check_get(&request, NULL), MESH_OK);
}

static void the_token_of_a_page_leads_behind_its_last_order(void **state)
{
    (void)state;
    static const char ID[] = "0190a000-0000-7000-8000-000000000001";
    mesh_arena *arena = mesh_arena_create(1024, 0);
    assert_non_null(arena);
    Order__V1__ListOrdersRequest request = ORDER__V1__LIST_ORDERS_REQUEST__INIT;
    mesh_page page;
    request.page_token = order_page_token(arena, ID);
    assert_int_equal(order_check_list(&request, &page, NULL), MESH_OK);
    assert_string_equal(page.after, ID);
    request.page_token = mesh_page_token(arena, "product.v1.ProductService/ListProducts", ID);
    assert_int_equal(order_check_list(&request, &page, NULL), MESH_INVALID_ARGUMENT);
    mesh_arena_destroy(arena);
}

/* A token of one user's list is none of another's, and none of the caller's own. */
static void the_token_of_a_users_page_is_of_that_user(void **state)
{
    (void)state;
    static const char ID[] = "0190a000-0000-7000-8000-000000000001";
    mesh_arena *arena = mesh_arena_create(1024, 0);
    assert_non_null(arena);
    Order__V1__ListUserOrdersRequest request = ORDER__V1__LIST_USER_ORDERS_REQUEST__INIT;
    Order__V1__ListOrdersRequest own = ORDER__V1__LIST_ORDERS_REQUEST__INIT;
    mesh_page page;
    request.user_id = (char *)"ada";
    request.page_token = own.page_token = order_user_page_token(arena, "ada", ID);
    assert_int_equal(order_check_list_user(&request, &page, NULL), MESH_OK);
    assert_string_equal(page.after, ID);
    assert_int_equal(order_check_list(&own, &page, NULL), MESH_INVALID_ARGUMENT);
    request.user_id = (char *)"bob";
    assert_int_equal(order_check_list_user(&request, &page, NULL), MESH_INVALID_ARGUMENT);
    request.page_token = order_page_token(arena, ID);
    assert_int_equal(order_check_list_user(&request, &page, NULL), MESH_INVALID_ARGUMENT);
    mesh_arena_destroy(arena);
}

static void a_users_id_has_64_bytes_at_most(void **state)
{
    (void)state;
    Order__V1__ListUserOrdersRequest request = ORDER__V1__LIST_USER_ORDERS_REQUEST__INIT;
    char id[ORDER_USER_ID_MAX + 2] = "";
    mesh_page page;
    mesh_error err;
    mesh_error_clear(&err);
    memset(id, 'x', ORDER_USER_ID_MAX);
    request.user_id = id;
    assert_int_equal(order_check_list_user(&request, &page, &err), MESH_OK);
    id[ORDER_USER_ID_MAX] = 'x';
    request.page_size = -1;
    assert_int_equal(order_check_list_user(&request, &page, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "user_id, page_size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_has_1_to_100_lines),
        cmocka_unit_test(a_line_outside_its_limits_is_refused_field_by_field),
        cmocka_unit_test(a_line_needs_its_price_and_a_request_id_its_form),
        cmocka_unit_test(the_largest_order_does_not_overflow),
        cmocka_unit_test(an_id_must_be_given),
        cmocka_unit_test(the_token_of_a_page_leads_behind_its_last_order),
        cmocka_unit_test(the_token_of_a_users_page_is_of_that_user),
        cmocka_unit_test(a_users_id_has_64_bytes_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
