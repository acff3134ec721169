/* From which position on the outbox is read. */
#include "mesh/events/horizon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* One reading of an outbox with these positions due (0: none), while the transactions from `oldest`
 * on run and `next` is the next one. */
static void read_once(mesh_horizon *h, int64_t oldest, int64_t next, int64_t first, int64_t last)
{
    mesh_horizon_begin(h, 0, oldest, next);
    mesh_horizon_end(h, first, last);
}

/* S0.6 */
static void what_was_published_is_left_behind(void **state)
{
    (void)state;
    mesh_horizon h = {.from = 0};
    read_once(&h, 10, 10, 1, 100);
    assert_int_equal(h.from, 0); /* nothing was seen before */
    read_once(&h, 20, 20, 101, 200);
    read_once(&h, 30, 30, 201, 300);
    assert_int_equal(h.from, 101);
    read_once(&h, 40, 40, 0, 0);
    read_once(&h, 50, 50, 0, 0);
    assert_int_equal(h.from, 301);
}

static void a_transaction_that_may_have_drawn_a_lower_position_is_waited_for(void **state)
{
    (void)state;
    mesh_horizon h = {.from = 0};
    read_once(&h, 10, 11, 5, 100);
    for (int64_t xid = 20; xid < 30; xid++) {
        read_once(&h, 10, xid, 0, 0);
        assert_int_equal(h.from, 0);
    }
    read_once(&h, 25, 31, 4, 4); /* it has committed */
    assert_int_equal(h.from, 4);
    read_once(&h, 31, 31, 0, 0);
    read_once(&h, 32, 32, 0, 0);
    assert_int_equal(h.from, 101);
}

static void one_that_began_after_the_mark_is_not_waited_for(void **state)
{
    (void)state;
    mesh_horizon h = {.from = 0};
    read_once(&h, 10, 10, 1, 100);
    read_once(&h, 10, 12, 0, 0); /* the mark: of 10 and 11 */
    read_once(&h, 12, 15, 0, 0); /* 12 runs */
    assert_int_equal(h.from, 101);
}

static void what_is_still_due_is_read_again(void **state)
{
    (void)state;
    mesh_horizon h = {.from = 0};
    for (int64_t xid = 1; xid < 10; xid++)
        read_once(&h, xid, xid, 7, 100 * xid);
    assert_int_equal(h.from, 7);
}

/* S0.9 */
static void all_is_read_again_when_published_events_are_due_again(void **state)
{
    (void)state;
    mesh_horizon h = {.from = 0};
    for (int64_t xid = 1; xid < 5; xid++)
        read_once(&h, xid, xid, 0, 100 * xid);
    assert_true(h.from > 100);
    mesh_horizon_begin(&h, 1, 6, 6);
    assert_int_equal(h.from, 0);
    mesh_horizon_end(&h, 3, 3);
    mesh_horizon_begin(&h, 1, 7, 7);
    mesh_horizon_end(&h, 0, 0);
    mesh_horizon_begin(&h, 1, 8, 8);
    mesh_horizon_end(&h, 0, 0);
    assert_int_equal(h.from, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_published_is_left_behind),
        cmocka_unit_test(a_transaction_that_may_have_drawn_a_lower_position_is_waited_for),
        cmocka_unit_test(one_that_began_after_the_mark_is_not_waited_for),
        cmocka_unit_test(what_is_still_due_is_read_again),
        cmocka_unit_test(all_is_read_again_when_published_events_are_due_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
