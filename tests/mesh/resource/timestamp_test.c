#include "mesh/resource/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nanoseconds_become_seconds_and_nanos_that_count_forward(void **state)
{
    (void)state;
    static const struct {
        int64_t wall_ns, seconds;
        int32_t nanos;
    } cases[] = {
        {0, 0, 0},
        {1, 0, 1},
        {1500000000, 1, 500000000},
        {-1, -1, 999999999},
        {-1000000000, -1, 0},
        {-1500000000, -2, 500000000},
        {INT64_MAX, 9223372036, 854775807},
        {INT64_MIN, -9223372037, 145224192},
    };
    mesh_arena *arena = mesh_arena_create(1024, 0);
    assert_non_null(arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Google__Protobuf__Timestamp *timestamp = mesh_timestamp(arena, cases[i].wall_ns);
        assert_non_null(timestamp);
        assert_int_equal(timestamp->seconds, cases[i].seconds);
        assert_int_equal(timestamp->nanos, cases[i].nanos);
    }
    mesh_arena_destroy(arena);
}

static void a_full_arena_gives_no_timestamp(void **state)
{
    (void)state;
    mesh_arena *arena = mesh_arena_create(16, 16);
    assert_non_null(arena);
    assert_null(mesh_timestamp(arena, 1));
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nanoseconds_become_seconds_and_nanos_that_count_forward),
        cmocka_unit_test(a_full_arena_gives_no_timestamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
