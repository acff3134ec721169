/* Messages that come in several parts become what protobuf's own parser makes of them: protoc's. */
#include "mesh/rpc/wire_merge.h"

#include "mesh/base/wire.h"
#include "mesh/rpc/unpack.h"
#include "mesh/rpc/wire_check.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/rpc/wire_check_test.pb-c.h"

#define EVERYTHING &wirecheck__everything__descriptor
#define BYTES(text)                               \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

enum {
    MANY_BYTES = 1 << 20,
    MESSAGE_BYTES = 1024,
    ARENA_BYTES = 64 << 20,
    RANDOM = 3000
};

/* --- protoc ----------------------------------------------------------------------------------- */

/* What protoc reads in a wirecheck.Many, as text. */
static char *protoc_reads(const mesh_wire_writer *many, const uint8_t *begin)
{
    char path[256], command[512];
    char *text = NULL;
    size_t size = 0;
    FILE *file, *all = open_memstream(&text, &size);
    int byte;

    assert_false(many->full);
    snprintf(path, sizeof path, "%s/many", getenv("TEST_TMPDIR"));
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(begin, 1, (size_t)(many->at - begin), file), many->at - begin);
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof command,
             "protoc --decode=wirecheck.Many tests/mesh/rpc/wire_check_test.proto <%s", path);
    file = popen(command, "r");
    assert_non_null(file);
    while ((byte = getc(file)) != EOF)
        putc(byte, all);
    assert_int_equal(pclose(file), 0);
    fclose(all);
    return text;
}

/* As they came, and as they were unpacked. */
typedef struct both {
    uint8_t *bytes[2];
    mesh_wire_writer out[2];
    mesh_arena *arena;
} both;

static void begin(both *both)
{
    both->arena = mesh_arena_create(4096, ARENA_BYTES);
    assert_non_null(both->arena);
    for (int i = 0; i < 2; i++) {
        both->bytes[i] = malloc(MANY_BYTES);
        assert_non_null(both->bytes[i]);
        both->out[i] = (mesh_wire_writer){.at = both->bytes[i], .end = both->bytes[i] + MANY_BYTES};
    }
}

static void add(both *both, const uint8_t *bytes, size_t size)
{
    ProtobufCMessage *message;
    uint8_t packed[4 * MESSAGE_BYTES];
    size_t packed_size;
    mesh_error err;

    mesh_arena_reset(both->arena);
    mesh_error_clear(&err);
    if (mesh_unpack(EVERYTHING, bytes, size, both->arena, &message, &err) != MESH_OK)
        fail_msg("%s", err.message);
    packed_size = protobuf_c_message_get_packed_size(message);
    assert_in_range(packed_size, 0, sizeof packed);
    (void)protobuf_c_message_pack(message, packed);
    mesh_wire_put_bytes(&both->out[0], 1, bytes, size);
    mesh_wire_put_bytes(&both->out[1], 1, packed, packed_size);
}

static void compare(both *both)
{
    char *text[2];

    for (int i = 0; i < 2; i++)
        text[i] = protoc_reads(&both->out[i], both->bytes[i]);
    assert_string_equal(text[1], text[0]);
    for (int i = 0; i < 2; i++) {
        free(text[i]);
        free(both->bytes[i]);
    }
    mesh_arena_destroy(both->arena);
}

/* --- what is promised ------------------------------------------------------------------------- */

static void parts_are_merged_as_protoc_does(void **state)
{
    static const struct {
        const uint8_t *data;
        size_t size;
    } cases[] = {
        /* tree: its name, then what is left of it */
        BYTES("\x8a\x01\x03\x0a\x01"
              "a\x8a\x01\x05\x12\x03\x0a\x01"
              "b"),
        /* tree: left, and more of left */
        BYTES("\x8a\x01\x05\x12\x03\x0a\x01"
              "a\x8a\x01\x06\x12\x04\x12\x02\x0a\x00\x8a\x01\x00"),
        /* parts of left within one tree */
        BYTES("\x8a\x01\x09\x12\x03\x0a\x01"
              "a\x12\x02\x1a\x00"),
        /* children of two parts; empty ones, too */
        BYTES("\x8a\x01\x05\x1a\x03\x0a\x01"
              "a\x8a\x01\x02\x1a\x00\x92\x01\x00\x92\x01\x00"),
        /* branch of a oneof in two parts */
        BYTES("\xba\x06\x03\x0a\x01"
              "a\xba\x06\x05\x12\x03\x0a\x01"
              "b"),
        /* with another member between them: the first part is gone */
        BYTES("\xba\x06\x03\x0a\x01"
              "a\xa0\x06\x01\xba\x06\x05\x12\x03\x0a\x01"
              "b"),
        BYTES("\xba\x06\x03\x0a\x01"
              "a\xc2\x06\x00\xba\x06\x05\x12\x03\x0a\x01"
              "b"),
        /* and with another one behind them */
        BYTES("\xba\x06\x00\xba\x06\x03\x0a\x01"
              "a\xc2\x06\x00"),
        BYTES("\xba\x06\x00\xba\x06\x03\x0a\x01"
              "a\xaa\x06\x01"
              "w"),
        /* the value of an entry of a map */
        BYTES("\xa2\x03\x0b\x08\x05\x12\x03\x0a\x01"
              "a\x12\x02\x1a\x00"),
        /* fields that are no messages, in between */
        BYTES("\x08\x01\x8a\x01\x03\x0a\x01"
              "a\x08\x02\x7a\x01"
              "t\x8a\x01\x02\x1a\x00\xfa\x01\x02\x01\x02\xf8\x01\x03"),
    };
    both both;

    (void)state;
    begin(&both);
    for (size_t i = 0; i < COUNT(cases); i++)
        add(&both, cases[i].data, cases[i].size);
    compare(&both);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* A whole field, or none. */
static void put(mesh_wire_writer *out, uint32_t number, const void *data, size_t size)
{
    if (mesh_wire_bytes_size(number, size) <= (size_t)(out->end - out->at))
        mesh_wire_put_bytes(out, number, data, size);
    else
        out->full = true;
}

static void put_tree(mesh_wire_writer *out, uint32_t number, uint32_t *seed, int depth);

/* Fields of a Tree, few and often the same. */
static size_t random_tree(uint8_t *bytes, size_t capacity, uint32_t *seed, int depth)
{
    mesh_wire_writer out = {.at = bytes, .end = bytes + capacity};

    for (uint32_t fields = next_random(seed) % 4; fields > 0; fields--) {
        uint8_t entry[MESSAGE_BYTES];
        mesh_wire_writer in = {.at = entry, .end = entry + sizeof entry};

        switch (depth > 3 ? 0 : next_random(seed) % 5) {
        case 0:
            put(&out, 1, "abc", 1 + next_random(seed) % 3);
            break;
        case 1:
        case 2:
            put_tree(&out, 2, seed, depth);
            break;
        case 3:
            put_tree(&out, 3, seed, depth);
            break;
        default:
            put(&in, 1, "key", 1 + next_random(seed) % 3);
            put_tree(&in, 2, seed, depth);
            put_tree(&in, 2, seed, depth);
            put(&out, 4, entry, (size_t)(in.at - entry));
            break;
        }
    }
    return (size_t)(out.at - bytes);
}

static void put_tree(mesh_wire_writer *out, uint32_t number, uint32_t *seed, int depth)
{
    uint8_t tree[MESSAGE_BYTES / 4];
    size_t size = random_tree(tree, sizeof tree, seed, depth + 1);

    put(out, number, tree, size);
}

static size_t random_parts(uint8_t *bytes, size_t capacity, uint32_t *seed)
{
    mesh_wire_writer out = {.at = bytes, .end = bytes + capacity};

    for (uint32_t fields = next_random(seed) % 8; fields > 0; fields--) {
        uint32_t kind = next_random(seed) % 8;

        if (kind == 0)
            mesh_wire_put_uint(&out, 1, fields);
        else if (kind == 1)
            mesh_wire_put_uint(&out, 100, fields);
        else if (kind == 2)
            put(&out, 101, "word", 4);
        else if (kind == 3)
            put(&out, 104, NULL, 0);
        else
            put_tree(&out, kind == 4 ? 39 : kind < 7 ? 103 : 17, seed, 0);
    }
    return (size_t)(out.at - bytes);
}

static void whatever_comes_in_parts_is_merged_as_protoc_does(void **state)
{
    uint8_t bytes[MESSAGE_BYTES];
    uint32_t seed = 5;
    both both;

    (void)state;
    begin(&both);
    for (int i = 0; i < RANDOM; i++)
        add(&both, bytes, random_parts(bytes, sizeof bytes, &seed));
    compare(&both);
}

/* Parts of parts of parts, as many and as deep as they fit, and of a oneof by turns. */
static size_t hostile(uint8_t *bytes, size_t size, size_t depth)
{
    mesh_wire_writer out = {.at = bytes, .end = bytes + size};

    while (!out.full) {
        if (depth == 0) {
            put(&out, 17, NULL, 0);
            put(&out, 103, NULL, 0);
            put(&out, 104, NULL, 0);
        } else {
            uint8_t nest[512];
            mesh_wire_writer in = {.at = nest, .end = nest + sizeof nest};

            for (size_t i = depth; i > 0; i--)
                mesh_wire_put_header(&in, i == depth ? 17 : 2, 2 * (i - 1));
            mesh_wire_put_raw(&out, nest, (size_t)(in.at - nest));
        }
    }
    return (size_t)(out.at - bytes);
}

/* What is allocated tells of the steps: each makes at most one allocation. */
static void hostile_parts_take_linear_time(void **state)
{
    enum {
        SMALL_BYTES = 1 << 16,
        TIMES = 32
    };
    static uint8_t bytes[SMALL_BYTES * TIMES];

    (void)state;
    for (size_t depth = 0; depth <= 30; depth += 15) {
        size_t used[2];

        for (int i = 0; i < 2; i++) {
            size_t size = hostile(bytes, i == 0 ? SMALL_BYTES : sizeof bytes, depth);
            mesh_arena *arena = mesh_arena_create(4096, 0);
            const uint8_t *merged;
            size_t merged_size;
            mesh_wire_needs needs;

            assert_int_equal(mesh_wire_check(EVERYTHING, bytes, size, &needs, NULL), MESH_OK);
            assert_true(needs.in_parts);
            assert_int_equal(mesh_wire_merge(EVERYTHING, bytes, size, needs.messages, arena,
                                             &merged, &merged_size),
                             MESH_OK);
            assert_in_range(merged_size, 1, size + 4 * needs.messages);
            used[i] = mesh_arena_used(arena);
            mesh_arena_destroy(arena);
        }
        assert_in_range(used[1], 0, 2 * TIMES * used[0]);
    }
}

static void parts_that_need_too_much_memory_are_refused(void **state)
{
    static uint8_t bytes[4 << 20];
    mesh_arena *arena = mesh_arena_create(4096, 1 << 20);
    ProtobufCMessage *message;
    mesh_error err;

    (void)state;
    mesh_error_clear(&err);
    assert_int_equal(
        mesh_unpack(EVERYTHING, bytes, hostile(bytes, sizeof bytes, 0), arena, &message, &err),
        MESH_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "needs more memory"));
    assert_int_equal(mesh_arena_used(arena), 0);
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_merged_as_protoc_does),
        cmocka_unit_test(whatever_comes_in_parts_is_merged_as_protoc_does),
        cmocka_unit_test(hostile_parts_take_linear_time),
        cmocka_unit_test(parts_that_need_too_much_memory_are_refused),
    };

    return cmocka_run_group_tests_name("wire_merge", tests, NULL, NULL);
}
