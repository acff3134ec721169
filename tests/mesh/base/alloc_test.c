#include "mesh/base/alloc.h"

#include <pthread.h>

#include "tests/mesh/base/test.h"

/* True when the allocation succeeded; frees it. */
static bool allocates(void *memory)
{
    mesh_free(memory);
    return memory != NULL;
}

static void the_chosen_allocation_fails_and_no_other(void **state)
{
    (void)state;
    mesh_alloc_fail_at(3);
    assert_true(allocates(mesh_malloc(1)));
    assert_true(allocates(mesh_calloc(1, 1)));
    assert_false(mesh_alloc_failed());
    assert_false(allocates(mesh_realloc(NULL, 1)));
    assert_true(mesh_alloc_failed());
    assert_true(allocates(mesh_strdup("a")));

    mesh_alloc_fail_at(1);
    assert_false(mesh_alloc_failed());
    assert_false(allocates(mesh_strdup("a")));
    mesh_alloc_fail_at(0);
    assert_false(mesh_alloc_failed());
    for (int i = 0; i < 10; i++)
        assert_true(allocates(mesh_malloc(1)));
}

static void *count_failures(void *failures)
{
    for (int i = 0; i < 1000; i++)
        *(int *)failures += !allocates(mesh_malloc(1));
    return NULL;
}

static void exactly_one_of_all_threads_sees_the_failure(void **state)
{
    pthread_t threads[4];
    int failures[COUNT(threads)] = {0}, sum = 0;

    (void)state;
    mesh_alloc_fail_at(777);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_failures, &failures[i]), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        sum += failures[i];
    }
    assert_int_equal(sum, 1);
    mesh_alloc_fail_at(0);
}

static void strdup_copies(void **state)
{
    char *copy = mesh_strdup("text");

    (void)state;
    assert_string_equal(copy, "text");
    mesh_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_allocation_fails_and_no_other),
        cmocka_unit_test(exactly_one_of_all_threads_sees_the_failure),
        cmocka_unit_test(strdup_copies),
    };

    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
