#include "mesh/base/budget.h"

#include <pthread.h>

#include "tests/mesh/base/test.h"

enum {
    LIMIT = 100,
    HELD = 50,
    FITTING = 40,
    TOO_MUCH = 60,
    ROUNDS = 2000000
};

static void a_take_is_whole_or_nothing(void **state)
{
    mesh_budget whole = {.limit = LIMIT};
    mesh_budget part = {.whole = &whole, .limit = HELD};
    mesh_budget other = {.whole = &whole, .limit = LIMIT};

    (void)state;
    assert_false(mesh_budget_take(&part, HELD + 1));
    assert_false(mesh_budget_take(&part, SIZE_MAX));
    assert_true(mesh_budget_take(&part, HELD));
    assert_false(mesh_budget_take(&part, 1));
    assert_false(mesh_budget_take(&other, LIMIT - HELD + 1));
    assert_true(mesh_budget_take(&other, LIMIT - HELD));
    assert_int_equal(atomic_load(&whole.held), LIMIT);
    mesh_budget_give(&part, HELD);
    mesh_budget_give(&other, LIMIT - HELD);
    assert_int_equal(atomic_load(&part.held), 0);
    assert_int_equal(atomic_load(&other.held), 0);
    assert_int_equal(atomic_load(&whole.held), 0);
}

typedef struct taker {
    mesh_budget *budget;
    atomic_bool stop;
} taker;

static void *take_in_vain(void *argument)
{
    taker *here = argument;

    while (!atomic_load(&here->stop))
        if (mesh_budget_take(here->budget, TOO_MUCH))
            return here->budget;
    return NULL;
}

/* While another thread takes too much of `greedy`, what fits is taken from `modest`. */
static void expect_room(mesh_budget *modest, mesh_budget *greedy)
{
    taker other = {.budget = greedy};
    pthread_t thread;
    void *taken;
    int refused = 0;

    assert_int_equal(pthread_create(&thread, NULL, take_in_vain, &other), 0);
    for (int i = 0; i < ROUNDS; i++) {
        if (mesh_budget_take(modest, FITTING))
            mesh_budget_give(modest, FITTING);
        else
            refused++;
    }
    atomic_store(&other.stop, true);
    assert_int_equal(pthread_join(thread, &taken), 0);
    assert_null(taken);
    assert_int_equal(refused, 0);
}

static void a_take_in_vain_is_in_nobodys_way(void **state)
{
    mesh_budget whole = {.limit = LIMIT, .held = HELD};
    mesh_budget one = {.whole = &whole, .limit = LIMIT};
    mesh_budget other = {.whole = &whole, .limit = LIMIT};

    (void)state;
    expect_room(&whole, &whole);
    expect_room(&one, &other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_take_is_whole_or_nothing),
        cmocka_unit_test(a_take_in_vain_is_in_nobodys_way),
    };

    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
