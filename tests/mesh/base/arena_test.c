#include "mesh/base/arena.h"

#include "mesh/base/alloc.h"
#include "tests/mesh/base/test.h"

static void allocations_are_aligned_and_apart(void **state)
{
    mesh_arena *arena = mesh_arena_create(100, 0);
    unsigned char *parts[2000];

    (void)state;
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(parts); i++) {
        parts[i] = mesh_arena_alloc(arena, i);
        assert_non_null(parts[i]);
        assert_int_equal((uintptr_t)parts[i] % 16, 0);
        memset(parts[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < COUNT(parts); i++) {
        for (size_t k = 0; k < i; k++)
            assert_int_equal(parts[i][k], i & 0xff);
    }
    mesh_arena_destroy(arena);
}

static void used_counts_what_was_handed_out(void **state)
{
    mesh_arena *arena = mesh_arena_create(64, 0);
    size_t expected = 0;

    (void)state;
    for (size_t size = 0; size < 100000; size = size * 2 + 1) {
        assert_non_null(mesh_arena_alloc(arena, size));
        expected += (size + 15) / 16 * 16;
        assert_int_equal(mesh_arena_used(arena), expected);
    }
    assert_non_null(mesh_arena_alloc(arena, 4 << 20)); /* a block of its own */
    assert_non_null(mesh_arena_alloc(arena, 1));
    assert_int_equal(mesh_arena_used(arena), expected + (4 << 20) + 16);
    mesh_arena_reset(arena);
    assert_int_equal(mesh_arena_used(arena), 0);
    mesh_arena_destroy(arena);
}

static void the_limit_bounds_all_memory_and_marks_the_arena(void **state)
{
    static const struct {
        size_t first, limit, size;
    } cases[] = {
        {0, 1, 1}, {64, 1024, 16}, {64, 1 << 20, 100}, {4096, 4096, 4096}, {8192, 4096, 64}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_arena *arena = mesh_arena_create(cases[i].first, cases[i].limit);

        for (int round = 0; round < 2; round++) {
            size_t got = 0;

            while (mesh_arena_alloc(arena, cases[i].size) != NULL)
                got += cases[i].size;
            assert_true(got <= cases[i].limit);
            assert_true(got >= cases[i].limit * 9 / 10 / 16 * 16 * cases[i].size /
                                   ((cases[i].size + 15) / 16 * 16) / 10 * 9);
            assert_true(mesh_arena_overflowed(arena));
            mesh_arena_reset(arena);
            assert_false(mesh_arena_overflowed(arena));
        }
        mesh_arena_destroy(arena);
    }
}

static void hostile_sizes_overflow_cleanly(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2, SIZE_MAX / 4 + 1};
    mesh_arena *arena = mesh_arena_create(1024, 0);

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        mesh_arena_reset(arena);
        assert_null(mesh_arena_alloc(arena, sizes[i]));
        assert_true(mesh_arena_overflowed(arena));
        assert_null(mesh_arena_calloc(arena, sizes[i], 2));
        assert_null(mesh_arena_calloc(arena, 16, sizes[i]));
    }
    assert_null(mesh_arena_calloc(arena, SIZE_MAX / 16 + 2, 16));
    mesh_arena_destroy(arena);
}

static void reset_gives_the_first_block_again(void **state)
{
    mesh_arena *arena = mesh_arena_create(1024, 0);
    void *first = mesh_arena_alloc(arena, 10);

    (void)state;
    mesh_arena_alloc(arena, 100000);
    mesh_arena_reset(arena);
    assert_ptr_equal(mesh_arena_alloc(arena, 1024), first);
    mesh_arena_destroy(arena);
}

static void calloc_zeroes_what_was_used_before(void **state)
{
    mesh_arena *arena = mesh_arena_create(1024, 0);
    unsigned char *bytes = mesh_arena_alloc(arena, 1000);

    (void)state;
    memset(bytes, 0xff, 1000);
    mesh_arena_reset(arena);
    bytes = mesh_arena_calloc(arena, 10, 100);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(bytes[i], 0);
    mesh_arena_destroy(arena);
}

static void texts_are_copied_and_formatted(void **state)
{
    mesh_arena *arena = mesh_arena_create(64, 0);
    char *text;

    (void)state;
    assert_string_equal(mesh_arena_strdup(arena, "abc"), "abc");
    assert_string_equal(mesh_arena_strndup(arena, "abc", 2), "ab");
    assert_string_equal(mesh_arena_strndup(arena, "ab\0c", 4), "ab");
    assert_string_equal(mesh_arena_strndup(arena, NULL, 0), "");
    assert_memory_equal(mesh_arena_memdup(arena, "a\0b", 3), "a\0b", 3);
    assert_non_null(mesh_arena_memdup(arena, NULL, 0));
    for (int size = 0; size < 2000; size += 1 + size / 7) {
        text = mesh_arena_printf(arena, "%0*d", size, 0);
        assert_int_equal(strlen(text), size == 0 ? 1 : size);
    }
    mesh_arena_destroy(arena);
}

static void texts_are_never_null(void **state)
{
    mesh_arena *arena = mesh_arena_create(16, 16);

    (void)state;
    assert_non_null(mesh_arena_alloc(arena, 16));
    assert_string_equal(mesh_arena_strdup(arena, "abc"), "");
    assert_string_equal(mesh_arena_strndup(arena, "abc", 3), "");
    assert_string_equal(mesh_arena_printf(arena, "%d", 1), "");
    assert_string_equal(mesh_arena_printf(arena, "%01000d", 1), "");
    assert_true(mesh_arena_overflowed(arena));
    mesh_arena_destroy(arena);
}

static void running_out_of_memory_is_an_overflow(void **state)
{
    mesh_arena *arena;

    (void)state;
    mesh_alloc_fail_at(1);
    assert_null(mesh_arena_create(16, 0));
    mesh_alloc_fail_at(2);
    arena = mesh_arena_create(16, 0);
    assert_null(mesh_arena_alloc(arena, 17));
    assert_true(mesh_arena_overflowed(arena));
    assert_non_null(mesh_arena_alloc(arena, 17));
    assert_true(mesh_arena_overflowed(arena));
    mesh_alloc_fail_at(0);
    mesh_arena_destroy(arena);
    mesh_arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(used_counts_what_was_handed_out),
        cmocka_unit_test(the_limit_bounds_all_memory_and_marks_the_arena),
        cmocka_unit_test(hostile_sizes_overflow_cleanly),
        cmocka_unit_test(reset_gives_the_first_block_again),
        cmocka_unit_test(calloc_zeroes_what_was_used_before),
        cmocka_unit_test(texts_are_copied_and_formatted),
        cmocka_unit_test(texts_are_never_null),
        cmocka_unit_test(running_out_of_memory_is_an_overflow),
    };

    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
