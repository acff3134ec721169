#include "tests/load/shop_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/services/shop/people.h"

/* S1.6: every operation, from many threads at once, without one failed call. */
static void every_operation_bears_load(void **state)
{
    (void)state;
    instance product;
    instance order;
    person merchant;
    instance_start(&product, "product", NULL, NULL);
    instance_start(&order, "order", product.address, NULL);
    person_join(&merchant, "merchant");
    person_change_groups(&merchant, (const char *const[]){"merchants", NULL});
    assert_int_equal(
        shop_load(product.channel, order.channel, merchant.authorization, 16, 500, stdout), 0);
    instance_stop(&order);
    instance_stop(&product);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_bears_load),
    };
    return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
