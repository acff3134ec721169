#include "mesh/rpc/unpack.h"
#include "mesh/rpc/wire_check.h"

#include "mesh/base/wire.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/rpc/wire_check_fuzz.h"
#include "tests/mesh/rpc/wire_check_test.pb-c.h"
#include "tests/mesh/rpc/worker.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1
#define EVERYTHING &wirecheck__everything__descriptor

typedef struct check_case {
    const char *name;
    const uint8_t *data;
    size_t size;
    const char *field;   /* path that the error names; NULL: none */
    const char *problem; /* in the message; NULL: it passes */
} check_case;

static const check_case cases[] = {
    {"an empty message", BYTES(""), NULL, NULL},
    {"a number", BYTES("\x08\x96\x01"), NULL, NULL},
    {"a negative number in ten bytes", BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL,
     NULL},
    {"a number in eleven bytes", BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "int32",
     "is malformed"},
    {"a cut number", BYTES("\x08\x96"), "int32", "is malformed"},
    {"a cut fixed32", BYTES("\x1d\x01\x02\x03"), "sfixed32", "is malformed"},
    {"a cut fixed64", BYTES("\x31\x01\x02\x03\x04\x05\x06\x07"), "sfixed64", "is malformed"},
    {"a cut tag", BYTES("\x88"), NULL, "wirecheck.Everything: is malformed"},
    {"field number 0", BYTES("\x00\x01"), NULL, "is malformed"},
    {"a tag of six bytes", BYTES("\x88\x80\x80\x80\x80\x00\x01"), NULL, "is malformed"},
    {"a wire type that does not exist", BYTES("\x0f\x01"), NULL, "is malformed"},

    {"text",
     BYTES("\x7a\x03"
           "abc"),
     NULL, NULL},
    {"text with long characters",
     BYTES("\x7a\x09"
           "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
     NULL, NULL},
    {"text that is cut",
     BYTES("\x7a\x03"
           "ab"),
     "text", "is longer than the message around it"},
    {"text with a NUL",
     BYTES("\x7a\x04"
           "a\0b\xff"),
     "text", "must not hold a NUL character"},
    {"text that is not UTF-8",
     BYTES("\x7a\x03"
           "a\xc3"
           "b"),
     "text", "must be UTF-8"},
    {"text that ends in a character",
     BYTES("\x7a\x02"
           "a\xc3"),
     "text", "must be UTF-8"},
    {"a surrogate", BYTES("\x7a\x03\xed\xa0\x80"), "text", "must be UTF-8"},
    {"bytes that are not UTF-8", BYTES("\x82\x01\x02\xff\0"), NULL, NULL},
    {"a huge length",
     BYTES("\x7a\xff\xff\xff\xff\x07"
           "a"),
     "text", "is longer than"},
    {"a length of 64 bits",
     BYTES("\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
           "a"),
     "text", "is longer than"},
    {"the last field number",
     BYTES("\xfa\xff\xff\xff\x0f\x01"
           "a"),
     NULL, NULL},
    {"the last field number, not UTF-8", BYTES("\xfa\xff\xff\xff\x0f\x01\xff"), "last", "UTF-8"},

    {"a number as text",
     BYTES("\x0a\x01"
           "a"),
     "int32", "is encoded as another type"},
    {"text as a number", BYTES("\x78\x01"), "text", "is encoded as another type"},
    {"a bool as fixed64", BYTES("\x69\1\0\0\0\0\0\0\0"), "bool_", "is encoded as another type"},
    {"an unknown number", BYTES("\xc8\x02\x01"), NULL, NULL}, /* field 41: between two ranges */
    {"an unknown field after the last range", BYTES("\xe8\x07\x01"), NULL, NULL},
    {"unknown bytes", BYTES("\xca\x02\x02\xff\0"), NULL, NULL},
    {"an unknown field that is cut", BYTES("\xca\x02\x02\xff"), NULL, "is longer than"},
    {"a group", BYTES("\xcb\x02\xcc\x02"), NULL, "holds a group"},
    {"a group in a known field", BYTES("\x8b\x01\x8c\x01"), "tree", "holds a group"},
    {"the end of a group", BYTES("\xcc\x02"), NULL, "holds a group"},

    {"packed numbers", BYTES("\xfa\x01\x03\x01\x96\x01"), NULL, NULL},
    {"no packed numbers", BYTES("\xfa\x01\x00"), NULL, NULL},
    {"packed numbers that are cut", BYTES("\xfa\x01\x03\x01\x96\x81"), "ints[0]",
     "holds a malformed number"},
    {"numbers that are not packed", BYTES("\xf8\x01\x01\xf8\x01\x02"), NULL, NULL},
    {"the third is cut", BYTES("\xf8\x01\x01\xf8\x01\x02\xf8\x01\xff"), "ints[2]", "is malformed"},
    {"packed fixed32", BYTES("\x8a\x02\x04\1\2\3\4"), NULL, NULL},
    {"packed fixed32 that are cut", BYTES("\x8a\x02\x03\1\2\3"), "fixeds[0]", "is cut"},
    {"packed doubles that are cut", BYTES("\x92\x02\x09\1\2\3\4\5\6\7\x08\x09"), "doubles[0]",
     "is cut"},
    {"packed bools", BYTES("\x9a\x02\x02\0\1"), NULL, NULL},
    {"a packed bool of 2", BYTES("\x9a\x02\x02\0\2"), "bools[0]", "neither 0 nor 1"},
    {"packed where the contract says not", BYTES("\xc2\x02\x02\1\2"), NULL, NULL},

    {"texts",
     BYTES("\xaa\x02\x01"
           "a"
           "\xaa\x02\x00"),
     NULL, NULL},
    {"the second of the texts",
     BYTES("\xaa\x02\x01"
           "a"
           "\x08\x01"
           "\xaa\x02\x01\xff"),
     "texts[1]", "must be UTF-8"},
    {"a nested message",
     BYTES("\x8a\x01\x03\x0a\x01"
           "a"),
     NULL, NULL},
    {"a nested message longer than its parent",
     BYTES("\x8a\x01\x04\x0a\x01"
           "a"),
     "tree", "is longer than"},
    {"a nested field longer than its message",
     BYTES("\x8a\x01\x02\x0a\x01"
           "a\x08\x01"),
     "tree.name", "is longer than"},
    {"a malformed tag in a nested message", BYTES("\x8a\x01\x01\x80"), "tree", "is malformed"},
    {"fields after a nested message",
     BYTES("\x8a\x01\x03\x0a\x01"
           "a\x7a\x01\xff"),
     "text", "UTF-8"},
    {"deep in repeated messages",
     BYTES("\xba\x02\x00"
           "\xba\x02\x0b"
           "\x1a\x00\x1a\x02\x12\x00\x1a\x03\x0a\x01\xff"),
     "trees[1].children[2].name", "must be UTF-8"},
    {"the key of a map", BYTES("\x9a\x03\x00\x9a\x03\x03\x0a\x01\xff"), "labels[1].key", "UTF-8"},
    {"the value of a map",
     BYTES("\x9a\x03\x06\x0a\x01"
           "a\x12\x01\0"),
     "labels[0].value", "a NUL"},
    {"the message in a map", BYTES("\xa2\x03\x05\x12\x03\x0a\x01\xff"), "forest[0].value.name",
     "UTF-8"},
    {"a oneof",
     BYTES("\xa0\x06\x01\xaa\x06\x01"
           "a\xb2\x06\x01\xff\xba\x06\x02\x0a\x00\xc2\x06\x00"),
     NULL, NULL},
    {"text in a oneof", BYTES("\xa0\x06\x01\xaa\x06\x01\xff"), "word", "must be UTF-8"},
    {"a message without fields", BYTES("\x92\x01\x02\x08\x01"), NULL, NULL},
};

static void bytes_pass_or_the_field_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const check_case *one = &cases[i];
        uint8_t *copy = malloc(one->size + 1);
        mesh_error_violation violation;
        mesh_wire_needs needs;
        mesh_error err;
        mesh_code code;
        bool named;

        memset(&err, 0xee, sizeof err);
        memcpy(copy, one->data, one->size);
        copy = realloc(copy, one->size); /* so that a sanitizer sees the bound */
        code = mesh_wire_check(EVERYTHING, copy, one->size, &needs, &err);
        assert_int_equal(code, mesh_wire_check(EVERYTHING, copy, one->size, &needs, NULL));
        LLVMFuzzerTestOneInput(copy, one->size);
        free(copy);
        if (one->problem == NULL) {
            if (code != MESH_OK)
                fail_msg("%s: %s", one->name, err.message);
            continue;
        }
        if (code != MESH_INVALID_ARGUMENT || strstr(err.message, one->problem) == NULL)
            fail_msg("%s: code %d, %s", one->name, code, code == MESH_OK ? "" : err.message);
        named = mesh_error_violation_at(&err, 0, &violation);
        if (named != (one->field != NULL) ||
            (named && (violation.field_size != strlen(one->field) ||
                       memcmp(violation.field, one->field, violation.field_size) != 0)))
            fail_msg("%s: %s", one->name, err.message);
    }
}

/* A tree nested `depth` times within an Everything, by one field of Tree, written from its end. */
static size_t nest(uint8_t *buffer, size_t capacity, size_t depth, uint32_t number)
{
    size_t size = 0;

    for (size_t i = 0; i < depth; i++) {
        uint8_t header[16];
        mesh_wire_writer out = {.at = header, .end = header + sizeof header};

        mesh_wire_put_header(&out, i + 1 == depth ? 17 : number, size);
        size += (size_t)(out.at - header);
        memcpy(buffer + capacity - size, header, (size_t)(out.at - header));
    }
    memmove(buffer, buffer + capacity - size, size);
    return size;
}

static void nesting_is_limited(void **state)
{
    static uint8_t buffer[128 * 1024];
    mesh_wire_needs needs;
    mesh_error err;

    (void)state;
    for (uint32_t number = 2; number <= 3; number++) {
        size_t size = nest(buffer, sizeof buffer, MESH_WIRE_CHECK_DEPTH, number);

        assert_int_equal(mesh_wire_check(EVERYTHING, buffer, size, &needs, &err), MESH_OK);
        assert_int_equal(LLVMFuzzerTestOneInput(buffer, size), 0);
        size = nest(buffer, sizeof buffer, MESH_WIRE_CHECK_DEPTH + 1, number);
        assert_int_equal(mesh_wire_check(EVERYTHING, buffer, size, &needs, &err),
                         MESH_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, number == 2 ? "tree.left.left." : "tree.children[0]."));
        size = nest(buffer, sizeof buffer, 10000, number);
        assert_int_equal(mesh_wire_check(EVERYTHING, buffer, size, &needs, &err),
                         MESH_INVALID_ARGUMENT);
    }
}

/* Of a flood of messages without content, as many as 4 MiB hold. */
static void what_does_not_fit_is_refused_before_anything_is_unpacked(void **state)
{
    enum {
        EMPTY = 2 << 20,
        LIMIT_BYTES = 16 << 20
    };
    static const uint8_t fields[] = {17, 18, 39}; /* tree, empty, trees: in parts, and many */
    mesh_arena *arena = mesh_arena_create(4096, LIMIT_BYTES);
    uint8_t *bytes = malloc(EMPTY * 3);
    ProtobufCMessage *message;
    mesh_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++) {
        mesh_wire_writer out = {.at = bytes, .end = bytes + EMPTY * 3};

        while (!out.full)
            mesh_wire_put_bytes(&out, fields[i], NULL, 0);
        mesh_error_clear(&err);
        assert_int_equal(mesh_unpack(EVERYTHING, bytes, EMPTY * 3, arena, &message, &err),
                         MESH_RESOURCE_EXHAUSTED);
        assert_non_null(strstr(err.message, "needs more memory"));
        assert_int_equal(mesh_arena_used(arena), 0);
    }
    mesh_arena_destroy(arena);
    free(bytes);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Writes a message of random fields, most of them right: an Everything, or a Tree in it. */
static size_t random_message(uint8_t *bytes, size_t capacity, uint32_t *seed, int depth)
{
    static const uint32_t numbers[] = {1, 2, 4, 7, 9, 13, 14, 31, 36, 40, 100};
    static const uint32_t texts[] = {15, 16, 37, 38, 101, 102, 31, 35, 36};
    static const uint32_t trees[] = {17, 39, 103};
    mesh_wire_writer out = {.at = bytes, .end = bytes + capacity};
    uint8_t inner[256];

    for (uint32_t fields = next_random(seed) % 6; fields > 0 && !out.full; fields--) {
        uint32_t kind = next_random(seed) % 3, random = next_random(seed);
        size_t size = 0;

        if (kind == 0 && depth == 0) {
            mesh_wire_put_uint(&out, numbers[random % COUNT(numbers)], random % 300);
        } else if (kind == 1 && depth < 5) {
            size = random_message(inner, sizeof inner, seed, depth + 1);
            mesh_wire_put_bytes(&out, depth > 0 ? 2 + random % 3 : trees[random % COUNT(trees)],
                                inner, size);
        } else {
            for (; size < random % 12; size++)
                inner[size] = size % 2 == 0 ? 1 : (uint8_t)(random >> 16 & 0x7f);
            mesh_wire_put_bytes(&out, depth > 0 ? 1 : texts[(random >> 4) % COUNT(texts)], inner,
                                size);
        }
    }
    return (size_t)(out.at - bytes);
}

static void what_passes_can_be_unpacked(void **state)
{
    uint32_t seed = 7;
    uint8_t bytes[1024];
    size_t before = wire_check_fuzz_passed();

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t size = random_message(bytes, sizeof bytes, &seed, 0);
        uint8_t *copy;

        for (uint32_t k = next_random(&seed) % 3; k > 0 && size > 0; k--)
            bytes[next_random(&seed) % size] = (uint8_t)next_random(&seed);
        copy = malloc(size + 1);
        memcpy(copy, bytes, size);
        LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
    /* Both verdicts must be common, or this tests little. */
    assert_in_range(wire_check_fuzz_passed() - before, 20000, 180000);
}

static int gave_way;

int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
    gave_way++;
    return 0;
}

/* Of fields of two bytes. */
static uint8_t large[1 << 20];

static void check_large(void *size)
{
    mesh_wire_needs needs;

    assert_int_equal(mesh_wire_check(EVERYTHING, large, *(size_t *)size, &needs, NULL), MESH_OK);
}

/* How often other threads are let go first by a worker that checks so much. */
static int ways_given_by_worker(size_t size)
{
    gave_way = 0;
    testing_on_worker(check_large, &size);
    return gave_way;
}

static void a_worker_gives_way_to_other_threads_while_it_checks_what_is_large(void **state)
{
    enum {
        RUN_BYTES = 16 << 10
    };
    size_t size = sizeof large;

    (void)state;
    for (size_t i = 0; i < size; i += 2)
        memcpy(&large[i], "\x08\x01", 2);
    assert_int_equal(ways_given_by_worker(RUN_BYTES), 0);
    assert_in_range(ways_given_by_worker(size), size / RUN_BYTES - 2, size / RUN_BYTES);
    gave_way = 0;
    check_large(&size); /* on a thread that is no worker */
    assert_int_equal(gave_way, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_or_the_field_is_named),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(a_worker_gives_way_to_other_threads_while_it_checks_what_is_large),
        cmocka_unit_test(what_passes_can_be_unpacked),
        cmocka_unit_test(what_does_not_fit_is_refused_before_anything_is_unpacked),
    };

    return cmocka_run_group_tests_name("wire_check", tests, NULL, NULL);
}
