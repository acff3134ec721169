/*
 * Inflating received messages: what is right comes out whole, what is wrong or too much not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/inflate.h"
#include "tests/mesh/rpc/worker.h"

enum {
    GZIP = 15 + 16,
    ZLIB = 15,
    RAW = -15
};

/* `size` bytes: half noise, half zeros, so that both kinds of blocks occur. */
static uint8_t *make_content(size_t size)
{
    uint8_t *content = calloc(1, size + 1);
    uint32_t seed = 1;

    assert_non_null(content);
    for (size_t i = 0; i < size / 2; i++) {
        seed = seed * 1664525 + 1013904223;
        content[i] = (uint8_t)(seed >> 24);
    }
    return content;
}

static size_t compress_to(uint8_t *out, size_t capacity, const uint8_t *content, size_t size,
                          int format)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)content,
                       .avail_in = (uInt)size,
                       .next_out = out,
                       .avail_out = (uInt)capacity};
    size_t total;

    assert_int_equal(
        deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, format, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    total = stream.total_out;
    (void)deflateEnd(&stream);
    return total;
}

/* Inflates from slices of `step` bytes; the result is checked against the content, if it is
 * MESH_OK. */
static mesh_code inflate_in_steps(const uint8_t *bytes, size_t size, size_t step, size_t limit,
                                  const uint8_t *content, size_t content_size)
{
    size_t count = (size + step - 1) / step;
    mesh_slice *slices = calloc(count + 1, sizeof *slices);
    mesh_arena *arena = mesh_arena_create(0, 0);
    const uint8_t *out = NULL;
    size_t out_size = 0;
    mesh_code code = MESH_RESOURCE_EXHAUSTED;

    assert_non_null(slices);
    for (size_t i = 0; i < count; i++)
        slices[i] = (mesh_slice){.data = bytes + i * step,
                                 .size = i + 1 < count ? step : size - i * step};
    if (arena != NULL)
        code = mesh_inflate(slices, count, limit, arena, &out, &out_size);
    free(slices);
    if (code == MESH_OK) {
        assert_int_equal(out_size, content_size);
        if (content_size > 0)
            assert_memory_equal(out, content, content_size);
    } else {
        assert_null(out);
        assert_int_equal(out_size, 0);
    }
    mesh_arena_destroy(arena);
    return code;
}

static const size_t sizes[] = {0, 1, 100, 16383, 16384, 16385, 100000, 1 << 20};

static void gzip_and_zlib_come_out_whole_however_they_are_cut(void **state)
{
    static const size_t steps[] = {1, 7, 1000, 1 << 22};
    static const int formats[] = {GZIP, ZLIB};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *content = make_content(sizes[i]);
        uint8_t *bytes = malloc(sizes[i] + 1000);

        assert_non_null(bytes);
        for (size_t j = 0; j < 2; j++) {
            size_t size = compress_to(bytes, sizes[i] + 1000, content, sizes[i], formats[j]);

            for (size_t k = 0; k < 4; k++)
                assert_int_equal(
                    inflate_in_steps(bytes, size, steps[k], 4 << 20, content, sizes[i]), MESH_OK);
        }
        free(bytes);
        free(content);
    }
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    for (size_t i = 1; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *content = make_content(sizes[i]);
        uint8_t *bytes = malloc(sizes[i] + 1000);
        size_t size;

        assert_non_null(bytes);
        size = compress_to(bytes, sizes[i] + 1000, content, sizes[i], GZIP);
        assert_int_equal(inflate_in_steps(bytes, size, 1000, sizes[i], content, sizes[i]), MESH_OK);
        assert_int_equal(inflate_in_steps(bytes, size, 1000, sizes[i] - 1, content, sizes[i]),
                         MESH_OUT_OF_RANGE);
        free(bytes);
        free(content);
    }
}

static int begun; /* how often zlib was asked */

int __real_inflate(z_streamp stream, int flush);
int __wrap_inflate(z_streamp stream, int flush);

int __wrap_inflate(z_streamp stream, int flush)
{
    begun++;
    return __real_inflate(stream, flush);
}

static int gave_way;

int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
    gave_way++;
    return 0;
}

typedef struct compressed {
    const uint8_t *bytes;
    size_t size;
    const uint8_t *content;
    size_t content_size;
} compressed;

static void inflate_all(void *argument)
{
    const compressed *one = argument;

    assert_int_equal(inflate_in_steps(one->bytes, one->size, one->size, 4 << 20, one->content,
                                      one->content_size),
                     MESH_OK);
}

static void a_worker_gives_way_to_other_threads_while_it_inflates_what_is_large(void **state)
{
    static const struct {
        size_t size;
        int most, least;
    } cases[] = {{1000, 0, 0}, {60000, 0, 0}, {1 << 20, 16, 15}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *content = make_content(cases[i].size);
        uint8_t *bytes = malloc(cases[i].size + 1000);
        compressed one = {bytes, 0, content, cases[i].size};

        assert_non_null(bytes);
        one.size = compress_to(bytes, cases[i].size + 1000, content, cases[i].size, GZIP);
        gave_way = 0;
        testing_on_worker(inflate_all, &one);
        assert_in_range(gave_way, cases[i].least, cases[i].most);
        free(bytes);
        free(content);
    }
}

/* The last four bytes of gzip say how much it is. Where they cannot be true nothing is begun. */
static void what_says_that_it_is_too_much_is_not_even_begun(void **state)
{
    enum {
        SIZE = 1 << 20
    };
    uint8_t *content = calloc(1, SIZE);
    uint8_t bytes[2000];
    size_t size;

    (void)state;
    assert_non_null(content);
    size = compress_to(bytes, sizeof bytes, content, SIZE, GZIP);
    begun = 0;
    assert_int_equal(inflate_in_steps(bytes, size, 100, SIZE - 1, NULL, 0), MESH_OUT_OF_RANGE);
    assert_int_equal(inflate_in_steps(bytes, size, 1, SIZE - 1, NULL, 0), MESH_OUT_OF_RANGE);
    bytes[size - 1] = 1; /* 16 MiB more: so few bytes do not become that */
    assert_int_equal(inflate_in_steps(bytes, size, 100, 64 << 20, NULL, 0), MESH_INTERNAL);
    assert_int_equal(begun, 0);
    free(content);
}

/* Who says less than there is gets no more than that inflated. */
static void what_is_more_than_it_says_is_an_internal_error(void **state)
{
    uint8_t *content = make_content(100000);
    uint8_t *bytes = malloc(101000);
    size_t size;

    (void)state;
    assert_non_null(bytes);
    size = compress_to(bytes, 101000, content, 100000, GZIP);
    for (uint32_t said = 0; said < 100000; said += 3333) {
        for (size_t i = 0; i < 4; i++)
            bytes[size - 4 + i] = (uint8_t)(said >> 8 * i);
        assert_int_equal(inflate_in_steps(bytes, size, 5000, 1 << 20, NULL, 0), MESH_INTERNAL);
    }
    free(bytes);
    free(content);
}

/* A bomb of 128 MiB, as zlib, which does not say so, costs no more than the limit. */
static void a_bomb_stops_at_the_limit(void **state)
{
    static uint8_t zeros[1 << 20];
    uint8_t *bytes = malloc(2 << 20);
    z_stream stream = {.next_out = bytes, .avail_out = 2 << 20};

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, ZLIB, 9, Z_DEFAULT_STRATEGY),
                     Z_OK);
    for (int i = 0; i < 128; i++) {
        stream.next_in = zeros;
        stream.avail_in = sizeof zeros;
        assert_int_equal(deflate(&stream, i == 127 ? Z_FINISH : Z_NO_FLUSH),
                         i == 127 ? Z_STREAM_END : Z_OK);
    }
    assert_int_equal(inflate_in_steps(bytes, stream.total_out, 65536, 1 << 20, NULL, 0),
                     MESH_OUT_OF_RANGE);
    assert_int_equal(inflate_in_steps(bytes, stream.total_out, 65536, 0, NULL, 0),
                     MESH_OUT_OF_RANGE);
    (void)deflateEnd(&stream);
    free(bytes);
}

/* Cut anywhere, changed anywhere, or nothing of the kind at all. */
static void what_is_broken_is_an_internal_error(void **state)
{
    uint8_t *content = make_content(2000);
    uint8_t bytes[4000];
    size_t size = compress_to(bytes, sizeof bytes, content, 2000, GZIP);
    size_t raw_size;

    (void)state;
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(inflate_in_steps(bytes, cut, 64, 1 << 20, NULL, 0), MESH_INTERNAL);
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 0x55;
        /* bytes 4 to 9 are time, level and system: not part of the content */
        if (at < 4 || at > 9)
            assert_int_not_equal(inflate_in_steps(bytes, size, 64, 1 << 20, content, 2000),
                                 MESH_OK);
        bytes[at] ^= 0x55;
    }
    raw_size = compress_to(bytes, sizeof bytes, content, 2000, RAW);
    assert_int_equal(inflate_in_steps(bytes, raw_size, 64, 1 << 20, NULL, 0), MESH_INTERNAL);
    assert_int_equal(inflate_in_steps(content, 1000, 64, 1 << 20, NULL, 0), MESH_INTERNAL);
    free(content);
}

static void what_follows_the_end_is_an_internal_error(void **state)
{
    uint8_t *content = make_content(100);
    uint8_t bytes[4000] = {0};
    size_t size = compress_to(bytes, sizeof bytes, content, 100, GZIP);

    (void)state;
    for (size_t step = 1; step < 300; step += 13)
        assert_int_equal(inflate_in_steps(bytes, size + 1, step, 1 << 20, NULL, 0), MESH_INTERNAL);
    free(content);
}

/* An HTTP/2 DATA frame may be empty, wherever it comes: the core makes a slice of it. */
static void empty_slices_change_nothing(void **state)
{
    uint8_t *content = make_content(100);
    uint8_t bytes[4000];
    size_t size = compress_to(bytes, sizeof bytes, content, 100, GZIP);
    const mesh_slice slices[] = {
        {.data = bytes},
        {.data = bytes, .size = size / 2},
        {.data = bytes},
        {.data = bytes + size / 2, .size = size - size / 2},
        {.data = bytes},
        {.data = bytes},
        {.data = bytes, .size = 1},
    };
    mesh_arena *arena = mesh_arena_create(0, 0);
    const uint8_t *out = NULL;
    size_t out_size = 0;

    (void)state;
    assert_non_null(arena);
    assert_int_equal(mesh_inflate(slices, 6, 1 << 20, arena, &out, &out_size), MESH_OK);
    assert_int_equal(out_size, 100);
    assert_memory_equal(out, content, 100);
    assert_int_equal(mesh_inflate(slices, 7, 1 << 20, arena, &out, &out_size), MESH_INTERNAL);

    /* nor do they hide what follows the end */
    const mesh_slice more[] = {{.data = bytes, .size = size + 1}, {.data = bytes}};

    assert_int_equal(mesh_inflate(more, 2, 1 << 20, arena, &out, &out_size), MESH_INTERNAL);
    mesh_arena_destroy(arena);
    free(content);
}

static void without_memory_it_is_resource_exhausted(void **state)
{
    uint8_t *content = make_content(100000);
    uint8_t *bytes = malloc(101000);
    size_t size;
    size_t failed = 0;

    (void)state;
    assert_non_null(bytes);
    size = compress_to(bytes, 101000, content, 100000, GZIP);
    for (size_t n = 1;; n++) {
        mesh_code code;

        mesh_alloc_fail_at(n);
        code = inflate_in_steps(bytes, size, 5000, 4 << 20, content, 100000);
        assert_int_equal(mesh_alloc_live(), 0);
        if (!mesh_alloc_failed()) {
            assert_int_equal(code, MESH_OK);
            break;
        }
        assert_int_equal(code, MESH_RESOURCE_EXHAUSTED);
        failed++;
    }
    mesh_alloc_fail_at(0);
    assert_true(failed >= 4); /* arena, content, and what zlib has: a state and a window */
    free(bytes);
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_and_zlib_come_out_whole_however_they_are_cut),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(a_worker_gives_way_to_other_threads_while_it_inflates_what_is_large),
        cmocka_unit_test(what_says_that_it_is_too_much_is_not_even_begun),
        cmocka_unit_test(what_is_more_than_it_says_is_an_internal_error),
        cmocka_unit_test(what_is_broken_is_an_internal_error),
        cmocka_unit_test(what_follows_the_end_is_an_internal_error),
        cmocka_unit_test(empty_slices_change_nothing),
        cmocka_unit_test(without_memory_it_is_resource_exhausted),
    };

    return cmocka_run_group_tests_name("inflating", tests, NULL, NULL);
}
