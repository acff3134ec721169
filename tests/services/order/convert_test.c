#include "services/order/convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const Mesh__Type__V1__Money price = {
    PROTOBUF_C_MESSAGE_INIT(&mesh__type__v1__money__descriptor), 9999, (char *)"EUR"};

/* Two lines, for orders and requests alike. */
typedef struct lines {
    Order__V1__OrderLine items[2];
    Order__V1__OrderLine *list[2];
    Mesh__Type__V1__Money prices[2];
} lines;

static void fill(lines *all)
{
    static const char *const ids[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        order__v1__order_line__init(&all->items[i]);
        all->prices[i] = price;
        all->items[i].product_id = (char *)ids[i];
        all->items[i].quantity = (int32_t)i + 1;
        all->items[i].price = &all->prices[i];
        all->items[i].title = (char *)"not compared";
        all->list[i] = &all->items[i];
    }
}

static void an_order_has_the_lines_of_a_request_or_not(void **state)
{
    (void)state;
    lines had;
    lines wanted;
    Order__V1__Order order = ORDER__V1__ORDER__INIT;
    Order__V1__CreateOrderRequest request = ORDER__V1__CREATE_ORDER_REQUEST__INIT;
    order.lines = had.list;
    request.lines = wanted.list;
    for (int difference = 0; difference <= 7; difference++) {
        fill(&had);
        fill(&wanted);
        order.n_lines = request.n_lines = 2;
        switch (difference) {
        case 1:
            request.n_lines = 1;
            break;
        case 2:
            order.n_lines = 1;
            break;
        case 3:
            wanted.items[1].product_id = (char *)"c";
            break;
        case 4:
            wanted.items[1].quantity++;
            break;
        case 5:
            wanted.prices[0].minor_units++;
            break;
        case 6:
            wanted.prices[0].currency = (char *)"USD";
            break;
        case 7: /* the order of lines counts */
            wanted.list[0] = &wanted.items[1];
            wanted.list[1] = &wanted.items[0];
            break;
        default:
            break;
        }
        assert_int_equal(order_has_lines(&order, &request), difference == 0);
    }
}

static void an_event_says_what_was_bought(void **state)
{
    (void)state;
    lines bought;
    Mesh__Type__V1__Money total = price;
    Order__V1__Order order = ORDER__V1__ORDER__INIT;
    Order__V1__OrderCreated event = ORDER__V1__ORDER_CREATED__INIT;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    assert_non_null(arena);
    fill(&bought);
    order.id = (char *)"17";
    order.user_id = (char *)"ada";
    order.version = 1;
    order.lines = bought.list;
    order.n_lines = 2;
    order.total = &total;
    assert_true(order_to_event(arena, &order, &event));
    assert_string_equal(event.order_id, "17");
    assert_string_equal(event.user_id, "ada");
    assert_int_equal(event.version, 1);
    assert_ptr_equal(event.total, &total);
    assert_int_equal(event.n_lines, 2);
    assert_string_equal(event.lines[1]->product_id, "b");
    assert_int_equal(event.lines[1]->quantity, 2);
    assert_true(event.lines[1]->price->minor_units == 9999);
    mesh_arena_destroy(arena);
}

static void without_memory_there_is_no_event(void **state)
{
    (void)state;
    lines bought;
    Order__V1__Order order = ORDER__V1__ORDER__INIT;
    Order__V1__OrderCreated event = ORDER__V1__ORDER_CREATED__INIT;
    mesh_arena *arena = mesh_arena_create(16, 16);
    assert_non_null(arena);
    fill(&bought);
    order.lines = bought.list;
    order.n_lines = 2;
    assert_false(order_to_event(arena, &order, &event));
    assert_null(order_money(arena, 1, "EUR"));
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_has_the_lines_of_a_request_or_not),
        cmocka_unit_test(an_event_says_what_was_bought),
        cmocka_unit_test(without_memory_there_is_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
